"""Files that ``spanledger reconcile`` writes: the report, and packs for a dispute."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from spanledger_analytics.reconciliation.dispute import open_dispute
from spanledger_analytics.reconciliation.dispute_files import dispute_parts
from spanledger_analytics.reconciliation.report.build import read_report, rfc3339
from spanledger_analytics.reconciliation.report.files import report_file
from spanledger_server.errors import UsageError
from spanledger_server.prices.session import now_ns
from spanledger_server.reconcile_session import Asked
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store


def write_report(
    store: Store, state: StateEngine, asked: Asked, form: str, file: Path | None
) -> int:
    """Write a report in a format; return how many cells are beyond tolerance.

    Raises:
        UsageError: nothing was reconciled, the file cannot be written, or a workbook has no file.
    """
    if form == "xlsx" and file is None:
        raise UsageError("A workbook needs a file: --file report.xlsx.")
    report = read_report(store, state, asked.read(store), now_ns())
    _write([report_file(report, form)], file)
    return report.totals.cells - report.totals.cells_within_tolerance


def write_dispute(
    store: Store, state: StateEngine, asked: Asked, cell: str, form: str, file: Path | None
) -> None:
    """Write a dispute pack, piece by piece.

    Raises:
        UsageError: neither a cell nor a provider is given, an archive has no file, or the file
            cannot be written.
        DisputeError: there is no such cell.
    """
    if form == "zip" and file is None:
        raise UsageError("An archive needs a file: --file dispute.zip.")
    if not (cell or asked.provider):
        raise UsageError("Say what is disputed: --cell ID, or --provider NAME for all of it.")
    dispute = open_dispute(store, state, asked.read(store), asked.provider, cell)
    _write(dispute_parts(dispute, form, rfc3339(now_ns())), file)


def _write(parts: Iterable[bytes], file: Path | None) -> None:
    if file is None:
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
        return
    try:
        with file.open("wb") as out:
            out.writelines(parts)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from None
    print(f"Written: {file}, {file.stat().st_size:,} bytes.")
