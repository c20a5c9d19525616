"""The trace page: one trace from the outside, in four views, and one span of it in full."""

from __future__ import annotations

import re
from decimal import Decimal
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_dashboard.text import plain
from spanledger_dashboard.trace.data import find_trace
from spanledger_storage.store import Store
from tests.dashboard.seed import Row, Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
TRACE, EARLIER, LATER = "ab" * 16, "01" * 16, "fe" * 16
ROOT, CALL, TOOL, TWIN, NEXT = (f"{n:016x}" for n in range(1, 6))
EVIL = "<img src=x onerror=alert(1)> **b** :red[r]"
TABS = "tabs-Messages-Cost-Details-Copy"
SONNET_ID = f"genai-prices-{version('genai-prices')}:anthropic/claude-sonnet-4-5@base"


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/trace.py")
    app.run()
    assert not app.exception
    return app


def opened(app: AppTest, tab: str, tabs: str = TABS) -> str:
    """What a tab of the span's detail says."""
    app.session_state[tabs] = tab
    app.run()
    assert not app.exception
    return text(app)


def text(app: AppTest) -> str:
    """Everything written as text on the page."""
    blocks = [*app.markdown, *app.caption, *app.text, *app.warning, *app.info, *app.error]
    blocks += [*app.subheader, *app.title, *app.code, *app.json]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("\u2060", "")


def seed_trace(seed: Seeder, **columns: Any) -> Row:
    """An agent that asks, runs a tool that fails, and asks again without an answer on record."""
    root = seed.span(
        TRACE, ROOT, name="invoke support", role="agent", agent_name="support", duration_s=9,
        **columns,
    )  # fmt: skip
    policy = seed.message("system", {"type": "text", "content": "Follow policy P-12."})
    question = seed.message("user", {"type": "text", "content": EVIL})
    asked = {"type": "tool_call", "id": "c1", "name": "sql", "arguments": {"q": 1}}
    action = seed.message("assistant", asked)
    result = seed.message("tool", {"type": "tool_call_response", "id": "c1", "response": [1, 2]})
    done = seed.message(
        "assistant", {"type": "reasoning", "content": "hm"}, {"type": "text", "content": "Done."}
    )
    first = seed.span(
        TRACE, NEXT, ROOT, name="chat first", at_s=-59, input_messages=[policy, question],
        output_messages=[action], input_tokens=500, output_tokens=100,
    )  # fmt: skip
    seed.entry(first, "0.004", tokens=(500, 100))
    call = seed.span(
        TRACE, CALL, ROOT, name=f"chat {EVIL}", at_s=-55, input_tokens=1000, output_tokens=200,
        input_messages=[policy, question, action, result], output_messages=[done],
        attributes=[("note", EVIL), ("zone", "b")],
    )  # fmt: skip
    seen_in = [{"trace_id": TRACE, "span_id": s} for s in (CALL, TWIN)]
    seed.entry(call, "0.0125", source_spans=seen_in, attempts=3)
    seed.span(
        TRACE, TWIN, CALL, name="proxy", at_s=-55, scope_name="openai", input_tokens=1000,
        output_tokens=200,
    )  # fmt: skip
    seed.span(
        TRACE, TOOL, ROOT, name="execute_tool sql", role="tool", status="error", at_s=-57,
        error_type="TimeoutError", status_message="too slow", tool_name="sql",
        tool_arguments='{"q": "select 1"}', tool_result="not json", tool_call_id="c1",
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
    )  # fmt: skip
    return seed.trace(TRACE, session_id="sess-1", user_id="u@example.com")


@pytest.fixture
def one(seed: Seeder) -> None:
    seed_trace(seed)
    seed.insert()


def test_an_unknown_trace_says_when_spans_appear(app: AppTest) -> None:
    shown = text(page(app, trace_id=TRACE))
    assert "No such trace" in shown
    assert TRACE in shown
    assert "within seconds" in shown


def test_a_malformed_trace_id_is_said_to_be_one(app: AppTest) -> None:
    assert "not a trace id" in text(page(app, trace_id="<script>"))


def test_a_trace_of_a_closed_project_is_not_there(store: Store, seed: Seeder) -> None:
    for project in ("alpha", "beta"):
        seed.span(TRACE, ROOT, project=project)
    seed.insert()
    found = find_trace(store, TRACE, "alpha", allowed={"beta"})
    assert found is not None
    assert found.project == "beta"
    assert find_trace(store, TRACE, "alpha", allowed=set()) is None


def test_a_trace_of_another_project_than_people_look_at_is_shown(
    app: AppTest, seed: Seeder
) -> None:
    seed.span(TRACE, ROOT, name="elsewhere", role="agent", project="beta")
    seed.insert()
    assert "### elsewhere" in text(page(app, trace_id=TRACE))


def test_a_trace_that_arrives_is_shown_on_the_next_look(app: AppTest, seed: Seeder) -> None:
    assert "No such trace" in text(page(app, trace_id=TRACE))
    seed.span(TRACE, ROOT, name="late", role="agent")
    seed.insert()
    assert "### late" in text(app.run())


def test_a_trace_of_one_span_that_was_not_counted_yet(app: AppTest, seed: Seeder) -> None:
    seed.span(TRACE, ROOT, name="alone", role="agent")
    seed.insert()
    shown = text(page(app, trace_id=TRACE))
    assert "### alone" in shown
    assert "1 span" in shown.replace("**", "")
    assert "not counted yet" in shown
    assert "—" in shown  # its cost is unknown, not zero
    assert "$0.00" not in shown
    assert "— tokens" in shown.replace("**", "")
    assert len(app.get("bidi_component")) == 1
    for view, says in (
        ("Decisions", "No model was asked"),
        ("Transcript", "No messages were recorded"),
        ("Graph", "No agent, model or tool was at work"),
    ):
        app.session_state["view"] = view
        app.run()
        assert not app.exception
        assert says in text(app), view


@pytest.mark.usefixtures("one")
def test_the_head_says_what_it_adds_up_to_and_what_to_know(app: AppTest) -> None:
    shown = text(page(app, trace_id=TRACE)).replace("**", "")
    for fact in (
        "$0.0165", "9.00s", "5 spans", "2 LLM calls", "1,800 tokens", "u@example.com",
        "1 failed", "2 attempts retried", "1 call merged",
    ):  # fmt: skip
        assert fact in shown, fact
    assert cast("Any", app.get("page_link")[1]).proto.label == "Session sess\\-1"


def test_the_head_says_how_the_trajectory_goes_and_spent_its_time(
    app: AppTest, seed: Seeder
) -> None:
    for n, trace_id in enumerate((EARLIER, TRACE)):
        seed.span(trace_id, ROOT, at_s=-90 + n * 30)
        seed.trace(trace_id)
    hour = 3_600 * 10**9
    seed.trajectory(
        EARLIER, TRACE, status="waiting", waits_for="human", active_ns=hour,
        waiting_ns=3 * hour, waiting_human_ns=2 * hour, idle_ns=5 * hour,
    )  # fmt: skip
    seed.insert()
    shown = text(page(app, trace_id=TRACE))
    assert "waits for a person" in shown
    assert "1h active · 2h waiting for a person · 1h waiting · 5h idle" in shown


def test_a_hostile_wait_is_shown_as_text(app: AppTest, seed: Seeder) -> None:
    seed.span(TRACE, ROOT, at_s=-60)
    seed.trace(TRACE)
    seed.trajectory(TRACE, status="waiting", waits_for=EVIL)
    seed.insert()
    page(app, trace_id=TRACE)
    [badge] = [one.value for one in app.markdown if "waits for" in one.value]
    assert plain(EVIL[:20]) in badge
    assert EVIL[:20] not in badge


def test_a_trajectory_that_was_silent_for_long_is_abandoned(
    app: AppTest, seed: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed.span(TRACE, ROOT, at_s=-3 * 86_400)
    seed.trace(TRACE, status="open")
    seed.trajectory(TRACE, status="open")
    seed.insert()
    assert "abandoned" not in text(page(app, trace_id=TRACE))
    monkeypatch.setenv("SPANLEDGER_ABANDONED_AFTER_DAYS", "2")
    st.cache_data.clear()
    assert "abandoned" in text(page(app, trace_id=TRACE))


def test_the_parts_of_a_session_lead_to_each_other(app: AppTest, seed: Seeder) -> None:
    for n, trace_id in enumerate((EARLIER, TRACE, LATER)):
        span = seed.span(trace_id, ROOT, name=f"turn {n}", at_s=-90 + n * 30)
        seed.entry(span, f"0.{n + 1}")
        seed.trace(trace_id, session_id="sess-1")
    seed.span("cd" * 16, ROOT, at_s=-10, **{"links.trace_id": [TRACE], "links.span_id": [ROOT],
                                  "links.attributes": [[]]})  # fmt: skip
    seed.trace("cd" * 16, name="resumed")
    seed.trajectory(EARLIER, TRACE, LATER)
    seed.insert()
    page(app, trace_id=TRACE)
    assert "links here" in text(app)
    app.button(key="go-next").click().run()
    assert app.query_params["trace_id"] == LATER
    assert "### turn 2" in text(app)
    app.button(key="go-previous").click().run()
    assert "### turn 1" in text(app)


@pytest.mark.usefixtures("one")
def test_a_call_shows_its_conversation_with_each_result_below_its_call(app: AppTest) -> None:
    page(app, trace_id=TRACE, span_id=CALL)
    names = [m.name for m in app.chat_message]
    assert names == ["system", "user", "assistant", "assistant"]
    assert EVIL in [t.value for t in app.text]
    assert [j.value for j in app.json] == ['{"q": 1}', "[1, 2]"]


@pytest.mark.usefixtures("one")
def test_a_price_that_is_not_in_the_book_shows_what_the_ledger_keeps(app: AppTest) -> None:
    page(app, trace_id=TRACE, span_id=CALL)
    shown = opened(app, "Cost")
    assert "| Input, uncached | 400 | $15.625 | $0.00625 |" in shown
    assert "**$0.0125**" in shown
    # 400 × $3 + 600 × $0.30 + 200 × $15, a million each
    assert "By today's price book it costs $0.00438." in shown
    assert "Seen in 2 spans, counted once" in shown
    assert "one lies in the other (R2)" in shown
    assert "3 attempts were made" in shown


def test_the_arithmetic_of_a_call_adds_up_to_the_digit(app: AppTest, seed: Seeder) -> None:
    call = seed.span(TRACE, CALL, name="chat")
    seed.entry(
        call, "0.00438", price_id=SONNET_ID, billed_price_id="old-prices",
        billed_cost_usd=Decimal("0.005"), list_cost_usd=Decimal("0.00438"),
    )  # fmt: skip
    seed.insert()
    page(app, trace_id=TRACE, span_id=CALL)
    shown = opened(app, "Cost", "tabs-Cost-Details-Copy")
    for line in (
        "| Input, uncached | 400 | $3.00 | $0.0012 |",
        "| Cache read | 600 | $0.30 | $0.00018 |",
        "| Output | 200 | $15.00 | $0.003 |",
        "| **Total, USD** | | | **$0.00438** |",
        "In force for as long as the price data know",
        "First billed $0.005 at `old-prices`; now $0.00438, -$0.00062 apart",
        "https://www.anthropic.com/pricing",
    ):
        assert line in shown, line


@pytest.mark.usefixtures("one")
def test_attributes_are_narrowed_by_a_text(app: AppTest) -> None:
    page(app, trace_id=TRACE, span_id=CALL)
    opened(app, "Details")
    assert f"<td>{escape(EVIL)}</td>" in _pairs(app)[1]
    app.text_input(key="attribute-filter").set_value("ZONE").run()
    (only,) = _pairs(app)
    assert re.findall("<th scope=.row.>(.*?)</th>", only) == ["zone"]


def _pairs(app: AppTest) -> list[str]:
    bodies = [str(element.proto.body) for element in app.get("html")]
    return [body for body in bodies if "<table" in body]


@pytest.mark.usefixtures("one")
def test_a_call_is_copied_as_a_command_and_as_files(app: AppTest) -> None:
    page(app, trace_id=TRACE, span_id=CALL)
    opened(app, "Copy")
    assert app.code[-1].value.startswith("curl ")
    app.segmented_control(key="copy-3").set_value("OTLP").run()
    assert f'"traceId": "{TRACE}"' in app.code[-1].value


@pytest.mark.usefixtures("one")
def test_selecting_a_span_in_the_tree_shows_it(app: AppTest) -> None:
    page(app, trace_id=TRACE)
    app.session_state[f"tree-{TRACE}-"] = {"selected": TOOL}
    app.run()
    shown = text(app)
    assert "TimeoutError · too slow" in shown
    assert '{"q": "select 1"}' in shown
    assert "not json" in shown
    assert "line 1" in shown


@pytest.mark.usefixtures("one")
def test_a_merged_span_leads_to_where_it_is_counted(app: AppTest) -> None:
    shown = text(page(app, trace_id=TRACE, span_id=TWIN))
    assert f"Merged into span `{CALL}`" in shown
    app.button(key=f"go-primary-head-{CALL}").click().run()
    assert app.query_params["span_id"] == CALL
    assert f"#### chat {EVIL}" in text(app)


def test_an_unpriced_call_says_why(app: AppTest, seed: Seeder) -> None:
    priced = seed.span(TRACE, CALL, name="chat")
    seed.entry(priced, None, model="mystery", provider="acme")
    silent = seed.span(TRACE, TWIN, name="chat")
    seed.entry(silent, None, tokens=None)
    seed.insert()
    page(app, trace_id=TRACE, span_id=CALL)
    shown = opened(app, "Cost", "tabs-Cost-Details-Copy")
    assert "No price is known for acme mystery" in shown
    assert "$0" not in shown
    assert "1 call not priced" in shown
    assert "1 call without token counts" in shown
    app.query_params["span_id"] = TWIN
    app.run()
    assert "reported no token counts" in text(app)


def test_a_call_without_content_says_how_to_record_it(app: AppTest, seed: Seeder) -> None:
    seed.entry(seed.span(TRACE, CALL), "0.1")
    seed.insert()
    page(app, trace_id=TRACE, span_id=CALL)
    shown = opened(app, "Details", "tabs-Cost-Details-Copy")
    assert "CAPTURE_MESSAGE_CONTENT" in shown


@pytest.mark.usefixtures("one")
def test_decisions_show_each_turn_from_what_was_seen_to_what_came_of_it(app: AppTest) -> None:
    shown = text(page(app, trace_id=TRACE, view="Decisions"))
    for fact in (
        "**Turn 1**", "**Turn 2**", "**$0.00400**", "**$0.0125**", "500 in, 100 out",
        "**sql**", '{"q": "select 1"}', "Timeout", ":gray[result] [1, 2]",
        "hm", "Done.", EVIL,
    ):  # fmt: skip
        assert fact in shown, fact
    app.button(key=f"go-turn-{CALL}").click().run()
    assert app.session_state["view"] == "Tree"
    assert f"#### chat {EVIL}" in text(app)


@pytest.mark.usefixtures("one")
def test_the_transcript_says_each_message_once_with_what_answers_cost(app: AppTest) -> None:
    shown = text(page(app, trace_id=TRACE, view="Transcript"))
    assert [m.name for m in app.chat_message] == ["system", "user", "assistant", "assistant"]
    assert shown.count("Follow policy") == 1
    assert "$0.00400" in shown
    assert "$0.0125" in shown
    assert [j.value for j in app.json] == ['{"q": 1}', "[1, 2]"]


@pytest.mark.usefixtures("one")
def test_the_graph_weighs_who_asked_whom(app: AppTest) -> None:
    page(app, trace_id=TRACE, view="Graph")
    table = app.dataframe[0].value
    costs = dict(zip(table["To"], table["Cost"], strict=True))
    assert set(table["From"]) == {"support"}
    assert costs["claude-sonnet-4-5"] == 0.0165
    assert table[table["To"] == "sql"]["Failed"].tolist() == [1]


def test_brackets_in_the_name_of_an_agent_are_shown_as_they_are(app: AppTest, seed: Seeder) -> None:
    seed.span(TRACE, ROOT, role="agent", agent_name="[click](x)")
    seed.insert()
    shown = page(app, trace_id=TRACE).markdown
    [badge] = [m.value for m in shown if "violet-badge" in m.value]
    assert badge == r":violet-badge[:material/smart_toy: \[click\]\(x\)]"
