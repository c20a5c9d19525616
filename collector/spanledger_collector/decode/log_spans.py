"""Log records that tell of a call, as spans: from there on one mechanism counts them all.

Which records do is a matter of their event name, for some vendors within a scope. What the record
says stays attributes, so that the dialect of its scope reads it as it reads that scope's spans.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from spanledger_collector.decode.carried import RECORD_HASH
from spanledger_collector.decode.values import (
    MAX_TIME_NS,
    Attributes,
    Value,
    dump_json,
    milliseconds,
    parse_json,
    read_attributes,
    read_value,
    text,
)

CLAUDE_CODE_SCOPE = "com.anthropic.claude_code.events"
DETAILS_EVENT = "gen_ai.client.inference.operation.details"
GEMINI_CLI_SCOPE = "gemini-cli"
_CLAUDE_CODE = "claude_code."
_GEMINI_CLI = "gemini_cli."


@dataclass(frozen=True, slots=True)
class Record:
    """A log record with what every reader of it asks for.

    ``record_id`` are 16 hex digits, the same whenever the record is sent. ``trace_id`` and
    ``span_id`` are bytes of the right length or empty; ``time_ns`` is 0 when nobody gave a time.
    """

    log: LogRecord
    attributes: Attributes
    event_name: str
    record_id: str
    trace_id: bytes
    span_id: bytes
    time_ns: int


Maker = Callable[[Record], Span | None]


def read_record(log: LogRecord, origin: bytes) -> Record:
    """Return a record as its readers want it; ``origin`` as of ``origin_of``."""
    attributes = read_attributes(log.attributes)
    event_name = log.event_name or text(attributes.get("event.name")) or ""
    trace_id = _usable(log.trace_id, 16)
    span_id = _usable(log.span_id, 8) if trace_id else b""
    time_ns = min(log.time_unix_nano or log.observed_time_unix_nano, MAX_TIME_NS)
    said: list[object] = [
        trace_id.hex(),
        span_id.hex(),
        time_ns,
        log.severity_number,
        event_name,
        dict(attributes),
        read_value(log.body),
    ]
    more = {
        "severity_text": log.severity_text,
        "observed_time": log.observed_time_unix_nano if log.time_unix_nano else 0,
        "flags": log.flags,
    }
    if any(more.values()):
        said.append(more)
    record_id = _digest(origin + dump_json(said), 8).hex()
    attributes.pop(RECORD_HASH, None)
    return Record(log, attributes, event_name, record_id, trace_id, span_id, time_ns)


def origin_of(resource: Resource, scope: InstrumentationScope) -> bytes:
    """Return what tells records of different origins apart though they say the same."""
    said: list[object] = [dict(read_attributes(resource.attributes)), scope.name]
    return dump_json([*said, *details_of(scope)])


def details_of(scope: InstrumentationScope) -> list[Attributes]:
    """Return what tells a scope from others of its name; empty: it says no more than that."""
    said: Attributes = {
        "version": scope.version,
        "attributes": dict(read_attributes(scope.attributes)),
    }
    found: Attributes = {name: value for name, value in said.items() if value}
    return [found] if found else []


def spans_of_logs(request: ExportLogsServiceRequest, received_ns: int) -> Iterator[ResourceSpans]:
    """Yield the spans that the records of a request amount to, under their resource and scope.

    A record without any time tells of something that ended when the request came.
    """
    for group in request.resource_logs:
        found = ResourceSpans(resource=group.resource)
        for scoped in group.scope_logs:
            makers = _BY_SCOPE.get(scoped.scope.name, _BY_EVENT)
            origin = b""
            spans: list[Span] = []
            for log in scoped.log_records:
                maker = makers.get(_event_key(log))
                if maker is not None:
                    origin = origin or origin_of(group.resource, scoped.scope)
                    record = read_record(log, origin)
                    span = maker(replace(record, time_ns=record.time_ns or received_ns))
                    if span is not None:
                        spans.append(span)
            if spans:
                found.scope_spans.append(ScopeSpans(scope=scoped.scope, spans=spans))
        if found.scope_spans:
            yield found


def span_of_log(
    log: LogRecord, resource: Resource, scope: InstrumentationScope, received_ns: int
) -> Span | None:
    """Return the span that one record amounts to, if it does; as ``spans_of_logs`` does."""
    maker = _BY_SCOPE.get(scope.name, _BY_EVENT).get(_event_key(log))
    if maker is None:
        return None
    record = read_record(log, origin_of(resource, scope))
    return maker(replace(record, time_ns=record.time_ns or received_ns))


def _event_key(log: LogRecord) -> str:
    """Return the name of a record's event without reading all its attributes."""
    name = log.event_name
    if not name:
        named = (pair.value for pair in log.attributes if pair.key == "event.name")
        name = next((value.string_value for value in named), "")
    return name.removeprefix(_CLAUDE_CODE)


def _usable(given: bytes, size: int) -> bytes:
    return given if len(given) == size and any(given) else b""


def _digest(data: bytes, size: int) -> bytes:
    """Return a hash that is never all zero, which would be no id."""
    digest = blake2b(data, digest_size=size).digest()
    return digest if any(digest) else b"\1" * size


def _span(record: Record, name: str) -> Span:
    """Return the span of a record that tells of something that ended when it was written."""
    duration_ns = milliseconds(record.attributes.get("duration_ms")) or 0
    return Span(
        trace_id=record.trace_id,
        span_id=bytes.fromhex(record.record_id),
        parent_span_id=record.span_id,
        name=name,
        start_time_unix_nano=max(0, record.time_ns - duration_ns),
        end_time_unix_nano=record.time_ns,
        attributes=[pair for pair in record.log.attributes if pair.key != RECORD_HASH],
    )


def _pair(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _fail(span: Span, record: Record, error_type: str) -> None:
    message = text(record.attributes.get("error")) or ""
    span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=message))
    if error_type and "error.type" not in record.attributes:
        span.attributes.append(_pair("error.type", error_type))


# Claude Code: https://code.claude.com/docs/en/monitoring-usage


def _claude_code_call(record: Record) -> Span:
    span = _claude_code_span(record, "llm_request")
    if record.event_name.endswith("api_error"):
        _fail(span, record, text(record.attributes.get("status_code")) or "")
    return span


def _claude_code_tool(record: Record) -> Span:
    span = _claude_code_span(record, "tool")
    said = parse_json(record.attributes.get("tool_parameters"))
    name = said.get("mcp_tool_name") if isinstance(said, dict) else None
    if isinstance(name, str) and name:  # where tool_name says "mcp_tool" of all of them
        span.attributes.append(_pair("gen_ai.tool.name", name))
    if text(record.attributes.get("success")) == "false":
        _fail(span, record, text(record.attributes.get("error_type")) or "")
    return span


def _claude_code_prompt(record: Record) -> Span | None:
    """Return the turn that a prompt begins; with traces on, a span of theirs is that."""
    if record.trace_id:
        return None
    span = _claude_code_span(record, "interaction")
    if span.parent_span_id:
        span.span_id, span.parent_span_id = span.parent_span_id, b""
    return span


def _claude_code_span(record: Record, name: str) -> Span:
    """Return a span placed where the record says, else below the prompt it belongs to."""
    span = _span(record, f"{_CLAUDE_CODE}{name}")
    if not record.trace_id:
        prompt = text(record.attributes.get("prompt.id")) or ""
        place = prompt or text(record.attributes.get("session.id")) or record.record_id
        span.trace_id = _trace_id(place)
        span.parent_span_id = _digest(prompt.encode(), 8) if prompt else b""
    return span


def _trace_id(place: str) -> bytes:
    """Return the bytes of a UUID, of any other text a hash."""
    try:
        found = uuid.UUID(place).bytes
    except ValueError:
        found = b""
    return found if any(found) else _digest(place.encode(), 16)


# OpenTelemetry GenAI: https://github.com/open-telemetry/semantic-conventions-genai


def _details(record: Record) -> Span:
    """Return the view of the call that the record's span is, or of a call without one."""
    said = record.attributes
    operation = text(said.get("gen_ai.operation.name")) or "inference"
    model = text(said.get("gen_ai.request.model")) or text(said.get("gen_ai.response.model"))
    span = _span(record, f"{operation} {model}" if model else operation)
    span.kind = Span.SPAN_KIND_CLIENT  # as the conventions have it: tells a call from others
    span.trace_id = record.trace_id or _digest(record.record_id.encode(), 16)
    if "error.type" in said:
        _fail(span, record, "")
    return span


# Gemini CLI, which writes two records of each answer, and the GenAI event of the request before:
# https://github.com/google-gemini/gemini-cli/blob/main/docs/cli/telemetry.md

_PARTLY_TOLD = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")


def _gemini_cli_call(record: Record) -> Span:
    model = text(record.attributes.get("model")) or ""
    span = _span(record, f"generate_content {model}")
    counts = ("input_token_count", "output_token_count")
    span.trace_id, span.span_id = _gemini_cli_place(record, model, counts)
    _leave_out(span, ("response_text",))  # which the other record holds as messages
    span.attributes.append(_pair("gen_ai.operation.name", "generate_content"))
    if record.event_name.endswith("api_error"):
        _fail(span, record, text(record.attributes.get("status_code")) or "")
    return span


def _gemini_cli_details(record: Record) -> Span:
    """Return a view of the call with its messages; its counts leave out thoughts and cache.

    Of a request that has no answer yet it is no call, and holds the messages alone.
    """
    said = record.attributes
    span = _details(record)
    model = text(said.get("gen_ai.request.model")) or ""
    span.trace_id, call_id = _gemini_cli_place(record, model, _PARTLY_TOLD)
    if "gen_ai.response.model" not in said:
        span.kind = Span.SPAN_KIND_INTERNAL
        _leave_out(span, ("gen_ai.operation.name",))
        return span
    span.parent_span_id = call_id
    _leave_out(span, _PARTLY_TOLD)
    if _PARTLY_TOLD[0] not in said:
        _fail(span, record, "")
    return span


def _leave_out(span: Span, keys: Collection[str]) -> None:
    kept = [pair for pair in span.attributes if pair.key not in keys]
    del span.attributes[:]
    span.attributes.extend(kept)


def _gemini_cli_place(record: Record, model: str, counts: Iterable[str]) -> tuple[bytes, bytes]:
    """Return the ids of an answer's trace and span, by what both records of it say."""
    said = record.attributes
    session = text(said.get("session.id")) or ""
    trace_id = record.trace_id or _trace_id(session or record.record_id)
    written = text(said.get("event.timestamp"))
    alike: list[object] = [trace_id.hex(), session, written, model, *map(said.get, counts)]
    return trace_id, _digest(dump_json(alike), 8)


def _message(record: Record) -> Span | None:
    """Return a holder of the one message that a record of the deprecated kind carries."""
    if not record.span_id:
        return None
    span = _span(record, record.event_name)
    body = record.log.body
    event = span.events.add(name=record.event_name, time_unix_nano=record.time_ns)
    if body.HasField("kvlist_value"):
        event.attributes.extend(body.kvlist_value.values)
    else:
        event.attributes.extend(_message_fields(read_value(body)))
    return span


def _message_fields(said: Value) -> Iterator[KeyValue]:
    """Yield the fields of a message that came as JSON text (Semantic Kernel) or plain text."""
    parsed = parse_json(said)
    fields = parsed if isinstance(parsed, dict) else {"content": said}
    for key, value in fields.items():
        if value is not None:
            written = value if isinstance(value, str) else dump_json(value).decode()
            yield KeyValue(key=str(key), value=AnyValue(string_value=written))


_BY_EVENT: Mapping[str, Maker] = {
    DETAILS_EVENT: _details,
    **dict.fromkeys(
        (
            "gen_ai.system.message",
            "gen_ai.user.message",
            "gen_ai.assistant.message",
            "gen_ai.tool.message",
            "gen_ai.choice",
        ),
        _message,
    ),
}
_BY_SCOPE: Mapping[str, Mapping[str, Maker]] = {
    CLAUDE_CODE_SCOPE: {
        "api_request": _claude_code_call,
        "api_error": _claude_code_call,
        "tool_result": _claude_code_tool,
        "user_prompt": _claude_code_prompt,
    },
    GEMINI_CLI_SCOPE: {
        f"{_GEMINI_CLI}api_response": _gemini_cli_call,
        f"{_GEMINI_CLI}api_error": _gemini_cli_call,
        DETAILS_EVENT: _gemini_cli_details,
    },
}
