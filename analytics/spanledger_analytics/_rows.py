"""Derived rows against stored rows: what to write so that the store says what was derived."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple, TypeVar, cast

import pyarrow as pa

HOUR_NS = 3_600 * 10**9
BATCH = 2_000  # elements of one list parameter: far below the server's limit on a request's size

_KEYED = TypeVar("_KEYED")
_T = TypeVar("_T")


STRING = pa.string()
STRINGS = pa.list_(pa.string())
COUNT = pa.uint64()
SMALL_COUNT = pa.uint32()
USD = pa.decimal128(38, 12)
TIME = pa.timestamp("ns", "UTC")
SPAN_KEYS = pa.list_(pa.struct([("trace_id", STRING), ("span_id", STRING)]))


class Changes(NamedTuple):
    """How many rows were written: new versions, and tombstones."""

    written: int
    removed: int


def diff(
    stored: Sequence[_KEYED], derived: Sequence[_KEYED], key: Callable[[_KEYED], Hashable]
) -> tuple[list[_KEYED], list[_KEYED]]:
    """Return the derived rows that are not stored so, and the stored rows that no longer hold.

    ``key`` must return the table's sort key: a row under another key does not replace.
    """
    before = {key(row): row for row in stored}
    after = {key(row): row for row in derived}
    written = [row for row_key, row in after.items() if before.get(row_key) != row]
    removed = [row for row_key, row in before.items() if row_key not in after]
    return written, removed


def to_arrow(
    written: Sequence[Sequence[object]],
    removed: Sequence[Sequence[object]],
    schema: pa.Schema,
    version: int,
) -> pa.Table:
    """Return rows as the table takes them; ``schema`` names the columns in the rows' order."""
    rows = [*written, *removed]
    columns = [
        pa.array(values, type=field.type)
        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    table = pa.Table.from_arrays(columns, schema=schema)
    is_deleted = [0] * len(written) + [1] * len(removed)
    table = table.append_column("is_deleted", pa.array(is_deleted, type=pa.uint8()))
    return table.append_column("version", pa.array([version] * len(rows), type=COUNT))


def insert_token(name: str, rows: Sequence[object], version: int) -> str:
    """Return a token for one insert: the same rows of the same run get the same one."""
    digest = blake2b(digest_size=16)
    for row in rows:
        digest.update(repr(row).encode())
    return f"{name}-{version}-{digest.hexdigest()}"


def columns_of(table: pa.Table, fields: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Return the rows of a result in the order of ``fields``; lists become tuples."""
    columns: list[Sequence[object]] = []
    for name in fields:
        values = table.column(name).to_pylist()
        kind = table.schema.field(name).type
        columns.append([_frozen(v) for v in values] if pa.types.is_nested(kind) else values)
    return zip(*columns, strict=True)


def _frozen(value: object) -> object:
    if isinstance(value, dict):
        return tuple(cast("dict[str, object]", value).values())
    if isinstance(value, list):
        return tuple([_frozen(part) for part in cast("list[object]", value)])
    return value


def strings(table: pa.Table, column: str) -> list[str]:
    """Return a text column that has no NULLs."""
    return cast("list[str]", table.column(column).to_pylist())


def integers(table: pa.Table, column: str) -> list[int]:
    """Return a column of whole numbers that has no NULLs."""
    return cast("list[int]", table.column(column).to_pylist())


def batches(values: Sequence[_T], size: int = BATCH) -> Iterator[Sequence[_T]]:
    """Return the values in parts that fit into one statement's parameters."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
