"""The columns that lists of agents, models, users, sessions and tools are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope, tables
from spanledger_dashboard.entities.kinds import Entity, EntityRow
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.tables import Text

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

_config = st.column_config
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list.

    Attributes:
        value: what the cell holds and sorts by; None: unknown.
        text: how it is written; None: as ``config`` says.
        label: as shown, where the same label stands for different things.
    """

    value: Callable[[EntityRow, Scope], object]
    text: Text | None
    config: ColumnConfig
    label: str = ""


def entity_frame(entity: Entity, rows: Sequence[EntityRow], where: Scope) -> pd.DataFrame:
    """Return the list, one row per entity; times on the reader's clock, durations in ns."""
    first = entity.title.removesuffix("s")
    errors = sum(row.totals.errors for row in rows)
    cells: dict[str, object] = {first: [row.name for row in rows]}
    for name in entity.columns:
        column = COLUMNS[name]
        values = [column.value(row, where) for row in rows]
        cells[column.label or name] = tables.integers(values)
    if "Share" in entity.columns:
        cells["Share"] = [row.totals.errors / errors if errors else None for row in rows]
    return pd.DataFrame(cells)


def entity_texts(entity: Entity) -> dict[str, Text]:
    """Return how the cells of :func:`entity_frame` are written."""
    columns = {name: COLUMNS[name] for name in entity.columns}
    return {c.label or name: c.text for name, c in columns.items() if c.text}


def entity_config(entity: Entity) -> dict[str, ColumnConfig]:
    """Return how the columns of :func:`entity_frame` look."""
    columns = {name: COLUMNS[name] for name in entity.columns}
    first = {entity.title.removesuffix("s"): _config.TextColumn(width=185)}
    return first | {c.label or name: _look(c) for name, c in columns.items()}


def _look(column: Column) -> ColumnConfig:
    if column.config is _TIME:
        return scope.moments("MMM D, HH:mm", width=_TIME_PX)
    return column.config


def ratio(value: object) -> str:
    """Format a share of one: ``12.3%``."""
    return fmt.UNKNOWN if _is_missing(value) else fmt.percent(Decimal(str(value)), 1)


def change(value: object) -> str:
    """Format a change against the period before: ``+8.0%``; infinite is new."""
    if _is_missing(value):
        return fmt.UNKNOWN
    number = float(str(value))
    if number == float("inf"):
        return "new"
    return fmt.change(Decimal(str(1 + number)), Decimal(1)) or fmt.UNKNOWN


def speed(value: object) -> str:
    """Format tokens per second."""
    return fmt.UNKNOWN if _is_missing(value) else f"{float(str(value)):,.0f}"


def _is_missing(value: object) -> bool:
    return value is None or value != value  # NaN is not equal to itself


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _change(row: EntityRow, _: Scope) -> float | None:
    if not row.before_usd:
        return float("inf") if row.complete_usd else None
    return float((row.complete_usd - row.before_usd) / row.before_usd)


def _per(row: EntityRow, number: int) -> float | None:
    cost = row.totals.cost_usd
    return None if cost is None or not number else float(cost / number)


_NARROW = _config.Column(width=72)
_TIME_PX = 108
_TIME = _config.Column(width=_TIME_PX)  # stands for what depends on the reader

COLUMNS: dict[str, Column] = {
    "Cost": Column(lambda r, _: _float(r.totals.cost_usd), tables.usd, _config.Column(width=84)),
    "Change": Column(
        _change,
        change,
        _config.Column(width=68, help="Cost against the period before; only what is over counts."),
    ),
    "Trend": Column(
        lambda r, _: list(r.trend),
        None,
        _config.BarChartColumn(width=86, y_min=0, help="Cost over time."),
    ),
    "Per turn": Column(lambda r, _: _per(r, r.traces), tables.usd, _config.Column(width=88)),
    "Runs": Column(lambda r, _: r.totals.calls, tables.count, _config.Column(width=76)),
    "Runs trend": Column(
        lambda r, _: list(r.trend),
        None,
        _config.BarChartColumn(width=86, y_min=0, help="Runs over time."),
        label="Trend",
    ),
    "Calls": Column(lambda r, _: r.totals.calls, tables.count, _NARROW),
    "Per call": Column(lambda r, _: _per(r, r.totals.calls), tables.usd, _config.Column(width=88)),
    "Turns": Column(
        lambda r, _: r.traces, tables.count, _config.Column(width=64, help="Traces of it.")
    ),
    "Failed": Column(
        lambda r, _: r.failed_traces,
        lambda v: "" if v == 0 else tables.count(v),
        _config.Column(width=64, help="Traces with a failed span."),
    ),
    "In traces": Column(lambda r, _: r.traces, tables.count, _NARROW),
    "Errors": Column(
        lambda r, _: r.totals.errors,
        lambda v: "" if v == 0 else tables.count(v),
        _config.Column(width=64),
    ),
    "Error rate": Column(lambda r, _: _share(r.totals.errors, r.totals.calls), ratio, _NARROW),
    "Error rate of a model": Column(
        lambda r, _: _share(r.totals.errors, r.totals.calls),
        ratio,
        _config.Column(
            width=72,
            help="A call that fails tells no model that answered: it counts under the one that "
            "was requested, answers under the one that answered.",
        ),
        label="Error rate",
    ),
    "Share": Column(lambda _r, _: None, ratio, _NARROW),
    "p50": Column(
        lambda r, _: r.latency.p50_ns,
        tables.duration,
        _config.Column(width=68, help="Latency: 50 of 100 take at most this long."),
    ),
    "p95": Column(
        lambda r, _: r.latency.p95_ns,
        tables.duration,
        _config.Column(width=68, help="Latency: 95 of 100 take at most this long."),
    ),
    "p99": Column(
        lambda r, _: r.latency.p99_ns,
        tables.duration,
        _config.Column(width=68, help="Latency: 99 of 100 take at most this long."),
    ),
    "TTFT p50": Column(
        lambda r, _: r.ttft.p50_ns,
        tables.duration,
        _config.Column(width=76, help="Time to the first token."),
    ),
    "TTFT p95": Column(
        lambda r, _: r.ttft.p95_ns,
        tables.duration,
        _config.Column(width=76, help="Time to the first token."),
    ),
    "Tokens per s": Column(
        lambda r, _: r.tokens_per_s,
        speed,
        _config.Column(
            "Tokens/s", width=68, help="Median of a call's output tokens over its duration."
        ),
    ),
    "Tokens": Column(
        lambda r, _: r.totals.tokens,
        tables.short_count,
        _config.Column(width=76, help="Input and output."),
    ),
    "Cache hit": Column(
        lambda r, _: _share(r.totals.cache_read_tokens, r.totals.input_tokens),
        ratio,
        _config.Column(width=76, help="Input tokens read from the provider's prompt cache."),
    ),
    "Provider": Column(lambda r, _: ", ".join(r.providers), None, _config.TextColumn(width=84)),
    "User": Column(lambda r, _: ", ".join(r.users), None, _config.TextColumn(width=122)),
    "Agent": Column(lambda r, _: ", ".join(r.agents), None, _config.TextColumn(width=122)),
    "Lasted": Column(
        lambda r, _: (r.last_ms - r.first_ms) * _NS_PER_MS,
        tables.duration,
        _config.Column(width=84, help="From the first start to the last end."),
    ),
    "Started": Column(lambda r, w: w.local(r.first_ms / 1000), None, _TIME),
    "First seen": Column(lambda r, w: w.local(r.first_ms / 1000), None, _TIME),
    "Last seen": Column(lambda r, w: w.local(r.last_ms / 1000), None, _TIME),
}
