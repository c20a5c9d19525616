"""Figures of the overview, as plain dicts: building them costs next to nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_dashboard.quick_figures import quick_figure
from spanledger_dashboard.text import shortened
from spanledger_dashboard.usage import Key, Totals, UsageRow, grouped

# Middle tones: readable on the light and on the dark background alike.
PALETTE = (
    "#3b79dd", "#149077", "#d28314", "#9856a8", "#d83e69", "#6b701b", "#269edb", "#af8d56",
)  # fmt: skip
_OTHER_COLOR = "#87929b"
_ERROR_COLOR = "#d9434f"
_CALL_COLOR = "#4a7fb5"
_TOKEN_CLASSES = (
    ("uncached_tokens", "Input, uncached", "#3b79dd"),
    ("cache_read_tokens", "Cache read", "#149077"),
    ("cache_write_tokens", "Cache write", "#d28314"),
    ("output_tokens", "Output", "#9856a8"),
)
_MAX_SERIES = 7
_HOUR_S = 3_600
_NAME_LIMIT = 34
_FEW = 4
_TEXTS = str.maketrans({"<": "‹", ">": "›", "&": "＆"})

# What stands first under the pointer, before the name of the bucket.
DAY_TITLE = {"text": "%{x|%a, %b %-d}"}

Value = Callable[[Totals], Decimal | int]


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis of a chart.

    Attributes:
        starts_s: start of every bucket, unix seconds.
        labels: the same on the reader's clock.
        bucket_s: seconds per bucket.
        clock: how far the reader's clock is from UTC, for what is under the pointer.
    """

    starts_s: Sequence[int]
    labels: Sequence[datetime]
    bucket_s: int
    clock: str = ""

    @property
    def hover_format(self) -> str:
        """How a moment under the pointer is written, as a d3 format."""
        return f"%b %-d, %H:%M {self.clock}".rstrip()

    @property
    def bucket(self) -> timedelta:
        """How long a bucket is."""
        return timedelta(seconds=self.bucket_s)

    @property
    def middles(self) -> list[datetime]:
        """The middle of every bucket."""
        return [label + self.bucket / 2 for label in self.labels]

    @property
    def bucket_names(self) -> list[str]:
        """From when to when every bucket is."""
        return [self._name(label, label + self.bucket) for label in self.labels]

    def _name(self, start: datetime, end: datetime) -> str:
        if (end - timedelta.resolution).date() != start.date():
            days = [f"{moment:%b} {moment.day}, {moment:%H:%M}" for moment in (start, end)]
            return f"{' – '.join(days)} {self.clock}".rstrip()
        until = f"{end:%H:%M}" if end.date() == start.date() else "24:00"
        return f"{start:%H:%M}–{until} {self.clock}".rstrip()


def spend_by(rows: Sequence[UsageRow], axis: Axis, key: Key) -> go.Figure:
    """Return stacked bars of dollars per bucket; the dearest keys by name, the rest as one."""
    of: dict[str, list[UsageRow]] = {}
    for row in rows:
        of.setdefault(key(row), []).append(row)
    named = [name for name, sums in grouped(rows, key).items() if sums.total_cost_usd]
    # One that is left over gets its own name and the colour that others would have.
    most = len(named) if len(named) == _MAX_SERIES + 1 else _MAX_SERIES
    shown, rest = named[:most], named[most:]
    groups = [(name, color, of[name]) for name, color in zip(shown, PALETTE, strict=False)]
    if rest:
        others = [row for name in rest for row in of[name]]
        groups.append((f"{len(rest)} others", _OTHER_COLOR, others))
    traces = [
        _steps(
            literal(shortened(name, _NAME_LIMIT)),
            color,
            _series(members, axis, lambda t: t.total_cost_usd),
            axis,
            "$%{y:.4~f}",
        )
        for name, color, members in groups
    ]
    return _figure(traces, axis, {"tickprefix": "$", "tickformat": dollar_format(_peak(traces))})


def tokens_by_class(rows: Sequence[UsageRow], axis: Axis) -> go.Figure:
    """Return stacked bars of tokens per bucket; the classes are disjoint."""
    traces = [
        _steps(label, color, _series(rows, axis, attrgetter(name)), axis, "%{y:,.0f}")
        for name, label, color in _TOKEN_CLASSES
    ]
    return _figure(traces, axis, count_ticks(_peak(traces)))


def calls_and_errors(
    rows: Sequence[UsageRow], axis: Axis, *, good_name: str = "Answered"
) -> go.Figure:
    """Return stacked bars of calls per bucket, failed ones apart; ``good_name``: the others."""
    good = _series(rows, axis, lambda t: t.calls - t.errors)
    failed = _series(rows, axis, lambda t: t.errors)
    traces = [
        _steps(good_name, _CALL_COLOR, good, axis, "%{y:,.0f}"),
        _steps("Failed", _ERROR_COLOR, failed, axis, "%{y:,.0f}"),
    ]
    return _figure(traces, axis, count_ticks(_peak(traces)))


def literal(text: str) -> str:
    """Return text from outside as names and labels of a figure take it: plotly reads HTML there."""
    return text.translate(_TEXTS)


def series(rows: Sequence[UsageRow], axis: Axis, value: Value) -> list[float]:
    """Return one number per bucket: the small charts of the cards."""
    return _series(rows, axis, value)


def _series(rows: Sequence[UsageRow], axis: Axis, value: Value) -> list[float]:
    per_bucket: dict[int, float] = {}
    for row in rows:
        per_bucket[row.bucket_s] = per_bucket.get(row.bucket_s, 0.0) + float(value(row.totals))
    return [per_bucket.get(start, 0.0) for start in axis.starts_s]


def _peak(traces: Sequence[Mapping[str, Any]]) -> float:
    """Return the height of the highest of stacked bars; 0: there are none."""
    return max((sum(column) for column in zip(*(t["y"] for t in traces), strict=True)), default=0)


def _steps(
    name: str, color: str, values: Sequence[float], axis: Axis, hover: str
) -> dict[str, object]:
    """Return areas that look like bars: one shape, where a browser draws bars one by one."""
    # A step is half way between two points: those beyond the ends close the first and the last.
    middles = axis.middles
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [middles[0] - axis.bucket, *middles, middles[-1] + axis.bucket],
        "y": [0, *values, 0],
        "stackgroup": "all",
        "line": {"shape": "hvh", "width": 0},
        "fillcolor": color,
        "hovertemplate": f"{hover}<extra>%{{fullData.name}}</extra>",
    }


def bucket_names(axis: Axis) -> dict[str, object]:
    """Return what says under the pointer which bucket it is; nothing is drawn."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "",
        "x": axis.middles,
        "y": [0] * len(axis.labels),
        "line": {"width": 0},
        "showlegend": False,
        "customdata": axis.bucket_names,
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _figure(
    traces: Sequence[Mapping[str, object]], axis: Axis, y_axis: Mapping[str, object]
) -> go.Figure:
    layout = {
        "legend": {"traceorder": "normal"},
        "xaxis": {
            "type": "date",
            "range": _range(axis),
            "nticks": 7,
            "tickformat": "%H:%M" if axis.bucket_s <= _HOUR_S else "%b %-d",
            "unifiedhovertitle": DAY_TITLE,
        },
        "yaxis": y_axis,
    }
    return quick_figure([bucket_names(axis), *traces], layout)


def _range(axis: Axis) -> list[datetime]:
    return [axis.labels[0], axis.labels[-1] + timedelta(seconds=axis.bucket_s)]


def count_ticks(peak: float) -> dict[str, object]:
    """Return the ticks of an axis up to ``peak`` whole things: never at half of one."""
    return {"tickformat": "~s", **({"dtick": 1} if peak < _FEW else {})}


def dollar_format(peak: float) -> str:
    """Return the d3 format that tells the ticks of an axis up to ``peak`` dollars apart."""
    if 10_000 <= peak < 1e9:  # above, d3 writes G where people write B
        return "~s"
    if peak >= 5:
        return ",.0f"
    if peak >= 0.1:
        return ",.2f"
    if not peak > 0:
        return ",.2f"
    # Ticks are at least a tenth of the peak apart, rounded up to 1, 2 or 5 of some place.
    return f",.{1 + math.ceil(-math.log10(peak))}f"
