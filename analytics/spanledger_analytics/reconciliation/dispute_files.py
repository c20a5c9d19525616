"""A dispute pack as files, piece by piece: CSV, HTML, JSON, or all three in a ZIP archive."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from io import RawIOBase
from typing import Any

from spanledger_analytics.reconciliation.dispute import Dispute
from spanledger_analytics.reconciliation.dispute_page import html_parts
from spanledger_analytics.reconciliation.dispute_rows import (
    Row,
    call_row,
    csv_parts,
    difference_row,
    line_row,
)

SCHEMA = "spanledger.dispute/1"
MEDIA_TYPES: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "zip": "application/zip",
}
_ROWS_PER_PART = 500


def dispute_parts(dispute: Dispute, form: str, made_at: str) -> Iterator[bytes]:
    """Return a pack in one of the formats of ``MEDIA_TYPES``; ``made_at`` is RFC 3339.

    CSV and JSON have every call, HTML the first 5,000; contents are in none of them.

    Raises:
        StoreError: the store refused or did not answer; what came before is an incomplete file.
    """
    if form == "zip":
        return _zip_parts(dispute, made_at)
    return (part.encode() for part in _TEXTS[form](dispute, made_at))


def file_name(dispute: Dispute, form: str) -> str:
    """Return a name for a pack, of plain letters: ``dispute-openai-2026-11.csv``."""
    named = f"{dispute.provider or 'all'}-{dispute.days.text}"
    if dispute.cell is not None:
        named += f"-{dispute.cell.cell_id[:12]}"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-._") else "-" for c in named)
    return f"dispute-{plain}.{form}"


def json_parts(dispute: Dispute, made_at: str) -> Iterator[str]:
    """Return the pack as one JSON document; amounts are decimal strings, exact."""
    head = {
        "schema": SCHEMA, "project": dispute.project, "provider": dispute.provider,
        "first_day": dispute.days.first.isoformat(), "last_day": dispute.days.last.isoformat(),
        "cell_id": dispute.cell.cell_id if dispute.cell else None, "made_at": made_at,
    }  # fmt: skip
    yield _json(head)[:-1]
    cells = [dispute.cell] if dispute.cell else dispute.cells
    lists: tuple[tuple[str, Iterable[Row]], ...] = (
        ("differences", map(difference_row, cells)),
        ("provider_lines", map(line_row, dispute.lines())),
        ("calls", map(call_row, dispute.calls())),
    )
    for name, rows in lists:
        yield f',\n"{name}": ['
        lead, part = "\n", list[str]()
        for row in rows:
            told = {key: value for key, value in row.items() if key != "record"}
            part.append(lead + _json(told))
            lead = ",\n"
            if len(part) == _ROWS_PER_PART:
                yield "".join(part)
                part = []
        yield "".join(part) + "]"
    yield "}\n"


def _zip_parts(dispute: Dispute, made_at: str) -> Iterator[bytes]:
    """Return an archive of the other formats, written while it is read."""
    sink = _Sink()
    at = datetime.fromisoformat(made_at).timetuple()[:6]
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for form, parts in _TEXTS.items():
            info = zipfile.ZipInfo(file_name(dispute, form), at)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as member:
                for part in parts(dispute, made_at):
                    member.write(part.encode())
                    if found := sink.taken():
                        yield found
    yield sink.taken()


class _Sink(RawIOBase):
    """Where an archive is written to, and taken from piece by piece; it cannot seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        found = b"".join(self._parts)
        self._parts = []
        return found


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


_TEXTS: Mapping[str, Callable[[Dispute, str], Iterable[str]]] = {
    "csv": lambda dispute, _: csv_parts(dispute),
    "html": html_parts,
    "json": json_parts,
}
