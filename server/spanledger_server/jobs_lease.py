"""Of several workers on one store, one runs the jobs; the others stand by."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
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
        with _as_it_was():
            return self._state.acquire(_NAME, self._holder, time.time_ns(), _LASTS_NS)

    def demand(self, token: int) -> None:
        """Return if no other worker ran jobs since the token was given.

        Who holds the lease is asked every time: while a machine is paused its clocks may stand
        still, and a worker on it would not know that its lease is over.

        Raises:
            LeaseLost: one did.
            SQLAlchemyError: the state database does not answer.
        """
        with _as_it_was():
            held = self._state.held(_NAME)
        if held is None or held[0] != self._holder or self.token() != token:
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


class JobsFence:
    """Ends what silent workers have under way: should one come back, it starts anew.

    Args:
        state: the state database.
    """

    def __init__(self, state: sa.Engine) -> None:
        self._state = AlertState(state)
        self._holder = f"fence-{secrets.token_hex(8)}"

    def put_up(self) -> bool:
        """Have all that jobs derived and did not write refused from now on; False: a job may run.

        Whoever runs jobs next may do so at once.

        Raises:
            StateError: the state database does not answer.
        """
        lease = self._state.acquire(_NAME, self._holder, time.time_ns(), _LASTS_NS)
        if lease:
            self._state.release(lease)
        return lease is not None


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


@contextmanager
def _as_it_was() -> Generator[None]:
    """Raise what the state database said: errors about the lease speak of alerts."""
    try:
        yield
    except StateError as error:
        raise error.__cause__ or error from None
