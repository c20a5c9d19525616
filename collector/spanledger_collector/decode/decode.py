"""Spans, and log records that tell of calls, to Arrow tables: bytes in, columns out; pure."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import cast

import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from spanledger_collector import dialects
from spanledger_collector.decode.bulk.arrow import Mask
from spanledger_collector.decode.bulk.decode import Bulk, read_at_once
from spanledger_collector.decode.carried import CARRIED, is_whole, restore
from spanledger_collector.decode.columns import TEMPLATE, TOUCH_SCHEMA, Row, SpanColumns
from spanledger_collector.decode.log_spans import spans_of_logs
from spanledger_collector.decode.messages import MessageStore
from spanledger_collector.decode.reading import Reading, read_span, take_over
from spanledger_collector.decode.resources import resource_columns
from spanledger_collector.decode.values import (
    LAST_HOUR_S,
    Attributes,
    read_attributes,
    render_all,
)
from spanledger_collector.dialects.base import Dialect
from spanledger_collector.dialects.spanledger import PENDING_FLAG
from spanledger_collector.signals import Signal

log = logging.getLogger(__name__)
_known_troubles: set[str] = set()

HOUR_NS = 3_600_000_000_000
_ANNOUNCED_VERSION = 1  # older than any receipt, so that the ended span wins whenever it comes
_FROM_LOG = "log"  # the kind of a row made from a log record


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


def decode_traces(
    bodies: Sequence[Body],
    flush_id: str,
    ingested_at_ns: int,
    messages: MessageStore | None = None,
) -> Decoded:
    """Return the rows of all spans of the bodies, in their order.

    Whatever a span holds, it becomes a row: values that do not mean what a column says stay in
    ``attributes`` and the column unknown. Log records that tell of a call become spans of kind
    "log"; metrics are passed over. All bodies together should stay well below 2 GB, the limit of
    one Arrow string column.

    Args:
        bodies: requests as accepted.
        flush_id: identifies this batch in ``touches``.
        ingested_at_ns: written to ``ingested_at``, in nanoseconds since 1970.
        messages: takes up the messages, and knows which are in the store already.

    Raises:
        ValueError: a payload is not a request of its signal; the message names its index.
    """
    batch = _Batch(ingested_at_ns // 1_000_000, messages or MessageStore())
    added = batch.add_at_once(bodies)
    for index, body in enumerate(bodies):
        known = added.get(index)
        if known is not None and known.all():
            continue
        try:
            groups = _groups(body)
        except DecodeError as error:
            kind = body.signal.removesuffix("s")
            raise ValueError(f"body {index} is not a {kind} request: {error}") from error
        is_added = repeat(False) if known is None else iter(known.tolist())
        for group in groups:
            resource = batch.add_resource(group.resource, body)
            for scoped in group.scope_spans:
                scope = _Scope.of(resource, scoped.scope)
                for span in scoped.spans:
                    if not next(is_added):
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

    __slots__ = ("_ingested_ms", "_messages", "_read_at_once", "_rooted", "_spans", "_touches")

    def __init__(self, ingested_ms: int, messages: MessageStore) -> None:
        self._ingested_ms = ingested_ms
        self._read_at_once: Bulk | None = None
        self._spans = SpanColumns()
        self._messages = messages
        self._touches: Counter[tuple[str, str, int]] = Counter()
        self._rooted: set[tuple[str, str]] = set()

    def add_at_once(self, bodies: Sequence[Body]) -> dict[int, Mask]:
        """Add the spans that arrays can read; return which, of the bodies that have any.

        Should arrays fail, nothing is added: reading span by span tells whether, and where, a
        body is at fault.
        """
        traces = [n for n, body in enumerate(bodies) if body.signal == Signal.TRACES]
        try:
            bulk = read_at_once([bodies[n] for n in traces], self._messages, self._ingested_ms)
        except Exception as error:  # whatever it is, there is the other way
            trouble = type(error).__name__
            if trouble not in _known_troubles:  # each batch of one sender may be such a one
                _known_troubles.add(trouble)
                log.warning("reading a batch span by span after %s", trouble)
            return {}
        if bulk is None:
            return {}
        self._read_at_once = bulk
        self._touches.update(bulk.touches)
        self._rooted |= bulk.rooted
        return dict(zip(traces, bulk.is_read, strict=True))

    def add_resource(self, resource: Resource, body: Body) -> _Scope:
        """Return what the spans of a resource share; the scope is still open."""
        attributes = read_attributes(resource.attributes)
        template = {
            **TEMPLATE,
            "project": body.project,
            "kind": _FROM_LOG if body.signal == Signal.LOGS else "",
            **resource_columns(attributes),
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
        reading = self._read(span, attributes, scope)
        draft, columns = reading.draft, self._spans
        if PENDING_FLAG in draft.flags:
            draft.row["version"] = _ANNOUNCED_VERSION
        columns.rows.append(tuple(draft.row.values()))
        columns.resource_of_row.append(scope.resource)
        columns.flags.append(sorted(set(draft.flags)) if draft.flags else ())
        columns.input_messages.append(reading.inputs)
        columns.output_messages.append(reading.outputs)
        columns.attributes.append(render_all(attributes))
        columns.event_times.append([time for time, _, _ in reading.events])
        columns.event_names.append([name for _, name, _ in reading.events])
        for _, _, said in reading.events:
            columns.event_attributes.append(render_all(said))
        self._add_links(span)
        start = cast("int", draft.row["start_time"])
        hour = min(start // HOUR_NS * 3600, LAST_HOUR_S)
        trace_id = str(draft.row["trace_id"])
        self._touches[scope.project, trace_id, hour] += 1
        if not draft.row["parent_span_id"]:
            self._rooted.add((scope.project, trace_id))

    def _read(self, span: Span, attributes: Attributes, scope: _Scope) -> Reading:
        """Read a span, or take over what the intake read of it."""
        carried = attributes.pop(CARRIED, None)
        if is_whole(carried):
            return take_over(span, attributes, scope.template, carried)
        reading = read_span(span, attributes, scope.template, scope.dialect, self._messages)
        if carried is not None:
            reading.draft.flags.extend(restore(reading.draft.row, carried))
        return reading

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
        touches = [
            (*key, flush_id, spans, int(key[:2] in self._rooted))
            for key, spans in self._touches.items()
        ]
        return Decoded(
            self._rows(),
            self._messages.table(stored_at),
            table_of(touches, TOUCH_SCHEMA),
        )

    def _rows(self) -> pa.Table:
        at_once = self._read_at_once
        if at_once is None:
            return self._spans.table()
        if not self._spans.rows:
            return at_once.spans
        return pa.concat_tables([at_once.spans, self._spans.table()]).combine_chunks()


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
