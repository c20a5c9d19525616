"""OTLP log requests to the Arrow table ``logs``: a pure function, bytes in, columns out."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from spanledger_collector.decode.carried import CARRIED
from spanledger_collector.decode.columns import Maps
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.log_spans import DETAILS_EVENT, Record, origin_of, read_record
from spanledger_collector.decode.origin import Origin
from spanledger_collector.decode.values import read_value, render, render_all, text
from spanledger_collector.signals import Signal

_TIME = pa.timestamp("ns", "UTC")
_SCHEMA: dict[str, pa.DataType] = {
    "time": _TIME,
    "observed_time": _TIME,
    "log_id": pa.string(),
    "trace_id": pa.string(),
    "span_id": pa.string(),
    "trace_flags": pa.uint32(),
    "severity_number": pa.uint8(),
    "severity_text": pa.string(),
    "event_name": pa.string(),
    "body": pa.string(),
    "session_id": pa.string(),
}
# The row of ``spans`` made from such a record holds these; every call repeats the whole history.
_HELD_AS_MESSAGES = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
)
_MOST_SEVERE = 24


def decode_logs(bodies: Sequence[Body], ingested_at_ns: int) -> pa.Table:
    """Return one row per log record of the bodies, in their order; other signals are passed over.

    A record without any time gets that of its receipt. Message content that a row of ``spans``
    holds is left out of the attributes; everything else is kept as it came.

    Raises:
        ValueError: a payload is not a log request; the message names its index.
    """
    rows = _Rows()
    for index, body in enumerate(bodies):
        if body.signal != Signal.LOGS:
            continue
        try:
            request = ExportLogsServiceRequest.FromString(body.payload)
        except DecodeError as error:
            raise ValueError(f"body {index} is not a log request: {error}") from error
        for group in request.resource_logs:
            for scoped in group.scope_logs:
                where = Origin.of(body, ingested_at_ns, group.resource, scoped.scope)
                key = origin_of(group.resource, scoped.scope)
                for log in scoped.log_records:
                    rows.add(read_record(log, key), where)
    return rows.table()


class _Rows:
    """Collects records and becomes the Arrow table."""

    def __init__(self) -> None:
        self._values: list[tuple[object, ...]] = []
        self._origins: list[Origin] = []
        self._attributes = Maps()

    def add(self, record: Record, origin: Origin) -> None:
        log, attributes = record.log, record.attributes
        body = read_value(log.body)
        time_ns = record.time_ns or origin.received_ns
        session = attributes.get("session.id") or attributes.get("gen_ai.conversation.id")
        self._values.append(
            (
                time_ns,
                min(log.observed_time_unix_nano, 2**63 - 1) or time_ns,
                record.record_id,
                record.trace_id.hex(),
                record.span_id.hex(),
                log.flags,
                log.severity_number if 0 <= log.severity_number <= _MOST_SEVERE else 0,
                log.severity_text,
                record.event_name,
                render(body),
                text(session) or "",
            )
        )
        attributes.pop(CARRIED, None)
        if record.event_name == DETAILS_EVENT:
            for key in _HELD_AS_MESSAGES:
                attributes.pop(key, None)
        self._attributes.append(render_all(attributes))
        self._origins.append(origin)

    def table(self) -> pa.Table:
        columns = list(zip(*self._values, strict=True)) or [()] * len(_SCHEMA)
        arrays = {
            name: pa.array(column, pa.int64()).cast(kind)
            if kind == _TIME
            else pa.array(column, kind)
            for (name, kind), column in zip(_SCHEMA.items(), columns, strict=True)
        }
        arrays |= Origin.arrays(self._origins)
        arrays["attributes"] = self._attributes.array()
        return pa.table(arrays)
