"""Figures that are drawn once: nothing in them may make plotly draw again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import cast

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types
import pytest
from streamlit.testing.v1 import AppTest

from spanledger_dashboard.charts import Axis, calls_and_errors
from spanledger_dashboard.latency import Latency, Percentiles
from spanledger_dashboard.line_charts import latency_lines
from spanledger_dashboard.quick_figures import QuickFigure, legend_rows
from spanledger_dashboard.usage import Totals, UsageRow

START = datetime(2026, 11, 22, tzinfo=UTC)
AXIS = Axis(
    [int(START.timestamp()) + 3_600 * n for n in range(4)],
    [START + timedelta(hours=n) for n in range(4)],
    3_600,
)


def test_a_figure_brings_its_margins_and_no_look() -> None:
    figure = calls_and_errors([], AXIS)
    assert isinstance(figure, QuickFigure)
    layout = figure.to_dict()["layout"]
    assert isinstance(layout, dict)
    assert "template" not in layout
    assert layout["datarevision"] == 1
    assert layout["margin"]["b"] > 60
    assert layout["xaxis"]["type"] == "date"
    assert layout["yaxis"]["rangemode"] == "tozero"


def test_buckets_are_one_shape_a_series_from_edge_to_edge() -> None:
    rows = [
        UsageRow(AXIS.starts_s[n], "llm", "m", "a", Totals(calls=5 + n, errors=n)) for n in (0, 3)
    ]
    answered, failed = _drawn(calls_and_errors(rows, AXIS))
    assert answered["y"] == [0, 5, 0, 0, 5, 0]
    assert failed["y"] == [0, 0, 0, 0, 3, 0]
    for trace in (answered, failed):
        at = cast("list[datetime]", trace["x"])
        # Steps are half way between points: on the edges of the buckets.
        edges = [before + (after - before) / 2 for before, after in pairwise(at)]
        assert edges == [*AXIS.labels, AXIS.labels[-1] + timedelta(hours=1)]
        assert trace["line"] == {"shape": "hvh", "width": 0}


def _drawn(figure: go.Figure) -> list[dict[str, object]]:
    written = cast("dict[str, list[dict[str, object]]]", figure.to_dict())
    return [trace for trace in written["data"] if trace["name"]]


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (["a"], 1),
        (["p50", "p95", "p99"], 1),
        ([f"agent-{n}" for n in range(8)], 2),
        (["x" * 30] * 4, 2),
        (["x" * 200] * 3, 3),
        ([], 1),
    ],
)
def test_room_is_made_for_the_legend(names: list[str], rows: int) -> None:
    assert legend_rows(names) == rows


@pytest.mark.parametrize(
    ("known", "mode"),
    [((0, 1, 2, 3), "lines"), ((0, 1, 3), "lines+markers"), ((2,), "lines+markers"), ((), "lines")],
)
def test_a_value_without_neighbours_has_a_marker(known: tuple[int, ...], mode: str) -> None:
    found = {AXIS.starts_s[n]: Latency(1, Percentiles(10**9, 10**9, 10**9)) for n in known}
    assert {trace["mode"] for trace in _drawn(latency_lines(found, AXIS))} == {mode}


def page() -> None:
    from spanledger_dashboard.charts import calls_and_errors
    from spanledger_dashboard.entities.detail import show_figure
    from spanledger_dashboard.plain_figures import plain_figure
    from tests.dashboard.test_quick_figures import AXIS

    show_figure("Quick", calls_and_errors([], AXIS))
    show_figure("Plain", plain_figure([], {}))


def test_only_figures_without_a_look_are_shown_without_one() -> None:
    shown = AppTest.from_function(page).run()
    assert not shown.exception
    assert [chart.proto.theme for chart in shown.get("plotly_chart")] == ["", "streamlit"]
