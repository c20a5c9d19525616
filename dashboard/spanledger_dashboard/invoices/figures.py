"""The calendar of the page on invoices: sources by day."""

from __future__ import annotations

from datetime import date, timedelta

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_dashboard import format as fmt
from spanledger_dashboard.charts import literal
from spanledger_dashboard.invoices.data import DayCell, MonthRead
from spanledger_dashboard.plain_figures import plain_figure
from spanledger_dashboard.text import shortened

_ROW_PX, _AROUND_PX = 26, 66
_NAME_LIMIT = 40
# Places in the colour scale, in this order; a mark besides, for whoever does not see colours.
_STATES = {
    "missing": ("No report", "rgba(135,146,155,0.16)", ""),
    "empty": ("Nothing used", "rgba(135,146,155,0.45)", "·"),
    "behind": ("Stands back", "#af8d56", "–"),
    "open": ("May still change", "#3b79dd", "○"),
    "final": ("Final", "#149077", "●"),
}
_PLACES = {name: place for place, name in enumerate(_STATES)}


def calendar(read: MonthRead, first: date, last: date) -> go.Figure:
    """Return one row per source and one column per day, coloured by what is known of the day."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows = list(reversed(read.sources))
    cells = [[row.days.get(day) for day in days] for row in rows]
    states = [[_state(cell) for cell in line] for line in cells]
    count = len(_STATES)
    scale = [
        [(place + edge) / count, color]
        for place, (_, color, _) in enumerate(_STATES.values())
        for edge in (0, 1)
    ]
    trace = {
        "type": "heatmap",
        "x": [day.day for day in days],
        "y": list(range(len(rows))),
        "z": [[_PLACES[state] for state in line] for line in states],
        "zmin": -0.5,
        "zmax": count - 0.5,
        "colorscale": scale,
        "showscale": False,
        "xgap": 2,
        "ygap": 3,
        "text": [[_STATES[state][2] for state in line] for line in states],
        "texttemplate": "%{text}",
        "customdata": [
            [_hover(cell, day) for cell, day in zip(line, days, strict=True)] for line in cells
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    layout = {
        "height": _AROUND_PX + _ROW_PX * max(1, len(rows)),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {"fixedrange": True, "dtick": 1, "showgrid": False, "side": "top"},
        "yaxis": {
            "fixedrange": True,
            "automargin": True,
            "showgrid": False,
            "tickvals": list(range(len(rows))),
            "ticktext": [literal(shortened(row.source, _NAME_LIMIT)) for row in rows],
        },
    }
    return plain_figure([trace], layout)


def legend() -> str:
    """Return what the marks mean."""
    return " · ".join(f"{mark} {text.lower()}" for text, _, mark in _STATES.values() if mark)


def _state(cell: DayCell | None) -> str:
    return cell.state if cell else "missing"


def _hover(cell: DayCell | None, day: date) -> str:
    if cell is None:
        return f"{day}: no report"
    said = _STATES[cell.state][0].lower()
    if cell.told.stands_back_behind:
        said = f"stands back behind {literal(cell.told.stands_back_behind)}"
    money = "" if not cell.amounts else f", {fmt.usd(cell.usd)}"
    return f"{day}: {fmt.count(cell.line_count)} lines{money}, {said}"
