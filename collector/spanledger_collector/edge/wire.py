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
    """The fields of a message do not end where they say; ``at`` is the byte where that begins."""

    def __init__(self, at: int) -> None:
        super().__init__(f"at byte {at}")
        self.at = at


def length_delimited(number: int, value: bytes | memoryview) -> bytes:
    """Return a field of a message, list or text."""
    return _header(number, len(value)) + value


def fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of the length-delimited fields of a message, none of it copied.

    Raises:
        BrokenFraming: they cannot be told apart.
    """
    for number, _, start, end in parts(data):
        if start is not None:
            yield number, data[start:end]


def parts(data: memoryview) -> Iterator[tuple[int, int, int | None, int]]:
    """Yield of each field its number, its start, that of its content if delimited, and its end.

    Raises:
        BrokenFraming: they cannot be told apart.
    """
    at = 0
    while at < len(data):
        first, start = at, None
        tag, at = _varint(data, at)
        wire_type, number = tag & 7, tag >> 3
        if not number:
            raise BrokenFraming(first)
        if wire_type == _LENGTH_DELIMITED:
            size, start = _varint(data, at)
            at = start + size
        elif wire_type == 0:
            _, at = _varint(data, at)
        elif wire_type in _SIZES:
            at += _SIZES[wire_type]
        else:
            raise BrokenFraming(first)
        if at > len(data):
            raise BrokenFraming(first)
        yield number, first, start, at


def with_valid_texts(data: bytes | memoryview, kind: Descriptor) -> bytes | memoryview:
    """Return a message whose texts are UTF-8: what is none in them becomes ``?`` or U+FFFD.

    Args:
        data: the message.
        kind: of message.

    Raises:
        BrokenFraming: its fields cannot be told apart, or there are too many levels.
    """
    mended = _mended(memoryview(data), kind, _MOST_LEVELS)
    return data if mended is None else mended


def _mended(data: memoryview, kind: Descriptor, levels: int) -> bytes | None:
    """Return a message with valid texts, ``None`` where they are.

    Copies nothing on the way down: a large value would be in memory once for every level.
    """
    if not levels:
        raise BrokenFraming(0)
    pieces = list[bytes | memoryview]()
    done = 0
    for number, first, start, end in parts(data):
        field = kind.fields_by_number.get(number)
        if field is None or start is None:
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            valid = _valid(bytes(data[start:end]))
        elif field.message_type:
            valid = _mended(data[start:end], field.message_type, levels - 1)
        else:
            continue
        if valid is not None:
            pieces += (data[done:first], _header(number, len(valid)), valid)
            done = end
    return b"".join([*pieces, data[done:]]) if pieces else None


def _valid(text: bytes) -> bytes | None:
    """Return a text as UTF-8, ``None`` where it is."""
    # Half of a surrogate pair, as in JSON: JavaScript's exporters write those of texts cut there.
    valid = _HALF_PAIR.sub(b"?", text).decode("utf-8", "replace").encode()
    return None if valid == text else valid


def _header(number: int, size: int) -> bytes:
    return _varint_of(number << 3 | _LENGTH_DELIMITED) + _varint_of(size)


def _varint_of(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64 and at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise BrokenFraming(at - shift // 7)
