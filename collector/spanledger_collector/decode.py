"""Spans, and log records that tell of calls, to Arrow tables: bytes in, columns out; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from spanledger_collector import dialects
from spanledger_collector.columns import MESSAGE_SCHEMA, TEMPLATE, TOUCH_SCHEMA, Row, SpanColumns
from spanledger_collector.dialects.base import Dialect, Draft, Sources
from spanledger_collector.dialects.content import absorb_event, read_content
from spanledger_collector.log_spans import spans_of_logs
from spanledger_collector.messages import MessageStore
from spanledger_collector.settle import settle
from spanledger_collector.signals import Signal
from spanledger_collector.values import (
    Attributes,
    read_attributes,
    render_all,
    text,
    time_ns,
)

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
HOUR_NS = 3_600_000_000_000
_TOKENS = frozenset(name for name in TEMPLATE if name.endswith("_tokens")) - {"max_tokens"}
LAST_HOUR_S = 2**32 - 1  # where DateTime ends, in 2106, and toStartOfHour with it
_FROM_LOG = "log"  # the kind of a row made from a log record
_DROPPED_EVENTS = frozenset({"gen_ai.content.completion.chunk"})  # one per chunk of a stream


@dataclass(frozen=True, slots=True)
class Body:
    """One accepted request: the export request of its signal in protobuf, and when it came."""

    project: str
    payload: bytes
    received_ns: int
    signal: Signal = Signal.TRACES


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows of the tables ``spans``, ``messages`` and ``touches``.

    ``messages`` holds each distinct message of a project once; ``touches`` one row per project,
    trace and start hour.
    """

    spans: pa.Table
    messages: pa.Table
    touches: pa.Table


def decode_traces(bodies: Sequence[Body], flush_id: str, ingested_at_ns: int) -> Decoded:
    """Return the rows of all spans of the bodies, in their order.

    Whatever a span holds, it becomes a row: values that do not mean what a column says stay in
    ``attributes`` and the column unknown. Log records that tell of a call become spans of kind
    "log"; metrics are passed over. All bodies together should stay well below 2 GB, the limit of
    one Arrow string column.

    Args:
        bodies: requests as accepted.
        flush_id: identifies this batch in ``touches``.
        ingested_at_ns: written to ``ingested_at``, in nanoseconds since 1970.

    Raises:
        ValueError: a payload is not a request of its signal; the message names its index.
    """
    batch = _Batch(ingested_at_ns // 1_000_000)
    for index, body in enumerate(bodies):
        try:
            groups = _groups(body)
        except DecodeError as error:
            kind = body.signal.removesuffix("s")
            raise ValueError(f"body {index} is not a {kind} request: {error}") from error
        for group in groups:
            resource = batch.add_resource(group.resource, body)
            for scoped in group.scope_spans:
                scope = _Scope.of(resource, scoped.scope)
                for span in scoped.spans:
                    batch.add_span(span, scope)
    return batch.tables(flush_id)


def _groups(body: Body) -> Iterable[ResourceSpans]:
    if body.signal == Signal.TRACES:
        return ExportTraceServiceRequest.FromString(body.payload).resource_spans
    if body.signal == Signal.LOGS:
        request = ExportLogsServiceRequest.FromString(body.payload)
        return spans_of_logs(request, body.received_ns)
    return ()


@dataclass(frozen=True, slots=True)
class _Scope:
    """What all spans of one instrumentation scope of one resource have in common."""

    template: Row
    project: str
    resource: int
    dialect: Dialect | None

    @classmethod
    def of(cls, resource: _Scope, scope: InstrumentationScope) -> _Scope:
        template = {**resource.template, "scope_name": scope.name, "scope_version": scope.version}
        return cls(template, resource.project, resource.resource, dialects.of_scope(scope.name))


class _Batch:
    """Collects the rows of one call of ``decode_traces``."""

    __slots__ = ("_ingested_ms", "_messages", "_spans", "_touches")

    def __init__(self, ingested_ms: int) -> None:
        self._ingested_ms = ingested_ms
        self._spans = SpanColumns()
        self._messages = MessageStore()
        self._touches: Counter[tuple[str, str, int]] = Counter()

    def add_resource(self, resource: Resource, body: Body) -> _Scope:
        """Return what the spans of a resource share; the scope is still open."""
        attributes = read_attributes(resource.attributes)
        environment = attributes.get("deployment.environment.name")
        template = {
            **TEMPLATE,
            "project": body.project,
            "kind": _FROM_LOG if body.signal == Signal.LOGS else "",
            "service_name": text(attributes.get("service.name")) or "",
            "service_version": text(attributes.get("service.version")) or "",
            "environment": text(environment or attributes.get("deployment.environment")) or "",
            "region": text(attributes.get("cloud.region")) or "",
            "ingested_at": self._ingested_ms,
            "version": body.received_ns,
        }
        number = self._spans.add_resource(render_all(attributes))
        return _Scope(template, body.project, number, None)

    def add_span(self, span: Span, scope: _Scope) -> None:
        """Add the row of a span, its messages and its touch."""
        attributes = read_attributes(span.attributes)
        if attributes.get("logfire.span_type") == "pending_span":
            return  # Logfire's announcement of a span that comes when it has ended
        dialect = dialects.of_span(scope.dialect, attributes.keys())
        row = scope.template.copy()
        _identify(row, span, dialect)
        flags = _promote(row, attributes, dialect.columns)
        for key, roles in dialect.roles:
            word = attributes.get(key)
            if isinstance(word, str) and (role := roles.get(word.lower())):
                row["role"] = role
                break
        draft = Draft(span, attributes, row, [], [], [], flags)
        if dialect.interpret is not None:
            dialect.interpret(draft)
        columns = self._spans
        self._add_events(draft, dialect)
        inputs, outputs = read_content(draft, dialect.content, self._messages, scope.project)
        settle(draft)
        columns.rows.append(tuple(row.values()))
        columns.resource_of_row.append(scope.resource)
        columns.flags.append(sorted(set(draft.flags)) if draft.flags else ())
        columns.input_messages.append(inputs)
        columns.output_messages.append(outputs)
        columns.attributes.append(render_all(attributes))
        self._add_links(span)
        hour = min(time_ns(span.start_time_unix_nano) // HOUR_NS * 3600, LAST_HOUR_S)
        self._touches[scope.project, str(row["trace_id"]), hour] += 1

    def _add_events(self, draft: Draft, dialect: Dialect) -> None:
        """Keep the events of a span, but for stream chunks and messages, which are held."""
        columns = self._spans
        if not draft.span.events:
            columns.event_times.append(())
            columns.event_names.append(())
            return
        times: list[int] = []
        names: list[str] = []
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
            times.append(time_ns(event.time_unix_nano))
            names.append(name)
            columns.event_attributes.append(render_all(attributes))
        columns.event_times.append(times)
        columns.event_names.append(names)

    def _add_links(self, span: Span) -> None:
        columns, links = self._spans, span.links
        if not links:
            columns.link_trace_ids.append(())
            columns.link_span_ids.append(())
            return
        columns.link_trace_ids.append([link.trace_id.hex() for link in links])
        columns.link_span_ids.append([link.span_id.hex() for link in links])
        for link in links:
            columns.link_attributes.append(render_all(read_attributes(link.attributes)))

    def tables(self, flush_id: str) -> Decoded:
        """Return the rows collected so far."""
        stored_at = self._ingested_ms // 1000
        messages = [
            (project, digest, role, content, stored_at)
            for (project, digest), (role, content) in self._messages.rows.items()
        ]
        touches = [(*key, flush_id, spans) for key, spans in self._touches.items()]
        return Decoded(
            self._spans.table(),
            table_of(messages, MESSAGE_SCHEMA),
            table_of(touches, TOUCH_SCHEMA),
        )


def _identify(row: Row, span: Span, dialect: Dialect) -> None:
    """Fill what every span says in the same way."""
    status, kind = span.status, span.kind
    row["trace_id"] = span.trace_id.hex()
    row["span_id"] = span.span_id.hex()
    row["parent_span_id"] = span.parent_span_id.hex()
    row["name"] = span.name
    row["kind"] = row["kind"] or (_KINDS[kind] if 0 <= kind < len(_KINDS) else "unspecified")
    row["status"] = _STATUSES[status.code] if 0 <= status.code < len(_STATUSES) else "unset"
    row["status_message"] = status.message
    row["start_time"] = time_ns(span.start_time_unix_nano)
    row["end_time"] = time_ns(span.end_time_unix_nano)
    row["trace_state"] = span.trace_state
    row["dialect"] = dialect.name


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


def table_of(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table of this schema; times are integers."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [
        pa.array(column, pa.int64()).cast(field.type)
        if pa.types.is_timestamp(field.type)
        else pa.array(column, field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.table(arrays, schema=schema)
