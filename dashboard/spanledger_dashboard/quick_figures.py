"""Figures over time that a browser draws once, in colours of the style sheet.

Plotly draws again for each margin that it finds too small, and all over for Streamlit's look, which
comes with every figure anew: three times in all, and drawing is most of what a browser does for a
page. These figures bring their margins along, and no look: ``styles.css`` colours what it finds in
containers that are called ``figure-…``, and a change of the theme draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_dashboard.plain_figures import PlainFigure

HEIGHT_PX = 270
_CLEAR = "rgba(0,0,0,0)"
_FONT_PX = 12
# What the legend takes, seldom more: plotly makes room where it does not fit, and draws once more.
_LETTER_PX, _SYMBOL_PX, _ROW_PX = 5.8, 46, 19
_WIDTH_PX = 480
_BELOW_AXIS_PX = 48


class QuickFigure(PlainFigure):
    """A figure to show without Streamlit's theme."""


def quick_figure(traces: Sequence[Mapping[str, object]], layout: Mapping[str, object]) -> go.Figure:
    """Return a figure with a legend below it.

    Args:
        traces: bars or lines, in plotly's own words.
        layout: what this one has beside what all have; ``xaxis``, ``yaxis`` and ``legend`` add to
            those of all.
    """
    below_px = _BELOW_AXIS_PX + _ROW_PX * legend_rows(
        [str(trace["name"]) for trace in traces if trace.get("showlegend", True)]
    )
    common: dict[str, dict[str, object]] = {
        "legend": {"orientation": "h", "y": -0.14, "x": 0},
        "xaxis": {"fixedrange": True, "showgrid": False, "zeroline": False},
        "yaxis": {"rangemode": "tozero", "fixedrange": True, "automargin": True, "nticks": 5},
    }
    whole = {
        "datarevision": 1,  # lists that say the same are not drawn again
        "height": HEIGHT_PX,
        "margin": {"l": 52, "r": 8, "t": 8, "b": below_px, "pad": 8},
        "font": {"family": "Source Sans, sans-serif", "size": _FONT_PX},
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "hovermode": "x unified",
        "showlegend": True,
        **layout,
        **{name: {**part, **_part(layout, name)} for name, part in common.items()},
    }
    return QuickFigure(traces, whole)


def legend_rows(names: Sequence[str]) -> int:
    """Return how many rows a legend takes in a usual window, in columns of one width."""
    widths = [_SYMBOL_PX + _LETTER_PX * len(name) for name in names]
    if sum(widths) <= _WIDTH_PX:
        return 1
    columns = max(1, int(_WIDTH_PX // max(widths)))
    return -(-len(widths) // columns)


def _part(layout: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = layout.get(name, {})
    assert isinstance(part, Mapping)
    return part
