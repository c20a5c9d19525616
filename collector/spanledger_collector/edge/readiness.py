"""Whether the collector takes requests, and what it would do with them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from spanledger_collector.errors import IntakeError
from spanledger_collector.spool.spool import Spool
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store, StoreSettings

log = logging.getLogger(__name__)

_STORE_WITHIN_S = 2
_GOOD_FOR_S = 1.0
_USUAL_BYTES = 1 << 20
"""Of a request: where there is no room for one, most are refused, though small ones may fit."""


class Readiness:
    """Says what is amiss, one phrase each."""

    def __init__(
        self, spool: Spool, store: StoreSettings, others: Callable[[], list[str]] = list
    ) -> None:
        """Args: the spool; where rows go; what else must be up."""
        self._spool = spool
        self._store = _StoreCheck(store)
        self._others = others
        self._is_open = True

    def close(self) -> None:
        """Say from now on that the collector is ending."""
        self._is_open = False

    def refusals(self) -> list[str]:
        """Return why requests are refused now; empty: they are taken."""
        if not self._is_open:
            return ["shutting down"]
        try:
            budget = self._spool.budget
            usual = min(_USUAL_BYTES, max(1, budget.max_bytes // 100))
            budget.admit(usual, self._spool.depth().disk_bytes, 0)
        except IntakeError as error:
            return [f"spool: {error}"]
        return []

    def problems(self) -> list[str]:
        """Return what keeps the collector from being ready; asks the store."""
        missing = [*self._others(), *self.refusals()]
        if not self._store.is_in_reach():
            missing.append("store: not in reach")
        return missing


class _StoreCheck:
    """Asks the store now and then, however many want to know."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._reason: str | None = None
        self._asked_s = float("-inf")

    def is_in_reach(self) -> bool:
        """Return whether the store answers; the log is told why it does not."""
        with self._lock:
            if time.monotonic() - self._asked_s > _GOOD_FOR_S:
                self._note(self._ask())
                self._asked_s = time.monotonic()
            return self._reason is None

    def _ask(self) -> str | None:
        try:
            self._store = self._store or Store.connect(self._settings, timeout_s=_STORE_WITHIN_S)
            self._store.sql_rows("SELECT 1 FROM touches LIMIT 0")
        except StoreError as error:
            return str(error)
        return None

    def _note(self, reason: str | None) -> None:
        """Keep the answer; whoever asks without a key is not told the reason."""
        if reason and not self._reason:  # further ones differ at least in a number
            log.warning("the store is not in reach: %s", reason)
        elif self._reason and not reason:
            log.info("the store is in reach again")
        self._reason = reason
