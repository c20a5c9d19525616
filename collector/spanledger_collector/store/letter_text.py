"""The body of a dead letter for people: decoded if it can be, else where it breaks."""

from __future__ import annotations

import base64
import json

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from spanledger_collector.edge.wire import BrokenFraming, parts
from spanledger_collector.signals import REQUESTS, Signal

_HEAD_BYTES = 256
_AROUND_BYTES = 16
_ID_KEYS = frozenset({"traceId", "spanId", "parentSpanId"})


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


def first_fault(body: bytes, kind: Descriptor) -> int:
    """Return the offset at which bytes stop being a message of this kind; their length if never."""
    found = _fault(memoryview(body), kind)
    return len(body) if found is None else found


def _fault(data: memoryview, kind: Descriptor) -> int | None:
    try:
        for number, _, start, end in parts(data):
            field = kind.fields_by_number.get(number)
            if field is None or start is None:
                continue
            found = None  # whatever is neither message nor text may hold any bytes
            if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
                found = _fault(data[start:end], field.message_type)
            elif field.type == FieldDescriptor.TYPE_STRING:
                found = _fault_of_text(data[start:end])
            if found is not None:
                return start + found
    except BrokenFraming as error:
        return error.at
    return None


def _fault_of_text(data: memoryview) -> int | None:
    try:
        bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None
