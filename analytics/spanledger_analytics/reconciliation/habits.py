"""What days before showed of how a provider counts, for days that do not show it themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from spanledger_analytics.reconciliation.ledger_side import provider_id
from spanledger_analytics.reconciliation.result import Cause, Cell
from spanledger_storage.store import Store


class Habits:
    """Which providers count a call over midnight on the day it ended.

    A day shows it where such calls are all that differs. On a day on which calls are missing as
    well it cannot be told apart, and what days before showed decides.

    Args:
        store: where earlier days were reconciled into.
        project: whose.
        first_day: of the days being reconciled; of the 31 before, what is stored counts.
    """

    def __init__(self, store: Store, project: str, first_day: date) -> None:
        self._store = store
        self._project = project
        self._first_day = first_day
        self._seen: set[str] = set()
        self._stored: set[str] | None = None

    def learn(self, provider: str, cells: Iterable[Cell]) -> None:
        """Take in what a day showed; ``provider`` is the name it is compared by."""
        shares = (share for cell in cells for share in cell.causes)
        if any(
            share.cause is Cause.DAY_BOUNDARY
            and share.confidence == "high"
            and share.evidence_count
            for share in shares
        ):
            self._seen.add(provider)

    def goes_by_end(self, provider: str) -> bool:
        """Return whether a day before showed that the provider goes by the end of calls.

        Raises:
            StoreError: the store refused or did not answer.
        """
        return provider in self._seen or provider in self._of_days_before()

    def _of_days_before(self) -> set[str]:
        if self._stored is None:
            params = {"project": self._project, "first_day": self._first_day}
            rows = self._store.rows("reconciliation_habits", params)
            self._stored = {provider_id(str(row["provider"])) for row in rows}
        return self._stored
