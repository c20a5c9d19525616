"""Figures made of lines, as plain dicts: percentiles over time, and a day against earlier ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from decimal import Decimal

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_dashboard.charts import DAY_TITLE, PALETTE, Axis, bucket_names, dollar_format
from spanledger_dashboard.latency import Latency
from spanledger_dashboard.quick_figures import quick_figure

_HOUR_S = 3_600
_NS_PER_S = 1_000_000_000
# Told apart by dash as well as by colour.
_PERCENTILES = (
    ("p50", PALETTE[1], "solid"),
    ("p95", PALETTE[2], "solid"),
    ("p99", PALETTE[4], "dot"),
)
_GRAY = "#87929b"
_DAYS = ((PALETTE[0], "solid", 3), (_GRAY, "solid", 1.5), (_GRAY, "dot", 1.5))


def latency_lines(
    by_bucket: Mapping[int, Latency], axis: Axis, *, is_ttft: bool = False
) -> go.Figure:
    """Return percentiles of the duration, or of the time to the first token, per bucket."""
    found = {
        start: astuple(row.ttft if is_ttft else row.duration) for start, row in by_bucket.items()
    }
    columns = [
        [_seconds(found[s][place]) if s in found else None for s in axis.starts_s]
        for place in range(len(_PERCENTILES))
    ]
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers" if _has_lone_value(values) else "lines",
            "name": name,
            "x": axis.middles,
            "y": values,
            "line": {"color": color, "width": 2, "dash": dash},
            "marker": {"size": 4, "color": color},
            "connectgaps": False,
            "hovertemplate": "%{y:.3~s}s<extra>%{fullData.name}</extra>",
        }
        for (name, color, dash), values in zip(_PERCENTILES, columns, strict=True)
    ]
    x_axis = {
        "type": "date",
        "range": [axis.labels[0], axis.labels[-1] + axis.bucket],
        "tickformat": "%H:%M" if axis.bucket_s <= _HOUR_S else "%b %-d",
        "unifiedhovertitle": DAY_TITLE,
        "nticks": 7,
    }
    y_axis = {"tickformat": "~s", "ticksuffix": "s"}
    return _figure([*traces, bucket_names(axis)], x_axis, y_axis)


def day_curves(
    curves: Sequence[Sequence[Decimal]], names: Sequence[str], hours_today: float
) -> go.Figure:
    """Return dollars since midnight, by hour of the day; earlier days without spend are left out.

    Args:
        curves: of today, then of earlier days: dollars at the end of each hour.
        names: of the days.
        hours_today: hours since midnight; today's curve ends there.
    """
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": _hours(len(curve), hours_today if day == 0 else len(curve)),
            "y": [0.0, *(float(usd) for usd in curve)],
            "line": {"color": color, "width": width, "dash": dash},
            "hovertemplate": "$%{y:,.4~f}<extra>%{fullData.name}</extra>",
        }
        for day, (name, curve, (color, dash, width)) in enumerate(
            zip(names, curves, _DAYS, strict=True)
        )
        if day == 0 or (curve and curve[-1])
    ]
    hours = range(0, 25, 4)
    x_axis = {
        "type": "linear",
        "range": [0, 24],
        "tickvals": list(hours),
        "ticktext": [f"{hour:02}:00" for hour in hours],
        "hoverformat": "02d",
    }
    peak = max((float(curve[-1]) for curve in curves if curve), default=0.0)
    return _figure(
        list(reversed(traces)), x_axis, {"tickprefix": "$", "tickformat": dollar_format(peak)}
    )


def turn_costs(costs: Sequence[Decimal | None]) -> go.Figure:
    """Return the cost of each turn as bars, and of the session so far as a line."""
    known = [float(cost or 0) for cost in costs]
    total, so_far = 0.0, list[float]()
    for cost in known:
        total += cost
        so_far.append(total)
    turns = list(range(1, len(costs) + 1))
    traces = [
        {
            "type": "bar",
            "name": "Turn",
            "x": turns,
            "y": known,
            "marker": {"color": PALETTE[0], "line": {"width": 0}},
            "hovertemplate": "$%{y:,.4~f}<extra>turn %{x}</extra>",
        },
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "Session so far",
            "x": turns,
            "y": so_far,
            "line": {"color": PALETTE[2], "width": 2},
            "marker": {"size": 5, "color": PALETTE[2]},
            "hovertemplate": "$%{y:,.4~f}<extra>so far</extra>",
        },
    ]
    x_axis = {
        "type": "linear",
        "range": [0.4, len(costs) + 0.6],
        "tick0": 1,
        "dtick": max(1, len(costs) // 12),
    }
    return _figure(traces, x_axis, {"tickprefix": "$", "tickformat": dollar_format(total)})


def _hours(count: int, last: float) -> list[float]:
    return [0.0, *(float(n) for n in range(1, count)), last] if count else [0.0]


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / _NS_PER_S


def _has_lone_value(values: Sequence[float | None]) -> bool:
    """Return whether a value has none beside it: no line shows it, a marker does."""
    around = [None, *values, None]
    return any(
        value is not None and before is None and after is None
        for before, value, after in zip(around, around[1:], around[2:], strict=False)
    )


def _figure(
    traces: Sequence[Mapping[str, object]],
    x_axis: Mapping[str, object],
    y_axis: Mapping[str, object],
) -> go.Figure:
    layout = {
        "legend": {"traceorder": "reversed"},
        "xaxis": x_axis,
        "yaxis": y_axis,
    }
    return quick_figure(traces, layout)
