"""Of several workers on one store, one runs the jobs; the others stand by."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock

import pyarrow as pa
import sqlalchemy as sa

from spanledger_storage.alert_state import AlertState, Lease, LeaseLost
from spanledger_storage.errors import StateError
from spanledger_storage.store import Params, Store

log = logging.getLogger(__name__)

_NAME = "jobs"
_LASTS_NS = 15 * 10**9
_RENEWED_EVERY_S = 2


class JobsLease:
    """Says whether this worker runs the jobs: they remember what they did, so only one may.

    Args:
        state: the state database.
        holder: who this worker is; nobody else may be called so.
    """

    def __init__(self, state: sa.Engine, holder: str) -> None:
        self._state = AlertState(state)
        self._holder = holder
        self._lease: Lease | None = None
        self._asked_at_s: float | None = None
        self._asking = Lock()
        self._is_standing_by = False

    def token(self) -> int | None:
        """Return what is another number whenever another worker ran jobs meanwhile.

        None: another one runs them.

        Raises:
            SQLAlchemyError: the state database does not answer.
        """
        with self._asking:
            now_s = time.monotonic()
            if self._asked_at_s is None or now_s - self._asked_at_s >= _RENEWED_EVERY_S:
                self._lease = self._asked()
                self._asked_at_s = now_s
                self._say(is_standing_by=self._lease is None)
            return self._lease.token if self._lease else None

    def _asked(self) -> Lease | None:
        try:
            return self._state.acquire(_NAME, self._holder, time.time_ns(), _LASTS_NS)
        except StateError as error:  # it speaks of alerts
            raise error.__cause__ or error from None

    def demand(self, token: int) -> None:
        """Return if no other worker ran jobs since the token was given.

        Raises:
            LeaseLost: one did.
            SQLAlchemyError: the state database does not answer.
        """
        if self.token() != token:
            raise LeaseLost("another worker runs the jobs")

    def release(self) -> None:
        """Let another take over at once; without a word where the state database is away."""
        with self._asking, suppress(StateError):
            if self._lease:
                self._state.release(self._lease)

    def _say(self, *, is_standing_by: bool) -> None:
        if is_standing_by != self._is_standing_by:
            self._is_standing_by = is_standing_by
            log.info(
                "standing by: another worker runs the jobs" if is_standing_by else "taking over"
            )


class LeasedStore(Store):
    """A store that is written to only while the worker that opened it runs the jobs.

    A worker that was stopped in the midst of a job and goes on must not write what it derived from
    what was there before: nobody would look at that again.
    """

    demand: Callable[[], None]
    """Raises where the worker does not."""

    def command(self, name: str, params: Params | None = None) -> None:
        """See Store; raises LeaseLost as well."""
        self.demand()
        super().command(name, params)

    def execute(
        self, sql: str, settings: Mapping[str, object] | None = None, params: Params | None = None
    ) -> None:
        """See Store; raises LeaseLost as well."""
        self.demand()
        super().execute(sql, settings, params)

    def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        """See Store; raises LeaseLost as well."""
        self.demand()
        super().insert(table, rows, token=token)
