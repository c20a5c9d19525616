"""Attribute values: from protobuf to Python, to the text of the attributes map, to typed columns.

The readers (``count``, ``number``, …) return ``None`` for whatever does not mean what the column
says: an unknown figure is never a zero, and the raw value stays in the attributes.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Value: TypeAlias = "str | bool | int | float | bytes | list[Value] | dict[str, Value] | None"
Attributes: TypeAlias = dict[str, Value]
Reader: TypeAlias = Callable[[Value], object]

MAX_TIME_NS = 2**63 - 1
"""The last instant a DateTime64(9) can hold: 2262-04-11T23:47:16.854775807Z."""
LAST_HOUR_S = 2**32 - 1
"""Where DateTime ends, in 2106, and toStartOfHour with it; in seconds since 1970."""
MAX_COUNT = 2**53
"""The largest count: above it a JSON number or a double no longer counts in ones."""
_DIGITS = re.compile(r"\d{1,16}(?:\.0*)?", re.ASCII)
_SAFE_DEPTH = 200  # orjson writes 254 levels, but reads 1024
_USD_STEP = Decimal("1e-12")
_MAX_USD = Decimal("1e20")
_WORDS = {"true": True, "false": False}


def read_attributes(pairs: Iterable[KeyValue]) -> Attributes:
    """Return the attributes by key; of a repeated key the last value counts."""
    attributes: Attributes = {}
    for pair in pairs:
        # Most values are texts and counts: asking for these first saves the oneof look-up.
        value = pair.value
        attributes[pair.key] = value.string_value or value.int_value or read_value(value)
    return attributes


def read_value(value: AnyValue) -> Value:
    """Return the Python value of an AnyValue; ``None`` when it holds nothing.

    Recursion ends where protobuf ends it: a parsed message is at most 100 levels deep.
    """
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "bool_value":
            return value.bool_value
        case "array_value":
            return [read_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: read_value(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return value.bytes_value
        case _:
            return None


def render(value: Value) -> str:
    """Return the text of a value in the attributes map; lists and maps as compact JSON."""
    kind = type(value)
    if kind is str or kind is int:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if isinstance(value, float):
        return _render_float(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return "" if value is None else dump_json(value).decode("utf-8")


def render_all(attributes: Attributes) -> dict[str, str]:
    """Return attributes as the stored maps hold them."""
    return {
        key: value if type(value) is str else render(value) for key, value in attributes.items()
    }


def dump_json(value: object) -> bytes:
    """Return compact JSON with sorted keys: bytes as base64, NaN and infinities as their names.

    The value comes from a protobuf message or from ``parse_json``, which bound its depth.
    """
    return orjson.dumps(writable(value), option=orjson.OPT_SORT_KEYS)


def writable(value: object) -> object:
    """Return a value as JSON can say it: bytes as base64, NaN and infinities by name."""
    if isinstance(value, float):
        return value if math.isfinite(value) else _render_float(value)
    if isinstance(value, dict):
        return {key: writable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [writable(item) for item in value]
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def parse_json(value: Value) -> object:
    """Return the parsed JSON list or map in a string, the value itself if it is structured.

    Returns ``None`` for everything else, also for text that merely starts like JSON, and for
    JSON nested so deep that it could not be written again inside a message.
    """
    parsed = parse_any_depth(value)
    if parsed is None:
        return None
    # What has fewer characters than levels need not be counted.
    if isinstance(value, str) and len(value) > _SAFE_DEPTH < value.count("[") + value.count("{"):
        try:
            orjson.dumps([[[[[[[[parsed]]]]]]]])  # room for the message around it
        except orjson.JSONEncodeError:
            return None
    return parsed


def parse_any_depth(value: Value) -> object:
    """Return what ``parse_json`` does, but JSON of any depth: writing it again may fail."""
    if not isinstance(value, str):
        return writable(value) if isinstance(value, (list, dict)) else None
    if value[:1] not in ("[", "{", " ", "\n"):
        return None
    try:
        parsed: object = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, (list, dict)) else None


def time_ns(nanoseconds: int) -> int:
    """Return a time that a DateTime64(9) can hold, clamped to its last instant."""
    return nanoseconds if nanoseconds <= MAX_TIME_NS else MAX_TIME_NS


# Readers: one value of an attribute to one value of a column.


def text(value: Value) -> str | None:
    """Read a non-empty string; numbers as their text, lists and maps are none."""
    if isinstance(value, str):
        return value or None
    if value is None or isinstance(value, (list, dict, bytes)):
        return None
    return render(value)


def count(value: Value) -> int | None:
    """Read a whole number from 0 to 2^53: an int, an integral float, or its digits."""
    if type(value) is int:
        return value if 0 <= value <= MAX_COUNT else None
    if isinstance(value, float):
        return int(value) if 0 <= value <= MAX_COUNT and value.is_integer() else None
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return count(int(value.strip().partition(".")[0]))
    return None


def whole(value: Value) -> int | None:
    """Read a signed 64-bit whole number, such as a seed."""
    if type(value) is int:
        return value if -(2**63) <= value < 2**63 else None
    magnitude = count(value.strip().removeprefix("-") if isinstance(value, str) else value)
    negative = isinstance(value, str) and value.strip().startswith("-")
    return -magnitude if magnitude is not None and negative else magnitude


def number(value: Value) -> float | None:
    """Read a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def flag(value: Value) -> bool | None:
    """Read a boolean, also written as a word."""
    if isinstance(value, bool):
        return value
    return _WORDS.get(value.strip().lower()) if isinstance(value, str) else None


def seconds(value: Value) -> int | None:
    """Read a duration in seconds as nanoseconds."""
    return _nanoseconds(value, 1_000_000_000)


def milliseconds(value: Value) -> int | None:
    """Read a duration in milliseconds as nanoseconds."""
    return _nanoseconds(value, 1_000_000)


def resends(value: Value) -> int | None:
    """Read a count of resends as a count of attempts."""
    repeated = count(value)
    return repeated + 1 if repeated is not None and repeated < 2**31 else None


def usd(value: Value) -> Decimal | None:
    """Read an amount in US dollars, 0 or more, to the twelfth digit."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        amount = Decimal(repr(value) if isinstance(value, float) else value)
        return amount.quantize(_USD_STEP) if 0 <= amount < _MAX_USD else None
    except InvalidOperation:  # not a number, or NaN, which does not compare
        return None


def paid(value: Value) -> Decimal | None:
    """Read an amount above zero: a cost of zero is a missing price list."""
    return usd(value) or None


def _nanoseconds(value: Value, factor: int) -> int | None:
    duration = number(value)
    return round(duration * factor) if duration is not None and 0 <= duration < 1e9 else None


def _render_float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
