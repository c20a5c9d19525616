"""Tables of the page: groups of tasks, and single tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import cast

import pandas as pd
import pyarrow as pa

from spanledger_analytics.unit_economics.full_cost import COMPLETED, Group
from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.text import shortened

NO_NAME = "(not told)"
_NAME_LIMIT = 60
_KEY_LIMIT = 44

Text = Callable[[object], str]
Local = Callable[[float], datetime]


def group_frame(groups: Sequence[Group], label: str) -> tuple[pd.DataFrame, dict[str, Text]]:
    """Return one row per group, and how its columns are written."""
    columns: dict[str, list[object]] = {
        label: [shortened(g.name or NO_NAME, _NAME_LIMIT) for g in groups],
        "Per completed task": [_float(g.usd_per_completed) for g in groups],
        "Completed": [g.completed for g in groups],
        "Success": [_ratio(g.completed, g.ended) for g in groups],
        "Attempts each": [
            None if (n := g.attempts_per_completed) is None else float(n) for g in groups
        ],
        "Median": [_float(g.median_usd) for g in groups],
        "p95": [_float(g.p95_usd) for g in groups],
        "Worst": [_float(g.worst_usd) for g in groups],
        "Spent in vain": [_float(g.tax_usd + g.parts["retries"]) for g in groups],
        "Total": [_float(g.total_usd) for g in groups],
    }
    formats: dict[str, Text] = {
        "Completed": tables.count,
        "Success": _percent,
        "Attempts each": _factor,
        **dict.fromkeys(
            ("Per completed task", "Median", "p95", "Worst", "Spent in vain", "Total"), tables.usd
        ),
    }
    return pd.DataFrame(columns), formats


def worst_frame(
    found: pa.Table, whole: Group, local: Local
) -> tuple[pd.DataFrame, dict[str, Text]]:
    """Return one row per task, and how its columns are written; ``whole`` are all of them."""
    rows = found.to_pylist()
    full: list[float | None] = []
    rank = 0
    for row in rows:
        is_completed = row["state"] == COMPLETED
        full.append(_float(whole.full_usd(rank, row["cost"])) if is_completed else None)
        rank += is_completed
    times = [local(row["started_ms"] / 1_000) for row in rows]
    columns: dict[str, list[object]] = {
        "Task": [shortened(str(row["task_key"]), _KEY_LIMIT) for row in rows],
        "End": [str(row["outcome"] or row["state"]) for row in rows],
        "Cost": [_float(row["cost"]) for row in rows],
        "With its share": list(full),
        "Attempts": [row["attempts"] for row in rows],
        "Retries": [_float(row["retries"]) if row["state"] == COMPLETED else None for row in rows],
        "Inference": [_float(row["inference"]) for row in rows],
        "Tools": [_float(row["tools"]) for row in rows],
        "GPU": [_float(row["gpu"]) for row in rows],
        "Infrastructure": [_float(row["infra"]) for row in rows],
        "Agent": [shortened(str(row["agent_name"]) or NO_NAME, _NAME_LIMIT) for row in rows],
        "Model": [shortened(str(row["model"]) or NO_NAME, _NAME_LIMIT) for row in rows],
        "Began": [f"{t:%b %-d, %H:%M}" for t in times],
    }
    money = ("Cost", "With its share", "Retries", "Inference", "Tools", "GPU", "Infrastructure")
    for name in ("Tools", "GPU", "Infrastructure"):
        if not any(columns[name]):
            del columns[name]
    formats: dict[str, Text] = {"Attempts": tables.count}
    formats |= {name: tables.usd for name in money if name in columns}
    return pd.DataFrame(columns), formats


def traces_of(found: pa.Table) -> list[str]:
    """Return the dearest trace of each task."""
    return cast("list[str]", found.column("dearest_trace").to_pylist())


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(value: object) -> str:
    return fmt.UNKNOWN if tables.usd(value) == fmt.UNKNOWN else fmt.percent(Decimal(str(value)), 1)


def _factor(value: object) -> str:
    if tables.usd(value) == fmt.UNKNOWN:
        return fmt.UNKNOWN
    return f"{Decimal(str(value)):.2f}×"
