"""Files as documents: unpacked, of a known kind and encoding, read a record at a time.

A document is read as a stream, whatever its size; only a JSON document that is not one record a
line is read as a whole, up to a limit.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import IO, Any, Literal, NoReturn

import pyarrow as pa
import pyarrow.parquet

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.reports import Source
from spanledger_analytics.invoices.values import Record

Kind = Literal["csv", "json", "parquet"]
Opener = Callable[[], IO[bytes]]

MOST_BYTES = 16 * 2**30
"""Of one document when unpacked: an archive that grows beyond it is no report."""
MOST_JSON_BYTES = 256 * 2**20
"""Of a JSON document that has to be read as a whole; JSON lines have no limit."""
MOST_LINE_CHARS = 2**20
_MOST_MEMBERS = 1_000
_HEAD_BYTES = 65_536
_BATCH_ROWS = 8_192
_IN_MEMORY_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a document: enough to tell what it is.

    Attributes:
        columns: of a table; names of the first record of JSON.
        first: the first record; empty where there is none.
    """

    kind: Kind
    columns: frozenset[str]
    first: Mapping[str, Any]

    def has(self, *names: str) -> bool:
        """Return whether all the columns are there."""
        return self.columns.issuperset(names)


@dataclass(slots=True)
class Records:
    """The records of a document, and what an importer says about them besides its lines.

    Attributes:
        report: which report it is, where whoever asked knows; empty: the document has to tell.
        covered: days the document speaks of, by source, also those without lines.
        skipped: rows of services that are none of ours.
    """

    found: Iterator[Record]
    head: Head
    report: str = ""
    covered: set[tuple[str, date]] = field(default_factory=set[tuple[str, date]])
    skipped: int = 0

    def __iter__(self) -> Iterator[Record]:
        return self.found

    def cover(self, source: Source, day: date) -> None:
        """Say that the document tells of a day, be it that there was nothing."""
        self.covered.add((source.text, day))

    def skip(self) -> None:
        """Leave a row out that is none of ours."""
        self.skipped += 1


@dataclass(frozen=True, slots=True)
class Document:
    """One report in a file, or in an archive, unpacked.

    Attributes:
        name: of the file, and of the member of an archive.
        open: opens it at its beginning; may be called again.
    """

    name: str
    open: Opener

    def sha256(self) -> str:
        """Return the hash of the content, as hexadecimal digits."""
        digest = hashlib.sha256()
        with self._unpacked() as stream:
            while block := stream.read(2**20):
                digest.update(block)
        return digest.hexdigest()

    def head(self) -> Head:
        """Return its beginning.

        Raises:
            InvoiceError: it is of no kind that can be read.
        """
        with self._unpacked() as stream:
            kind = _kind(stream, self.name)
            if kind == "parquet":
                return Head(kind, frozenset(_parquet_columns(stream, self.name)), {})
            first = next(_found(kind, stream, self.name), None)
        values = first.values if first else {}
        columns = frozenset(values)
        if kind == "csv" and first is None:
            with self._unpacked() as stream:
                columns = frozenset(_csv_header(stream, self.name))
        return Head(kind, columns, values)

    @contextmanager
    def records(self, report: str = "") -> Generator[Records]:
        """Open the document and read its records, while the block lasts."""
        head = self.head()
        with self._unpacked() as stream:
            yield Records(_found(head.kind, stream, self.name), head, report)

    @contextmanager
    def _unpacked(self) -> Generator[IO[bytes]]:
        with self.open() as raw:
            try:
                if raw.read(2) == b"\x1f\x8b":
                    raw.seek(0)
                    with gzip.GzipFile(fileobj=raw) as stream:
                        yield _Bounded.over(stream, self.name)
                else:
                    raw.seek(0)
                    yield raw
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise InvoiceError(
                    f"{self.name} is damaged or cut off ({error}). Nothing was imported; get the "
                    "file again."
                ) from error


def documents_of(name: str, opener: Opener) -> list[Document]:
    """Return the documents of a file: itself, or the members of a ZIP archive.

    Raises:
        InvoiceError: the archive is damaged, or it is a workbook.
    """
    with opener() as stream:
        if stream.read(4) != b"PK\x03\x04":
            return [Document(name, opener)]
        stream.seek(0)
        try:
            with zipfile.ZipFile(stream) as archive:
                members = [one for one in archive.infolist() if not one.is_dir()]
        except zipfile.BadZipFile as error:
            raise InvoiceError(f"{name} is a damaged ZIP archive: {error}.") from error
    names = [one.filename for one in members]
    if "[Content_Types].xml" in names:
        raise InvoiceError(f"{name} is a workbook: save its sheet as CSV (UTF-8) and import that.")
    if len(members) > _MOST_MEMBERS:
        raise InvoiceError(f"{name} has more than {_MOST_MEMBERS} files in it; unpack it first.")
    if any(one.file_size > MOST_BYTES or one.flag_bits & 1 for one in members):
        raise InvoiceError(f"{name} is encrypted or too large when unpacked; unpack it first.")
    wanted = sorted(n for n in names if not n.rpartition("/")[2].startswith((".", "_")))
    return [Document(f"{name}:{one}", _member(opener, name, one)) for one in wanted]


def _member(opener: Opener, name: str, member: str) -> Opener:
    """Return what unpacks a member of an archive into a file that can be read again."""

    def opened() -> IO[bytes]:
        out = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - whoever opens closes
        left = MOST_BYTES
        try:
            with (
                opener() as stream,
                zipfile.ZipFile(stream) as archive,
                archive.open(member) as found,
            ):
                while block := found.read(2**20):
                    left -= len(block)
                    if left < 0:
                        raise InvoiceError(f"{name} unpacks to more than {MOST_BYTES:,} bytes.")
                    out.write(block)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
            out.close()
            raise InvoiceError(f"{name}:{member} is damaged: {error}.") from error
        out.seek(0)
        return out

    return opened


class _Bounded(io.RawIOBase):
    """A stream that ends with an error where it grows beyond what a report can be."""

    def __init__(self, stream: gzip.GzipFile, name: str) -> None:
        self._stream, self._name, self._left = stream, name, MOST_BYTES

    @classmethod
    def over(cls, stream: gzip.GzipFile, name: str) -> IO[bytes]:
        """Return a buffered stream with the bound."""
        return io.BufferedReader(cls(stream, name), 2**16)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        self._left -= len(block)
        if self._left < 0:
            raise InvoiceError(f"{self._name} unpacks to more than {MOST_BYTES:,} bytes.")
        buffer[: len(block)] = block
        return len(block)


def _kind(stream: IO[bytes], name: str) -> Kind:
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


def _found(kind: Kind, stream: IO[bytes], name: str) -> Iterator[Record]:
    if kind == "parquet":
        yield from _parquet_records(stream, name)
        return
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    text = io.TextIOWrapper(stream, _encoding(head), errors="strict", newline="")
    try:
        yield from _csv_records(text, name) if kind == "csv" else _json_records(text, name)
    finally:
        with suppress(ValueError):  # the stream is closed already
            text.detach()  # else it would close what is not its own


def _lines(text: IO[str], name: str, limit: int = MOST_LINE_CHARS) -> Iterator[str]:
    """Return lines, none of which may be endless."""
    number = 0
    while True:
        number += 1
        try:
            line = text.readline(limit)
        except UnicodeError:
            raise InvoiceError(
                f"{name}, line {number} or just after: the text is neither UTF-8 nor UTF-16. "
                "Nothing was imported; save the file as UTF-8, as in: iconv -f latin1 -t utf-8"
            ) from None
        if not line:
            return
        if len(line) >= limit:
            raise InvoiceError(
                f"{name}, line {number} has more than {limit:,} characters. Nothing was imported; "
                "is it the right file?"
            )
        yield line


def _csv_header(stream: IO[bytes], name: str) -> list[str]:
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
    try:
        rest = text.read(MOST_JSON_BYTES)
    except UnicodeError as error:
        raise _bad_json(name, 1, error) from error
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
    return json.loads(text, parse_float=Decimal, parse_constant=_no_number)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _bad_json(name: str, number: int, error: Exception) -> InvoiceError:
    return InvoiceError(
        f"{name}, line {number}: this is no JSON ({error}). Nothing was imported; the file may be "
        "cut off: export it again."
    )


def _parquet_columns(stream: IO[bytes], name: str) -> list[str]:
    try:
        return list(pa.parquet.ParquetFile(stream).schema_arrow.names)
    except (pa.ArrowInvalid, OSError) as error:
        raise InvoiceError(f"{name}: the Parquet file cannot be read ({error}).") from error


def _parquet_records(stream: IO[bytes], name: str) -> Iterator[Record]:
    number = 0
    try:
        for batch in pa.parquet.ParquetFile(stream).iter_batches(_BATCH_ROWS):
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
