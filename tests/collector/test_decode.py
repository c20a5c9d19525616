"""Bytes become columns, whatever the bytes say, and the engine takes the columns."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector import dialects
from spanledger_collector.decode.decode import Body, Decoded, decode_traces
from spanledger_collector.decode.values import MAX_TIME_NS
from spanledger_storage.store import Store
from tests.otlp import request

NOW_NS = 1_800_000_000_123_456_789
MESSAGES = '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]'


def _any(value: object) -> AnyValue:
    made = AnyValue()
    match value:
        case AnyValue():
            return value
        case bool():
            made.bool_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case bytes():
            made.bytes_value = value
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(_any(item) for item in value)
        case dict():
            made.kvlist_value.SetInParent()
            made.kvlist_value.values.extend(_pairs(value))
        case str():
            made.string_value = value
        case _:
            assert value is None
    return made


def _pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in attributes.items()]


def _span(attributes: dict[str, Any] | None = None, **fields: Any) -> Span:
    given = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "start_time_unix_nano": NOW_NS, **fields}
    return Span(attributes=_pairs(attributes or {}), **given)


def _decode(*spans: Span, scope: str = "test") -> Decoded:
    body = Body("p", request(*spans, scope=scope).SerializeToString(), NOW_NS)
    return decode_traces([body], "flush", NOW_NS)


def _row(attributes: dict[str, Any] | None = None, *, scope: str = "test", **fields: Any) -> Any:
    [row] = _decode(_span(attributes, **fields), scope=scope).spans.to_pylist()
    row["attributes"] = dict(row["attributes"])
    return row


def _chat(**attributes: object) -> Any:
    return _row({"gen_ai.operation.name": "chat", **attributes})


def test_nothing_becomes_no_rows() -> None:
    decoded = decode_traces([], "flush", NOW_NS)
    assert decoded.spans.num_rows == decoded.messages.num_rows == decoded.touches.num_rows == 0
    assert decoded.spans.schema == _decode(_span()).spans.schema


def test_a_payload_that_is_no_request_is_named() -> None:
    good = Body("p", b"", 1)
    with pytest.raises(ValueError, match="body 1 is not a trace request"):
        decode_traces([good, Body("p", b"\xff\xff", 1)], "flush", 1)


def test_identity_times_and_status_are_columns() -> None:
    span = _span(
        parent_span_id=b"p" * 8,
        name="work",
        kind=Span.SPAN_KIND_SERVER,
        end_time_unix_nano=NOW_NS - 5,
        trace_state="a=b",
        status={"code": 2, "message": "boom"},
    )
    [row] = _decode(span).spans.to_pylist()
    assert (row["trace_id"], row["span_id"]) == ("74" * 16, "73" * 8)
    assert (row["parent_span_id"], row["name"], row["kind"]) == ("70" * 8, "work", "server")
    assert (row["status"], row["status_message"], row["trace_state"]) == ("error", "boom", "a=b")
    assert row["start_time"].value == NOW_NS
    assert row["end_time"].value == NOW_NS - 5
    assert (row["project"], row["version"], row["service_name"]) == ("p", NOW_NS, "test")
    assert row["ingested_at"].isoformat() == "2027-01-15T08:00:00.123000+00:00"
    assert row["resource_attributes"] == [("service.name", "test")]


def test_unknown_kinds_and_times_beyond_the_engine_are_tamed() -> None:
    row = _row(kind=99, start_time_unix_nano=2**64 - 1, status={"code": 9})
    assert (row["kind"], row["status"]) == ("unspecified", "unset")
    assert row["start_time"].value == MAX_TIME_NS


def test_attributes_are_text_and_the_last_of_a_key_wins() -> None:
    row = _row(
        {
            "true": True, "int": -3, "double": 0.1, "whole": 2.0, "nan": math.nan, "inf": -math.inf,
            "bytes": b"\xfb\xff", "none": None, "empty": "", "nul": "a\0b",
            "list": ["a", 1, None, math.nan], "map": {"b": {"c": b"\0"}, "a": False},
        }
    )  # fmt: skip
    assert row["attributes"] == {
        "true": "true", "int": "-3", "double": "0.1", "whole": "2.0", "nan": "NaN",
        "inf": "-Infinity", "bytes": "+/8=", "none": "", "empty": "", "nul": "a\0b",
        "list": '["a",1,null,"NaN"]', "map": '{"a":false,"b":{"c":"AA=="}}',
    }  # fmt: skip
    twice = _span()
    twice.attributes.extend(_pairs({"k": "first"}) + _pairs({"k": "last"}))
    assert _decode(twice).spans["attributes"].to_pylist() == [[("k", "last")]]


@pytest.mark.parametrize(
    "tokens",
    [-1, 2**53 + 1, 1.5, math.nan, math.inf, True, "many", "-5", "1_0", "٣", "", [1], {"a": 1},
     b"1"],
)  # fmt: skip
def test_what_is_no_count_is_unknown_and_stays_in_the_attributes(tokens: object) -> None:
    row = _chat(**{"gen_ai.usage.input_tokens": tokens})
    assert row["input_tokens"] is None
    assert row["usage_source"] == "none"
    assert "gen_ai.usage.input_tokens" in row["attributes"]


@pytest.mark.parametrize("tokens", [12, 12.0, "12", " 12 ", "12.0"])
def test_counts_may_be_floats_or_digits(tokens: object) -> None:
    row = _chat(**{"gen_ai.usage.input_tokens": tokens})
    assert row["input_tokens"] == 12
    assert row["usage_source"] == "span"


def test_a_worse_key_stands_in_for_a_bad_value_of_a_better_one() -> None:
    row = _chat(**{"gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.input_tokens": "?"})
    assert row["input_tokens"] == 7
    row = _chat(**{"gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.input_tokens": 8})
    assert row["input_tokens"] == 8


def test_zero_tokens_are_known() -> None:
    row = _chat(**{"gen_ai.usage.output_tokens": 0})
    assert (row["input_tokens"], row["output_tokens"], row["usage_source"]) == (None, 0, "span")


@pytest.mark.parametrize(
    ("reported", "cache_read", "cache_write", "total"),
    [(10, 60, 5, 75), (100, 60, 5, 100), (65, 60, 5, 65), (0, 60, None, 60), (10, None, None, 10)],
)
def test_input_tokens_are_inclusive(
    reported: int, cache_read: int | None, cache_write: int | None, total: int
) -> None:
    row = _chat(
        **{
            "gen_ai.usage.input_tokens": reported,
            "gen_ai.usage.cache_read.input_tokens": cache_read,
            "gen_ai.usage.cache_creation.input_tokens": cache_write,
        }
    )
    assert row["input_tokens"] == total
    assert (row["cache_read_tokens"], row["cache_write_tokens"]) == (cache_read, cache_write)


def test_all_cache_writes_are_the_sum_of_the_known_lifetimes() -> None:
    prefix = "anthropic.usage.cache_creation.ephemeral_"
    row = _chat(**{f"{prefix}5m_input_tokens": 3, f"{prefix}1h_input_tokens": 4})
    assert row["cache_write_tokens"] == 7


def test_times_money_flags_and_reasons_are_read_in_their_units() -> None:
    row = _chat(
        **{
            "gen_ai.response.time_to_first_chunk": 0.25,
            "operation.cost": 0.0103375,
            "gen_ai.is_streaming": "True",
            "gen_ai.response.finish_reasons": '["tool-calls"]',
            "gen_ai.system": "az.ai.openai",
            "gen_ai.request.seed": -7,
            "gen_ai.request.top_k": 40,
            "http.request.resend_count": 2,
            "gen_ai.request.temperature": "NaN",
        }
    )
    assert (row["ttft_ns"], row["stream"], row["attempts"]) == (250_000_000, True, 3)
    assert row["reported_cost_usd"] == Decimal("0.010337500000")
    assert (row["finish_reason"], row["provider"]) == ("tool_calls", "azure.ai.openai")
    assert (row["seed"], row["top_k"], row["temperature"]) == (-7, 40.0, None)


@pytest.mark.parametrize("cost", ["NaN", -1, "1e30", math.inf, "free", [1], True])
def test_what_is_no_amount_of_money_is_unknown(cost: object) -> None:
    assert _chat(**{"operation.cost": cost})["reported_cost_usd"] is None


@pytest.mark.parametrize(
    ("operation", "role"),
    [("chat", "llm"), ("EMBEDDINGS", "embedding"), ("execute_tool", "tool"), ("novel", "other"),
     ("invoke_agent", "agent"), ("retrieval", "retrieval"), (["chat"], "other")],
)  # fmt: skip
def test_the_operation_tells_the_role(operation: object, role: str) -> None:
    assert _row({"gen_ai.operation.name": operation})["role"] == role


def test_tasks_and_errors_are_read_on_any_span() -> None:
    row = _row(
        {"spanledger.task.id": "t1", "spanledger.task.outcome": "completed", "error.type": 5}
    )
    assert (row["task_id"], row["task_outcome"], row["error_type"]) == ("t1", "completed", "5")
    event = Span.Event(name="exception", attributes=_pairs({"exception.type": "ValueError"}))
    row = _row(events=[event])
    assert row["error_type"] == "ValueError"
    assert row["events.name"] == ["exception"]
    assert row["events.attributes"] == [[("exception.type", "ValueError")]]


def test_stream_chunks_are_dropped_and_other_events_and_links_kept() -> None:
    row = _row(
        events=[
            Span.Event(name="gen_ai.content.completion.chunk"),
            Span.Event(name="retry", time_unix_nano=5, attributes=_pairs({"n": 1})),
        ],
        links=[Span.Link(trace_id=b"a" * 16, span_id=b"b" * 8, attributes=_pairs({"l": True}))],
    )
    assert row["events.name"] == ["retry"]
    assert row["events.time"][0].value == 5
    assert row["events.attributes"] == [[("n", "1")]]
    assert row["links.trace_id"] == ["61" * 16]
    assert row["links.span_id"] == ["62" * 8]
    assert row["links.attributes"] == [[("l", "true")]]


def test_the_input_starts_with_tools_and_instructions() -> None:
    span = _span(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": MESSAGES,
            "gen_ai.system_instructions": '[{"type":"text","content":"Be brief."}]',
            "gen_ai.tool.definitions": '[{"type":"function","name":"get"}]',
            "gen_ai.output.messages": [{"role": "assistant", "parts": []}],
        }
    )
    decoded = _decode(span, span)
    [row, same] = decoded.spans.to_pylist()
    roles = {message["hash"]: message["role"] for message in decoded.messages.to_pylist()}
    assert [roles[digest] for digest in row["input_messages"]] == [
        "tool_definitions",
        "system",
        "user",
    ]
    assert [roles[digest] for digest in row["output_messages"]] == ["assistant"]
    assert same["input_messages"] == row["input_messages"]
    assert dict(row["attributes"]) == {"gen_ai.operation.name": "chat"}


def test_content_that_is_not_understood_stays_in_the_attributes() -> None:
    cut = MESSAGES[:-3]
    deep = '[{"role":"user","parts":' + "[" * 300 + "]" * 300 + "}]"
    for said in (cut, deep):
        row = _chat(**{"gen_ai.input.messages": said})
        assert row["attributes"]["gen_ai.input.messages"] == said
        assert row["input_messages"] == []


def test_message_events_are_messages() -> None:
    events = [
        Span.Event(name="gen_ai.user.message", attributes=_pairs({"content": "hi"})),
        Span.Event(name="gen_ai.choice", attributes=_pairs(
            {"message": '{"content": "yes"}', "finish_reason": "length", "extra": 1})),
        Span.Event(name="gen_ai.user.message", attributes=_pairs({"gen_ai.system": "openai"})),
    ]  # fmt: skip
    decoded = _decode(_span({"gen_ai.operation.name": "chat"}, events=events))
    [row] = decoded.spans.to_pylist()
    contents = {m["hash"]: orjson.loads(m["content"]) for m in decoded.messages.to_pylist()}
    assert [contents[digest]["parts"] for digest in row["input_messages"]] == [
        [{"type": "text", "content": "hi"}]
    ]
    assert [contents[digest]["role"] for digest in row["output_messages"]] == ["assistant"]
    assert row["finish_reason"] == "length"
    # What an event says besides its message, and an event without one, are kept.
    assert row["events.name"] == ["gen_ai.choice", "gen_ai.user.message"]
    assert row["events.attributes"][0] == [("extra", "1")]


def test_the_inference_event_holds_the_messages_of_its_span() -> None:
    event = Span.Event(
        name="gen_ai.client.inference.operation.details",
        attributes=_pairs({"gen_ai.input.messages": MESSAGES}),
    )
    decoded = _decode(_span({"gen_ai.operation.name": "chat"}, events=[event]))
    assert decoded.messages.num_rows == 1
    assert decoded.spans["events.name"].to_pylist() == [[]]


def test_raw_openinference_input_stays_when_flat_messages_were_lost() -> None:
    raw = orjson.dumps({"messages": [{"role": "user", "content": "a"}] * 3, "n": 1}).decode()
    attributes = {
        "openinference.span.kind": "LLM",
        "input.value": raw,
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": "a",
    }
    row = _row(attributes)
    assert row["attributes"]["input.value"] == raw
    for index in (0, 2):
        attributes[f"llm.input_messages.{index}.message.content"] = "a"
    row = _row(attributes)
    assert row["attributes"]["input.value"] == '{"n":1}'
    assert len(row["input_messages"]) == 3


def test_touches_count_spans_by_trace_and_hour() -> None:
    hour_ns = 3_600_000_000_000
    late = 2**64 - 1
    spans = [_span(start_time_unix_nano=time) for time in (0, 5, hour_ns, late)]
    spans.append(_span(trace_id=b"u" * 16, start_time_unix_nano=5))
    touches = _decode(*spans).touches.to_pylist()
    assert [(t["trace_id"][:2], t["hour"].timestamp(), t["spans"]) for t in touches] == [
        ("74", 0, 2),
        ("74", 3600, 1),
        ("74", 2**32 - 1, 1),  # the end of DateTime
        ("75", 0, 1),
    ]
    assert {t["flush_id"] for t in touches} == {"flush"}


def test_touches_tell_whether_the_first_span_of_a_trace_came() -> None:
    def touched(*spans: Span) -> dict[str, int]:
        return {t["trace_id"][:2]: t["has_root"] for t in _decode(*spans).touches.to_pylist()}

    child = _span(trace_id=b"\x01" * 16, span_id=b"\x0c" * 8, parent_span_id=b"\x0a" * 8)
    root = _span(trace_id=b"\x02" * 16, span_id=b"\x0b" * 8)
    late = _span(trace_id=b"\x02" * 16, span_id=b"\x0d" * 8, parent_span_id=b"\x0b" * 8)
    zero = _span(trace_id=b"\x03" * 16, span_id=b"\x0e" * 8, parent_span_id=bytes(8))
    assert touched(zero) == {"03": 1}, "an id of zeros is none"
    assert _decode(zero).spans["parent_span_id"].to_pylist() == [""]
    assert touched(child) == {"01": 0}
    assert touched(child, root) == {"01": 0, "02": 1}
    assert touched(late, child, root) == {"01": 0, "02": 1}


# Arbitrary spans: of known keys with wrong values, and of anything.

KNOWN_KEYS = sorted(
    {key for dialect in dialects.REGISTRY for key in dialect.columns}
    | {key for dialect in dialects.REGISTRY for key, _ in dialect.roles}
    | {
        "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
        "gen_ai.tool.definitions", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
        "traceloop.span.kind", "traceloop.entity.name", "traceloop.entity.input", "metadata",
        "input.value", "output.value", "llm.invocation_parameters", "openinference.span.kind",
        "llm.input_messages.0.message.role", "llm.input_messages.0.message.content",
        "llm.input_messages.0.message.contents.0.message_content.text",
        "llm.input_messages.0.message.tool_calls.0.tool_call.function.arguments",
        "llm.output_messages.7.message.tool_call_id", "llm.output_messages.x.message.role",
        "llm.tools.0.tool.json_schema", "gen_ai.prompt.0.content", "gen_ai.prompt.0.role",
        "gen_ai.completion.0.tool_calls.0.arguments", "gen_ai.completion.0.finish_reason",
        "llm.request.functions.0.parameters", "gen_ai.prompt.99999999.role", "gen_ai.tool.status",
    }
)  # fmt: skip
_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_telling = st.sampled_from(
    [
        "chat", "execute_tool", "LLM", "TOOL", "AGENT", "CHAIN", "tool", MESSAGES, "{}", "[]", "[[",
        '{"messages": [[{"a": 1}]], "id": 7, "usage": []}', '{"id": "x", "generations": [[]]}',
        '[{"role": 1, "content": {"x": [null, 1e308]}}]', '{"tools": 5, "model": ["m"]}', "1e9",
        '{"tool_call_id": 5, "data": {"tool_call_id": "c"}}', '{"reasoning": {"effort": {}}}', "\0",
    ]
)  # fmt: skip
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats()
    | st.binary(max_size=4) | _words | _telling,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_attributes = st.dictionaries(st.sampled_from(KNOWN_KEYS) | _words, _values, max_size=12)
_events = st.builds(
    lambda name, attributes, time: Span.Event(
        name=name, attributes=_pairs(attributes), time_unix_nano=time
    ),
    st.sampled_from(
        ["gen_ai.choice", "gen_ai.user.message", "gen_ai.tool.message", "exception",
         "gen_ai.content.prompt", "First Token Stream Event", "other",
         "gen_ai.client.inference.operation.details"]
    ),
    st.dictionaries(
        st.sampled_from(["content", "message", "role", "tool_calls", "id", "gen_ai.prompt",
                         "gen_ai.input.messages", "exception.type", "finish_reason"]),
        _values,
        max_size=4,
    ),
    st.integers(0, 2**64 - 1),
)  # fmt: skip
_scopes = st.sampled_from(
    ["", "my.app", "openinference.instrumentation.smolagents", "strands.telemetry",
     "openinference.instrumentation.openai_agents", "opentelemetry.instrumentation.langchain",
     "com.anthropic.sdk.python"]
)  # fmt: skip
_spans = st.builds(
    lambda attributes, events, fields: _span(attributes, events=events, **fields),
    _attributes,
    st.lists(_events, max_size=2),
    st.fixed_dictionaries(
        {
            "trace_id": st.binary(max_size=17),
            "name": _words,
            "kind": st.integers(-3, 9),
            "start_time_unix_nano": st.integers(0, 2**64 - 1),
            "end_time_unix_nano": st.integers(0, 2**64 - 1),
        }
    ),
)


@given(st.lists(_spans, max_size=4), _scopes)
@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_span_becomes_a_row(spans: list[Span], scope: str) -> None:
    decoded = _decode(*spans, scope=scope)
    assert decoded.spans.num_rows == len(spans)
    decoded.spans.validate(full=True)
    decoded.messages.validate(full=True)
    known = set(decoded.messages["hash"].to_pylist())
    for side in ("input_messages", "output_messages"):
        for hashes in decoded.spans[side].to_pylist():
            assert known >= set(hashes or ())


@given(st.lists(_spans, max_size=4), _scopes)
@settings(max_examples=20, deadline=None)
def test_the_same_bytes_become_the_same_rows(spans: list[Span], scope: str) -> None:
    first, second = _decode(*spans, scope=scope), _decode(*spans, scope=scope)
    # NaN never reaches a column, so equality is exact.
    assert first.spans.equals(second.spans)
    assert first.messages.equals(second.messages)


@pytest.mark.parametrize("key", KNOWN_KEYS)
def test_no_wrong_type_of_a_known_key_raises(key: str) -> None:
    wrong = ["", "x", 2**63 - 1, -1, 1e308, math.nan, True, b"\xff", [], [[]], {}, {"a": {}}, None]
    for other in ({}, {"gen_ai.operation.name": "chat"}, {"openinference.span.kind": "TOOL"}):
        spans = [_span({**other, key: value}) for value in wrong]
        assert _decode(*spans).spans.num_rows == len(wrong)


def _insert(store: Store, decoded: Decoded) -> None:
    store.insert("spans", decoded.spans, token="spans")
    store.insert("messages", decoded.messages, token="messages")
    store.insert("touches", decoded.touches, token="touches")


def test_hostile_spans_are_stored(store: Store) -> None:
    wide = {f"key{number}": number for number in range(10_000)}
    deep: object = "x"
    for _ in range(40):
        deep = [deep]
    big = "x" * (16 << 20)
    json_deep = "[" * 1_000 + "]" * 1_000
    spans = [
        _span(wide),
        _span({"gen_ai.input.messages": deep, "deep": deep}),
        _span({"gen_ai.input.messages": big, "openinference.span.kind": "LLM"}),
        _span({"openinference.span.kind": "LLM", "input.value": json_deep,
               "output.value": json_deep, "llm.output_messages.0.message.content": "a\0b"}),
        _span({"gen_ai.input.messages": json_deep, "": "empty key"}, name="nul\0"),
        _span(start_time_unix_nano=2**64 - 1, end_time_unix_nano=0),
        _span(trace_id=b"", span_id=b"", start_time_unix_nano=0),
    ]  # fmt: skip
    for number, span in enumerate(spans[:-1]):
        span.span_id = bytes([number]) * 8
    decoded = _decode(*spans)
    _insert(store, decoded)
    rows = store.sql_rows(
        "SELECT length(attributes) AS n, name, start_time, duration_ns FROM spans"
        " WHERE (trace_id, toStartOfHour(start_time)) IN (SELECT trace_id, hour FROM touches)"
        " ORDER BY start_time, n"
    )
    assert len(rows) == len(spans)
    assert max(int(str(row["n"])) for row in rows) == 10_000
    assert {row["duration_ns"] for row in rows} == {0}
    assert "nul\0" in {row["name"] for row in rows}
    assert str(rows[-1]["start_time"]).startswith("2262-04-11 23:47:16")


def test_columns_reach_the_engine_unchanged(store: Store) -> None:
    decoded = _decode(
        _span(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.usage.input_tokens": 12,
                "gen_ai.input.messages": MESSAGES,
                "operation.cost": "0.5",
                "gen_ai.request.stream": False,
                "k": "v",
            },
            events=[Span.Event(name="e", time_unix_nano=7, attributes=_pairs({"a": 1}))],
            links=[Span.Link(trace_id=b"l" * 16, span_id=b"m" * 8)],
        )
    )
    _insert(store, decoded)
    [row] = store.sql_rows(
        "SELECT role, input_tokens, output_tokens, reported_cost_usd, stream, attributes['k'] AS k,"
        " toUnixTimestamp64Nano(start_time) AS start_ns, events.name AS event_names,"
        " toUnixTimestamp64Nano(events.time[1]) AS event_ns, events.attributes[1]['a'] AS a,"
        " links.trace_id AS link_ids, resource_attributes['service.name'] AS service,"
        " (SELECT content FROM messages WHERE hash = input_messages[1]) AS content,"
        " (SELECT hour = toStartOfHour(start_time) FROM touches) AS is_hour FROM spans"
    )
    assert row == {
        "role": "llm",
        "input_tokens": 12,
        "output_tokens": None,
        "reported_cost_usd": Decimal("0.5"),
        "stream": False,
        "k": "v",
        "start_ns": NOW_NS,
        "event_names": ["e"],
        "event_ns": 7,
        "a": "1",
        "link_ids": ["6c" * 16],
        "service": "test",
        "content": '{"parts":[{"content":"hi","type":"text"}],"role":"user"}',
        "is_hour": 1,
    }


@given(st.lists(_spans, min_size=1, max_size=10), _scopes)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_engine_takes_any_span(store: Store, spans: list[Span], scope: str) -> None:
    decoded = _decode(*spans, scope=scope)
    store.execute("TRUNCATE TABLE spans")
    token = str(hash(decoded.spans["trace_id"].to_pylist().__repr__()))
    store.insert("spans", decoded.spans, token=f"spans-{token}")
    store.insert("messages", decoded.messages, token=f"messages-{token}")
    store.insert("touches", decoded.touches, token=f"touches-{token}")
