"""Tables of the page on routing; and the same as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa

from spanledger_analytics.routing.cascades import Cascade
from spanledger_analytics.routing.counterfactual import Estimate
from spanledger_analytics.routing.routes import Fit, Route
from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.routing.data import Compared
from spanledger_dashboard.text import shortened

NO_NAME = "(not told)"
_NAME_LIMIT = 60
_MONEY = pa.decimal128(38, 12)

Text = Callable[[object], str]
Formats = dict[str, Text]
Fits = Mapping[tuple[str, str], Fit]


def routes(found: Sequence[Route], fits: Fits) -> tuple[pd.DataFrame, Formats]:
    """Return one row per route."""
    frame = pd.DataFrame(
        {
            "Class of task": [shortened(r.task_class or NO_NAME, _NAME_LIMIT) for r in found],
            "Model": [shortened(r.model or NO_NAME, _NAME_LIMIT) for r in found],
            "Calls": [r.call_count for r in found],
            "Per call": [_float(r.usd_per_call) for r in found],
            "Attempts": [r.attempts.attempts for r in found],
            "Success": [r.success for r in found],
            "Per completed": [_float(r.usd_per_completed) for r in found],
            "Against baseline": [against(fits[r.task_class, r.model]) for r in found],
            "Escalated": [_share(r.attempts.escalated, r.attempts.ended) for r in found],
            "On stronger": [_share(r.on_stronger, r.attempts.ended) for r in found],
            "Call p50": [r.p50_ns for r in found],
            "Attempt p50": [r.attempts.p50_ns for r in found],
            "Attempt p95": [r.attempts.p95_ns for r in found],
        }
    )
    formats: Formats = {
        "Calls": tables.short_count,
        "Attempts": tables.count,
        **dict.fromkeys(("Per call", "Per completed"), tables.usd),
        **dict.fromkeys(("Success", "Escalated", "On stronger"), _percent),
        **dict.fromkeys(("Call p50", "Attempt p50", "Attempt p95"), _duration),
    }
    return frame, formats


def against(fit: Fit) -> str:
    """Return what is known of a route's success against that of the baseline, in words."""
    if fit.difference is None or fit.interval is None:
        return fit.verdict
    low, high = fit.interval
    return f"{fit.verdict}, {_points(fit.difference)} [{_points(low)}, {_points(high)}] pp"


def estimates(compared: Compared, found: Sequence[Estimate]) -> tuple[pd.DataFrame, Formats]:
    """Return one row per model: what the same tokens would have cost there."""
    differences = [None if e.usd is None else e.usd - compared.paid_usd for e in found]
    frame = pd.DataFrame(
        {
            "Model": [shortened(e.model.model, _NAME_LIMIT) for e in found],
            "Provider": [e.model.provider or NO_NAME for e in found],
            "Same tokens": [_float(e.usd) for e in found],
            "Difference": [_float(d) for d in differences],
            "In %": [
                float(d / compared.paid_usd) if d is not None and compared.paid_usd else None
                for d in differences
            ],
            "Per call": [
                _float(e.usd / compared.calls) if e.usd is not None and compared.calls else None
                for e in found
            ],
        }
    )
    formats: Formats = {
        "Same tokens": tables.usd,
        "Per call": tables.usd,
        "Difference": _signed_usd,
        "In %": _signed_percent,
    }
    return frame, formats


def cascades(found: Sequence[Cascade]) -> tuple[pd.DataFrame, Formats]:
    """Return one row per cascade."""
    frame = pd.DataFrame(
        {
            "Class of task": [shortened(c.task_class or NO_NAME, _NAME_LIMIT) for c in found],
            "First": [shortened(c.cheap, _NAME_LIMIT) for c in found],
            "Then": [shortened(c.dear, _NAME_LIMIT) for c in found],
            "Attempts": [c.attempts for c in found],
            "Went on": [c.rate for c in found],
            "Breaks even at": [max(0.0, c.break_even) for c in found],
            "First costs": [_float(c.cheap_usd) for c in found],
            "Then costs": [_float(c.dear_usd) for c in found],
            "Both, on average": [_float(c.mean_usd) for c in found],
            "Completed then": [_share(c.completed, c.escalated) for c in found],
            "Verdict": [c.verdict for c in found],
        }
    )
    money = ("First costs", "Then costs", "Both, on average")
    formats: Formats = {"Attempts": tables.count, **dict.fromkeys(money, tables.usd)}
    formats |= dict.fromkeys(("Went on", "Breaks even at", "Completed then"), _percent)
    return frame, formats


def routes_file(found: Sequence[Route], fits: Fits) -> pa.Table:
    """Return one row per route, sums exact."""
    rows: list[dict[str, Any]] = []
    for one in found:
        fit, ended = fits[one.task_class, one.model], one.attempts
        rows.append(
            {
                "task_class": one.task_class,
                "model": one.model,
                "provider": one.provider,
                "calls": one.call_count,
                "priced_calls": one.priced_calls,
                "calls_cost_usd": one.calls_usd,
                "attempts": ended.attempts,
                "completed": ended.completed,
                "failed": ended.failed,
                "escalated": ended.escalated,
                "abandoned": ended.abandoned,
                "unended": ended.unended,
                "retried_on_stronger": one.on_stronger,
                "attempts_cost_usd": ended.cost_usd,
                "attempt_p50_ns": ended.p50_ns,
                "attempt_p95_ns": ended.p95_ns,
                "verdict": fit.verdict,
                "success_difference": fit.difference,
                "difference_low": None if fit.interval is None else fit.interval.low,
                "difference_high": None if fit.interval is None else fit.interval.high,
            }
        )
    texts = ("task_class", "model", "provider", "verdict")
    floats = ("attempt_p50_ns", "attempt_p95_ns", "success_difference", "difference_low",
              "difference_high")  # fmt: skip
    types = {
        name: pa.string() if name in texts
        else _MONEY if name.endswith("_usd")
        else pa.float64() if name in floats
        else pa.int64()
        for name in (rows[0] if rows else ())
    }  # fmt: skip
    return pa.Table.from_pylist(rows, pa.schema(types))


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _points(value: float) -> str:
    return f"{round(value * 100):+d}".replace("-", "−")


def _percent(value: object) -> str:
    return fmt.UNKNOWN if tables.usd(value) == fmt.UNKNOWN else fmt.percent(Decimal(str(value)), 1)


def _signed_usd(value: object) -> str:
    if tables.usd(value) == fmt.UNKNOWN:
        return fmt.UNKNOWN
    amount = Decimal(str(value))
    sign = "+" if amount > 0 else "−" if amount < 0 else ""
    return f"{sign}{fmt.usd(abs(amount))}"


def _signed_percent(value: object) -> str:
    if tables.usd(value) == fmt.UNKNOWN:
        return fmt.UNKNOWN
    return (fmt.change(1 + Decimal(str(value)), 1) or fmt.UNKNOWN).replace("-", "−")


def _duration(value: object) -> str:
    if tables.usd(value) == fmt.UNKNOWN:
        return fmt.UNKNOWN
    return fmt.duration(round(Decimal(str(value))))
