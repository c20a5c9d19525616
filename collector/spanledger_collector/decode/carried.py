"""What the intake read of a span before it took the content away, carried on the span itself.

It travels as one attribute, a map, which the decoder takes over instead of reading the span, and
does not store. Whoever sends such an attribute fills columns of its own spans, as it can with any
other key; values that a column does not hold are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence, Sequence, Set
from decimal import Decimal
from functools import partial
from typing import cast

import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanledger.tool_errors import EVIDENCE
from spanledger_collector.decode.columns import TEMPLATE, TYPES, Row
from spanledger_collector.decode.signatures import SIGNATURES, is_signature
from spanledger_collector.decode.values import Value, count, flag, number, usd, whole

CARRIED = "spanledger.read"
"""Key of the attribute."""
RECORD_HASH = "spanledger.record"
"""Key of a log record's or data point's own hash: it tells apart what differs in what is gone.

It goes into the id of the record or series and is not stored. Who sends one makes ids of its own
that differ, as with any other attribute.
"""
COLUMNS, FLAGS, INPUTS, OUTPUTS = "columns", "flags", "inputs", "outputs"
"""Keys of the map; with ``inputs`` in it, the span itself is not read any more."""
_HASH_BYTES = 16
_LONGEST = 256
# What the product tells apart; other words of these columns are nobody's.
_WORDS = {
    "kind": frozenset(("log",)),
    "role": frozenset(
        (
            *("llm", "embedding", "tool", "agent", "workflow", "retrieval", "guardrail"),
            *("server", "other"),
        )
    ),
    "status": frozenset(("unset", "ok", "error")),
    "usage_source": frozenset(("span", "raw", "log", "none")),
    "tool_outcome": frozenset(("", "ok", "error")),
    "tool_evidence": frozenset(("", *EVIDENCE)),
}
# What a row has from elsewhere, and what was said.
_OTHERS = frozenset(
    (
        *("project", "trace_id", "span_id", "parent_span_id", "name", "status_message"),
        *("start_time", "end_time", "service_name", "service_version", "environment"),
        *("scope_name", "scope_version", "trace_state", "ingested_at", "version"),
        *("tool_arguments", "tool_result"),
    )
)


def carry(
    row: Row, base: Row, flags: Sequence[str], inputs: bytes | None = None, outputs: bytes = b""
) -> KeyValue:
    """Return the attribute that says in which columns a row differs from a base, and its flags.

    Args:
        row: as read.
        base: as it would be without reading.
        flags: what is odd about the span.
        inputs: hashes of 16 bytes each, in order; ``None``: the span is still to be read.
        outputs: like ``inputs``.
    """
    columns = {name: row[name] for name in _READERS if row[name] != base[name]}
    carried: dict[str, object] = {COLUMNS: columns, FLAGS: list(flags)}
    if inputs is not None:
        carried |= {INPUTS: inputs, OUTPUTS: outputs}
    return KeyValue(key=CARRIED, value=any_value(carried))


def add_flag(pairs: MutableSequence[KeyValue], flag: str) -> None:
    """Add a flag to what the attributes of a span carry."""
    for pair in pairs:
        if pair.key == CARRIED:
            for part in pair.value.kvlist_value.values:
                if part.key == FLAGS:
                    part.value.array_value.values.append(any_value(flag))
                    return
    pairs.append(carry(TEMPLATE, TEMPLATE, [flag]))


def is_whole(carried: Value) -> bool:
    """Return whether a carried map stands for the whole reading."""
    return isinstance(carried, dict) and isinstance(carried.get(INPUTS), bytes)


def restore(row: Row, carried: Value) -> list[str]:
    """Fill the columns of a row with what was carried; return the flags."""
    if not isinstance(carried, dict):
        return []
    columns = carried.get(COLUMNS)
    for name, value in columns.items() if isinstance(columns, dict) else ():
        read = _READERS.get(name)
        found = None if read is None else read(value)
        if found is not None or (value is None and read is not None):
            row[name] = TEMPLATE[name] if found is None else found
    flags = carried.get(FLAGS)
    listed = flags if isinstance(flags, list) else []
    return [name for name in listed if isinstance(name, str) and 0 < len(name) < 64]


def hashes(carried: Value, side: str) -> list[bytes]:
    """Return the hashes of messages that were carried."""
    joined = carried.get(side) if isinstance(carried, dict) else None
    if not isinstance(joined, bytes) or len(joined) % _HASH_BYTES:
        return []
    return [joined[at : at + _HASH_BYTES] for at in range(0, len(joined), _HASH_BYTES)]


def any_value(value: object) -> AnyValue:
    """Return an OTLP value of a Python value; a Decimal as text, the unknown as empty."""
    made = AnyValue()
    match value:
        case bool():
            made.bool_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case str() | Decimal():
            made.string_value = str(value)
        case bytes():
            made.bytes_value = value
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(map(any_value, value))
        case dict():
            made.kvlist_value.SetInParent()
            pairs = (KeyValue(key=key, value=any_value(item)) for key, item in value.items())
            made.kvlist_value.values.extend(pairs)
        case _:
            pass
    return made


def _short(value: Value) -> str | None:
    return value if isinstance(value, str) and len(value) <= _LONGEST else None


def _attempts(value: Value) -> int | None:
    attempts = count(value)
    return attempts if attempts is not None and attempts < 2**32 else None


def _nanoseconds(value: Value) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _signature(value: Value) -> int | None:
    return cast("int", value) if is_signature(value) else None


def _one_of(words: Set[str], value: Value) -> str | None:
    return value if isinstance(value, str) and value in words else None


def _reader(name: str) -> Callable[[Value], object]:
    if name in _WORDS:
        return partial(_one_of, _WORDS[name])
    if name in SIGNATURES:
        return _signature
    if name.endswith("_ns"):
        return _nanoseconds
    by_type: Mapping[pa.DataType, Callable[[Value], object]] = {
        pa.string(): _short,
        pa.uint64(): count,
        pa.uint32(): _attempts,
        pa.int64(): whole,
        pa.float64(): number,
        pa.bool_(): flag,
        pa.decimal128(38, 12): usd,
    }
    return by_type[TYPES[name]]


_READERS = {name: _reader(name) for name in TYPES if name not in _OTHERS}
