"""Which sessions were ended by signing out; kept in a file.

A restart opens none again, and dashboards that share the directory see each other's at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import tempfile
import threading
import time
from collections.abc import Generator
from pathlib import Path

from spanledger_dashboard.settings import SettingsError

_FILE = "sessions.ended"
_MAX_KEPT = 10_000
_log = logging.getLogger(__name__)


class EndedSessions:
    """Ids of sessions that were signed out, each until the session would have ended anyway.

    The file has a line for each: the id, and the unix second it may be forgotten.
    """

    def __init__(self, data: str) -> None:
        """Read what the directory keeps; "": nothing is kept beyond this process.

        Raises:
            SettingsError: the file is there and cannot be read.
        """
        self._path = Path(data) / _FILE if data else None
        self._lock = threading.Lock()
        self._mark = _mark_of(self._path)
        self._until_s = _read(self._path) if self._path else {}

    def __contains__(self, session: str) -> bool:
        """Return whether a session was signed out, here or in another process."""
        if self._path and _mark_of(self._path) != self._mark:
            with self._lock:
                self._take_over(self._path)
        return session in self._until_s

    def add(self, session: str, until_s: float) -> None:
        """Remember a session until a unix second; where it cannot be written, in memory alone."""
        with self._lock:
            self._until_s = _living({**self._until_s, session: int(until_s) + 1})
            if self._path:
                try:
                    with _alone(self._path.parent):
                        self._take_over(self._path)
                        _write(self._path, self._until_s)
                        self._mark = _mark_of(self._path)
                except OSError as error:
                    _log.warning(
                        "%s cannot be written (%s): a session that was signed out may be open "
                        "again after a restart.", self._path, type(error).__name__,
                    )  # fmt: skip

    def _take_over(self, path: Path) -> None:
        """Add what the file holds; one that cannot be read now takes nothing away."""
        mark = _mark_of(path)
        with contextlib.suppress(SettingsError):
            self._until_s = _living({**_read(path), **self._until_s})
        self._mark = mark


def _living(until_s: dict[str, int]) -> dict[str, int]:
    """Return what is not over yet, the newest where there are too many."""
    now_s = time.time()
    kept = [(key, s) for key, s in until_s.items() if s > now_s]
    return dict(kept[-_MAX_KEPT:])


def _mark_of(path: Path | None) -> tuple[int, int] | None:
    """Return what changes with every writing: each makes a new file."""
    with contextlib.suppress(OSError):
        if path:
            found = path.stat()
            return found.st_ino, found.st_mtime_ns
    return None


@contextlib.contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Keep other processes from writing meanwhile.

    Raises:
        OSError: the folder is not there and cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read ({type(error).__name__}): it says which sessions were signed "
            "out. Make it readable, or remove it together with session.secret."
        ) from None
    words = (line.split() for line in lines)
    return {word[0]: int(word[1]) for word in words if len(word) == 2 and word[1].isdigit()}


def _write(path: Path, kept: dict[str, int]) -> None:
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{key} {until_s}\n" for key, until_s in kept.items())
        os.replace(made, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise
