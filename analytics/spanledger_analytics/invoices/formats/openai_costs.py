"""OpenAI's costs API: ``GET /v1/organization/costs``, in dollars, by day and line item.

https://platform.openai.com/docs/api-reference/usage/costs
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.values import Record

_RESULT = "organization.costs.result"
_UNITS: Mapping[str, tuple[str, int]] = {
    "tokens": ("tokens", 1),
    "1000_tokens": ("tokens", 1_000),
    "duration_seconds": ("seconds", 1),
    "duration_minutes": ("seconds", 60),
    "duration_hours": ("seconds", 3_600),
    "gibibyte_hours": ("gibibyte-hours", 1),
    "images": ("images", 1),
    "characters": ("characters", 1),
}
# Spellings seen in public: how batch and flex are spelled is not known, and no such text fits.
_ITEM = re.compile(
    r"(?:(?P<tier>priority) \| )?(?P<model>[^\s|,]+)(?: (?P<modality>audio|image|text))?, "
    r"(?P<kind>input|output|cached input|cache writes|audio)(?P<long>, long context)?"
)
_KINDS = {
    "input": TokenClass.UNCACHED,
    "output": TokenClass.OUTPUT,
    "cached input": TokenClass.CACHE_READ,
    "cache writes": TokenClass.CACHE_WRITE,
    "audio": TokenClass.AUDIO,
}
_WHOLE = {
    "web search tool calls": (TokenClass.WEB_SEARCH, "searches"),
    "vector storage": (TokenClass.STORAGE, ""),
}


class Item(NamedTuple):
    """What a line item says."""

    token_class: TokenClass
    model: str | None = None
    service_tier: str | None = None
    context: str | None = None
    modality: str = ""
    unit: str = ""


class OpenAICosts(Form):
    """Pages of daily buckets of results; several pages may follow each other."""

    name = "openai-costs"
    report = "openai.costs"

    def matches(self, head: Head) -> bool:
        """Return whether a result says that it is of costs."""
        return head.kind == "json" and _has_result(head.first)

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each result; empty buckets cover their day."""
        number = 0
        for page in records:
            for bucket in page.parts("data"):
                days = bucket.days("start_time", "end_time")
                records.cover(self.plain_source(), days[0])
                for result in bucket.parts("results"):
                    number += 1
                    yield _line(result.numbered(number), days)


@lru_cache(4_096)
def parse_item(text: str | None) -> Item:
    """Return what a line item says; UNMAPPED where its text is not known.

    None: the report is not grouped by line item, so everything is in one amount.
    """
    if text is None:
        return Item(TokenClass.MODEL)
    if text.lower() in _WHOLE:
        token_class, unit = _WHOLE[text.lower()]
        return Item(token_class, unit=unit)
    found = _ITEM.fullmatch(text)
    if found is None:
        return Item(TokenClass.UNMAPPED)
    return Item(
        _KINDS[found["kind"]],
        found["model"],
        service_tier=found["tier"],
        context="long" if found["long"] else None,
        modality=found["modality"] or "",
    )


def cost_line(
    record: Record, days: tuple[date, date], amount: Decimal | None, currency: str
) -> InvoiceLine:
    """Return the line of a record of costs, from the API or the dashboard."""
    text = record.told("line_item")
    item = parse_item(text)
    unit, factor = _UNITS.get(record.text("quantity_unit"), (record.text("quantity_unit"), 1))
    quantity = record.number_of("quantity")
    extra = told_extra(record, ("api_source", "organization_id", "quantity_unit"))
    if item.modality:
        extra["modality"] = item.modality
    about = About(
        day=days[0], last_day=days[1], dataset=Dataset.COST, provider="openai",
        line_number=record.number, scope=record.told("project_id"),
        api_key=record.told("api_key_id"), user=record.told("user_id"), model=item.model,
        reported_model=item.model or "", service_tier=item.service_tier, context=item.context,
        description=text or "", extra=extra,
    )  # fmt: skip
    return about.line(
        item.token_class,
        quantity=None if quantity is None else quantity * factor,
        unit=unit or item.unit,
        amount=amount,
        currency=currency,
    )


def _line(result: Record, days: tuple[date, date]) -> InvoiceLine:
    if result.text("object") not in (_RESULT, ""):
        raise result.wrong("object", "is no result of the costs API")
    amount = result.part("amount")
    value = amount.money("value")
    if value is None:
        raise amount.wrong("value", "is missing; it must be a number")
    return cost_line(result, days, value, amount.currency("currency"))


def _has_result(page: Mapping[str, object]) -> bool:
    buckets = page.get("data")
    for bucket in buckets if isinstance(buckets, list) else ():
        results = bucket.get("results") if isinstance(bucket, dict) else None
        for result in results if isinstance(results, list) else ():
            return isinstance(result, dict) and result.get("object") == _RESULT
    return False
