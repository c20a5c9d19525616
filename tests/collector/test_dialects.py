"""Recorded bodies of real instrumentations become the spans they mean."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from spanledger_collector.decode.decode import Body, decode_traces
from tests.decoded import recorded

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "otlp"
NAMES = sorted(path.name for path in RECORDINGS.iterdir())
Row = dict[str, object]


@cache
def _decoded(name: str) -> tuple[tuple[Row, ...], dict[bytes, Row]]:
    """Return the spans of a recording, resends once, and its messages by hash."""
    files = sorted((RECORDINGS / name).glob("*.traces.bin"))
    bodies = [Body("p", recorded(file), 1) for file in files]
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


# What the independent reading passed over: the dumped outputs hold the usage of these calls.
CALLS_IN_DUMPS = {"haystack-native": 6}


@pytest.mark.parametrize("name", NAMES)
def test_every_span_and_every_call_of_a_recording_is_found(name: str) -> None:
    derivable = _derivable(name)
    assert len(_spans(name)) == derivable["spans"]
    servers = _spans(name, role="server")  # the reference counts these as calls, too
    expected = CALLS_IN_DUMPS.get(name, derivable["llm_spans"])
    assert len(_calls(name)) + len(servers) == expected


# Here several instrumentations report each call: the ledger's business, not the decoder's.
REPEATING = {
    "langfuse",
    "langgraph-traceloop-anthropic",
    "oi-anthropic",
    "pydantic-ai-anthropic",
    "traceloop-anthropic",
    "traceloop-sdk",
    "vllm-client-server",
}
AGGREGATE_ONLY = {"claude-agent-sdk-oi"}  # no call of it is on the wire, only their sum
TOTALS = [("input_tokens", "input"), ("output_tokens", "output")]
DETAILS = [
    ("cache_read_tokens", "cache_read"),
    ("cache_write_tokens", "cache_write"),
    ("reasoning_tokens", "reasoning"),
    ("audio_input_tokens", "audio_in"),
    ("audio_output_tokens", "audio_out"),
]
# Raw usage that the independent reading passed over says as much as the provider did.
AS_THE_PROVIDER = {"haystack-native", "old-langgraph-langsmith", "smolagents-oi"}


@pytest.mark.parametrize("name", sorted(set(NAMES) - REPEATING - AGGREGATE_ONLY))
def test_tokens_of_the_calls_are_those_a_normaliser_can_know(name: str) -> None:
    expected = _derivable(name)["derived"]
    if name in AS_THE_PROVIDER:
        truth = json.loads((RECORDINGS / name / "truth.json").read_text())
        told = truth["totals"]["tokens_visible_on_wire"]
        expected = {**told, "cache_write": told["cache_write_5m"] + told["cache_write_1h"]}
    elif name == "old-oi-anthropic":  # in the raw response
        expected["reasoning"] = 340
    elif name == "haystack-oi":  # in the repr of the answer
        expected |= {"cache_read": 256, "reasoning": 8}
    calls = _calls(name)
    found = {key: _total(calls, column) for column, key in TOTALS + DETAILS}
    assert found == {key: expected.get(key, 0) for key in found}


@pytest.mark.parametrize(
    "name",
    [
        "anthropic-sdk-native",
        "oi-anthropic",
        "litellm-otel",
        "old-vercel-ai5",
        "vercel-ai-legacy",
    ],
)
def test_lifetimes_of_cache_writes_are_read(name: str) -> None:
    truth = json.loads((RECORDINGS / name / "truth.json").read_text())
    told = truth["totals"]["tokens_visible_on_wire"]
    views = _spans(name, role="llm")
    for dialect in {row["dialect"] for row in views}:
        calls = [row for row in views if row["dialect"] == dialect]
        for column in ("cache_write_5m_tokens", "cache_write_1h_tokens"):
            assert _total(calls, column) == told[column.removesuffix("_tokens")] > 0, dialect


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
        ("mcp-oi", 8, 2),  # 4 calls, each as the client and as the server saw it
        ("mcp-native", 4, 2),
        ("agents-logfire-chat", 5, 1),
        ("langfuse", 5, 1),
        ("langgraph-langsmith-openai", 6, 1),
        ("haystack-native", 5, 1),
        ("vercel-ai-legacy", 5, 1),
        ("old-vercel-ai5", 5, 1),
        ("old-pydantic-ai-v1", 6, 1),
        ("claude-code-otel", 5, 0),  # the failure is told by a part of the tool's span
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
    "name",
    [
        "agents-logfire-chat",
        "haystack-native",
        "langfuse",
        "langgraph-genai-openai",
        "langgraph-langsmith-openai",
        "langgraph-oi-openai",
        "old-vercel-ai5",
        "strands",
        "traceloop-sdk",
        "vercel-ai-legacy",
    ],
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
    "name",
    [
        "agents-logfire-chat",
        "haystack-native",
        "langfuse",
        "langgraph-genai-openai",
        "langgraph-langsmith-openai",
        "langgraph-oi-openai",
        "old-langgraph-langsmith",
        "old-pydantic-ai-v1",
        "old-vercel-ai5",
        "pydantic-ai-otel-v2",
        "strands",
        "vercel-ai-legacy",
    ],
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
        for name in (
            "langgraph-genai-openai",
            "langgraph-langsmith-openai",
            "langgraph-oi-openai",
            "pydantic-ai-otel-v2",
            "vercel-ai-legacy",
        )
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
    assert {row["provider"] for row in servers} == {"vllm"}
    latencies = ("time_in_queue_ns", "prefill_ns", "decode_ns", "ttft_ns")
    assert [servers[0][column] for column in latencies] == [
        2_000_000,
        19_000_000,
        310_000_000,
        21_000_000,
    ]
