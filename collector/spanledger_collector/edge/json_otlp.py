"""OTLP/JSON to protobuf: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.

Unlike in protobuf's own JSON, ids are hexadecimal. Senders differ in more than the specification
allows, so 64-bit integers may be strings or numbers, keys lowerCamelCase or snake_case, enums
numbers or names; unknown keys are ignored.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from spanledger_collector.edge.json_text import read_json
from spanledger_collector.edge.left_out import LeftOut, Reason

MAX_DEPTH = 100
"""Levels of messages, as many as protobuf parses."""
_DIGITS = re.compile(r"-?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,50}(\.\d{1,50})?([eE][+-]?\d{1,9})?", re.ASCII)
"""Integers, too, may have an exponent or a fraction: https://protobuf.dev/programming-guides/json/."""
_MOST_DIGITS = 20
"""Of an integer of 64 bits."""
_SPECIAL_DOUBLES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_OF_NO_TRACE = frozenset(
    f"opentelemetry.proto.{name}"
    for name in ("logs.v1.LogRecord", "metrics.v1.Exemplar", "trace.v1.Span.Link")
)
"""Messages that are kept without ids when those are none; a span is nothing without."""
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
_BOOLS = {True: True, False: False, "true": True, "false": False}


class Misfit(ValueError):
    """A value that its field does not take; ``path`` grows from the inside out."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.path: list[str] = []

    @property
    def place(self) -> str:
        """Where in the body, for example ``resourceSpans[0].scopeSpans[2].spans[7].traceId``."""
        return ".".join(reversed(self.path)).replace(".[", "[")

    def __str__(self) -> str:
        return f"{self.place}: {self.args[0]}"


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
            read=_reader(field),
        )
        table[field.json_name] = table[field.name] = entry
    return table


def _reader(field: FieldDescriptor) -> Callable[[object], object] | None:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return None
    if field.enum_type is not None:
        names = {value.name: value.number for value in field.enum_type.values}
        return lambda value: _enum(value, names)
    if field.name in _HEX_FIELDS:
        owner = field.containing_type.full_name if field.containing_type else ""
        return _hex_if_valid if owner in _OF_NO_TRACE else _hex
    return _READERS.get(field.type, _integer)


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
                _fill(child, _object(value), depth + 1, inside)
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
                source = _object(item)
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
        message.double_value = _double(value)


def _append(target: Any, value: object) -> None:
    try:
        target.append(value)
    except (ValueError, TypeError):
        raise Misfit("out of the range of its field") from None


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Misfit("not an object")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Misfit("not a string")
    # Half of a surrogate pair, which JavaScript leaves behind when it cuts a text, is no Unicode.
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _integer(value: object) -> int:
    if isinstance(value, str):
        return int(value) if _DIGITS.fullmatch(value) else _written_integer(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Misfit("not an integer")


def _written_integer(text: str) -> int:
    """Read an integer with an exponent or a fraction, exactly: a double has 53 bits."""
    if not _NUMBER.fullmatch(text):
        raise Misfit("not an integer")
    number = Decimal(text)
    if not number:
        return 0
    if number.adjusted() >= _MOST_DIGITS:  # written out it could fill the memory
        raise Misfit("out of the range of its field")
    if number.adjusted() < 0 or number != number.to_integral_value():
        raise Misfit("not an integer")
    return int(number)


def _double(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf  # as 1e400 is read
    if isinstance(value, str) and "_" not in value:  # Python's own way to group digits
        special = _SPECIAL_DOUBLES.get(value)
        try:
            return float(value) if special is None else special
        except ValueError:
            pass
    raise Misfit("not a number")


def _bool(value: object) -> bool:
    if isinstance(value, (bool, str)) and value in _BOOLS:
        return _BOOLS[value]
    raise Misfit("not true or false")


def _hex(value: object) -> bytes:
    try:
        digits = _text(value)
        read = bytes.fromhex(digits)
    except ValueError as error:
        raise Misfit("not hexadecimal") from error
    if 2 * len(read) != len(digits):
        raise Misfit("not hexadecimal: it has blanks")
    return read


def _hex_if_valid(value: object) -> bytes:
    try:
        return _hex(value)
    except Misfit:
        return b""


def _bytes(value: object) -> bytes:
    """Read base64 of either alphabet, padded or not, or a list of bytes.

    The list is how exporters wrote bytes until 2026 (JavaScript: a Uint8Array as an object of
    numbers by index, a Buffer with its type) and until 2025 (Rust).
    """
    if isinstance(value, dict):
        value = value.get("data", list(value.values()))
    if isinstance(value, list):
        try:
            return bytes(value)
        except (ValueError, TypeError):
            raise Misfit("not a list of bytes") from None
    encoded = _text(value).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as error:
        raise Misfit("not base64") from error


def _enum(value: object, names: dict[str, int]) -> int:
    """Read the number of an enum or its name, also without its prefix; unknown names are 0."""
    if not isinstance(value, str) or _DIGITS.fullmatch(value):
        return _integer(value)
    upper = value.upper()
    matches = (number for name, number in names.items() if name.endswith(f"_{upper}"))
    return names[upper] if upper in names else next(matches, 0)


_READERS: dict[int, Callable[[object], object]] = {
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_DOUBLE: _double,
}
"""Everything else in OTLP is an integer."""
