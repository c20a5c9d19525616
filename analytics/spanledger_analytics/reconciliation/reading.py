"""Reads what was reconciled."""

from __future__ import annotations

from datetime import date

from spanledger_analytics.reconciliation.days import Days
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


def traces_waiting(store: Store, project: str, days: Days, position_us: int | None) -> int:
    """Return how many traces of some days are received and not priced yet.

    Args:
        store: the telemetry store.
        project: whose.
        days: of their spans.
        position_us: up to when the ledger has priced, UTC microseconds; None: it never ran.

    Raises:
        StoreError: the store refused or did not answer.
    """
    from_ns, to_ns = days.bounds_ns
    params: dict[str, object] = {
        "project": project, "position_us": position_us or 0, "from_s": from_ns // 10**9,
        "to_s": to_ns // 10**9,
    }  # fmt: skip
    [row] = store.rows("reconciliation_waiting", params)
    return int(str(row["traces"]))
