"""Figures of GPUs and workers over time, as plain dicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_dashboard.charts import PALETTE, Axis, dollar_format, literal
from spanledger_dashboard.text import shortened

Row = Mapping[str, object]

_HEIGHT = 270
_HOUR_S = 3_600
_NAME_LIMIT = 28
_DASHES = ("solid", "dot", "dash", "dashdot")
_MOST_LINES = 8
_OTHER = "#87929b"
SPLIT_COLORS = {
    "Attributed": PALETTE[0],
    "Token-priced": PALETTE[1],
    "Overhead": PALETTE[2],
    "Warm-up": PALETTE[3],
    "Idle": _OTHER,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a name and a value per bucket start; buckets without one are gaps."""

    name: str
    values: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Unit:
    """How an axis and its hover texts say their numbers, as d3 formats."""

    tick: str
    hover: str
    suffix: str = ""
    top: float | None = None
    prefix: str = ""


RATIO = Unit(".0%", ".1%", top=1.0)
WATTS = Unit("~s", ",.0f", " W")
CELSIUS = Unit(".0f", ".0f", " °C")
GIB = Unit(",~f", ",.1f", " GiB")
COUNT = Unit("~s", ",.1f")
SECONDS = Unit("~s", ".3~s", "s")
HERTZ = Unit("~s", ".4~s", "Hz")


def lines(found: Sequence[Line], axis: Axis, unit: Unit) -> go.Figure:
    """Return lines over time, told apart by dash as well as by colour."""
    middle = [label + timedelta(seconds=axis.bucket_s / 2) for label in axis.labels]
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": literal(shortened(line.name, _NAME_LIMIT)),
            "x": middle,
            "y": [line.values.get(start) for start in axis.starts_s],
            "line": {
                "color": PALETTE[number % len(PALETTE)],
                "width": 2,
                "dash": _DASHES[number % len(_DASHES)],
            },
            "marker": {"size": 4, "color": PALETTE[number % len(PALETTE)]},
            "connectgaps": False,
            "hovertemplate": f"%{{y:{unit.hover}}}{unit.suffix}<extra>%{{fullData.name}}</extra>",
        }
        for number, line in enumerate(found)
    ]
    return _figure(traces, axis, unit)


def stacked(found: Sequence[Line], axis: Axis, unit: Unit) -> go.Figure:
    """Return stacked bars per bucket; the largest by name, the rest as one."""
    ordered = sorted(found, key=lambda line: -sum(line.values.values()))
    shown, rest = ordered[:_MOST_LINES], ordered[_MOST_LINES:]
    groups = [(line, PALETTE[n % len(PALETTE)]) for n, line in enumerate(shown)]
    if rest:
        together: dict[int, float] = {}
        for line in rest:
            for start, value in line.values.items():
                together[start] = together.get(start, 0.0) + value
        groups.append((Line(f"{len(rest)} others", together), _OTHER))
    traces = [
        {
            "type": "bar",
            "name": literal(shortened(line.name, _NAME_LIMIT)),
            "x": list(axis.labels),
            "y": [line.values.get(start, 0.0) for start in axis.starts_s],
            "offset": 0,
            "width": axis.bucket_s * 1000 * 0.9,
            "marker": {"color": color, "line": {"width": 0}},
            "hovertemplate": f"{unit.prefix}%{{y:{unit.hover}}}{unit.suffix}"
            "<extra>%{fullData.name}</extra>",
        }
        for line, color in groups
    ]
    figure = _figure(traces, axis, unit)
    figure.layout.barmode = "stack"
    return figure


def split_bars(
    parts: Mapping[str, Mapping[int, float]], axis: Axis, colors: Mapping[str, str] = SPLIT_COLORS
) -> go.Figure:
    """Return dollars per bucket, stacked by part in the order given."""
    traces = [
        {
            "type": "bar",
            "name": name,
            "x": list(axis.labels),
            "y": [values.get(start, 0.0) for start in axis.starts_s],
            "offset": 0,
            "width": axis.bucket_s * 1000 * 0.9,
            "marker": {"color": colors.get(name, _OTHER), "line": {"width": 0}},
            "hovertemplate": "$%{y:,.4~f}<extra>%{fullData.name}</extra>",
        }
        for name, values in parts.items()
    ]
    sums = [sum(p.get(start, 0.0) for p in parts.values()) for start in axis.starts_s]
    figure = _figure(traces, axis, Unit(dollar_format(max(sums, default=0)), ",.4~f", prefix="$"))
    figure.layout.barmode = "stack"
    return figure


def heat_map(found: Sequence[Line], axis: Axis) -> go.Figure:
    """Return a share per GPU and bucket as colour; what nobody tells stays empty."""
    names = [literal(shortened(line.name, _NAME_LIMIT)) for line in found]
    trace = {
        "type": "heatmap",
        "x": [label + timedelta(seconds=axis.bucket_s / 2) for label in axis.labels],
        "y": list(range(len(found))),
        "z": [[line.values.get(start) for start in axis.starts_s] for line in found],
        "customdata": [[name] * len(axis.starts_s) for name in names],
        "zmin": 0,
        "zmax": 1,
        "xgap": 1,
        "ygap": 1 if len(found) <= 40 else 0,
        # One hue from pale to strong: readable on light and dark, and without colour vision.
        "colorscale": [[0, "rgba(63,127,224,0.07)"], [1, "rgba(63,127,224,1)"]],
        "colorbar": {"thickness": 8, "tickformat": ".0%", "outlinewidth": 0, "nticks": 3},
        "hovertemplate": "%{customdata}: %{z:.1%}<extra></extra>",
    }
    every = max(1, len(found) // 16)
    figure = _figure([trace], axis, RATIO)
    figure.layout.yaxis = {
        "tickvals": list(range(0, len(found), every)),
        "ticktext": names[::every],
        "autorange": "reversed",
        "fixedrange": True,
        "automargin": True,
        "showgrid": False,
    }
    figure.layout.hovermode = "closest"
    figure.layout.showlegend = False
    return figure


def line_of(name: str, rows: Sequence[Row], column: str, scale: float = 1) -> Line:
    """Return a column of rows per bucket, times ``scale``; unknown values are gaps."""
    return Line(
        name,
        {
            int(cast("int", row["bucket_s"])): float(cast("float", row[column])) * scale
            for row in rows
            if row[column] is not None
        },
    )


def added(found: Sequence[Line], names: Sequence[str]) -> list[Line]:
    """Return one line per distinct name: the sum of the lines that go by it."""
    sums: dict[str, dict[int, float]] = {}
    for line, name in zip(found, names, strict=True):
        values = sums.setdefault(name, {})
        for start, value in line.values.items():
            values[start] = values.get(start, 0.0) + value
    return [Line(name, values) for name, values in sums.items()]


def rate_of(name: str, rows: Sequence[Row], column: str) -> Line:
    """Return what was counted per second, per bucket."""
    return Line(
        name,
        {
            int(cast("int", row["bucket_s"])): float(cast("float", row[column])) / seconds
            for row in rows
            if row[column] is not None and (seconds := float(cast("float", row["seconds"])))
        },
    )


def _figure(traces: Sequence[Mapping[str, object]], axis: Axis, unit: Unit) -> go.Figure:
    end = axis.labels[-1] + timedelta(seconds=axis.bucket_s)
    y_axis: dict[str, object] = {
        "rangemode": "tozero",
        "fixedrange": True,
        "automargin": True,
        "nticks": 5,
        "tickformat": unit.tick,
        "tickprefix": unit.prefix,
        "ticksuffix": unit.suffix,
    }
    if unit.top is not None:
        y_axis["range"] = [0, unit.top * 1.02]
    layout = {
        "height": _HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "hovermode": "x unified",
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.14, "x": 0, "traceorder": "normal"},
        "xaxis": {
            "type": "date",
            "range": [axis.labels[0], end],
            "fixedrange": True,
            "showgrid": False,
            "nticks": 7,
            "tickformat": "%H:%M" if axis.bucket_s <= _HOUR_S else "%b %-d",
            "hoverformat": axis.hover_format,
        },
        "yaxis": y_axis,
    }
    return go.Figure({"data": list(traces), "layout": layout}, skip_invalid=False)
