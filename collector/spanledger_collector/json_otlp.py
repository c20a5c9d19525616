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

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MAX_DEPTH = 100
"""Levels of messages, as many as protobuf parses."""
_DIGITS = re.compile(r"-?\d{1,20}", re.ASCII)
_SPECIAL_DOUBLES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_BOOLS = {True: True, False: False, "true": True, "false": False}


class _Misfit(ValueError):
    """A value that its field does not take; ``path`` grows from the inside out."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.path: list[str] = []

    def __str__(self) -> str:
        return f"{'.'.join(reversed(self.path)).replace('.[', '[')}: {self.args[0]}"


def request_from_json(data: bytes, request: Message) -> None:
    """Fill an empty export request of any signal with what an OTLP/JSON body says.

    Raises:
        ValueError: the body is not JSON, or a value is not what its field takes; the message
            names the place, for example ``resourceSpans[0].scopeSpans[2].spans[7].traceId``.
    """
    try:
        body: object = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")
    try:
        _fill(request, body, 0)
    except _Misfit as error:
        raise ValueError(str(error)) from None


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
    read: Callable[[object], object] | None


@cache
def _fields(message: Descriptor) -> dict[str, _Field]:
    """Return the fields of a message by both spellings of their names."""
    table: dict[str, _Field] = {}
    for field in message.fields:
        entry = _Field(field.name, field.is_repeated, _reader(field))
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


def _fill(message: Message, source: dict[str, Any], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _Misfit(f"nested deeper than {MAX_DEPTH} messages")
    table = _fields(message.DESCRIPTOR)
    for key, value in source.items():
        field = table.get(key)
        if field is None or value is None:
            continue
        try:
            if field.is_repeated:
                _fill_list(getattr(message, field.name), field, value, depth)
            elif field.read is None:
                child: Message = getattr(message, field.name)
                child.SetInParent()
                _fill(child, _object(value), depth + 1)
            else:
                _set(message, field, value)
        except _Misfit as error:
            error.path.append(key)
            raise


def _fill_list(target: Any, field: _Field, value: object, depth: int) -> None:
    if not isinstance(value, list):
        raise _Misfit("not a list")
    for index, item in enumerate(value):
        try:
            if field.read is None:
                _fill(target.add(), _object(item), depth + 1)
            else:
                target.append(field.read(item))
        except _Misfit as error:
            error.path.append(f"[{index}]")
            raise


def _set(message: Message, field: _Field, value: object) -> None:
    read = field.read
    assert read is not None
    try:
        setattr(message, field.name, read(value))
    except _Misfit:
        raise
    except (ValueError, TypeError) as error:  # out of the range of the field
        raise _Misfit(str(error)) from None


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Misfit("not an object")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Misfit("not a string")
    return value


def _integer(value: object) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _Misfit("not an integer")


def _double(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        special = _SPECIAL_DOUBLES.get(value)
        try:
            return float(value) if special is None else special
        except ValueError:
            pass
    raise _Misfit("not a number")


def _bool(value: object) -> bool:
    if isinstance(value, (bool, str)) and value in _BOOLS:
        return _BOOLS[value]
    raise _Misfit("not true or false")


def _hex(value: object) -> bytes:
    try:
        return bytes.fromhex(_text(value))
    except ValueError as error:
        raise _Misfit("not hexadecimal") from error


def _base64(value: object) -> bytes:
    """Read base64 of either alphabet, padded or not."""
    encoded = _text(value).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as error:
        raise _Misfit("not base64") from error


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
