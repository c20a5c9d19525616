"""The report as rows: plain ones with every rule named, and in the shape of FOCUS 1.4.

https://focus.finops.org/focus-specification/ . What the columns hold: docs/allocation.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa

from spanledger_analytics.allocation.allocate import (
    COST_CLASSES,
    GPU_UNUSED,
    TOKEN_CLASSES,
    Allocation,
    Line,
    Split,
)
from spanledger_analytics.allocation.months import Month
from spanledger_analytics.allocation.owners import OWNER_FIELDS, UNALLOCATED, Owner
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
from spanledger_analytics.gpu_cost.arithmetic import dollars

Row = dict[str, Any]

_COUNTS = ("calls", "tokens", "unpriced_calls", "calls_without_usage")
_USED = ("kind", "provider", "model", "agent")
_PLAIN_TYPES: dict[str, pa.DataType] = {
    "month": TEXT,
    **dict.fromkeys(OWNER_FIELDS, TEXT),
    "is_unallocated": pa.bool_(),
    **dict.fromkeys(("pool", "rule", "source", *_USED), TEXT),
    **dict.fromkeys(_COUNTS, COUNT),
    "cost_usd": MONEY,
}
_FOCUS_TEXTS = (
    "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName",
    "AllocatedTags", "BillingAccountId", "BillingAccountName", "BillingCurrency", "ChargeCategory",
    "ChargeClass", "ChargeDescription", "ChargeFrequency", "ConsumedUnit", "HostProviderName",
    "InvoiceIssuerName", "PricingUnit", "ServiceCategory", "ServiceName", "ServiceProviderName",
    "ServiceSubcategory", "SkuMeter", "SubAccountId", "SubAccountName",
    "SubAccountType", "Tags", "x_Agent", "x_Among", "x_CostCenter", "x_Customer", "x_Kind",
    "x_Model", "x_Pool", "x_Rule", "x_Source", "x_Team", "x_TokenCacheAction", "x_TokenDirection",
)  # fmt: skip
_FOCUS_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys((*_FOCUS_TEXTS, *MOMENTS), TEXT),
    **dict.fromkeys(COSTS, MONEY),
    **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), COUNT),
}


def plain_table(allocation: Allocation, month: Month) -> pa.Table:
    """Return one row per owner, rule, pool and what was used, amounts exact.

    Columns: month, team, cost_center, customer, is_unallocated, pool (whose share it is, or what
    collected it; empty: direct), rule, source (ledger, gpu_unused; empty for shares), kind,
    provider, model, agent, calls, tokens, unpriced_calls, calls_without_usage, cost_usd (of what a
    pool collected 0: it is in the shares). The rows add up to the report.
    """
    rows: dict[tuple[object, ...], Row] = {}
    for line in allocation.lines:
        facts, sums = line.group.facts, line.group.sums
        row = _plain_row(
            month, line.owner, rule=line.rule, source=line.group.source, pool=line.pool
        )
        row |= {name: facts.get(name, "") for name in _USED}
        _sum_up(rows, row, {
            "calls": sums.calls,
            "tokens": sums.tokens,
            "unpriced_calls": sums.unpriced_calls,
            "calls_without_usage": sums.calls_without_usage,
            "cost_usd": 0 if line.pool else sums.picodollars,
        })  # fmt: skip
    for one in allocation.splits:
        for owner, part in one.parts.items():
            row = _plain_row(month, owner, pool=one.pool.name, rule="", source="")
            _sum_up(rows, row, {"cost_usd": part})
    found = sorted(rows.values(), key=_plain_order)
    for row in found:
        row["cost_usd"] = dollars(row["cost_usd"])
    return pa.Table.from_pylist(found, pa.schema(_PLAIN_TYPES))


def _plain_row(month: Month, owner: Owner, *, rule: str, source: str, pool: str = "") -> Row:
    return {
        "month": month.text,
        **owner._asdict(),
        "is_unallocated": owner == UNALLOCATED,
        "pool": pool,
        "rule": rule,
        "source": source,
        **dict.fromkeys(_USED, ""),
    }


def _sum_up(rows: dict[tuple[object, ...], Row], row: Row, sums: Mapping[str, int]) -> None:
    known = rows.setdefault(tuple(row.values()), row)
    for name, amount in sums.items():
        known[name] = known.get(name, 0) + amount


def _plain_order(row: Row) -> tuple[object, ...]:
    return row["is_unallocated"], *(row[n] for n in OWNER_FIELDS), row["pool"], -row["cost_usd"]


def focus_table(allocation: Allocation, month: Month, project: str) -> pa.Table:
    """Return the report as FOCUS Cost and Usage rows; the costs add up to the report.

    One row per owner, rule, model, agent and class of token; one per owner and pool.

    Args:
        allocation: read with classes.
        month: the billing period; its bounds in UTC.
        project: the billing account.
    """
    rows: dict[tuple[object, ...], Row] = {}
    for line in allocation.lines:
        if not line.pool:
            for row, sums in _focus_line(line):
                _sum_up(rows, {**_focus_owner(line.owner), **row}, sums)
    for one in allocation.splits:
        for owner, part in one.parts.items():
            row = {**_focus_owner(owner), **_focus_share(one, owner)}
            _sum_up(rows, row, _costs(part, part))
    about = _focus_month(month, project)
    found = [_focus_row(about, row) for row in rows.values()]
    return pa.Table.from_pylist(found, pa.schema(_FOCUS_TYPES))


def _focus_month(month: Month, project: str) -> Row:
    start, end = moment_text(month.start_s), moment_text(month.end_s)
    return {
        **dict.fromkeys(_FOCUS_TYPES),
        "BillingAccountId": project,
        "BillingAccountName": project,
        "BillingCurrency": "USD",
        "BillingPeriodStart": start,
        "BillingPeriodEnd": end,
        "ChargePeriodStart": start,
        "ChargePeriodEnd": end,
        "ChargeFrequency": "Usage-Based",
        "SubAccountType": "Team",
    }


def _focus_row(about: Row, row: Row) -> Row:
    money = {name: dollars(row[name]) for name in COSTS}
    return {**about, **row, **money, "PricingQuantity": row.get("PricingQuantity") or 1}


def _focus_owner(owner: Owner) -> Row:
    tags = {name: value for name, value in owner._asdict().items() if value}
    name = owner.team or owner.label or "Unallocated"
    return {
        "SubAccountId": name,
        "SubAccountName": name,
        "Tags": object_text(tags),
        "x_Team": owner.team or None,
        "x_CostCenter": owner.cost_center or None,
        "x_Customer": owner.customer or None,
    }


def _focus_line(line: Line) -> Iterator[tuple[Row, dict[str, int]]]:
    """Yield the rows of one line: one per class of token with costs or tokens, one for the rest."""
    sums = line.group.sums
    left, left_list = sums.picodollars, _list_of(line)
    parts = zip(COST_CLASSES, sums.cost_parts, (*sums.token_parts, 0), strict=False)
    for name, cost, tokens in parts:
        if not cost and not tokens:
            continue
        # The list cost is known of the whole alone; each class has its part of it.
        listed = part_of(_list_of(line), cost, sums.picodollars)
        left, left_list = left - cost, left_list - listed
        units = {"ConsumedUnit": "Tokens" if name in TOKEN_CLASSES else None}
        row = _focus_use(line, METERS[name], "Tokens" if name in TOKEN_CLASSES else "Months")
        quantity = {"ConsumedQuantity": tokens, "PricingQuantity": tokens}
        yield (
            {**row, **units, **DIRECTIONS.get(name, {})},
            _costs(cost, listed) | (quantity if name in TOKEN_CLASSES else {}),
        )
    if left or left_list or not sums.cost_parts:
        kind = line.group.facts.get("kind", "")
        yield _focus_use(line, KINDS.get(kind, "Other"), "Months"), _costs(left, left_list)


def _list_of(line: Line) -> int:
    sums = line.group.sums
    return sums.picodollars if sums.list_picodollars is None else sums.list_picodollars


def _costs(cost: int, listed: int) -> dict[str, int]:
    return {
        "BilledCost": cost, "ContractedCost": cost, "EffectiveCost": cost, "ListCost": listed,
    }  # fmt: skip


def _focus_use(line: Line, meter: str, unit: str) -> Row:
    facts = line.group.facts
    kind, provider = facts.get("kind", ""), facts.get("provider", "")
    model, is_unused = facts.get("model", ""), line.group.source == GPU_UNUSED
    what = "GPU time nobody used" if is_unused else f"{model or KINDS.get(kind, kind)} {meter}"
    return {
        **service_of(kind, provider),
        "ChargeCategory": "Adjustment" if kind == "adjustment" else "Usage",
        "ChargeDescription": what,
        "SkuMeter": meter,
        "PricingUnit": unit,
        "x_Agent": facts.get("agent") or None,
        "x_Kind": kind or None,
        "x_Model": model or None,
        "x_Rule": line.rule or None,
        "x_Source": line.group.source,
    }


def _focus_share(one: Split, owner: Owner) -> Row:
    tags = {name: value for name, value in owner._asdict().items() if value}
    pool = one.pool
    return {
        "AllocatedMethodId": f"split-{pool.split}",
        "AllocatedResourceId": owner.label or "Unallocated",
        "AllocatedResourceName": owner.label or "Unallocated",
        "AllocatedTags": object_text(tags),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"Share of {pool.name}",
        "InvoiceIssuerName": "Shared costs",
        "ServiceProviderName": "Shared costs",
        "ServiceName": pool.name,
        "ServiceCategory": "Other",
        "ServiceSubcategory": "Other (Other)",
        "PricingUnit": "Months",
        "x_Among": pool.among,
        "x_Pool": pool.name,
    }


def total_of(table: pa.Table, column: str) -> Decimal:
    """Return the exact sum of a column of money."""
    values = cast("Sequence[Decimal]", table.column(column).to_pylist())
    return sum(values, Decimal(0))
