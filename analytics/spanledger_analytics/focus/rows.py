"""Rows of the dataset Cost and Usage: a ledger's days, one row per class of token.

A row is a UTC day, kind, provider, model, tier, region, agent, service, price and class. Costs are
those of the ledger to the last picodollar: rows of a day add up to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pyarrow as pa

from spanledger_analytics.focus.columns import (
    COSTS,
    COUNT,
    DIRECTIONS,
    KINDS,
    METERS,
    MOMENTS,
    MONEY,
    TEXT,
    moment_text,
    object_text,
    part_of,
    service_of,
)
from spanledger_analytics.gpu_cost.arithmetic import dollars, picodollars
from spanledger_storage.store import Store

Row = dict[str, Any]

_TEXTS = (
    "BillingAccountId", "BillingAccountName", "BillingCurrency", "ChargeCategory", "ChargeClass",
    "ChargeDescription", "ChargeFrequency", "ConsumedUnit", "HostProviderName", "InvoiceDetailId",
    "InvoiceId", "InvoiceIssuerName", "PricingCategory", "PricingUnit", "RegionId", "RegionName",
    "ServiceCategory", "ServiceName", "ServiceProviderName", "ServiceSubcategory", "SkuId",
    "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName",
    "SubAccountType", "Tags", "x_Agent", "x_CacheTtl", "x_ContractId", "x_Kind", "x_Model",
    "x_PriceStatus", "x_ServiceTier", "x_TokenCacheAction", "x_TokenClass", "x_TokenDirection",
    "x_ToolName",
)  # fmt: skip
_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys((*_TEXTS, *MOMENTS), TEXT),
    **dict.fromkeys(COSTS, MONEY),
    **dict.fromkeys(("ConsumedQuantity", "PricingQuantity", "x_Calls"), COUNT),
}
SCHEMA = pa.schema(_TYPES)
"""Columns of Cost and Usage, in the order they are written."""

_CLASSES = ("uncached", "cache_read", "cache_write", "output")
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Days:
    """Days of UTC, ``first`` to ``last``."""

    first: date
    last: date

    @classmethod
    def of_month(cls, month: date) -> Days:
        """Return the days of the month that ``month`` lies in."""
        first = month.replace(day=1)
        return cls(first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1))

    def __iter__(self) -> Iterator[date]:
        """Every day, in order."""
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)

    def period(self, project: str) -> dict[str, object]:
        """Return the parameters of a query about these days."""
        return {
            "project": project,
            "from_s": start_s(self.first),
            "to_s": start_s(self.last) + _DAY_S,
        }


def start_s(day: date) -> int:
    """Return when a day of UTC begins, unix seconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def day_table(store: Store, project: str, day: date) -> pa.Table:
    """Return the rows of one day of a project.

    Raises:
        StoreError: the store refused or did not answer.
    """
    period = Days(day, day).period(project)
    about = _about(project, day)
    rows = [
        {**about, **row, "InvoiceId": f"{about['InvoiceId']}-{row['InvoiceIssuerName']}"}
        for group in store.rows("focus_groups", period)
        for row in _group_rows(group)
    ]
    rows += [
        {**about, **_unused(row), "InvoiceId": f"{about['InvoiceId']}-Own infrastructure"}
        for row in store.rows("focus_gpu_unused", period)
    ]
    for row in rows:
        row["InvoiceDetailId"] = f"{row['InvoiceId']}-{row['ChargeCategory']}"
    return pa.Table.from_pylist(rows, SCHEMA)


def _about(project: str, day: date) -> Row:
    month = Days.of_month(day)
    return {
        **dict.fromkeys(SCHEMA.names),
        "BillingAccountId": project,
        "BillingAccountName": project,
        "BillingCurrency": "USD",
        "BillingPeriodStart": moment_text(start_s(month.first)),
        "BillingPeriodEnd": moment_text(start_s(month.last) + _DAY_S),
        "ChargePeriodStart": moment_text(start_s(day)),
        "ChargePeriodEnd": moment_text(start_s(day) + _DAY_S),
        "ChargeFrequency": "Usage-Based",
        "InvoiceId": f"{project}-{day:%Y-%m}",
        "SubAccountId": project,
        "SubAccountName": project,
        "SubAccountType": "Project",
    }


def _group_rows(group: Mapping[str, object]) -> Iterator[Row]:
    """Yield the rows of a group: one per class with tokens, fees or costs, one for what is left."""
    total, listed = _pico(group, "total_cost_usd"), _pico(group, "list_cost_usd")
    rows = [*_token_rows(group), *_fee_rows(group)]
    left = total - sum(cost for _, cost in rows)
    if left or not rows:
        rows.append((_rest_row(group), left))
    shares = [part_of(listed, cost, total) for _, cost in rows]
    shares[-1] += listed - sum(shares)
    # Calls are told once, on the first row of a group: they are not a class of anything.
    calls = [_int(group, "calls"), *[0] * (len(rows) - 1)]
    for (row, cost), share, count in zip(rows, shares, calls, strict=True):
        yield {**row, **_costs(cost, share), "x_Calls": count}


def _token_rows(group: Mapping[str, object]) -> Iterator[tuple[Row, int]]:
    """Yield a row for each class of tokens, and what it costs in picodollars."""
    for name in _CLASSES:
        cost, tokens = _pico(group, f"{name}_cost_usd"), _int(group, f"{name}_tokens")
        if cost or tokens:
            row = _class_row(group, name)
            yield {**row, "ConsumedQuantity": tokens, "PricingQuantity": tokens}, cost


def _fee_rows(group: Mapping[str, object]) -> Iterator[tuple[Row, int]]:
    """Yield a row for fees per request and one for searches, and what it costs in picodollars."""
    for name, quantity, unit in (
        ("request", _int(group, "fee_requests"), "Requests"),
        ("web_search", _int(group, "web_searches"), "Searches"),
    ):
        cost = _pico(group, f"{name}_fees_usd")
        if cost or quantity:
            yield _whole_row(group, METERS[name], name, quantity, unit), cost


def _class_row(group: Mapping[str, object], name: str) -> Row:
    ttl = str(group["cache_ttl"]) if name == "cache_write" else ""
    meter = METERS[name] + (f" ({ttl})" if ttl else "")
    return {
        **_use(group, meter),
        **DIRECTIONS[name],
        "ConsumedUnit": "Tokens",
        "PricingUnit": "Tokens",
        "x_CacheTtl": ttl or None,
        "x_TokenClass": f"{name}_{ttl}" if ttl else name,
    }


def _rest_row(group: Mapping[str, object]) -> Row:
    """Return the row of what is of no class: other kinds, whole costs, calls without tokens."""
    kind = str(group["kind"])
    if kind in KINDS:
        quantity, unit = _quantity(group, kind)
        return _whole_row(group, KINDS[kind], kind, quantity, unit)
    if _pico(group, "total_cost_usd") or group["price_status"] == "reported":
        meter, what = "Reported Cost", "model"
    else:
        meter, what = "Calls Without Tokens", "none"
    return _whole_row(group, meter, what, _int(group, "calls"), "Requests")


def _quantity(group: Mapping[str, object], kind: str) -> tuple[int, str]:
    """Return how much of what is no call of a model was charged, and in which unit."""
    if kind == "infra":
        return _int(group, "hours"), "Hours"
    if kind == "adjustment":
        return 1, "Units"  # an amount of money: nothing of it is counted
    return _int(group, "entries"), "Requests"


def _whole_row(group: Mapping[str, object], meter: str, what: str, quantity: int, unit: str) -> Row:
    use = _use(group, meter)
    return {**use, "PricingQuantity": quantity, "PricingUnit": unit, "x_TokenClass": what}


def _use(group: Mapping[str, object], meter: str) -> Row:
    texts = {name: str(group[name]) for name in _NAMED.values()}
    kind, provider, model = str(group["kind"]), str(group["provider"]), str(group["model"])
    what = model or texts["tool_name"] or (str(group["service_name"]) if kind == "infra" else "")
    named = what or KINDS.get(kind, kind)
    sku = f"{provider or 'own'}/{what or kind}/{meter}"
    details = {"x_ModelId": model, "x_ServiceTier": texts["service_tier"]}
    tags = {name: str(group[f"{name}_name"]) for name in ("agent", "service")}
    tags["environment"] = str(group["environment"])
    unused = " (not used)" if group["is_unused"] else ""
    return {
        **service_of(kind, provider),
        **{column: texts[name] or None for column, name in _NAMED.items()},
        "ChargeCategory": "Adjustment" if kind == "adjustment" else "Usage",
        "ChargeDescription": f"{named} {meter}{unused}",
        "PricingCategory": "Standard",
        "SkuId": sku,
        "SkuMeter": meter,
        "SkuPriceDetails": object_text({name: text for name, text in details.items() if text}),
        "SkuPriceId": str(group["price_id"]) or sku,
        "Tags": object_text({name: text for name, text in tags.items() if text}),
    }


_NAMED = {
    "RegionId": "region",
    "RegionName": "region",
    "x_Agent": "agent_name",
    "x_ContractId": "contract_id",
    "x_Kind": "kind",
    "x_Model": "model",
    "x_PriceStatus": "price_status",
    "x_ServiceTier": "service_tier",
    "x_ToolName": "tool_name",
}


def _unused(row: Mapping[str, object]) -> Row:
    line = str(row["line"]).replace("_", " ")
    cost = _pico(row, "total_cost_usd")
    return {
        **service_of("gpu", ""),
        **_costs(cost, cost),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"GPU time nobody used: {line}",
        "PricingCategory": "Standard",
        "PricingUnit": "Days",
        "PricingQuantity": 1,
        "SkuId": f"own/gpu/{line}",
        "SkuPriceId": f"own/gpu/{line}",
        "SkuMeter": f"GPU time ({line})",
        "x_Kind": "gpu",
        "x_TokenClass": "gpu",
        "x_Calls": 0,
    }


def _costs(cost: int, listed: int) -> Row:
    return {**dict.fromkeys(COSTS, dollars(cost)), "ListCost": dollars(listed)}


def _int(row: Mapping[str, object], name: str) -> int:
    return cast("int", row[name])


def _pico(row: Mapping[str, object], name: str) -> int:
    return picodollars(row[name])  # type: ignore[arg-type]  # a Decimal: the column is one
