"""A whole period as one document, in memory one piece at a time.

Each piece is one statement. What arrives or changes while an export runs may be in it or not.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from spanledger_server.api.cursors import BEGINNING
from spanledger_server.api.formats import Format
from spanledger_server.api.resources import Part, Question, cut, parts_of_hours
from spanledger_server.api.rows import CsvRows, JsonRows, Rows, TableRows
from spanledger_storage.store import Store

_PIECE_ROWS = 10_000
_GROUPED_ROWS = 200_000
_COUNTED_ROWS = 20_000  # each slice is summed anew
_ROW_GROUP_ROWS = 50_000
_ALL = 2**63
# So many pieces are read at once, whoever asks: the others wait.
_reading = threading.BoundedSemaphore(4)

Pieces = Iterator[Rows]


def export(
    store: Store, question: Question, fmt: Format, json_frame: tuple[bytes, bytes]
) -> Iterator[bytes]:
    """Return the document in pieces; ``json_frame`` is what stands around the rows in JSON.

    Raises:
        StoreError: the store does not answer; what was returned before is an incomplete document.
    """
    pieces = _pieces(store, question, fmt)
    return _WRITERS[fmt](pieces, json_frame)


def parts_of(store: Store, question: Question) -> Iterator[Part]:
    """Return what the period is cut into."""
    resource, period = question.resource, (question.period.from_s, question.period.to_s)
    if resource.table is None:
        rows = question.count(store) if resource.splits == "hash" else 0
        yield from _slices(period, rows, _COUNTED_ROWS)
        return
    hours = question.hours(store, *period)
    if resource.splits == "hash":
        yield from _slices(period, sum(rows for _, rows in hours), _GROUPED_ROWS)
        return
    for part, rows in parts_of_hours(hours, period, _PIECE_ROWS):
        yield from cut(part, rows, _PIECE_ROWS, resource.splits)


def _slices(period: tuple[int, int], rows: int, most_rows: int) -> Iterator[Part]:
    """Return the whole period by hash, in as many slices as rows ask for."""
    slices = max(1, -(-rows // most_rows))
    for number in range(slices):
        yield Part(*period, slice=number, slices=slices)


def _pieces(store: Store, question: Question, fmt: Format) -> Pieces:
    """Return the rows; the first piece is empty and tells the columns."""
    nothing = Part(question.period.from_s, question.period.from_s)
    yield question.read(store, nothing, BEGINNING, 0, fmt)
    for part in parts_of(store, question):
        with _reading:
            rows = question.read(store, part, BEGINNING, _ALL, fmt)
        if len(rows):
            yield rows


def _json(pieces: Pieces, frame: tuple[bytes, bytes]) -> Iterator[bytes]:
    yield frame[0]
    lead = b""
    for rows in pieces:
        if len(rows):
            yield lead + rows.body()
            lead = b",\n"
    yield frame[1]


def _lines(pieces: Pieces, _frame: tuple[bytes, bytes]) -> Iterator[bytes]:
    for rows in pieces:
        yield b"".join(record + b"\n" for record in cast("JsonRows", rows).records)


def _csv(pieces: Pieces, _frame: tuple[bytes, bytes]) -> Iterator[bytes]:
    yield cast("CsvRows", next(pieces)).header
    for rows in pieces:
        yield b"".join(cast("CsvRows", rows).records)


def _arrow(pieces: Pieces, _frame: tuple[bytes, bytes]) -> Iterator[bytes]:
    first = cast("TableRows", next(pieces)).table
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, first.schema) as writer:
        for rows in pieces:
            writer.write_table(cast("TableRows", rows).table)
            yield _drained(sink)
    yield _drained(sink)


def _parquet(pieces: Pieces, _frame: tuple[bytes, bytes]) -> Iterator[bytes]:
    first = cast("TableRows", next(pieces)).table
    sink = io.BytesIO()
    waiting: list[pa.Table] = []
    with pq.ParquetWriter(cast("IO[Any]", _Counting(sink)), first.schema) as writer:
        for rows in pieces:
            waiting.append(cast("TableRows", rows).table)
            if sum(table.num_rows for table in waiting) >= _ROW_GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
                yield _drained(sink)
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
    yield _drained(sink)


def _drained(sink: io.BytesIO) -> bytes:
    """Return what was written since the last time, and forget it."""
    written = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return written


class _Counting(io.RawIOBase):
    """A file that is written from start to end and knows its length, though it is drained."""

    def __init__(self, sink: io.BytesIO) -> None:
        super().__init__()
        self._sink = sink
        self._written = 0

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: object) -> int:
        """Pass on."""
        count = self._sink.write(cast("bytes", data))
        self._written += count
        return count

    def tell(self) -> int:
        """Return how much was written; Parquet notes where each column begins."""
        return self._written


_WRITERS: dict[Format, Callable[[Pieces, tuple[bytes, bytes]], Iterator[bytes]]] = {
    Format.JSON: _json,
    Format.JSONL: _lines,
    Format.CSV: _csv,
    Format.ARROW: _arrow,
    Format.PARQUET: _parquet,
}
