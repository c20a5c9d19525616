"""Spans and log records without what was said in them: counted and hashed first, then taken out."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import cast

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector import dialects
from spanledger_collector.decode.carried import CARRIED, any_value, carry
from spanledger_collector.decode.columns import TEMPLATE, Row
from spanledger_collector.decode.log_spans import span_of_log
from spanledger_collector.decode.messages import MessageStore
from spanledger_collector.decode.reading import Event, Reading, identify, read_span
from spanledger_collector.decode.resources import resource_columns
from spanledger_collector.decode.signatures import JUDGED
from spanledger_collector.decode.values import Attributes, Value, read_attributes, read_value
from spanledger_collector.dialects.content import MESSAGE_EVENTS
from spanledger_collector.privacy.attributes import Pairs, pairs_of, points_of, replace
from spanledger_collector.privacy.hashing import keyed
from spanledger_collector.privacy.known import (
    CONTENT_KEYS,
    REMOVED,
    is_label,
    short_name,
    what_may_stay,
    word_or,
)

_LONGEST_KEY = 256
_LONGEST_STATE = 512
_WIDE = {"input", "output"}  # above input.mime_type and the like


class Place:
    """Where spans come from, and the reader of what they say before it is taken out."""

    def __init__(
        self,
        resource: Resource,
        scope: InstrumentationScope,
        received_ns: int,
        messages: MessageStore,
        key: bytes,
    ) -> None:
        """Take what the spans of a scope share.

        Args:
            resource: of the scope, as it will be stored.
            scope: of the spans.
            received_ns: when the request came, in nanoseconds since 1970.
            messages: of one request; nothing of it is stored.
            key: of the keyed hashes of the project.
        """
        self.resource = resource
        self.scope = scope
        self.received_ns = received_ns
        self._messages = messages
        self._key = key
        self._dialect = dialects.of_scope(scope.name)
        self._template: Row = {
            **TEMPLATE,
            **resource_columns(read_attributes(resource.attributes)),
            "scope_name": scope.name,
            "scope_version": scope.version,
            "version": received_ns,
        }

    def read(self, span: Span, *, is_log: bool = False) -> tuple[Reading, Row]:
        """Return what a span says, and its columns as they would be without that."""
        template = {**self._template, "kind": "log" if is_log else ""}
        attributes = read_attributes(span.attributes)
        attributes.pop(CARRIED, None)
        reading = read_span(span, attributes, template, self._dialect, self._messages, self._key)
        base = template.copy()
        identify(base, span)
        return reading, base

    def carried(self, reading: Reading, base: Row) -> KeyValue:
        """Return what was read, to be carried on the span; messages as keyed hashes."""
        inputs, outputs = (keyed(side, self._key) for side in (reading.inputs, reading.outputs))
        row = reading.draft.row
        for name, value in row.items():
            if isinstance(value, str) and value != base[name]:
                # What stands for an error is the name of a class, not a sentence.
                is_word = name == "error_type"
                row[name] = word_or(value, REMOVED) if is_word else short_name(value)
        return carry(row, base, reading.draft.flags, inputs, outputs)

    def signatures(self, span: Span) -> KeyValue | None:
        """Return the signatures of a tool call before its texts are changed."""
        reading, base = self.read(span)
        row = reading.draft.row
        if not any(row[name] for name in JUDGED):
            return None
        return carry({**base, **{name: row[name] for name in JUDGED}}, base, [])

    def signatures_of_log(self, record: LogRecord) -> KeyValue | None:
        """Return the signatures of the tool call that a log record tells of, if it does."""
        span = span_of_log(record, self.resource, self.scope, self.received_ns)
        return None if span is None else self.signatures(span)

    def digest(self, record: LogRecord) -> bytes:
        """Return a keyed hash of a whole log record."""
        data = record.SerializeToString(deterministic=True)
        return blake2b(data, digest_size=8, key=self._key).digest()


def silence_span(span: Span, place: Place) -> None:
    """Take what was said out of a span, and leave on it what was read."""
    reading, base = place.read(span)
    is_tool = reading.draft.row["role"] == "tool"
    _silence(span.attributes, reading.draft.attributes, is_tool=is_tool)
    span.attributes.append(place.carried(reading, base))
    if span.events:
        events = map(_silenced_event, reading.events)
        replace(span.events, [e for e in events if e.attributes or e.name not in MESSAGE_EVENTS])
    if (start := reading.draft.row["start_time"]) != base["start_time"]:
        span.start_time_unix_nano = cast("int", start)
    span.name = short_name(span.name)
    span.trace_state = _state(span.trace_state)
    if span.status.message:
        span.status.message = ""
    for link in span.links:
        silence_attributes(link.attributes)
        link.trace_state = _state(link.trace_state)


def _state(state: str) -> str:
    """Return a trace state that is one: https://www.w3.org/TR/trace-context/#tracestate-header."""
    is_state = len(state) <= _LONGEST_STATE and not any(map(str.isspace, state))
    return state if is_state else ""


def silence_log(log: LogRecord, place: Place) -> None:
    """Take what was said out of a log record, and leave on it what was read of its call."""
    attributes = read_attributes(log.attributes)
    span = span_of_log(log, place.resource, place.scope, place.received_ns)
    if not _only_names(log, attributes):
        log.ClearField("body")
    if span is None:
        _silence(log.attributes, attributes)
    else:
        reading, base = place.read(span, is_log=True)
        is_tool = reading.draft.row["role"] == "tool"
        _silence(log.attributes, reading.draft.attributes, is_tool=is_tool)
        log.attributes.append(place.carried(reading, base))
    log.event_name = word_or(log.event_name, REMOVED) if log.event_name else ""
    log.severity_text = word_or(log.severity_text, "")


def silence_attributes(pairs: Pairs) -> None:
    """Take out of attributes what may not stay (``known.py``)."""
    if pairs:
        _silence(pairs, read_attributes(pairs))


def silence_metric(metric: Metric) -> None:
    """Take out of a metric what may be a sentence; its labels, which are words, stay."""
    metric.description = ""
    silence_attributes(metric.metadata)
    for point in points_of(metric):
        labels = read_attributes(point.attributes)
        said = {key for key, value in labels.items() if not is_label(value)}
        if said:
            kept = {key: value for key, value in labels.items() if key not in said}
            replace(point.attributes, pairs_of(kept))
        for exemplar in getattr(point, "exemplars", ()):  # summaries have none
            silence_attributes(exemplar.filtered_attributes)


def trace_of(log: LogRecord, place: Place) -> bytes:
    """Return the trace that decides about a log record: its own, its call's, or it alone."""
    span = span_of_log(log, place.resource, place.scope, place.received_ns)
    if span is not None:
        return span.trace_id
    return log.trace_id if any(log.trace_id) else place.digest(log)


def _silence(pairs: Pairs, left: Attributes, *, is_tool: bool = False) -> None:
    """Keep of attributes what is left after reading, as far as it may stay."""
    gone: list[int] = []
    for index, pair in enumerate(pairs):
        key = pair.key
        value = None if _is_of_content(key) else left.pop(key, None)
        stays = None if value is None else what_may_stay(key, value, is_tool=is_tool)
        if stays is None:
            gone.append(index)
        elif stays is not value or not _is_value(pair.value, value):
            pair.value.CopyFrom(any_value(stays))
    for index in reversed(gone):
        del pairs[index]


def _is_value(stored: AnyValue, value: Value) -> bool:
    """Return whether a value is still what was sent, for the kinds that need no copy."""
    if isinstance(value, str):
        return stored.string_value == value
    if isinstance(value, (list, dict, bytes)):
        return False
    sent = read_value(stored)  # another one where a key was repeated
    return type(sent) is type(value) and sent == value


@lru_cache(maxsize=4096)
def _is_of_content(key: str) -> bool:
    """Return whether a key is a sentence, or of content: ``gen_ai.tool.call.arguments.city``."""
    if key == CARRIED or len(key) > _LONGEST_KEY or len(key.split(maxsplit=1)) != 1:
        return True
    parts = key.split(".")
    above = {".".join(parts[:length]) for length in range(1, len(parts))}
    return not above.isdisjoint(CONTENT_KEYS - _WIDE)


def _silenced_event(event: Event) -> Span.Event:
    time_ns, name, attributes = event
    name = name if _is_known(name) else word_or(name, REMOVED)
    made = Span.Event(time_unix_nano=time_ns, name=name, attributes=pairs_of(attributes))
    _silence(made.attributes, attributes)
    return made


def _is_known(name: str) -> bool:
    return any(name in dialect.first_token_events for dialect in dialects.REGISTRY)


def _only_names(log: LogRecord, attributes: Attributes) -> bool:
    """Return whether a body only repeats the name of the event, as Claude Code's does."""
    body = log.body.string_value
    name = log.event_name or attributes.get("event.name")
    return (
        bool(body)
        and isinstance(name, str)
        and bool(name)
        and body.endswith(name)
        and (word_or(body, "") == body)
    )
