"""The list of traces: what narrows it, its pages, its chart, its columns, its files."""

from __future__ import annotations

import io
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_dashboard.charts import Axis
from spanledger_dashboard.downloads import csv_bytes, parquet_bytes
from spanledger_dashboard.traces import search as trace_search
from spanledger_dashboard.traces.histogram import DOLLARS, TRACES, brushed, figure
from spanledger_dashboard.traces.listing import (
    PAGE_SIZE,
    SORTS,
    Place,
    TraceBucket,
    TraceFilter,
    load_export,
    load_histogram,
    load_page,
    totals,
)
from spanledger_dashboard.traces.table import COLUMNS
from spanledger_storage.store import Store
from tests.dashboard.seed import Row, Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
TRACE = "ab" * 16
SPAN = f"{1:016x}"
EVIL = "<img src=x onerror=alert(1)> **b** :red[r] $x$"
MANY = PAGE_SIZE + 7


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def traces(app: AppTest, **params: str | list[str]) -> AppTest:
    """The page, at an address."""
    app.query_params.clear()
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/traces.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.warning, *app.info, *app.error, *app.subheader]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("**", "")


def names(app: AppTest) -> list[str]:
    return [] if not app.dataframe else list(app.dataframe[0].value["Name"])


def run(n: int) -> str:
    return f"run {n:03}"


@pytest.fixture
def many(seed: Seeder) -> list[Row]:
    """Run n: n minutes ago, n + 0.5 dollars (run 5: unknown), n seconds long, n % 4 extra spans."""
    rows = []
    for n in range(MANY):
        trace_id = f"{n:032x}"
        columns: dict[str, Any] = {"at_s": -60 * n, "agent_name": f"agent-{n % 3}"}
        span = seed.span(
            trace_id,
            SPAN,
            name=run(n),
            service_name=f"svc-{n % 2}",
            status="error" if n % 10 == 0 else "ok",
            duration_s=n,
            **columns,
        )
        for extra in range(n % 4):
            seed.span(trace_id, f"{extra + 2:016x}", SPAN, role="tool", tool_name=f"tool-{extra}",
                      attributes=[("tier", f"t{n % 5}")],
                      resource_attributes=[("region", f"r{n % 7}")], **columns)  # fmt: skip
        seed.entry(span, None if n == 5 else f"{n}.5", model=f"model-{n % 4}", tokens=(n, 1))
        rows.append(
            seed.trace(
                trace_id,
                user_id=f"user-{n}",
                session_id=f"sess-{n % 5}",
                outcome="solved" if n % 6 == 0 else "",
                environment="prod" if n < 50 else "test",
                status="open" if n == 3 else "closed",
            )
        )
    seed.insert()
    return rows


def everything(now_s: int, **columns: Any) -> TraceFilter:
    return TraceFilter("default", now_s - 86_400, now_s + 60, now_s + 60, **columns)


def test_without_data_it_says_how_to_send_some(app: AppTest) -> None:
    assert "No data yet" in text(traces(app))


def test_one_trace_is_a_row(app: AppTest, seed: Seeder) -> None:
    span = seed.span(TRACE, SPAN, name=EVIL, agent_name="support", duration_s=9, status="error")
    seed.entry(span, "0.0125")
    seed.trace(TRACE, session_id="sess-1", user_id="u@example.com")
    seed.insert()
    row = traces(app, columns=list(COLUMNS)).dataframe[0].value.iloc[0]
    assert (row["Name"], row["Agent"], row["Status"]) == (EVIL, "support", "✕ error")
    assert row["Cost"] == 0.0125
    assert (row["Spans"], row["LLM calls"], row["Tokens"], row["Errors"]) == (1, 1, 1200, 1)
    assert row["Duration"] == 9 * 10**9
    assert "1 trace · $0.0125 · 1 with errors" in text(app)


def test_tokens_nobody_reported_are_within_no_limit(store: Store, seed: Seeder, now_s: int) -> None:
    names = ["not told", "no calls", "told"]
    for number, name in enumerate(names):
        span = seed.span(f"{number:032x}", SPAN, name=name)
        if name != "no calls":
            seed.entry(span, None, tokens=(1, 1) if name == "told" else None)
        seed.trace(span["trace_id"], calls_without_usage=int(name == "not told"))
    seed.insert()

    def found(**limits: int) -> list[str]:
        narrowed = everything(now_s, **limits)
        page = [str(row["name"]) for row in load_page(store, narrowed, "tokens", Place()).rows]
        assert sum(bucket.traces for bucket in load_histogram(store, narrowed, 60)) == len(page)
        return page

    assert found() == ["told", "no calls", "not told"]
    assert found(max_tokens=0) == ["no calls"]
    assert found(min_tokens=1) == ["told"]


S = 10**9
NARROWED: list[tuple[str, dict[str, Any], list[int], bool]] = [
    ("cost", {"agent": "agent-1"}, [55, 52, 49], False),
    ("duration", {}, [56, 55, 54], False),
    ("tokens", {"service": "svc-0"}, [56, 54, 52], False),
    ("spans", {"max_duration_ns": 10 * S}, [3, 7, 2], False),
    ("errors", {}, [0, 10, 20], False),
    ("newest", {"status": "error"}, [0, 10, 20, 30, 40, 50], True),
    ("newest", {"status": "open"}, [3], True),
    ("newest", {"status": "ok", "min_duration_ns": S, "max_duration_ns": 4 * S}, [1, 2, 4], True),
    ("newest", {"user": "user-7"}, [7], True),
    ("newest", {"session": "sess-4", "min_cost_usd": Decimal(49)}, [49, 54], True),
    ("cost", {"min_cost_usd": Decimal("7.5"), "max_cost_usd": Decimal("8.5")}, [8, 7], True),
    # Not run 5: its cost is unknown.
    ("newest", {"max_cost_usd": Decimal("5.5")}, [0, 1, 2, 3, 4], True),
    ("newest", {"max_cost_usd": Decimal(0)}, [], True),
    ("newest", {"min_tokens": 21, "max_tokens": 22}, [20, 21], True),
    ("newest", {"max_tokens": 0}, [], True),  # each has at least one
    ("newest", {"max_duration_ns": 0}, [0], True),
    ("newest", {"text": "RUN 03"}, [*range(30, 40)], True),
    ("newest", {"text": f"{9:032x}"}, [9], True),
    ("newest", {"model": "model-3", "service": "svc-1"}, [3, 7, 11], False),
    ("newest", {"outcome": "solved"}, [0, 6, 12], False),
    ("newest", {"environment": "test"}, [*range(50, 57)], True),
    ("newest", {"tool": "tool-2"}, [3, 7, 11], False),
    ("newest", {"attribute": "tier", "attribute_value": "t1"}, [1, 6, 11], False),
    ("newest", {"attribute": "region", "attribute_value": "r3"}, [3, 10, 17], False),
    ("newest", {"attribute": "tier"}, [1, 2, 3, 5], False),
    ("newest", {"attribute": "tier", "attribute_value": "r3"}, [], True),
    (
        "newest",
        {"tool": "tool-0", "attribute": "region", "attribute_value": "r5"},
        [5, 19, 26],
        False,
    ),
    ("newest", {"is_found_only": True, "found": (f"{8:032x}",)}, [8], True),
    ("newest", {"is_found_only": True}, [], True),
]
"""Order, filters, the first runs of the list, and whether those are all."""


@pytest.mark.usefixtures("many")
def test_filters_narrow_and_orders_order(store: Store, now_s: int) -> None:
    for sort, narrowed, expected, is_all in NARROWED:
        page = load_page(store, everything(now_s, **narrowed), sort, Place(), MANY)
        found = [row["name"] for row in page.rows]
        assert found[: len(expected)] == [run(n) for n in expected], narrowed
        assert not is_all or len(found) == len(expected), narrowed


EVERY_FILTER = {
    "agent": "agent-1", "model": "model-3", "service": "svc-1", "environment": "prod",
    "tool": "tool-0", "status": "ok", "user": "user-7", "session": "sess-2", "min_cost": "7.5",
    "max_cost": "7.5", "min_tokens": "8", "max_tokens": "8", "min_duration": "7",
    "max_duration": "7.5", "attr": "tier", "attr_value": "t2", "q": "run 0",
}  # fmt: skip


@pytest.mark.usefixtures("many")
def test_every_filter_is_in_the_address(app: AppTest, store_url: str) -> None:
    assert names(traces(app, **EVERY_FILTER)) == [run(7)]
    for key, other in (("max_duration", "6.9"), ("attr_value", "t3"), ("session", "sess-1")):
        fresh = AppTest.from_file(str(APP), default_timeout=30)
        assert names(traces(fresh, **{**EVERY_FILTER, key: other})) == []
    assert store_url


@pytest.mark.usefixtures("many")
def test_what_is_narrowed_is_summed(app: AppTest) -> None:
    shown = text(traces(app, min_duration="10", max_duration="12"))
    assert "3 traces · $34.50 · 1 with errors" in shown  # 10.5 + 11.5 + 12.5; run 10 failed


@pytest.mark.usefixtures("many")
def test_nothing_is_a_limit_too(app: AppTest) -> None:
    traces(app, max_duration="0")
    assert names(app) == [run(0)]
    assert "1 trace · $0.500 ·" in text(app)


@pytest.mark.usefixtures("many")
def test_what_has_no_price_is_counted_not_summed(app: AppTest) -> None:
    assert "1 trace · — · 0 with errors · :orange[1 call not priced]" in text(
        traces(app, user="user-5")
    )


@pytest.mark.usefixtures("many")
def test_a_filter_that_matches_nothing_says_so(app: AppTest) -> None:
    traces(app, user="nobody")
    assert "No trace matches" in text(app)
    assert not app.dataframe


@pytest.mark.usefixtures("many")
def test_a_click_on_a_chip_takes_a_filter_away(app: AppTest) -> None:
    traces(app, agent="agent-1", min_cost="40", max_cost="50", attr="tier", attr_value="t1")
    labels = [b.label.replace("\\", "") for b in app.button if b.key and b.key.startswith("chip-")]
    assert labels == ["Agent: agent-1", "Cost $40.0 to $50.0", "tier = t1", "Clear all"]
    assert names(app) == [run(46)]
    app.button(key="chip-min_cost").click().run()
    assert names(app) == [run(n) for n in (1, 31, 46)]
    app.button(key="chip-all").click().run()
    assert len(names(app)) == PAGE_SIZE
    assert not [b for b in app.button if b.key and b.key.startswith("chip-")]


@pytest.mark.usefixtures("many")
def test_pages_go_on_where_the_last_one_ended_in_every_order(store: Store, now_s: int) -> None:
    narrowed = everything(now_s)
    for sort in SORTS.values():
        first = load_page(store, narrowed, sort, Place(), 20)
        second = load_page(store, narrowed, sort, Place.read(first.after or "", ""), 20)
        third = load_page(store, narrowed, sort, Place.read(second.after or "", ""), 20)
        whole = [r["name"] for page in (first, second, third) for r in page.rows]
        assert whole == [r["name"] for r in load_page(store, narrowed, sort, Place(), MANY).rows]
        assert sorted(map(str, whole)) == [run(n) for n in range(MANY)]
        assert (first.before, third.after) == (None, None)
        back = load_page(store, narrowed, sort, Place.read("", third.before or ""), 20)
        assert back.rows == second.rows
        assert load_page(store, narrowed, sort, Place.read("", back.before or ""), 20) == first


@pytest.mark.usefixtures("many")
def test_buttons_turn_the_pages(app: AppTest) -> None:
    first = names(traces(app))
    assert len(first) == PAGE_SIZE
    app.button(key="turn-Next").click().run()
    rest = names(app)
    assert sorted(first + rest) == [run(n) for n in range(MANY)]
    assert app.button(key="turn-Next").disabled
    app.button(key="turn-Previous").click().run()
    assert names(app) == first


@pytest.mark.usefixtures("many")
def test_a_link_to_a_page_still_shows_it_when_newer_traces_came(app: AppTest, seed: Seeder) -> None:
    traces(app)
    app.button(key="turn-Next").click().run()
    second, link = names(app), str(app.query_params["after"])
    seed.span("ff" * 16, SPAN, name="newer", at_s=1)
    seed.trace("ff" * 16)
    seed.insert()
    fresh = AppTest.from_file(str(APP), default_timeout=30)
    assert names(traces(fresh, after=link)) == second


@pytest.mark.usefixtures("many")
def test_narrowing_leads_back_to_the_first_page(app: AppTest) -> None:
    traces(app)
    app.button(key="turn-Next").click().run()
    app.selectbox(key="sort").select("Slowest").run()
    assert names(app)[0] == run(MANY - 1)
    assert "after" not in app.query_params


@pytest.mark.usefixtures("many")
def test_a_place_nobody_can_be_at_shows_the_first_page(store: Store, now_s: int) -> None:
    for text in ("1.2", "x.y.z", "1.2.3.4", f"{10**40}.1.1", "²", "<b>", ""):
        assert Place.read(text, "") == Place.read("", text) == Place()
    for place in (Place.read("-1.-1.-1", ""), Place.read("", "9.9.9")):
        page = load_page(store, everything(now_s), "newest", place)
        assert page.rows[0]["name"] == run(0)
        assert page.before is None


def test_equal_rows_are_neither_repeated_nor_left_out(store: Store, seed: Seeder) -> None:
    for n in range(10):
        seed.span(f"{n:032x}", SPAN, at_s=-60)
        seed.trace(f"{n:032x}")
    seed.insert()
    narrowed, seen = everything(seed.now_s), list[object]()
    page = load_page(store, narrowed, "cost", Place(), 3)
    seen += [row["trace_id"] for row in page.rows]
    for _ in range(3):
        page = load_page(store, narrowed, "cost", Place.read(page.after or "", ""), 3)
        seen += [row["trace_id"] for row in page.rows]
    assert sorted(map(str, seen)) == [f"{n:032x}" for n in range(10)]
    assert page.after is None


def test_a_project_shows_nothing_of_another(app: AppTest, seed: Seeder) -> None:
    for project, trace_id in (("default", "aa" * 16), ("other", "bb" * 16)):
        seed.span(trace_id, SPAN, project=project, name=project, tool_name="t",
                  attributes=[("k", "v")], tool_result="needle")  # fmt: skip
        seed.trace(trace_id)
    seed.insert()
    assert names(traces(app, project="other")) == ["other"]
    for params in ({"tool": "t"}, {"attr": "k", "attr_value": "v"}, {"find": "needle"}):
        fresh = AppTest.from_file(str(APP), default_timeout=30)
        assert names(traces(fresh, project="other", **params)) == ["other"]


def say(seed: Seeder, trace_id: str, content: str, **columns: Any) -> None:
    message = seed.message("user", {"type": "text", "content": content})
    seed.span(trace_id, SPAN, name=content, input_messages=[message], **columns)
    seed.trace(trace_id)


SAID = ("a refund, please", "Welche GRÖSSE oder Größe?", 'say "no"\nand go', "nothing")
SEARCHES = {
    "REFUND": ["a refund, please"],
    "fund, pl": ["a refund, please"],
    "größe": ["Welche GRÖSSE oder Größe?"],
    'say "no"': ['say "no"\nand go'],
    "and go": ['say "no"\nand go'],
    "select 1": ["tool"],
    "two rows": ["tool"],
    "user": [],  # the role of a message is not what it says
    "content": [],
    "no such text": [],
}


def test_text_is_found_where_it_was_said(app: AppTest, store: Store, seed: Seeder) -> None:
    for n, content in enumerate(SAID):
        say(seed, f"{n:032x}", content)
    seed.span("cc" * 16, SPAN, name="tool", role="tool", tool_arguments='{"q":"select 1"}',
              tool_result="two rows")  # fmt: skip
    seed.trace("cc" * 16)
    seed.insert()
    ids = {f"{n:032x}": content for n, content in enumerate(SAID)} | {"cc" * 16: "tool"}
    for needle, expected in SEARCHES.items():
        found = trace_search.search(store, "default", seed.now_s - 99, seed.now_s + 99, needle)
        assert [ids[trace_id] for trace_id in found.trace_ids] == expected, needle
        assert found.limit == ""
    assert names(traces(app, find="REFUND")) == ["a refund, please"]


def test_the_page_says_when_a_search_was_limited(
    app: AppTest, seed: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_search, "BUDGET_S", 0)
    say(seed, TRACE, "needle")
    seed.insert()
    shown = text(traces(app, find="needle"))
    assert "The search for text ended after 0 s. What is older than" in shown
    assert "No trace matches" in shown


def test_a_search_that_stops_early_says_how_far_it_looked(store: Store, seed: Seeder) -> None:
    for days in range(3):
        say(seed, f"{days:032x}", f"needle {days}", at_s=-86_400 * days)
    seed.insert()
    clock = iter([0.0, 1.0, float(trace_search.BUDGET_S)])
    midnight = seed.now_s // 86_400 * 86_400
    found = trace_search.search(
        store, "default", midnight - 3 * 86_400, seed.now_s + 1, "needle", clock=lambda: next(clock)
    )
    assert found == trace_search.Found((f"{0:032x}",), midnight, "time")


def test_a_search_ends_at_a_number_of_traces(
    store: Store, seed: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_search, "AT_MOST", 2)
    for n in range(4):
        say(seed, f"{n:032x}", f"needle {n}", at_s=-n)
    seed.insert()
    found = trace_search.search(store, "default", seed.now_s - 100, seed.now_s + 1, "needle")
    assert found.trace_ids == (f"{0:032x}", f"{1:032x}")
    assert found.limit == "traces"


def test_the_chart_counts_what_matches_by_time(store: Store, seed: Seeder, now_s: int) -> None:
    hour = now_s // 3600 * 3600
    for n, (at, cost) in enumerate(((10, "1.5"), (20, None), (3600, "2"))):
        span = seed.span(f"{n:032x}", SPAN, at_s=hour - 7200 + at - now_s,
                         status="error" if n == 1 else "ok")  # fmt: skip
        seed.entry(span, cost)
        seed.trace(f"{n:032x}")
    seed.insert()
    narrowed = TraceFilter("default", hour - 7200, hour + 3600, hour + 3600)
    first, second = load_histogram(store, narrowed, 3600)
    assert (first.start_s, first.traces, first.failed_traces) == (hour - 7200, 2, 1)
    assert (first.cost_usd, first.unpriced_calls) == (Decimal("1.5"), 1)
    assert (second.start_s, second.traces, second.cost_usd) == (hour - 3600, 1, Decimal(2))
    summed = totals([first, second])
    assert (summed.traces, summed.failed_traces, summed.cost_usd) == (3, 1, Decimal("3.5"))
    assert totals([]).cost_usd is None


@pytest.mark.usefixtures("many")
def test_columns_are_chosen_in_the_address(app: AppTest) -> None:
    traces(app, columns=["Trace id", "Name", "Nonsense"])
    assert app.dataframe[0].value.columns.tolist() == ["Name", "Trace id"]
    assert app.dataframe[0].value["Trace id"].iloc[0] == f"{0:032x}"


@pytest.mark.usefixtures("many")
def test_a_download_holds_everything_that_matches(store: Store, now_s: int) -> None:
    table = load_export(store, everything(now_s, agent="agent-0"), "cost")
    assert table.num_rows == len(range(0, MANY, 3))
    assert table["name"][0].as_py() == run(54)
    assert table["total_cost_usd"][0].as_py() == Decimal("54.5")
    assert "keys" not in table.column_names
    first = csv_bytes(table).decode().splitlines()[1]
    assert run(54) in first
    assert "54.500000000000" in first
    stored = pq.read_table(io.BytesIO(parquet_bytes(table)))
    assert str(stored.schema.field("start_time").type) == "timestamp[ms, tz=UTC]"


@pytest.mark.usefixtures("many")
def test_a_view_is_saved_and_shown_again(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spanledger_storage.saved_views import SavedViews
    from spanledger_storage.state import migrate_state, open_state

    url = f"sqlite:///{tmp_path / 'state.db'}"
    migrate_state(open_state(url))
    monkeypatch.setenv("SPANLEDGER_STATE_URL", url)
    traces(app, agent="agent-1", min_cost="50", sort="Most expensive", columns=["Name", "Cost"])
    app.text_input(key="saved-traces-name").input("dear ones").run()
    app.button(key="saved-traces-save").click().run()
    [view] = SavedViews(open_state(url)).of("traces", "default")
    assert json.loads(json.dumps(view.content))["filters"] == {"agent": "agent-1", "min_cost": 50.0}
    traces(app)
    app.button(key="saved-traces-0-load").click().run()
    assert names(app) == [run(55), run(52)]
    assert app.dataframe[0].value.columns.tolist() == ["Name", "Cost"]
    app.button(key="saved-traces-0-delete").click().run()
    assert len(SavedViews(open_state(url)).of("traces", "default")) == 1  # it asks first
    app.button(key="saved-traces-0-sure").click().run()
    assert SavedViews(open_state(url)).of("traces", "default") == []


AXIS = Axis(
    [0, 3600, 7200], [datetime.fromisoformat(f"2026-03-29 0{h}:00") for h in (1, 3, 4)], 3600
)
"""Three hours around a clock that is set forward: the reader's clock skips two o'clock."""


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, None),
        ({"box": [], "points": []}, None),
        ({"box": [{"x": ["2026-03-29 01:20", "2026-03-29 01:40:00.1234"]}]}, (0, 3600)),
        ({"box": [{"x": ["2026-03-29 03:59:59", "2026-03-29 01:59:59"]}]}, (0, 7200)),
        ({"box": [{"x": ["2026-03-29 02:10", "2026-03-29 02:20"]}]}, None),
        ({"box": [{"x": ["2020-01-01", "2030-01-01"]}]}, (0, 10_800)),
        ({"box": [], "points": [{"point_index": 2}]}, (7200, 10_800)),
        ({"points": [{"point_index": 99}]}, None),
    ],
)
def test_a_brush_covers_the_bars_it_touches(
    selection: dict[str, object], expected: tuple[int, int] | None
) -> None:
    assert brushed(selection, AXIS) == expected


def test_the_figure_shows_errors_apart_and_dollars_alone() -> None:
    buckets = [TraceBucket(3600, 5, 2, Decimal("1.25"), 0), TraceBucket(7200, 1, 0, None, 1)]
    bars = figure(buckets, AXIS, TRACES).to_plotly_json()["data"]
    assert [(b["name"], b["y"]) for b in bars] == [
        ("Without errors", [0, 3, 1]),
        ("With errors", [0, 2, 0]),
    ]
    [dollars] = figure(buckets, AXIS, DOLLARS).to_plotly_json()["data"]
    assert dollars["y"] == [0.0, 1.25, 0.0]
