"""The spool's SQLite file: its tables, who may open it, and how it is opened."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from isal import isal_zlib

from spanledger_collector.errors import CollectorError
from spanledger_collector.signals import Signal
from spanledger_collector.spool import wal
from spanledger_collector.spool.batches import (
    PAGE_BYTES,
    SpoolDepth,
    SpooledRequest,
    held_bytes,
)

# Salvage puts the first page of a new file in place of a torn one: the order of these tables, on
# which their root pages depend, is part of the format. Add tables at the end.
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
    last_seq INTEGER NOT NULL,
    name TEXT
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
CREATE TABLE IF NOT EXISTS salvages (
    file TEXT PRIMARY KEY,
    requests_to INTEGER NOT NULL DEFAULT 1,
    dead_letters_to INTEGER NOT NULL DEFAULT 1,
    salvaged INTEGER NOT NULL DEFAULT 0,
    damaged INTEGER NOT NULL DEFAULT 0,
    ended_ns INTEGER NOT NULL DEFAULT 0
);
"""
ROW_COLUMNS = "seq, project, received_ns, spans, crc32, body, signal"
# Items and bytes as numbers, whatever a damaged row holds.
_SIZES = "CAST(spans AS INTEGER) AS items, coalesce(length(body), 0) AS size"
INSERT_REQUEST = (
    "INSERT INTO requests (project, received_ns, spans, crc32, body, signal)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
OLD_PAGE_BYTES = (4_096, 16_384)
"""Of files that earlier versions made."""
_LOG_BYTES = 16 << 20
DAMAGED_BODY = "the stored bytes do not match their checksum: the disk or the file is damaged"
_UNKNOWN = "unknown"
_REASON_CHARACTERS = 4_000
# A larger file is not read through at every start; what is damaged in it is found when it is read.
_CHECK_BYTES = 2 << 30
# SQLITE_CORRUPT, SQLITE_NOTADB; SQLITE_IOERR_READ and SQLITE_IOERR_SHORT_READ
# (https://www.sqlite.org/rescode.html). A failed write is no damage: it may pass.
_DAMAGE = frozenset({11, 26})
_DAMAGE_OF_READING = frozenset({266, 522})


class SpoolError(CollectorError):
    """The spool cannot be opened."""


@dataclass(frozen=True, slots=True)
class SpoolRow:
    """A row of ``requests`` or ``dead_letters`` as it was read.

    In a damaged file any column but ``seq`` may hold anything.
    """

    seq: int
    project: object
    received_ns: object
    items: object
    crc32: object
    body: bytes
    signal: object
    reason: str = ""

    @classmethod
    def of(cls, row: Sequence[Any]) -> SpoolRow:
        """Return a row of the columns of :data:`ROW_COLUMNS`, and of ``reason`` if there."""
        seq, project, received_ns, items, crc32, body, signal, *reason = row
        held = body if isinstance(body, bytes) else str(body).encode()
        told = "".join(str(part) for part in reason)
        return cls(seq, project, received_ns, items, crc32, held, signal, told)

    def is_whole(self) -> bool:
        """Return whether the row can be used as it is."""
        return (
            isinstance(self.project, str)
            and isinstance(self.received_ns, int)
            and isinstance(self.items, int)
            and self.signal in list(Signal)
            and self.crc32 == isal_zlib.crc32(self.body)
        )

    def request(self) -> SpooledRequest:
        """Return the request, made to fit."""
        project, received_ns, items, _, body, signal = self.values()
        return SpooledRequest(self.seq, project, received_ns, items, body, signal)

    def values(self) -> tuple[str, int, int, int, bytes, Signal]:
        """Return project, received_ns, items, crc32, body and signal, made to fit."""
        return (
            self.project if isinstance(self.project, str) else _UNKNOWN,
            # SQLite knows no larger numbers than the store; one below 0 no table of it takes.
            max(0, self.received_ns) if isinstance(self.received_ns, int) else 0,
            max(0, self.items) if isinstance(self.items, int) else 0,
            isal_zlib.crc32(self.body),
            self.body,
            Signal(str(self.signal)) if self.signal in list(Signal) else Signal.TRACES,
        )


def is_damage(error: BaseException) -> bool:
    """Return whether an error of SQLite says that the file itself is damaged."""
    code = int(getattr(error, "sqlite_errorcode", 0) or 0)
    return code & 0xFF in _DAMAGE or code in _DAMAGE_OF_READING


def connect(path: Path, page_bytes: int = PAGE_BYTES) -> sqlite3.Connection:
    """Open the file, making its tables when they are missing; ``page_bytes`` are of a new file.

    Raises:
        sqlite3.Error: it cannot be opened; :func:`is_damage` tells whether it is at fault.
    """
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size={page_bytes}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        [page_bytes] = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_BYTES // page_bytes}")
        connection.execute("PRAGMA journal_size_limit=67108864")
        # Some builds overwrite with zeros what is deleted, which doubles what is written.
        connection.execute("PRAGMA secure_delete=FAST")
        connection.executescript(_SCHEMA)
        _add_signals(connection)
        _add_names(connection)
        connection.execute(
            "INSERT INTO meta SELECT ? WHERE NOT EXISTS (SELECT 1 FROM meta)", (uuid.uuid4().hex,)
        )
    except BaseException:
        connection.close()
        raise
    return connection


def check(path: Path) -> str | None:
    """Return what is wrong with the file, None when nothing is or there is none.

    Raises:
        sqlite3.Error, OSError: it cannot be opened, for a reason that lies outside the file.
    """
    if wrong := wal.damage(path):  # first: SQLite would forget it
        return wrong
    try:
        with closing(connect(path)) as connection:
            connection.execute("SELECT spool_id FROM meta").fetchone()
            if path.stat().st_size > _CHECK_BYTES:
                return None
            [(found,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
        raise
    return None if found == "ok" else str(found).replace("\n", " ")


def bury(connection: sqlite3.Connection, seq: int, reason: str) -> None:
    """Move a request to the dead letters, within the caller's transaction."""
    # SQLite takes UTF-8 only, and the text may quote what was received.
    told = reason[:_REASON_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
    connection.execute(
        f"INSERT INTO dead_letters ({ROW_COLUMNS}, reason)"
        f" SELECT {ROW_COLUMNS}, ? FROM requests WHERE seq = ?",
        (told, seq),
    )
    connection.execute("DELETE FROM requests WHERE seq = ?", (seq,))


def lock(path: Path) -> IO[str]:
    """Become the only process with this spool; close the result to let others.

    Raises:
        SpoolError: another process has it, or its directory cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds what was said
        file = path.with_name(f"{path.name}.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise SpoolError(
            f"The directory of the spool, {path.parent}, cannot be written ({error.strerror})."
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if not isinstance(error, BlockingIOError):
            file.close()
            raise SpoolError(f"{file.name} cannot be locked: {error.strerror}.") from None
        file.seek(0)
        owner = file.read(20).strip()
        file.close()
        raise SpoolError(
            f"Another collector{f' (process {owner})' if owner else ''} uses the spool {path}; "
            "stop it, or give this one another directory with --data."
        ) from None
    _note_owner(file)
    return file


def _note_owner(file: IO[str]) -> None:
    """Write who holds the lock, for the message to others; on a full disk it stays unsaid."""
    with contextlib.suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), str(os.getpid()).encode("ascii"))


def _add_signals(connection: sqlite3.Connection) -> None:
    """Bring a file of a version that knew traces only to the present form."""
    for table in ("requests", "dead_letters"):
        if "signal" not in _columns(connection, table):
            connection.execute(
                f"ALTER TABLE {table} ADD COLUMN signal TEXT NOT NULL DEFAULT '{Signal.TRACES}'"
            )


def _add_names(connection: sqlite3.Connection) -> None:
    """Bring a file of a version whose batches had numbers only to the present form."""
    if "name" not in _columns(connection, "batches"):
        connection.execute("ALTER TABLE batches ADD COLUMN name TEXT")


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


class Run(NamedTuple):
    """Requests in a row, from ``first`` to ``last``, and what they hold; ``size`` in bytes."""

    first: int
    last: int
    requests: int
    items: int
    size: int


def next_run(read: sqlite3.Connection, after: int, max_items: int, max_bytes: int) -> Run | None:
    """Return the oldest requests after one, as many as fit, at least one; None: there are none."""
    rows = read.execute(f"SELECT seq, {_SIZES} FROM requests WHERE seq > ? ORDER BY seq", (after,))
    run: Run | None = None
    for seq, items, size in rows:
        if run is None:
            run = Run(seq, seq, 1, items, size)
        elif run.items + items > max_items or run.size + size > max_bytes:
            break
        else:
            run = Run(run.first, seq, run.requests + 1, run.items + items, run.size + size)
    rows.close()
    return run


def insert_batch(
    connection: sqlite3.Connection, spool_id: str, first: int, last: int
) -> tuple[int, str]:
    """Note a batch of the requests from ``first`` to ``last``; return its number and flush id."""
    sql, name = "INSERT INTO batches (first_seq, last_seq, name) VALUES (?, ?, ?)", uuid.uuid4().hex
    batch_id = int(connection.execute(sql, (first, last, name)).lastrowid or 0)
    return batch_id, _flush_id(spool_id, batch_id, name)


def frozen_batches(read: sqlite3.Connection, spool_id: str) -> list[tuple[int, int, int, str]]:
    """Return number, first and last request and flush id of each batch, in their order."""
    rows = read.execute("SELECT batch_id, first_seq, last_seq, name FROM batches ORDER BY batch_id")
    return [(n, first, last, _flush_id(spool_id, n, name)) for n, first, last, name in rows]


def _flush_id(spool_id: str, batch_id: int, name: str | None) -> str:
    """Return how the store knows a batch.

    Numbers come again in a copy of the file, or in one put back from a backup, and the store would
    drop their rows as what it has: hence the name. A batch frozen before the copy was made has one
    name in both, and the same rows. Those that earlier versions froze have none.
    """
    return f"{spool_id}-{name}-{batch_id}" if name else f"{spool_id}-{batch_id}"


def delete_batch(connection: sqlite3.Connection, batch_id: int) -> None:
    """Forget a batch."""
    connection.execute("DELETE FROM batches WHERE batch_id = ?", (batch_id,))


def oldest_ns(connection: sqlite3.Connection) -> int | None:
    """Return when the first request that waits was received, in nanoseconds since 1970."""
    row = connection.execute("SELECT received_ns FROM requests ORDER BY seq LIMIT 1").fetchone()
    return row[0] if row and isinstance(row[0], int) else None


def count_waiting(read: sqlite3.Connection, frozen_to: int) -> SpoolDepth:
    """Return what waits in a file that was just opened, by reading through it."""
    sums = "SELECT count(*), coalesce(sum(items), 0), coalesce(sum(size), 0)"
    rows = f"(SELECT seq, {_SIZES} FROM requests)"
    read.create_function("held_bytes", 1, held_bytes)
    held = "coalesce(sum(held_bytes(size)), 0)"
    [waiting] = read.execute(f"{sums}, {held} FROM {rows}").fetchall()
    [unfrozen] = read.execute(f"{sums} FROM {rows} WHERE seq > ?", (frozen_to,)).fetchall()
    numbers: list[int] = [*waiting[:3], *count_letters(read), *unfrozen, waiting[3]]
    return SpoolDepth(*numbers)


def count_letters(read: sqlite3.Connection) -> tuple[int, int]:
    """Return how many dead letters there are, and the bytes of their bodies."""
    sums = "SELECT count(*), coalesce(sum(length(body)), 0) FROM dead_letters"
    [(letters, size)] = read.execute(sums).fetchall()
    return int(letters), int(size)
