"""Every page with nothing, with one row and with many."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_dashboard.trace_list import PAGE_SIZE
from spanledger_dashboard.trace_table import trace_csv
from tests.dashboard.seed import Row, Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
TRACE = "ab" * 16
ROOT, CALL, TOOL, TWIN = (f"{n:016x}" for n in range(1, 5))
EVIL = "<img src=x onerror=alert(1)> **b** :red[r]"


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, name: str, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page(f"app_pages/{name}.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    """Everything written as text on the page."""
    blocks = [*app.markdown, *app.caption, *app.text, *app.warning, *app.info, *app.error]
    blocks += [*app.subheader, *app.title, *app.code]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def seed_trace(seed: Seeder, trace_id: str = TRACE, **columns: Any) -> Row:
    root = seed.span(
        trace_id,
        ROOT,
        name="invoke support",
        role="agent",
        agent_name="support",
        duration_s=9,
        **columns,
    )
    call = seed.span(
        trace_id,
        CALL,
        ROOT,
        name=f"chat {EVIL}",
        agent_name="support",
        input_tokens=1000,
        output_tokens=200,
        input_messages=[
            seed.message("system", {"type": "text", "content": "Follow policy P-12."}),
            seed.message("user", {"type": "text", "content": EVIL}),
            seed.message(
                "assistant", {"type": "tool_call", "id": "c1", "name": "sql", "arguments": {"q": 1}}
            ),
            seed.message("tool", {"type": "tool_call_response", "id": "c1", "response": [1, 2]}),
        ],
        output_messages=[
            seed.message(
                "assistant",
                {"type": "reasoning", "content": "hm"},
                {"type": "text", "content": "Done."},
            )
        ],
        attributes=[("note", EVIL)],
    )
    seen_in = [{"trace_id": trace_id, "span_id": s} for s in (CALL, TWIN)]
    seed.entry(call, "0.0125", source_spans=seen_in)
    seed.span(trace_id, TWIN, CALL, name="proxy", input_tokens=1000, output_tokens=200)
    seed.span(
        trace_id,
        TOOL,
        ROOT,
        name="execute_tool sql",
        role="tool",
        status="error",
        error_type="TimeoutError",
        status_message="too slow",
        tool_name="sql",
        tool_arguments='{"q": "select 1"}',
        tool_result="not json",
        **{
            "events.time": [root["start_time"]],
            "events.name": ["exception"],
            "events.attributes": [
                [("exception.type", "TimeoutError"), ("exception.stacktrace", "line 1")]
            ],
            "links.trace_id": ["cd" * 16],
            "links.span_id": [ROOT],
            "links.attributes": [[]],
        },
    )
    return seed.trajectory(trace_id, session_id="sess-1", user_id="u@example.com")


def test_overview_without_data_says_how_to_send_some(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLEDGER_OTLP_ENDPOINT", "http://collector.test:4318")
    shown = text(page(app, "overview"))
    assert "No data yet" in shown
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.test:4318" in shown
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in shown
    assert "make demo" in shown
    assert not app.metric


def test_overview_of_one_hour_sums_the_cube(app: AppTest, seed: Seeder) -> None:
    seed_trace(seed)
    seed.usage(calls=4, errors=1, total_cost_usd=Decimal("12.345"))
    seed.insert()
    found = cards(page(app, "overview"))
    assert found == {
        "Spend": "$12.35",
        "Tokens": "12.0k",
        "LLM calls": "4",
        "Error rate": "25.0%",
        "Cache hit rate": "60.0%",
    }
    assert len(app.get("plotly_chart")) == 4
    assert app.dataframe[0].value["Model"].tolist() == ["claude-sonnet-4-5"]
    assert app.dataframe[1].value["Per call"].tolist() == [3.08625]


def test_overview_compares_complete_hours_with_the_period_before(
    app: AppTest, seed: Seeder
) -> None:
    seed.usage(hours_ago=0, total_cost_usd=Decimal(100))  # not over: in the sum, not in the change
    seed.usage(hours_ago=2, total_cost_usd=Decimal(3))
    seed.usage(hours_ago=26, total_cost_usd=Decimal(2))
    seed.usage(hours_ago=24, total_cost_usd=Decimal(50))  # its counterpart is not over
    seed.insert()
    page(app, "overview", range="24h")
    assert cards(app)["Spend"] == "$103.00"
    assert app.metric[0].delta == "+50%"


def test_overview_of_the_last_hour_reads_the_ledger(app: AppTest, seed: Seeder) -> None:
    seed_trace(seed)
    seed.insert()
    found = cards(page(app, "overview", range="1h"))
    assert found["Spend"] == "$0.0125"
    assert found["LLM calls"] == "1"
    assert app.dataframe[1].value["Agent"].tolist() == ["support"]


def test_overview_names_the_models_its_spend_leaves_out(app: AppTest, seed: Seeder) -> None:
    seed.usage(model="mystery", calls=7, unpriced_calls=7, total_cost_usd=Decimal(0))
    seed.usage(model="quiet", calls=3, calls_without_usage=2)
    seed.insert()
    shown = text(page(app, "overview"))
    assert "7 calls not priced" in shown
    assert "mystery: 7" in shown
    assert "2 calls without token counts" in shown
    assert "quiet: 2" in shown
    by_model = app.dataframe[0].value.set_index("Model")["Cost"]
    assert by_model["quiet"] == 0.25
    assert by_model.isna()["mystery"]


def test_overview_with_many_models_names_the_dearest_and_sums_the_rest(
    app: AppTest, seed: Seeder
) -> None:
    for n in range(12):
        seed.usage(model=f"model-{n:02}", total_cost_usd=Decimal(n + 1))
    seed.insert()
    page(app, "overview")
    assert cards(app)["Spend"] == "$78.00"
    assert app.dataframe[0].value["Model"].tolist()[0] == "model-11"
    assert len(app.dataframe[0].value) == 12


def test_overview_of_another_project_shows_only_that(app: AppTest, seed: Seeder) -> None:
    seed.usage()
    seed.usage(project="other", total_cost_usd=Decimal(7))
    seed.insert()
    assert cards(page(app, "overview", project="other"))["Spend"] == "$7.00"


def test_traces_without_data_says_how_to_send_some(app: AppTest) -> None:
    assert "No data yet" in text(page(app, "traces"))


def test_traces_with_one_row(app: AppTest, seed: Seeder) -> None:
    seed_trace(seed)
    seed.insert()
    row = page(app, "traces").dataframe[0].value.iloc[0]
    assert row["Name"] == "invoke support"
    assert row["Cost"] == 0.0125
    assert (row["Spans"], row["LLM calls"], row["Tokens"], row["Errors"]) == (4, 1, 1200, 1)
    assert row["Duration"] == 9 * 10**9
    assert (row["Session"], row["User"], row["Trace id"]) == ("sess-1", "u@example.com", TRACE)
    assert "1 trace · $0.0125 · 1 with errors" in text(app).replace("**", "")


@pytest.fixture
def many(seed: Seeder) -> list[Row]:
    rows = []
    for n in range(PAGE_SIZE + 7):
        trace_id = f"{n:032x}"
        span = seed.span(
            trace_id,
            ROOT,
            name=f"run {n:03}",
            agent_name=f"agent-{n % 3}",
            service_name=f"svc-{n % 2}",
            status="error" if n % 10 == 0 else "ok",
            at_s=-60 - n,
        )
        seed.entry(span, None if n == 5 else f"{n}.5", model=f"model-{n % 4}")
        rows.append(seed.trajectory(trace_id, user_id=f"user-{n}", session_id=f"sess-{n % 5}"))
    seed.insert()
    return rows


@pytest.mark.usefixtures("many")
def test_traces_come_in_pages_newest_first(app: AppTest) -> None:
    first = page(app, "traces").dataframe[0].value
    assert len(first) == PAGE_SIZE
    assert first["Name"].iloc[0] == "run 000"
    assert f"{PAGE_SIZE + 7} traces" in text(app).replace("**", "")


@pytest.mark.usefixtures("many")
def test_the_address_names_the_page_of_the_list(app: AppTest) -> None:
    second = page(app, "traces", page="2").dataframe[0].value
    assert second["Name"].tolist() == [f"run {n:03}" for n in range(PAGE_SIZE, PAGE_SIZE + 7)]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"sort": "Most expensive", "agent": "agent-1"}, ["run 055", "run 052"]),
        ({"status": "error"}, ["run 000", "run 010"]),
        ({"user": "user-7"}, ["run 007"]),
        ({"session": "sess-4", "min_cost": "49"}, ["run 049", "run 054"]),
        ({"q": "RUN 03"}, ["run 030", "run 031"]),
        ({"q": f"{9:032x}"}, ["run 009"]),
        ({"model": "model-3", "service": "svc-1"}, ["run 003", "run 007"]),
    ],
)
def test_traces_are_narrowed_by_the_address(
    app: AppTest, params: dict[str, str], names: list[str]
) -> None:
    found = page(app, "traces", **params).dataframe[0].value["Name"].tolist()
    assert found[:2] == names


@pytest.mark.usefixtures("many")
def test_a_filter_that_matches_nothing_says_so(app: AppTest) -> None:
    page(app, "traces", user="nobody")
    assert "No trace matches" in text(app)
    assert not app.dataframe


def test_an_unknown_trace_says_when_spans_appear(app: AppTest) -> None:
    shown = text(page(app, "trace", trace_id=TRACE))
    assert "No such trace" in shown
    assert TRACE in shown
    assert "within seconds" in shown


def test_a_malformed_trace_id_is_said_to_be_one(app: AppTest) -> None:
    assert "not a trace id" in text(page(app, "trace", trace_id="<script>"))


def test_a_trace_of_one_span(app: AppTest, seed: Seeder) -> None:
    seed.span(TRACE, ROOT, name="alone", role="agent")
    seed.insert()
    shown = text(page(app, "trace", trace_id=TRACE))
    assert "### alone" in shown
    assert "1 span ·".replace(" ·", "") in shown.replace("**", "")
    assert "—" in shown  # its cost is unknown, not zero
    assert "$0.00" not in shown
    assert len(app.get("bidi_component")) == 1


def test_a_trace_shows_what_it_adds_up_to(app: AppTest, seed: Seeder) -> None:
    seed_trace(seed)
    seed.insert()
    shown = text(page(app, "trace", trace_id=TRACE)).replace("**", "")
    for fact in (
        "$0.0125",
        "9.00s",
        "4 spans",
        "1 LLM call",
        "1,200 tokens",
        "sess-1",
        "u@example.com",
    ):
        assert fact in shown


def test_a_call_shows_its_conversation_and_its_price(app: AppTest, seed: Seeder) -> None:
    seed_trace(seed)
    seed.insert()
    page(app, "trace", trace_id=TRACE, span_id=CALL)
    shown = text(app)
    assert [m.name for m in app.chat_message] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert EVIL in [t.value for t in app.text]
    assert "| Input, uncached | 400 | $15.63 | $0.00625 |" in shown
    assert "**$0.0125**" in shown
    assert "Seen in 1 more span" in shown
    assert EVIL in app.dataframe[1].value["Value"].tolist()


def test_selecting_a_span_in_the_tree_shows_it(app: AppTest, seed: Seeder) -> None:
    seed_trace(seed)
    seed.insert()
    page(app, "trace", trace_id=TRACE)
    app.session_state[f"tree-{TRACE}-"] = {"selected": TOOL}
    app.run()
    shown = text(app)
    assert "TimeoutError · too slow" in shown
    assert '"q": "select 1"' in shown
    assert "not json" in shown
    assert "line 1" in shown


def test_a_merged_span_leads_to_where_it_is_counted(app: AppTest, seed: Seeder) -> None:
    seed_trace(seed)
    seed.insert()
    shown = text(page(app, "trace", trace_id=TRACE, span_id=TWIN))
    assert f"Merged into span `{CALL}`" in shown


def test_an_unpriced_call_says_why(app: AppTest, seed: Seeder) -> None:
    priced = seed.span(TRACE, CALL, name="chat")
    seed.entry(priced, None, model="mystery", provider="acme")
    silent = seed.span(TRACE, TWIN, name="chat")
    seed.entry(silent, None, tokens=None)
    seed.insert()
    shown = text(page(app, "trace", trace_id=TRACE, span_id=CALL))
    assert "No price is known for acme mystery" in shown
    assert "$0" not in shown
    assert "1 call not priced" in shown
    assert "1 call without token counts" in shown
    assert "reported no token counts" in text(page(app, "trace", trace_id=TRACE, span_id=TWIN))


def test_a_store_that_does_not_answer_is_explained(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLEDGER_STORE_URL", "clickhouse://u:secret@127.0.0.1:9/spanledger")
    app.run()
    assert not app.exception
    shown = text(app)
    assert "The store did not answer" in shown
    assert "secret" not in shown


def test_a_download_is_no_spreadsheet_formula() -> None:
    row: Row = {"trace_id": TRACE, "name": "=1+1", "start_ms": 0, "models": ["@x", "y"],
                "tokens": 5, "total_cost_usd": Decimal("-0.5"), "user_id": None}  # fmt: skip
    head, line = trace_csv([row]).decode().splitlines()
    assert head == "start_time,trace_id,name,models,tokens,total_cost_usd,user_id"
    assert line == f"1970-01-01T00:00:00.000+00:00,{TRACE},'=1+1,\"'@x, y\",5,-0.5,"
    assert trace_csv([]) == b"\r\n"
