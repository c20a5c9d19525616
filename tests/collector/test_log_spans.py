"""Log records that tell of a call become rows of spans; all become rows of logs."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import Signal
from tests.otlp import Value, attributes
from tests.signals import CLAUDE_EVENTS, claude, logs, record

T0 = 1_795_227_458_521_000_000
MS = 1_000_000
TRACE, SPAN = bytes(range(16)), bytes(range(1, 9))
PROMPT = "bed92b38-0048-4a34-a1a2-eb27cb39970c"
DETAILS = "gen_ai.client.inference.operation.details"
CALL: dict[str, Value] = {
    "model": "claude-sonnet-4-5",
    "input_tokens": 11,
    "output_tokens": 31,
    "cache_read_tokens": 3000,
    "cache_creation_tokens": 3000,
    "cache_creation_5m_tokens": 2000,
    "cache_creation_1h_tokens": 1000,
    "cost_usd": 0.023898,
    "duration_ms": 202,
    "session__id": "s-1",
}


def decode(request: ExportLogsServiceRequest, received_ns: int = T0) -> dict[str, list[Any]]:
    body = Body("p", request.SerializeToString(), received_ns, Signal.LOGS)
    return {name: rows.to_pylist() for name, rows in decode_batch([body], "flush", T0)}


def spans(*records: LogRecord, scope: str = CLAUDE_EVENTS) -> list[dict[str, Any]]:
    return decode(logs(*records, scope=scope))["spans"]


def kvlist(**fields: str) -> AnyValue:
    pairs = [KeyValue(key=k, value=AnyValue(string_value=v)) for k, v in fields.items()]
    return AnyValue(kvlist_value=KeyValueList(values=pairs))


def test_a_request_of_claude_code_becomes_a_call_that_ends_when_it_was_written() -> None:
    made = claude("api_request", T0, **CALL)
    made.trace_id, made.span_id = TRACE, SPAN
    [row] = spans(made)
    assert (row["kind"], row["role"], row["dialect"]) == ("log", "llm", "claude_code")
    assert (row["trace_id"], row["parent_span_id"]) == (TRACE.hex(), SPAN.hex())
    assert row["end_time"].value == T0
    assert row["end_time"].value - row["start_time"].value == 202 * MS
    assert row["input_tokens"] == 6011
    assert row["cache_write_5m_tokens"] == 2000
    assert row["cache_write_1h_tokens"] == 1000
    assert row["usage_source"] == "log"
    assert str(row["reported_cost_usd"]) == "0.023898000000"


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ({"gen_ai.usage.input_tokens": 21_780, "gen_ai.usage.output_tokens": 7_258}, "llm"),
        ({}, "other"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 21_780}, "agent"),
    ],
)
def test_a_record_that_names_no_operation_is_a_call_where_it_counts_tokens(
    said: dict[str, Value], role: str
) -> None:
    """As Google ADK 2.13 writes them."""
    said = {"gen_ai.provider.name": "gcp.gemini", "gen_ai.agent.name": "planner", **said}
    made = record(DETAILS, time_ns=T0, trace_id=TRACE, span_id=SPAN, said=said)
    assert spans(made, scope="gcp.vertex.agent")[0]["role"] == role


@pytest.mark.parametrize(("library", "total"), [("anthropic", 34_650), ("openai", 22_467)])
def test_openlits_record_counts_the_input_as_its_span_does(library: str, total: int) -> None:
    """As OpenLIT 1.45 writes it: without a provider; of Anthropic's input without the cache."""
    said: dict[str, Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "a-model",
        "gen_ai.usage.input_tokens": 22_467,
        "gen_ai.usage.cache_read.input_tokens": 12_183,
    }
    made = record(DETAILS, time_ns=T0, trace_id=TRACE, span_id=SPAN, said=said)
    [row] = spans(made, scope=f"openlit.instrumentation.{library}")
    assert (row["dialect"], row["input_tokens"]) == ("openlit", total)


def test_without_traces_a_prompt_is_a_trajectory_with_its_calls_and_tools_below_it() -> None:
    prompt, call, tool = spans(
        claude("user_prompt", T0, prompt__id=PROMPT, session__id="s-1"),
        claude("api_request", T0 + MS, prompt__id=PROMPT, **CALL),
        claude(
            "tool_result",
            T0 + 90 * MS,
            prompt__id=PROMPT,
            tool_name="mcp_tool",
            tool_use_id="t-1",
            success="false",
            duration_ms="42",
            error="unknown airport",
            error_type="McpToolCallError",
            tool_parameters='{"mcp_server_name":"fx","mcp_tool_name":"search_flights"}',
        ),
    )
    assert {r["trace_id"] for r in (prompt, call, tool)} == {PROMPT.replace("-", "")}
    assert (prompt["role"], prompt["parent_span_id"]) == ("agent", "")
    assert call["parent_span_id"] == tool["parent_span_id"] == prompt["span_id"]
    assert (tool["role"], tool["tool_name"], tool["tool_call_id"]) == (
        "tool", "search_flights", "t-1",
    )  # fmt: skip
    assert (tool["status"], tool["tool_outcome"]) == ("error", "error")
    assert tool["error_type"] == "McpToolCallError"
    assert tool["end_time"].value - tool["start_time"].value == 42 * MS


def test_a_placeholder_for_the_tools_of_mcp_servers_is_no_name() -> None:
    """Spans of the same execution say the name, and another name would make two of it."""
    said: dict[str, Value] = {"tool_use_id": "t-1", "duration_ms": "8", "success": "true"}
    unnamed, named = spans(
        claude("tool_result", T0, tool_name="mcp_tool", **said),
        claude("tool_result", T0, tool_name="mcp__srv__mcp_tool", **said),
    )
    assert (unnamed["role"], unnamed["tool_name"], unnamed["tool_call_id"]) == ("tool", "", "t-1")
    assert named["tool_name"] == "mcp_tool"


@pytest.mark.parametrize(
    ("said", "trace_id"),
    [
        (
            {"session__id": "358bda66-00e6-4acd-baef-6de1952e8316"},
            "358bda6600e64acdbaef6de1952e8316",
        ),
        ({"prompt__id": PROMPT, "session__id": "s"}, PROMPT.replace("-", "")),
    ],
)
def test_the_trace_of_a_record_without_one_is_its_prompt_else_its_session(
    said: dict[str, str], trace_id: str
) -> None:
    [row] = spans(claude("api_request", T0, **said))
    assert row["trace_id"] == trace_id


def test_records_of_one_session_without_any_uuid_share_a_trace() -> None:
    rows = spans(*(claude("api_request", T0 + n, session__id="mine") for n in range(2)))
    assert len({row["trace_id"] for row in rows}) == 1
    assert len({row["span_id"] for row in rows}) == 2
    other = spans(claude("api_request", T0, session__id="another"))
    assert other[0]["trace_id"] != rows[0]["trace_id"]


def test_with_traces_on_a_prompt_is_left_to_its_span() -> None:
    made = claude("user_prompt", T0, prompt__id=PROMPT)
    made.trace_id, made.span_id = TRACE, SPAN
    assert spans(made) == []


def test_a_failed_request_is_a_call_without_usage() -> None:
    [row] = spans(
        claude(
            "api_error", T0, model="claude-x", error="overloaded", status_code=529, duration_ms="12"
        )  # fmt: skip
    )
    assert (row["role"], row["status"], row["error_type"]) == ("llm", "error", "529")
    assert row["status_message"] == "overloaded"
    assert (row["input_tokens"], row["usage_source"]) == (None, "none")


def test_other_events_of_claude_code_are_kept_as_logs_alone() -> None:
    rows = decode(logs(claude("tool_decision", T0, tool_name="x"), scope=CLAUDE_EVENTS))
    assert (len(rows["spans"]), len(rows["touches"])) == (0, 0)
    [log] = rows["logs"]
    assert (log["event_name"], log["body"]) == ("tool_decision", "claude_code.tool_decision")


def test_the_details_event_is_a_view_of_the_span_it_was_written_in() -> None:
    made = record(
        DETAILS, time_ns=T0, trace_id=TRACE, span_id=SPAN,
        said={
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.id": "r-1",
            "gen_ai.usage.input_tokens": 101,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]',
        },
    )  # fmt: skip
    found = decode(logs(made, scope="opentelemetry.instrumentation.genai.openai"))
    [row], [log], [message] = found["spans"], found["logs"], found["messages"]
    assert (row["name"], row["kind"], row["role"]) == ("chat gpt-4o", "log", "llm")
    assert row["parent_span_id"] == SPAN.hex()
    assert (row["input_tokens"], row["output_tokens"], row["usage_source"]) == (101, 7, "log")
    assert row["input_messages"] == [message["hash"]]
    assert row["span_id"] == log["log_id"]
    kept = dict(log["attributes"])
    assert kept["gen_ai.response.id"] == "r-1"
    assert "gen_ai.input.messages" not in kept, "every call repeats the whole history"


def test_a_details_event_without_a_trace_is_a_call_of_its_own() -> None:
    rows = spans(*(record(DETAILS, time_ns=T0 + n, said={"gen_ai.operation.name": "chat"})
                   for n in range(2)), scope="x")  # fmt: skip
    assert len({row["trace_id"] for row in rows}) == 2
    assert all(len(row["trace_id"]) == 32 and row["parent_span_id"] == "" for row in rows)


@pytest.mark.parametrize(
    "body",
    [
        kvlist(content="hello", role="user"),
        AnyValue(string_value=json.dumps({"content": "hello", "role": "user"})),
        AnyValue(string_value="hello"),
    ],
    ids=["kvlist", "JSON text", "plain text"],
)
def test_a_message_event_holds_its_message_below_the_span(body: AnyValue) -> None:
    found = decode(logs(record("gen_ai.user.message", body, trace_id=TRACE, span_id=SPAN)))
    [row], [message] = found["spans"], found["messages"]
    assert (row["kind"], row["role"], row["parent_span_id"]) == ("log", "other", SPAN.hex())
    assert row["input_messages"] == [message["hash"]]
    assert orjson.loads(message["content"]) == {
        "role": "user",
        "parts": [{"type": "text", "content": "hello"}],
    }


def test_an_answer_named_by_an_attribute_is_output() -> None:
    body = json.dumps({"message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"})
    made = record("", body, trace_id=TRACE, span_id=SPAN, said={"event.name": "gen_ai.choice"})
    [row] = spans(made, scope="semantic_kernel")
    assert (len(row["input_messages"]), len(row["output_messages"])) == (0, 1)
    assert row["finish_reason"] == "stop"


def test_a_message_event_of_no_span_is_a_log_alone() -> None:
    found = decode(logs(record("gen_ai.user.message", "hello", time_ns=T0)))
    assert (len(found["spans"]), len(found["logs"])) == (0, 1)


def test_a_record_keeps_its_id_when_it_is_sent_again_and_shares_it_with_no_other() -> None:
    one = claude("api_request", T0, **CALL)
    [first], [again] = spans(one), spans(one)
    assert first["span_id"] == again["span_id"]
    turned = LogRecord()
    turned.CopyFrom(one)
    del turned.attributes[:]
    turned.attributes.extend(reversed(one.attributes))
    assert spans(turned)[0]["span_id"] == first["span_id"], "the order of keys says nothing"
    elsewhere = decode(logs(one, service="other", scope=CLAUDE_EVENTS))["spans"]
    assert elsewhere[0]["span_id"] != first["span_id"]


def test_a_log_is_kept_as_it_came() -> None:
    body = AnyValue()
    body.array_value.values.append(AnyValue(int_value=3))
    made = record("e", body, time_ns=T0, trace_id=TRACE, span_id=SPAN, said={"session.id": "s"})
    made.observed_time_unix_nano = T0 + 5
    made.severity_number = SeverityNumber.SEVERITY_NUMBER_ERROR
    made.severity_text = "ERROR"
    made.flags = 1
    [log] = decode(logs(made, service="shop", scope="lib"))["logs"]
    assert log["time"].value == T0
    assert log["observed_time"].value == T0 + 5
    assert (log["trace_id"], log["span_id"], log["trace_flags"]) == (TRACE.hex(), SPAN.hex(), 1)
    assert (log["severity_number"], log["severity_text"]) == (17, "ERROR")
    assert (log["body"], log["event_name"], log["session_id"]) == ("[3]", "e", "s")
    assert (log["service_name"], log["scope_name"], log["project"]) == ("shop", "lib", "p")


def test_times_that_are_missing_are_those_of_observation_else_of_receipt() -> None:
    seen = record("a")
    seen.observed_time_unix_nano = T0 + 1
    first, second = decode(logs(seen, record("b")), received_ns=T0 + 9)["logs"]
    assert first["time"].value == T0 + 1
    assert second["time"].value == second["observed_time"].value == T0 + 9


@pytest.mark.parametrize("trace_id", [b"short", bytes(16)])
def test_a_broken_trace_id_is_none(trace_id: bytes) -> None:
    [log] = decode(logs(record("e", trace_id=trace_id, span_id=SPAN)))["logs"]
    assert (log["trace_id"], log["span_id"]) == ("", "")


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text()
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def any_of(value: object) -> AnyValue:
    made = AnyValue()
    match value:
        case bool():
            made.bool_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case str():
            made.string_value = value
        case bytes():
            made.bytes_value = value
        case list():
            made.array_value.values.extend(any_of(item) for item in value)
        case dict():
            made.kvlist_value.values.extend(
                KeyValue(key=k, value=any_of(v)) for k, v in value.items()
            )
        case _:
            pass
    return made


_EVENTS = ("api_request", "api_error", "tool_result", "user_prompt", DETAILS,
           "gen_ai.choice", "gen_ai.tool.message", "else")  # fmt: skip
_KEYS = ("duration_ms", "prompt.id", "session.id", "input_tokens", "cost_usd", "tool_parameters",
         "success", "error", "gen_ai.request.model", "gen_ai.input.messages")  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(_EVENTS),
    _values,
    st.dictionaries(st.sampled_from(_KEYS), _values, max_size=5),
    st.binary(max_size=17),
    st.binary(max_size=9),
    st.integers(0, 2**64 - 1),
    st.sampled_from((CLAUDE_EVENTS, "else")),
)
def test_whatever_a_record_says_it_is_kept(
    event: str, body: object, said: dict[str, object], trace_id: bytes, span_id: bytes,
    time_ns: int, scope: str,
) -> None:  # fmt: skip
    made = LogRecord(event_name=event, trace_id=trace_id, span_id=span_id, time_unix_nano=time_ns)
    made.body.CopyFrom(any_of(body))
    made.attributes.extend(KeyValue(key=k, value=any_of(v)) for k, v in said.items())
    found = decode(logs(made, scope=scope))
    assert len(found["logs"]) == 1
    assert len(found["spans"]) <= 1
    for row in found["spans"]:
        assert len(row["span_id"]) == 16
        assert any(bytes.fromhex(row["span_id"]))
        assert len(row["trace_id"]) == 32


def log_ids(*records: LogRecord) -> list[str]:
    return [row["log_id"] for row in decode(logs(*records))["logs"]]


def test_records_that_differ_in_anything_are_as_many() -> None:
    made = [record("e", "said", time_ns=T0) for _ in range(6)]
    made[1].severity_text = "WARN"
    made[2].observed_time_unix_nano = T0
    made[3].observed_time_unix_nano = T0 + 1
    made[4].flags = 1
    assert len(set(log_ids(*made))) == 5  # the last is the first once more


def test_records_of_scopes_of_one_name_are_as_many() -> None:
    request = logs(record("e", "said", time_ns=T0), scope="s")
    scoped = request.resource_logs[0].scope_logs
    for version, said in (("1", {}), ("2", {}), ("", {"a": "1"}), ("", {"a": "2"})):
        other = scoped.add()
        other.CopyFrom(scoped[0])
        other.scope.version = version
        other.scope.attributes.extend(attributes(said))
    assert len({row["log_id"] for row in decode(request)["logs"]}) == 5


def test_a_record_that_says_no_more_than_it_had_to_keeps_its_id() -> None:
    assert log_ids(record("e", "said", time_ns=T0, said={"a": 1})) == ["3ad97dde781c82cb"]
    made = record("e", "said", said={"a": 1})
    made.observed_time_unix_nano = T0
    assert log_ids(made) == ["3ad97dde781c82cb"]


def test_a_call_without_any_time_ended_when_it_was_received() -> None:
    made = claude("api_request", 0, **CALL)
    found = decode(logs(made, scope=CLAUDE_EVENTS), received_ns=T0)
    [row] = found["spans"]
    assert row["end_time"].value == T0
    assert (row["end_time"] - row["start_time"]).value == 202 * MS
    assert row["flags"] == ["input_excluded_cache"]
    again = decode(logs(made, scope=CLAUDE_EVENTS), received_ns=T0 + MS)
    assert row["span_id"] == again["spans"][0]["span_id"] == found["logs"][0]["log_id"]
