"""The figure of the page on routing: cascades against what breaks even."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_analytics.routing.cascades import LOSES, PAYS, Cascade
from spanledger_dashboard.charts import PALETTE, literal
from spanledger_dashboard.plain_figures import plain_figure
from spanledger_dashboard.text import shortened

_ROW_PX, _AROUND_PX = 34, 80
_NAME_LIMIT = 26
_UNDECIDED_COLOR = "#87929b"
_COLORS = {PAYS: PALETTE[1], LOSES: PALETTE[4]}
_SYMBOLS = {PAYS: "circle", LOSES: "x"}


def cascades(found: Sequence[Cascade]) -> go.Figure:
    """Return a row per cascade: the share that went on, its interval, and where it breaks even."""
    rows = list(reversed(found))
    places = list(range(len(rows)))
    layout = {
        "height": _AROUND_PX + _ROW_PX * len(rows),
        "margin": {"l": 8, "r": 16, "t": 8, "b": 8},
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        "xaxis": {"fixedrange": True, "range": [-0.02, 1.02], "tickformat": ".0%", "nticks": 6},
        "yaxis": {
            "fixedrange": True,
            "automargin": True,
            "tickvals": places,
            "ticktext": [_name(c) for c in rows],
            "range": [-0.6, len(rows) - 0.4],
        },
    }
    return plain_figure([_limits(rows, places), _shares(rows, places)], layout)


def _shares(rows: Sequence[Cascade], places: Sequence[int]) -> dict[str, object]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "Went on to the dearer model",
        "x": [c.rate for c in rows],
        "y": list(places),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [c.interval.high - c.rate for c in rows],
            "arrayminus": [c.rate - c.interval.low for c in rows],
            "thickness": 1.5,
            "width": 5,
            "color": _UNDECIDED_COLOR,
        },
        "marker": {
            "size": 11,
            "color": [_COLORS.get(c.verdict, _UNDECIDED_COLOR) for c in rows],
            "symbol": [_SYMBOLS.get(c.verdict, "circle-open") for c in rows],
        },
        "customdata": [c.verdict for c in rows],
        "hovertemplate": "%{x:.1%} went on: %{customdata}<extra></extra>",
    }


def _limits(rows: Sequence[Cascade], places: Sequence[int]) -> dict[str, object]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "Breaks even",
        "x": [max(0.0, c.break_even) for c in rows],
        "y": list(places),
        "marker": {
            "size": 22,
            "symbol": "line-ns",
            "line": {"width": 3, "color": PALETTE[2]},
            "color": PALETTE[2],
        },
        "hovertemplate": "Breaks even at %{x:.1%}<extra></extra>",
    }


def _name(one: Cascade) -> str:
    parts = (one.task_class, one.cheap, one.dear)
    task, cheap, dear = (literal(shortened(part, _NAME_LIMIT)) for part in parts)
    return f"{task}: {cheap} → {dear}"
