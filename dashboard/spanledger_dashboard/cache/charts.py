"""Figures of the Cache page, as plain dicts: hit rate and net saving over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_dashboard.cache.data import Sums, UsageRow, added, grouped
from spanledger_dashboard.charts import PALETTE, Axis, dollar_format, literal
from spanledger_dashboard.text import shortened

_HEIGHT = 270
_HOUR_S = 3_600
_NAME_LIMIT = 30
_MOST = 6
_OTHER = "#87929b"
_DASHES = ("solid", "dot", "dash", "dashdot")
NO_AGENT, NO_MODEL = "no agent", "no model"


def hit_rate_by_model(rows: Sequence[UsageRow], axis: Axis) -> go.Figure:
    """Return the share of input tokens read from caches, per bucket and model, as lines."""
    middle = [label + timedelta(seconds=axis.bucket_s / 2) for label in axis.labels]
    traces: list[Mapping[str, object]] = []
    for number, name in enumerate(list(grouped(rows, lambda row: row.model))[:_MOST]):
        sums = _per_bucket([row for row in rows if row.model == name], axis)
        color = PALETTE[number % len(PALETTE)]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": literal(shortened(str(name) or NO_MODEL, _NAME_LIMIT)),
                "x": middle,
                "y": [one.read_tokens / one.input_tokens if one.calls else None for one in sums],
                "line": {"color": color, "width": 2, "dash": _DASHES[number % len(_DASHES)]},
                "marker": {"size": 4, "color": color},
                "connectgaps": False,
                "hovertemplate": "%{y:.1%}<extra>%{fullData.name}</extra>",
            }
        )
    return _figure(traces, axis, {"tickformat": ".0%", "range": [0, 1.02]})


def net_saving_by_agent(rows: Sequence[UsageRow], axis: Axis) -> go.Figure:
    """Return dollars saved, or lost below zero, per bucket and agent, as bars."""
    names = list(grouped(rows, lambda row: row.agent_name))
    groups = [({name}, str(name) or NO_AGENT) for name in names[:_MOST]]
    if rest := set(names[_MOST:]):
        groups.append((rest, f"{len(rest)} others"))
    traces: list[Mapping[str, object]] = []
    peak = 0.0
    for number, (members, label) in enumerate(groups):
        sums = _per_bucket([row for row in rows if row.agent_name in members], axis)
        values = [float(one.net_usd or 0) for one in sums]
        peak = max(peak, *(abs(value) for value in values))
        color = PALETTE[number] if number < _MOST else _OTHER
        traces.append(
            {
                "type": "bar",
                "name": literal(shortened(label, _NAME_LIMIT)),
                "x": list(axis.labels),
                "y": values,
                "offset": 0,
                "width": axis.bucket_s * 1000 * 0.9,
                "marker": {"color": color, "line": {"width": 0}},
                "hovertemplate": "$%{y:,.4~f}<extra>%{fullData.name}</extra>",
            }
        )
    # The sign of a loss stands before the dollar; without either the axis is empty above zero.
    ticks: dict[str, object] = {"tickformat": f"${dollar_format(peak)}"}
    figure = _figure(traces, axis, ticks if peak else {**ticks, "range": [0, 1]})
    figure.layout.barmode = "relative"
    return figure


def _per_bucket(rows: Sequence[UsageRow], axis: Axis) -> list[Sums]:
    found: dict[int, list[Sums]] = {start: [] for start in axis.starts_s}
    for row in rows:
        if row.bucket_s in found:
            found[row.bucket_s].append(row.sums)
    return [added(sums) for sums in found.values()]


def _figure(
    traces: Sequence[Mapping[str, object]], axis: Axis, y_axis: Mapping[str, object]
) -> go.Figure:
    layout = {
        "height": _HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "hovermode": "x unified",
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.14, "x": 0, "traceorder": "normal"},
        "xaxis": {
            "type": "date",
            "range": [axis.labels[0], axis.labels[-1] + timedelta(seconds=axis.bucket_s)],
            "fixedrange": True,
            "showgrid": False,
            "nticks": 7,
            "tickformat": "%H:%M" if axis.bucket_s <= _HOUR_S else "%b %-d",
            "hoverformat": axis.hover_format,
        },
        "yaxis": {"fixedrange": True, "automargin": True, "nticks": 5, **y_axis},
    }
    return go.Figure({"data": list(traces), "layout": layout}, skip_invalid=False)
