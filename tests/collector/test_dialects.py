"""Recorded bodies of real instrumentations become the spans they mean."""

from __future__ import annotations

import gzip
import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from spanledger_collector import dialects
from spanledger_collector.columns import TEMPLATE
from spanledger_collector.decode import Body, decode_traces
from spanledger_collector.dialects.base import Dialect
from spanledger_collector.json_otlp import traces_from_json

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "otlp"
NAMES = sorted(path.name for path in RECORDINGS.iterdir())
Row = dict[str, object]


def _plain(body: bytes) -> bytes:
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    elif body[:1] == b"\x78":
        body = zlib.decompress(body)
    return traces_from_json(body).SerializeToString() if body[:1] == b"{" else body


@cache
def _decoded(name: str) -> tuple[tuple[Row, ...], dict[bytes, Row]]:
    """Return the spans of a recording, resends once, and its messages by hash."""
    files = sorted((RECORDINGS / name).glob("*.traces.bin"))
    bodies = [Body("p", _plain(file.read_bytes()), 1) for file in files]
    decoded = decode_traces(bodies, "flush", 1)
    spans = {(row["trace_id"], row["span_id"]): row for row in decoded.spans.to_pylist()}
    for row in spans.values():
        row["attributes"] = dict(row["attributes"])
    return tuple(spans.values()), {row["hash"]: row for row in decoded.messages.to_pylist()}


def _spans(name: str, **want: object) -> list[Row]:
    spans, _ = _decoded(name)
    return [row for row in spans if all(row[key] == value for key, value in want.items())]


def _calls(name: str) -> list[Row]:
    return _spans(name, role="llm") + _spans(name, role="embedding")


def _total(rows: list[Row], column: str) -> int:
    return sum(value for row in rows if isinstance(value := row[column], int))


def _said(name: str, row: Row, side: str) -> list[dict[str, object]]:
    _, messages = _decoded(name)
    hashes = row[side]
    assert isinstance(hashes, list)
    return [orjson.loads(str(messages[digest]["content"])) for digest in hashes]


def _derivable(name: str) -> dict[str, Any]:
    """Return what an independent reading of the recording counted."""
    content: dict[str, Any] = json.loads((RECORDINGS / name / "derivable.json").read_text())
    return content


@pytest.mark.parametrize("name", NAMES)
def test_every_span_and_every_call_of_a_recording_is_found(name: str) -> None:
    derivable = _derivable(name)
    assert len(_spans(name)) == derivable["spans"]
    servers = _spans(name, role="server")  # the reference counts these as calls, too
    assert len(_calls(name)) + len(servers) == derivable["llm_spans"]


# Aggregates and server spans are no calls: where these repeat the tokens, the naive sum is larger.
REPEATING = {
    "agent-framework",
    "old-pydantic-ai-anthropic",
    "old-pydantic-ai-v1",
    "smolagents-oi",
    "strands",
    "vercel-ai-json",
    "vllm-client-server",
}


AGGREGATE_ONLY = {"claude-agent-sdk-oi"}  # no call of it is on the wire, only their sum


@pytest.mark.parametrize("name", sorted(set(NAMES) - REPEATING - AGGREGATE_ONLY))
def test_tokens_of_the_calls_are_all_tokens_on_the_wire(name: str) -> None:
    naive = _derivable(name)["naive"]
    assert _total(_calls(name), "input_tokens") == naive["input"]
    assert _total(_calls(name), "output_tokens") == naive["output"]


@pytest.mark.parametrize("name", sorted(REPEATING - {"vllm-client-server"}))
def test_aggregates_are_not_calls(name: str) -> None:
    derived = _derivable(name)["derived"]
    for column, key in [
        ("input_tokens", "input"),
        ("output_tokens", "output"),
        ("cache_read_tokens", "cache_read"),
        ("cache_write_tokens", "cache_write"),
        ("reasoning_tokens", "reasoning"),
    ]:
        assert _total(_calls(name), column) == derived[key], column


@pytest.mark.parametrize(
    "name",
    [
        "otel-genai-openai",
        "otel-genai-openai-json",
        "otel-genai-openai-deflate",
        "otel-genai-anthropic-nonative",
        "oi-openai",
        "oi-context",
        "old-langgraph-oi",
        "langgraph-genai-openai",
        "langgraph-oi-openai",
        "loop-langgraph-genai",
        "agents-oi-responses",
        "traceloop-openai",
        "pydantic-ai-otel-v2",
    ],
)
def test_details_of_usage_are_read(name: str) -> None:
    derived = _derivable(name)["derived"]
    calls = _calls(name)
    assert {
        "cache_read": _total(calls, "cache_read_tokens"),
        "cache_write": _total(calls, "cache_write_tokens"),
        "reasoning": _total(calls, "reasoning_tokens"),
        "audio_in": _total(calls, "audio_input_tokens"),
        "audio_out": _total(calls, "audio_output_tokens"),
    } == {
        key: derived[key]
        for key in ("cache_read", "cache_write", "reasoning", "audio_in", "audio_out")
    }


@pytest.mark.parametrize(
    ("name", "tools", "failed"),
    [
        ("langgraph-genai-openai", 6, 1),
        ("langgraph-oi-openai", 6, 1),
        ("old-langgraph-oi", 6, 1),
        ("langgraph-traceloop-anthropic", 6, 1),
        ("loop-langgraph-genai", 23, 0),
        ("crewai-oi", 5, 1),
        ("oi-context", 5, 1),
        ("traceloop-sdk", 5, 1),
        ("mcp-oi", 4, 2),
        ("strands", 5, 1),
        ("pydantic-ai-otel-v2", 6, 1),
        ("agents-oi-responses", 5, 1),  # without the hand-off
        ("smolagents-oi", 5, 1),  # without the final answer
    ],
)
def test_tool_calls_have_name_and_outcome(name: str, tools: int, failed: int) -> None:
    rows = _spans(name, role="tool")
    assert len(rows) == tools
    assert all(row["tool_name"] for row in rows)
    assert len([row for row in rows if row["tool_outcome"] == "error"]) == failed
    others = [row for row in _spans(name) if row["role"] != "tool"]
    assert not any(row["tool_outcome"] for row in others)


@pytest.mark.parametrize(
    "name", ["langgraph-genai-openai", "langgraph-oi-openai", "traceloop-sdk", "strands"]
)
def test_tool_arguments_and_results_leave_the_attributes(name: str) -> None:
    for row in _spans(name, role="tool", tool_outcome="ok"):
        assert row["tool_arguments"]
        assert row["tool_result"]
        attributes = row["attributes"]
        assert isinstance(attributes, dict)
        assert row["tool_result"] not in attributes.values()


@pytest.mark.parametrize(
    "name",
    [
        "oi-openai",
        "oi-anthropic",
        "oi-context",
        "old-langgraph-oi",
        "langgraph-oi-openai",
        "langgraph-genai-openai",
        "agents-oi-responses",
        "smolagents-oi",
        "traceloop-openai",
        "old-traceloop-anthropic",
        "otel-genai-openai",
        "otel-openai-v2",
        "old-openai-v2",
        "anthropic-sdk-native",
    ],
)
def test_answered_calls_name_their_response(name: str) -> None:
    ids = [
        str(row["response_id"])
        for row in _calls(name)
        if row["output_tokens"] and row["status"] != "error"
    ]
    assert ids
    assert all(id_.startswith(("chatcmpl-", "msg_", "resp_")) for id_ in ids)


@pytest.mark.parametrize("name", NAMES)
def test_every_hash_of_a_span_is_a_stored_message(name: str) -> None:
    spans, messages = _decoded(name)
    for row in spans:
        for side in ("input_messages", "output_messages"):
            hashes = row[side]
            assert isinstance(hashes, list)
            assert messages.keys() >= set(hashes)
    assert {str(row["role"]) for row in messages.values()} <= {
        "system",
        "user",
        "assistant",
        "tool",
        "tool_definitions",
    }


@pytest.mark.parametrize("name", NAMES)
def test_messages_are_not_kept_twice(name: str) -> None:
    moved = ("llm.input_messages.", "llm.output_messages.", "gen_ai.prompt.0", "gen_ai.input.m")
    for row in _spans(name):
        attributes = row["attributes"]
        assert isinstance(attributes, dict)
        assert not [key for key in attributes if key.startswith(moved)]
        assert "gen_ai.content.completion.chunk" not in _event_names(row)


def _event_names(row: Row) -> list[object]:
    names = row["events.name"]
    assert isinstance(names, list)
    return names


@pytest.mark.parametrize(
    "name", ["langgraph-genai-openai", "langgraph-oi-openai", "pydantic-ai-otel-v2", "strands"]
)
def test_an_answer_is_the_same_message_in_the_history_of_the_next_call(name: str) -> None:
    calls = sorted(_spans(name, role="llm"), key=lambda row: str(row["start_time"]))
    first, second = calls[0], calls[1]
    before, answer = first["input_messages"], first["output_messages"]
    after = second["input_messages"]
    assert isinstance(before, list)
    assert isinstance(answer, list)
    assert isinstance(after, list)
    assert after[: len(before) + len(answer)] == before + answer


def test_dialects_write_one_message_alike() -> None:
    answers = {
        orjson.dumps(
            _said(name, _spans(name, response_id="chatcmpl-fake0001")[0], "output_messages"),
            option=orjson.OPT_SORT_KEYS,
        )
        for name in ("langgraph-genai-openai", "langgraph-oi-openai", "pydantic-ai-otel-v2")
    }
    assert len(answers) == 1


def test_the_first_call_of_an_openai_recording_is_read_whole() -> None:
    [row] = _spans("otel-genai-openai", response_id="chatcmpl-fake0001")
    facts = {key: value for key, value in row.items() if value not in (None, "", [])}
    for key, value in {
        "kind": "client",
        "status": "unset",
        "dialect": "otel_genai",
        "role": "llm",
        "provider": "openai",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "service_name": "fx-otel-genai-openai",
        "service_version": "1.2.3",
        "environment": "fixture",
        "usage_source": "span",
        "finish_reason": "stop",
        "temperature": 0.2,
        "max_tokens": 64,
        "seed": 7,
    }.items():
        assert facts[key] == value
    assert [message["role"] for message in _said("otel-genai-openai", row, "input_messages")] == [
        "system",
        "user",
    ]


def test_openinference_reads_what_only_the_raw_json_says() -> None:
    [row] = _spans("oi-openai", response_id="chatcmpl-fake0001")
    assert row["request_model"] == "gpt-4o-mini"
    assert (row["temperature"], row["seed"], row["max_tokens"]) == (0.2, 7, 64)
    assert row["user_id"] == "user-7"
    attributes = row["attributes"]
    assert isinstance(attributes, dict)
    assert "messages" not in json.loads(attributes["input.value"])
    assert json.loads(attributes["output.value"])["usage"]["prompt_tokens"] == 101


def test_openinference_reads_the_lifetimes_of_anthropic_cache_writes() -> None:
    name = "oi-anthropic"
    ours = [row for row in _calls(name) if row["dialect"] == "openinference"]
    native = [row for row in _calls(name) if row["dialect"] == "otel_genai"]
    for column in ("cache_write_5m_tokens", "cache_write_1h_tokens"):
        assert _total(native, column) > 0
        assert _total(ours, column) == _total(native, column)


def test_streams_tell_their_time_to_the_first_token() -> None:
    for name in ("otel-genai-openai", "oi-openai", "anthropic-sdk-native"):
        timed = [row for row in _calls(name) if row["ttft_ns"] is not None]
        assert timed
        assert all(row["stream"] is True for row in timed)
        assert all(10**6 < int(str(row["ttft_ns"])) < 10**10 for row in timed)
    assert max(int(str(row["ttft_ns"])) for row in _spans("strands", role="llm")) == 926_000_000


def test_attempts_and_errors_are_told() -> None:
    native = _spans("anthropic-sdk-native", role="llm")
    assert [row["attempts"] for row in native if row["attempts"] is not None] == [2, 2, 2]
    errors = {row["error_type"] for row in _spans("oi-openai", role="llm", status="error")}
    assert "openai.BadRequestError" in errors
    assert {row["usage_source"] for row in _spans("oi-openai", role="llm", status="error")} == {
        "none"
    }


def test_agents_sessions_and_users_are_named() -> None:
    assert {row["agent_name"] for row in _spans("crewai-oi", role="agent")} == {
        "Trip planner",
        "Writer",
    }
    [agent] = _spans("traceloop-sdk", role="agent")
    assert (agent["agent_name"], agent["agent_version"]) == ("trip_planner", "3")
    assert {row["session_id"] for row in _spans("traceloop-sdk")} == {"sess-42"}
    trip = _spans("langgraph-oi-openai", session_id="sess-42")
    assert {row["user_id"] for row in trip} == {"user-7"}
    assert len(_spans("langgraph-oi-openai", session_id="thread-43")) == 7
    assert {row["workflow_name"] for row in _spans("traceloop-sdk")} == {"trip_workflow"}


def test_server_spans_of_an_inference_engine_are_no_calls() -> None:
    servers = _spans("vllm-client-server", role="server")
    assert len(servers) == 6
    assert {row["kind"] for row in servers} == {"server"}


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("openinference.instrumentation.openai", "openinference"),
        ("opentelemetry.instrumentation.openai_v2", "otel_genai"),
        ("opentelemetry.instrumentation.openai.v1", "openllmetry"),
        ("opentelemetry.instrumentation.openai_agents", "openllmetry"),
        ("opentelemetry.instrumentation.genai.anthropic", "otel_genai"),
        ("com.anthropic.sdk.python", "otel_genai"),
        ("strands.telemetry.tracer", "strands"),
    ],
)
def test_scope_names_choose_the_dialect(scope: str, name: str) -> None:
    dialect = dialects.of_scope(scope)
    assert dialect is not None
    assert dialect.name == name


def test_keys_choose_the_dialect_of_an_unknown_scope() -> None:
    assert dialects.of_scope("my.app") is None
    assert dialects.of_keys({"a": 1}.keys()).name == "generic"
    assert dialects.of_keys({"gen_ai.operation.name": 1}.keys()).name == "otel_genai"
    both = {"gen_ai.operation.name": 1, "openinference.span.kind": 1}
    assert dialects.of_keys(both.keys()).name == "openinference"


@pytest.mark.parametrize("dialect", dialects.REGISTRY, ids=lambda dialect: dialect.name)
def test_every_dialect_fills_columns_that_exist(dialect: Dialect) -> None:
    assert {column for column, _, _ in dialect.columns.values()} <= TEMPLATE.keys()
    roles = {role for _, table in dialect.roles for role in table.values()}
    assert roles <= {"llm", "embedding", "tool", "agent", "workflow", "retrieval", "guardrail"}
