"""Files as documents: unpacked, of a known kind and encoding, read a record at a time.

A document is read as a stream, whatever its size; only a JSON document that is not one record a
line is read as a whole, up to a limit.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import IO, Any

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.record_files import (
    Kind,
    csv_header,
    kind_of,
    parquet_columns,
    records_of,
)
from spanledger_analytics.invoices.reports import Source
from spanledger_analytics.invoices.values import Record

Opener = Callable[[], IO[bytes]]

MOST_BYTES = 16 * 2**30
"""Of one document when unpacked: an archive that grows beyond it is no report."""
_MOST_MEMBERS = 1_000
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
            kind = kind_of(stream, self.name)
            if kind == "parquet":
                return Head(kind, frozenset(parquet_columns(stream, self.name)), {})
            first = next(records_of(kind, stream, self.name), None)
        values = first.values if first else {}
        columns = frozenset(values)
        if kind == "csv" and first is None:
            with self._unpacked() as stream:
                columns = frozenset(csv_header(stream, self.name))
        return Head(kind, columns, values)

    @contextmanager
    def records(self, report: str = "") -> Generator[Records]:
        """Open the document and read its records, while the block lasts."""
        head = self.head()
        with self._unpacked() as stream:
            yield Records(records_of(head.kind, stream, self.name), head, report)

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
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            out.close()
            raise InvoiceError(f"{name}:{member} is damaged: {error}.") from error
        except RuntimeError as error:  # encrypted, or packed in a way that Python does not know
            out.close()
            raise InvoiceError(
                f"{name}:{member} cannot be unpacked here ({error}); unpack it first."
            ) from error
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
