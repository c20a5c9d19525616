"""What one span says: dialect, columns, what was said, what is odd; read in one place.

The decoder reads spans out of the spool. For a project that keeps no content the intake reads them
first, and leaves what it read on the span (``carried.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger import INPUT_HASHES, OUTPUT_HASHES
from spanledger_collector import dialects
from spanledger_collector.decode.carried import INPUTS, OUTPUTS, RECORD_HASH, hashes, restore
from spanledger_collector.decode.columns import TEMPLATE, Row
from spanledger_collector.decode.messages import MessageStore
from spanledger_collector.decode.settle import settle
from spanledger_collector.decode.signatures import sign
from spanledger_collector.decode.values import Attributes, Value, read_attributes, text, time_ns
from spanledger_collector.dialects.base import Dialect, Draft, Sources
from spanledger_collector.dialects.content import (
    MESSAGE_EVENTS,
    absorb_event,
    read_content,
    take_hashes,
)

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
_TOKENS = frozenset(name for name in TEMPLATE if name.endswith("_tokens")) - {"max_tokens"}
_DROPPED_EVENTS = frozenset({"gen_ai.content.completion.chunk"})  # one per chunk of a stream

Event: TypeAlias = tuple[int, str, Attributes]
"""Time in nanoseconds, name, attributes."""


@dataclass(slots=True)
class Reading:
    """A span as read.

    ``draft.attributes`` are those that no column and no message holds; ``inputs`` and ``outputs``
    are hashes of messages in order; ``events`` are those that no message holds.
    """

    draft: Draft
    inputs: list[bytes]
    outputs: list[bytes]
    events: list[Event]


def read_span(
    span: Span,
    attributes: Attributes,
    template: Row,
    known: Dialect | None,
    messages: MessageStore,
    key: bytes = b"",
) -> Reading:
    """Return what a span says.

    Args:
        span: is not changed.
        attributes: of the span; what is understood leaves them.
        template: the columns that all spans of its scope share.
        known: the dialect of its scope, if one is known.
        messages: where what was said is kept.
        key: of the signatures of tool calls.
    """
    dialect = dialects.of_span(known, attributes.keys())
    row = template.copy()
    identify(row, span)
    row["dialect"] = dialect.name
    flags = _promote(row, attributes, dialect.columns)
    for name, roles in dialect.roles:
        word = attributes.get(name)
        if isinstance(word, str) and (role := roles.get(word.lower())):
            row["role"] = role
            break
    draft = Draft(span, attributes, row, [], [], [], flags)
    if dialect.interpret is not None:
        dialect.interpret(draft)
    events = _read_events(draft, dialect) if span.events else []
    inputs, outputs = read_content(draft, dialect.content, messages, str(row["project"]))
    inputs = inputs or take_hashes(attributes, INPUT_HASHES)
    outputs = outputs or take_hashes(attributes, OUTPUT_HASHES)
    settle(draft)
    if row["role"] == "tool":
        sign(row, key)
    return Reading(draft, inputs, outputs, events)


def identify(row: Row, span: Span) -> None:
    """Fill what every span says in the same way."""
    status, kind = span.status, span.kind
    row["trace_id"] = span.trace_id.hex()
    row["span_id"] = span.span_id.hex()
    row["parent_span_id"] = span.parent_span_id.hex() if any(span.parent_span_id) else ""
    row["name"] = span.name
    row["kind"] = row["kind"] or (_KINDS[kind] if 0 <= kind < len(_KINDS) else "unspecified")
    row["status"] = _STATUSES[status.code] if 0 <= status.code < len(_STATUSES) else "unset"
    row["status_message"] = status.message
    row["start_time"] = time_ns(span.start_time_unix_nano)
    row["end_time"] = time_ns(span.end_time_unix_nano)
    row["trace_state"] = span.trace_state


def _promote(row: Row, attributes: Attributes, table: Sources) -> list[str]:
    """Fill the columns a dialect's table knows keys for; of several the lowest rank wins.

    Returns the flags of what could not be read.
    """
    ranks: dict[str, int] = {}
    flags: list[str] = []
    for key, value in attributes.items():
        source = table.get(key)
        if source is not None:
            column, rank, read = source
            if rank < ranks.get(column, 1_000):
                found = read(value)
                if found is not None:
                    row[column] = found
                    ranks[column] = rank
                elif column in _TOKENS and value not in (None, ""):
                    flags.append("bad_token_count")
    return flags


def _read_events(draft: Draft, dialect: Dialect) -> list[Event]:
    """Return the events of a span, but for stream chunks and messages, which are held."""
    kept: list[Event] = []
    for event in draft.span.events:
        name = event.name
        if name in _DROPPED_EVENTS:
            continue
        attributes = read_attributes(event.attributes)
        if name == "exception":
            draft.fill("error_type", text(attributes.get("exception.type")))
        elif name in dialect.first_token_events:
            delay = event.time_unix_nano - draft.span.start_time_unix_nano
            draft.fill("ttft_ns", delay if delay >= 0 else None)
        elif absorb_event(draft, dialect.content, name, attributes) and not attributes:
            continue
        kept.append((time_ns(event.time_unix_nano), name, attributes))
    return kept


def take_over(span: Span, attributes: Attributes, template: Row, carried: Value) -> Reading:
    """Return a reading that was carried; what is left on the span holds nothing that was said."""
    row = template.copy()
    identify(row, span)
    flags = restore(row, carried)
    attributes.pop(RECORD_HASH, None)
    draft = Draft(span, attributes, row, [], [], [], flags)
    events = [
        (time_ns(event.time_unix_nano), event.name, read_attributes(event.attributes))
        for event in span.events
        if event.attributes or event.name not in MESSAGE_EVENTS
    ]
    return Reading(draft, hashes(carried, INPUTS), hashes(carried, OUTPUTS), events)
