"""Figures of the page on reconciliation: the matrix, the way from ledger to bill, coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_analytics.reconciliation.coverage import Coverage
from spanledger_analytics.reconciliation.report.model import CauseTotal, Totals
from spanledger_dashboard import format as fmt
from spanledger_dashboard.charts import PALETTE, literal
from spanledger_dashboard.cost.charts import signed_usd, waterfall
from spanledger_dashboard.plain_figures import plain_figure
from spanledger_dashboard.reconciliation.data import CAUSE_NAMES, Square
from spanledger_dashboard.text import shortened

FULL_COLOR_AT = Decimal("0.1")
"""A difference of this part of the larger side has the full colour."""
MOST_ROWS = 25
# Told apart by everybody; fine is nearly the background of either theme.
_LESS, _FINE, _MORE = "#3b79dd", "rgba(128,140,150,0.20)", "#d28314"
_ROW_PX = 27
_DAY_MS = 86_400_000
_FEW_DAYS = 8
_NAME_LIMIT = 40
_MOST_CAUSES = 10
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def matrix(rows: Mapping[str, Mapping[date, Square]], days: Sequence[date]) -> go.Figure:
    """Return one cell per row and day, coloured by the difference; empty where nothing is known."""
    shown = list(rows)[:MOST_ROWS]
    places = list(range(len(shown)))
    trace = {
        "type": "heatmap",
        "x": [_day_text(day) for day in days],
        "y": places,
        "z": [[_level(rows[row].get(day)) for day in days] for row in shown],
        "text": [[_sign(rows[row].get(day)) for day in days] for row in shown],
        "texttemplate": "%{text}",
        "zmin": -1,
        "zmax": 1,
        "xgap": 2,
        "ygap": 2,
        "colorscale": [[0, _LESS], [0.5, _FINE], [1, _MORE]],
        "showscale": False,
        "hoverinfo": "skip",
    }
    layout = {
        "hovermode": "closest",
        "clickmode": "event+select",
        "dragmode": False,
        "height": 70 + _ROW_PX * max(len(shown), 2),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {
            "type": "category",
            "fixedrange": True,
            "showgrid": False,
            "nticks": 16,
            # Also days of which nothing is known, in their order.
            "categoryorder": "array",
            "categoryarray": [_day_text(day) for day in days],
            "range": [-0.5, len(days) - 0.5],
        },
        "yaxis": {
            "tickvals": places,
            "ticktext": [literal(shortened(row, _NAME_LIMIT)) for row in shown],
            "range": [max(len(shown), 1) - 0.5, -0.5],
            "fixedrange": True,
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
    }
    return plain_figure([trace, _targets(rows, days)], layout)


def matrix_places(
    rows: Mapping[str, Mapping[date, Square]], days: Sequence[date]
) -> list[tuple[str, date]]:
    """Return row and day of each point of the matrix that can be clicked, in their order."""
    return [(row, day) for row in list(rows)[:MOST_ROWS] for day in days if day in rows[row]]


def _targets(
    rows: Mapping[str, Mapping[date, Square]], days: Sequence[date]
) -> Mapping[str, object]:
    """Return points over the cells, unseen: a heat map itself tells of no click."""
    numbers = {row: number for number, row in enumerate(list(rows)[:MOST_ROWS])}
    places = matrix_places(rows, days)
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [_day_text(day) for _, day in places],
        "y": [numbers[row] for row, _ in places],
        "marker": {"size": _ROW_PX - 5, "symbol": "square", "opacity": 0},
        "selected": {"marker": {"opacity": 0}},
        "unselected": {"marker": {"opacity": 0}},
        "customdata": [_hover(row, day, rows[row].get(day)) for row, day in places],
        "hovertemplate": "%{customdata}<extra></extra>",
        "showlegend": False,
    }


def way(totals: Totals, causes: Sequence[CauseTotal]) -> tuple[go.Figure, bool]:
    """Return the way from the ledger to the bill, and whether its axis begins above 0.

    The smallest causes are one step.
    """
    shown = [(CAUSE_NAMES[row.cause], row.usd) for row in causes[:_MOST_CAUSES]]
    rest = causes[_MOST_CAUSES:]
    if rest:
        shown.append((f"{len(rest)} others", sum((row.usd for row in rest), Decimal(0))))
    axis = _near([totals.ledger_usd, *(usd for _, usd in shown)])
    figure = waterfall(totals.ledger_usd, totals.billed_usd, shown, ("Ledger", "Billed"), axis)
    return figure, axis[0] > 0


def _near(steps: Sequence[Decimal]) -> list[float]:
    """Return an axis on which the steps can be told apart; from 0 on where that does."""
    sums = [sum(steps[: place + 1], Decimal(0)) for place in range(len(steps))]
    low, high = min(sums), max(sums)
    spread = max(high - low, abs(high) / 1_000)
    start = low - spread / 4
    if start <= 0:
        # The text of a step down stands to its left, over the names where there is no room.
        has_step_down = any(step < 0 for step in steps[1:])
        start = min(low, Decimal(0)) - (spread / 6 if has_step_down else 0)
    return [float(start), float(high + spread / 4)]


def coverage(rows: Sequence[Coverage]) -> go.Figure:
    """Return the share of what each provider reports that is in the ledger, by day."""
    providers = list(dict.fromkeys(row.provider for row in rows))
    traces = [
        _covered([row for row in rows if row.provider == provider], place)
        for place, provider in enumerate(providers)
    ]
    layout = {
        "height": 240,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "showlegend": len(traces) > 1,
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        "xaxis": {"type": "date", "fixedrange": True, "showgrid": False, "tickformat": "%b %-d",
                  **_whole_days([row.day for row in rows if row.day is not None])},
        "yaxis": {"tickformat": ".0%", "fixedrange": True, "automargin": True,
                  "range": [0, 1.04], "nticks": 6},
    }  # fmt: skip
    return plain_figure(traces, layout)


def _covered(rows: Sequence[Coverage], place: int) -> dict[str, object]:
    """Return the line of one provider, the ``place``-th."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": literal(shortened(rows[0].provider, _NAME_LIMIT)),
        "x": [row.day for row in rows],
        "y": [_float(row.share) for row in rows],
        "customdata": [
            f"{fmt.count(int(row.observed))} of {fmt.count(int(row.reported))} {row.measure}"
            for row in rows
        ],
        "line": {
            "color": PALETTE[place % len(PALETTE)],
            "dash": _DASHES[place % len(_DASHES)],
            "width": 2,
        },
        "marker": {"size": 5},
        "connectgaps": False,
        "hovertemplate": "%{x|%b %-d}: %{y:.1%}, %{customdata}<extra>%{fullData.name}</extra>",
    }


def _whole_days(days: Sequence[date]) -> dict[str, object]:
    """Return what lets an axis of few days name each of them once."""
    if not days or (max(days) - min(days)).days >= _FEW_DAYS:
        return {}
    around = timedelta(days=1)
    return {"dtick": _DAY_MS, "range": [min(days) - around, max(days) + around]}


def days_of(first: date, last: date) -> list[date]:
    """Return all days from the first to the last."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _level(one: Square | None) -> float | None:
    if one is None:
        return None
    if one.is_fine:
        return 0.0
    larger = max(abs(one.billed_usd), abs(one.ledger_usd))
    part = (one.billed_usd - one.ledger_usd) / larger / FULL_COLOR_AT if larger else Decimal(0)
    return float(max(min(part, Decimal(1)), Decimal(-1)))


def _sign(one: Square | None) -> str:
    """Return what tells a cell apart without its colour."""
    if one is None or one.is_fine:
        return ""
    if one.unexplained_usd:
        return "?"
    return "+" if one.billed_usd > one.ledger_usd else "−"


def _hover(row: str, day: date, one: Square | None) -> str:
    if one is None:
        return ""
    lines = [
        f"<b>{literal(shortened(row, _NAME_LIMIT))}</b>, {_day_text(day)}",
        f"Billed {fmt.usd(one.billed_usd)}, ledger {fmt.usd(one.ledger_usd)}",
        f"Difference {signed_usd(one.billed_usd - one.ledger_usd)}",
    ]
    if one.unexplained_usd:
        lines.append(f"Unexplained {signed_usd(one.unexplained_usd)}")
    lines.append("within tolerance" if one.is_fine else "beyond tolerance")
    lines.append("final" if one.is_final else "can still change")
    return "<br>".join(lines)


def _day_text(day: date) -> str:
    return f"{day:%b} {day.day}"


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
