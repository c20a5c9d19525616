"""Figures of the Drift page, as plain dicts: verdicts by day, and how a distribution shifted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_analytics.drift.judge import DRIFT, EXPECTED, NO_DRIFT, TOO_LITTLE
from spanledger_dashboard.charts import PALETTE, literal
from spanledger_dashboard.drift.data import DAY_S, Shift
from spanledger_dashboard.plain_figures import plain_figure
from spanledger_dashboard.text import shortened

_ROW_PX = 30
_NAME_LIMIT = 34
_BEFORE, _NOW = "#87929b", PALETTE[0]
VERDICTS = {
    TOO_LITTLE: ("Not enough data", "rgba(128,140,150,0.16)", "·"),
    NO_DRIFT: ("As before", "rgba(20,144,119,0.35)", ""),
    EXPECTED: ("New version", "rgba(59,121,221,0.65)", "◇"),
    DRIFT: ("Drift", "rgba(217,67,79,0.85)", "▲"),
}
"""Words, colour and sign of each verdict; the sign tells them apart without colour."""

Cells = Mapping[tuple[str, int], tuple[str, str]]
"""By row and day: verdict, and what to say of it."""


def matrix(rows: Sequence[str], days: Sequence[int], cells: Cells) -> go.Figure:
    """Return one cell per row and day (unix seconds); days without a check are empty."""
    names = list(VERDICTS)
    level = {name: place for place, name in enumerate(names)}
    z = [[_level(cells, row, day, level) for day in days] for row in rows]
    signs = [[_sign(cells, row, day) for day in days] for row in rows]
    hover = [
        [literal(cells[row, day][1]) if (row, day) in cells else "" for day in days] for row in rows
    ]
    steps = len(names)
    scale = [
        [edge / steps, VERDICTS[name][1]]
        for place, name in enumerate(names)
        for edge in (place, place + 1)
    ]
    trace = {
        "type": "heatmap",
        "x": [_date(day) for day in days],
        "y": list(range(len(rows))),
        "z": z,
        "text": signs,
        "texttemplate": "%{text}",
        "customdata": hover,
        "zmin": -0.5,
        "zmax": steps - 0.5,
        "xgap": 2,
        "ygap": 2,
        "colorscale": scale,
        "showscale": False,
        "hoverongaps": False,
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    layout = {
        "height": 70 + _ROW_PX * len(rows),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {"type": "category", "fixedrange": True, "showgrid": False, "nticks": 12},
        "yaxis": {
            "tickvals": list(range(len(rows))),
            "ticktext": [literal(shortened(row, _NAME_LIMIT)) for row in rows],
            "autorange": "reversed",
            "fixedrange": True,
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
    }
    return plain_figure([trace], layout)


def shift_bars(shift: Shift) -> go.Figure:
    """Return the share of each action before and on the day, that which changed most first."""
    names = [literal(shortened(share.name or "(none)", _NAME_LIMIT)) for share in shift.shares]
    places = list(range(len(names)))
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": places,
            "x": values,
            "marker": {"color": color},
            "customdata": names,
            "hovertemplate": "%{customdata}: %{x:.1%}<extra>%{fullData.name}</extra>",
        }
        for name, color, values in (
            ("Before", _BEFORE, [share.before for share in shift.shares]),
            ("On the day", _NOW, [share.now for share in shift.shares]),
        )
    ]
    layout = {
        "barmode": "group",
        "height": 90 + 2 * 20 * len(names),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": {"tickformat": ".0%", "fixedrange": True, "rangemode": "tozero", "nticks": 6},
        "yaxis": {"tickvals": places, "ticktext": names, "autorange": "reversed",
                  "fixedrange": True, "automargin": True},
    }  # fmt: skip
    return plain_figure(traces, layout)


def day_text(day_s: int) -> str:
    """Return a UTC day in words."""
    return datetime.fromtimestamp(day_s, UTC).strftime("%b %-d")


def days_between(from_s: int, to_s: int) -> list[int]:
    """Return the UTC days that begin in a time and are over, unix seconds."""
    return list(range(from_s // DAY_S * DAY_S, to_s, DAY_S))


def _date(day_s: int) -> str:
    return day_text(day_s)


def _level(cells: Cells, row: str, day: int, level: Mapping[str, int]) -> int | None:
    found = cells.get((row, day))
    return None if found is None else level.get(found[0], 0)


def _sign(cells: Cells, row: str, day: int) -> str:
    found = cells.get((row, day))
    return "" if found is None else VERDICTS.get(found[0], VERDICTS[TOO_LITTLE])[2]
