"""FOCUS Cost and Usage 1.2 to 1.4 (and the keys 1.5 is about to name), of any provider, or our own.

What a line is for is read where a column says so, else from the texts of AWS and Google Cloud;
otherwise it waits for a mapping. https://focus.finops.org/focus-specification/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.anthropic_names import TOKEN_TYPES
from spanledger_analytics.invoices.formats.aws_cur import parse_usage_type
from spanledger_analytics.invoices.formats.form import About, Form, tier_of
from spanledger_analytics.invoices.formats.gcp_billing import parse_sku
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.rules import METER_ID
from spanledger_analytics.invoices.values import Record

_CATEGORIES = {
    "Tax": TokenClass.TAX,
    "Credit": TokenClass.CREDIT,
    "Adjustment": TokenClass.ADJUSTMENT,
    "Purchase": TokenClass.CAPACITY,
}
_DIRECTIONS = {
    ("Input", "Uncached", ""): TokenClass.UNCACHED,
    ("Input", "Read", ""): TokenClass.CACHE_READ,
    ("Input", "Write", ""): TokenClass.CACHE_WRITE,
    ("Input", "Write", "5m"): TokenClass.CACHE_WRITE_5M,
    ("Input", "Write", "1h"): TokenClass.CACHE_WRITE_1H,
}
_METERS = {
    "uncached input tokens": TokenClass.UNCACHED,
    "cache read input tokens": TokenClass.CACHE_READ,
    "cache write input tokens": TokenClass.CACHE_WRITE,
    "cache write input tokens (5m)": TokenClass.CACHE_WRITE_5M,
    "cache write input tokens (1h)": TokenClass.CACHE_WRITE_1H,
    "output tokens": TokenClass.OUTPUT,
    "fees": TokenClass.TOOL,
    "request fees": TokenClass.TOOL,
}
_KINDS = {"tool": TokenClass.TOOL, "gpu": TokenClass.GPU, "infra": TokenClass.INFRA}
_CLASSES = {one.value: one for one in TokenClass}
_SKU = re.compile(r"[^/\s]+/(?P<model>[^/]+)/(?P<kind>[^/]+)")
_UNIT = re.compile(r"(?P<count>[\d_]+)?\s*(?P<size>[KM])?\s*tokens", re.IGNORECASE)
_SIZES = {"": 1, "K": 1_000, "M": 1_000_000}
_OWN = {"Own infrastructure": "", "Unknown": ""}  # how our own export writes "no provider"
# How clouds call themselves, and which of their services are ours to read.
_CLOUDS = {
    "aws": ("aws.bedrock", re.compile(r"bedrock", re.IGNORECASE)),
    "amazon web services": ("aws.bedrock", re.compile(r"bedrock", re.IGNORECASE)),
    "microsoft": ("azure.ai.openai", re.compile(r"openai|foundry|cognitive", re.IGNORECASE)),
    "google cloud": ("gcp.vertex_ai", re.compile(r"vertex|gemini|generative", re.IGNORECASE)),
}
_EXTRA = (
    "BillingAccountId", "InvoiceDetailId", "ChargeClass", "PricingCategory", "SkuPriceId",
    "EffectiveCost", "ContractedCost", "ResourceId", "x_Kind", "x_Agent", "x_ToolName",
    "x_PriceStatus", "x_ContractId", "Tags",
)  # fmt: skip


class _Said(NamedTuple):
    """What a row says it is for."""

    token_class: TokenClass
    model: str | None = None
    geo: str = ""
    tier: str | None = None
    context: str | None = None


class Focus(Form):
    """One row a charge."""

    name = "focus"
    report = "focus"
    account_field = "BillingAccountId"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those every version has."""
        return head.has("BilledCost", "BillingCurrency", "ChargePeriodStart", "ChargeCategory")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each row; other services and calls without tokens are left out."""
        is_own = records.head.has("x_TokenClass")
        for row in records:
            provider = _provider(row, is_own)
            # Our own export tells of calls without tokens too: nothing is charged for them.
            if provider is None or row.text("x_TokenClass") == "none":
                records.skip()
            else:
                yield _line(row, provider, records.head)


def provider_named(name: str) -> str:
    """Return a provider as the ledger names it, of how FOCUS writes it."""
    cloud = _CLOUDS.get(name.lower())
    return cloud[0] if cloud else name.lower()


def _provider(row: Record, is_own: bool) -> str | None:
    """Return the provider of a row; None: of a service that is none of ours."""
    name = next(
        (text for column in ("ServiceProviderName", "ProviderName", "PublisherName",
                             "InvoiceIssuerName") if (text := row.told(column))), "",
    )  # fmt: skip
    if is_own:
        return _OWN.get(name, name)
    cloud = _CLOUDS.get(name.lower())
    if cloud is None:
        return name.lower()
    service = f"{row.text('ServiceName')} {row.text('x_ServiceCode')}"
    return cloud[0] if cloud[1].search(service) else None


def _line(row: Record, provider: str, head: Head) -> InvoiceLine:
    amount = row.money("BilledCost")
    if amount is None:
        raise row.wrong("BilledCost", "is missing; it must be a number")
    details = _details(row)
    said = _said(row, details)
    processing, tier = tier_of(_tier(row, details, head) if said.tier is None else said.tier)
    first, last = row.days("ChargePeriodStart", "ChargePeriodEnd")
    extra = {name: text for name in _EXTRA if (text := row.told(name)) is not None}
    meter_id = row.told("x_SkuMeterId") or row.told("SkuId")
    about = About(
        day=first, last_day=last, dataset=Dataset.COST, provider=provider,
        line_number=row.number, scope=row.told("SubAccountId"),
        api_key=row.told("x_ApiKeyId") or row.told("PrincipalId"), user=row.told("ConsumerId"),
        model=said.model, reported_model=said.model or "", processing=processing,
        service_tier=tier, context=said.context or row.told("x_ContextWindow")
        or details.get("x_ContextWindow"),
        geo=said.geo or row.told("RegionId"), invoice_id=row.text("InvoiceId"),
        description=row.text("x_SkuMeterName") or row.text("x_UsageType")
        or row.text("ChargeDescription"),
        extra=extra | ({METER_ID: meter_id} if meter_id else {}),
    )  # fmt: skip
    quantity, unit = _quantity(row)
    return about.line(
        said.token_class,
        quantity=quantity,
        unit=unit,
        amount=amount,
        currency=row.currency("BillingCurrency"),
        list_amount=row.money("ListCost"),
    )


def _said(row: Record, details: Mapping[str, str]) -> _Said:
    model = row.told("x_Model") or details.get("ModelId") or details.get("x_ModelId")
    told = _CLASSES.get(row.text("x_TokenClass"))
    category = _CATEGORIES.get(row.text("ChargeCategory"))
    if told or category:
        return _Said(told or category or TokenClass.UNMAPPED, model)
    sku = _SKU.fullmatch(row.text("SkuId"))
    if model is None and sku and sku["kind"] in TOKEN_TYPES:
        model = sku["model"]
    token_class = _of_keys(row, details) or _of_types(row, sku)
    if token_class:
        return _Said(token_class, model)
    usage = parse_usage_type(row.text("x_UsageType"))
    if usage.token_class is not TokenClass.UNMAPPED:
        tier = "batch" if usage.processing == "batch" else usage.service_tier
        return _Said(usage.token_class, usage.model, usage.region, tier, usage.context)
    billed = parse_sku(row.text("ChargeDescription"))
    if billed.token_class is not TokenClass.UNMAPPED:
        return _Said(billed.token_class, billed.model, billed.geo, None, billed.context)
    return _Said(TokenClass.UNMAPPED, model)


def _of_keys(row: Record, details: Mapping[str, str]) -> TokenClass | None:
    def key(name: str) -> str:
        return row.text(f"x_{name}") or details.get(name) or details.get(f"x_{name}") or ""

    direction = key("TokenDirection")
    if direction == "Output":
        return TokenClass.OUTPUT
    found = _DIRECTIONS.get((direction, key("TokenCacheAction"), key("CacheTtl")))
    return found or _DIRECTIONS.get((direction, key("TokenCacheAction"), ""))


def _of_types(row: Record, sku: re.Match[str] | None) -> TokenClass | None:
    return (
        TOKEN_TYPES.get(row.text("x_TokenType"))
        or (TOKEN_TYPES.get(sku["kind"]) if sku else None)
        or _METERS.get(row.text("SkuMeter").lower())
        or _KINDS.get(row.text("x_Kind"))
    )


def _tier(row: Record, details: Mapping[str, str], head: Head) -> str | None:
    """Return the tier; "" where its column says nothing, None where there is no such column."""
    told = row.told("x_ServiceTier") or details.get("x_ServiceTier")
    return told or ("" if head.has("x_ServiceTier") else None)


def _quantity(row: Record) -> tuple[Decimal | None, str]:
    for quantity_name, unit_name in (
        ("ConsumedQuantity", "ConsumedUnit"),
        ("PricingQuantity", "PricingUnit"),
    ):
        quantity, unit = row.number_of(quantity_name), row.text(unit_name)
        if quantity is None:
            continue
        found = _UNIT.fullmatch(unit)
        if found:
            size = int((found["count"] or "1").replace("_", ""))
            return quantity * size * _SIZES[(found["size"] or "").upper()], "tokens"
        return quantity, unit.lower()
    return None, ""


def _details(row: Record) -> dict[str, str]:
    """Return the keys of SkuPriceDetails, a JSON object; empty where there is none."""
    value = row.values.get("SkuPriceDetails")
    if isinstance(value, list):  # a map of Parquet
        return {str(name): str(one) for name, one in value}
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError:
            raise row.wrong("SkuPriceDetails", "is no JSON object") from None
    if not isinstance(value, dict):
        return {}
    return {str(name): str(one) for name, one in value.items() if one is not None}
