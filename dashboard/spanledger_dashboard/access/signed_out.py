"""Which sessions were ended by signing out; kept in a file, so that a restart opens none again."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
import time
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
        self._until_s = _read(self._path) if self._path else {}

    def __contains__(self, session: str) -> bool:
        """Return whether a session was signed out."""
        return session in self._until_s

    def add(self, session: str, until_s: float) -> None:
        """Remember a session until a unix second; where it cannot be written, in memory alone."""
        with self._lock:
            now_s = time.time()
            kept = {key: s for key, s in self._until_s.items() if s > now_s}
            kept[session] = int(until_s) + 1
            while len(kept) > _MAX_KEPT:
                del kept[next(iter(kept))]
            self._until_s = kept
            if self._path:
                try:
                    _write(self._path, kept)
                except OSError as error:
                    _log.warning(
                        "%s cannot be written (%s): a session that was signed out may be open "
                        "again after a restart.", self._path, type(error).__name__,
                    )  # fmt: skip


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
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{key} {until_s}\n" for key, until_s in kept.items())
        os.replace(made, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise
