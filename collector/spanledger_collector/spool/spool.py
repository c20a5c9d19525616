"""The spool: accepted requests on disk, from acknowledgement until they are stored.

A SQLite file in WAL mode with ``synchronous=FULL``. One thread writes; everything that waits is
committed together (group commit), and only then are the clients answered. Batches are frozen
before they are inserted: a retry after a crash sends the same rows under the same token, and the
store drops what it already has. A file that turns out damaged, at the start or later, is set aside
and its requests are salvaged into a fresh one with an identity of its own.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from isal import isal_zlib

from spanledger_collector.errors import Unavailable
from spanledger_collector.signals import Signal
from spanledger_collector.spool import file as spool_file
from spanledger_collector.spool import salvage
from spanledger_collector.spool.batches import Batch, SpoolDepth, SpooledRequest, held_bytes
from spanledger_collector.spool.budget import DiskBudget
from spanledger_collector.spool.dead_letters import DeadLetter
from spanledger_collector.spool.file import (
    DAMAGED_BODY,
    INSERT_REQUEST,
    ROW_COLUMNS,
    SpoolError,
    SpoolRow,
    is_damage,
    oldest_ns,
)
from spanledger_collector.spool.fresh import FreshRequests
from spanledger_collector.spool.writer import SpoolWriter
from spanledger_collector.telemetry import Telemetry

log = logging.getLogger(__name__)


class Spool:
    """Durable queue of requests. Thread-safe.

    Figures and batches change in the writing thread alone, with each commit. ``generation`` counts
    the times that the file was exchanged for a mended one: what was read before is not valid after.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        max_waiting_bytes: int = 256 << 20,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._path = path
        self._max_waiting_bytes = max_waiting_bytes
        self._telemetry = telemetry or Telemetry()
        self._admitting = threading.Lock()  # guards the bytes that wait to be written
        self._waiting_bytes = 0
        self._reading = threading.Lock()  # guards the reading connection and its generation
        self._generation = 0
        self._taking = threading.Lock()  # one batch is taken at a time
        self._arrived = threading.Event()
        self._depth = SpoolDepth()
        self._oldest_ns: int | None = None
        self._frozen_to = 0
        self._unfinished: deque[tuple[int, int, int, str]] = deque()
        self._fresh = FreshRequests()
        self._is_set_aside = False
        self._lock_file = spool_file.lock(path)
        self.budget = DiskBudget(path.parent, max_bytes)
        try:
            connection = self._open()
        except BaseException as error:
            self._lock_file.close()
            if not isinstance(error, sqlite3.Error | OSError):
                raise
            raise SpoolError(
                f"The spool {path} cannot be opened: {error}. Check that its directory is writable "
                "and its disk has room; nothing was deleted."
            ) from error
        self._writer = SpoolWriter(connection, self._mend)

    # Requests come in

    def append(
        self,
        project: str,
        body: bytes,
        items: int,
        received_ns: int,
        signal: Signal = Signal.TRACES,
    ) -> Future[int]:
        """Queue a request; the future completes with its number once it is on disk.

        Raises:
            Unavailable: memory, disk budget or disk is used up; the client shall send again.
            RequestTooLarge: more than the whole disk budget.
        """
        size, held = len(body), held_bytes(len(body))
        if not self._writer.is_whole:
            raise Unavailable("The spool is being mended; send again.")
        with self._admitting:
            waiting = self._waiting_bytes
            if waiting + size > self._max_waiting_bytes:
                raise Unavailable("Too many bytes wait to be written; send again.")
            self.budget.admit(size, self._depth.disk_bytes + waiting, waiting)
            self._waiting_bytes += size

        def insert(connection: sqlite3.Connection) -> int:
            row = (project, received_ns, items, isal_zlib.crc32(body), body, signal)
            return int(connection.execute(INSERT_REQUEST, row).lastrowid or 0)

        def count(seq: int) -> None:
            if not self._depth.requests:
                self._oldest_ns = received_ns
            self._fresh.add(SpooledRequest(seq, project, received_ns, items, body, signal))
            self._depth = self._depth.plus(SpoolDepth(1, items, size, 0, 0, 1, items, size, held))
            self._arrived.set()

        done = self._writer.submit(insert, count, size=size)
        done.add_done_callback(lambda _: self._written(size))
        return done

    def _written(self, size: int) -> None:
        with self._admitting:
            self._waiting_bytes -= size

    # Batches go out

    def wait(self, timeout_s: float) -> bool:
        """Wait until a request is there that is in no batch; return whether one is."""
        self._arrived.clear()
        if not self._depth.unfrozen_requests:
            self._arrived.wait(timeout_s)
        return self._depth.unfrozen_requests > 0

    def holds(self, items: int, size: int) -> bool:
        """Return whether a batch of so many items or bytes waits."""
        depth = self._depth
        is_full = depth.unfrozen_items >= items or depth.unfrozen_bytes >= size
        return is_full or bool(self._unfinished)

    def take(self, max_items: int, max_bytes: int) -> Batch | None:
        """Return the next batch to store, None when nothing waits.

        Batches that a previous run froze and did not finish come first, as they were.

        Raises:
            Unavailable: the spool cannot be written now, or was mended meanwhile.
            sqlite3.Error: the spool cannot be read now.
        """
        with self._taking:
            with self._reading:  # or they might be of two files
                generation, frozen = self._generation, self._unfinished
            if not frozen:
                self._freeze(max_items, max_bytes, generation)
            if not frozen:
                return None
            batch = self._batch(*frozen[0], generation)
            frozen.popleft()  # not before: it must come again if it could not be read
            return batch

    def _freeze(self, max_items: int, max_bytes: int, generation: int) -> None:
        """Put what waits, up to a full batch, into a batch."""
        with self._reader(generation) as read:
            run = spool_file.next_run(read, self._frozen_to, max_items, max_bytes)
        if run is None:
            return
        frozen = self._unfinished

        def insert(connection: sqlite3.Connection) -> tuple[int, str]:
            self._require(generation)
            return spool_file.insert_batch(connection, self.spool_id, run.first, run.last)

        def note(made: tuple[int, str]) -> None:
            batch_id, flush_id = made
            frozen.append((batch_id, run.first, run.last, flush_id))
            self._frozen_to = run.last
            change = SpoolDepth(0, 0, 0, 0, 0, -run.requests, -run.items, -run.size)
            self._depth = self._depth.plus(change)

        self._writer.submit(insert, note).result()

    def _batch(self, batch_id: int, first: int, last: int, flush_id: str, generation: int) -> Batch:
        """Return a frozen batch; rows that are damaged become dead letters."""
        every = "SELECT seq FROM requests WHERE seq BETWEEN ? AND ? ORDER BY seq"
        one = f"SELECT {ROW_COLUMNS} FROM requests WHERE seq = ?"
        with self._reader(generation) as read:
            seqs = [seq for (seq,) in read.execute(every, (first, last))]
            requests = self._fresh.take(seqs)
            found = [read.execute(one, (n,)).fetchone() for n in seqs if n not in requests]
            spool_id = self.spool_id
        for row in map(SpoolRow.of, found):
            if row.is_whole():
                requests[row.seq] = row.request()
            else:
                self._telemetry.damaged_requests.inc()
                self.bury(Batch(0, f"{spool_id}-0", (row.request(),)), DAMAGED_BODY)
        return Batch(batch_id, flush_id, tuple(requests[n] for n in seqs if n in requests))

    # What becomes of batches

    def split(self, batch: Batch) -> list[Batch]:
        """Replace a batch by its two halves, each with an identity of its own."""
        middle = len(batch.requests) // 2
        halves = [batch.requests[:middle], batch.requests[middle:]]

        def insert(connection: sqlite3.Connection) -> list[Batch]:
            if not self._is_ours(batch):
                return []
            spool_file.delete_batch(connection, batch.batch_id)
            ends = [(half[0].seq, half[-1].seq) for half in halves]
            made = [spool_file.insert_batch(connection, self.spool_id, *pair) for pair in ends]
            return [Batch(*names, half) for names, half in zip(made, halves, strict=True)]

        return self._writer.submit(insert).result()

    def finish(self, batch: Batch) -> None:
        """Forget a batch: it is stored."""

        def delete(connection: sqlite3.Connection) -> int | None:
            if batch.requests:
                ends = (batch.requests[0].seq, batch.requests[-1].seq)
                connection.execute("DELETE FROM requests WHERE seq BETWEEN ? AND ?", ends)
            spool_file.delete_batch(connection, batch.batch_id)
            return oldest_ns(connection)

        self._end(batch, delete)

    def bury(self, batch: Batch, reason: str) -> None:
        """Set a batch aside that can never be stored; its bytes stay, with the reason."""

        def move(connection: sqlite3.Connection) -> int | None:
            for request in batch.requests:
                spool_file.bury(connection, request.seq, reason)
            spool_file.delete_batch(connection, batch.batch_id)
            return oldest_ns(connection)

        self._end(batch, move, letters=len(batch.requests))
        for request in batch.requests:
            self._telemetry.dead_letters.labels(request.signal).inc()

    def _end(
        self, batch: Batch, run: Callable[[sqlite3.Connection], int | None], letters: int = 0
    ) -> None:
        """Run what ends a batch, unless the file was exchanged: then its requests come again."""
        count, items, size = len(batch.requests), batch.items, batch.size_bytes
        held = batch.held_bytes

        def guarded(connection: sqlite3.Connection) -> tuple[bool, int | None]:
            return (True, run(connection)) if self._is_ours(batch) else (False, None)

        def note(result: tuple[bool, int | None]) -> None:
            if result[0]:
                self._oldest_ns = result[1]
                kept = SpoolDepth(dead_letters=letters, dead_bytes=size if letters else 0)
                self._depth = self._depth.minus(count, items, size, held).plus(kept)

        self._writer.submit(guarded, note).result()

    # Dead letters, until the store has them

    def letters(self, most: int, max_bytes: int, after: int = -(1 << 63)) -> list[DeadLetter]:
        """Return dead letters behind a number, at least one if there are any, and keep them."""
        found: list[DeadLetter] = []
        with self._reader(self._generation) as read:
            sql = f"SELECT {ROW_COLUMNS}, reason FROM dead_letters WHERE seq > ?"
            rows = read.execute(f"{sql} ORDER BY seq LIMIT ?", (after, most))
            for values in rows:
                row = SpoolRow.of(values)
                project, received_ns, items, _, body, signal = row.values()
                if found and len(body) > max_bytes:
                    break
                max_bytes -= len(body)
                found.append(
                    DeadLetter.of(
                        project, signal, received_ns, items, body, row.reason,
                        spool_id=self.spool_id, seq=row.seq,
                    )
                )  # fmt: skip
            rows.close()
        return found

    def forget(self, letters: Sequence[DeadLetter]) -> None:
        """Remove dead letters: the store has them."""

        def delete(connection: sqlite3.Connection) -> list[DeadLetter]:
            ours = [letter for letter in letters if letter.spool_id == self.spool_id]
            seqs = [(letter.seq,) for letter in ours]
            connection.executemany("DELETE FROM dead_letters WHERE seq = ?", seqs)
            return ours

        def count(gone: list[DeadLetter]) -> None:
            size = sum(letter.size_bytes for letter in gone)
            self._depth = self._depth.plus(SpoolDepth(0, 0, 0, -len(gone), -size))

        self._writer.submit(delete, count).result()

    def recount_letters(self) -> None:
        """Count the dead letters in the file again: a deletion takes some out behind us."""

        def note(counted: tuple[int, int]) -> None:
            letters, size = counted
            self._depth = replace(self._depth, dead_letters=letters, dead_bytes=size)

        self._writer.submit(spool_file.count_letters, note).result()

    def depth(self) -> SpoolDepth:
        """Return what waits now, without asking the file."""
        return self._depth

    def oldest_age_s(self, now_ns: int) -> float:
        """Return how long the oldest request has waited, in seconds; 0 when none waits."""
        oldest = self._oldest_ns
        return 0.0 if oldest is None else max(0.0, (now_ns - oldest) / 1e9)

    def close(self) -> None:
        """Write what was queued and close the file."""
        self._writer.close()
        with self._reading:
            self._read.close()
        self._lock_file.close()

    def _open(self) -> sqlite3.Connection:
        """Open the file, or a fresh one with what can be salvaged from it; return a connection."""
        salvage.remove_copies(self._path)
        if not salvage.finish_setting_aside(self._path) and (wrong := spool_file.check(self._path)):
            log.error("the spool file %s is damaged: %s", self._path, wrong)
            salvage.set_aside(self._path, time.time_ns())
        for done in salvage.salvage_pending(self._path):
            self._telemetry.salvaged_requests.inc(done.salvaged)
            self._telemetry.damaged_requests.inc(done.damaged)
        writing = spool_file.connect(self._path)
        self._adopt(spool_file.connect(self._path))
        return writing

    def _adopt(self, read: sqlite3.Connection) -> None:
        """Read from this file from now on."""
        with self._reading:
            self._generation += 1
            self._fresh.clear()
            self._read = read
            self.spool_id = str(read.execute("SELECT spool_id FROM meta").fetchone()[0])
            self._unfinished = deque(spool_file.frozen_batches(read, self.spool_id))
            self._frozen_to = max((last for _, _, last, _ in self._unfinished), default=0)
            self._depth = spool_file.count_waiting(read, self._frozen_to)
            self._oldest_ns = oldest_ns(read)
        self._arrived.set()

    def _mend(self) -> sqlite3.Connection:
        """Set a file aside that turned out damaged, and go on with a fresh one."""
        with self._reading:
            self._generation += 1
            self._read.close()
        if not self._is_set_aside:
            log.error("the spool file %s is damaged: it is set aside", self._path)
            if not salvage.finish_setting_aside(self._path):
                salvage.set_aside(self._path, time.time_ns())
            self._is_set_aside = True
        connection = self._open()
        self._is_set_aside = False
        return connection

    @contextmanager
    def _reader(self, generation: int) -> Generator[sqlite3.Connection, None, None]:
        """Give the reading connection to one thread; the writer learns of damage it finds."""
        with self._reading:
            self._require(generation)
            try:
                yield self._read
            except sqlite3.Error as error:
                if is_damage(error):
                    self._writer.submit(self._tell(error, generation))
                raise

    def _tell(self, error: sqlite3.Error, generation: int) -> Callable[[sqlite3.Connection], None]:
        """Return work that fails with an error met in reading, unless it was mended since."""

        def run(_connection: sqlite3.Connection) -> None:
            if generation == self._generation:
                raise error

        return run

    def _require(self, generation: int) -> None:
        if generation != self._generation:
            raise Unavailable("The spool was mended meanwhile; try again.")

    def _is_ours(self, batch: Batch) -> bool:
        """Return whether a batch is of the present file: only then its numbers mean its rows."""
        return batch.flush_id.startswith(f"{self.spool_id}-")
