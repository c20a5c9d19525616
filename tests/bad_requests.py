"""Trace requests with something wrong, each of nine good spans and one at fault."""

from __future__ import annotations

import base64
import gzip
import json
import math
import secrets
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.otlp import attributes, request

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
GOOD = 9


@dataclass(frozen=True)
class Case:
    """A request and what must become of it: ``kept`` spans of its ten are stored."""

    name: str
    body: bytes = field(repr=False)
    status: int = 200
    kept: int = GOOD + 1
    content_type: str | None = PROTOBUF
    encoding: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        found = {"content-type": self.content_type, "content-encoding": self.encoding}
        return {name: text for name, text in found.items() if text is not None}


def ten_spans(case: str) -> ExportTraceServiceRequest:
    """Nine good spans and, in the middle, the poison; each says whose case it is."""
    trace_id, start_ns = secrets.token_bytes(16), time.time_ns() - 10**10
    made = [
        Span(
            trace_id=trace_id,
            span_id=secrets.token_bytes(8),
            name="poison" if n == 5 else f"good-{n}",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=start_ns + n,
            end_time_unix_nano=start_ns + 10**9,
            attributes=attributes({"gen_ai.operation.name": "chat", "case": case}),
        )
        for n in range(10)
    ]
    return request(*made, service="bad-input", scope="bad")


def poison_of(made: ExportTraceServiceRequest) -> Span:
    return made.resource_spans[0].scope_spans[0].spans[5]


def as_json(made: ExportTraceServiceRequest) -> dict[str, Any]:
    """OTLP/JSON of a request: protobuf's own, but for the ids."""
    found = MessageToDict(made, use_integers_for_enums=True)
    for span in _json_spans(found):
        for key in ("traceId", "spanId", "parentSpanId"):
            if key in span:
                span[key] = base64.b64decode(span[key]).hex()
    return found


def _json_spans(body: dict[str, Any]) -> list[dict[str, Any]]:
    return list(body["resourceSpans"][0]["scopeSpans"][0]["spans"])


def length_delimited(number: int, content: bytes) -> bytes:
    size, head = len(content), bytearray([number << 3 | 2])
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes([*head, size]) + content


def nested_protobuf(levels: int) -> bytes:
    """An attribute ``deep`` of kvlists in each other; the library refuses to build it."""
    value = length_delimited(1, b"bottom")
    for _ in range(levels):
        pair = length_delimited(1, b"k") + length_delimited(2, value)
        value = length_delimited(6, length_delimited(1, pair))
    return length_delimited(9, length_delimited(1, b"deep") + length_delimited(2, value))


def with_raw(made: ExportTraceServiceRequest, extra: bytes) -> bytes:
    """The request with bytes appended to the poison."""
    group = made.resource_spans[0]
    scope = group.scope_spans[0]
    spans = b"".join(
        length_delimited(2, s.SerializeToString() + (extra if s.name == "poison" else b""))
        for s in scope.spans
    )
    inner = length_delimited(1, scope.scope.SerializeToString()) + spans
    resource = length_delimited(1, group.resource.SerializeToString())
    return length_delimited(1, resource + length_delimited(2, inner))


def bomb(size: int, window_bits: int = 31) -> bytes:
    """A gzip body (window_bits 15: deflate) of zeros, about a thousandth of its content.

    Its last bytes are missing: nobody shall come so far.
    """
    stream = zlib.compressobj(9, zlib.DEFLATED, window_bits)

    def block() -> bytes:
        return stream.compress(bytes(1 << 20)) + stream.flush(zlib.Z_FULL_FLUSH)

    first, other = block(), block()
    return first + other * ((size >> 20) - 1)


def bad_requests(bomb_bytes: int = 1 << 30) -> Iterator[Case]:
    """Yield every case."""
    yield from _whole_bodies(bomb_bytes)
    for name, spoil, kept in _SPOILT:
        made = ten_spans(name)
        spoil(poison_of(made))
        yield Case(name, made.SerializeToString(), kept=kept)
    for name, extra, kept in _RAW:
        yield Case(name, with_raw(ten_spans(name), extra()), kept=kept)
    for name, change, status, kept in _JSON:
        body = as_json(ten_spans(name))
        written = json.dumps(change(body)).encode()
        yield Case(name, written, status, kept, content_type=JSON)
    yield _deep_json(1_000)
    truncated = json.dumps(as_json(ten_spans("json: truncated"))).encode()[:-40]
    yield Case("json: truncated", truncated, 400, 0, JSON)


def _whole_bodies(bomb_bytes: int) -> Iterator[Case]:
    def body(name: str) -> bytes:
        return ten_spans(name).SerializeToString()

    yield Case("ten good spans", body("ten good spans"))
    truncated = body("truncated")
    yield Case("truncated", truncated[: len(truncated) * 2 // 3], 400, 0)
    yield Case("random bytes", secrets.token_bytes(4096), 400, 0)
    yield Case("empty", b"", 200, 0)
    yield Case("text/plain", body("text/plain"), 415, 0, "text/plain")
    yield Case("no content type", body("no content type"), 415, 0, None)
    yield Case("protobuf as json", body("protobuf as json"), 400, 0, JSON)
    yield Case("charset", body("charset"), content_type=f"{PROTOBUF}; charset=utf-8")
    yield Case("gzip", gzip.compress(body("gzip")), encoding="gzip")
    yield Case("corrupt gzip", gzip.compress(body("corrupt gzip"))[:-12], 400, 0, encoding="gzip")
    yield Case("br that is none", body("br that is none"), 415, 0, encoding="br")
    magic = b"\x28\xb5\x2f\xfd" + body("zstd that is none")
    yield Case("zstd that is none", magic, 400, 0, encoding="zstd")
    yield Case("gzip bomb", bomb(bomb_bytes), 413, 0, encoding="gzip")


def _set(key: str, **value: Any) -> Callable[[Span], None]:
    """Give the poison an attribute."""

    def spoil(span: Span) -> None:
        span.attributes.add(key=key).value.MergeFrom(AnyValue(**value))

    return spoil


def _fields(**values: Any) -> Callable[[Span], None]:
    """Give the poison other fields."""

    def spoil(span: Span) -> None:
        for name, value in values.items():
            setattr(span, name, value)

    return spoil


def _times(start: int, end: int) -> Callable[[Span], None]:
    return _fields(start_time_unix_nano=start, end_time_unix_nano=end)


def _all(*spoils: Callable[[Span], None]) -> Callable[[Span], None]:
    def spoil(span: Span) -> None:
        for one in spoils:
            one(span)

    return spoil


def _many_attributes(span: Span) -> None:
    span.attributes.extend(attributes({f"k{n}": "v" for n in range(10_000)}))


def _own_parent(span: Span) -> None:
    span.parent_span_id = span.span_id


def _odd_enums(span: Span) -> None:
    span.kind = 77  # type: ignore[assignment]  # which is the point
    span.status.code = 99  # type: ignore[assignment]


def _nest(levels: int, span: Span) -> None:
    value = span.attributes.add(key="deep").value
    for _ in range(levels):
        value = value.kvlist_value.values.add(key="k").value
    value.string_value = "bottom"


_COUNTS = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "llm.token_count.prompt")
_SPOILT: list[tuple[str, Callable[[Span], None], int]] = [
    ("16 MB attribute", _set("big", string_value="x" * (16 << 20)), 10),
    ("trace id of 0 bytes", _fields(trace_id=b""), 9),
    ("trace id of 15 bytes", _fields(trace_id=b"t" * 15), 9),
    ("trace id of 32 bytes", _fields(trace_id=b"t" * 32), 9),
    ("span id of 0 bytes", _fields(span_id=b""), 9),
    ("span id of 4 bytes", _fields(span_id=b"s" * 4), 9),
    ("ids of zeros", _fields(trace_id=bytes(16), span_id=bytes(8)), 9),
    ("doubles that are no numbers", _all(
        _set("gen_ai.request.temperature", double_value=math.nan),
        _set("a.inf", double_value=math.inf),
        _set("gen_ai.usage.cost", double_value=-math.inf)), 10),
    ("token counts that are no numbers",
     _all(*(_set(key, double_value=math.nan) for key in _COUNTS)), 10),
    ("token counts in words", _all(*(_set(key, string_value="12abc") for key in _COUNTS)), 10),
    ("token counts of 2^63-1", _all(*(_set(key, int_value=2**63 - 1) for key in _COUNTS)), 10),
    ("10,000 attributes", _many_attributes, 10),
    ("times of 1970", _times(0, 0), 10),
    ("times of 2262", _times(2**63 - 1, 2**63 - 1), 10),
    ("times of 2^64-1", _times(2**64 - 1, 2**64 - 1), 10),
    ("end before start", _times(time.time_ns(), 10**9), 10),
    ("NUL in a text", _set("nul", string_value="a\0b"), 10),
    ("nested 30", partial(_nest, 30), 10),
    ("its own parent", _own_parent, 10),
    ("unknown status and kind", _odd_enums, 10),
]  # fmt: skip
_RAW: list[tuple[str, Callable[[], bytes], int]] = [
    ("invalid UTF-8 in an attribute", lambda: length_delimited(9, length_delimited(1, b"u")
     + length_delimited(2, length_delimited(1, b"\xff\xfe\xc3"))), 10),
    ("half a surrogate pair in the name", lambda: length_delimited(5, b"\xed\xa0\x80"), 10),
    ("an attribute without its end", lambda: length_delimited(9, b"\x0a\x7f"), 9),
    ("nested 1,000", lambda: nested_protobuf(1_000), 9),
    ("nested 20,000", lambda: nested_protobuf(20_000), 9),
]  # fmt: skip


def _poison(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Give the poison other JSON fields."""

    def change(body: dict[str, Any]) -> dict[str, Any]:
        body["resourceSpans"][0]["scopeSpans"][0]["spans"][5].update(fields)
        return body

    return change


def _spans_as_object(body: dict[str, Any]) -> dict[str, Any]:
    body["resourceSpans"][0]["scopeSpans"][0]["spans"] = {"x": 1}
    return body


_HALF = [{"key": "gen_ai.usage.input_tokens", "value": {"intValue": 1.5}}]
_JSON: list[tuple[str, Callable[[dict[str, Any]], Any], int, int]] = [
    ("json", lambda body: body, 200, 10),
    ("json: times in words", _poison(startTimeUnixNano="abc"), 200, 9),
    ("json: trace id as number", _poison(traceId=12345), 200, 9),
    ("json: trace id not hex", _poison(traceId="zz" * 16), 200, 9),
    ("json: attributes as object", _poison(attributes={"a": 1}), 200, 9),
    ("json: integer of 1.5", _poison(attributes=_HALF), 200, 9),
    ("json: spans as object", _spans_as_object, 400, 0),
    ("json: a list", lambda body: [body], 400, 0),
    ("json: null", lambda _: {"resourceSpans": None}, 200, 0),
]


def _deep_json(levels: int) -> Case:
    name = f"json: nested {levels}"
    change = _poison(attributes=[{"key": "deep", "value": "@"}])
    text = json.dumps(change(as_json(ten_spans(name))))
    opening, closing = '{"kvlistValue":{"values":[{"key":"k","value":', "}]}}"
    deep = opening * levels + '{"stringValue":"x"}' + closing * levels
    return Case(name, text.replace('"@"', deep).encode(), kept=9, content_type=JSON)
