"""Moves frozen batches from the spool into the store, for ever, in order, without loss."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable

from spanledger_collector.decode import Body
from spanledger_collector.errors import Unavailable
from spanledger_collector.spool import Batch, Spool
from spanledger_collector.store_process import (
    StoreJob,
    StoreOutcome,
    StoreProcess,
    StoreProcessDied,
)
from spanledger_storage.store import StoreSettings

log = logging.getLogger(__name__)

_MAX_ITEMS = 20_000
_MAX_BYTES = 48 << 20
_LINGER_S = 0.2
_BACKOFF_S = (0.2, 0.5, 1, 2, 5)
# A batch that kills its process this often is at fault itself.
_MAX_DEATHS = 3


class Flusher:
    """One thread with one storing process. Several may share a spool.

    ``rank`` 0 starts its process at once; a higher rank waits longer for a batch and starts its
    process with the first one, so that it costs nothing while the others keep up.
    """

    def __init__(
        self,
        spool: Spool,
        settings: StoreSettings,
        rank: int = 0,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._spool = spool
        self._settings = settings
        self._rank = rank
        self._now_ns = now_ns
        self._stopping = threading.Event()
        self._process: StoreProcess | None = None
        self._thread = threading.Thread(target=self._loop, name="flush", daemon=True)
        self.last_error: str | None = None

    def start(self) -> None:
        """Begin with what a previous run left behind, then follow the spool."""
        if self._rank == 0:
            self._process = StoreProcess(self._settings)
        self._thread.start()

    def stop(self, timeout_s: float = 5) -> None:
        """Finish the batch in hand and end. What is not stored stays in the spool."""
        self._stopping.set()
        self._thread.join(timeout_s)
        if self._process:
            self._process.close(timeout_s=1)

    def _loop(self) -> None:
        todo: deque[Batch] = deque()
        while not self._stopping.is_set():
            try:
                if not todo and (batch := self._next()):
                    todo.append(batch)
                if todo:
                    halves = self._store(todo[0])
                    todo.popleft()  # not before: it must come again if the spool cannot be written
                    todo.extendleft(reversed(halves))
            except (Unavailable, sqlite3.Error, OSError) as error:
                # The spool's own disk, or no process to be had: nothing is lost, so wait.
                self._complain(str(error))
                self._stopping.wait(_BACKOFF_S[-1])

    def _next(self) -> Batch | None:
        """Return the next batch, giving small requests a moment to come together."""
        if self._spool.wait(timeout_s=0.5):
            self._stopping.wait(_LINGER_S * (1 + self._rank))
        return self._spool.take(_MAX_ITEMS, _MAX_BYTES)

    def _store(self, batch: Batch) -> list[Batch]:
        """Store a batch; return the batches that replace it, if it had to be divided."""
        outcome = self._run(batch)
        if outcome is None:
            return []  # stopping: it stays frozen in the spool
        if outcome.error is None:
            self._spool.finish(batch)
            return []
        if len(batch.requests) > 1:
            return self._spool.split(batch)
        self._complain(f"a request is set aside as a dead letter: {outcome.error}")
        self._spool.bury(batch, outcome.error)
        return []

    def _run(self, batch: Batch) -> StoreOutcome | None:
        """Run a batch until it is stored or found at fault; None when stopping."""
        job = StoreJob(
            batch.flush_id,
            self._now_ns(),
            [Body(r.project, r.body, r.received_ns, r.signal) for r in batch.requests],
        )
        deaths = attempt = 0
        while not self._stopping.is_set():
            try:
                self._process = self._process or StoreProcess(self._settings)
                outcome = self._process.run(job)
            except StoreProcessDied as error:
                self._process = None
                deaths += 1
                outcome = StoreOutcome(str(error), permanent=deaths >= _MAX_DEATHS)
            if outcome.error is None or outcome.permanent:
                self.last_error = None
                return outcome
            self._complain(outcome.error)
            self._stopping.wait(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)])
            attempt += 1
        return None

    def _complain(self, message: str) -> None:
        """Log a state of trouble once, not at every attempt."""
        if message != self.last_error:
            log.warning("storing: %s", message)
        self.last_error = message
