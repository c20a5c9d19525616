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
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.edge.json_text import read_json
from spanledger_collector.edge.left_out import LeftOut, Reason

MAX_DEPTH = 100
"""Levels of messages, as many as protobuf parses."""
_DIGITS = re.compile(r"-?\d{1,20}", re.ASCII)
_SPECIAL_DOUBLES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_ITEMS = frozenset(
    {
        "opentelemetry.proto.trace.v1.Span",
        "opentelemetry.proto.logs.v1.LogRecord",
        "opentelemetry.proto.metrics.v1.Metric",
    }
)
"""Kinds of messages that are kept or left out one by one; besides them, data points."""
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
    _fill(request, body, 0, left_out)


def traces_from_json(data: bytes) -> ExportTraceServiceRequest:
    """Return the trace request that an OTLP/JSON body says; ValueError as above."""
    request = ExportTraceServiceRequest()
    request_from_json(data, request)
    return request


@dataclass(frozen=True, slots=True)
class _Field:
    """How one field of a message is read; ``read`` is ``None`` for messages."""

    name: str
    is_repeated: bool
    holds_items: bool
    read: Callable[[object], object] | None


@cache
def _fields(message: Descriptor) -> dict[str, _Field]:
    """Return the fields of a message by both spellings of their names."""
    table: dict[str, _Field] = {}
    for field in message.fields:
        entry = _Field(field.name, field.is_repeated, _holds_items(field), _reader(field))
        table[field.json_name] = table[field.name] = entry
    return table


def _reader(field: FieldDescriptor) -> Callable[[object], object] | None:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return None
    if field.enum_type is not None:
        names = {value.name: value.number for value in field.enum_type.values}
        return lambda value: _enum(value, names)
    if field.name in _HEX_FIELDS:
        return _hex
    return _READERS.get(field.type, _integer)


def _holds_items(field: FieldDescriptor) -> bool:
    kind = field.message_type.full_name if field.message_type else ""
    return kind in _ITEMS or kind.endswith("DataPoint")


def _fill(message: Message, source: dict[str, Any], depth: int, left_out: LeftOut | None) -> None:
    if depth > MAX_DEPTH:
        raise Misfit(f"nested deeper than {MAX_DEPTH} messages")
    table = _fields(message.DESCRIPTOR)
    for key, value in source.items():
        field = table.get(key)
        if field is None or value is None:
            continue
        try:
            if field.is_repeated:
                _fill_list(getattr(message, field.name), field, value, depth, left_out)
            elif field.read is None:
                child: Message = getattr(message, field.name)
                child.SetInParent()
                _fill(child, _object(value), depth + 1, left_out)
            else:
                _set(message, field, value)
        except Misfit as error:
            error.path.append(key)
            raise


def _fill_list(
    target: Any, field: _Field, value: object, depth: int, left_out: LeftOut | None
) -> None:
    if not isinstance(value, list):
        raise Misfit("not a list")
    for index, item in enumerate(value):
        before = len(target)
        try:
            if field.read is None:
                _fill(target.add(), _object(item), depth + 1, left_out)
            else:
                _append(target, field.read(item))
        except Misfit as error:
            error.path.append(f"[{index}]")
            if left_out is None or not field.holds_items:
                raise
            del target[before:]
            left_out.add(Reason.UNREADABLE, f"{field.name}{error}", _points_in(item))


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
    except (ValueError, TypeError) as error:  # out of the range of the field
        raise Misfit(str(error)) from None


def _append(target: Any, value: object) -> None:
    try:
        target.append(value)
    except (ValueError, TypeError) as error:  # out of the range of the field
        raise Misfit(str(error)) from None


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
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Misfit("not an integer")


def _double(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf  # as 1e400 is read
    if isinstance(value, str):
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
        return bytes.fromhex(_text(value))
    except ValueError as error:
        raise Misfit("not hexadecimal") from error


def _base64(value: object) -> bytes:
    """Read base64 of either alphabet, padded or not."""
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
    FieldDescriptor.TYPE_BYTES: _base64,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_DOUBLE: _double,
}
"""Everything else in OTLP is an integer."""
