"""What a deletion does with the spool on this machine: wait until it is empty, take letters out."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from spanledger_collector.spool import salvage, wal
from spanledger_server.errors import UsageError
from spanledger_server.run_file import RunFile

_DRAINED_IN_S = 120
_ALONE_S = 5
_LOCKED_S = 10


class SpoolCleaning:
    """The spool of a data directory, when there is one.

    Nothing here stops a collector; it may write at any time.
    """

    def __init__(self, data: Path, *, drained_in_s: float = _DRAINED_IN_S) -> None:
        self._path = data / "spool" / "spool.db"
        self._drained_in_s = drained_in_s
        self._is_running = RunFile(data).is_held()

    def await_empty(self) -> None:
        """Wait until everything that was accepted before now is stored.

        Raises:
            UsageError: it does not get stored, because no collector runs or the store refuses; or
                the spool cannot be read.
        """
        self._demand_whole_log()  # also where the file is gone: its log holds requests
        if not self._path.exists():
            return
        newest, waiting = self._waiting()
        # Without `spanledger up` nobody says whether a collector runs; one that does shows soon.
        patience_s = self._drained_in_s if self._is_running else _ALONE_S
        deadline = time.monotonic() + min(patience_s, self._drained_in_s)
        while waiting and time.monotonic() < deadline:
            time.sleep(0.2)
            _, waiting = self._waiting(newest)
        if waiting:
            raise UsageError(
                f"{waiting} requests wait in the spool {self._path} and may hold what is to be "
                "deleted; start the collector, let it store them, and run this again."
            )

    def count_letters(self, project: str, needles: Sequence[bytes]) -> int:
        """Return how many dead letters of the spool hold one of these byte sequences."""
        return len(self._letters(project, needles)) if self._path.exists() else 0

    def remove_letters(self, project: str, needles: Sequence[bytes]) -> None:
        """Remove the dead letters of the spool that hold one of these byte sequences.

        Raises:
            UsageError: the spool cannot be read.
        """
        if not self._path.exists():
            return
        found = self._letters(project, needles)
        self._demand_whole_log()
        with self._opened("rw") as connection, connection:
            connection.executemany("DELETE FROM dead_letters WHERE seq = ?", [(s,) for s in found])

    def clean(self) -> bool:
        """Let no stored request linger in unused pages; say so and return False where they may."""
        if not self._path.exists():
            return True
        try:
            why = self._damage() or self._compact()
        except (sqlite3.DatabaseError, OSError) as error:
            why = str(error)
        if why:
            print(
                f"The spool {self._path} could not be compacted ({why}): unused pages of it may "
                "hold requests that were stored before. Run this again when less is received."
            )
        return not why

    def say_set_aside(self) -> None:
        """Say which files of the spool are not looked at: those that were damaged once."""
        found = [path for path in self._path.parent.glob("spool-damaged-*") if path.stat().st_size]
        if found:
            names = ", ".join(sorted(path.name for path in found))
            print(
                f"Not looked at, and may hold some of it: {names} in {self._path.parent}, which "
                "were damaged and set aside. Delete them when you do not need them any longer."
            )

    def _compact(self) -> str:
        """Rewrite the file without unused pages; return why some may be left, else nothing."""
        with closing(self._open("rw")) as connection:
            connection.execute("VACUUM")
            is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return "another process reads it" if is_busy else ""

    def _demand_whole_log(self) -> None:
        try:
            wrong = self._damage()
        except OSError as error:
            wrong = str(error)
        if wrong:
            raise UsageError(
                f"The spool {self._path} may hold what is to be deleted, but {wrong}. Start the "
                "collector once, which brings over what can be read, and run this again."
            )

    def _damage(self) -> str | None:
        """Return what only a collector that starts can mend: SQLite would forget such a log.

        Raises:
            OSError: the log cannot be read.
        """
        if self._is_in_use():
            return None
        is_half = salvage.half_set_aside(self._path) is not None
        wrong = "a crash kept it from being set aside" if is_half else wal.damage(self._path)
        # A log that a collector just began to write may look damaged.
        return None if wrong and self._is_in_use() else wrong

    def _is_in_use(self) -> bool:
        """Return whether a collector has the spool.

        The lock is let go at once: a collector that starts meanwhile would be refused.
        """
        try:
            with self._path.with_name(f"{self._path.name}.lock").open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return isinstance(error, BlockingIOError)
        return False

    def _waiting(self, until: int | None = None) -> tuple[int, int]:
        with self._opened() as connection:
            newest, waiting = connection.execute(
                "SELECT coalesce(max(seq), 0), count(*) FROM requests WHERE seq <= ?",
                (until if until is not None else 2**63 - 1,),
            ).fetchone()
        return int(newest), int(waiting)

    def _letters(self, project: str, needles: Iterable[bytes]) -> list[int]:
        wanted = list(needles)
        with self._opened() as connection:
            rows = connection.execute(
                "SELECT seq, body FROM dead_letters WHERE project = ?", (project,)
            )
            return [seq for seq, body in rows if any(n in bytes(body) for n in wanted)]

    @contextmanager
    def _opened(self, mode: str = "ro") -> Generator[sqlite3.Connection]:
        try:
            with closing(self._open(mode)) as connection:
                yield connection
        except sqlite3.DatabaseError as error:
            raise UsageError(
                f"The spool {self._path} cannot be read ({error}) and may hold what is to be "
                "deleted. Start the collector, which mends it or sets it aside, and run this again."
            ) from None

    def _open(self, mode: str) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(uri, timeout=_LOCKED_S, uri=True)
