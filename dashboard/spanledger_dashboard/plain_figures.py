"""Figures that go to the browser as they were written.

Plotly takes every figure apart and checks each property, which takes most of the time of a chart.
Tests do that for every figure that a page draws; pages do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import cast

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types


def plain_figure(traces: Sequence[Mapping[str, object]], layout: Mapping[str, object]) -> go.Figure:
    """Return a figure of traces and a layout, in plotly's own words."""
    return PlainFigure(traces, {"template": _template(), **layout})


class PlainFigure(go.Figure):  # type: ignore[misc]  # plotly ships no types
    """A figure that is looked at as a whole only."""

    def __init__(
        self, traces: Sequence[Mapping[str, object]], layout: Mapping[str, object]
    ) -> None:
        # Past plotly's own way to set attributes, which takes them for parts of a figure.
        self.__dict__["written"] = {"data": list(traces), "layout": dict(layout)}

    def to_dict(self) -> dict[str, object]:
        """Return the figure as written."""
        return cast("dict[str, object]", self.__dict__["written"])


@cache
def _template() -> dict[str, object]:
    """Return the look that Streamlit gives figures."""
    written = cast("dict[str, dict[str, dict[str, object]]]", go.Figure().to_dict())
    return written["layout"]["template"]
