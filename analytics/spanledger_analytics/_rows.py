"""Derived rows against stored rows: what to write so that the store says what was derived."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, cast

import pyarrow as pa
import pyarrow.compute as pc

Column: TypeAlias = "pa.ChunkedArray[Any]"

HOUR_NS = 3_600 * 10**9
BATCH = 2_000  # elements of one list parameter: far below the server's limit on a request's size

_KEYED = TypeVar("_KEYED")
_T = TypeVar("_T")

# As the driver escapes: https://clickhouse.com/docs/sql-reference/syntax#string
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\t": "\\t", "\n": "\\n"})


STRING = pa.string()
STRINGS = pa.list_(pa.string())
NAMED_STRINGS = pa.map_(pa.string(), pa.string())
COUNT = pa.uint64()
SMALL_COUNT = pa.uint32()
USD = pa.decimal128(38, 12)
TIME = pa.timestamp("ns", "UTC")
SPAN_KEYS = pa.list_(pa.struct([("trace_id", STRING), ("span_id", STRING)]))


class Stored(NamedTuple, Generic[_T]):
    """Rows of a table as they hold now, and the newest version among them (0: no rows)."""

    rows: list[_T]
    newest: int

    @classmethod
    def of(
        cls,
        tables: Iterable[pa.Table],
        fields: Sequence[str],
        make: Callable[[tuple[object, ...]], _T],
    ) -> Stored[_T]:
        """Return the rows of results that hold ``fields`` and ``version``."""
        rows: list[_T] = []
        newest = 0
        for table in tables:
            rows += map(make, columns_of(table, fields))
            newest = max(newest, *integers(table, "version"), 0)
        return cls(rows, newest)

    def newer(self, version: int) -> int:
        """Return ``version``, or one that replaces these rows where it would not.

        Repricing writes versions that lie ahead of the clock (see repricing.py).
        """
        return max(version, self.newest + 1)


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


_ASKED: dict[str, pa.DataType] = {
    "hour": pa.uint32(),
    **dict.fromkeys(("lane", "pool"), pa.uint64()),
    **dict.fromkeys(("from_ns", "to_ns"), pa.int64()),
}


def asked(fields: Sequence[str], rows: Iterable[Sequence[object]]) -> pa.Table:
    """Return what is asked about, for statements that read it as the table ``asked``.

    Only for many rows: a table costs the server half of what lists of as many ids in the text do.
    """
    schema = pa.schema([(name, _ASKED.get(name, STRING)) for name in fields])
    columns = list(zip(*rows, strict=True)) or [()] * len(fields)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def asked_ids(field: str, ids: Iterable[str]) -> pa.Table:
    """Return the same of one column."""
    return asked((field,), [(one,) for one in ids])


class Literal:
    """A list parameter as the server reads it.

    The driver writes lists character by character; thousands of ids would cost more than the
    statement they are for.
    """

    __slots__ = ("_text",)

    def __init__(self, values: Iterable[str] | Iterable[int]) -> None:
        quoted = [
            "'" + value.translate(_ESCAPES) + "'" if isinstance(value, str) else str(value)
            for value in values
        ]
        self._text = f"[{','.join(quoted)}]"

    def __str__(self) -> str:
        return self._text


def insert_token(name: str, rows: pa.Table, version: int) -> str:
    """Return a token for one insert: the same rows of the same run get the same one."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    digest = blake2b(sink.getvalue(), digest_size=16)
    return f"{name}-{version}-{digest.hexdigest()}"


@contextmanager
def without_collection() -> Generator[None]:
    """Keep the collector of reference cycles away from code that makes none and much else.

    It would look at a hundred thousand new rows again and again, for a quarter of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def values_of(column: Column) -> list[Any]:
    """Return the values of a result's column; most columns of most results hold one value."""
    length = len(column)
    if not length or column.null_count == length:
        return [None] * length
    if pa.types.is_nested(column.type):
        return column.to_pylist()
    if not column.null_count and pc.all(pc.equal(column, column[0])).as_py():
        return [column[0].as_py()] * length
    if pa.types.is_decimal(column.type):  # the same values, several times as fast
        return cast("list[Any]", column.to_numpy(zero_copy_only=False).tolist())
    return column.to_pylist()


def columns_of(table: pa.Table, fields: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Return the rows of a result in the order of ``fields``; lists become tuples."""
    columns = [
        _tuples_of(column) if pa.types.is_nested(column.type) else values_of(column)
        for column in map(table.column, fields)
    ]
    return zip(*columns, strict=True)


def _tuples_of(column: Column) -> list[object]:
    """Return the values of a nested column; most lists of most results are empty."""
    if column.null_count or not pa.types.is_list(column.type):
        return [_frozen(value) for value in column.to_pylist()]
    found: list[object] = []
    for chunk in cast("list[pa.ListArray[Any]]", column.chunks):
        if not len(chunk.flatten()):
            found += [()] * len(chunk)
        elif pa.types.is_nested(chunk.type.value_type):
            found += [_frozen(value) for value in chunk.to_pylist()]
        else:
            found += lists_of(chunk)
    return found


def lists_of(chunk: pa.ListArray[Any]) -> Iterator[tuple[object, ...]]:
    """Return lists without NULLs, cut from the one that all lie in: lists in lists are slow."""
    flat = cast("list[object]", chunk.flatten().to_pylist())
    at = 0
    for size in cast("list[int]", pc.list_value_length(chunk).to_pylist()):
        yield tuple(flat[at : at + size])
        at += size


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
