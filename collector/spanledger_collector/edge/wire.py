"""Protobuf's wire format, as far as it takes to tell the parts of a message apart.

https://protobuf.dev/programming-guides/encoding/#structure
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_LENGTH_DELIMITED = 2
_SIZES = {1: 8, 5: 4}
"""Of wire types of fixed size."""
_MOST_LEVELS = 100
"""Of messages, as many as protobuf reads."""
_HALF_PAIR = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


class BrokenFraming(ValueError):
    """The fields of a message do not end where they say."""


def length_delimited(number: int, value: bytes) -> bytes:
    """Return a field of a message, list or text."""
    return _varint_of(number << 3 | _LENGTH_DELIMITED) + _varint_of(len(value)) + value


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of the length-delimited fields of a message."""
    for number, _, content in parts(data):
        if content is not None:
            yield number, content


def parts(data: bytes) -> Iterator[tuple[int, bytes, bytes | None]]:
    """Yield number, bytes and, where it is length-delimited, content of each field of a message.

    Raises:
        BrokenFraming: they cannot be told apart.
    """
    at = 0
    while at < len(data):
        first, content = at, None
        tag, at = _varint(data, at)
        wire_type, number = tag & 7, tag >> 3
        if not number:
            raise BrokenFraming("there is no field 0")
        if wire_type == _LENGTH_DELIMITED:
            size, start = _varint(data, at)
            at = start + size
            content = data[start:at]
        elif wire_type == 0:
            _, at = _varint(data, at)
        elif wire_type in _SIZES:
            at += _SIZES[wire_type]
        else:
            raise BrokenFraming(f"wire type {wire_type}")
        if at > len(data):
            raise BrokenFraming("a field is longer than its message")
        yield number, data[first:at], content


def with_valid_texts(data: bytes, kind: Descriptor, levels: int = _MOST_LEVELS) -> bytes:
    """Return a message whose texts are UTF-8: what is none in them becomes ``?`` or U+FFFD.

    Args:
        data: the message.
        kind: of message.
        levels: of messages that are looked into.

    Raises:
        BrokenFraming: its fields cannot be told apart, or there are more levels.
    """
    if not levels:
        raise BrokenFraming("nested too deep")
    valid = bytearray()
    for number, whole, content in parts(data):
        field = kind.fields_by_number.get(number)
        if content is None or field is None:
            valid += whole
        elif field.type == FieldDescriptor.TYPE_STRING:
            valid += length_delimited(number, _valid(content))
        elif field.message_type:
            inside = with_valid_texts(content, field.message_type, levels - 1)
            valid += length_delimited(number, inside)
        else:
            valid += whole
    return bytes(valid)


def _valid(text: bytes) -> bytes:
    # Half of a surrogate pair, as in JSON: JavaScript's exporters write those of texts cut there.
    return _HALF_PAIR.sub(b"?", text).decode("utf-8", "replace").encode()


def _varint_of(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        if at >= len(data):
            raise BrokenFraming("the end is missing")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise BrokenFraming("an integer without end")
