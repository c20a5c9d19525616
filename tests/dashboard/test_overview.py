"""The overview: today, the month, who changed, what needs a look."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.data_quality.job import QualityJob
from spanledger_analytics.forecasting.month_end import month_end, of_hours
from spanledger_analytics.usage import recompute_usage
from spanledger_dashboard.anomalies.forecast import load_outlooks
from spanledger_dashboard.downloads import csv_bytes
from spanledger_dashboard.latency import load_latencies
from spanledger_dashboard.overview import attention
from spanledger_dashboard.overview.attention import Notice, Urgency
from spanledger_dashboard.overview.day_spend import DaySpend, Moments, day_spend, load_day_spend
from spanledger_dashboard.overview.figures import money_figures
from spanledger_dashboard.overview.movers import Mover, load_user_movers, top_movers
from spanledger_dashboard.overview.tables import speed_table
from spanledger_dashboard.overview.tasks import Tasks, load_active, load_tasks
from spanledger_dashboard.time_range import RANGES, Window
from spanledger_dashboard.usage import Totals, Usage, UsageRow
from spanledger_storage.budget_windows import window_at
from spanledger_storage.store import Store
from tests.dashboard.seed import Row, Seeder
from tests.variants import first

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "<img src=x onerror=alert(1)> **b** :red[r]"
HOUR = 3600
DAY = 86_400
NOON = int(datetime(2026, 3, 18, 12, 30, tzinfo=UTC).timestamp())  # a Wednesday
MIDNIGHT = NOON - 12 * HOUR - 1800


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def overview(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/overview.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.text, *app.warning, *app.info, *app.code]
    return "\n".join(str(b.value) for b in [*blocks, *app.subheader]).replace("\\", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def table(app: AppTest, first: str) -> Any:
    """The first table that begins with this column, by that column."""
    found = [d.value for d in app.dataframe if d.value.columns[0] == first]
    return found[0].set_index(first)


def drawn(app: AppTest) -> dict[str, Any]:
    """The figures in their order, by name."""
    charts = [chart.proto for chart in app.get("plotly_chart")]
    return {chart.alt: json.loads(chart.spec) for chart in charts}


def series(app: AppTest, name: str) -> dict[str, list[Any]]:
    """The values of a figure by the name of their series."""
    return {one["name"]: one["y"] for one in drawn(app)[name]["data"]}


def none_first(value: float | None) -> float:
    return -1 if value is None else value


def trace(seed: Seeder, cost: str | None, *, at_s: int = -60, **columns: Any) -> Row:
    number = next(seed.numbers)
    of_entry = {k: columns.pop(k) for k in ("ttft_ns",) if k in columns}
    of_trace = {k: columns.pop(k) for k in ("task_id", "outcome") if k in columns}
    span = seed.span(f"{number:032x}", f"{number:016x}", at_s=at_s, **columns)
    user = columns.get("user_id", "")
    seed.entry(span, cost, trajectory_id=span["trace_id"], user_id=user, **of_entry)
    seed.trace(span["trace_id"], **of_trace)
    return span


def test_without_data_it_says_how_to_send_some(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLEDGER_OTLP_ENDPOINT", "http://collector.test:4318")
    shown = text(overview(app))
    assert "No data yet" in shown
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.test:4318" in shown
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in shown
    assert "make demo" in shown
    assert not app.metric


def test_the_cards_of_one_hour_and_one_trace(app: AppTest, seed: Seeder) -> None:
    trace(seed, "0.5", session_id="s", duration_s=4, ttft_ns=10**9 // 2)
    seed.usage(calls=4, errors=1, total_cost_usd=Decimal("12.345"))
    seed.insert()
    found = cards(overview(app))
    assert {k: v for k, v in found.items() if k not in ("Today", "Month to date")} == {
        "Spend": "$12.35",
        "Per completed task": "—",
        "Tokens": "12.0k",
        "Cache hit rate": "60.0%",
        "LLM calls": "4",
        "Error rate": "25.0%",
        "Latency p95": "4.00s",
        "TTFT p95": "500ms",
        "Active sessions": "1",
        "Traces": "1",
    }
    assert list(drawn(app)) == [
        "Spend by model",
        "Tokens by class",
        "Spend since midnight",
        "Calls and errors",
        "Latency: whole call",
    ]
    assert table(app, "Model").index.tolist() == ["claude-sonnet-4-5"]
    assert table(app, "Agent")["Per call"].tolist() == [3.08625]


def test_a_chart_shows_one_of_two_things_and_the_address_says_which(
    app: AppTest, seed: Seeder, store: Store
) -> None:
    trace(seed, "0.5", agent_name="planner", duration_s=4, ttft_ns=10**9 // 2)
    seed.usage(agent_name="planner", total_cost_usd=Decimal(3))
    seed.insert()
    overview(app)
    found = load_latencies(store, "default", RANGES["24h"].window(seed.now_s), HOUR)
    file = csv_bytes(speed_table(found)).decode().splitlines()
    assert file[0].replace('"', "").split(",")[2:] == [
        f"{what}_p{share}_ns" for what in ("latency", "ttft") for share in (50, 95, 99)
    ]
    assert file[1] == f'"claude-sonnet-4-5",1,{",".join(["4000000000"] * 3 + ["500000000"] * 3)}'
    assert sum(series(app, "Spend by model")["claude-sonnet-4-5"]) == 3
    assert max(series(app, "Latency: whole call")["p50"], key=none_first) == 4
    app.segmented_control(key="spend_by").set_value("By agent").run()
    app.segmented_control(key="latency_of").set_value("First token").run()
    assert sum(series(app, "Spend by agent")["planner"]) == 3
    assert max(series(app, "Latency: first token")["p50"], key=none_first) == 0.5
    again = overview(app, spend_by="By agent", latency_of="First token")
    assert {"Spend by agent", "Latency: first token"} < drawn(again).keys()


def test_only_complete_hours_are_compared_with_the_period_before(
    app: AppTest, seed: Seeder
) -> None:
    seed.usage(hours_ago=0, total_cost_usd=Decimal(100))  # not over: in the sum, not in the change
    seed.usage(hours_ago=2, total_cost_usd=Decimal(3))
    seed.usage(hours_ago=26, total_cost_usd=Decimal(2))
    seed.usage(hours_ago=24, total_cost_usd=Decimal(50))  # its counterpart is not over
    seed.insert()
    overview(app, range="24h")
    spend = next(m for m in app.metric if m.label == "Spend")
    assert (spend.value, spend.delta) == ("$103.00", "+50%")


def test_the_last_hour_is_read_from_the_ledger(app: AppTest, seed: Seeder) -> None:
    trace(seed, "0.0125", agent_name=EVIL)
    seed.insert()
    found = cards(overview(app, range="1h"))
    assert (found["Spend"], found["LLM calls"]) == ("$0.0125", "1")
    assert table(app, "Agent").index.tolist() == [EVIL]


def test_the_models_its_spend_leaves_out_are_named(app: AppTest, seed: Seeder) -> None:
    seed.usage(model="mystery", calls=7, unpriced_calls=7, total_cost_usd=Decimal(0))
    seed.usage(model="quiet", calls=3, calls_without_usage=2)
    seed.insert()
    shown = text(overview(app))
    assert table(app, "Model").index.tolist() == ["quiet", "mystery"]
    for said in ("7 calls not priced", "mystery: 7", "2 calls without token counts", "quiet: 2"):
        assert said in shown
    costs = table(app, "Model")["Cost"]
    assert costs["quiet"] == 0.25
    assert costs.isna()["mystery"]


def test_another_project_shows_only_its_own(app: AppTest, seed: Seeder) -> None:
    seed.usage()
    seed.usage(project="other", total_cost_usd=Decimal(7))
    seed.insert()
    assert cards(overview(app, project="other"))["Spend"] == "$7.00"


def test_what_needs_a_look_is_one_list_of_every_source(
    app: AppTest, seed: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def incidents(_store: Store, project: str, _now_s: int) -> list[Notice]:
        return [Notice(Urgency.now, f"{project} burns {EVIL}", "$5 an hour", "app_pages/traces.py")]

    def quiet(_store: Store, _project: str, _now_s: int) -> list[Notice]:
        return [Notice(Urgency.note, "all else", "3 notes", "app_pages/traces.py")]

    seed.usage()
    seed.insert()
    assert "Nothing found in the last 24 hours that needs a look" in text(overview(app))
    monkeypatch.setattr(attention, "SOURCES", (quiet, incidents))
    st.cache_data.clear()
    shown = text(app.run())
    assert shown.index("default burns") < shown.index("all else")
    assert f"**default burns {EVIL}** · $5 an hour" in shown
    assert [m for m in app.markdown if "<img" in m.value.replace("\\<img", "")] == []


@pytest.mark.usefixtures("store_url")
def test_findings_of_data_quality_that_need_a_fix_are_noticed(
    store: Store, seed: Seeder, now_s: int
) -> None:
    span = trace(seed, "1")
    seed.entry(span, "5", flags=["views_disagree"], trajectory_id=span["trace_id"])
    seed.entry(span, None, model="mystery", trajectory_id=span["trace_id"])  # said elsewhere
    seed.insert()
    recompute_usage(store, [("default", now_s // 3_600 * 3_600 - back) for back in (0, 3_600)], 1)
    assert attention.notices(store, "default", now_s) == []
    job = QualityJob(store, lambda: now_s * 10**9)
    assert [job.run_once(), job.run_once()] == [1, 1]
    [notice] = attention.notices(store, "default", now_s)
    assert notice.page == "app_pages/data_quality.py"
    assert notice.amount.startswith("1 call")
    assert attention.notices(store, "default", now_s + 7_200) == []  # nobody has looked since
    assert attention.notices(store, "other", now_s) == []


@pytest.mark.usefixtures("store_url")
def test_what_is_mended_is_noticed_no_more(store: Store, seed: Seeder, now_s: int) -> None:
    span = trace(seed, "1")
    seed.entry(span, "5", flags=["views_disagree"], trajectory_id=span["trace_id"])
    seed.insert()
    recompute_usage(store, [("default", now_s // 3_600 * 3_600 - back) for back in (0, 3_600)], 1)
    now_ns = now_s * 10**9
    QualityJob(store, lambda: now_ns).run_once()
    store.execute("TRUNCATE TABLE ledger")
    QualityJob(store, lambda: now_ns + 1).run_once()
    assert attention.notices(store, "default", now_s) == []


def dollars(*amounts: int) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


def at(day: int, hour: int, minute: int = 0) -> int:
    """An instant of March 2026, UTC."""
    return int(datetime(2026, 3, day, hour, minute, tzinfo=UTC).timestamp())


def test_a_day_begins_at_the_readers_midnight() -> None:
    # Berlin goes from UTC+1 to UTC+2 on 29 March, so the 29th has 23 hours.
    found = Moments.at(at(30, 10, 30) + 42, ZoneInfo("Europe/Berlin"))
    assert found.now_s == at(30, 10, 30)
    assert found.today_s == at(29, 22)
    assert found.yesterday_s == at(28, 23)
    assert found.yesterday_now_s == at(29, 10, 30)
    assert found.last_week_now_s == at(23, 11, 30)  # 12:30 by the clock on the wall, both days
    assert found.month_s == at(1, 0) - HOUR
    assert found.month_end_s == at(31, 22)
    assert found.cut_hours_s == [at(23, 11), at(29, 10), at(30, 10)]


def test_an_hour_the_clock_repeats_is_the_one_it_is() -> None:
    # Berlin's clock shows 02:30 twice on 25 October 2026: at 00:30 and at 01:30 UTC.
    midnight = int(datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp())
    for minutes in (150, 210):
        found = Moments.at(midnight + minutes * 60, ZoneInfo("Europe/Berlin"))
        assert (found.now_s, found.today_s) == (midnight + minutes * 60, midnight)
        assert found.yesterday_now_s == midnight - DAY + 150 * 60


def test_zones_off_the_hour_cut_the_hours_of_their_midnights() -> None:
    found = Moments.at(at(18, 12), ZoneInfo("Asia/Kolkata"))  # UTC+5:30: 17:30 there
    assert found.today_s == at(17, 18, 30)
    assert at(17, 18) in found.cut_hours_s
    assert at(18, 12) not in found.cut_hours_s


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin"])
def test_a_month_that_begins_within_an_hour_has_all_of_it(store: Store, zone: str) -> None:
    # Midnight of the 1st: 18:30 UTC in Kolkata, 18:15 in Kathmandu.
    begins_s = int(datetime(2026, 7, 1, tzinfo=ZoneInfo(zone)).timestamp())
    now_s = begins_s + 6 * HOUR
    seed = Seeder(store, now_s)
    for number, at_s in enumerate((-60, 60, 20 * 60, 2 * HOUR, 5 * HOUR)):
        about = {"agent_name": f"a{number % 2}", "at_s": begins_s - now_s + at_s}
        seed.entry(seed.span(f"{number:032x}", f"{number:016x}", **about), "0.1")
    seed.insert()
    hours = {("default", (begins_s + n * HOUR) // HOUR * HOUR) for n in range(-1, 7)}
    recompute_usage(store, hours, seed.now_s * 10**9)
    told = month_end(store, "default", now_s, zone)
    pages = load_outlooks(store, "default", zone, now_s)
    for outlooks in (told, pages):
        spent = {one.agent: one.spent_usd for one in outlooks}
        assert spent == {None: Decimal("0.4"), "a0": Decimal("0.2"), "a1": Decimal("0.2")}
    day = load_day_spend(store, "default", ZoneInfo(zone), now_s)
    assert day.month_end.spent_usd == day.month_usd == Decimal("0.4")


def figure_of_the_month(day: DaySpend) -> str:
    usage, tasks = Usage(Window(0, 2 * HOUR, 3 * HOUR), (), ()), Tasks(0, 0, 0, 0, 0, Decimal(0))
    return money_figures(day, usage, tasks, "24 hours")[1].note


def test_days_are_summed_until_now() -> None:
    moments = Moments.at(NOON, UTC)
    # $10 at noon of every day since the 1st, $24 on the 17th; today $3 so far.
    pieces = [(at(day, 12), Decimal(10)) for day in range(1, 17)]
    pieces += [(at(17, 9), Decimal(20)), (at(17, 13), Decimal(4)), (at(18, 12), Decimal(3))]
    window = window_at("month", "UTC", None, NOON)
    found = day_spend(moments, pieces, of_hours("p", None, dict(pieces), window, NOON))
    assert [found.today_usd, found.yesterday_usd, found.last_week_usd] == dollars(3, 20, 10)
    assert found.month_usd == found.month_end.spent_usd == 16 * 10 + 24 + 3
    assert found.curves[0][-1] == 3
    assert list(found.curves[1][8:10]) == dollars(0, 20)
    assert (len(found.curves[0]), len(found.curves[1])) == (13, 24)
    assert "≈ $" in figure_of_the_month(found)


def test_a_month_of_two_days_has_no_estimate() -> None:
    hours = {at(17, 20): Decimal(1), at(18, 3): Decimal(8)}
    window = window_at("month", "UTC", None, NOON)
    month = of_hours("p", None, hours, window, NOON)
    found = day_spend(Moments.at(NOON, UTC), list(hours.items()), month)
    assert figure_of_the_month(found) == "estimate after three days"


def test_spend_until_now_is_exact_to_the_minute(store: Store, seed: Seeder) -> None:
    # Cubes hold whole hours; what is after 12:30 of an earlier day must not be in it.
    seed.now_s = NOON + 29
    for days, before, after in ((0, "1", "2"), (1, "4", "8"), (7, "16", "32")):
        trace(seed, before, at_s=-days * DAY - 60)
        trace(seed, after, at_s=-days * DAY + 60)
        hour = Decimal(before) + Decimal(after)
        seed.usage(hours_ago=24 * days, total_cost_usd=hour)
        seed.usage(hours_ago=24 * days + 3, total_cost_usd=Decimal(100))
    seed.insert()
    found = load_day_spend(store, "default", UTC, seed.now_s)
    assert [found.today_usd, found.yesterday_usd, found.last_week_usd] == dollars(101, 104, 116)
    assert found.month_usd == 101 + 112 + 148


def usage_row(bucket_s: int, agent: str, cost: str) -> UsageRow:
    return UsageRow(bucket_s, "llm", "m", agent, Totals(calls=1, total_cost_usd=Decimal(cost)))


def test_movers_are_those_whose_spend_changed_most() -> None:
    window = Window(0, 2 * HOUR, 3 * HOUR)
    usage = Usage(
        window,
        (usage_row(0, "a", "5"), usage_row(HOUR, "b", "1"), usage_row(2 * HOUR, "c", "90")),
        (usage_row(-3 * HOUR, "a", "2"), usage_row(-2 * HOUR, "b", "1"),
         usage_row(-2 * HOUR, "gone", "7")),
    )  # fmt: skip
    users = [Mover("user", "ann", Decimal(10), Decimal("3.5"))]
    found = [(m.entity, m.name, m.change_usd) for m in top_movers(usage, users)]
    assert found == [
        ("agent", "gone", Decimal(-7)),
        ("user", "ann", Decimal("6.5")),
        ("model", "m", Decimal(-4)),
        ("agent", "a", Decimal(3)),
    ]


def test_users_who_moved_are_found_in_the_ledger(store: Store, seed: Seeder, now_s: int) -> None:
    window = RANGES["24h"].window(now_s)
    over = window.current_s - 60 - now_s
    trace(seed, "5", at_s=over, user_id="ann")
    trace(seed, "1", at_s=over - DAY, user_id="ann")
    trace(seed, "3", at_s=over - DAY, user_id="bob")
    trace(seed, "2", at_s=over, user_id="even")
    trace(seed, "2", at_s=over - DAY, user_id="even")
    trace(seed, "99", at_s=window.current_s - now_s, user_id="now")  # this hour is not over
    trace(seed, "99", at_s=window.current_s - DAY - now_s, user_id="now")
    trace(seed, "50", at_s=over)
    seed.insert()
    found = load_user_movers(store, "default", window)
    assert [(m.name, m.change_usd) for m in found] == [("ann", Decimal(4)), ("bob", Decimal(-3))]


def test_a_completed_task_costs_what_all_that_ended_cost(
    store: Store, seed: Seeder, now_s: int
) -> None:
    trace(seed, "1", task_id="t1", at_s=-600)  # the first turn of a task told no outcome yet
    trace(seed, "2", task_id="t1", outcome="completed", at_s=-500)
    trace(seed, "4", task_id="t2", outcome="failed")
    trace(seed, "8", outcome="completed")
    trace(seed, "16", task_id="t3")  # still at it
    trace(seed, "32", outcome="completed", at_s=-2 * DAY)
    seed.insert()
    window = RANGES["24h"].window(now_s)
    found = load_tasks(store, "default", window)
    assert (found.traces, found.tasks, found.ended_tasks, found.completed_tasks) == (5, 4, 3, 2)
    assert found.usd_per_completed == Decimal(1 + 2 + 4 + 8) / 2
    assert load_tasks(store, "other", window).usd_per_completed is None


def test_sessions_are_active_while_their_spans_end(store: Store, seed: Seeder, now_s: int) -> None:
    trace(seed, "1", at_s=-60, session_id="a")
    trace(seed, "1", at_s=-120, session_id="a")
    trace(seed, "1", at_s=-3600, duration_s=3500, session_id="long")
    trace(seed, "1", at_s=-3600, session_id="over")
    trace(seed, "1", at_s=-30)
    seed.insert()
    found = load_active(store, "default", now_s)
    assert (found.sessions, found.traces) == (2, 4)


def test_a_click_on_a_mover_opens_it(app: AppTest, seed: Seeder, now_s: int) -> None:
    hour = datetime.fromtimestamp(now_s, UTC).replace(minute=0, second=0) - timedelta(hours=2)
    seed.usage(agent_name="planner", hours_ago=2, total_cost_usd=Decimal(9))
    trace(seed, "9", at_s=int(hour.timestamp()) - now_s, agent_name="planner")
    seed.insert()
    overview(app)
    assert table(app, "What").loc["Agent", "Name"] == "planner"
    app.session_state["table-Top movers"] = {
        "selection": {"rows": [], "columns": [], "cells": [(0, "Name")]}
    }
    app.run()
    assert app.query_params["agent"] == "planner"
    assert cards(app)["Spend"] == "$9.00"


@pytest.mark.parametrize("title", first(["Top movers", "Cost by model"]))
def test_a_click_on_calls_without_a_model_opens_them(
    app: AppTest, seed: Seeder, now_s: int, title: str
) -> None:
    hour = now_s // HOUR * HOUR - 2 * HOUR
    seed.usage(model="", hours_ago=2, total_cost_usd=Decimal(9))
    span = seed.span(f"{1:032x}", f"{1:016x}", at_s=hour - now_s)
    seed.entry(span, "9", model="", trajectory_id=span["trace_id"])
    seed.trace(span["trace_id"])
    seed.insert()
    overview(app)
    rows = table(app, "What" if title == "Top movers" else "Model").reset_index()
    names = rows["Name" if title == "Top movers" else "Model"].tolist()
    app.session_state[f"table-{title}"] = {
        "selection": {"rows": [], "columns": [], "cells": [(names.index("(llm)"), "Name")]}
    }
    app.run()
    assert app.query_params["model"] == "(no model)"
    assert cards(app)["Spend"] == "$9.00"
