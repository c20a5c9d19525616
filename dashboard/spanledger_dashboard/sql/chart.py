"""A figure of a query's result: people pick the columns and the kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types
import pyarrow as pa

from spanledger_dashboard.charts import PALETTE, literal
from spanledger_dashboard.plain_figures import plain_figure
from spanledger_dashboard.text import shortened

KINDS = ("Line", "Bar", "Area", "Scatter")
_MAX_SERIES = len(PALETTE)
_HEIGHT = 420
_NAME_LIMIT = 40
_DASHES = ("solid", "dash", "dot", "dashdot")
_MARKERS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star", "hexagon")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn: ``y`` over ``x``, one series per value of ``by`` (None: one in all)."""

    kind: str
    x: str
    y: str
    by: str | None = None


def numeric_columns(table: pa.Table) -> list[str]:
    """Return the names of the columns that hold numbers."""
    return [
        field.name
        for field in table.schema
        if pa.types.is_integer(field.type)
        or pa.types.is_floating(field.type)
        or pa.types.is_decimal(field.type)
    ]


def first_plan(table: pa.Table) -> Plan | None:
    """Return a likely choice for a result; None when it holds no number or a single column."""
    numbers = numeric_columns(table)
    others = [name for name in table.column_names if name not in numbers]
    x = next(iter(others), table.column_names[0] if table.column_names else "")
    y = next((name for name in numbers if name != x), None)
    if y is None:
        return None
    times = [f.name for f in table.schema if pa.types.is_temporal(f.type)]
    by = next((name for name in others if name != x), None) if times else None
    return Plan("Line" if times else "Bar", times[0] if times else x, y, by)


def figure(table: pa.Table, plan: Plan) -> tuple[go.Figure, int]:
    """Return the figure, and how many series were left out of it: the smallest ones."""
    groups = _groups(table, plan)
    shown, left_out = groups[:_MAX_SERIES], len(groups) - _MAX_SERIES
    traces = [
        _trace(plan.kind, _text(name), number, xs, ys)
        for number, (name, xs, ys) in enumerate(shown)
    ]
    layout = {
        "height": _HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "barmode": "stack" if plan.by else "group",
        "showlegend": plan.by is not None,
        "legend": {"orientation": "h", "y": -0.16, "x": 0},
        "hovermode": "closest" if plan.kind == "Scatter" else "x unified",
        "xaxis": {"title": {"text": _text(plan.x)}, "automargin": True, "showgrid": False},
        "yaxis": {"title": {"text": _text(plan.y)}, "automargin": True, "tickformat": "~s"},
    }
    return plain_figure(traces, layout), max(0, left_out)


def _groups(table: pa.Table, plan: Plan) -> list[tuple[str, list[object], list[float | None]]]:
    """Return name, x and y of each series; the largest sum first."""
    xs, ys = table[plan.x].to_pylist(), [_number(v) for v in table[plan.y].to_pylist()]
    names: Sequence[object] = table[plan.by].to_pylist() if plan.by else [plan.y] * len(xs)
    found: dict[str, tuple[list[object], list[float | None]]] = {}
    for name, x, y in zip(names, xs, ys, strict=True):
        series = found.setdefault(str(name), ([], []))
        series[0].append(_label(x))
        series[1].append(y)
    ordered = sorted(found.items(), key=lambda item: -sum(abs(y or 0) for y in item[1][1]))
    return [(name, *series) for name, series in ordered]


def _trace(
    kind: str, name: str, number: int, xs: list[object], ys: list[float | None]
) -> dict[str, object]:
    color = PALETTE[number % len(PALETTE)]
    trace: dict[str, object] = {"name": name, "x": xs, "y": ys}
    if kind == "Bar":
        return {**trace, "type": "bar", "marker": {"color": color, "line": {"width": 0}}}
    if kind == "Scatter":
        symbol = _MARKERS[number % len(_MARKERS)]
        marker = {"color": color, "symbol": symbol, "size": 7}
        return {**trace, "type": "scatter", "mode": "markers", "marker": marker}
    line = {"color": color, "width": 2, "dash": _DASHES[number % len(_DASHES)]}
    drawn = {**trace, "type": "scatter", "mode": "lines", "line": line}
    return {**drawn, "stackgroup": "one"} if kind == "Area" else drawn


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float | Decimal) else None


def _label(value: object) -> object:
    """Return a place on the x axis."""
    if isinstance(value, str):
        return _text(value)
    return float(value) if isinstance(value, Decimal) else value


def _text(value: str) -> str:
    """Return text from outside, short and so that plotly finds no markup in it."""
    return literal(shortened(value, _NAME_LIMIT))
