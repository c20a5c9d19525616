"""Tables of the page on allocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import pandas as pd

from spanledger_analytics.allocation.allocate import Split
from spanledger_analytics.allocation.matching import rules_of
from spanledger_analytics.allocation.report import OwnerRow, Part, Report
from spanledger_analytics.allocation.suggestions import Unmatched
from spanledger_analytics.gpu_cost.arithmetic import dollars
from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.charts import PALETTE
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import shortened
from spanledger_storage.allocation_rules import RuleRow

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

UNALLOCATED = "Unallocated"
WARNING_COLOR = PALETTE[2]
LABELS = {
    "team": "Team",
    "cost_center": "Cost center",
    "customer": "Customer",
    "owner": "Owner",
}
_NAME_LIMIT = 60

Text = Callable[[object], str]
Formats = dict[str, Text]


def shown_name(row: OwnerRow, by: str) -> str:
    """Return what a row is called."""
    if row.is_unallocated:
        return UNALLOCATED
    return row.name or f"(no {LABELS[by].lower()})"


def owners(report: Report) -> Styler:
    """Return the report as a table; the line of what nobody bears in the colour of warnings."""
    rows = report.rows
    columns: dict[str, list[object]] = {
        LABELS[report.by]: [shortened(shown_name(row, report.by), _NAME_LIMIT) for row in rows],
        "Direct": [float(row.direct_usd) for row in rows],
        "Shared": [float(row.shared_usd) for row in rows],
        "Total": [float(row.total_usd) for row in rows],
        "Of all": [_ratio(row.total_usd, report.total_usd) for row in rows],
        "Month before": [_float(row.before_usd) for row in rows],
        "Change": [_change(row) for row in rows],
        "Calls": [row.calls for row in rows],
        "Tokens": [row.tokens for row in rows],
        "Tasks": [row.tasks for row in rows],
        "Not priced": [row.unpriced_calls + row.calls_without_usage for row in rows],
    }
    if not any(columns["Not priced"]):
        del columns["Not priced"]
    if not any(columns["Shared"]):
        del columns["Shared"]
    formats: Formats = {
        **dict.fromkeys(("Direct", "Shared", "Total", "Month before"), tables.usd),
        **dict.fromkeys(("Calls", "Tokens"), tables.short_count),
        **dict.fromkeys(("Tasks", "Not priced"), tables.count),
        "Of all": _percent,
        "Change": _signed_percent,
    }
    frame = pd.DataFrame(columns)
    known = {name: text for name, text in formats.items() if name in columns}
    return tables.painted(frame, known).apply(_warned, axis=1, last=len(rows) - 1)


def _warned(row: pd.Series[float], last: int) -> list[str]:
    is_unallocated = row.name == last and row["Total"]
    look = f"color: {WARNING_COLOR}; font-weight: 600" if is_unallocated else ""
    return [look] * len(row)


def parts(found: Sequence[Part], label: str) -> tuple[pd.DataFrame, Formats]:
    """Return what an owner bears directly, by model or by agent."""
    frame = pd.DataFrame(
        {
            label: [shortened(part.name or "(none)", _NAME_LIMIT) for part in found],
            "Direct": [float(part.usd) for part in found],
            "Calls": [part.calls for part in found],
            "Tokens": [part.tokens for part in found],
        }
    )
    formats: Formats = {"Direct": tables.usd, "Calls": tables.short_count}
    return frame, formats | {"Tokens": tables.short_count}


def shares(found: Mapping[str, int], report: Report) -> tuple[pd.DataFrame, Formats]:
    """Return what an owner bears of each pool, and how much of it that is."""
    frame = pd.DataFrame(
        {
            "Shared costs": list(found),
            "Share": [float(dollars(part)) for part in found.values()],
            "Of the pool": [
                _ratio(dollars(part), report.pools_usd[name]) for name, part in found.items()
            ],
        }
    )
    return frame, {"Share": tables.usd, "Of the pool": _percent}


def pools(found: Sequence[Split]) -> tuple[pd.DataFrame, Formats]:
    """Return the pools, how they are split, and among how many owners."""
    methods = {
        "even": "evenly",
        "spend": "by direct spend",
        "tokens": "by tokens",
        "percent": "by fixed percents",
    }
    among = {"team": "teams", "cost_center": "cost centers", "customer": "customers"}
    frame = pd.DataFrame(
        {
            "Shared costs": [one.pool.name for one in found],
            "Amount": [float(dollars(one.picodollars)) for one in found],
            "Split": [f"{methods[one.pool.split]}, among {among[one.pool.among]}" for one in found],
            "Owners": [sum(any(owner) for owner in one.parts) for one in found],
            "Left over": [
                float(dollars(sum(p for owner, p in one.parts.items() if not any(owner))))
                for one in found
            ],
        }
    )
    return frame, {"Amount": tables.usd, "Owners": tables.count, "Left over": tables.usd}


def unmatched(found: Sequence[Unmatched]) -> tuple[pd.DataFrame, Formats]:
    """Return what meets no rule."""
    columns: dict[str, list[object]] = {
        "Agent": [shortened(one.agent or "(none)", _NAME_LIMIT) for one in found],
        "Service": [shortened(one.service or "(none)", _NAME_LIMIT) for one in found],
        "Kind": [f"{one.kind}, unused" if one.unused else one.kind for one in found],
        "Spend": [float(one.usd) for one in found],
        "Calls": [one.calls for one in found],
    }
    return pd.DataFrame(columns), {"Spend": tables.usd, "Calls": tables.short_count}


def rules(rows: Sequence[RuleRow], where: Scope, now_s: int) -> tuple[pd.DataFrame, Formats]:
    """Return the rules in the order they are asked in."""
    ordered = [row for rule in rules_of(rows) for row in rows if row.id == rule.id]
    columns: dict[str, list[object]] = {
        "Position": [row.position for row in ordered],
        "Rule": [row.name for row in ordered],
        "Where": [_conditions(row) for row in ordered],
        "Goes to": [_goes_to(row) for row in ordered],
        "From": [_day(row.effective_from_s, where) for row in ordered],
        "To": [_day(row.effective_to_s, where) for row in ordered],
        "Status": [_status(row, now_s) for row in ordered],
        "Note": [shortened(row.note, 80) for row in ordered],
    }
    if not any(columns["Note"]):
        del columns["Note"]
    return pd.DataFrame(columns), {"Position": tables.count}


def _conditions(row: RuleRow) -> str:
    return ", ".join(f"{name} = {pattern}" for name, pattern in row.conditions.items()) or "any"


def _goes_to(row: RuleRow) -> str:
    if row.pool:
        percents = ", ".join(f"{name} {part}%" for name, part in row.percents.items())
        split = percents or f"{row.split}, among {row.among.replace('_', ' ')}s"
        return f"shared as {row.pool} ({split})"
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.owner.items())


def _day(unix_s: int | None, where: Scope) -> str:
    return "" if not unix_s else f"{where.local(unix_s):%b %-d %Y, %H:%M}"


def _status(row: RuleRow, now_s: int) -> str:
    if row.effective_to_s is not None and row.effective_to_s <= now_s:
        return "ended"
    return "in force" if row.effective_from_s <= now_s else "to come"


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _ratio(part: Decimal, whole: Decimal) -> float | None:
    return float(part / whole) if whole else None


def _change(row: OwnerRow) -> float | None:
    before = row.before_usd
    return float((row.total_usd - before) / before) if before else None


def _percent(value: object) -> str:
    return fmt.UNKNOWN if tables.usd(value) == fmt.UNKNOWN else fmt.percent(Decimal(str(value)), 1)


def _signed_percent(value: object) -> str:
    if tables.usd(value) == fmt.UNKNOWN:
        return fmt.UNKNOWN
    return (fmt.change(1 + Decimal(str(value)), 1) or fmt.UNKNOWN).replace("-", "−")
