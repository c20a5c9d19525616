"""The small chart above the list: when the matching traces started; a brush chooses a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_dashboard.charts import Axis, count_ticks
from spanledger_dashboard.plain_figures import plain_figure
from spanledger_dashboard.traces.listing import TraceBucket

TRACES, DOLLARS = MEASURES = ("Traces", "Dollars")

_GOOD_COLOR = "#4a7fb5"
_ERROR_COLOR = "#d9434f"
_DOLLAR_COLOR = "#149077"
_HEIGHT = 120
_HOUR_S = 3_600
_DAY_S = 86_400


def figure(buckets: Sequence[TraceBucket], axis: Axis, measure: str) -> go.Figure:
    """Return bars per bucket: traces, those with errors on top, or their dollars."""
    found = {b.start_s: b for b in buckets}
    rows = [found.get(start) for start in axis.starts_s]
    if measure == DOLLARS:
        costs = [float(b.cost_usd or 0) if b else 0.0 for b in rows]
        bars = [_bars("Spend", _DOLLAR_COLOR, costs, axis, "$%{y:,.4~f}")]
        ticks: dict[str, object] = {"tickprefix": "$", "tickformat": ",.2~f"}
    else:
        good = [b.traces - b.failed_traces if b else 0 for b in rows]
        failed = [b.failed_traces if b else 0 for b in rows]
        bars = [
            _bars("Without errors", _GOOD_COLOR, good, axis, "%{y:,}"),
            # Hatched: told apart without colour.
            _bars("With errors", _ERROR_COLOR, failed, axis, "%{y:,}", pattern="/"),
        ]
        ticks = count_ticks(max((b.traces for b in buckets), default=0))
    return plain_figure(bars, _layout(axis, ticks))


def brushed(selection: Mapping[str, object], axis: Axis) -> tuple[int, int] | None:
    """Return the time a selection in the chart covers, unix seconds; None: nothing is selected.

    A box covers every bucket it touches, so that a clock set back cannot mislead.
    """
    touched = {*_boxed(selection, axis), *_clicked(selection, axis)}
    if not touched:
        return None
    return axis.starts_s[min(touched)], axis.starts_s[max(touched)] + axis.bucket_s


def _boxed(selection: Mapping[str, object], axis: Axis) -> list[int]:
    boxes = cast("Sequence[Mapping[str, Sequence[object]]]", selection.get("box") or ())
    found: list[int] = []
    for box in boxes:
        edges = sorted(_moment(edge) for edge in box.get("x", ()))
        if len(edges) > 1:
            found += [
                number
                for number, label in enumerate(axis.labels)
                if label < edges[-1] and label + timedelta(seconds=axis.bucket_s) > edges[0]
            ]
    return found


def _clicked(selection: Mapping[str, object], axis: Axis) -> list[int]:
    if selection.get("box"):
        return []
    points = cast("Sequence[Mapping[str, object]]", selection.get("points") or ())
    numbers = [cast("int", p.get("point_index", -1)) for p in points]
    return [number for number in numbers if 0 <= number < len(axis.starts_s)]


def _moment(edge: object) -> datetime:
    # As plotly writes it: "2026-11-21 13:05:30.1234"; more digits than Python reads may follow.
    return datetime.fromisoformat(str(edge)[:19].replace(" ", "T")).replace(tzinfo=None)


def _bars(
    name: str, color: str, values: Sequence[float], axis: Axis, hover: str, pattern: str = ""
) -> dict[str, object]:
    return {
        "type": "bar",
        "name": name,
        "x": list(axis.labels),
        "y": list(values),
        # Bars begin at the start of their bucket, as long as it is.
        "offset": 0,
        "width": axis.bucket_s * 1000 * 0.9,
        "marker": {
            "color": color,
            "line": {"width": 0},
            "pattern": {"shape": pattern, "size": 6, "solidity": 0.3, "fillmode": "overlay"},
        },
        "hovertemplate": f"{hover}<extra>%{{fullData.name}}</extra>",
    }


def _layout(axis: Axis, ticks: Mapping[str, object]) -> dict[str, object]:
    last = axis.labels[-1] + timedelta(seconds=axis.bucket_s)
    return {
        "barmode": "stack",
        "height": _HEIGHT,
        "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
        "hovermode": "x unified",
        "showlegend": False,
        "dragmode": "select",
        "selectdirection": "h",
        "xaxis": {
            "type": "date",
            "range": [axis.labels[0], last],
            "showgrid": False,
            "nticks": 8,
            "tickformat": _tick_format(axis),
            "hoverformat": axis.hover_format,
        },
        "yaxis": {
            "rangemode": "tozero",
            "fixedrange": True,
            "automargin": True,
            "nticks": 3,
            **ticks,
        },
    }


def _tick_format(axis: Axis) -> str:
    length_s = axis.bucket_s * len(axis.starts_s)
    if length_s <= _DAY_S:
        return "%H:%M"
    return "%b %-d, %H:%M" if axis.bucket_s < _HOUR_S * 3 else "%b %-d"
