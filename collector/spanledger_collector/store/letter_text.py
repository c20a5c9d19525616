"""The body of a dead letter for people: decoded if it can be, else where it breaks."""

from __future__ import annotations

import base64
import json

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from spanledger_collector.signals import REQUESTS, Signal

_HEAD_BYTES = 256
_AROUND_BYTES = 16
_ID_KEYS = frozenset({"traceId", "spanId", "parentSpanId"})
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def describe(body: bytes, signal: str) -> str:
    """Return the request as OTLP/JSON; of one that cannot be read, where it breaks, in hex."""
    kind = REQUESTS[Signal(signal)]
    try:
        return printable(otlp_json(kind.FromString(body)))
    except DecodeError as error:
        offset = first_fault(body, kind.DESCRIPTOR)
        first = max(0, offset - _AROUND_BYTES)
        around = body[first : offset + _AROUND_BYTES]
        return (
            f"not an {kind.DESCRIPTOR.name} in protobuf: {error}\n"
            f"fault at byte {offset} of {len(body)}\n"
            f"bytes {first} to {first + len(around)}: {around.hex(' ')}\n"
            f"the first {min(_HEAD_BYTES, len(body))}: {body[:_HEAD_BYTES].hex(' ')}"
        )


def otlp_json(request: Message) -> str:
    """Return a request in OTLP's JSON, whose ids are hexadecimal and enums numbers, indented."""
    # https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: no names of enums
    said = MessageToDict(request, use_integers_for_enums=True)
    return json.dumps(_with_hex_ids(said), indent=2, ensure_ascii=False)


def _with_hex_ids(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: base64.b64decode(item).hex()
            if key in _ID_KEYS and isinstance(item, str)
            else _with_hex_ids(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_hex_ids(item) for item in value]
    return value


def printable(text: str) -> str:
    """Return text without what moves the cursor of a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


class _Fault(Exception):
    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def first_fault(body: bytes, kind: Descriptor) -> int:
    """Return the offset at which bytes stop being a message of this kind; their length if never.

    Follows the wire format: fields of a key and a value of the key's wire type, which ends within
    the message around it (https://protobuf.dev/programming-guides/encoding/).
    """
    try:
        _check_message(body, 0, len(body), kind)
    except _Fault as fault:
        return fault.offset
    return len(body)


def _check_message(body: bytes, start: int, end: int, kind: Descriptor) -> None:
    position = start
    while position < end:
        key, after = _varint(body, position, end)
        number, wire_type = key >> 3, key & 7
        if number == 0 or wire_type not in (_VARINT, _FIXED64, _BYTES, _FIXED32):
            raise _Fault(position)
        if wire_type == _VARINT:
            _, position = _varint(body, after, end)
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire_type, 0)
        if wire_type == _BYTES:
            size, after = _varint(body, after, end)
        if after + size > end:
            raise _Fault(position)
        if wire_type == _BYTES:
            _check_value(body, after, after + size, kind.fields_by_number.get(number))
        position = after + size


def _check_value(body: bytes, start: int, end: int, field: FieldDescriptor | None) -> None:
    """Check what a length goes before: a message or text; anything else may hold any bytes."""
    if field is None:
        return
    if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
        _check_message(body, start, end, field.message_type)
    elif field.type == FieldDescriptor.TYPE_STRING:
        try:
            body[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise _Fault(start + error.start) from None


def _varint(body: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the number at ``start`` and where it ends: at most ten bytes of seven bits."""
    value = 0
    for index in range(start, min(end, start + 10)):
        value |= (body[index] & 0x7F) << 7 * (index - start)
        if body[index] < 0x80:
            return value, index + 1
    raise _Fault(start)
