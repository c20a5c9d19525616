"""Figures of the cost explorer: bars and lines over time, a treemap, a waterfall; plain dicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_dashboard import format as fmt
from spanledger_dashboard.charts import PALETTE, count_ticks, dollar_format, literal
from spanledger_dashboard.cost.measures import Measure
from spanledger_dashboard.cost.query import Answer, Slice
from spanledger_dashboard.plain_figures import plain_figure
from spanledger_dashboard.text import shortened

Floats = npt.NDArray[np.float64]

_REST_COLOR = "#87929b"
_TOTAL_COLOR = "#7b8794"
_MORE_COLOR, _LESS_COLOR = "#d28314", "#149077"  # told apart by colour-blind readers, too
_PATTERNS = ("", "/", "x", ".", "\\", "+", "|")
_SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star")
_HEIGHT = 380
_NAME_LIMIT = 38
_DAY_S = 86_400
_TOOLTIP_FORMATS = {"usd": "$%{y:,.4~f}", "count": "%{y:,.0f}", "ratio": "%{y:.1%}"}


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The bars on the reader's clock: where each begins, and where the last ends.

    Attributes:
        about_s: how long a bar is, usually.
        clock: how far it is from UTC.
    """

    labels: Sequence[datetime]
    end: datetime
    about_s: int
    clock: str = ""


def over_time(answer: Answer, measure: Measure, axis: TimeAxis, *, is_line: bool) -> go.Figure:
    """Return one series per slice; point n of series m is bar n of slice m."""
    draw = _line if is_line else _bars
    traces = [draw(answer, place, measure, axis) for place in range(len(answer.slices))]
    layout = {
        "barmode": "stack" if measure.is_additive else "group",
        "height": _HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "hovermode": "closest",
        "clickmode": "event+select",
        "dragmode": False,
        "showlegend": True,
        "legend": {"orientation": "h", "yref": "container", "y": 0, "x": 0, "traceorder": "normal"},
        "xaxis": {
            "type": "date",
            "range": [axis.labels[0], axis.end],
            "fixedrange": True,
            "showgrid": False,
            "nticks": 9,
            "tickformat": "%H:%M\n%b %-d" if axis.about_s < _DAY_S else "%b %-d\n%Y",
            "hoverformat": f"%a, %b %-d, %H:%M {axis.clock}".rstrip()
            if axis.about_s < _DAY_S
            else "%a, %b %-d",
        },
        "yaxis": {"rangemode": "tozero", "fixedrange": True, "automargin": True, "nticks": 6}
        | _ticks(measure, traces),
    }
    return plain_figure(traces, layout)


def _values(answer: Answer, place: int, measure: Measure) -> Floats:
    one = answer.slices[place]
    values = (measure.value(answer.sums([one], [start])) for start in answer.starts)
    # Arrays are taken as they are; lists are copied and looked at number by number.
    return np.array([np.nan if value is None else float(value) for value in values])


def _look(one: Slice, place: int) -> tuple[str, int]:
    """Return the colour, and how often the colours were used up before."""
    if one.is_rest:
        return _REST_COLOR, 0
    return PALETTE[place % len(PALETTE)], place // len(PALETTE)


def _bars(answer: Answer, place: int, measure: Measure, axis: TimeAxis) -> dict[str, object]:
    color, round_ = _look(answer.slices[place], place)
    ends = [*axis.labels[1:], axis.end]
    widths = [(end - start).total_seconds() for start, end in zip(axis.labels, ends, strict=True)]
    stacked: dict[str, object] = {"offset": 0, "width": np.array(widths) * 1000 * 0.92}
    return {
        "type": "bar",
        "marker": {
            "color": color,
            "line": {"width": 0},
            "pattern": {"shape": _PATTERNS[round_ % len(_PATTERNS)], "size": 5, "solidity": 0.25},
        },
        **(stacked if measure.is_additive else {}),
        **_series(answer, place, measure, axis),
    }


def _line(answer: Answer, place: int, measure: Measure, axis: TimeAxis) -> dict[str, object]:
    color, round_ = _look(answer.slices[place], place)
    symbol = _SYMBOLS[round_ % len(_SYMBOLS)]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "cliponaxis": False,
        "line": {
            "color": color,
            "width": 2,
            "dash": "dot" if answer.slices[place].is_rest else "solid",
        },
        "marker": {"color": color, "size": 6, "symbol": symbol},
        **_series(answer, place, measure, axis),
    }


def _series(answer: Answer, place: int, measure: Measure, axis: TimeAxis) -> dict[str, object]:
    hover = _TOOLTIP_FORMATS[measure.unit]
    return {
        "name": literal(shortened(answer.label(answer.slices[place]), _NAME_LIMIT)),
        "x": np.array(axis.labels, dtype="datetime64[s]"),
        "y": _values(answer, place, measure),
        "hovertemplate": f"%{{x}}<br><b>{hover}</b><extra>%{{fullData.name}}</extra>",
    }


def _ticks(measure: Measure, traces: Sequence[Mapping[str, object]]) -> dict[str, object]:
    if measure.unit == "ratio":
        return {"tickformat": ".0%"}
    rows = [np.nan_to_num(np.asarray(trace["y"], dtype=float)) for trace in traces]
    merge = np.sum if measure.is_additive else np.max
    peak = float(np.max(merge(rows, axis=0))) if rows else 0.0
    if measure.unit == "count":
        return count_ticks(peak)
    return {"tickprefix": "$", "tickformat": dollar_format(peak)}


def by_name(answer: Answer, measure: Measure) -> go.Figure:
    """Return one bar per slice over the whole time; point n is slice n."""
    values = [measure.value(answer.sums([one], answer.starts)) for one in answer.slices]
    names = [shortened(answer.label(one), _NAME_LIMIT) for one in answer.slices]
    trace = {
        "type": "bar",
        "orientation": "h",
        # Names may be equal once they are shortened, so their place tells them apart.
        "y": list(range(len(names))),
        "x": [None if value is None else float(value) for value in values],
        "text": [measure.text(value) for value in values],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": [_look(one, place)[0] for place, one in enumerate(answer.slices)]},
        "hovertemplate": "%{text}<extra></extra>",
    }
    layout = {
        "height": 70 + 34 * len(names),
        "margin": {"l": 8, "r": 70, "t": 8, "b": 8},
        "clickmode": "event+select",
        "dragmode": False,
        "showlegend": False,
        "xaxis": {"fixedrange": True, "nticks": 6, "rangemode": "tozero"} | _ticks(measure, []),
        "yaxis": {
            "autorange": "reversed",
            "fixedrange": True,
            "automargin": True,
            "tickvals": list(range(len(names))),
            "ticktext": [literal(name) for name in names],
        },
    }
    return plain_figure([trace], layout)


def treemap(answer: Answer, measure: Measure) -> tuple[dict[str, object], list[Slice]]:
    """Return an ECharts option, and the slices that have a tile in it, in its order."""
    tiles: list[dict[str, object]] = []
    shown: list[Slice] = []
    for place, one in enumerate(answer.slices):
        value = measure.value(answer.sums([one], answer.starts))
        if value:
            shown.append(one)
            label = shortened(answer.label(one), _NAME_LIMIT)
            tiles.append(
                {
                    "name": f"{label}\n{measure.text(value)}",
                    "value": float(value),
                    "itemStyle": {"color": _look(one, place)[0]},
                }
            )
    option: dict[str, object] = {
        "tooltip": {"formatter": "{b}"},
        "series": [
            {
                "type": "treemap",
                "data": tiles,
                "roam": False,
                "nodeClick": False,
                "selectedMode": "single",
                "breadcrumb": {"show": False},
                "left": 0,
                "right": 0,
                "top": 0,
                "bottom": 0,
                "itemStyle": {"gapWidth": 2, "borderWidth": 0},
                "label": {"color": "#ffffff", "fontSize": 13, "lineHeight": 18},
                "select": {"itemStyle": {"borderColor": "#87929b", "borderWidth": 4}},
            }
        ],
    }
    return option, shown


def waterfall(
    before: Decimal,
    now: Decimal,
    parts: Sequence[tuple[str, Decimal]],
    ends: tuple[str, str] = ("Before", "Now"),
    axis: Sequence[float] | None = None,
) -> go.Figure:
    """Return the way from one sum of dollars to another; ``parts`` are (words, dollars).

    ``axis`` is where the axis of dollars begins and ends; None: as plotly finds best, from 0 on.
    """
    names = [ends[0], *(literal(name) for name, _ in parts), ends[1]]
    amounts = [before, *(amount for _, amount in parts), now]
    texts = [fmt.usd(before), *(signed_usd(amount) for _, amount in parts), fmt.usd(now)]
    trace = {
        "type": "waterfall",
        "orientation": "h",
        "measure": ["absolute", *("relative" for _ in parts), "total"],
        "y": names,
        "x": [float(amount) for amount in amounts],
        "text": texts,
        "textposition": "outside",
        "cliponaxis": False,
        "connector": {"line": {"color": "rgba(128,140,150,0.45)", "width": 1}},
        "increasing": {"marker": {"color": _MORE_COLOR}},
        "decreasing": {"marker": {"color": _LESS_COLOR}},
        "totals": {"marker": {"color": _TOTAL_COLOR}},
        "hovertemplate": "%{y}: %{text}<extra></extra>",
    }
    layout = {
        "height": 60 + 34 * len(names),
        "margin": {"l": 8, "r": 70, "t": 8, "b": 8},
        "showlegend": False,
        "xaxis": {
            "tickprefix": "$", "fixedrange": True, "nticks": 5, "rangemode": "tozero",
            **({"range": list(axis)} if axis else {}),
        },
        "yaxis": {"autorange": "reversed", "fixedrange": True, "automargin": True},
    }  # fmt: skip
    return plain_figure([trace], layout)


def signed_usd(amount: Decimal) -> str:
    """Return a change in dollars with its sign: ``+$1.20``, ``−$0.70``."""
    if not amount:
        return fmt.usd(amount)
    return f"{'+' if amount > 0 else '−'}{fmt.usd(abs(amount))}"
