"""Figures of the page: what a completed task is made of, over time, and how costs spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_analytics.unit_economics.full_cost import PARTS, Group
from spanledger_dashboard import format as fmt
from spanledger_dashboard.charts import PALETTE, dollar_format
from spanledger_dashboard.plain_figures import plain_figure

LABELS = {
    "own_inference": "Inference",
    "own_tools": "Tools and APIs",
    "own_gpu": "GPU",
    "own_infra": "Infrastructure",
    "own_other": "Other",
    "retries": "Retries",
    "failed": "Failed tasks",
    "abandoned": "Abandoned tasks",
}
# Own cost in plain colours; what was spent in vain is hatched besides, so colour is not all.
_COLORS = {
    "own_inference": PALETTE[0],
    "own_tools": PALETTE[1],
    "own_gpu": PALETTE[3],
    "own_infra": PALETTE[6],
    "own_other": "#87929b",
    "retries": PALETTE[7],
    "failed": PALETTE[4],
    "abandoned": PALETTE[2],
}
_PATTERNS = {"retries": "/", "failed": "x", "abandoned": "."}
_HEIGHT = 300
_BAR_HEIGHT = 150
_TEXT_FROM = 0.07  # of the whole: narrower parts have no room for their text


@dataclass(frozen=True, slots=True)
class Times:
    """The bars of a chart over time; ``end`` is where the last one ends.

    Moments are on the reader's clock; ``clock`` says how far that is from UTC.
    """

    labels: Sequence[datetime]
    end: datetime
    about_s: int
    clock: str = ""


def shown_parts(groups: Sequence[Group]) -> list[str]:
    """Return the parts that any of the groups has, in their order."""
    return [part for part in PARTS if any(group.parts[part] for group in groups)]


def composition(group: Group) -> go.Figure:
    """Return one bar: the dollars of a completed task, part by part."""
    total = group.total_usd
    traces = [
        {
            **_look(part),
            "orientation": "h",
            "y": [""],
            "x": [float(amount)],
            "text": [fmt.usd(amount) if total and group.parts[part] / total > _TEXT_FROM else ""],
            "textposition": "inside",
            "insidetextanchor": "middle",
            "insidetextfont": {"color": "#ffffff"},
            "hovertemplate": f"{LABELS[part]}: {fmt.usd(amount)} "
            f"({fmt.percent(group.parts[part], total)})<extra></extra>",
        }
        for part in shown_parts([group])
        if (amount := group.per_completed(group.parts[part])) is not None
    ]
    peak = float(group.usd_per_completed or 0)
    layout = {
        "barmode": "stack",
        "height": _BAR_HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "showlegend": True,
        "legend": {"orientation": "h", "yref": "container", "y": 0, "x": 0, "traceorder": "normal"},
        "xaxis": {"fixedrange": True, "nticks": 8, **_dollars(peak)},
        "yaxis": {"fixedrange": True, "showticklabels": False},
    }
    return plain_figure(traces, layout)


def trend(groups: Sequence[Group | None], times: Times) -> go.Figure:
    """Return stacked bars: the parts of a completed task in each bucket; None: nothing ended."""
    known = [group for group in groups if group is not None]
    ends = [*times.labels[1:], times.end]
    widths = [(b - a).total_seconds() * 920 for a, b in zip(times.labels, ends, strict=True)]
    traces = [
        {
            **_look(part),
            "x": list(times.labels),
            "y": [None if g is None else _float(g.per_completed(g.parts[part])) for g in groups],
            "offset": 0,
            "width": widths,
            "hovertemplate": "$%{y:,.4~f}<extra>%{fullData.name}</extra>",
        }
        for part in shown_parts(known)
    ]
    peak = max((float(g.usd_per_completed or 0) for g in known), default=0.0)
    layout = {
        "barmode": "stack",
        "height": _HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "hovermode": "x unified",
        "showlegend": True,
        "legend": {"orientation": "h", "yref": "container", "y": 0, "x": 0, "traceorder": "normal"},
        "xaxis": {
            "type": "date",
            "range": [times.labels[0], times.end],
            "fixedrange": True,
            "showgrid": False,
            "nticks": 8,
            "tickformat": "%H:%M\n%b %-d" if times.about_s < 86_400 else "%b %-d\n%Y",
            "hoverformat": f"%b %-d, %H:%M {times.clock}".rstrip()
            if times.about_s < 86_400
            else "%a, %b %-d",
        },
        "yaxis": {"fixedrange": True, "automargin": True, "nticks": 5, **_dollars(peak)},
    }
    return plain_figure(traces, layout)


def spread(bars: Sequence[tuple[int, int]], per_decade: int) -> go.Figure:
    """Return a histogram of the costs of completed tasks, on a logarithmic axis."""
    counts = dict(bars)
    free = counts.pop(min(counts), 0) if counts and min(counts) <= -1_000 else 0
    places = range(min(counts), max(counts) + 1) if counts else range(0)
    edges = [Decimal(str(10 ** (place / per_decade))) for place in (*places, places.stop)]
    names = [f"{fmt.usd(a)} to {fmt.usd(b)}" for a, b in zip(edges, edges[1:], strict=False)]
    values = [counts.get(place, 0) for place in places]
    ticks = _ticks(places, per_decade)
    if free:
        names, values = ["nothing", *names], [free, *values]
        ticks = {0: "$0", **{place + 1: text for place, text in ticks.items()}}
    trace = {
        "type": "bar",
        "x": list(range(len(values))),
        "y": values,
        "customdata": names,
        "marker": {"color": PALETTE[0], "line": {"width": 0}},
        "hovertemplate": "%{y:,.0f} tasks cost %{customdata}<extra></extra>",
    }
    layout = {
        "height": _HEIGHT,
        "bargap": 0.06,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "showlegend": False,
        "xaxis": {
            "fixedrange": True,
            "showgrid": False,
            # A bar begins where its label stands.
            "tickvals": [n - 0.5 for n in ticks],
            "ticktext": list(ticks.values()),
            "tickangle": 0,
        },
        "yaxis": {
            "fixedrange": True,
            "automargin": True,
            "nticks": 5,
            "rangemode": "tozero",
            "tickformat": ",.0f" if max(values, default=0) < 10_000 else "~s",
            "title": {"text": "tasks"},
        },
    }
    return plain_figure([trace], layout)


def _ticks(places: range, per_decade: int) -> dict[int, str]:
    """Return the text below some of the bars: powers of ten, where there are two or more."""
    tens = {n: place // per_decade for n, place in enumerate(places) if place % per_decade == 0}
    if len(tens) > 1:
        return {n: f"${Decimal(10) ** power:f}" for n, power in tens.items()}
    step = max(1, -(-len(places) // 5))
    return {
        n: fmt.usd(Decimal(str(10 ** (place / per_decade))))
        for n, place in enumerate(places)
        if n % step == 0
    }


def _look(part: str) -> dict[str, object]:
    return {
        "type": "bar",
        "name": LABELS[part],
        "marker": {
            "color": _COLORS[part],
            "line": {"width": 0},
            "pattern": {
                "shape": _PATTERNS.get(part, ""),
                "fillmode": "overlay",
                "fgcolor": "rgba(255,255,255,0.5)",
                "size": 7,
                "solidity": 0.2,
            },
        },
    }


def _dollars(peak: float) -> Mapping[str, object]:
    return {"tickprefix": "$", "tickformat": dollar_format(peak), "rangemode": "tozero"}


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
