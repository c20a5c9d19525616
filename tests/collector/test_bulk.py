"""Reading ordinary spans at once gives the rows that reading them one by one gives."""

from __future__ import annotations

import json
import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from benchmarks.payloads import payloads
from spanledger_collector.decode.bulk import decode as bulk
from spanledger_collector.decode.decode import Body, Decoded, decode_traces
from spanledger_collector.decode.messages import MessageStore
from spanledger_collector.dialects.generic import GENERIC
from spanledger_collector.dialects.otel_genai import INTERPRETED, OTEL_GENAI
from spanledger_collector.signals import Signal
from tests.decoded import recorded
from tests.otlp import request, span

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "otlp"
NOW_NS = 1_800_000_000_123_456_789


@contextmanager
def reading(*, at_once: bool) -> Generator[None]:
    """Read all ordinary spans at once, or none."""
    before = bulk.FEWEST_SPANS, bulk.LEAST_SHARE
    bulk.FEWEST_SPANS, bulk.LEAST_SHARE = (0, 0.0) if at_once else (2**40, 1.0)
    try:
        yield
    finally:
        bulk.FEWEST_SPANS, bulk.LEAST_SHARE = before


def decoded(bodies: Sequence[Body], *, at_once: bool) -> Decoded:
    with reading(at_once=at_once):
        return decode_traces(bodies, "flush", NOW_NS)


def assert_same(bodies: Sequence[Body]) -> None:
    _read(bodies)  # must not raise: the decoder would go on without
    by_one, at_once = decoded(bodies, at_once=False), decoded(bodies, at_once=True)
    for name in ("spans", "messages", "touches"):
        expected, found = getattr(by_one, name), getattr(at_once, name)
        found.validate(full=True)
        assert found.schema == expected.schema
        assert _rows(found) == _rows(expected), name


def _rows(table: pa.Table) -> list[str]:
    """Return rows as text, because NaN is not equal to itself and True is equal to 1."""
    return sorted(repr(row) for row in table.to_pylist())


def _body(made: ExportTraceServiceRequest, project: str = "p") -> Body:
    return Body(project, made.SerializeToString(), NOW_NS - 1)


def _read(bodies: Sequence[Body]) -> int:
    """Return how many spans are read at once."""
    with reading(at_once=True):
        found = bulk.read_at_once(bodies, MessageStore(), 0)
    return 0 if found is None else found.spans.num_rows


def _recorded() -> list[Body]:
    files = sorted(RECORDINGS.glob("*/*.traces.bin"))
    return [Body(f.parent.name[:5], recorded(f), NOW_NS - n) for n, f in enumerate(files)]


def test_recordings_give_the_same_rows() -> None:
    bodies = _recorded()
    assert len(bodies) > 50
    assert _read(bodies) > 50
    assert_same(bodies)


def test_ordinary_agent_traces_are_read_at_once() -> None:
    bodies = [Body(f"p{n % 3}", p.body, NOW_NS + n) for n, p in enumerate(payloads(400, 50))]
    assert _read(bodies) == 400
    assert_same(bodies)


def test_only_large_batches_are_read_at_once() -> None:
    small = [_body(request(span(gen_ai__system="openai")))]
    assert bulk.read_at_once(small, MessageStore(), 0) is None


def test_an_unknown_instrumentation_is_left_to_the_other_reader() -> None:
    odd = [span(openinference__span__kind="LLM") for _ in range(2 * bulk.FEWEST_SPANS)]
    assert bulk.read_at_once([_body(request(*odd))], MessageStore(), 0) is None


def test_a_span_with_events_is_read_alone() -> None:
    plain, eventful = span(gen_ai__tool__name="a"), span(gen_ai__tool__name="b")
    eventful.events.add(name="exception", time_unix_nano=NOW_NS)
    bodies = [_body(request(plain, eventful))]
    assert _read(bodies) == 1
    assert_same(bodies)


def test_the_region_of_a_span_comes_before_that_of_its_resource() -> None:
    made = request(span(cloud__region="eu"), span(), span(cloud__region=""))
    region = made.resource_spans[0].resource.attributes.add(key="cloud.region")
    region.value.string_value = "us"
    bodies = [_body(made)]
    assert_same(bodies)
    regions = decoded(bodies, at_once=True).spans["region"].to_pylist()
    assert sorted(map(str, regions)) == ["eu", "us", "us"]


def test_a_resource_and_a_scope_may_say_nothing() -> None:
    made = ExportTraceServiceRequest()
    made.resource_spans.add().scope_spans.add().spans.append(span())
    made.resource_spans.add()
    made.resource_spans.add().scope_spans.add()
    assert_same([_body(made), _body(ExportTraceServiceRequest()), _body(made)])


@pytest.mark.parametrize("key", INTERPRETED)
def test_a_span_with_a_key_to_interpret_is_read_alone(key: str) -> None:
    usage: dict[str, Any] = {
        "gen_ai__operation__name": "chat",
        "gen_ai__usage__input_tokens": 7,
        "gen_ai__usage__output_tokens": 3,
        "gen_ai__usage__cache_read__input_tokens": 5,
    }
    told: dict[str, Any] = {
        key.replace(".", "__"): '{"x": {"serviceTier": "priority"}}' if "Metadata" in key else 5
    }
    bodies = [_body(request(span(**usage), span(**usage, **told)))]
    assert _read(bodies) == 1
    assert_same(bodies)


def test_a_makers_name_beside_an_id_of_bedrock_is_read_alike() -> None:
    said = [("anthropic", "us.anthropic.claude-opus-5"), ("anthropic", "claude-opus-5"), ("x", "")]
    spans: list[Span] = []
    for provider, model in said:
        asked = span(gen_ai__provider__name=provider, gen_ai__request__model=model)
        answered = span(gen_ai__provider__name=provider, gen_ai__response__model=model)
        spans += [asked, answered]
    bodies = [_body(request(*spans))]
    assert_same(bodies)
    assert decoded(bodies, at_once=True).spans["provider"].to_pylist().count("aws.bedrock") == 2


def test_every_span_may_have_keys_of_its_own() -> None:
    spans = [span() for _ in range(100)]
    for n, made in enumerate(spans):
        made.attributes.extend(KeyValue(key=f"k{n}.{m}", value=_any(m)) for m in range(50))
    assert_same([_body(request(*spans))])


def test_a_broken_body_is_named_by_its_index() -> None:
    good = _body(request(span()))
    with pytest.raises(ValueError, match="body 1 is not a trace request"):
        decoded([good, Body("p", b"\x0a\x05abc", 1)], at_once=True)


def test_logs_beside_traces_keep_their_rows() -> None:
    logs = Body("p", b"", 1, Signal.LOGS)
    assert_same([logs, _body(request(span())), logs, _body(request(span(), span()))])


_KEYS = st.sampled_from(
    sorted({*OTEL_GENAI.columns, *OTEL_GENAI.content.keys, *GENERIC.columns, *OTEL_GENAI.markers})
    + ["gen_ai.operation.name"] * 5
    + sorted(INTERPRETED)
    + ["gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.usage.input_tokens"] * 3
    + ["gen_ai.tool.status", "openinference.span.kind", "logfire.span_type", "custom", "", "ü"]
)
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "human", "unknown", "User", "", "tool"]),
            "parts": st.lists(
                st.fixed_dictionaries({"type": st.just("text"), "content": st.text(max_size=9)})
                | st.fixed_dictionaries({"content": st.text(max_size=9), "type": st.just("text")})
                | st.fixed_dictionaries({"type": st.just("tool_call"), "id": st.text(max_size=3)}),
                max_size=2,
            ),
        },
        optional={"finish_reason": st.sampled_from(["stop", "Stop!", ""])},
    ),
    max_size=3,
)
_WORDS = st.sampled_from(
    ["chat", "CHAT", "execute_tool", "invoke_agent", "embeddings", "openai", "gpt", "7", "7.0"]
    + ["anthropic", "anthropic", "us.anthropic.claude", "amazon.nova-pro-v1:0"]
    + [
        "0",
        "-1",
        "1e3",
        "true",
        "stop",
        '["stop"]',
        "[",
        "{}",
        " [1]",
        "",
        "NaN",
        "a" * 300,
        "\x00",
    ]
)
_JSON = st.builds(
    lambda value, spaced: orjson.dumps(value).decode() if not spaced else _spaced(value),
    _MESSAGES,
    st.booleans(),
)
_SCALARS = st.one_of(
    _WORDS,
    _JSON,
    st.text(max_size=8),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 50),
    st.sampled_from([2**53, 2**53 + 1]),
    st.floats(),
    st.sampled_from([0.0, -0.0, 1e16, 0.1]),
    st.binary(max_size=4),
    st.none(),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


def _spaced(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _any(value: object) -> AnyValue:
    made = AnyValue()
    match value:
        case bool():
            made.bool_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case bytes():
            made.bytes_value = value
        case str():
            made.string_value = value
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(_any(item) for item in value)
        case dict():
            made.kvlist_value.SetInParent()
            made.kvlist_value.values.extend(
                KeyValue(key=key, value=_any(item)) for key, item in value.items()
            )
        case _:
            pass
    return made


_TIMES = st.one_of(
    st.integers(NOW_NS - 10**13, NOW_NS), st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1])
)
_SPANS = st.builds(
    lambda pairs, repeated, **fields: Span(
        attributes=[KeyValue(key=k, value=_any(v)) for k, v in [*pairs.items(), *repeated]],
        **fields,
    ),
    st.dictionaries(_KEYS, _VALUES, max_size=9),
    st.lists(st.tuples(_KEYS, _SCALARS), max_size=1),
    trace_id=st.sampled_from([b"t" * 16, b"u" * 16, b"", b"x"]),
    span_id=st.sampled_from([b"s" * 8, b"", b"longer than eight"]),
    parent_span_id=st.sampled_from([b"", b"p" * 8, bytes(8), b"odd"]),
    name=st.sampled_from(["chat x", "", "ü"]),
    kind=st.sampled_from([0, 1, 2, 3, 3, 3, 5]),
    start_time_unix_nano=_TIMES,
    end_time_unix_nano=_TIMES,
    trace_state=st.sampled_from(["", "a=b"]),
    status=st.sampled_from([Status(), Status(code=Status.STATUS_CODE_ERROR, message="boom")]),
)
_SCOPES = st.sampled_from(
    ["openai_v2", "opentelemetry.instrumentation.genai.x", "http", "strands.telemetry", ""]
)


@given(
    st.lists(st.tuples(st.lists(_SPANS, max_size=4), _SCOPES, st.sampled_from("pq")), max_size=4)
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_whatever_spans_say_both_readers_agree(
    requests: list[tuple[list[Span], str, str]],
) -> None:
    assert_same([_body(request(*spans, scope=scope), to) for spans, scope, to in requests])


def test_the_order_is_that_of_the_tables_key() -> None:
    rng = random.Random(7)
    spans = [
        span(trace_id=rng.randbytes(16), start_ns=NOW_NS - rng.randrange(9 * 10**12))
        for _ in range(50)
    ]
    found = decoded([_body(request(*spans))], at_once=True).spans
    hours = [time.value // 3_600_000_000_000 for time in found["start_time"]]
    keys = list(zip(hours, found["trace_id"].to_pylist(), strict=True))
    assert keys == sorted(keys)
