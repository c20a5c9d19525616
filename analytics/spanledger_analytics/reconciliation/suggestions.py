"""The corrections of days that were compared, with what they need from the store."""

from __future__ import annotations

from collections.abc import Iterable

from spanledger_analytics.invoices.line import InvoiceLine
from spanledger_analytics.invoices.reading import current_lines
from spanledger_analytics.invoices.rules import Rules
from spanledger_analytics.reconciliation.correction import Correction
from spanledger_analytics.reconciliation.corrections import suggest
from spanledger_analytics.reconciliation.instrumentations import with_instrumentations
from spanledger_analytics.reconciliation.result import Reconciliation
from spanledger_storage.store import Store


def read_suggestions(
    store: Store, result: Reconciliation, rules: Rules | None, provider: str = ""
) -> list[Correction]:
    """Return what to do about the differences, those about the most dollars first.

    Args:
        store: the telemetry store.
        result: what was compared.
        rules: what users say of lines; None: unknown, so nothing is said of lines that wait.
        provider: the only one that was compared; empty: all.

    Raises:
        StoreError: the store refused or did not answer.
    """
    lines: Iterable[InvoiceLine] = ()
    if rules is not None:
        lines = current_lines(
            store, result.project, result.first_day, result.last_day, provider or None,
            rules=rules, only_waiting=True,
        )  # fmt: skip
    found = suggest(result.cells, lines)
    return with_instrumentations(store, result.project, result.cells, found)
