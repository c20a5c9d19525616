"""The one thread that writes the spool: what waits together is committed together."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from spanledger_collector.errors import Unavailable
from spanledger_collector.spool.file import is_damage

T = TypeVar("T")
log = logging.getLogger(__name__)

_GROUP_REQUESTS = 256
_GROUP_BYTES = 8 << 20
_MEND_AFTER_S = 2.0
_AIR_BYTES = 256 << 20
_COMPACT_EVERY_S = 60.0


@dataclass(slots=True)
class _Work:
    run: Callable[[sqlite3.Connection], Any]
    then: Callable[[Any], object]
    size: int
    done: Future[Any]


class SpoolWriter:
    """Runs pieces of work in transactions, in the order they were given.

    ``mend`` is called in the writing thread when the file turns out damaged: it returns a
    connection to the mended one, or raises, and is then called again a while later.
    """

    def __init__(
        self, connection: sqlite3.Connection, mend: Callable[[], sqlite3.Connection]
    ) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._mend_file = mend
        self._compacted_at_s = time.monotonic()
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._loop, name="spool", daemon=True)
        self._thread.start()

    @property
    def is_whole(self) -> bool:
        """Whether the file can be written as far as is known: not while it is mended."""
        return self._connection is not None

    def submit(
        self,
        run: Callable[[sqlite3.Connection], T],
        then: Callable[[T], object] = lambda result: None,
        *,
        size: int = 0,
    ) -> Future[T]:
        """Queue work; the future completes after its commit, with what ``run`` returned.

        It fails with ``Unavailable`` when nothing of it was kept. ``then`` is called between the
        commit and the completion, in the writing thread; it must not fail. ``size`` in bytes bounds
        what one commit takes.
        """
        done: Future[T] = Future()
        # A client that hangs up cancels what waits for this, but the write goes on.
        done.set_running_or_notify_cancel()
        if self._is_closed:
            done.set_exception(Unavailable("The collector is shutting down; send again."))
        else:
            self._work.put(_Work(run, then, size, done))
        return done

    def close(self) -> None:
        """Write what was queued and end."""
        self._is_closed = True
        self._work.put(None)
        self._thread.join()
        while not self._work.empty():  # given while the thread was ending
            if work := self._work.get():
                _fail([work], "it is closed")
        if self._connection:
            self._connection.close()

    def _loop(self) -> None:
        is_last = False
        while not is_last:
            try:
                first = self._work.get(timeout=None if self.is_whole else _MEND_AFTER_S)
            except queue.Empty:
                self._mend()
                continue
            if first is None:
                return
            group, is_last = self._gather(first)
            if self._connection is None:
                _fail(group, "it is damaged and not mended yet")
                continue
            error = _commit(self._connection, group)
            if error and is_damage(error):
                self._connection.close()
                self._connection = None
                self._mend()
            elif self._work.empty():
                self._compact()

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

    def _mend(self) -> None:
        try:
            self._connection = self._mend_file()
        except Exception as error:  # whatever it is, the one writer must live on
            log.error("the spool is damaged and cannot be mended yet: %s", error)

    def _compact(self) -> None:
        """Give the disk back what a long outage of the store made the file grow by."""
        now_s = time.monotonic()
        if now_s - self._compacted_at_s < _COMPACT_EVERY_S or self._connection is None:
            return
        self._compacted_at_s = now_s
        try:
            [pages], [free], [size] = (
                self._connection.execute(f"PRAGMA {name}").fetchone()
                for name in ("page_count", "freelist_count", "page_size")
            )
            # Copying what is live must be a matter of milliseconds.
            if free * size > _AIR_BYTES and (pages - free) * size < _AIR_BYTES // 16:
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            log.info("the spool file was not made smaller: %s", error)


def _commit(connection: sqlite3.Connection, group: list[_Work]) -> Exception | None:
    """Run and commit a group; on failure every waiter learns that nothing was kept."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        results = [work.run(connection) for work in group]
        connection.execute("COMMIT")
    except Exception as error:  # whatever it is, the one writer must live on
        if connection.in_transaction:
            _roll_back(connection)
        _fail(group, str(error))
        return error
    for work, result in zip(group, results, strict=True):
        work.then(result)
        work.done.set_result(result)
    return None


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        log.warning("the spool could not be rolled back: %s", error)


def _fail(group: list[_Work], reason: str) -> None:
    for work in group:
        work.done.set_exception(
            Unavailable(f"The spool could not be written ({reason}); send again.")
        )
