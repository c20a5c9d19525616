"""Reads what was reconciled."""

from __future__ import annotations

from datetime import date

from spanledger_analytics.reconciliation.result import Reconciliation
from spanledger_analytics.reconciliation.rows import cells_of
from spanledger_storage.store import Store


def read(
    store: Store, project: str, first_day: date, last_day: date, provider: str | None = None
) -> Reconciliation:
    """Return the stored cells of some days, both inclusive; of one provider, or all.

    Raises:
        StoreError: the store refused or did not answer.
    """
    params = {
        "project": project,
        "first": first_day,
        "last": last_day,
        "provider": provider or "",
    }
    table = store.arrow("reconciliation_stored", params)
    return Reconciliation(project, first_day, last_day, [cell for cell, _ in cells_of(table)])
