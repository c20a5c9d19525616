"""Values of OTLP/JSON, each as the field of protobuf that takes it.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

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


def reader_of(field: FieldDescriptor) -> Callable[[object], object] | None:
    """Return what reads a field's value and raises Misfit; None: it is a message."""
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return None
    if field.enum_type is not None:
        names = {value.name: value.number for value in field.enum_type.values}
        return lambda value: _enum(value, names)
    if field.name in _HEX_FIELDS:
        owner = field.containing_type.full_name if field.containing_type else ""
        return _hex_if_valid if owner in _OF_NO_TRACE else _hex
    return _READERS.get(field.type, _integer)


def object_of(value: object) -> dict[str, Any]:
    """Return an object of JSON; raises Misfit where it is none."""
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


def double_of(value: object) -> float:
    """Return a number, or what stands for one; raises Misfit where it is none."""
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
    FieldDescriptor.TYPE_DOUBLE: double_of,
}
"""Everything else in OTLP is an integer."""
