"""The reader's clock, and UTC beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types
import pytest
import streamlit as st

from spanledger_dashboard import charts, scope, times

WINTER = datetime(2026, 1, 15, 12, tzinfo=UTC).timestamp()
SUMMER = datetime(2026, 7, 15, 12, tzinfo=UTC).timestamp()


def test_moments_are_told_in_utc() -> None:
    assert times.utc(WINTER) == "2026-01-15 12:00:00 UTC"
    assert times.utc_range(WINTER, SUMMER) == "2026-01-15 12:00:00 to 2026-07-15 12:00:00 UTC"


@pytest.mark.parametrize(
    ("zone", "winter", "both"),
    [
        ("UTC", "UTC", "UTC"),
        ("Europe/Berlin", "UTC+01:00", "UTC+01:00/+02:00"),
        ("America/St_Johns", "UTC-03:30", "UTC-03:30/-02:30"),
        ("Asia/Kolkata", "UTC+05:30", "UTC+05:30"),
    ],
)
def test_a_clock_says_how_far_it_is_from_utc(zone: str, winter: str, both: str) -> None:
    assert times.clock(ZoneInfo(zone), WINTER) == winter
    assert times.clock(ZoneInfo(zone), WINTER, SUMMER) == both


def test_the_heading_of_a_column_of_moments_tells_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "context", SimpleNamespace(timezone="Asia/Kolkata"))
    column = dict(scope.moments("MMM D, HH:mm", width=90, explanation="Of the last."))
    assert column["help"] == "Of the last. On your clock, UTC+05:30 now."
    assert column["width"] == 90
    assert (
        column["type_config"]
        == dict(st.column_config.DatetimeColumn(format="MMM D, HH:mm"))["type_config"]
    )


def test_what_is_under_the_pointer_of_a_chart_tells_utc() -> None:
    at = datetime(2026, 1, 15, 13, tzinfo=UTC)
    axis = charts.Axis([int(WINTER)], [at], 3_600, "UTC+01:00")
    assert hover_format(charts.calls_and_errors([], axis)) == "%b %-d, %H:%M UTC+01:00"
    bare = charts.Axis([int(WINTER)], [at], 3_600)
    assert hover_format(charts.calls_and_errors([], bare)) == "%b %-d, %H:%M"


def hover_format(figure: go.Figure) -> object:
    layout = cast("dict[str, dict[str, object]]", figure.to_dict()["layout"])
    return layout["xaxis"]["hoverformat"]
