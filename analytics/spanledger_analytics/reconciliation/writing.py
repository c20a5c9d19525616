"""Writes the cells of a day: what changed replaces, what is gone goes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from spanledger_analytics._rows import Changes, insert_token
from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.result import Cell
from spanledger_analytics.reconciliation.rows import cells_of, changed, table_of
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
    stored = store.arrow("reconciliation_stored", params)
    version = max(now_ns, (pc.max(stored.column("version")).as_py() or 0) + 1)
    total = pa.scalar(TokenClass.INVOICE_TOTAL.value)
    is_total = pc.equal(stored.column("token_class"), total)
    stored = stored.filter(is_total if of_invoices else pc.invert(is_total))
    table = table_of(project, cells, (), version)
    written = table.filter(changed(table, stored)) if stored.num_rows else table
    kept = pc.is_in(stored.column("cell_id"), value_set=table.column("cell_id"))
    removed = [cell for cell, _ in cells_of(stored.filter(pc.invert(kept)))]
    for start in range(0, written.num_rows, _PART):
        _insert(store, written.slice(start, _PART), version)
    if removed:
        _insert(store, table_of(project, (), removed, version), version)
    return Changes(written.num_rows, len(removed))


def _insert(store: Store, table: pa.Table, version: int) -> None:
    token = insert_token("reconciliation_cells", table, version)
    store.insert("reconciliation_cells", table, token=token)
