"""OTLP/JSON to protobuf: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.

Unlike in protobuf's own JSON, ids are hexadecimal. Senders differ in more than the specification
allows, so 64-bit integers may be strings or numbers, keys lowerCamelCase or snake_case, enums
numbers or names; unknown keys are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from spanledger_collector.edge.json_text import read_json
from spanledger_collector.edge.json_values import Misfit, double_of, object_of, reader_of
from spanledger_collector.edge.left_out import LeftOut, Reason

MAX_DEPTH = 100
"""Levels of messages, as many as protobuf parses."""
_WHOLE_ITEMS = frozenset(
    {"opentelemetry.proto.trace.v1.Span", "opentelemetry.proto.logs.v1.LogRecord"}
)
"""Kinds of messages that are kept or left out as a whole; besides them, data points."""
_GROUPS = re.compile(r"opentelemetry\.proto\..*\.(Resource|Scope)(Spans|Logs|Metrics)")
"""Are left out with the items below them when their resource or scope cannot be read."""
_LISTS = frozenset(
    ("scopeSpans", "scopeLogs", "scopeMetrics", "scope_spans", "scope_logs", "scope_metrics")
    + ("spans", "logRecords", "log_records", "metrics")
)
"""What lies below a group."""
_METRIC = "opentelemetry.proto.metrics.v1.Metric"
"""Is kept or left out, too, and so is each of its data points."""
_PATHS = {
    "resourceSpans": "/v1/traces",
    "resource_spans": "/v1/traces",
    "resourceLogs": "/v1/logs",
    "resource_logs": "/v1/logs",
    "resourceMetrics": "/v1/metrics",
    "resource_metrics": "/v1/metrics",
}
"""Where a list is to be sent."""


def request_from_json(data: bytes, request: Message, left_out: LeftOut | None = None) -> None:
    """Fill an empty export request of any signal with what an OTLP/JSON body says.

    Args:
        data: the body.
        request: is filled.
        left_out: takes the items (spans, log records, metrics, data points) with a value that its
            field does not take; None: such a value is an error like any other.

    Raises:
        Misfit: a value is not what its field takes; the message names the place.
        ValueError: the body is not a JSON object.
    """
    body = read_json(data)
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")
    _fill(request, body, 0, None if left_out is None else _Place(left_out))
    if left_out is not None:
        left_out.notice = _notice(request, body)


def _notice(request: Message, body: dict[str, Any]) -> str:
    """Return what is to be said of a body of which nothing, or not all, is read here."""
    own = _fields(request.DESCRIPTOR)
    others = [key for key in _PATHS if key not in own and body.get(key)]
    if body and not others and not own.keys() & body.keys():
        return f"nothing was read: the body has no {next(iter(own))}"
    return "; ".join(f"nothing of {key} was read: send it to {_PATHS[key]}" for key in others)


def traces_from_json(data: bytes) -> ExportTraceServiceRequest:
    """Return the trace request that an OTLP/JSON body says; ValueError as above."""
    request = ExportTraceServiceRequest()
    request_from_json(data, request)
    return request


@dataclass(frozen=True, slots=True)
class _Field:
    """How one field of a message is read.

    Attributes:
        name: as protobuf has it.
        is_repeated: it is a list.
        holds_items: of messages that may be left out one by one.
        holds_groups: of messages that may be left out with the items below them.
        is_divided: something may be left out within a message.
        read: reads a value; ``None`` for messages.
    """

    name: str
    is_repeated: bool
    holds_items: bool
    holds_groups: bool
    is_divided: bool
    read: Callable[[object], object] | None


@cache
def _fields(message: Descriptor) -> dict[str, _Field]:
    """Return the fields of a message by both spellings of their names."""
    table: dict[str, _Field] = {}
    for field in message.fields:
        kind = field.message_type.full_name if field.message_type else ""
        is_whole = kind in _WHOLE_ITEMS or kind.endswith("DataPoint")
        entry = _Field(
            field.name,
            field.is_repeated,
            holds_items=is_whole or kind == _METRIC,
            holds_groups=bool(_GROUPS.fullmatch(kind)),
            is_divided=not is_whole,
            read=reader_of(field),
        )
        table[field.json_name] = table[field.name] = entry
    return table


@dataclass(slots=True)
class _Place:
    """A message of which something may be left out.

    Made for every group, scope and metric, so it becomes text only when something is wrong.
    """

    left_out: LeftOut
    key: str = ""
    index: int | None = None
    above: _Place | None = None

    def path(self) -> list[str]:
        """Return the way to it, from the inside out, as ``Misfit`` has it."""
        here = [] if self.index is None else [f"[{self.index}]"]
        return [*here, self.key, *self.above.path()] if self.above else []


def _fill(message: Message, source: dict[str, Any], depth: int, place: _Place | None) -> None:
    if depth > MAX_DEPTH:
        raise Misfit(f"nested deeper than {MAX_DEPTH} messages")
    table = _fields(message.DESCRIPTOR)
    for key, value in source.items():
        field = table.get(key)
        if field is None or value is None:
            continue
        try:
            if field.is_repeated:
                _fill_list(getattr(message, field.name), field, key, value, depth, place)
            elif field.read is None:
                child: Message = getattr(message, field.name)
                child.SetInParent()
                inside = place and _Place(place.left_out, key, None, place)
                _fill(child, object_of(value), depth + 1, inside)
            else:
                _set(message, field, value)
        except Misfit as error:
            error.path.append(key)
            raise


def _fill_list(
    target: Any, field: _Field, key: str, value: object, depth: int, place: _Place | None
) -> None:
    if not isinstance(value, list):
        raise Misfit("not a list")
    for index, item in enumerate(value):
        before, known = len(target), len(place.left_out) if place else 0
        try:
            if field.read is None:
                inside = (
                    _Place(place.left_out, key, index, place)
                    if place and field.is_divided
                    else None
                )
                source = object_of(item)
                if field.holds_groups:
                    source = _lists_last(source)
                _fill(target.add(), source, depth + 1, inside)
            else:
                _append(target, field.read(item))
        except Misfit as error:
            error.path.append(f"[{index}]")
            if place is None or not (field.holds_items or field.holds_groups):
                raise
            del target[before:]
            error.path += [key, *place.path()]
            # Of a metric, points may have been left out, and counted, before.
            more = _items_in(item) - (len(place.left_out) - known)
            if more > 0:
                place.left_out.add(Reason.UNREADABLE, str(error.args[0]), more, error.place)


def _lists_last(group: dict[str, Any]) -> dict[str, Any]:
    """Return a group with its resource or scope before what is below.

    With one at fault all of that is counted, and nothing of it may have been before.
    """
    return dict(sorted(group.items(), key=lambda pair: isinstance(pair[1], list)))


def _items_in(part: object, levels: int = 2) -> int:
    """Return how many items an item or a group is in JSON, at least 1.

    Below a resource are scopes, below those items: what is nested deeper is none.
    """
    fields = part.items() if isinstance(part, dict) else ()
    lists = [value for key, value in fields if key in _LISTS and isinstance(value, list)]
    if not lists or not levels:
        return _points_in(part)
    return max(1, sum(_items_in(below, levels - 1) for found in lists for below in found))


def _points_in(item: object) -> int:
    """Return how many data points a metric in JSON has, 1 for anything else."""
    fields = item.values() if isinstance(item, dict) else ()
    kinds = [kind for kind in fields if isinstance(kind, dict)]
    lists = [kind.get("dataPoints", kind.get("data_points")) for kind in kinds]
    return max(1, sum(len(points) for points in lists if isinstance(points, list)))


def _set(message: Message, field: _Field, value: object) -> None:
    read = field.read
    assert read is not None
    try:
        setattr(message, field.name, read(value))
    except Misfit:
        raise
    except (ValueError, TypeError):
        if not isinstance(message, AnyValue) or isinstance(value, str):
            raise Misfit("out of the range of its field") from None
        # To JavaScript's exporter every number without a fraction is an integer, 1e21 too.
        message.double_value = double_of(value)


def _append(target: Any, value: object) -> None:
    try:
        target.append(value)
    except (ValueError, TypeError):
        raise Misfit("out of the range of its field") from None
