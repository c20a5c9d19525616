"""Writes the cells of a day: what changed replaces, what is gone goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from spanledger_analytics._rows import Changes, insert_token
from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.result import Cell
from spanledger_analytics.reconciliation.rows import cells_of, table_of
from spanledger_storage.store import Store

_PART = 20_000


def write_cells(
    store: Store,
    project: str,
    day: date,
    cells: Iterable[Cell],
    now_ns: int,
    *,
    of_invoices: bool = False,
) -> Changes:
    """Write a day's cells of all providers; the same again writes nothing.

    Cells of invoices as a whole are left alone, or with ``of_invoices`` all others.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    params = {"project": project, "first": day, "last": day, "provider": ""}
    stored: dict[str, Cell] = {}
    newest = 0
    for cell, version in cells_of(store.arrow("reconciliation_stored", params)):
        newest = max(newest, version)
        if (cell.key.token_class == TokenClass.INVOICE_TOTAL) == of_invoices:
            stored[cell.cell_id] = cell
    written: list[Cell] = []
    for cell in cells:
        if stored.pop(cell.cell_id, None) != cell:
            written.append(cell)
    _insert(store, project, written, list(stored.values()), max(now_ns, newest + 1))
    return Changes(len(written), len(stored))


def _insert(
    store: Store, project: str, written: Sequence[Cell], removed: Sequence[Cell], version: int
) -> None:
    for start in range(0, len(written), _PART):
        table = table_of(project, written[start : start + _PART], (), version)
        token = insert_token("reconciliation_cells", table, version)
        store.insert("reconciliation_cells", table, token=token)
    table = table_of(project, (), removed, version)
    store.insert(
        "reconciliation_cells", table, token=insert_token("reconciliation_cells", table, version)
    )
