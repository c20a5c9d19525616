"""One span as a file: JSON as the store has it, and OTLP JSON that any collector takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

from spanledger_dashboard.trace.data import Row
from spanledger_dashboard.trace.provider_request import Message

# https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_STATUSES = {"ok": 1, "error": 2}
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_FRACTION = re.compile(r"-?\d{1,15}\.\d{1,15}(e[+-]?\d{1,3})?", re.ASCII)
_NS_PER_S = 10**9
_MESSAGE_KEYS = ("gen_ai.input.messages", "gen_ai.output.messages")

Pairs = Mapping[str, str]


def as_json(
    span: Row, raw: Row | None, inputs: Sequence[Message], outputs: Sequence[Message]
) -> str:
    """Return a span with its messages as JSON: times in UTC, money as decimal text.

    Args:
        span: row of dashboard_span_detail.sql.
        raw: row of dashboard_span_raw.sql.
        inputs: messages sent.
        outputs: messages answered.
    """
    start_ns = cast("int", span["start_ns"])
    hidden = ("input_hashes", "output_hashes", "start_ns", "ingested_at_ms")
    body: dict[str, object] = {
        "start_time": _utc(start_ns),
        **{name: value for name, value in span.items() if name not in hidden},
        **(raw or {}),
        "input_messages": _written(inputs),
        "output_messages": _written(outputs),
    }
    kept = {name: value for name, value in body.items() if value not in (None, "", [], {})}
    return json.dumps(kept, indent=2, ensure_ascii=False, default=_plain_value)


def as_otlp(
    trace_id: str,
    span: Row,
    raw: Row | None,
    inputs: Sequence[Message],
    outputs: Sequence[Message],
) -> str:
    """Return an ``ExportTraceServiceRequest`` of one span in OTLP JSON, its ids as they are.

    Messages become the attributes of the GenAI conventions. Attributes are kept as text; what
    reads like a number or a truth value becomes one again.
    """
    attributes = dict(cast("Pairs", raw["attributes"])) if raw else {}
    for key, messages in zip(_MESSAGE_KEYS, (inputs, outputs), strict=True):
        if messages:
            attributes[key] = json.dumps(_written(messages), ensure_ascii=False)
    for key, column in (
        ("gen_ai.tool.call.arguments", "tool_arguments"),
        ("gen_ai.tool.call.result", "tool_result"),
    ):
        if span[column]:
            attributes[key] = str(span[column])
    resource = cast("Pairs", raw["resource_attributes"]) if raw else {}
    scope = {"name": span["scope_name"], "version": span["scope_version"]}
    body = {
        "resourceSpans": [
            {
                "resource": {"attributes": _key_values(resource)},
                "scopeSpans": [{"scope": scope, "spans": [_otlp_span(trace_id, span, attributes)]}],
            }
        ]
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def _otlp_span(trace_id: str, span: Row, attributes: Pairs) -> dict[str, object]:
    start_ns = cast("int", span["start_ns"])
    status = {
        "code": _STATUSES.get(str(span["status"]), 0),
        "message": str(span["status_message"]),
    }
    made: dict[str, object] = {
        "traceId": trace_id,
        "spanId": span["span_id"],
        "name": span["name"],
        # Rows made of log records have a kind of their own.
        "kind": _KINDS.get(str(span["kind"]), 1),
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + cast("int", span["duration_ns"])),
        "attributes": _key_values(attributes),
        "status": {k: v for k, v in status.items() if v},
    }
    for key, column in (("parentSpanId", "parent_span_id"), ("traceState", "trace_state")):
        if span[column]:
            made[key] = span[column]
    events = zip(
        *(_list(span, f"event_{c}") for c in ("times_ns", "names", "attributes")), strict=True
    )
    made["events"] = [
        {
            "timeUnixNano": str(at),
            "name": name,
            "attributes": _key_values(cast("Pairs", found)),
        }
        for at, name, found in events
    ]
    links = zip(
        *(_list(span, f"link_{c}") for c in ("trace_ids", "span_ids", "attributes")), strict=True
    )
    made["links"] = [
        {"traceId": to, "spanId": at, "attributes": _key_values(cast("Pairs", found))}
        for to, at, found in links
    ]
    return made


def _key_values(pairs: Pairs) -> list[dict[str, object]]:
    return [{"key": key, "value": _any_value(value)} for key, value in pairs.items()]


def _any_value(text: str) -> dict[str, object]:
    """Return the value a text was written from; its text is the same again either way."""
    if _WHOLE.fullmatch(text) and text != "-0":
        return {"intValue": text}
    if text in ("true", "false"):
        return {"boolValue": text == "true"}
    if _FRACTION.fullmatch(text) and repr(float(text)) == text:
        return {"doubleValue": float(text)}
    return {"stringValue": text}


def _written(messages: Sequence[Message]) -> list[dict[str, object]]:
    return [{"role": role, "parts": parts} for role, parts in messages]


def _list(span: Row, column: str) -> list[object]:
    return cast("list[object]", span[column])


def _utc(ns: int) -> str:
    moment = datetime.fromtimestamp(ns // _NS_PER_S, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % _NS_PER_S:09d}Z"


def _plain_value(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} is no part of a span")
