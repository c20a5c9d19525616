"""Figures of the Budgets page, as plain dicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_dashboard.budgets.figures import Item
from spanledger_dashboard.charts import PALETTE, count_ticks, dollar_format, literal
from spanledger_dashboard.plain_figures import plain_figure
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import shortened

_SPENT, _RESERVED, _AHEAD = PALETTE[0], PALETTE[6], PALETTE[3]
_SOFT, _HARD = PALETTE[2], "#d9434f"
_ROW_PX = 34
_NAME_LIMIT = 30
MOST_BARS = 15
_HEIGHT = 300
_DAYS_S = 3 * 86_400


def bars(items: Sequence[Item]) -> go.Figure:
    """Return one bar for each budget: spent and set aside, in percent of the limit."""
    shown = [item for item in items if item.limit][:MOST_BARS]
    # A budget's place is a number: two names may be cut to the same text.
    places = list(range(len(shown)))
    names = [literal(shortened(item.name, _NAME_LIMIT)) for item in shown]
    spent = [_percent(item.amounts.spent, item) for item in shown]
    reserved = [_percent(item.amounts.reserved, item) for item in shown]
    texts = [
        f"{item.text(item.amounts.spent)} of {item.text_with_unit(item.limit)}" for item in shown
    ]
    traces = [
        _bar("Spent", spent, places, _SPENT, texts),
        _bar("Set aside", reserved, places, _RESERVED,
             [f"{item.text_with_unit(item.amounts.reserved)} set aside" for item in shown],
             pattern="/"),
        _marks("Soft limit", [_percent(i.amounts.budget.terms.soft_limit, i) for i in shown],
               places, _SOFT, "line-ns"),
        _marks("Forecast", [_percent(i.foreseen("forecast_mid"), i) for i in shown],
               places, _AHEAD, "diamond"),
    ]  # fmt: skip
    peak = max([100.0, *(s + (r or 0) for s, r in zip(spent, reserved, strict=True) if s)])
    layout = {
        "barmode": "stack",
        "height": _ROW_PX * len(shown) + 70,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.1, "yref": "paper", "yanchor": "top", "x": 0,
                   "traceorder": "normal"},
        "xaxis": {"range": [0, min(peak * 1.04, 300)], "ticksuffix": "%", "fixedrange": True,
                  "nticks": 6, "side": "top"},
        "yaxis": {"tickvals": places, "ticktext": names, "autorange": "reversed",
                  "fixedrange": True, "automargin": True, "showgrid": False},
        "shapes": [{"type": "line", "x0": 100, "x1": 100, "y0": 0, "y1": 1, "yref": "paper",
                    "line": {"color": _HARD, "width": 2}}],
    }  # fmt: skip
    return plain_figure(traces, layout)


def over_time(item: Item, hours: Mapping[int, Decimal], where: Scope, now_s: int) -> go.Figure:
    """Return what the window has spent so far, its limits, and where that leads.

    Args:
        item: the budget.
        hours: spent by the unix second an hour begins at, within the window.
        where: has the reader's clock.
        now_s: the clock.
    """
    window = item.amounts.window
    end_s = window.end_s if item.amounts.budget.terms.period != "rolling" else now_s
    steps = _steps(window.start_s, hours, now_s)
    total = steps[-1][1]
    traces: list[Mapping[str, object]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Spent, in the ledger",
            "x": [where.local(at) for at, _ in steps],
            "y": [float(amount) for _, amount in steps],
            "line": {"color": _SPENT, "width": 2, "shape": "hv"},
            "fill": "tozeroy",
            "hovertemplate": f"{_hover(item)}<extra></extra>",
        },
        *_fan(item, where, now_s, total, end_s),
    ]
    peak = float(max(item.limit or Decimal(0), total, item.foreseen("forecast_high") or total))
    layout = {
        "height": _HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.14, "x": 0, "traceorder": "normal"},
        "hovermode": "x",
        "xaxis": {"type": "date", "fixedrange": True, "showgrid": False, "nticks": 7,
                  "tickformat": "%b %-d" if end_s - window.start_s > _DAYS_S else "%b %-d, %H:%M",
                  "range": [where.local(window.start_s), where.local(end_s)]},
        "yaxis": {"rangemode": "tozero", "fixedrange": True, "automargin": True, "nticks": 5,
                  **_ticks(item, peak)},
        "shapes": _limits(item),
        "annotations": _labels(item),
    }  # fmt: skip
    return plain_figure(traces, layout)


def _steps(start_s: int, hours: Mapping[int, Decimal], now_s: int) -> list[tuple[int, Decimal]]:
    """Return (unix second, spent by then) from the window's start until now."""
    found, total = [(start_s, Decimal(0))], Decimal(0)
    for hour in sorted(hours):
        total += hours[hour]
        found.append((min(hour + 3_600, now_s), total))
    return found if found[-1][0] >= now_s else [*found, (now_s, total)]


def _ticks(item: Item, peak: float) -> dict[str, object]:
    if item.amounts.budget.terms.measure == "usd":
        return {"tickprefix": "$", "tickformat": dollar_format(peak)}
    return count_ticks(peak)


def _fan(
    item: Item, where: Scope, now_s: int, total: Decimal, end_s: int
) -> list[Mapping[str, object]]:
    """Return the way to the window's end: its middle, and low and high as an interval."""
    middle = item.foreseen("forecast_mid")
    if middle is None or end_s <= now_s:
        return []
    low, high = item.foreseen("forecast_low"), item.foreseen("forecast_high")
    error = {} if low is None or high is None else {
        "error_y": {"type": "data", "symmetric": False, "visible": True, "color": _AHEAD,
                    "array": [0, float(high - middle)], "arrayminus": [0, float(middle - low)]},
    }  # fmt: skip
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "Forecast",
            "x": [where.local(now_s), where.local(end_s)],
            "y": [float(total), float(middle)],
            "line": {"color": _AHEAD, "width": 2, "dash": "dot"},
            "marker": {"size": [1, 8], "symbol": "diamond", "color": _AHEAD},
            "cliponaxis": False,
            "hovertemplate": f"{_hover(item)}<extra>Forecast</extra>",
            **error,
        }
    ]


def _limits(item: Item) -> list[Mapping[str, object]]:
    return [
        {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": float(limit), "y1": float(limit),
         "line": {"color": color, "width": 1.5, "dash": dash}}
        for _, limit, color, dash in _lines(item)
    ]  # fmt: skip


def _labels(item: Item) -> list[Mapping[str, object]]:
    return [
        {"x": 0, "xref": "paper", "xanchor": "left", "y": float(limit), "yanchor": "bottom",
         "showarrow": False, "text": f"{name} limit {item.text_with_unit(limit)}",
         "font": {"color": color, "size": 11}}
        for name, limit, color, _ in _lines(item)
    ]  # fmt: skip


def _lines(item: Item) -> list[tuple[str, Decimal, str, str]]:
    """Return name, place, color and dash of each limit there is."""
    terms = item.amounts.budget.terms
    found = (("Soft", terms.soft_limit, _SOFT, "dash"), ("Hard", terms.hard_limit, _HARD, "solid"))
    return [(name, limit, color, dash) for name, limit, color, dash in found if limit is not None]


def _hover(item: Item) -> str:
    return "$%{y:,.4~f}" if item.amounts.budget.terms.measure == "usd" else "%{y:,.0f}"


def _percent(amount: Decimal | None, item: Item) -> float | None:
    return float(amount * 100 / item.limit) if amount is not None and item.limit else None


def _bar(
    name: str,
    values: Sequence[float | None],
    places: Sequence[int],
    color: str,
    texts: Sequence[str],
    pattern: str = "",
) -> Mapping[str, object]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": list(values),
        "y": list(places),
        "customdata": list(texts),
        "marker": {"color": color, "pattern": {"shape": pattern, "solidity": 0.4}},
        "hovertemplate": "%{customdata}: %{x:.1f}%<extra></extra>",
    }


def _marks(
    name: str, values: Sequence[float | None], places: Sequence[int], color: str, symbol: str
) -> Mapping[str, object]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": list(values),
        "y": list(places),
        "marker": {"color": color, "size": 13 if symbol == "line-ns" else 9, "symbol": symbol,
                   "line": {"color": color, "width": 3 if symbol == "line-ns" else 0}},
        "hovertemplate": f"{name}: %{{x:.1f}}%<extra></extra>",
    }  # fmt: skip
