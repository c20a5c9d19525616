"""A collector tells what waits in its spool, to whoever cannot read the file: worker and API."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

import sqlalchemy as sa

from spanledger_storage.collector_spools import CollectorSpools
from spanledger_storage.errors import StateError

log = logging.getLogger(__name__)

_EVERY_S = 2.0


def notes_of(file: Path, state: sa.Engine | None) -> AbstractContextManager[None]:
    """Return what tells of a spool while it is open; without a state database nobody is told."""
    return nullcontext() if state is None else SpoolNotes(file, CollectorSpools(state))


class SpoolNotes:
    """Records it every two seconds, in a thread of its own, while its block runs.

    Args:
        file: of the spool; its id is in it, and stays the same where the machine's name changes.
        spools: where it is recorded.
    """

    def __init__(self, file: Path, spools: CollectorSpools) -> None:
        self._file = file
        self._spools = spools
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-notes", daemon=True)
        self._trouble = ""

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Tell what is left, and end."""
        self._ended.set()
        self._thread.join(_EVERY_S)

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self.note(time.time_ns())
        self.note(time.time_ns())

    def note(self, now_ns: int) -> None:
        """Record what waits at a time; what cannot be read or written is said once."""
        try:
            found = read_spool(self._file)
            if found is not None:
                self._spools.note(*found, now_ns)
            self._trouble = ""
        except StateError as error:
            if str(error) != self._trouble:
                log.warning("nobody is told what waits in the spool: %s", error)
            self._trouble = str(error)


def read_spool(file: Path) -> tuple[str, int, int | None] | None:
    """Return a spool's id, how many requests wait, and when the oldest came (UTC nanoseconds).

    None: it cannot be read now.
    """
    if not file.exists():
        return None
    # Numbers of requests have no gaps but those of requests that were set aside.
    question = "SELECT min(seq), max(seq) FROM requests"
    oldest = "SELECT received_ns FROM requests ORDER BY seq LIMIT 1"
    uri = f"{file.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=1)) as spool:
            [spool_id] = spool.execute("SELECT spool_id FROM meta").fetchone()
            first, last = spool.execute(question).fetchone()
            received = spool.execute(oldest).fetchone()
    except (sqlite3.Error, TypeError):  # it is being made, or damaged
        return None
    if first is None or received is None:
        return str(spool_id), 0, None
    return str(spool_id), last - first + 1, int(received[0])
