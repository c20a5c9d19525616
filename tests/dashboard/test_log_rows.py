"""What a trace shows of rows made from log records: the message content, never the call twice."""

from __future__ import annotations

import json
import time
from typing import cast

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_analytics.job import LedgerJob
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_dashboard.trace.data import (
    TraceKey,
    find_trace,
    load_messages,
    load_span,
    load_trace,
)
from spanledger_storage.store import Store
from tests.marks import Marks
from tests.otlp import llm_span, request, span
from tests.signals import CLAUDE_EVENTS, claude, logs, record

T0 = 1_795_227_458 * 10**9
MS = 1_000_000
TRACE = bytes(range(16))


def put(store: Store, spans: list[Span], records: list[LogRecord], scope: str = "") -> TraceKey:
    bodies = [
        Body("p", request(*spans).SerializeToString(), T0),
        Body("p", logs(*records, scope=scope).SerializeToString(), T0, Signal.LOGS),
    ]
    store_rows(store, decode_batch(bodies, "f", T0), "f")
    LedgerJob(store, time.time_ns, Marks()).run_once()
    key = find_trace(store, TRACE.hex(), "p")
    assert key is not None
    return key


def tree(store: Store, key: TraceKey) -> list[str]:
    trace = load_trace(store, key)
    [row] = store.sql_rows("SELECT span_count FROM traces FINAL WHERE is_deleted = 0")
    assert row["span_count"] == trace.spans.num_rows
    return cast("list[str]", trace.spans["name"].to_pylist())


def said(event: str, text: str, span_id: bytes, at: int) -> LogRecord:
    body = {"content": text} if event != "gen_ai.choice" else {"message": {"content": text}}
    return record(event, json.dumps(body), time_ns=T0 + at * MS, trace_id=TRACE, span_id=span_id)


def texts(store: Store, key: TraceKey, hashes: object) -> list[str]:
    wanted = cast("list[str]", hashes)
    contents = load_messages(store, key.project, wanted)
    return [json.loads(contents[h])["parts"][0]["content"] for h in wanted]


def test_content_that_came_as_events_is_shown_with_its_span(store: Store) -> None:
    call = llm_span(trace_id=TRACE, start_ns=T0)
    key = put(
        store,
        [call],
        [
            said("gen_ai.choice", "answer", call.span_id, 30),
            said("gen_ai.user.message", "question", call.span_id, 2),
            said("gen_ai.system.message", "rules", call.span_id, 1),
        ],
    )
    assert tree(store, key) == [call.name]
    shown = load_span(store, key, call.span_id.hex())
    assert shown is not None
    assert texts(store, key, shown["input_hashes"]) == ["rules", "question"]
    assert texts(store, key, shown["output_hashes"]) == ["answer"]


def test_a_span_with_messages_of_its_own_shows_those_alone(store: Store) -> None:
    call = llm_span(trace_id=TRACE, start_ns=T0)
    own = call.attributes.add(key="gen_ai.input.messages")
    own.value.string_value = '[{"role":"user","parts":[{"type":"text","content":"own"}]}]'
    key = put(store, [call], [said("gen_ai.choice", "answer", call.span_id, 30)])
    shown = load_span(store, key, call.span_id.hex())
    assert shown is not None
    assert texts(store, key, shown["input_hashes"]) == ["own"]
    assert shown["output_hashes"] == []


def test_a_record_of_the_same_call_is_no_row_beside_it(store: Store) -> None:
    call = llm_span("gpt-4o", 10, 1, trace_id=TRACE, start_ns=T0)
    details = record(
        "gen_ai.client.inference.operation.details",
        time_ns=T0 + MS,
        trace_id=TRACE,
        span_id=call.span_id,
        said={"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10},
    )
    key = put(store, [call], [details])
    assert tree(store, key) == ["chat gpt-4o"]
    [entry] = load_trace(store, key).entries
    assert entry["span_id"] == call.span_id.hex()


def from_claude(parent: bytes) -> LogRecord:
    made = claude("api_request", T0 + 200 * MS, model="claude-sonnet-4-5", input_tokens=10,
                  output_tokens=1, duration_ms=100)  # fmt: skip
    made.trace_id, made.span_id = TRACE, parent
    return made


@pytest.mark.parametrize("has_span", [True, False])
def test_a_call_only_a_record_tells_of_is_a_row_below_the_span_it_was_written_in(
    store: Store, *, has_span: bool
) -> None:
    turn = span("turn", trace_id=TRACE, start_ns=T0)
    call = llm_span("claude-sonnet-4-5", 10, 1, trace_id=TRACE, parent=turn.span_id, start_ns=T0)
    spans = [turn, call] if has_span else [turn]
    key = put(store, spans, [from_claude(turn.span_id)], CLAUDE_EVENTS)
    name = "chat claude-sonnet-4-5" if has_span else "claude_code.llm_request"
    assert sorted(tree(store, key)) == sorted(["turn", name])


def test_a_trace_of_records_alone_shows_them_all(store: Store) -> None:
    prompt = TRACE.hex()
    key = put(
        store,
        [],
        [
            claude("user_prompt", T0, prompt__id=prompt),
            claude("api_request", T0 + MS, prompt__id=prompt, model="m", input_tokens=1),
            claude("tool_result", T0 + 2 * MS, prompt__id=prompt, tool_name="x"),
        ],
        CLAUDE_EVENTS,
    )
    assert tree(store, key) == [
        "claude_code.interaction",
        "claude_code.llm_request",
        "claude_code.tool",
    ]
