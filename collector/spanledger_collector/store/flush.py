"""Moves frozen batches from the spool into the store, for ever, in order, without loss."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spanledger_collector.decode.decode import Body
from spanledger_collector.spool.batches import Batch
from spanledger_collector.spool.dead_letters import DeadLetter
from spanledger_collector.spool.spool import Spool
from spanledger_collector.store.store_process import (
    LetterJob,
    StoreJob,
    StoreOutcome,
    StoreProcess,
    StoreProcessDied,
)
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.store import StoreSettings

log = logging.getLogger(__name__)

_MAX_ITEMS = 20_000
_MAX_BYTES = 48 << 20
_LINGER_S = 0.2
_BACKOFF_S = (0.2, 0.5, 1, 2, 5)
# A batch that kills its process this often, one after another, is at fault itself.
_MAX_DEATHS = 3
# So often in a row, some two minutes, a batch is refused that may be at fault; then it is divided.
# A request alone lets others pass, and is tried again between them. It becomes a dead letter when
# others were stored while it was refused for so long.
_MOST_REFUSALS = 24
_MOST_PUT_OFF = 8
_PATIENCE_S = 3_600.0
_LETTERS = 500
_LETTER_BYTES = 8 << 20
_FIRST = -(1 << 63)


class _PutOff(NamedTuple):
    """A request that is refused, since when, and how many batches had been stored by then."""

    batch: Batch
    since_s: float
    stored: int


class Flusher:
    """One thread with one storing process. Several may share a spool.

    ``rank`` 0 starts its process at once, and takes dead letters to the store; a higher rank waits
    longer for a batch and starts its process with the first one, so that it costs nothing while
    the others keep up.
    """

    def __init__(
        self,
        spool: Spool,
        settings: StoreSettings,
        rank: int = 0,
        *,
        telemetry: Telemetry | None = None,
        scratch: Path | None = None,
    ) -> None:
        self._spool = spool
        self._settings = settings
        self._rank = rank
        self._telemetry = telemetry or Telemetry()
        self._scratch = scratch
        self._stopping = threading.Event()
        self._process: StoreProcess | None = None
        self._letters_after_s = float("-inf")
        self._refused_to = _FIRST
        self._put_off: deque[_PutOff] = deque()
        self._again_at_s = 0.0
        self._stored = 0
        self._thread = threading.Thread(target=self._loop, name="flush", daemon=True)
        self.last_error: str | None = None

    def start(self) -> None:
        """Begin with what a previous run left behind, then follow the spool."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let the batch in hand be the last one."""
        self._stopping.set()

    def stop(self, timeout_s: float = 5) -> None:
        """Finish the batch in hand and end. What is not stored stays in the spool."""
        self.ask_to_stop()
        self._thread.join(timeout_s)
        if self._process:
            self._process.close(timeout_s=1)

    def _loop(self) -> None:
        todo: deque[Batch] = deque()
        while not self._stopping.is_set():
            try:
                if self._rank == 0:
                    self._process = self._process or self._start_process()
                    self._deliver_letters()
                self._try_again()
                if not todo and (batch := self._next()):
                    todo.append(batch)
                if todo:
                    halves = self._store(todo[0])
                    todo.popleft()  # not before: it must come again if the spool cannot be written
                    todo.extendleft(reversed(halves))
            except Exception as error:  # the spool's disk, no process to be had, or a fault of ours
                # Nothing is lost, so wait; this thread must not end.
                self._complain(f"{type(error).__name__}: {error}")
                self._stopping.wait(_BACKOFF_S[-1])

    def _next(self) -> Batch | None:
        """Return the next batch, giving small requests a moment to come together."""
        if len(self._put_off) >= _MOST_PUT_OFF:
            self._stopping.wait(_BACKOFF_S[0])
            return None
        if not self._spool.holds(_MAX_ITEMS, _MAX_BYTES) and self._spool.wait(timeout_s=0.5):
            self._stopping.wait(_LINGER_S * (1 + self._rank))
        return self._spool.take(_MAX_ITEMS, _MAX_BYTES)

    def _store(self, batch: Batch) -> list[Batch]:
        """Store a batch; return the batches that replace it, if it had to be divided."""
        started_s = time.monotonic()
        outcome = self._run(batch)
        if outcome is None:
            return []  # stopping: it stays frozen in the spool
        if outcome.error is None:
            self._finish(batch, time.monotonic() - started_s)
            return []
        if len(batch.requests) > 1:
            return self._spool.split(batch)
        if outcome.permanent:
            self._bury(batch, outcome.error)
        else:
            log.warning("storing: a request waits while others pass: %s", outcome.error)
            self._put_off.append(_PutOff(batch, time.monotonic(), self._stored))
        return []

    def _try_again(self) -> None:
        """Try the request once that has been put off for the longest, every few seconds."""
        if not self._put_off or time.monotonic() < self._again_at_s:
            return
        batch, since_s, stored = self._put_off[0]
        started_s = time.monotonic()
        outcome = self._run(batch, is_again=True)
        self._again_at_s = time.monotonic() + _BACKOFF_S[-1]
        if outcome is None:
            return
        is_late = started_s - since_s >= _PATIENCE_S and self._stored > stored
        if outcome.error is None:
            self._finish(batch, time.monotonic() - started_s)
        elif outcome.permanent or is_late:
            self._bury(batch, outcome.error)
        else:
            self._put_off.rotate(-1)
            return
        self._put_off.popleft()

    def _bury(self, batch: Batch, reason: str) -> None:
        self._complain(f"a request is set aside as a dead letter: {reason}")
        self._spool.bury(batch, reason)

    def _finish(self, batch: Batch, took_s: float) -> None:
        self._spool.finish(batch)
        self._stored += 1
        now_ns = time.time_ns()
        self._telemetry.store_seconds.observe(took_s)
        self._telemetry.stored_items.inc(batch.items)
        for request in batch.requests:
            lag_s = (now_ns - request.received_ns) / 1e9
            self._telemetry.queryable_lag_seconds.observe(max(0.0, lag_s))

    def _run(self, batch: Batch, *, is_again: bool = False) -> StoreOutcome | None:
        """Run a batch until it is stored, found at fault or often refused; None when stopping."""
        bodies = [Body(r.project, r.body, r.received_ns, r.signal) for r in batch.requests]
        deaths = attempt = refusals = 0
        while not self._stopping.is_set():
            # Every attempt has its own time: it decides which messages need not come along.
            outcome, is_dead = self._ask(StoreJob(batch.flush_id, time.time_ns(), bodies))
            deaths = deaths + 1 if is_dead else 0
            if deaths >= _MAX_DEATHS:
                outcome = StoreOutcome(outcome.error, permanent=True)
            refusals = refusals + 1 if outcome.may_be_rows else 0
            if outcome.error is None:
                self.last_error = None
            if outcome.error is None or outcome.permanent:
                return outcome
            if refusals >= (1 if is_again else _MOST_REFUSALS):
                return outcome
            self._complain(outcome.error)
            self._stopping.wait(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)])
            attempt += 1
        return None

    def _ask(self, job: StoreJob | LetterJob) -> tuple[StoreOutcome, bool]:
        """Return what became of one attempt, and whether the process ended over it.

        A process that ended before, as the system may end one for lack of memory while the store is
        down, tells nothing of the job.
        """
        self._process = self._process or self._start_process()
        try:
            outcome = self._process.run(job)
        except StoreProcessDied as error:
            self._process.close(timeout_s=0)
            self._process = None
            self._telemetry.store_failures.labels("process").inc()
            return StoreOutcome(str(error)), error.had_begun
        if outcome.error is not None:
            kind = "refused" if outcome.permanent else "unavailable"
            self._telemetry.store_failures.labels(kind).inc()
        return outcome, False

    def _start_process(self) -> StoreProcess:
        if self._scratch:
            self._scratch.mkdir(parents=True, exist_ok=True)
        return StoreProcess(self._settings, self._scratch)

    def _deliver_letters(self) -> None:
        """Take dead letters from the spool to the store; what it does not take now stays."""
        if not self._spool.depth().dead_letters or time.monotonic() < self._letters_after_s:
            return
        letters = self._spool.letters(_LETTERS, _LETTER_BYTES, self._refused_to)
        if not letters:
            self._refused_to = _FIRST  # those that were passed over have their turn again
            self._spool.recount_letters()
            return
        outcome = self._deliver(letters)
        if outcome.error is None:
            self._letters_after_s = float("-inf")
            return
        if self._letters_after_s < 0:  # the first attempt of a row
            log.warning("storing: dead letters wait in the spool: %s", outcome.error)
        self._letters_after_s = time.monotonic() + _BACKOFF_S[-1]
        self._refused_to = letters[-1].seq

    def _deliver(self, letters: Sequence[DeadLetter]) -> StoreOutcome:
        """Return what became of letters; where one is refused for good, the others go alone."""
        outcome, _ = self._ask(LetterJob(letters, time.time_ns()))
        if outcome.error is None:
            self._spool.forget(letters)
        elif outcome.permanent and len(letters) > 1:
            for letter in letters:
                alone = self._deliver([letter])
                if self._stopping.is_set() or (alone.error and not alone.permanent):
                    return alone
        return outcome

    def _complain(self, message: str) -> None:
        """Log a state of trouble once, not at every attempt."""
        if message != self.last_error:
            log.warning("storing: %s", message)
        self.last_error = message
