"""Keys, content and sampling of a project; what fails, fails closed; nobody else pays."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger_collector.decode.carried import CARRIED, RECORD_HASH
from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_collector.decode.decode_logs import decode_logs
from spanledger_collector.decode.decode_metrics import decode_metrics
from spanledger_collector.decode.values import read_attributes
from spanledger_collector.intake import Intake
from spanledger_collector.privacy.by_key import ByKey
from spanledger_collector.privacy.hashing import hashed
from spanledger_collector.privacy.policy import policy_of
from spanledger_collector.privacy.redact import FAILED, redact_body
from spanledger_collector.privacy.scrub import Scrub
from spanledger_collector.privacy.texts import TextRedactor
from spanledger_collector.signals import Request, Signal
from spanledger_collector.spool.spool import Spool
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.project_settings import (
    Content,
    Pattern,
    Preset,
    Privacy,
    Project,
    ProjectSettings,
)
from tests.decoded import NOW_NS, any_value, pairs, span
from tests.otlp import request
from tests.signals import CLAUDE_EVENTS, DELTA, claude, counter, logs, metrics, record

SALT = b"salt of the project"
PROMPT = "please book a table for Alice at seven"
MESSAGES = orjson.dumps([{"role": "user", "parts": [{"type": "text", "content": PROMPT}]}]).decode()
CALL: dict[str, object] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.input.messages": MESSAGES,
    "gen_ai.output.messages": MESSAGES.replace("user", "assistant"),
}
TOOL: dict[str, object] = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "book",
    "gen_ai.tool.call.id": "call_1",
    "gen_ai.tool.call.arguments": '{"guest": "Alice", "at": 7}',
    "gen_ai.tool.call.result": '{"table": "by the window"}',
}


def project(salt: bytes = SALT, **privacy: Any) -> Project:
    return Project("p", ProjectSettings(privacy=Privacy(**privacy)), salt)


def redacted(made: Request, whose: Project) -> tuple[bytes, Counter[str]]:
    policy = policy_of(whose)
    assert policy is not None
    return redact_body(policy, made, NOW_NS)


def row_of(made: Span, whose: Project, scope: str = "test") -> dict[str, Any]:
    """Return the row that a span becomes after redaction, with what was found and the body."""
    body, found = redacted(request(made, scope=scope), whose)
    decoded = decode_traces([Body("p", body, NOW_NS)], "flush", NOW_NS)
    [row] = decoded.spans.to_pylist()
    return {
        **row,
        "attributes": dict(row["attributes"]),
        "found": found,
        "body": body,
        "messages": decoded.messages.num_rows,
    }


def log_rows(body: bytes) -> list[dict[str, Any]]:
    return decode_logs([Body("p", body, NOW_NS, Signal.LOGS)], NOW_NS).to_pylist()


def point_rows(body: bytes) -> list[dict[str, Any]]:
    return decode_metrics([Body("p", body, NOW_NS, Signal.METRICS)], NOW_NS)[0].to_pylist()


def attributes_of(attributes: dict[str, object], **privacy: Any) -> dict[str, Any]:
    made = request(span(attributes))
    redacted(made, project(**privacy))
    return dict(read_attributes(made.resource_spans[0].scope_spans[0].spans[0].attributes))


# Keys


def test_dropped_keys_go_at_any_depth_of_maps_lists_and_json() -> None:
    left = attributes_of(
        {
            "db.password": "hunter2",
            "tool": {"password": "hunter2", "deep": [{"password": 1, "user": "bob"}], "n": 1},
            "json": '{"a": {"password": "hunter2"}, "big": 123456789012345678901234567890}',
            "in_json": '{"inner": "{\\"password\\": \\"hunter2\\", \\"x\\": 1}"}',
            "password_hint": "kept",
        },
        drop_keys=("*.password",),
    )
    assert left == {
        "tool": {"deep": [{"user": "bob"}], "n": 1},
        "json": '{"a":{},"big":123456789012345678901234567890}',
        "in_json": '{"inner":"{\\"x\\":1}"}',
        "password_hint": "kept",
    }


FORMS = {
    "NaN": '{"password": "hunter2", "n": NaN, "i": -Infinity}',
    "half a pair": '{"password": "hunter2", "s": "\\ud800"}',
    "twice": orjson.dumps('{"password": "hunter2"}').decode(),
    "byte order mark": '\ufeff{"password": "hunter2"}',
    "fence": '```json\n{"password": "hunter2"}\n```',
    "cut": '{"user": {"password": "hunter2',
    "cut twice": '"{\\"password\\": \\"hunter2',
    "cut in JSON": '{"n": "{\\"password\\": \\"hunter2"}',
    "lines": '{"password": "hunter2"}\n{"password": "hunter2"}',
    "deep": "[" * 1_100 + '{"password": "hunter2"}' + "]" * 1_100,
    "of Python": "{'password': 'hunter2'}",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rule", ["drop_keys", "hash_keys"])
def test_keys_are_seen_in_json_that_is_slightly_off_or_the_text_goes(form: str, rule: str) -> None:
    made = span({"args": FORMS[form], "listed": [FORMS[form]], "other": 1})
    rules: dict[str, Any] = {rule: ("args.*password", "listed.*password", "body.*password")}
    row = row_of(made, project(**rules))
    assert b"hunter2" not in row["body"]
    assert (row["flags"], row["attributes"]["other"]) == ([], "1")
    body, _ = redacted(logs(record("e", any_value(FORMS[form]))), project(**rules))
    assert b"hunter2" not in body


def test_what_of_json_that_is_slightly_off_may_stay_stays() -> None:
    said: dict[str, object] = {
        "nan": '{"password": 1, "n": NaN}',
        "half": '{"password": 1, "s": "\\ud800"}',
        "twice": '"{\\"password\\": 1, \\"x\\": 2}"',
        "cut": '{"password": ',
        "in": '{"cut": "{\\"password\\": ", "n": 1}',
        "log": "[INFO] started {x: y}",
        "said": '"quoted": he said',
        "unquoted": "{x} is kept",
    }
    assert attributes_of(said, drop_keys=("*.password",)) == {
        "nan": '{"n":NaN}',
        "half": '{"s":"\\ud800"}',
        "twice": '"{\\"x\\":2}"',
        "in": '{"cut":null,"n":1}',
        "log": said["log"],
        "said": said["said"],
        "unquoted": said["unquoted"],
    }
    assert attributes_of(said, drop_keys=("other.*", "cut", "logs.x")) == {
        key: value for key, value in said.items() if key != "cut"
    }


def test_a_glob_is_the_whole_path_and_case_counts() -> None:
    keys = {"user.email": 1, "user.email.hash": 2, "User.email": 3, "a.user.email": 4, "u+": 5}
    assert attributes_of(dict(keys), drop_keys=("user.email", "u+")).keys() == {
        "user.email.hash",
        "User.email",
        "a.user.email",
    }
    assert attributes_of(dict(keys), drop_keys=("user.*",)).keys() == {
        "User.email",
        "a.user.email",
        "u+",
    }


def test_keys_are_dropped_wherever_attributes_are() -> None:
    made = request(span({"secret": 1}, name="n"))
    group = made.resource_spans[0]
    group.resource.attributes.append(KeyValue(key="secret", value=any_value("x")))
    scoped = group.scope_spans[0]
    scoped.scope.attributes.append(KeyValue(key="secret", value=any_value("x")))
    scoped.spans[0].events.add(attributes=[KeyValue(key="secret", value=any_value("x"))])
    scoped.spans[0].links.add(attributes=[KeyValue(key="secret", value=any_value("x"))])
    body, found = redacted(made, project(drop_keys=("secret",)))
    assert b"secret" not in body
    assert found == {"dropped": 5}


def test_keys_are_dropped_in_bodies_of_logs() -> None:
    for body in ({"user": "bob", "n": 1}, '{"user": "bob", "n": 1}'):
        made = logs(record("e", any_value(body), said={"user": "bob"}))
        out, found = redacted(made, project(drop_keys=("body.user", "user")))
        assert b"bob" not in out
        assert found == {"dropped": 2}


@pytest.mark.parametrize("body", ["bob", {"user": "bob"}, '{"user": "bob"}', ["bob"], b"bob", 7])
def test_bodies_of_logs_are_dropped_and_hashed_whole(body: object) -> None:
    for glob in ("body", "body*", "*"):
        made = logs(record("e", any_value(body)))
        out, found = redacted(made, project(drop_keys=(glob,)))
        assert b"bob" not in out
        assert not made.resource_logs[0].scope_logs[0].log_records[0].HasField("body")
        assert found == {"dropped": 2 if glob == "*" else 1}  # with the name of the service
        made = logs(record("e", any_value(body)))
        out, found = redacted(made, project(hash_keys=(glob,)))
        assert b"bob" not in out
        [row] = log_rows(out)
        assert row["body"] == hashed(any_value(body), SALT)
        assert found == {"hashed": 2 if glob == "*" else 1}


def test_a_log_without_a_body_has_none_to_drop_or_hash() -> None:
    settings: list[dict[str, Any]] = [{"drop_keys": ("body",)}, {"hash_keys": ("body",)}]
    for privacy in settings:
        made = logs(record("e"))
        expected = made.SerializeToString()
        assert redacted(made, project(**privacy)) == (expected, {})


def test_hashed_values_stay_equal_in_a_project_and_differ_between_projects() -> None:
    def hash_of(value: object, salt: bytes = SALT) -> Any:
        made = request(span({"user.id": value}))
        redacted(made, project(salt, hash_keys=("user.id",)))
        return read_attributes(made.resource_spans[0].scope_spans[0].spans[0].attributes)["user.id"]

    bob = hash_of("bob")
    assert bob == hash_of("bob")
    assert bob.startswith("hmac-sha256:")
    assert len(bob) == len("hmac-sha256:") + 32
    assert hash_of("bob", b"other salt") != bob
    assert len({hash_of(value) for value in ("1", 1, 1.0, True, b"1", ["1"], {"a": 1})}) == 7
    assert hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1})
    assert hash_of(bob) == bob


def test_a_value_hashes_alike_as_attribute_and_inside_json() -> None:
    left = attributes_of(
        {"args": '{"user": "bob", "n": 7}', "m": {"n": 7}}, hash_keys=("*.user", "*.n")
    )
    expected = {"user": hashed(any_value("bob"), SALT), "n": hashed(any_value(7), SALT)}
    assert orjson.loads(left["args"]) == expected
    assert left["m"]["n"] == expected["n"]


def test_hashed_ids_reach_their_columns() -> None:
    row = row_of(
        span({**CALL, "session.id": "s1", "user.id": "bob"}), project(hash_keys=("user.id",))
    )
    assert row["user_id"] == hashed(any_value("bob"), SALT)
    assert row["session_id"] == "s1"
    assert row["input_tokens"] == 100


def test_without_a_salt_hashes_cannot_be_guessed() -> None:
    row = row_of(span({"user.id": "bob"}), project(b"", hash_keys=("user.id",)))
    assert row["user_id"].startswith("hmac-sha256:")
    assert row["user_id"] != hashed(any_value("bob"), b"")


# Content


def test_without_content_counts_and_hashes_stay_and_words_go() -> None:
    row = row_of(span(CALL, name="chat gpt-4o-mini"), project(content=Content.OFF))
    assert PROMPT.encode() not in row["body"]
    assert b"Alice" not in row["body"]
    assert row["messages"] == 0
    assert (row["role"], row["dialect"]) == ("llm", "otel_genai")
    assert (row["input_tokens"], row["output_tokens"]) == (100, 10)
    assert (row["request_model"], row["provider"], row["finish_reason"]) == (
        "gpt-4o-mini",
        "openai",
        "stop",
    )
    assert len(row["input_messages"]) == len(row["output_messages"]) == 1
    assert row["flags"] == []
    assert row["found"] == {"content": 1}
    assert CARRIED not in row["attributes"]


def test_hashes_of_messages_are_keyed() -> None:
    plain = decode_traces(
        [Body("p", request(span(CALL)).SerializeToString(), NOW_NS)], "flush", NOW_NS
    ).spans.to_pylist()[0]["input_messages"]
    once, again, other = (
        row_of(span(CALL), project(salt, content=Content.OFF))["input_messages"]
        for salt in (SALT, SALT, b"other")
    )
    assert once == again
    assert len({*once, *other, *plain}) == 3


def test_tool_calls_keep_their_signatures_alone() -> None:
    whose = project(content=Content.OFF)
    first = row_of(span(TOOL), whose)
    reordered = {**TOOL, "gen_ai.tool.call.arguments": '{"at":7,"guest":"Alice"}'}
    other = {**TOOL, "gen_ai.tool.call.arguments": '{"at":8,"guest":"Alice"}'}
    assert (first["tool_name"], first["tool_call_id"]) == ("book", "call_1")
    assert (first["tool_arguments"], first["tool_result"]) == ("", "")
    assert first["tool_outcome"] == "ok"
    assert first["call_sig"] == row_of(span(reordered), whose)["call_sig"] != 0
    assert first["call_sig"] != row_of(span(other), whose)["call_sig"]
    assert first["result_sig"] == row_of(span(other), whose)["result_sig"] != 0
    for word in (b"Alice", b"window", b"guest"):
        assert word not in first["body"]


def test_that_a_tool_failed_is_known_without_what_it_said() -> None:
    failed = {**TOOL, "gen_ai.tool.call.result": '{"ok": false, "error": "Alice"}'}
    for whose in (project(content=Content.OFF), project(presets=(Preset.EMAIL,))):
        assert row_of(span(failed), whose)["tool_evidence"] == "payload"
        assert row_of(span(TOOL), whose)["tool_evidence"] == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("note", PROMPT),
        ("note", "Alice"),
        ("city", "Paris"),
        ("gen_ai.input.messages", f"not JSON: {PROMPT}"),
        ("gen_ai.prompt.0.content", PROMPT),
        ("gen_ai.tool.call.arguments.guest_id", "Alice"),
        ("llm.input_messages.0.message.content", PROMPT),
        ("llm.prompts", [PROMPT]),
        ("logfire.msg", PROMPT),
        ("ai.prompt", PROMPT),
        ("process.command_args", ["claude", "-p", PROMPT]),
        ("db.statement", f"SELECT '{PROMPT}'"),
        ("langfuse.observation.metadata.said", f'{{"said": "{PROMPT}"}}'),
        ("gen_ai.agent.name", PROMPT * 10),
        ("session.id", f"{PROMPT}\n{PROMPT}"),
        ("payload", PROMPT.encode()),
        ("kv", {"said": PROMPT, "usage": {"said": PROMPT, "Alice at seven": 1}}),
        ("error.type", PROMPT),
        ("error.type.said", "Alice"),
        ("db.operation.parameter.guest", "Alice"),
        ("messaging.operation.said", "Alice"),
        ("container.command_line", "Alice"),
        ("container.command_args", ["Alice"]),
        ("rpc.grpc.request.metadata.guest", ["Alice"]),
        ("rpc.request.metadata.guest", "Alice"),
        ("http.request.header.guest", "Alice"),
        ("http.request.method.said", "Alice"),
        ("k8s.pod.annotation.guest", "Alice"),
        ("k8s.pod.label.guest", "Alice"),
        ("code.line.text", "Alice"),
        ("otel.status_description", PROMPT),
        ("k8s.event.message", PROMPT),
        ("k8s.pod.status.reason", PROMPT),
        *((f"rpc.{end}", PROMPT) for end in ("body", "message", "response", "request.body")),
        ("rpc.jsonrpc.error_message", PROMPT),
        ("faas.event", "Alice"),
        ("faas.input", PROMPT),
        ("net.payload", PROMPT),
        ("server.message", PROMPT),
        ("client.message", PROMPT),
        ("service.description", PROMPT),
        *((f"{first}.guest", "Alice") for first in ("cloud", "deployment", "host", "network")),
        ("telemetry.said", PROMPT),
        ("otel.scope.said", "Alice"),
        (PROMPT, 5),
        ("Alice" * 60, True),
    ],
)
def test_no_key_known_or_not_carries_a_sentence(key: str, value: object) -> None:
    for said in ({key: value}, {**CALL, key: value}, {**TOOL, key: value}):
        row = row_of(span(said), project(content=Content.OFF))
        for word in (b"Alice", b"please", b"Paris"):
            assert word not in row["body"]


def test_names_of_machines_libraries_and_protocols_stay() -> None:
    said: dict[str, object] = {
        "otel.status_code": "ERROR",
        "otel.scope.name": "my.library",
        "service.name": "Book a table",
        "host.cpu.model.name": "11th Gen Intel(R) Core(TM) i7-1185G7 @ 3.00GHz",
        "k8s.pod.name": "opentelemetry-pod-autoconf",
        "k8s.deployment.uid": "275ecb36-5aa8-4c2a-9c47-d8bb681b9aff",
        "k8s.container.status.last_terminated_reason": "OOMKilled",
        "cloud.region": "eu-central-1",
        "container.image.tags": ["1.27", "latest"],
        "deployment.environment.name": "production",
        "faas.trigger": "http",
        "network.protocol.version": "1.1",
        "net.peer.name": "api.openai.com",
        "process.runtime.version": "3.12.1",
        "rpc.service": "tables.Book",
        "rpc.method": "Reserve",
        "server.address": "http://127.0.0.1:48987/v1/",
        "telemetry.sdk.language": "python",
        "user_agent.original": "curl/8.5.0 (x86_64-pc-linux-gnu)",
        "db.system.name": "postgresql",
        "team": "Tables",
    }
    left = attributes_of(said, content=Content.OFF)
    assert {key: left[key] for key in left if key != CARRIED} == said


def test_a_repeated_key_does_not_hide_a_sentence() -> None:
    made = span({"n": 5})
    made.attributes.insert(0, KeyValue(key="n", value=any_value(PROMPT)))
    row = row_of(made, project(content=Content.OFF))
    assert PROMPT.encode() not in row["body"]
    assert row["attributes"] == {"n": "5"}


def test_usage_inside_a_raw_response_stays_while_its_text_goes() -> None:
    response = {
        "id": "chatcmpl-1",
        "model": "gpt-4o",
        "choices": [{"message": {"content": PROMPT}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 3},
            "note": PROMPT,
        },
    }
    said: dict[str, object] = {
        "openinference.span.kind": "LLM",
        "output.value": orjson.dumps(response).decode(),
        "output.mime_type": "application/json",
    }
    row = row_of(span(said), project(content=Content.OFF), scope="openinference.x")
    assert row["cache_read_tokens"] == 3
    assert row["response_id"] == "chatcmpl-1"
    assert orjson.loads(row["attributes"]["output.value"]) == {
        "model": "gpt-4o",
        "choices": [{"finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3}},
    }


def test_status_events_links_and_names_say_nothing() -> None:
    made = span(TOOL, name=f"tool\n{PROMPT}", trace_state=PROMPT)
    made.status.code = Status.STATUS_CODE_ERROR
    made.status.message = PROMPT
    made.events.add(
        name="exception",
        attributes=[
            KeyValue(key="exception.type", value=any_value("ValueError")),
            KeyValue(key="exception.message", value=any_value(PROMPT)),
        ],
    )
    made.events.add(name=PROMPT)
    made.events.add(
        name="gen_ai.choice", attributes=[KeyValue(key="message", value=any_value(PROMPT))]
    )
    why = KeyValue(key="why", value=any_value(PROMPT))
    made.links.add(attributes=[why], trace_state=PROMPT)
    row = row_of(made, project(content=Content.OFF))
    assert b"Alice" not in row["body"]
    assert (row["status"], row["error_type"], row["tool_outcome"]) == (
        "error",
        "ValueError",
        "error",
    )
    assert row["events.name"] == ["exception", "[removed]"]
    assert dict(row["events.attributes"][0]) == {"exception.type": "ValueError"}


def test_a_record_of_a_streams_end_is_one_where_no_content_is_kept() -> None:
    said = {"logfire.span_type": "log", "duration": 0.5, "gen_ai.operation.name": "chat"}
    made = span({**said, "gen_ai.usage.input_tokens": 9}, name="streaming response from {model}")
    for whose in (project(presets=(Preset.EMAIL,)), project(content=Content.OFF)):
        row = row_of(made, whose, scope="logfire.openai")
        assert (row["kind"], row["usage_source"], row["input_tokens"]) == ("log", "log", 9)
        assert row["start_time"].timestamp() == pytest.approx(NOW_NS / 1e9 - 0.5)


@pytest.mark.parametrize("said", [f"tool\n{PROMPT}", f"tool\u2028{PROMPT}", f"{PROMPT} " * 4])
def test_names_of_spans_and_scopes_are_short_lines(said: str) -> None:
    for made in (
        request(span(TOOL, name=said), scope=said),
        logs(record("e", PROMPT, time_ns=1), scope=said),
        metrics(counter("tokens", 1, 1, NOW_NS, {"user": "u", "note": said}), scope=said),
    ):
        body, _ = redacted(made, project(content=Content.OFF))
        assert b"Alice" not in body
        assert b"[removed]" in body


@pytest.mark.parametrize("name", ["", "my.agent", "a name of words", "x" * 128, "työkalu"])
def test_short_names_and_versions_of_scopes_stay(name: str) -> None:
    made = request(span({}, name=name), scope=name)
    scope = made.resource_spans[0].scope_spans[0].scope
    scope.version = "1.2\u2029" + PROMPT
    row = row_of(made.resource_spans[0].scope_spans[0].spans[0], project(content=Content.OFF), name)
    assert (row["name"], row["scope_name"]) == (name, name)
    redacted(made, project(content=Content.OFF))
    assert (scope.name, scope.version) == (name, "[removed]")


def test_log_records_without_content_still_count_as_calls() -> None:
    said = claude(
        "api_request", NOW_NS, model="claude-sonnet-4-5", input_tokens="10", output_tokens="5",
        duration_ms="1500", prompt__id="3fa85f64-5717-4562-b3fc-2c963f66afa6", note=PROMPT,
    )  # fmt: skip
    made = logs(said, scope="com.anthropic.claude_code.events")
    before = decode_traces(
        [Body("p", made.SerializeToString(), NOW_NS, Signal.LOGS)], "flush", NOW_NS
    ).spans.to_pylist()[0]
    body, _ = redacted(made, project(content=Content.OFF))
    assert b"Alice" not in body
    after = decode_traces([Body("p", body, NOW_NS, Signal.LOGS)], "f", NOW_NS).spans.to_pylist()[0]
    for column in ("trace_id", "parent_span_id", "start_time", "end_time", "role", "name"):
        assert after[column] == before[column]
    assert (after["input_tokens"], after["output_tokens"]) == (10, 5)
    [row] = decode_logs([Body("p", body, NOW_NS, Signal.LOGS)], NOW_NS).to_pylist()
    assert row["body"] == "claude_code.api_request"
    assert not any(key.startswith("spanledger.") for key, _ in row["attributes"])


def test_log_records_that_differ_only_in_what_was_said_stay_two() -> None:
    made = logs(record("", "first secret"), record("", "second secret"), record("", "first secret"))
    body, _ = redacted(made, project(content=Content.OFF))
    rows = log_rows(body)
    assert [row["body"] for row in rows] == ["", "", ""]
    assert len({row["log_id"] for row in rows}) == 2


def test_what_a_sender_says_was_read_is_not_believed() -> None:
    forged = {CARRIED: {"columns": {"agent_name": PROMPT, "input_tokens": 9}, "inputs": b""}}
    settings: list[dict[str, Any]] = [{"content": Content.OFF}, {"drop_keys": ("x",)}]
    for privacy in settings:
        row = row_of(span({**CALL, **forged}), project(**privacy))
        assert (row["agent_name"], row["input_tokens"]) == ("", 100)


def test_a_key_of_ours_anywhere_else_switches_no_pattern_off() -> None:
    said = {CARRIED: "bob@x.io", RECORD_HASH: "bob@x.io", "n": {CARRIED: "bob@x.io"}}
    made = span({"kv": said})
    made.events.add(name="e", attributes=pairs(said))
    made.links.add(attributes=pairs(said))
    body, found = redacted(request(made), project(presets=(Preset.EMAIL,)))
    assert b"bob" not in body
    assert found == {"email": 9}


def test_forged_words_of_the_product_are_passed_over() -> None:
    words = {"role": "boss", "status": "great", "usage_source": "me", "tool_outcome": "won"}
    for forged in ({"columns": words}, {"columns": words, "inputs": b""}):
        body = request(span({**CALL, CARRIED: forged})).SerializeToString()
        [row] = decode_traces([Body("p", body, NOW_NS)], "f", NOW_NS).spans.to_pylist()
        assert not set(words.values()) & {row[name] for name in words}


@pytest.mark.parametrize(
    "forged",
    [
        "text",
        {"columns": 1, "inputs": b""},
        {"columns": {"input_tokens": "x", "version": 1, "attempts": 2**40}, "inputs": b"123"},
        {"columns": {"call_sig": -5, "seed": 1.5, "name": "n", "stream": "?"}, "inputs": b""},
        {"flags": [1, "", "x" * 99, None], "columns": {"agent_name": "x" * 999}, "inputs": b""},
        {"inputs": "text", "outputs": 5},
    ],
)
def test_a_forged_reading_never_breaks_the_decoder(forged: object) -> None:
    body = Body("p", request(span({**CALL, CARRIED: forged})).SerializeToString(), NOW_NS)
    decoded = decode_traces([body], "flush", NOW_NS)
    assert decoded.spans.num_rows == 1
    assert dict(decoded.spans.to_pylist()[0]["attributes"]).keys().isdisjoint({CARRIED})


# What redaction makes alike

ALIKE: list[dict[str, Any]] = [
    {"drop_keys": ("user.email",)},
    {"hash_keys": ("user.email",)},
    {"presets": (Preset.EMAIL,)},
    {"content": Content.OFF, "presets": (Preset.EMAIL,)},
]
SENT = 1_000, 20, 3


def points_by_user(*, add: int = 0, swap: bool = False) -> ExportMetricsServiceRequest:
    """Return a point for each of three users; ``swap``: the labels in another order."""
    made = ExportMetricsServiceRequest()
    for user, amount in zip(("alice", "bob", "carol"), SENT, strict=True):
        said = {"user.email": f"{user}@x.io", "gen_ai.token.type": "input"}
        labels = dict(reversed(said.items())) if swap else said
        made.MergeFrom(metrics(counter("tokens", amount + add, 1, NOW_NS, labels, DELTA)))
    return made


@pytest.mark.parametrize("privacy", ALIKE, ids=str)
def test_points_that_lose_what_told_them_apart_stay_as_many(privacy: dict[str, Any]) -> None:
    rows = point_rows(redacted(points_by_user(), project(**privacy))[0])
    assert len({row["series_id"] for row in rows}) == 3
    assert tuple(row["integer_value"] for row in rows) == SENT
    assert not any(key == RECORD_HASH for row in rows for key, _ in row["attributes"])
    again = point_rows(redacted(points_by_user(add=5, swap=True), project(**privacy))[0])
    assert [row["series_id"] for row in again] == [row["series_id"] for row in rows]


def test_nobody_can_look_up_which_series_was_whose() -> None:
    told = {
        row["series_id"]
        for salt in (SALT, b"other salt")
        for row in point_rows(redacted(points_by_user(), project(salt, **ALIKE[0]))[0])
    }
    assert len(told) == 6


def test_points_of_resources_and_metrics_made_alike_stay_as_many() -> None:
    made = ExportMetricsServiceRequest()
    for user in ("alice@x.io", "bob@x.io"):
        made.MergeFrom(metrics(counter("tokens", 1, 1, NOW_NS, {}), service=user))
        made.MergeFrom(metrics(counter("tokens", 1, 1, NOW_NS, {}), scope=user))
        made.MergeFrom(metrics(counter(f"tokens {user}", 1, 1, NOW_NS, {})))
    rows = point_rows(redacted(made, project(presets=(Preset.EMAIL,)))[0])
    assert len({row["series_id"] for row in rows}) == 6


def test_points_of_scopes_whose_names_go_stay_as_many() -> None:
    made = ExportMetricsServiceRequest()
    for user in ("Alice", "Bob"):
        made.MergeFrom(metrics(counter("tokens", 1, 1, NOW_NS, {}), scope=f"tool\n{user}"))
    rows = point_rows(redacted(made, project(content=Content.OFF))[0])
    assert len({row["series_id"] for row in rows}) == 2


def test_a_series_in_which_nothing_changes_keeps_its_id() -> None:
    made = metrics(counter("tokens", 1, 1, NOW_NS, {"model": "m"}))
    [before] = point_rows(made.SerializeToString())
    for privacy in ALIKE:
        [row] = point_rows(redacted(made, project(**privacy))[0])
        assert row["series_id"] == before["series_id"]


@pytest.mark.parametrize("privacy", ALIKE, ids=str)
def test_records_that_lose_what_told_them_apart_stay_as_many(privacy: dict[str, Any]) -> None:
    users = ("alice@x.io", "bob@x.io", "alice@x.io")
    made = logs(*(record("e", user, time_ns=1, said={"user.email": user}) for user in users))
    privacy = {**privacy, "drop_keys": (*privacy.get("drop_keys", ()), "body")}
    rows = log_rows(redacted(made, project(**privacy))[0])
    assert len({row["log_id"] for row in rows}) == 2
    assert not any(key == RECORD_HASH for row in rows for key, _ in row["attributes"])


def test_records_of_resources_made_alike_stay_as_many() -> None:
    made = logs(record("e", time_ns=1), service="alice@x.io")
    made.MergeFrom(logs(record("e", time_ns=1), service="bob@x.io"))
    rows = log_rows(redacted(made, project(presets=(Preset.EMAIL,)))[0])
    assert len({row["log_id"] for row in rows}) == 2


def test_calls_of_records_made_alike_are_as_many_and_show_no_hash() -> None:
    said = [claude("api_request", 1, model="m", who=f"{user}@x.io") for user in ("alice", "bob")]
    made = logs(*said, scope="com.anthropic.claude_code.events")
    body, _ = redacted(made, project(presets=(Preset.EMAIL,)))
    rows = decode_traces([Body("p", body, NOW_NS, Signal.LOGS)], "f", NOW_NS).spans.to_pylist()
    assert {row["span_id"] for row in rows} == {row["log_id"] for row in log_rows(body)}
    assert len({row["span_id"] for row in rows}) == 2
    assert not any(key == RECORD_HASH for row in rows for key, _ in row["attributes"])


def test_a_hash_that_a_sender_made_up_tells_nothing_apart() -> None:
    said = [{RECORD_HASH: number, "user.email": "bob@x.io"} for number in (1, 2)]
    made = logs(*(record("e", time_ns=1, said=one) for one in said))
    rows = log_rows(redacted(made, project(drop_keys=("user.email",)))[0])
    assert len({row["log_id"] for row in rows}) == 1
    points = metrics(*(counter("tokens", 1, 1, NOW_NS, one) for one in said))
    found = point_rows(redacted(points, project(drop_keys=("user.email",)))[0])
    assert len({row["series_id"] for row in found}) == 1


# Sampling


def test_a_trace_keeps_its_content_whole_or_not_at_all_wherever_it_arrives() -> None:
    one = policy_of(project(content_sample_rate=0.25))
    other = policy_of(project(b"another salt", content_sample_rate=0.25))
    more = policy_of(project(content_sample_rate=0.5))
    assert one is not None
    assert other is not None
    assert more is not None
    traces = [secrets.token_bytes(16) for _ in range(4_000)]
    kept = {trace for trace in traces if one.keeps_content(trace)}
    assert 800 < len(kept) < 1_200
    assert kept == {trace for trace in traces if other.keeps_content(trace)}
    assert kept < {trace for trace in traces if more.keeps_content(trace)}


def test_logs_are_sampled_with_the_spans_of_their_trace() -> None:
    whose = project(content_sample_rate=0.5)
    policy = policy_of(whose)
    assert policy is not None
    for number in range(1, 20):
        trace = bytes([number]) * 16
        made = logs(record("app.said", PROMPT, trace_id=trace, span_id=b"s" * 8))
        spans, _ = redacted(request(span(CALL, trace_id=trace)), whose)
        records, _ = redacted(made, whose)
        assert (PROMPT.encode() in spans) == policy.keeps_content(trace)
        assert (PROMPT.encode() in records) == policy.keeps_content(trace)


def test_tokens_are_never_sampled_away() -> None:
    whose = project(content_sample_rate=0.3)
    rows = [row_of(span(CALL, trace_id=bytes([n]) * 16), whose) for n in range(1, 30)]
    assert {row["input_tokens"] for row in rows} == {100}
    assert {row["messages"] for row in rows} == {0, 2}


# Order, failures, cost


def test_keys_go_before_content_and_content_before_patterns() -> None:
    row = row_of(
        span({**CALL, "user.id": "bob@example.com", "session.id": "carol@example.com"}),
        project(hash_keys=("user.id",), content=Content.OFF, presets=(Preset.EMAIL,)),
    )
    assert row["user_id"] == hashed(any_value("bob@example.com"), SALT)
    assert row["session_id"] == "[email]"
    assert row["found"] == {"hashed": 1, "content": 1, "email": 2}  # attribute and column


def test_signatures_tell_calls_apart_that_patterns_make_alike() -> None:
    whose = project(presets=(Preset.EMAIL,))
    rows = [
        row_of(
            span({**TOOL, "gen_ai.tool.call.arguments": f'{{"to": "{name}@example.com"}}'}), whose
        )
        for name in ("bob", "carol", "bob")
    ]
    assert [row["tool_arguments"] for row in rows] == ['{"to": "[email]"}'] * 3
    assert rows[0]["call_sig"] == rows[2]["call_sig"] != rows[1]["call_sig"]


def test_signatures_of_log_records_tell_calls_apart_that_patterns_make_alike() -> None:
    policy = policy_of(project(presets=(Preset.EMAIL,)))
    assert policy is not None
    bodies = [
        Body("p", redact_body(policy, mail(name), NOW_NS)[0], NOW_NS, Signal.LOGS)
        for name in ("bob", "carol", "bob")
    ]
    rows = decode_traces(bodies, "flush", NOW_NS).spans.to_pylist()
    assert [row["tool_arguments"] for row in rows] == ['{"command": "mail [email]"}'] * 3
    assert rows[0]["call_sig"] == rows[2]["call_sig"] != rows[1]["call_sig"]


def test_secrets_that_only_their_key_tells_go_from_attributes_and_maps() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    said: dict[str, object] = {
        "aws_secret_access_key": secret,
        "note": {"SecretAccessKey": secret, "sha": secret},
        "sha": secret,
    }
    gone = {
        "aws_secret_access_key": "[api_key]",
        "note": {"SecretAccessKey": "[api_key]", "sha": secret},
        "sha": secret,
    }
    assert attributes_of(said, presets=(Preset.API_KEY,)) == gone
    assert attributes_of(said, presets=(Preset.EMAIL,)) == said
    row = row_of(span(said), project(presets=(Preset.API_KEY,)))
    assert row["found"] == {"api_key": 2}


def mail(name: str) -> Request:
    """A tool call as Claude Code logs it."""
    said = f'{{"command": "mail {name}@example.com"}}'
    made = claude("tool_result", NOW_NS, session__id="s", tool_name="Bash", tool_input=said)
    return logs(made, scope=CLAUDE_EVENTS)


def test_counts_roles_and_ids_are_never_touched() -> None:
    ids = {"trace_id": b"bob@example.io!!", "span_id": b"a@bcd.io"}
    own = (Pattern(name="n", regex=r"\d{3}"), Pattern(name="word", regex="chat"))
    said = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 4111111111111111}
    row = row_of(
        span({**said, "gen_ai.usage.output_tokens": "1234", "x": "chat"}, **ids),
        project(presets=tuple(Preset), patterns=own),
    )
    assert (row["input_tokens"], row["output_tokens"], row["role"]) == (
        4111111111111111,
        1234,
        "llm",
    )
    assert (row["trace_id"], row["span_id"]) == (ids["trace_id"].hex(), ids["span_id"].hex())


class Broken(Exception):
    """Raised where a text is read."""


def test_what_cannot_be_redacted_keeps_figures_and_loses_every_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = TextRedactor.text

    def fail(self: TextRedactor, said: str, found: Counter[str]) -> str:
        if "weird" in said:
            raise Broken
        return text(self, said, found)

    monkeypatch.setattr(TextRedactor, "text", fail)
    for content in Content:
        whose = project(presets=(Preset.EMAIL,), content=content)
        weird = row_of(span({**CALL, "user.id": "weird bob@example.com"}, name="a@b.io"), whose)
        assert weird["flags"] == [FAILED]
        assert weird["found"][FAILED] == 1
        assert (weird["role"], weird["input_tokens"], weird["name"]) == ("llm", 100, "[removed]")
        for word in (b"bob", b"Alice", b"a@b"):
            assert word not in weird["body"]
        fine = row_of(span({**CALL, "user.id": "bob@example.com"}), whose)
        assert (fine["user_id"], fine["flags"]) == ("[email]", [])


def test_a_broken_resource_loses_its_texts_and_flags_its_spans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: ByKey, pairs: object, above: str = "") -> None:
        if len(pairs) == 1:  # type: ignore[arg-type] # the attributes of the resource
            raise Broken

    monkeypatch.setattr(ByKey, "pairs", fail)
    for content in Content:
        row = row_of(span(CALL), project(drop_keys=("x",), content=content))
        assert (row["service_name"], row["flags"]) == ("", [FAILED])
        assert (row["role"], row["input_tokens"]) == ("llm", 100)
        assert len(row["input_messages"]) == 1


def test_json_deeper_than_python_reads_fails_closed() -> None:
    deep = "[" * 1000 + '"bob@example.com"' + "]" * 1000
    row = row_of(span({**CALL, "deep": deep}), project(drop_keys=("*.y",)))
    assert (row["flags"], row["input_tokens"]) == ([FAILED], 100)
    assert b"bob" not in row["body"]


def test_logs_and_metrics_fail_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Broken

    monkeypatch.setattr(Scrub, "may_be_in", lambda *_: True)
    monkeypatch.setattr(Scrub, "message", fail)
    made = logs(
        LogRecord(body=any_value("bob"), event_name="bob", severity_text="bob"), service="bob"
    )
    made.resource_logs[0].scope_logs[0].log_records.add(body=any_value("alice"))
    body, found = redacted(made, project(presets=(Preset.EMAIL,)))
    assert b"bob" not in body
    assert found[FAILED] == 4  # resource, scope, records
    assert len({row["log_id"] for row in log_rows(body)}) == 2
    points = points_by_user()
    body, _ = redacted(points, project(presets=(Preset.EMAIL,)))
    assert b"bob" not in body
    assert len({row["series_id"] for row in point_rows(body)}) == 3


def test_the_call_of_a_log_record_that_failed_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Broken

    monkeypatch.setattr(Scrub, "may_be_in", lambda *_: True)
    monkeypatch.setattr(Scrub, "message", fail)
    said = claude("api_request", NOW_NS, model="m", input_tokens=10, note="bob")
    body, _ = redacted(
        logs(said, scope="com.anthropic.claude_code.events"), project(presets=(Preset.EMAIL,))
    )
    assert b"bob" not in body
    made = decode_traces([Body("p", body, NOW_NS, Signal.LOGS)], "f", NOW_NS).spans.to_pylist()
    assert [(row["flags"], row["input_tokens"]) for row in made] == [([FAILED], 10)]


def test_unknown_fields_are_not_kept() -> None:
    made = request(span({"n": 1}))
    hidden = made.SerializeToString() + b"\xfa\x3e\x0fbob@example.com"  # field 1007, a text
    policy = policy_of(project(presets=(Preset.EMAIL,)))
    assert policy is not None
    again = type(made).FromString(hidden)
    body, _ = redact_body(policy, again, NOW_NS)
    assert b"bob" not in body


def test_what_was_sent_beside_the_fields_goes_also_where_the_length_stays_the_same() -> None:
    """A list of one number is shorter unpacked, which leaves room for a field sent twice."""

    def field(tag: int, data: bytes) -> bytes:
        length = len(data)
        size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
        return bytes([tag]) + size + data

    points = b"".join(field(0x0A, b"\x31" + bytes(8)) for _ in range(12))
    metric = field(0x12, b"bob@x.io") + field(0x12, b"") + field(0x4A, points)
    hidden = field(0x0A, field(0x12, field(0x12, metric)))
    made = ExportMetricsServiceRequest.FromString(hidden)
    assert made.ByteSize() == len(hidden)
    policy = policy_of(project(drop_keys=("x",)))
    assert policy is not None
    assert b"bob" not in redact_body(policy, made, NOW_NS)[0]


def test_without_settings_there_is_no_policy() -> None:
    assert policy_of(Project("p")) is None


# In the collector


def _spooled(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())


@pytest.mark.parametrize("spans", [1, 400])  # here, and in a thread
def test_nothing_of_it_reaches_the_disk(tmp_path: Path, spans: int) -> None:
    telemetry = Telemetry()
    path = tmp_path / "spool.db"
    whose = project(content=Content.OFF, presets=tuple(Preset), drop_keys=("secret",))
    said = {**CALL, "secret": "hunter2", "user.id": "bob@example.com", "note": "4111111111111111"}
    made = request(*(span(said) for _ in range(spans)))

    async def export() -> None:
        spool = Spool(path, max_bytes=1 << 30)
        try:
            intake = Intake(spool, telemetry)
            await intake.export_protobuf(Signal.TRACES, made.SerializeToString(), whose)
            said_too = logs(record("e", PROMPT)).SerializeToString()
            await intake.export_protobuf(Signal.LOGS, said_too, whose)
        finally:
            spool.close()

    asyncio.run(export())
    written = _spooled(path)
    assert b"gpt-4o-mini" in written
    for word in (b"Alice", b"hunter2", b"bob@", b"4111111111111111"):
        assert word not in written
    counted = {
        sample.labels["kind"]: sample.value
        for metric in telemetry.registry.collect()
        for sample in metric.samples
        if sample.name == "spanledger_collector_redacted_values_total"
    }
    assert counted == {"content": spans + 1, "dropped": spans, "email": 2 * spans}
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT count(*) FROM requests").fetchone() == (2,)
    file.close()


def test_many_spans_read_at_once_give_the_same_as_each_by_itself() -> None:
    whose = project(content=Content.OFF)
    silent = request(*(span(CALL if n % 2 else TOOL, span_id=n.to_bytes(8)) for n in range(1, 31)))
    body, _ = redacted(silent, whose)
    plain = request(*(span(TOOL, span_id=n.to_bytes(8)) for n in range(100, 900)))
    bodies = [Body("p", body, NOW_NS), Body("p", plain.SerializeToString(), NOW_NS)]
    rows = decode_traces(bodies, "flush", NOW_NS).spans.to_pylist()
    alone = [row for one in bodies for row in decode_traces([one], "f", NOW_NS).spans.to_pylist()]
    [expected] = decode_traces(
        [Body("p", request(span(TOOL)).SerializeToString(), NOW_NS)], "f", NOW_NS
    ).spans.to_pylist()
    assert {row["span_id"]: row for row in rows} == {row["span_id"]: row for row in alone}
    signed = {(row["call_sig"], row["result_sig"]) for row in rows if row["tool_arguments"]}
    assert signed == {(expected["call_sig"], expected["result_sig"])}
    assert not any(CARRIED in dict(row["attributes"]) for row in rows)
