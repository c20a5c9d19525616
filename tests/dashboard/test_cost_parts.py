"""Periods, filters, clicks and words of the cost explorer, without a page."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from spanledger_analytics.change.decomposition import Change
from spanledger_dashboard import charts
from spanledger_dashboard.cache import charts as cache_charts
from spanledger_dashboard.cache import data as cache_data
from spanledger_dashboard.cost import charts as cost_charts
from spanledger_dashboard.cost import filters as cost_filters
from spanledger_dashboard.cost import tables as cost_tables
from spanledger_dashboard.cost.change import Explained, headline, reasons
from spanledger_dashboard.cost.drill import (
    clicked_bar,
    clicked_name,
    clicked_row,
    clicked_tile,
    traces_query,
)
from spanledger_dashboard.cost.measures import MEASURES
from spanledger_dashboard.cost.periods import (
    GRAINS,
    bucket_end,
    bucket_starts,
    comparable,
    earlier,
    grain_of,
)
from spanledger_dashboard.cost.query import Answer, Question, Slice, Stretch
from spanledger_dashboard.downloads import csv_bytes
from spanledger_dashboard.gpus import charts as gpu_charts
from spanledger_dashboard.usage import Totals, UsageRow

BERLIN = ZoneInfo("Europe/Berlin")
_HOUR, _DAY = 3_600, 86_400
SPEND = MEASURES["spend"]


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


def stretch(start: str, end: str) -> Stretch:
    return Stretch(at(start), at(end))


def test_days_are_those_of_the_readers_calendar_also_when_the_clock_changes() -> None:
    whole = stretch("2026-03-28T15:00", "2026-03-31T09:00")
    starts = bucket_starts(whole, GRAINS["Day"], BERLIN)
    assert starts == tuple(at(f"2026-03-{day}T00:00") for day in (28, 29, 30, 31))
    assert starts[2] - starts[1] == 23 * _HOUR  # the clock goes forward on the 29th
    assert bucket_end(starts, starts[1], whole) == starts[2]
    assert bucket_end(starts, starts[-1], whole) == whole.end_s


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    whole = stretch("2026-01-28T00:00", "2026-03-02T00:00")
    weeks = bucket_starts(whole, GRAINS["Week"], BERLIN)
    assert weeks[0] == at("2026-01-26T00:00")
    assert {datetime.fromtimestamp(s, BERLIN).weekday() for s in weeks} == {0}
    months = bucket_starts(whole, GRAINS["Month"], BERLIN)
    assert months == tuple(at(f"2026-0{month}-01T00:00") for month in (1, 2, 3))
    assert bucket_starts(whole, None, BERLIN) == (whole.start_s,)


@pytest.mark.parametrize(
    ("choice", "seconds", "grain"),
    [
        ("Auto", _HOUR, "5 minutes"),
        ("Auto", _DAY, "Hour"),
        ("Auto", 7 * _DAY, "Day"),
        ("Auto", 300 * _DAY, "Week"),
        ("Auto", 3_000 * _DAY, "Month"),
        ("5 minutes", _DAY, "5 minutes"),
        ("5 minutes", 30 * _DAY, "Hour"),  # finer would be thousands of bars
        ("Month", _HOUR, "Month"),
    ],
)
def test_bars_are_as_fine_as_can_be_drawn(choice: str, seconds: int, grain: str) -> None:
    found = grain_of(choice, Stretch(0, seconds))
    assert found is not None
    assert found.key == grain
    assert grain_of("Total", Stretch(0, seconds)) is None


def test_the_same_time_of_another_period() -> None:
    whole = stretch("2026-04-01T00:00", "2026-04-08T00:00")
    over = comparable(whole, at("2026-04-02T10:20"))
    assert over is not None
    assert over == stretch("2026-04-01T00:00", "2026-04-02T10:00")
    assert earlier(over, whole, "before", BERLIN) == Stretch(
        over.start_s - 7 * _DAY, over.end_s - 7 * _DAY
    )
    # The clock changed in between: the same hours of the day, not as many seconds ago.
    assert earlier(over, whole, "week", BERLIN) == stretch("2026-03-25T00:00", "2026-03-26T10:00")
    assert earlier(over, whole, "month", BERLIN) == stretch("2026-03-01T00:00", "2026-03-02T10:00")
    custom = earlier(over, whole, "custom", BERLIN, date(2026, 2, 1))
    assert custom == stretch("2026-02-01T00:00", "2026-02-02T10:00")
    assert earlier(over, whole, "custom", BERLIN, date(2026, 4, 1)) is None
    assert comparable(whole, whole.start_s) is None
    month = stretch("2026-03-30T00:00", "2026-03-31T00:00")  # there is no 30th of February
    found = earlier(month, month, "month", BERLIN)
    assert found == stretch("2026-02-28T00:00", "2026-03-01T00:00")


def test_filters_are_read_as_they_are_written() -> None:
    texts = [cost_filters.written("model", "a: b"), cost_filters.written("agent", "")]
    assert texts == ["model: a: b", "agent: (none)"]
    filters, odd = cost_filters.read([*texts, "Model: c", "colour: red", "model:", "x"])
    assert filters == (("agent", ("",)), ("model", ("a: b", "c")))
    assert odd == ["colour: red", "model:", "x"]
    assert cost_filters.narrowed([*texts, "user: u"], ("model",), ("z",)) == [
        "agent: (none)", "user: u", "model: z",
    ]  # fmt: skip


def cells(usd: str, calls: int = 1, **more: int) -> dict[str, int | Decimal]:
    return {"total_cost_usd": Decimal(usd), "calls": calls, **more}


ANSWER = Answer(
    starts=(0, 3600),
    slices=(
        Slice(("a", "u1"), {0: cells("1.5"), 3600: cells("0.25", 3)}),
        Slice(("=b", ""), {3600: cells("0.000000000001")}),
        Slice((), {0: cells("0", 2, unpriced_calls=2)}, is_rest=True),
    ),
    keys=12,
)
QUESTION = Question(
    project="p",
    stretch=Stretch(0, 7200),
    starts=(0, 3600),
    measure=SPEND,
    by=("agent", "user"),
    filters=(("model", ("m",)), ("service", ("s", "t"))),
)


def test_what_is_picked_is_what_was_drawn() -> None:
    def event(**picked: object) -> dict[str, object]:
        return {"selection": picked}

    bar = clicked_bar(event(points=[{"curve_number": 1, "point_index": 1}]), ANSWER)
    assert bar is not None
    assert (bar.slice, bar.start_s) == (ANSWER.slices[1], 3600)
    name = clicked_name(event(points=[{"curve_number": 0, "point_index": 2}]), ANSWER)
    assert name is not None
    assert name.slice is ANSWER.slices[2]
    option, tiles = cost_charts.treemap(ANSWER, SPEND)
    assert tiles == list(ANSWER.slices[:2])  # what has no known cost has no tile
    tile = clicked_tile(event(selected=[{"data_indices": [2]}]), tiles)
    assert tile is not None
    assert tile.slice is ANSWER.slices[1]
    assert "series" in option
    row = clicked_row(event(rows=[3]), ANSWER.slices)
    assert row is not None
    assert row.slice is None  # the total
    for nothing in (None, {}, event(points=[]), event(rows=[9])):
        assert clicked_bar(nothing, ANSWER) is None
        assert clicked_name(nothing, ANSWER) is None
        assert clicked_tile(nothing, tiles) is None
        assert clicked_row(nothing, ANSWER.slices) is None


def test_traces_are_narrowed_as_far_as_they_can_be() -> None:
    assert traces_query(QUESTION, ("a", "u1"), 10, 20) == {
        "from": "10", "to": "20", "agent": "a", "user": "u1", "model": "m",
    }  # fmt: skip
    assert traces_query(QUESTION, (), 10, 20) == {"from": "10", "to": "20", "model": "m"}


def test_files_hold_exact_sums_and_no_formula() -> None:
    table = cost_tables.as_file(ANSWER, QUESTION)
    assert table.column("total_cost_usd").to_pylist() == [
        Decimal("1.5"), Decimal("0.25"), Decimal("0.000000000001"), Decimal(0),
    ]  # fmt: skip
    assert table.column("period_start").to_pylist()[1] == datetime(1970, 1, 1, 1, tzinfo=UTC)
    assert table.column("agent_name").to_pylist() == ["a", "a", "=b", None]
    assert b"'=b" in csv_bytes(table)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (40, Fraction("52.4"), "Spend rose by $12.40 (+31%)"),
        (2, 1, "Spend fell by $1.00 (-50%)"),
        (0, 3, "Spend rose by $3.00 (from nothing)"),
        (5, 5, "Spend did not change ($5.00)"),
        (None, 5, "Spend: — before, $5.00 now"),
    ],
)
def test_a_change_in_words(before: int | None, now: Fraction, said: str) -> None:
    was = None if before is None else Fraction(before)
    assert headline(SPEND, was, Fraction(now)) == said


def test_rates_change_by_points() -> None:
    rate = MEASURES["cache_hit_rate"]
    said = headline(rate, Fraction(1, 2), Fraction(2, 5))
    assert said == "Cache hit rate fell by 10.0 pp, from 50.0% to 40.0%"


def explained(has_tasks: bool = True, **parts: str) -> Explained:
    amounts = {name: Decimal(usd) for name, usd in parts.items()}
    change = Change(Decimal(0), sum(amounts.values(), Decimal(0)), amounts)
    return Explained(change, has_tasks, 0, 0)


def test_reasons_are_named_by_size_and_the_rest_is_one() -> None:
    found = explained(tasks="9.1", prompts="4", cache="-0.7", prices="0.01", models="-0.02")
    assert reasons(found) == (
        "+$9.10 more tasks, +$4.00 longer prompts, −$0.700 better cache use, −$0.0100 all else"
    )
    assert reasons(explained(has_tasks=False, calls="-1")) == "−$1.00 fewer calls"
    assert reasons(explained(tasks="0")) == ""


def test_names_that_plotly_would_read_as_markup_are_text() -> None:
    hostile = Answer((0,), (Slice(("<b>x</b>&amp;",), {0: cells("1")}),), 1)
    axis = cost_charts.TimeAxis([datetime(2026, 1, 1)], datetime(2026, 1, 2), _HOUR)  # noqa: DTZ001
    for is_line in (False, True):
        figure = cost_charts.over_time(hostile, SPEND, axis, is_line=is_line)
        assert figure.to_dict()["data"][0]["name"] == "‹b›x‹/b›＆amp;"


def test_names_of_every_figure_are_text() -> None:
    evil, time = "<a href=x>&", datetime(2026, 1, 1)  # noqa: DTZ001
    axis = charts.Axis([0], [time], _HOUR)
    line = gpu_charts.Line(evil, {0: 1.0})
    usage = UsageRow(0, "llm", evil, evil, Totals(calls=1, total_cost_usd=Decimal(1)))
    saved = cache_data.UsageRow(0, "p", evil, evil, cache_data.Sums(calls=1, input_tokens=1))
    figures = [
        charts.spend_by([usage], axis, lambda row: row.model),
        gpu_charts.lines([line], axis, gpu_charts.COUNT),
        gpu_charts.stacked([line], axis, gpu_charts.COUNT),
        gpu_charts.heat_map([line], axis),
        cache_charts.hit_rate_by_model([saved], axis),
        cache_charts.net_saving_by_agent([saved], axis),
        cost_charts.waterfall(Decimal(1), Decimal(2), [(evil, Decimal(1))]),
    ]
    for figure in figures:
        shown = str(figure.to_dict())
        assert "<a href" not in shown
        assert "‹a href=x›＆" in shown
