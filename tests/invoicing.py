"""Invoices in tests: sample reports of one invented organisation, and how they are imported."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from spanledger_analytics.invoices.deliveries import find
from spanledger_analytics.invoices.documents import documents_of
from spanledger_analytics.invoices.formats import format_of
from spanledger_analytics.invoices.import_run import Asked, Outcome, import_delivery
from spanledger_analytics.invoices.line import InvoiceLine
from spanledger_storage.store import Store

SAMPLES = Path(__file__).parent / "fixtures" / "finops"
NOW_NS = 1_795_132_800 * 10**9  # 2026-11-20 00:00 UTC
DAY_NS = 86_400 * 10**9


def lines_of_text(text: str | bytes, name: str = "file") -> list[InvoiceLine]:
    """Read a report from its text, by the format its content is of."""
    content = text.encode() if isinstance(text, str) else text
    found: list[InvoiceLine] = []
    for document in documents_of(name, lambda: _reader(content)):
        form = format_of(document.head(), document.name)
        with document.records() as records:
            found += form.lines(records)
    return found


def sample_lines(name: str) -> list[InvoiceLine]:
    """Read a sample report."""
    return lines_of_text((SAMPLES / name).read_bytes(), name)


def import_path(
    store: Store,
    state: sa.Engine,
    path: Path,
    *,
    project: str = "default",
    now_ns: int = NOW_NS,
    account: str = "",
    mapping: str = "",
) -> list[Outcome]:
    """Import what a path holds."""
    return [
        import_delivery(store, state, one, Asked(project, "test", account, mapping), now_ns)
        for one in find(path, "", mapping).deliveries
    ]


def charged(lines: list[InvoiceLine]) -> dict[str, Decimal]:
    """Add up amounts by currency."""
    found: dict[str, Decimal] = {}
    for line in lines:
        if line.amount is not None:
            found[line.currency] = found.get(line.currency, Decimal(0)) + line.amount
    return found


def _reader(content: bytes) -> io.BytesIO:
    return io.BytesIO(content)
