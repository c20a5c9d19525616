"""An import taken back: its days fall back to the import before."""

from __future__ import annotations

from collections.abc import Sequence

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.import_run import switch_days
from spanledger_storage.invoice_state import ImportRow, InvoiceState
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store


def find_import(
    state: StateEngine, project: str, import_id: str, *, deleted: bool = False
) -> ImportRow:
    """Return an import by its id, or how that begins.

    Raises:
        InvoiceError: there is none, or several.
    """
    found = [
        row
        for row in InvoiceState(state).imports(project, deleted=deleted)
        if import_id and row.import_id.startswith(import_id.lower())
    ]
    if len(found) == 1:
        return found[0]
    what = "no import" if not found else "more than one import"
    raise InvoiceError(
        f"There is {what} {import_id[:40]!r} in project {project}; `spanledger invoices list` "
        "shows them."
    )


def delete_import(
    store: Store, state: StateEngine, project: str, import_id: str, who: str, now_ns: int
) -> tuple[ImportRow, int]:
    """Take an import back: days it counted for fall back to the newest other import of them.

    Its lines stay, and so does its entry in the history.

    Returns:
        The import, and how many of its days no import counts for any more.

    Raises:
        InvoiceError: there is no such import.
    """
    row = find_import(state, project, import_id)
    invoices = InvoiceState(state)
    rest = [one for one in invoices.imports(project) if one.import_id != row.import_id]
    days = [(source, day, *_fallback(rest, source, day)) for source in row.days
            for day in row.days[source]]  # fmt: skip
    # Days first: whoever is interrupted can do it again.
    switch_days(store, project, days, now_ns)
    invoices.mark_deleted(project, row.import_id, who, now_ns)
    return row, sum(not one[2] for one in days)


def _fallback(rest: Sequence[ImportRow], source: str, day: str) -> tuple[str, bool]:
    """Return the newest import of a day and whether it is final; "" where there is none."""
    for one in rest:  # the newest first
        if day in one.days.get(source, {}):
            return one.import_id, one.days[source][day]
    return "", False
