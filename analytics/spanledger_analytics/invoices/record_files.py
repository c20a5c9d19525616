"""Records of a file of a known kind, one at a time: exact, or refused with their place."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import IO, Literal, NoReturn

import pyarrow as pa
from pyarrow import parquet

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.values import Record

Kind = Literal["csv", "json", "parquet"]

MOST_JSON_BYTES = 64 * 2**20
"""Of a JSON document that has to be read as a whole; JSON lines have no limit."""
MOST_LINE_CHARS = 2**20
_HEAD_BYTES = 65_536
_BATCH_ROWS = 8_192


def kind_of(stream: IO[bytes], name: str) -> Kind:
    """Return what a file is, by its beginning.

    Raises:
        InvoiceError: nothing we can read; says what can be.
    """
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    if not head.strip():
        raise InvoiceError(f"{name} is empty. Nothing was imported; export it again.")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"%PDF", b"\xd0\xcf\x11\xe0", b"SQLite")):
        raise InvoiceError(
            f"{name} is no report we can read (PDF, workbook or database). CSV, JSON, Parquet, and "
            "these in gzip or ZIP can be imported."
        )
    text = head.decode(_encoding(head), errors="replace").lstrip("\ufeff \t\r\n")
    return "json" if text.startswith(("{", "[")) else "csv"


def _encoding(head: bytes) -> str:
    """Return UTF-8, or UTF-16 where a mark or every second byte says so."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    sample = head[:512]
    for name, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if len(sample) >= 8 and zeros.count(0) > len(zeros) * 0.8:
            return name
    return "utf-8"


def records_of(kind: Kind, stream: IO[bytes], name: str) -> Iterator[Record]:
    """Return the records of a file, one at a time.

    Raises:
        InvoiceError: one cannot be read; says where.
    """
    if kind == "parquet":
        yield from _parquet_records(stream, name)
        return
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    encoding = _encoding(head)
    text = io.TextIOWrapper(stream, encoding, errors="strict", newline="")
    is_text = True
    try:
        yield from _csv_records(text, name) if kind == "csv" else _json_records(text, name)
    except UnicodeDecodeError:
        is_text = False
    finally:
        with suppress(ValueError):  # the stream is closed already
            text.detach()  # else it would close what is not its own
    if not is_text:
        raise InvoiceError(
            f"{name}, line {_undecodable_line(stream, encoding)}: the text is neither UTF-8 nor "
            "UTF-16. Nothing was imported; save the file as UTF-8, as in: iconv -f latin1 -t utf-8"
        )


def _undecodable_line(stream: IO[bytes], encoding: str) -> int:
    """Return the number of the first line that is no text."""
    stream.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    number = 1
    while block := stream.read(_HEAD_BYTES):
        try:
            number += decoder.decode(block).count("\n")
        except UnicodeDecodeError as error:
            read = error.object[: error.start].decode(encoding, errors="replace")
            return number + read.count("\n")
    return number


def _lines(text: IO[str], name: str, limit: int = MOST_LINE_CHARS) -> Iterator[str]:
    """Return lines, none of which may be endless."""
    number = 0
    while True:
        number += 1
        line = text.readline(limit)
        if not line:
            return
        if len(line) >= limit:
            raise InvoiceError(
                f"{name}, line {number} has more than {limit:,} characters. Nothing was imported; "
                "is it the right file?"
            )
        yield line


def csv_header(stream: IO[bytes], name: str) -> list[str]:
    """Return the names of the columns of a CSV file."""
    head = stream.read(_HEAD_BYTES)
    first = next(iter(head.decode(_encoding(head), errors="replace").splitlines()), "")
    try:
        found = next(csv.reader([first], delimiter=_delimiter(first)), [])
    except csv.Error as error:
        raise InvoiceError(f"{name}, line 1: the CSV cannot be read ({error}).") from error
    return [_column(one) for one in found]


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _column(name: str) -> str:
    return name.strip().lstrip("\ufeff").strip()


def _csv_records(text: IO[str], name: str) -> Iterator[Record]:
    lines = _lines(text, name)
    first = next(lines, "")

    def again() -> Iterator[str]:
        yield first
        yield from lines

    reader = csv.reader(again(), delimiter=_delimiter(first), strict=True)
    columns: list[str] = []
    number = 0
    try:
        for row in reader:
            start, number = number + 1, reader.line_num
            if not any(cell.strip() for cell in row):
                continue
            if not columns:
                columns = _checked_columns([_column(one) for one in row], name)
                continue
            if len(row) != len(columns):
                raise InvoiceError(
                    f"{name}, line {start} has {len(row)} fields, the header {len(columns)}. "
                    "Nothing was imported; the file may be cut off: export it again."
                )
            yield Record(name, start, dict(zip(columns, row, strict=True)))
    except csv.Error as error:
        raise InvoiceError(
            f"{name}, line {number + 1}: the CSV cannot be read ({error}). Nothing was imported; "
            "the file may be cut off: export it again."
        ) from error


def _checked_columns(columns: list[str], name: str) -> list[str]:
    twice = sorted({one for one in columns if one and columns.count(one) > 1})
    if twice:
        raise InvoiceError(f"{name}, line 1 names the column {twice[0][:80]!r} twice.")
    return columns


def _json_records(text: IO[str], name: str) -> Iterator[Record]:
    """Return one record a line, or, of one document, it or the elements of its list."""
    start = text.readline(MOST_JSON_BYTES)
    while start and not start.strip().lstrip("\ufeff"):
        start = text.readline(MOST_JSON_BYTES)
    try:
        first = _parsed(start.lstrip("\ufeff"))
    except ValueError:
        yield from _whole(start, text, name)
        return
    yield from _elements(first, name, 1)
    for number, line in enumerate(_lines(text, name, MOST_JSON_BYTES), 2):
        if not line.strip():
            continue
        try:
            yield from _elements(_parsed(line), name, number)
        except ValueError as error:
            raise _bad_json(name, number, error) from error


def _whole(start: str, text: IO[str], name: str) -> Iterator[Record]:
    rest = text.read(MOST_JSON_BYTES)
    if len(rest) == MOST_JSON_BYTES:
        raise InvoiceError(
            f"{name} is one JSON document of more than {MOST_JSON_BYTES:,} characters. Write it as "
            "one record a line, as in: jq -c '.data[]'"
        )
    try:
        document = _parsed(start.lstrip("\ufeff") + rest)
    except ValueError as error:
        raise _bad_json(name, getattr(error, "lineno", 1), error) from error
    yield from _elements(document, name, 1)


def _elements(document: object, name: str, number: int) -> Iterator[Record]:
    found = document if isinstance(document, list) else [document]
    for place, one in enumerate(found):
        if not isinstance(one, dict):
            raise InvoiceError(f"{name}, line {number}: a record must be a JSON object.")
        yield Record(name, number + place, one)


def _parsed(text: str) -> object:
    """Return a JSON document; its numbers are exact.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ArithmeticError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _bad_json(name: str, number: int, error: Exception) -> InvoiceError:
    return InvoiceError(
        f"{name}, line {number}: this is no JSON ({error}). Nothing was imported; the file may be "
        "cut off: export it again."
    )


def parquet_columns(stream: IO[bytes], name: str) -> list[str]:
    """Return the names of the columns of a Parquet file."""
    try:
        return list(parquet.ParquetFile(stream).schema_arrow.names)
    except (pa.ArrowInvalid, OSError) as error:
        raise InvoiceError(f"{name}: the Parquet file cannot be read ({error}).") from error


def _parquet_records(stream: IO[bytes], name: str) -> Iterator[Record]:
    number = 0
    try:
        for batch in parquet.ParquetFile(stream).iter_batches(_BATCH_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield Record(name, number, {key: _exact(value) for key, value in row.items()})
    except (pa.ArrowInvalid, OSError) as error:
        raise InvoiceError(
            f"{name}, row {number + 1}: the Parquet file cannot be read ({error})."
        ) from error


def _exact(value: object) -> object:
    """Return a float of Parquet as the shortest decimal that means it; others as they are."""
    if isinstance(value, float):
        return Decimal(repr(value)) if value == value else None
    return value
