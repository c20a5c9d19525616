"""Whether the collector takes requests, and what it would do with them."""

from __future__ import annotations

from collections.abc import Callable

from spanledger_collector.errors import IntakeError
from spanledger_collector.spool.spool import Spool
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store, StoreSettings


class Readiness:
    """Says what is amiss, one phrase each."""

    def __init__(
        self, spool: Spool, store: StoreSettings, others: Callable[[], list[str]] = list
    ) -> None:
        """Args: the spool; where rows go; what else must be up."""
        self._spool = spool
        self._settings = store
        self._others = others
        self._store: Store | None = None
        self._is_open = True

    def close(self) -> None:
        """Say from now on that the collector is ending."""
        self._is_open = False

    def refusals(self) -> list[str]:
        """Return why requests are refused now; empty: they are taken."""
        if not self._is_open:
            return ["shutting down"]
        try:
            self._spool.budget.admit(1, self._spool.depth().disk_bytes, 0)
        except IntakeError as error:
            return [f"spool: {error}"]
        return []

    def problems(self) -> list[str]:
        """Return what keeps the collector from being ready; asks the store."""
        missing = [*self._others(), *self.refusals()]
        try:
            self._store = self._store or Store.connect(self._settings)
            self._store.sql_rows("SELECT 1 FROM touches LIMIT 0")
        except StoreError as error:
            missing.append(f"store: {error}")
        return missing
