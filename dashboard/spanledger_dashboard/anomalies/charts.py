"""Figures of the Anomalies page, as plain dicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_analytics.anomalies.baseline import Floats
from spanledger_dashboard.anomalies.data import DAY_S, Band
from spanledger_dashboard.charts import PALETTE, dollar_format
from spanledger_dashboard.findings.data import Found
from spanledger_dashboard.plain_figures import plain_figure
from spanledger_dashboard.scope import Scope

_HEIGHT = 330
_SPENT, _EXPECTED = PALETTE[0], "#7b8794"
_FLAGGED = "#d9434f"
_BAND = "rgba(128,140,150,0.22)"
_PULSE = "rgba(217,67,79,0.12)"


def spend_with_band(band: Band, flagged: Sequence[Found], where: Scope) -> go.Figure:
    """Return spending by step over the expected band; steps within a finding stand out."""
    labels = [where.local(start) for start in band.starts_s]
    half = timedelta(seconds=band.step_s / 2)
    middle = [label + half for label in labels]
    colors = [
        _FLAGGED if _is_flagged(start, band.step_s, flagged) else _SPENT for start in band.starts_s
    ]
    is_known = ~np.isnan(band.expected) & ~np.isnan(band.high)
    traces: list[dict[str, object]] = [
        _edge(middle, np.where(is_known, band.low, np.nan), ""),
        _edge(middle, np.where(is_known, band.high, np.nan), "Expected band", fill="tonexty"),
        {
            "type": "bar",
            "name": "Spent",
            "x": labels,
            "y": _listed(band.actual),
            "offset": 0,
            "width": band.step_s * 1000 * 0.9,
            "marker": {"color": colors, "line": {"width": 0}},
            "hovertemplate": "$%{y:,.4~f}<extra>spent</extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Expected",
            "x": middle,
            "y": _listed(band.expected),
            "line": {"color": _EXPECTED, "width": 2, "dash": "dot"},
            "hovertemplate": "$%{y:,.4~f}<extra>expected</extra>",
        },
    ]
    return _figure(traces, band, flagged, where)


def _figure(
    traces: Sequence[dict[str, object]], band: Band, flagged: Sequence[Found], where: Scope
) -> go.Figure:
    peak = float(np.nanmax(np.append(band.actual, 0.0)))
    high = float(np.nanmax(np.append(band.high, 0.0)))
    first = where.local(band.starts_s[0])
    last = where.local(band.starts_s[-1] + band.step_s)
    clock = where.clock(band.starts_s[0], band.starts_s[-1])
    is_daily = band.step_s >= DAY_S
    layout = {
        "height": _HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "hovermode": "x unified",
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.12, "x": 0, "traceorder": "normal"},
        **({"shapes": [_shade(one, where, first, last) for one in flagged]} if flagged else {}),
        "xaxis": {
            "type": "date",
            "range": [first, last],
            "fixedrange": True,
            "showgrid": False,
            "nticks": 9,
            "tickformat": "%b %-d" if is_daily or last - first > timedelta(days=3) else "%H:%M",
            "hoverformat": "%b %-d" if is_daily else f"%b %-d, %H:%M {clock}",
        },
        "yaxis": {
            "rangemode": "tozero",
            # A band that is much higher than what was spent would leave nothing to see of it.
            "range": [0, max(min(high, 1.3 * peak), peak) * 1.05 or 1],
            "fixedrange": True,
            "automargin": True,
            "nticks": 5,
            "tickprefix": "$",
            "tickformat": dollar_format(peak),
        },
    }
    return plain_figure(traces, layout)


def _edge(
    x: Sequence[datetime], values: Floats, name: str, fill: str = "none"
) -> dict[str, object]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "showlegend": bool(name),
        "x": list(x),
        "y": _listed(values),
        "line": {"width": 0, "color": _BAND},
        "fill": fill,
        "fillcolor": _BAND,
        "hoverinfo": "skip",
    }


def _listed(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _is_flagged(start_s: int, step_s: int, flagged: Sequence[Found]) -> bool:
    return any(
        one.first_ns < (start_s + step_s) * 10**9 and one.last_ns > start_s * 10**9
        for one in flagged
    )


def _shade(one: Found, where: Scope, first: datetime, last: datetime) -> dict[str, object]:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": max(first, where.local(one.first_ns / 1e9)),
        "x1": min(last, where.local(one.last_ns / 1e9)),
        "y0": 0,
        "y1": 1,
        "fillcolor": _PULSE,
        "line": {"width": 0},
        "layer": "below",
    }
