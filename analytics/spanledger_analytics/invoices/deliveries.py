"""What one import reads: a file, a member of an archive, or the parts of a folder together."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from spanledger_analytics.invoices.documents import (
    MOST_BYTES,
    Document,
    Head,
    Opener,
    documents_of,
)
from spanledger_analytics.invoices.errors import InvoiceError, UnknownFormatError
from spanledger_analytics.invoices.formats import format_named, format_of
from spanledger_analytics.invoices.formats.form import Form, Format
from spanledger_analytics.invoices.reports import REPORTS

_TIMEOUT_S = 60
_MOST_FILES = 10_000
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    """Documents that are imported as one: their lines add up.

    Attributes:
        name: of the file, folder or address.
        fetched_at_ns: as of when it is, UTC nanoseconds; None: now.
    """

    name: str
    format: Format
    documents: Sequence[Document]
    fetched_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a path or address holds.

    Attributes:
        left_out: why some files of a folder or archive are not imported, one sentence each.
    """

    deliveries: Sequence[Delivery]
    left_out: Sequence[str] = ()


def find(path: Path, name: str = "", mapping: str = "") -> Found:
    """Return what a file or folder holds, ready to be imported.

    Files of a folder that one provider delivers in parts, tables with the same columns, are one
    delivery; the others, and members of an archive, are one each, in the order of their names.

    Args:
        path: file, archive or folder.
        name: of the format; empty: by content.
        mapping: of a generic file, YAML.

    Raises:
        InvoiceError: there is nothing to import, or it is of no format we know.
    """
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not _is_hidden(p, path))
        if len(files) > _MOST_FILES:
            raise InvoiceError(f"{path} has more than {_MOST_FILES:,} files; name a folder in it.")
        documents = [
            (one, int(file.stat().st_mtime_ns))
            for file in files
            for one in documents_of(str(file.relative_to(path)), _opener(file))
        ]
        return _grouped(documents, str(path), name, mapping)
    if not path.is_file():
        raise InvoiceError(f"There is no file or folder {path}.")
    documents = [(one, path.stat().st_mtime_ns) for one in documents_of(path.name, _opener(path))]
    return _grouped(documents, path.name, name, mapping)


def in_memory(content: bytes, file_name: str, name: str = "", mapping: str = "") -> Found:
    """Return what the content of a file holds; see :func:`find`."""
    documents = [(one, None) for one in documents_of(file_name, lambda: io.BytesIO(content))]
    return _grouped(documents, file_name, name, mapping)


@contextmanager
def fetched(url: str) -> Generator[Path]:
    """Fetch an address into a file that is there while the block lasts.

    Raises:
        InvoiceError: it is no http(s) address, does not answer, or is too large.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvoiceError("An address begins with https:// or http:// and names a host.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / (os.path.basename(parts.path) or "report")
        try:
            with (
                httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT_S) as answer,
                file.open("wb") as out,
            ):
                if not answer.is_success:
                    raise InvoiceError(f"{_shown(url)} answered {answer.status_code}.")
                left = MOST_BYTES
                for block in answer.iter_bytes():
                    left -= len(block)
                    if left < 0:
                        raise InvoiceError(f"{_shown(url)} sends more than {MOST_BYTES:,} bytes.")
                    out.write(block)
        except httpx.HTTPError as error:
            raise InvoiceError(
                f"{_shown(url)} cannot be fetched: {type(error).__name__}."
            ) from error
        yield file


def is_address(text: str) -> bool:
    """Return whether a text is an address rather than a path."""
    return text.lower().startswith(("http://", "https://"))


def shown_address(url: str) -> str:
    """Return an address without what may be a secret in it: query, user and password."""
    return _shown(url)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _opener(file: Path) -> Opener:
    return lambda: file.open("rb")


def _is_hidden(file: Path, root: Path) -> bool:
    return any(part.startswith((".", "_")) for part in file.relative_to(root).parts)


@dataclass(frozen=True, slots=True)
class _Known:
    """A document of a known format, and as of when it is."""

    document: Document
    at_ns: int | None
    format: Format
    head: Head

    @property
    def parts(self) -> tuple[str, frozenset[str]] | None:
        """What the parts of one delivery have in common; None: it is not delivered in parts.

        A table with other columns is another version of the same, as of another release of FOCUS,
        not a part of it. Records of JSON leave empty fields out.
        """
        form = self.format
        report = REPORTS.get(form.report) if isinstance(form, Form) else None
        if report is None or not report.is_delivered_in_parts:
            return None
        return form.name, frozenset() if self.head.kind == "json" else self.head.columns


def _grouped(
    documents: Sequence[tuple[Document, int | None]], name: str, format_name: str, mapping: str
) -> Found:
    if not documents:
        raise InvoiceError(f"{name} holds no files to import.")
    known: list[_Known] = []
    left_out: list[str] = []
    unknown: list[str] = []
    for document, at_ns in documents:
        try:
            known.append(_known(document, at_ns, format_name, mapping, is_one=len(documents) == 1))
        except UnknownFormatError:
            if len(documents) == 1:
                raise
            unknown.append(document.name)
        except InvoiceError as error:
            if len(documents) == 1:
                raise
            left_out.append(str(error))
    if unknown:
        more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
        left_out.append(f"of no format we know: {', '.join(unknown[:_MOST_NAMED])}{more}.")
    if not known:
        raise InvoiceError(f"{name} holds nothing that can be imported: {left_out[0]}")
    return Found(_deliveries(known, name), left_out)


def _known(
    document: Document, at_ns: int | None, format_name: str, mapping: str, *, is_one: bool
) -> _Known:
    """Return a document with its format.

    Raises:
        UnknownFormatError: none knows it.
        InvoiceError: it cannot be read, or is not of the format that was named.
    """
    head = document.head()
    if not (format_name or mapping):
        return _Known(document, at_ns, format_of(head, document.name), head)
    form = format_named(format_name, mapping)
    if not is_one and not form.matches(head):
        raise InvoiceError(f"{document.name} is not of format {form.name}.")
    return _Known(document, at_ns, form, head)


def _deliveries(known: Sequence[_Known], name: str) -> list[Delivery]:
    groups: dict[tuple[str, frozenset[str]], list[_Known]] = {}
    found: list[Delivery] = []
    for one in known:
        if one.parts and len(known) > 1:
            groups.setdefault(one.parts, []).append(one)
        else:
            found.append(Delivery(one.document.name, one.format, [one.document], one.at_ns))
    for group in groups.values():
        times = [one.at_ns for one in group if one.at_ns is not None]
        documents = [one.document for one in group]
        whole = documents[0].name if len(documents) == 1 else name
        found.append(Delivery(whole, group[0].format, documents, min(times, default=None)))
    return found
