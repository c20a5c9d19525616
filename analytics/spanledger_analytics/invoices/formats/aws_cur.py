"""AWS Cost and Usage Report 2.0 (CSV, gzip or Parquet): the lines of Amazon Bedrock.

Quantities of tokens are in thousands. Rows of other services are left out.
https://docs.aws.amazon.com/bedrock/latest/userguide/cost-mgmt-understanding-cur-data.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.values import Record

_PRODUCTS = frozenset({"AmazonBedrock", "AmazonBedrockService"})
_CLASSES = {
    "input-tokens": TokenClass.UNCACHED,
    "output-tokens": TokenClass.OUTPUT,
    "cache-read-input-token-count": TokenClass.CACHE_READ,
    "cache-write-input-token-count": TokenClass.CACHE_WRITE,
    "InputTokenCount": TokenClass.UNCACHED,
    "OutputTokenCount": TokenClass.OUTPUT,
    "CacheReadInputTokenCount": TokenClass.CACHE_READ,
    "CacheWriteInputTokenCount": TokenClass.CACHE_WRITE,
    "input": TokenClass.UNCACHED,
    "output": TokenClass.OUTPUT,
    "cache-read": TokenClass.CACHE_READ,
    "cache-write": TokenClass.CACHE_WRITE,
}
_USAGE = re.compile(
    r"(?P<region>[A-Z]{2,4}\d?)-(?P<model>[A-Za-z0-9.]+)-(?P<kind>input-tokens|output-tokens|"
    r"cache-read-input-token-count|cache-write-input-token-count)"
    r"(?P<suffix>(?:-cross-region-global|-batch|-flex|-priority)*)"
)
_MANTLE = re.compile(
    r"(?P<region>[A-Z]{2,4}\d?)-(?P<model>[A-Za-z0-9.]+)-mantle-(?P<kind>input|output|cache-read|"
    r"cache-write)-tokens(?P<suffix>-standard|-batch|-flex|-priority)"
)
_NEWER = re.compile(
    r"(?P<region>[A-Z]{2,4}\d?)_(?P<kind>InputTokenCount|OutputTokenCount|"
    r"CacheReadInputTokenCount|CacheWriteInputTokenCount)(?P<long>_LCtx)?(?P<global>_Global)?"
)
_CLAUDE = re.compile(r"Claude(?P<version>\d+(?:\.\d+)?)(?P<family>[A-Z][a-z]+)")
_NOVA = re.compile(r"Nova(?P<version>\d+(?:\.\d+)?)?(?P<family>[A-Z][a-z]+)")
_UNIT = re.compile(r"(?P<size>\d+)?\s*(?P<thousands>[KM])?\s*tokens", re.IGNORECASE)
_SIZES = {"": 1, "K": 1_000, "M": 1_000_000}
_DEFAULT_TOKENS = 1_000  # what a token usage type counts in where the unit does not say
_LINE_TYPES = {
    "Tax": TokenClass.TAX,
    "Credit": TokenClass.CREDIT,
    "Refund": TokenClass.ADJUSTMENT,
    "Fee": TokenClass.CAPACITY,
    "RIFee": TokenClass.CAPACITY,
    "SavingsPlanUpfrontFee": TokenClass.CAPACITY,
    "SavingsPlanRecurringFee": TokenClass.CAPACITY,
    "SavingsPlanNegation": TokenClass.DISCOUNT,
    "EdpDiscount": TokenClass.DISCOUNT,
    "BundledDiscount": TokenClass.DISCOUNT,
    "PrivateRateDiscount": TokenClass.DISCOUNT,
    "SppDiscount": TokenClass.DISCOUNT,
}
_EXTRA = (
    "bill_payer_account_id", "line_item_line_item_type", "line_item_operation",
    "line_item_resource_id", "pricing_unit", "tags",
)  # fmt: skip


class UsageType(NamedTuple):
    """What a usage type says."""

    token_class: TokenClass
    model: str | None = None
    reported_model: str = ""
    region: str = ""
    processing: str | None = None
    service_tier: str | None = None
    context: str | None = None


class AwsCur(Form):
    """One row an hour, usage type and account."""

    name = "aws-cur"
    report = "aws.cur"
    account_field = "bill_payer_account_id"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those of the report."""
        return head.has(
            "line_item_usage_start_date", "line_item_product_code", "line_item_usage_type",
            "line_item_unblended_cost",
        )  # fmt: skip

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each row of Bedrock."""
        for row in records:
            if row.text("line_item_product_code") in _PRODUCTS:
                yield _line(row)
            else:
                records.skip()


@lru_cache(4_096)
def parse_usage_type(text: str) -> UsageType:
    """Return what a usage type says; UNMAPPED where it is not known."""
    found = _USAGE.fullmatch(text) or _MANTLE.fullmatch(text)
    if found:
        words = set(found["suffix"].split("-"))
        tier = next((word for word in ("flex", "priority") if word in words), "")
        return UsageType(
            _CLASSES[found["kind"]],
            _model(found["model"]),
            found["model"],
            "global" if "global" in words else found["region"],
            "batch" if "batch" in words else "sync",
            tier,
        )
    found = _NEWER.fullmatch(text)
    if found:
        region = "global" if found["global"] else found["region"]
        context = "long" if found["long"] else None
        return UsageType(_CLASSES[found["kind"]], region=region, context=context)
    return UsageType(TokenClass.UNMAPPED)


def _line(row: Record) -> InvoiceLine:
    text = row.text("line_item_usage_type")
    said = parse_usage_type(text)
    kind = _LINE_TYPES.get(row.text("line_item_line_item_type"), said.token_class)
    first, last = row.days("line_item_usage_start_date", "line_item_usage_end_date")
    amount = row.money("line_item_unblended_cost")
    if amount is None:
        raise row.wrong("line_item_unblended_cost", "is missing; it must be a number")
    about = About(
        day=first, last_day=last, dataset=Dataset.COST, provider="aws.bedrock",
        line_number=row.number, scope=row.text("line_item_usage_account_id"),
        user=row.told("line_item_iam_principal"), model=said.model,
        reported_model=said.reported_model, processing=said.processing,
        service_tier=said.service_tier, context=said.context,
        geo=said.region or row.told("product_region_code"), description=text,
        invoice_id=row.text("bill_invoice_id"), extra=told_extra(row, _EXTRA),
    )  # fmt: skip
    quantity, unit = _quantity(row, said.token_class if kind is said.token_class else kind)
    return about.line(
        kind,
        quantity=quantity,
        unit=unit,
        amount=amount,
        currency=row.currency("line_item_currency_code", "USD"),
        list_amount=row.money("pricing_public_on_demand_cost"),
    )


def _quantity(row: Record, token_class: TokenClass) -> tuple[Decimal | None, str]:
    quantity = row.number_of("line_item_usage_amount")
    if quantity is None or token_class in _LINE_TYPES.values():
        return None, ""
    if token_class is TokenClass.UNMAPPED:
        return quantity, row.text("pricing_unit")
    found = _UNIT.fullmatch(row.text("pricing_unit"))
    if found is None:
        return quantity * _DEFAULT_TOKENS, "tokens"
    size = int(found["size"] or 1) * _SIZES[(found["thousands"] or "").upper()]
    return quantity * size, "tokens"


def _model(text: str) -> str:
    """Return a model as the ledger names it: ``claude-sonnet-4-5`` for ``Claude4.5Sonnet``."""
    claude = _CLAUDE.fullmatch(text)
    if claude:
        version = claude["version"].replace(".", "-")
        # Up to 3.x the version comes first: claude-3-5-sonnet.
        is_old = int(claude["version"][0]) < 4
        parts = (version, claude["family"]) if is_old else (claude["family"], version)
        return "-".join(("claude", *parts)).lower()
    nova = _NOVA.fullmatch(text)
    if nova:
        version = (nova["version"] or "").removesuffix(".0").replace(".", "-")
        return "-".join(part for part in ("nova", version, nova["family"].lower()) if part)
    return text.lower()
