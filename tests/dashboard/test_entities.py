"""Agents, models, users, sessions, tools: lists and details against figures worked out by hand."""

from __future__ import annotations

import io
import statistics
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.usage import recompute_usage
from spanledger_dashboard.downloads import csv_bytes
from spanledger_dashboard.entities.columns import change
from spanledger_dashboard.entities.kinds import (
    AGENTS,
    SESSIONS,
    TOOLS,
    Slice,
    entity_table,
    load_entities,
)
from spanledger_dashboard.entities.tool_detail import load_sizes, size
from spanledger_dashboard.latency import Percentiles, load_latencies
from spanledger_dashboard.time_range import RANGES, Window
from spanledger_dashboard.traces.table import COLUMNS
from spanledger_dashboard.usage import Only
from spanledger_storage.store import Store
from tests.dashboard.seed import Row, Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "<img src=x onerror=alert(1)> **b** :red[r] [l](http://e)"
S = 10**9
DAY = RANGES["24h"]


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


@pytest.fixture
def window(now_s: int) -> Window:
    return DAY.window(now_s)


def page(app: AppTest, name: str, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page(f"app_pages/{name}.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.text, *app.info, *app.subheader]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def table(app: AppTest, first: str) -> Any:
    """The table whose first column has this name, by that column."""
    [found] = [d.value for d in app.dataframe if d.value.columns[0] == first]
    return found.set_index(first)


def call(seed: Seeder, cost: str | None, *, hours_ago: int = 1, **columns: Any) -> Row:
    """One call as a trace of its own, at the start of an hour that is over."""
    number = next(seed.numbers)
    hour = seed.now_s // 3600 * 3600 - 3600 * hours_ago
    of_span = {"session_id", "user_id", "agent_name", "status", "response_model", "finish_reason"}
    made = {k: v for k, v in columns.items() if k in of_span}
    span = seed.span(
        f"{number:032x}",
        f"{number:016x}",
        name=columns.pop("name", "run"),
        at_s=hour - seed.now_s + columns.pop("second", 0),
        duration_s=columns.pop("duration_s", 1),
        **made,
    )
    of_entry = {k: v for k, v in columns.items() if k not in {"status", "finish_reason"}}
    of_trace = {"task_id": columns.pop("task_id", "")}
    of_entry.pop("task_id", None)
    model = of_entry.pop("response_model", "claude-sonnet-4-5")
    seed.entry(span, cost, model=model, trajectory_id=span["trace_id"], **of_entry)
    seed.trace(span["trace_id"], **of_trace)
    return span


def fill_cube(store: Store, window: Window, project: str = "default") -> None:
    """Sum the ledger up as the job does."""
    hours = list(range(window.start_s - window.length_s, window.end_s, 3600))
    store.command("usage_recompute", {"project": project, "hours": hours, "version": 1})


@pytest.fixture
def fleet(seed: Seeder, store: Store, window: Window) -> None:
    """Ten calls of the planner (1 s to 10 s, $1 to $10), two of a hostile writer, some before."""
    for n in range(1, 11):
        call(
            seed,
            str(n),
            duration_s=n,
            agent_name="planner",
            agent_version="1" if n <= 4 else "2",
            user_id="ann" if n % 2 else "bob",
            status="error" if n == 10 else "ok",
            error_type="Timeout" if n == 10 else "",
            ttft_ns=n * S // 10,
            second=n * 10,
        )
    call(seed, "4.5", agent_name=EVIL, user_id=EVIL, response_model=EVIL, session_id=EVIL)
    call(seed, None, agent_name=EVIL, user_id=EVIL, response_model=EVIL)
    call(seed, "0.25", response_model="gpt-4o")  # nobody's
    call(seed, "44", hours_ago=25, agent_name="planner", user_id="ann")
    call(seed, "99", hours_ago=24, agent_name="planner")  # its like of today is not over
    seed.insert()
    fill_cube(store, window)


@pytest.mark.parametrize("name", ["agents", "sessions", "tools"])
def test_a_list_without_data_says_how_to_send_some(app: AppTest, name: str) -> None:
    assert "No data yet" in text(page(app, name))


@pytest.mark.parametrize("name", ["models", "sessions", "tools"])
def test_a_name_nobody_has_is_said_to_be_absent(app: AppTest, seed: Seeder, name: str) -> None:
    call(seed, "1")
    seed.insert()
    shown = text(page(app, name, **{name.removesuffix("s"): "nobody"}))
    assert "in this time range" in shown
    assert not app.metric


@pytest.mark.usefixtures("fleet")
def test_agents_are_listed_with_what_they_cost_and_how_fast_they_are(app: AppTest) -> None:
    shown = table(page(app, "agents"), "Agent")
    planner = shown.loc["planner"]
    seconds = list(range(1, 11))
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    assert planner["Cost"] == 55.0
    assert planner["Change"] == (55 - 44) / 44
    assert (planner["Calls"], planner["Per call"], planner["Error rate"]) == (10, 5.5, 0.1)
    assert planner["p50"] == statistics.median(seconds) * S
    assert planner["p95"] == round(p95 * S)
    assert planner["TTFT p95"] == round(p95 * S / 10)
    assert (planner["Tokens"], planner["Cache hit"]) == (12_000, 0.6)
    assert sum(planner["Trend"]) == 55.0
    assert len(planner["Trend"]) == 24
    assert shown.index.tolist() == ["planner", EVIL, "(no agent)"]
    assert "**3** agents" in text(app)


@pytest.mark.usefixtures("fleet")
def test_an_agent_whose_calls_are_partly_unpriced_shows_what_is_known(app: AppTest) -> None:
    evil = table(page(app, "agents"), "Agent").loc[EVIL]
    assert (evil["Cost"], evil["Calls"], evil["Change"]) == (4.5, 2, float("inf"))


def test_tokens_nobody_reported_are_a_dash_everywhere(
    app: AppTest, seed: Seeder, store: Store, window: Window
) -> None:
    """Beside a trace without calls, which used none."""
    of = {"agent_name": "mute", "user_id": "mute", "session_id": "mute"}
    number = next(seed.numbers)
    span = seed.span(f"{number:032x}", f"{number:016x}", name="mute", **of)
    seed.entry(span, None, tokens=None, user_id="mute")
    seed.trace(span["trace_id"], calls_without_usage=1)
    seed.span("ab" * 16, "1" * 16, name="no calls")
    seed.trace("ab" * 16)
    seed.insert()
    fill_cube(store, window)
    for name, first in (("agents", "Agent"), ("users", "User"), ("sessions", "Session")):
        assert table(page(app, name), first).loc["mute", "Tokens"] is pd.NA, name
    app.session_state["columns"] = list(COLUMNS)
    rows = table(page(app, "traces"), "Started").set_index("Name")
    kinds = ["Tokens", "Input tokens", "Output tokens"]
    assert rows.loc["mute", kinds].isna().all()
    assert rows.loc["no calls", kinds].tolist() == [0, 0, 0]
    assert table(page(app, "overview"), "Agent").loc["mute", "Tokens"] is pd.NA
    assert cards(app)["Tokens"] == "—"
    assert cards(page(app, "data_quality"))["Tokens"] == "—"
    found = table(page(app, "cost", measure="Tokens", group="Agent"), "Agent")
    assert found.loc[["mute", "Total"], "Tokens"].isna().all()
    assert cards(page(app, "sessions", session="mute"))["Tokens"] == "—"
    assert "— tokens" in text(app)
    assert "**—** tokens" in text(page(app, "trace", trace_id=span["trace_id"]))


@pytest.mark.usefixtures("fleet")
def test_every_page_adds_up_to_the_same_spend(app: AppTest, store: Store, window: Window) -> None:
    [row] = store.sql_rows(
        "SELECT sum(total_cost_usd) AS usd FROM ledger_current "
        "WHERE time >= toDateTime({from_s:Int64}, 'UTC')",
        {"from_s": window.start_s},
    )
    assert row["usd"] == Decimal("59.75")
    assert "$59.75" in text(page(app, "traces"))
    for name, first in (("agents", "Agent"), ("models", "Model"), ("users", "User")):
        assert table(page(app, name), first)["Cost"].sum() == pytest.approx(59.75)
    assert cards(page(app, "overview"))["Spend"] == "$59.75"


@pytest.mark.usefixtures("fleet")
def test_a_list_is_searched_without_regard_to_case(app: AppTest) -> None:
    assert table(page(app, "agents", q="PLAN"), "Agent").index.tolist() == ["planner"]
    app.text_input(key="q").set_value("xyz").run()
    assert "Nothing matches" in text(app)


@pytest.mark.usefixtures("fleet")
def test_a_long_list_names_the_dearest_and_tells_how_many_there_are(
    store: Store, window: Window
) -> None:
    found = load_entities(store, AGENTS, Slice("default", window, 3600), max_rows=1)
    assert [row.name for row in found.rows] == ["planner"]
    assert found.count == 3


@pytest.mark.usefixtures("fleet")
def test_an_agent_in_full(app: AppTest, window: Window) -> None:
    page(app, "agents", agent="planner", agent_by="Versions")
    assert cards(app)["Spend"] == "$55.00"
    assert cards(app)["Error rate"] == "10.0%"
    versions = table(app, "Version")
    assert versions["Cost"].to_dict() == {"1": 10.0, "2": 45.0}
    hour = datetime.fromtimestamp(window.current_s - 3600, UTC).replace(tzinfo=None)
    assert versions["First seen"].to_dict()["1"] == hour + timedelta(seconds=10)
    assert versions["Last seen"].to_dict()["1"] == hour + timedelta(seconds=40)
    assert versions["p50"].to_dict() == {"1": 2.5 * S, "2": 7.5 * S}
    assert table(app, "Started")["Cost"].tolist() == list(range(10, 0, -1))
    assert "p50 **5.50s**" in text(app)
    assert len(app.get("plotly_chart")) == 4


@pytest.mark.usefixtures("fleet")
def test_an_agents_failed_traces_and_errors(app: AppTest) -> None:
    page(app, "agents", agent="planner", agent_by="Errors", order="Failed")
    assert table(app, "Error")["Errors"].to_dict() == {"Timeout": 1}
    assert table(app, "Started")["Cost"].tolist() == [10.0]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("name", ["models", "users", "sessions"])
def test_hostile_names_stay_text(app: AppTest, name: str) -> None:
    page(app, name, **{name.removesuffix("s"): EVIL})
    written = "\n".join(str(b.value) for b in [*app.markdown, *app.caption, *app.subheader])
    assert "<img" not in written.replace("\\<img", "")
    assert "](http" not in written
    assert cards(app)["Cost" if name == "sessions" else "Spend"] == "$4.50"


@pytest.mark.usefixtures("fleet")
def test_calls_of_nobody_have_a_page_too(app: AppTest) -> None:
    assert cards(page(app, "agents", agent="(no agent)"))["Spend"] == "$0.250"


@pytest.mark.usefixtures("fleet")
def test_a_click_on_a_row_opens_it(app: AppTest) -> None:
    page(app, "users")
    clicked = {"rows": [], "columns": [], "cells": [(0, "User")]}
    app.session_state["list-user"] = {"selection": clicked}
    app.run()
    assert app.query_params["user"] == "bob"
    assert cards(app)["Spend"] == "$30.00"


@pytest.mark.usefixtures("fleet")
def test_another_project_shows_none_of_it(app: AppTest, seed: Seeder) -> None:
    seed.usage(project="other")
    seed.insert()
    assert not page(app, "agents", project="other").dataframe
    assert not page(app, "agents", project="other", agent="planner").metric


@pytest.mark.usefixtures("fleet")
def test_a_download_holds_exact_dollars_and_no_formula(store: Store, window: Window) -> None:
    made = entity_table(store, AGENTS, Slice("default", window, 3600))
    read = pyarrow.csv.read_csv(io.BytesIO(csv_bytes(made))).to_pylist()
    assert [row["total_cost_usd"] for row in read] == [55, 4.5, 0.25]
    assert read[1]["name"] == EVIL
    assert "trend" not in read[0]
    assert str(made.schema.field("first_time").type) == "timestamp[ms, tz=UTC]"
    seen = made["first_time"].cast(pa.int64()).to_pylist()  # milliseconds
    assert all(one and window.start_s <= one / 1000 <= window.end_s for one in seen)


def test_a_model_in_full(app: AppTest, seed: Seeder, store: Store, window: Window) -> None:
    for n, reason in enumerate(("stop", "stop", "tool_calls", "")):
        call(seed, "1", duration_s=2, ttft_ns=(n + 1) * S // 4, second=n, finish_reason=reason,
             response_model="claude-sonnet-4-5", tokens=(1000, 100))  # fmt: skip
    seed.insert()
    hours = range(window.start_s, window.end_s, 3_600)
    recompute_usage(store, [("default", hour) for hour in hours], 1)
    page(app, "models", model="claude-sonnet-4-5")
    reasons = table(app, "Reason")
    assert reasons["Calls"].to_dict() == {"stop": 2, "(not told)": 1, "tool_calls": 1}
    assert reasons["Share"]["stop"] == 0.5
    price = table(app, "Provider")
    assert (price["Input"].iloc[0], price["Output"].iloc[0]) == (3.0, 15.0)
    assert "first token p50 **625ms**" in text(app)
    found = load_latencies(store, "default", window, 3600, Only("model", "claude-sonnet-4-5"))
    assert found.total.tokens_per_s == 50.0
    assert found.by_model["claude-sonnet-4-5"].ttft.p50_ns == 625_000_000
    assert [row.calls for row in found.by_bucket.values()] == [4]


def test_durations_nobody_measured_are_left_out(store: Store, seed: Seeder, window: Window) -> None:
    call(seed, "1", duration_s=600, usage_source="metric", attempts=3)
    call(seed, "1", duration_s=1)
    seed.insert()
    [row] = load_entities(store, AGENTS, Slice("default", window, 3600)).rows
    assert (row.totals.calls, row.latency) == (4, Percentiles(S, S, S))


def tool(seed: Seeder, trace_id: str, seconds: float, **columns: Any) -> None:
    hour = seed.now_s // 3600 * 3600 - 3600
    columns = {"tool_name": "sql", "role": "tool", "name": "execute_tool"} | columns
    at_s = hour - seed.now_s + columns.pop("second", 0)
    seed.span(trace_id, f"{next(seed.numbers):016x}", at_s=at_s, duration_s=seconds, **columns)


def test_each_execution_of_a_tool_counts_once(app: AppTest, seed: Seeder) -> None:
    one, two = "aa" * 16, "bb" * 16
    tool(seed, one, 1, tool_call_id="c1", tool_arguments="x" * 10, tool_result="r" * 3000)
    tool(seed, one, 1, tool_call_id="c1", tool_name="sql")  # a second instrumentation
    tool(seed, one, 3, tool_call_id="c2", tool_arguments="x" * 30, status="error",
         error_type="Timeout", agent_name="planner")  # fmt: skip
    tool(seed, two, 5, tool_arguments="x" * 20, tool_outcome="error")
    tool(seed, two, 1, tool_name=EVIL)
    for trace_id in (one, two):
        seed.trace(trace_id, agents=["planner"] if trace_id == one else ["other"])
    seed.insert()
    tools = table(page(app, "tools"), "Tool")
    sql = tools.loc["sql"]
    assert (sql["Runs"], sql["Errors"], sql["In traces"]) == (3, 2, 2)
    assert (sql["p50"], sql["Error rate"]) == (3 * S, 2 / 3)
    assert tools.index.tolist() == ["sql", EVIL]
    page(app, "tools", tool="sql")
    assert cards(app) == {
        "Runs": "3",
        "Error rate": "66.7%",
        "Latency p50": "3.00s",
        "Latency p95": "4.80s",
        "In traces": "2",
        "Arguments p50": "20 B",
        "Result p50": "2.9 KiB",
    }
    assert table(app, "Error")["Errors"].to_dict() == {"Timeout": 1, "(type not told)": 1}
    assert len(table(app, "Started")) == 2


def test_a_call_id_that_comes_again_is_another_execution(
    store: Store, seed: Seeder, window: Window
) -> None:
    """Some clients number the calls of each answer: call_0 again in every turn."""
    trace_id = "aa" * 16
    for turn in range(10):
        tool(seed, trace_id, 2, second=turn * 10, tool_call_id="call_0")
        tool(seed, trace_id, 1, second=turn * 10 + 0.5, tool_call_id="call_0", tool_name="mcp__sql")
    tool(seed, trace_id, 1, second=20, tool_call_id="call_0", tool_name="web")
    tool(seed, trace_id, 4, second=100, tool_call_id="c", tool_name="retry", status="error")
    tool(seed, trace_id, 1, second=110, tool_call_id="c", tool_name="retry")
    tool(seed, trace_id, 1, second=120, tool_call_id="c", tool_name="retry")
    tool(seed, trace_id, 1, second=200, tool_call_id="l", tool_name="log", kind="log")
    tool(seed, trace_id, 1, second=201.9, tool_call_id="l", tool_name="log")
    tool(seed, trace_id, 1, second=204, tool_call_id="l", tool_name="log", kind="log")
    for same_moment in range(3):
        tool(seed, trace_id, 1, second=300 + same_moment, tool_call_id="t", tool_name="touching")
    seed.insert()
    found = load_entities(store, TOOLS, Slice("default", window, 3600)).rows
    runs = {row.name: (row.totals.calls, row.totals.errors, row.latency.p50_ns) for row in found}
    assert runs == {
        "sql": (10, 0, 2 * S),
        "web": (1, 0, S),
        "retry": (2, 1, 6 * S),  # the second try after a failure is the same call: 11 s, then 1 s
        "log": (2, 0, round(1.95 * S)),
        "touching": (1, 0, 3 * S),
    }


def test_what_has_only_started_is_no_execution_yet(
    store: Store, seed: Seeder, window: Window
) -> None:
    tool(seed, "aa" * 16, 0, flags=["pending"], status="unset", tool_arguments="x" * 90)
    tool(seed, "aa" * 16, 0, flags=["pending"], status="unset", tool_name="web")
    tool(seed, "aa" * 16, 4, tool_arguments="x" * 10)
    seed.insert()
    [row] = load_entities(store, TOOLS, Slice("default", window, 3600)).rows
    assert (row.name, row.totals.calls, row.latency.p50_ns) == ("sql", 1, 4 * S)
    assert load_sizes(store, "default", "sql", window).arguments[0] == 10


def test_tools_of_an_agent_are_those_of_its_traces(
    store: Store, seed: Seeder, window: Window
) -> None:
    tool(seed, "aa" * 16, 1)
    tool(seed, "bb" * 16, 1, tool_name="web")
    seed.trace("aa" * 16, agents=["planner"])
    seed.trace("bb" * 16, agents=["other"])
    seed.insert()
    found = load_entities(store, TOOLS, Slice("default", window, 3600, agent="planner"))
    assert [row.name for row in found.rows] == ["sql"]


def test_searches_of_providers_are_listed_with_their_fees(app: AppTest, seed: Seeder) -> None:
    call(seed, "1", web_searches=3, fees_cost_usd=Decimal("0.03"))
    tool(seed, "aa" * 16, 1)
    seed.insert()
    [row] = table(page(app, "tools"), "Provider").to_dict("records")
    assert (row["Searches"], row["Calls"], row["Fees"]) == (3, 1, 0.03)


def test_a_session_is_one_conversation_with_its_cost_so_far(
    app: AppTest, seed: Seeder, store: Store, window: Window
) -> None:
    for n, (asked, said) in enumerate((("Hello?", "Hi."), (EVIL, "No."), ("Bye", ""))):
        asks = [seed.message("user", {"type": "text", "content": asked})]
        says = [seed.message("assistant", {"type": "text", "content": said})] if said else []
        span = seed.span(f"{n + 1:032x}", f"{n + 1:016x}", name=f"turn {n}", at_s=-300 + n * 60,
                         session_id="s-1", user_id="ann", agent_name="planner",
                         input_messages=asks, output_messages=says,
                         status="error" if n == 2 else "ok")  # fmt: skip
        seed.entry(span, None if n == 2 else f"0.{n + 1}", trajectory_id=span["trace_id"])
        seed.trace(span["trace_id"])
    seed.insert()
    listed = table(page(app, "sessions"), "Session").loc["s-1"]
    assert listed["Cost"] == pytest.approx(0.3)
    assert (listed["Turns"], listed["Failed"], listed["Calls"]) == (3, 1, 3)
    assert (listed["User"], listed["Agent"]) == ("ann", "planner")
    assert listed["Lasted"] == 121 * S
    assert listed["Per turn"] == pytest.approx(0.1)
    page(app, "sessions", session="s-1")
    turns = table(app, "Turn")
    assert turns["Name"].tolist() == ["turn 0", "turn 1", "turn 2"]
    assert turns["So far"].tolist() == pytest.approx([0.1, 0.3, 0.3])
    assert turns["Cost"].isna().tolist() == [False, False, True]
    assert [t.value for t in app.text] == ["Hello?", "Hi.", EVIL, "No.", "Bye"]
    assert cards(app)["Cost"] == "$0.300"
    assert load_entities(store, SESSIONS, Slice("other", window, 3600)).rows == ()


@pytest.mark.parametrize(
    ("number", "shown"),
    [(None, "—"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**2, "5.0 MiB")],
)
def test_sizes_are_told_in_units_that_fit(number: int | None, shown: str) -> None:
    assert size(number) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(None, "—"), (0.25, "+25%"), (-0.031, "-3.1%"), (float("inf"), "new"), (float("nan"), "—")],
)
def test_a_change_is_told_in_percent(ratio: float | None, shown: str) -> None:
    assert change(ratio) == shown


@pytest.mark.usefixtures("fleet")
def test_the_error_rate_of_models_says_whose_calls_it_is_of(app: AppTest) -> None:
    for name, is_said in (("models", True), ("agents", False)):
        [shown] = [d for d in page(app, name).dataframe if "Error rate" in d.value.columns]
        assert ("under the one that was requested" in shown.proto.columns) == is_said
