"""Rows on their way from the store to whoever asked: counted, cut, joined and written."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from spanledger_server.api.formats import Format

_NS_PER_S = 1_000_000_000
# A text of a span may be longer than the 128 KiB that the module takes by default.
csv.field_size_limit(2**31 - 1)


class Rows(Protocol):
    """Rows of one answer of the store, or of several with the same columns."""

    def __len__(self) -> int: ...

    def first(self, count: int) -> Rows:
        """Return at most so many from the start."""
        ...

    def joined(self, others: Rows) -> Rows:
        """Return these and others after them."""
        ...

    def last(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return columns of the last row as text; times in ISO 8601."""
        ...

    def body(self) -> bytes:
        """Return them as a document of their format; of JSON, what stands in the list."""
        ...


class JsonRows:
    """Rows as JSON objects."""

    def __init__(self, records: list[bytes], separator: bytes) -> None:
        self.records = records
        self._separator = separator

    def __len__(self) -> int:
        return len(self.records)

    def first(self, count: int) -> JsonRows:
        """Return at most so many from the start."""
        return JsonRows(self.records[:count], self._separator)

    def joined(self, others: Rows) -> JsonRows:
        """Return these and others after them."""
        return JsonRows(self.records + cast("JsonRows", others).records, self._separator)

    def last(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return columns of the last row as text."""
        row = orjson.loads(self.records[-1])
        return {name: str(row[name]) for name in names}

    def body(self) -> bytes:
        """Return the objects: one a line, or with commas between them."""
        end = b"\n" if self._separator == b"\n" and self.records else b""
        return self._separator.join(self.records) + end


class CsvRows:
    """Rows as CSV (RFC 4180), the header apart."""

    def __init__(self, header: bytes, records: list[bytes]) -> None:
        self.header = header
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def first(self, count: int) -> CsvRows:
        """Return at most so many from the start."""
        return CsvRows(self.header, self.records[:count])

    def joined(self, others: Rows) -> CsvRows:
        """Return these and others after them."""
        return CsvRows(self.header, self.records + cast("CsvRows", others).records)

    def last(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return columns of the last row as text."""
        text = (self.header + self.records[-1]).decode(errors="replace")
        [row] = csv.DictReader(io.StringIO(text, newline=""))
        return {name: row[name] for name in names}

    def body(self) -> bytes:
        """Return the header and the records."""
        return self.header + b"".join(self.records)


class TableRows:
    """Rows as an Arrow table, for Arrow and Parquet."""

    def __init__(self, table: pa.Table, fmt: Format) -> None:
        self.table = table
        self._format = fmt

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def first(self, count: int) -> TableRows:
        """Return at most so many from the start."""
        return TableRows(self.table.slice(0, count), self._format)

    def joined(self, others: Rows) -> TableRows:
        """Return these and others after them."""
        table = pa.concat_tables([self.table, cast("TableRows", others).table])
        return TableRows(table, self._format)

    def last(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return columns of the last row as text."""
        return {name: _text(self.table.column(name), len(self) - 1) for name in names}

    def body(self) -> bytes:
        """Return one stream, or one file."""
        sink = io.BytesIO()
        if self._format is Format.PARQUET:
            pq.write_table(self.table, sink)
        else:
            with pa.ipc.new_stream(sink, self.table.schema) as writer:
                writer.write_table(self.table)
        return sink.getvalue()


def read_rows(answer: bytes, fmt: Format) -> Rows:
    """Return the rows of what the store answered in the format that belongs to ``fmt``."""
    if fmt in (Format.JSON, Format.JSONL):
        return JsonRows(answer.splitlines(), b",\n" if fmt is Format.JSON else b"\n")
    if fmt is Format.CSV:
        header, *records = _csv_records(answer)
        return CsvRows(header, records)
    return TableRows(pa.ipc.open_stream(answer).read_all(), fmt)


def unix_ns(text: str) -> int:
    """Return a time of a row, as JSON and CSV have it, in UTC nanoseconds."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return int(moment.timestamp()) * _NS_PER_S + int(fraction.ljust(9, "0") or 0)


def moment_text(ns: int) -> str:
    """Return UTC nanoseconds as JSON and CSV have a time."""
    moment = datetime.fromtimestamp(ns // _NS_PER_S, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % _NS_PER_S:09d}Z"


def _csv_records(answer: bytes) -> list[bytes]:
    """Return the records, each with its line break; a text in quotes may hold some, too."""
    records: list[bytes] = []
    pending: list[bytes] = []
    odd = 0
    for line in answer.split(b"\n")[:-1]:
        pending.append(line + b"\n")
        odd ^= line.count(b'"') & 1
        if not odd:
            records.append(b"".join(pending))
            pending = []
    return records


def _text(column: pa.ChunkedArray[Any], row: int) -> str:
    scalar = column[row]
    if not pa.types.is_timestamp(scalar.type):
        return str(scalar.as_py())
    return moment_text(cast("int", scalar.cast(pa.timestamp("ns", "UTC")).value))
