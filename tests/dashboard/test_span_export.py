"""A span as a command and as files: what comes out is what went in."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_collector.edge.json_otlp import traces_from_json
from spanledger_dashboard.trace.message_parts import Part, media_label, without_data
from spanledger_dashboard.trace.provider_request import Message, as_curl
from spanledger_dashboard.trace.span_export import as_json, as_otlp

EVIL = 'it\'s "quoted" $(touch /tmp/x) `id` \\ \n<b>'
TRACE, SPAN_ID = "ab" * 16, "cd" * 8
# Prints what a shell hands over to curl, one argument a line, without asking anybody.
SHELL = (
    'curl() { printf "%s\\0" "$@"; }; OPENAI_API_KEY=k1; ANTHROPIC_API_KEY=k2; GEMINI_API_KEY=k3\n'
)

TALK: list[Message] = [
    ("tool_definitions", [{"name": "sql", "description": "d", "parameters": {"type": "object"}}]),
    ("system", [{"type": "text", "content": "Be brief."}]),
    ("user", [{"type": "text", "content": EVIL}]),
    ("assistant", [{"type": "tool_call", "id": "c1", "name": "sql", "arguments": {"q": 1}}]),
    ("tool", [{"type": "tool_call_response", "id": "c1", "response": [1, 2]}]),
]


def row(**columns: Any) -> dict[str, Any]:
    return {
        "role": "llm", "provider": "openai", "request_model": "gpt-4.1", "response_model": "",
        "temperature": 0.5, "top_p": None, "top_k": None, "max_tokens": 64, "seed": None,
        "frequency_penalty": None, "presence_penalty": None, "reasoning_level": "",
        "stream": True, **columns,
    }  # fmt: skip


def run(command: str) -> list[str]:
    made = subprocess.run(
        ["bash", "-c", SHELL + command], capture_output=True, text=True, check=True, timeout=10
    )
    return made.stdout.split("\0")[:-1]


def body(arguments: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(arguments[arguments.index("-d") + 1])
    return found


def test_a_shell_hands_the_messages_over_to_the_letter() -> None:
    arguments = run(as_curl(row(), TALK))
    assert arguments[0] == "https://api.openai.com/v1/chat/completions"
    assert "Authorization: Bearer k1" in arguments
    sent = body(arguments)
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": EVIL},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "sql", "arguments": '{"q": 1}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "[1, 2]"},
    ]
    assert (sent["model"], sent["temperature"], sent["max_completion_tokens"]) == (
        "gpt-4.1",
        0.5,
        64,
    )
    assert sent["tools"][0]["function"]["name"] == "sql"
    assert sent["stream"] is True


def test_no_key_is_in_the_command() -> None:
    assert "$OPENAI_API_KEY" in as_curl(row(), TALK)
    assert "k1" not in as_curl(row(), TALK)


def test_anthropic_takes_the_system_apart_and_wants_a_limit() -> None:
    span = row(provider="anthropic", request_model="claude-sonnet-4-5", max_tokens=None)
    arguments = run(as_curl(span, TALK))
    assert "x-api-key: k2" in arguments
    sent = body(arguments)
    assert sent["system"] == "Be brief."
    assert sent["max_tokens"] == 1024
    assert [m["role"] for m in sent["messages"]] == ["user", "assistant", "user"]
    assert sent["messages"][2]["content"][0]["tool_use_id"] == "c1"
    assert sent["tools"][0]["input_schema"] == {"type": "object"}


def test_a_models_name_cannot_leave_the_address() -> None:
    span = row(provider="gcp.gemini", request_model="x'; touch /tmp/x; '")
    arguments = run(as_curl(span, TALK))
    assert arguments[0].endswith("/models/x'; touch /tmp/x; ':generateContent")
    assert "x-goog-api-key: k3" in arguments
    assert body(arguments)["contents"][1]["parts"][0]["functionCall"]["args"] == {"q": 1}


def test_an_unknown_provider_is_asked_where_the_environment_says() -> None:
    assert '"$OPENAI_BASE_URL/chat/completions"' in as_curl(row(provider="vllm"), TALK)


SPAN: dict[str, Any] = {
    "span_id": SPAN_ID, "parent_span_id": "ef" * 8, "name": f"chat {EVIL}", "kind": "client",
    "status": "error", "status_message": "too slow", "start_ns": 1_795_000_000_123_456_789,
    "duration_ns": 1_000, "scope_name": "opentelemetry.instrumentation.openai_v2",
    "scope_version": "1.0", "trace_state": "", "tool_arguments": "", "tool_result": "",
    "event_times_ns": [1_795_000_000_123_456_800], "event_names": ["exception"],
    "event_attributes": [{"exception.type": "TimeoutError"}],
    "link_trace_ids": ["12" * 16], "link_span_ids": ["34" * 8], "link_attributes": [{}],
    "reported_cost_usd": None, "input_hashes": ["x"], "output_hashes": [],
    "ingested_at_ms": 5,
}  # fmt: skip
RAW: dict[str, Any] = {
    "attributes": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1",
        "gen_ai.usage.input_tokens": "1200",
        "gen_ai.usage.output_tokens": "7",
        "gen_ai.request.temperature": "0.5",
        "version": "1.10",
        "zip": "01234",
        "note": EVIL,
    },
    "resource_attributes": {"service.name": "api", "service.version": "2"},
}


def test_our_own_collector_takes_the_otlp_with_the_same_ids() -> None:
    text = as_otlp(TRACE, SPAN, RAW, TALK[1:3], [])
    request = traces_from_json(text.encode())
    (span,) = request.resource_spans[0].scope_spans[0].spans
    assert (span.trace_id.hex(), span.span_id.hex()) == (TRACE, SPAN_ID)
    assert span.parent_span_id.hex() == "ef" * 8
    assert span.name == f"chat {EVIL}"
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (
        1_795_000_000_123_456_789,
        1_795_000_000_123_457_789,
    )
    assert span.links[0].trace_id.hex() == "12" * 16
    assert span.events[0].time_unix_nano == 1_795_000_000_123_456_800
    kinds = {pair.key: pair.value.WhichOneof("value") for pair in span.attributes}
    assert kinds["gen_ai.usage.input_tokens"] == "int_value"
    assert kinds["version"] == kinds["zip"] == "string_value"


def test_what_the_collector_reads_from_it_is_the_same_span() -> None:
    request = traces_from_json(as_otlp(TRACE, SPAN, RAW, TALK[1:3], []).encode())
    decoded = decode_traces([Body("p", request.SerializeToString(), 5)], "flush", 5)
    made = decoded.spans.to_pylist()[0]
    assert (made["input_tokens"], made["output_tokens"], made["temperature"]) == (1200, 7, 0.5)
    assert (made["provider"], made["request_model"], made["role"]) == ("openai", "gpt-4.1", "llm")
    kept = dict(made["attributes"])
    assert {key: kept[key] for key in RAW["attributes"]} == RAW["attributes"]
    assert [json.loads(m["content"])["role"] for m in decoded.messages.to_pylist()] == [
        "system",
        "user",
    ]


def test_json_leaves_out_what_is_empty_and_says_times_in_utc() -> None:
    made = json.loads(as_json(SPAN, RAW, TALK[2:3], []))
    assert made["start_time"] == "2026-11-18T11:06:40.123456789Z"
    assert made["input_messages"][0]["parts"][0]["content"] == EVIL
    assert made["attributes"]["zip"] == "01234"
    assert "output_messages" not in made
    assert "input_hashes" not in made


@pytest.mark.parametrize(
    ("part", "label"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}},
         "Image, image/png, 3,000 bytes"),
        ({"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "A" * 400},
         "Audio, audio/wav, 300 bytes"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/jpeg",
          "data": "A" * 400}}, "Image, image/jpeg, 300 bytes"),
        ({"type": "uri", "modality": "image", "uri": "https://x.test/a.png"},
         "Image, https://x.test/a.png"),
        ({"type": "file", "file_id": "file-1"}, "File, file-1"),
        ({"type": "text", "content": "x"}, ""),
    ],
)  # fmt: skip
def test_what_is_no_text_is_named(part: Part, label: str) -> None:
    assert media_label(part) == label


def test_a_file_inside_a_value_is_replaced_by_its_size() -> None:
    value = {"a": ["data:image/png;base64," + "A" * 4000, "short"]}
    assert without_data(value) == {"a": ["(image/png, 3,000 bytes)", "short"]}
