"""The reader's clock, and UTC beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import pytest
import streamlit as st

from spanledger_dashboard import charts, line_charts, scope, times

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


@pytest.mark.parametrize(
    ("start", "bucket", "clock", "name"),
    [
        (datetime(2026, 1, 15, 13, tzinfo=UTC), 3_600, "UTC+01:00", "13:00–14:00 UTC+01:00"),
        (datetime(2026, 1, 15, 13, tzinfo=UTC), 300, "", "13:00–13:05"),
        (datetime(2026, 1, 15, 21, tzinfo=UTC), 10_800, "UTC", "21:00–24:00 UTC"),
        (datetime(2026, 1, 15, tzinfo=UTC), 86_400, "UTC", "00:00–24:00 UTC"),
        (
            datetime(2026, 1, 31, 23, tzinfo=UTC),
            10_800,
            "UTC",
            "Jan 31, 23:00 – Feb 1, 02:00 UTC",
        ),
    ],
)
def test_what_is_under_the_pointer_of_a_chart_tells_when(
    start: datetime, bucket: int, clock: str, name: str
) -> None:
    axis = charts.Axis([int(start.timestamp())], [start], bucket, clock)
    for figure in (charts.calls_and_errors([], axis), line_charts.latency_lines({}, axis)):
        written = cast("dict[str, list[dict[str, object]]]", figure.to_dict())
        [named] = [trace for trace in written["data"] if "customdata" in trace]
        assert named["customdata"] == [name]
        assert named["x"] == [start + timedelta(seconds=bucket / 2)]
