"""From decorators and the real OpenAI client to the ledger: exact calls, tokens and dollars."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from spanledger import TOOL_CALL_SIGNATURE
from spanledger_analytics.job import LedgerJob
from spanledger_collector.decode.signatures import sign
from spanledger_storage.store import Store
from tests.instance import environment
from tests.marks import Marks
from tests.running import running_collector
from tests.sdk.provider import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    MODEL,
    OUTPUT_TOKENS,
    REASONING_TOKENS,
    providing,
)

# gpt-4o-mini: $0.15, cached $0.075, and $0.60 per million tokens.
CALL_USD = (
    Decimal("0.15e-6") * (INPUT_TOKENS - CACHED_TOKENS)
    + Decimal("0.075e-6") * CACHED_TOKENS
    + Decimal("0.60e-6") * OUTPUT_TOKENS
)
NEEDS = ("openai", "opentelemetry.instrumentation.genai.openai")

_DIRECT = """
import json, urllib.request, spanledger
spanledger.init(instrument=False)

@spanledger.tool(cost_usd="0.01")
def search(q):
    return {"found": q}

def ask(question, **options):
    body = {"model": MODEL, "messages": [{"role": "user", "content": question}], **options}
    request = urllib.request.Request(URL + "/chat/completions", json.dumps(body).encode())
    with spanledger.llm_call(provider="openai", model=MODEL) as call:
        call.input(body["messages"])
        with urllib.request.urlopen(request) as answer:
            if options.get("stream"):
                lines = (line[6:] for line in answer if line.startswith(b"data: {"))
                return [chunk for chunk in call.stream(map(json.loads, lines))]
            return call.response(json.load(answer))

@spanledger.agent("planner")
def plan():
    for n in range(3):
        search("Paris")
        ask("where?")
    ask("and?", stream=True, stream_options={"include_usage": True})
    ask("unknown", stream=True)
    spanledger.outcome("completed", score=1)

with spanledger.session("s-1", user="ann"), spanledger.dimensions(team="search"):
    with spanledger.task("T-1"):
        plan()
"""
_INSTRUMENTED = """
import spanledger
spanledger.init(instrument=["openai"])
import openai
client = openai.OpenAI(base_url=URL, api_key="k", max_retries=0)
messages = [{"role": "user", "content": "a secret question"}]

@spanledger.agent("planner")
def plan():
    client.chat.completions.create(model=MODEL, messages=messages)
    for chunk in client.chat.completions.create(
        model=MODEL, messages=messages, stream=True, stream_options={"include_usage": True}
    ):
        pass

with spanledger.session("s-1"), spanledger.task("T-1"):
    plan()
with spanledger.budget(llm_calls=1, mode="raise"):
    client.chat.completions.create(model=MODEL, messages=messages)
    try:
        client.chat.completions.create(model=MODEL, messages=messages)
    except spanledger.BudgetExceeded as error:
        print("stopped", error.event.amount)
"""


def run(program: str, url: str, provider_url: str, **variables: str) -> str:
    code = f"URL = {provider_url!r}\nMODEL = {MODEL!r}\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            **environment(),
            "SPANLEDGER_SEND_UNDER_PYTEST": "true",
            "SPANLEDGER_ENDPOINT": url,
            **variables,
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def entries(store: Store) -> Sequence[Mapping[str, object]]:
    LedgerJob(store, time.time_ns, Marks()).run_once()
    return store.sql_rows("SELECT * FROM ledger_current ORDER BY time")


def test_direct_calls_and_tools_reach_the_ledger(store: Store, tmp_path: Path) -> None:
    with running_collector(store, tmp_path) as collector, providing() as provider:
        run(_DIRECT, collector.url, provider.url)
        collector.await_spans(10)
    calls = [entry for entry in entries(store) if entry["kind"] == "llm"]
    assert len(calls) == len(provider.requests) == 5
    known = calls[:4]
    assert [entry["total_cost_usd"] for entry in known] == [CALL_USD] * 4
    assert calls[4]["total_cost_usd"] is None  # a stream without usage: unknown, not free
    for entry in known:
        assert (entry["input_tokens"], entry["cache_read_tokens"]) == (INPUT_TOKENS, CACHED_TOKENS)
        assert (entry["output_tokens"], entry["reasoning_tokens"]) == (
            OUTPUT_TOKENS,
            REASONING_TOKENS,
        )
        assert (entry["agent_name"], entry["task_id"]) == ("planner", "T-1")
        assert (entry["session_id"], entry["user_id"]) == ("s-1", "ann")
    assert calls[3]["stream"] is True
    assert calls[3]["ttft_ns"] is not None
    trajectory = store.sql_rows("SELECT * FROM traces FINAL")[0]
    assert (trajectory["outcome"], trajectory["task_id"]) == ("completed", "T-1")
    assert (trajectory["llm_calls"], trajectory["tool_calls"]) == (5, 3)


def test_without_content_signatures_and_hashes_are_stored(store: Store, tmp_path: Path) -> None:
    with running_collector(store, tmp_path) as collector, providing() as provider:
        run(_DIRECT, collector.url, provider.url)
        collector.await_spans(10)
    tools = store.sql_rows("SELECT * FROM spans FINAL WHERE role = 'tool'")
    row = {"tool_name": "search", "tool_arguments": '{"q":"Paris"}', "tool_outcome": "ok"}
    signed: dict[str, object] = {**row, "tool_result": '{"found":"Paris"}'}
    sign(signed)
    assert {(one["call_sig"], one["result_sig"]) for one in tools} == {
        (signed["call_sig"], signed["result_sig"])
    }
    assert {one["tool_arguments"] for one in tools} == {""}
    assert {one["reported_cost_usd"] for one in tools} == {Decimal("0.01")}
    assert TOOL_CALL_SIGNATURE in str(tools[0]["attributes"])
    asked = store.sql_rows("SELECT input_messages FROM spans FINAL WHERE role = 'llm'")
    assert {len(one["input_messages"]) for one in asked} == {1}  # type: ignore[arg-type] # a list
    assert store.sql_rows("SELECT count() AS n FROM messages")[0]["n"] == 0


def test_the_openai_client_reaches_the_ledger_and_obeys_budgets(
    store: Store, tmp_path: Path
) -> None:
    for name in NEEDS:
        try:
            found = importlib.util.find_spec(name)
        except ImportError:
            found = None
        if found is None:
            pytest.skip(f"{name} is not installed")
    with running_collector(store, tmp_path) as collector, providing() as provider:
        told = run(_INSTRUMENTED, collector.url, provider.url)
        collector.await_spans(5)
    assert told == "stopped llm_calls\n"
    assert len(provider.requests) == 3
    calls = entries(store)
    assert [entry["total_cost_usd"] for entry in calls] == [CALL_USD] * 3
    assert [entry["agent_name"] for entry in calls] == ["planner", "planner", ""]
    stored = str(store.sql_rows("SELECT * FROM spans")) + str(
        store.sql_rows("SELECT * FROM messages")
    )
    assert "secret question" not in stored
    assert os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT") is None
    asked = store.sql_rows("SELECT input_messages FROM spans FINAL WHERE role = 'llm'")
    assert {len(one["input_messages"]) for one in asked} == {1}  # type: ignore[arg-type] # a list


def test_a_running_agent_is_visible_until_its_end_replaces_it(store: Store, tmp_path: Path) -> None:
    program = "\n".join(
        [
            "import spanledger",
            "spanledger.init(instrument=False, pending=True)",
            "with spanledger.agent('slow'):",
            "    spanledger.flush()",
        ]
    )
    with running_collector(store, tmp_path) as collector, providing() as provider:
        run(program, collector.url, provider.url)
        collector.await_spans(1)
        rows = store.sql_rows("SELECT flags, scope_name FROM spans FINAL")
    assert rows == [{"flags": [], "scope_name": "spanledger"}]


def test_an_agent_that_dies_leaves_its_beginning(store: Store, tmp_path: Path) -> None:
    program = "\n".join(
        [
            "import os, spanledger",
            "spanledger.init(instrument=False, pending=True)",
            "with spanledger.agent('dies'):",
            "    spanledger.flush()",
            "    os._exit(0)",
        ]
    )
    with running_collector(store, tmp_path) as collector, providing() as provider:
        run(program, collector.url, provider.url)
        collector.await_spans(1)
    rows = store.sql_rows("SELECT flags, agent_name, duration_ns FROM spans FINAL")
    assert rows == [{"flags": ["pending"], "agent_name": "dies", "duration_ns": 0}]
