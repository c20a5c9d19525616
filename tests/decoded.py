"""Spans written as Python values, and the rows they become."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector.decode.decode import Body, Decoded, decode_traces
from spanledger_collector.edge.json_otlp import traces_from_json
from tests.otlp import request

NOW_NS = 1_800_000_000_123_456_789


def any_value(value: object) -> AnyValue:
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
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(any_value(item) for item in value)
        case dict():
            made.kvlist_value.SetInParent()
            made.kvlist_value.values.extend(pairs(value))
        case str():
            made.string_value = value
        case _:
            assert value is None
    return made


def pairs(attributes: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def span(attributes: Mapping[str, object] | None = None, **fields: Any) -> Span:
    given: dict[str, Any] = {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "start_time_unix_nano": NOW_NS,
        "end_time_unix_nano": NOW_NS + 1_000_000_000,
        **fields,
    }
    return Span(attributes=pairs(attributes or {}), **given)


def decode(*spans: Span, scope: str = "test") -> Decoded:
    body = Body("p", request(*spans, scope=scope).SerializeToString(), NOW_NS)
    return decode_traces([body], "flush", NOW_NS)


def row(attributes: Mapping[str, object], *, scope: str = "test", **fields: Any) -> dict[str, Any]:
    """Return the row of one span: its columns, ``attributes`` as a dict, and what was said.

    ``said`` holds the messages in order, those of the input first.
    """
    decoded = decode(span(attributes, **fields), scope=scope)
    [made] = decoded.spans.to_pylist()
    made["attributes"] = dict(made["attributes"])
    messages = {item["hash"]: item["content"] for item in decoded.messages.to_pylist()}
    hashes = made["input_messages"] + made["output_messages"]
    made["said"] = [orjson.loads(messages[digest]) for digest in hashes]
    return made


TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
)


def tokens(made: Mapping[str, Any]) -> tuple[int | None, ...]:
    """Return input, cache reads, cache writes, output and reasoning of a row."""
    return tuple(made[column] for column in TOKENS)


def recorded(file: Path) -> bytes:
    """Return a recording of spans in protobuf, whatever it was sent as."""
    body = file.read_bytes()
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    elif body[:1] == b"\x78":
        body = zlib.decompress(body)
    return traces_from_json(body).SerializeToString() if body[:1] == b"{" else body
