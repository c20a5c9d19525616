"""The spool: accepted requests on disk, from acknowledgement until they are stored.

A SQLite file in WAL mode with ``synchronous=FULL``. One thread writes; everything that waits is
committed together (group commit), and only then are the clients answered. Batches are frozen
before they are inserted: a retry after a crash sends the same rows under the same token, and the
store drops what it already has.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import uuid
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from spanledger_collector.errors import CollectorError, Unavailable
from spanledger_collector.signals import Signal

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (spool_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    received_ns INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,
    body BLOB NOT NULL,
    signal TEXT NOT NULL DEFAULT 'traces'
);
CREATE TABLE IF NOT EXISTS batches (
    batch_id INTEGER PRIMARY KEY AUTOINCREMENT,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS dead_letters (
    seq INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    received_ns INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL,
    signal TEXT NOT NULL DEFAULT 'traces'
);
"""
_COLUMNS = "seq, project, received_ns, spans, crc32, body, signal"
_DAMAGED = "the stored bytes do not match their checksum: the disk or the file is damaged"
_GROUP_REQUESTS = 256
_GROUP_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class SpooledRequest:
    """One accepted request: ``body`` is the export request of its signal in protobuf.

    ``items`` counts its spans, log records or data points.
    """

    seq: int
    project: str
    received_ns: int
    items: int
    body: bytes
    signal: Signal


@dataclass(frozen=True, slots=True)
class Batch:
    """A frozen run of requests; ``flush_id`` names it for ever and everywhere."""

    batch_id: int
    flush_id: str
    requests: tuple[SpooledRequest, ...]


@dataclass(frozen=True, slots=True)
class SpoolDepth:
    """What waits in the spool now."""

    requests: int
    items: int
    bytes: int
    dead_letters: int


class SpoolError(CollectorError):
    """The spool cannot be opened."""


@dataclass(slots=True)
class _Work:
    run: Callable[[sqlite3.Connection], object]
    size: int
    done: Future[object]


class Spool:
    """Durable queue of requests. Thread-safe."""

    def __init__(self, path: Path, *, max_bytes: int, max_waiting_bytes: int = 256 << 20) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting_bytes = 0
        self._stored_bytes = 0
        self._lock = threading.Lock()
        self._work: queue.Queue[_Work | None] = queue.Queue()
        self._arrived = threading.Event()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._read = self._open()
        self.spool_id = self._identity()
        self._stored_bytes = self.depth().bytes
        self._taking = threading.Lock()
        self._unfinished = deque(
            self._query("SELECT batch_id, first_seq, last_seq FROM batches ORDER BY batch_id")
        )
        self._thread = threading.Thread(target=self._write_loop, name="spool", daemon=True)
        self._thread.start()

    def append(
        self,
        project: str,
        body: bytes,
        items: int,
        received_ns: int,
        signal: Signal = Signal.TRACES,
    ) -> Future[object]:
        """Queue a request; the future completes once it is on disk.

        Raises:
            Unavailable: memory or disk budget is used up; the client shall send again.
        """
        with self._lock:
            if self._waiting_bytes + len(body) > self._max_waiting_bytes:
                raise Unavailable("Too many bytes wait to be written; send again.")
            if self._stored_bytes + self._waiting_bytes + len(body) > self._max_bytes:
                raise Unavailable("The spool is full: the store does not keep up; send again.")
            self._waiting_bytes += len(body)
        row = (project, received_ns, items, zlib.crc32(body), body, signal)

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO requests (project, received_ns, spans, crc32, body, signal)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

        done = self._submit(insert, len(body))
        done.add_done_callback(lambda f: self._account(len(body), stored=f.exception() is None))
        return done

    def wait(self, timeout_s: float) -> bool:
        """Wait until a request arrived since the last call; return whether one did."""
        arrived = self._arrived.wait(timeout_s)
        self._arrived.clear()
        return arrived

    def take(self, max_items: int, max_bytes: int) -> Batch | None:
        """Return the next batch to store, None when nothing waits.

        Batches that a previous run froze and did not finish come first, as they were.
        """
        with self._taking:
            if self._unfinished:
                return self._batch(*self._unfinished.popleft())
            return self._freeze(max_items, max_bytes)

    def _freeze(self, max_items: int, max_bytes: int) -> Batch | None:
        [(after,)] = self._query("SELECT coalesce(max(last_seq), 0) FROM batches")
        rows = self._query(
            "SELECT seq, spans, length(body) FROM requests WHERE seq > ? ORDER BY seq LIMIT 10000",
            (after,),
        )
        last, items, size = 0, 0, 0
        for seq, row_items, row_bytes in rows:
            if last and (items + row_items > max_items or size + row_bytes > max_bytes):
                break
            last, items, size = seq, items + row_items, size + row_bytes
        if not last:
            return None
        [batch_id] = self._insert_batches([(rows[0][0], last)])
        return self._batch(batch_id, rows[0][0], last)

    def split(self, batch: Batch) -> list[Batch]:
        """Replace a batch by its two halves, each with an identity of its own."""
        middle = len(batch.requests) // 2
        halves = [batch.requests[:middle], batch.requests[middle:]]
        ids = self._insert_batches([(h[0].seq, h[-1].seq) for h in halves], batch.batch_id)
        return [
            Batch(batch_id, self._flush_id(batch_id), half)
            for batch_id, half in zip(ids, halves, strict=True)
        ]

    def finish(self, batch: Batch) -> None:
        """Forget a batch: it is stored."""

        def delete(connection: sqlite3.Connection) -> None:
            span = (batch.requests[0].seq, batch.requests[-1].seq) if batch.requests else (0, 0)
            connection.execute("DELETE FROM requests WHERE seq BETWEEN ? AND ?", span)

        self._end(batch, delete)

    def bury(self, batch: Batch, reason: str) -> None:
        """Set a batch aside that can never be stored; its bytes stay, with the reason."""
        self._end(batch, _burial([r.seq for r in batch.requests], reason))

    def depth(self) -> SpoolDepth:
        """Return what waits now."""
        [(requests, items, size)] = self._query(
            "SELECT count(*), coalesce(sum(spans), 0), coalesce(sum(length(body)), 0) FROM requests"
        )
        [(dead,)] = self._query("SELECT count(*) FROM dead_letters")
        return SpoolDepth(requests, items, size, dead)

    def close(self) -> None:
        """Write what was queued and close the file."""
        self._work.put(None)
        self._thread.join()
        self._read.close()

    def _open(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path, timeout=30, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA wal_autocheckpoint=4000")
            connection.executescript(_SCHEMA)
            _add_signals(connection)
        except sqlite3.Error as error:
            raise SpoolError(
                f"The spool {self._path} cannot be opened: {error}. Check that the directory is "
                "writable; if the file is damaged move it away, nothing deletes it."
            ) from error
        return connection

    def _identity(self) -> str:
        self._read.execute(
            "INSERT INTO meta SELECT ? WHERE NOT EXISTS (SELECT 1 FROM meta)", (uuid.uuid4().hex,)
        )
        return str(self._read.execute("SELECT spool_id FROM meta").fetchone()[0])

    def _flush_id(self, batch_id: int) -> str:
        return f"{self.spool_id}-{batch_id}"

    def _batch(self, batch_id: int, first_seq: int, last_seq: int) -> Batch:
        rows = self._query(
            "SELECT seq, project, received_ns, spans, body, signal, crc32 FROM requests"
            " WHERE seq BETWEEN ? AND ? ORDER BY seq",
            (first_seq, last_seq),
        )
        requests = [
            SpooledRequest(seq, project, received_ns, items, body, Signal(signal))
            for seq, project, received_ns, items, body, signal, crc32 in rows
            if zlib.crc32(body) == crc32
        ]
        if len(requests) < len(rows):
            kept = {r.seq for r in requests}
            self._commit(_burial([row[0] for row in rows if row[0] not in kept], _DAMAGED))
        return Batch(batch_id, self._flush_id(batch_id), tuple(requests))

    def _insert_batches(self, ranges: list[tuple[int, int]], replaces: int = 0) -> list[int]:
        def insert(connection: sqlite3.Connection) -> list[int]:
            connection.execute("DELETE FROM batches WHERE batch_id = ?", (replaces,))
            sql = "INSERT INTO batches (first_seq, last_seq) VALUES (?, ?)"
            return [int(connection.execute(sql, r).lastrowid or 0) for r in ranges]

        return self._commit(insert)

    def _end(self, batch: Batch, dispose: Callable[[sqlite3.Connection], object]) -> None:
        def run(connection: sqlite3.Connection) -> None:
            dispose(connection)
            connection.execute("DELETE FROM batches WHERE batch_id = ?", (batch.batch_id,))

        self._commit(run)
        with self._lock:
            self._stored_bytes -= sum(len(r.body) for r in batch.requests)

    def _account(self, size: int, *, stored: bool) -> None:
        with self._lock:
            self._waiting_bytes -= size
            if stored:
                self._stored_bytes += size
        self._arrived.set()

    def _query(self, sql: str, params: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._read.execute(sql, params).fetchall()

    def _submit(self, run: Callable[[sqlite3.Connection], object], size: int) -> Future[object]:
        done: Future[object] = Future()
        # A client that hangs up cancels what waits for this, but the write goes on.
        done.set_running_or_notify_cancel()
        self._work.put(_Work(run, size, done))
        return done

    def _commit(self, run: Callable[[sqlite3.Connection], T]) -> T:
        return self._submit(run, 0).result()  # type: ignore[return-value]  # the future of run

    def _write_loop(self) -> None:
        connection = self._open()
        while (first := self._work.get()) is not None:
            group, is_last = self._gather(first)
            _commit_group(connection, group)
            if is_last:
                break
        connection.close()

    def _gather(self, first: _Work) -> tuple[list[_Work], bool]:
        """Return the work that waits now, in order, and whether the end of all work came."""
        group, size = [first], first.size
        while len(group) < _GROUP_REQUESTS and size < _GROUP_BYTES:
            try:
                work = self._work.get_nowait()
            except queue.Empty:
                break
            if work is None:
                return group, True
            group.append(work)
            size += work.size
        return group, False


def _add_signals(connection: sqlite3.Connection) -> None:
    """Bring a file of a version that knew traces only to the present form."""
    for table in ("requests", "dead_letters"):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        if "signal" not in columns:
            connection.execute(
                f"ALTER TABLE {table} ADD COLUMN signal TEXT NOT NULL DEFAULT '{Signal.TRACES}'"
            )


def _burial(seqs: list[int], reason: str) -> Callable[[sqlite3.Connection], object]:
    """Return the work that moves requests to the dead letters."""

    def move(connection: sqlite3.Connection) -> None:
        for seq in seqs:
            connection.execute(
                f"INSERT INTO dead_letters ({_COLUMNS}, reason)"
                f" SELECT {_COLUMNS}, ? FROM requests WHERE seq = ?",
                (reason, seq),
            )
            connection.execute("DELETE FROM requests WHERE seq = ?", (seq,))

    return move


def _commit_group(connection: sqlite3.Connection, group: list[_Work]) -> None:
    """Run and commit a group; on failure every waiter learns that nothing was kept."""
    results: list[object] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        results = [work.run(connection) for work in group]
        connection.execute("COMMIT")
    except Exception as error:  # whatever it is, the one writer must live on
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        for work in group:
            work.done.set_exception(
                Unavailable(f"The spool could not be written ({error}); send again.")
            )
        return
    for work, result in zip(group, results, strict=True):
        work.done.set_result(result)
