"""Google Cloud's billing export as BigQuery exports it: one JSON record a line.

Credits are lines of their own, so that net = cost + credits. Rows of other services are left out.
https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/standard-usage
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import About, Form
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.rules import METER_ID
from spanledger_analytics.invoices.values import Record

_VERTEX_ID = "C7E2-9256-1C43"
_OURS = re.compile(r"vertex ai|gemini|generative language", re.IGNORECASE)
_MODEL = r"(?P<model>Gemini \d+(?:\.\d+)?(?: (?:Flash|Pro|Ultra|Nano|Lite|Flash-Lite))*)"
_WHERE = r"(?: GA)?(?P<geo> Global)?"
# Texts of SKUs as they are seen in the export; others wait for a mapping.
_VERTEX = re.compile(
    rf"{_MODEL}{_WHERE} (?P<thinking>Thinking )?(?P<modality>Text|Image|Audio|Video) "
    r"(?P<direction>Input|Output) - Predictions"
)
_CACHED = re.compile(rf"{_MODEL}{_WHERE} Input (?P<modality>Text|Image|Audio|Video) Caching")
_STORED = re.compile(
    rf"{_MODEL}{_WHERE} (?P<modality>Text|Image|Audio|Video) Input Caching Storage"
)
_STUDIO = re.compile(
    r"Generate content (?P<direction>input|output) token count (?P<model>gemini \d+(?:\.\d+)?"
    r"(?: (?:flash|pro|ultra|nano|lite))*)"
    r"(?: (?P<rest>(?P<size>short|long) (?:input|output) text|cached input|output))?",
    re.IGNORECASE,
)
_CAPACITY = re.compile(r"Vertex AI: Provisioned Throughput .*")
_SIZES = {"short": "0-200k", "long": "200k+"}
_KINDS = {
    "tax": TokenClass.TAX,
    "adjustment": TokenClass.ADJUSTMENT,
    "rounding_error": TokenClass.ROUNDING,
}
# https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/standard-usage#credits
_CREDITS = frozenset({"PROMOTION", "FREE_TIER"})
_PLAIN_UNITS = frozenset({"count", "requests", "tokens", ""})


class Sku(NamedTuple):
    """What the text of a SKU says."""

    token_class: TokenClass
    model: str | None = None
    geo: str = ""
    context: str | None = None
    modality: str = ""
    is_thinking: bool = False


class GcpBilling(Form):
    """One record an hour, SKU and project."""

    name = "gcp-billing"
    report = "gcp.billing"
    account_field = "billing_account_id"

    def matches(self, head: Head) -> bool:
        """Return whether a record is one of the export."""
        return head.has("service", "sku", "usage_start_time", "cost", "currency")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return a line of each record, and one of each of its credits."""
        for record in records:
            service = record.part("service")
            if service.text("id") != _VERTEX_ID and not _OURS.search(service.text("description")):
                records.skip()
                continue
            yield from _lines(record)


@lru_cache(4_096)
def parse_sku(text: str) -> Sku:
    """Return what the text of a SKU says; UNMAPPED where it is not known."""
    for pattern, token_class in ((_CACHED, TokenClass.CACHE_READ), (_STORED, TokenClass.STORAGE)):
        found = pattern.fullmatch(text)
        if found:
            return _sku(found, token_class)
    found = _VERTEX.fullmatch(text)
    if found:
        sku = _sku(found, _direction(found["direction"]))
        return sku._replace(is_thinking=bool(found["thinking"]))
    found = _STUDIO.fullmatch(text)
    if found:
        is_cached = (found["rest"] or "").startswith("cached")
        token_class = TokenClass.CACHE_READ if is_cached else _direction(found["direction"])
        return Sku(token_class, _model(found["model"]), context=_SIZES.get(found["size"] or ""))
    return Sku(TokenClass.CAPACITY if _CAPACITY.fullmatch(text) else TokenClass.UNMAPPED)


def _lines(record: Record) -> Iterator[InvoiceLine]:
    about, sku = _about(record)
    kind = _KINDS.get(record.text("cost_type").lower())
    amount, currency = record.money("cost"), record.currency("currency")
    if amount is None:
        raise record.wrong("cost", "is missing; it must be a number")
    quantity, unit = _quantity(record.part("usage"), kind or sku.token_class)
    yield about.line(
        kind or sku.token_class, quantity=quantity, unit=unit, amount=amount, currency=currency
    )
    for credit in record.parts("credits"):
        taken = credit.money("amount")
        if taken is None:
            raise credit.wrong("amount", "is missing; it must be a number")
        is_credit = credit.text("type").upper() in _CREDITS
        token_class = TokenClass.CREDIT if is_credit else TokenClass.DISCOUNT
        named = {"credit": credit.text("name"), "credit_type": credit.text("type")}
        yield about.but(extra={**about.extra, **named}).line(
            token_class, amount=taken, currency=currency
        )


def _about(record: Record) -> tuple[About, Sku]:
    described = record.part("sku")
    sku = parse_sku(described.text("description"))
    first, last = record.days("usage_start_time", "usage_end_time")
    is_studio = described.text("description").lower().startswith("generate content")
    extra = {
        "billing_account_id": record.text("billing_account_id"),
        METER_ID: described.text("id"),
        "modality": sku.modality,
        "thinking": "1" if sku.is_thinking else "",
        "invoice_month": record.part("invoice").text("month"),
        "currency_conversion_rate": record.text("currency_conversion_rate"),
        **{f"label.{one.text('key')}": one.text("value") for one in record.parts("labels")},
    }
    return About(
        day=first, last_day=last, dataset=Dataset.COST,
        provider="gcp.gemini" if is_studio else "gcp.vertex_ai", line_number=record.number,
        scope=record.part("project").text("id"), model=sku.model, reported_model=sku.model or "",
        context=sku.context, geo=sku.geo or record.part("location").told("location"),
        description=described.text("description"),
        extra={name: value for name, value in extra.items() if value},
    ), sku  # fmt: skip


def _quantity(usage: Record, token_class: TokenClass) -> tuple[Decimal | None, str]:
    quantity, unit = usage.number_of("amount"), usage.text("unit")
    if not quantity:
        return None, ""
    if unit.lower() not in _PLAIN_UNITS:
        return quantity, "hours" if unit == "h" else unit
    is_tokens = token_class in (TokenClass.UNCACHED, TokenClass.CACHE_READ, TokenClass.OUTPUT)
    return quantity, "tokens" if is_tokens else unit


def _sku(found: re.Match[str], token_class: TokenClass) -> Sku:
    return Sku(
        token_class,
        _model(found["model"]),
        geo="global" if found["geo"] else "",
        modality=found["modality"].lower(),
    )


def _direction(text: str) -> TokenClass:
    return TokenClass.UNCACHED if text.lower() == "input" else TokenClass.OUTPUT


def _model(text: str) -> str:
    return text.lower().replace(" ", "-")
