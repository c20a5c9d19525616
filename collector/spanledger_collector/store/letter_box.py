"""The store's table of dead letters: found, retried, dropped."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spanledger_collector.decode.decode import Body
from spanledger_collector.errors import CollectorError
from spanledger_collector.signals import Signal
from spanledger_collector.spool.dead_letters import (
    TABLE,
    DeadLetter,
    LetterState,
    rows_of,
    token_of,
)
from spanledger_collector.store.store_process import (
    StoreJob,
    StoreOutcome,
    StoreProcess,
    StoreProcessDied,
)
from spanledger_storage.store import Store, StoreSettings

_LEAST_PREFIX = 4


class LetterError(CollectorError):
    """There is no such dead letter, or more than one, or it is not open."""


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; an empty text means any."""

    project: str = ""
    signal: str = ""
    state: str = LetterState.OPEN


class RetryProcess:
    """Decodes and stores in a process of its own, which a letter may well bring down."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._process: StoreProcess | None = None

    def run(self, job: StoreJob) -> StoreOutcome:
        """Store a batch and return what became of it, also when the process ended over it."""
        self._process = self._process or StoreProcess(self._settings)
        try:
            return self._process.run(job)
        except StoreProcessDied as error:
            self.close()
            return StoreOutcome(str(error), permanent=True)

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.close()
        self._process = None


class LetterBox:
    """Reads and changes dead letters; every change is a new row, so that none is lost half-way."""

    def __init__(self, store: Store, now_ns: Callable[[], int]) -> None:
        self._store = store
        self._now_ns = now_ns

    def list(self, narrowed: LetterFilter) -> list[dict[str, object]]:
        """Return the letters without their bodies, oldest first.

        Keys: letter_id, project, signal, state, received_s, items, bytes, reason.
        """
        return self._store.rows(
            "dead_letters_list",
            {"project": narrowed.project, "signal": narrowed.signal, "state": narrowed.state},
        )

    def find(self, prefix: str) -> DeadLetter:
        """Return the letter whose id begins with ``prefix``.

        Raises:
            LetterError: none does, or several do, or the prefix is too short to tell.
        """
        if len(prefix) < _LEAST_PREFIX:
            raise LetterError(
                f"{prefix!r} is too short: give at least {_LEAST_PREFIX} digits of a letter's id, "
                "as `spanledger dead-letter list` shows them."
            )
        found = self._store.rows("dead_letters_find", {"prefix": prefix.lower()})
        if len(found) == 1:
            return _letter(found[0])
        if found:
            raise LetterError(f"More than one dead letter begins with {prefix}: give more digits.")
        raise LetterError(
            f"There is no dead letter {prefix}; `spanledger dead-letter list --state all` shows "
            "all of them."
        )

    def find_open(self, prefix: str) -> DeadLetter:
        """Return the open letter whose id begins with ``prefix``.

        Raises:
            LetterError: as of :meth:`find`, or the letter is not open.
        """
        letter = self.find(prefix)
        _require_open(letter)
        return letter

    def retry(self, letter: DeadLetter, child: RetryProcess) -> StoreOutcome:
        """Store an open letter's rows and mark it; else keep it open with the new reason.

        The rows carry a token of the letter and its version: an attempt that was interrupted is
        repeated under the same token, and the store drops what it already has. After a refusal the
        version, and with it the token, is another, because a repaired decoder may make other rows.

        Raises:
            LetterError: the letter is not open.
            StoreError: the change could not be noted; the letter is as it was.
        """
        _require_open(letter)
        body = Body(letter.project, letter.body, letter.received_ns, Signal(letter.signal))
        flush_id = f"letter-{letter.letter_id}-{letter.version}"
        outcome = child.run(StoreJob(flush_id, self._now_ns(), [body]))
        if outcome.error is None:
            self._write(letter.closed(LetterState.RETRIED, self._now_ns()))
        elif outcome.permanent:
            self._write(letter.refused(outcome.error, self._now_ns()))
        return outcome

    def drop(self, letter: DeadLetter) -> None:
        """Give an open letter up: its body is not kept any longer.

        Raises:
            LetterError: the letter is not open.
            StoreError: the change could not be noted; the letter is as it was.
        """
        _require_open(letter)
        self._write(letter.closed(LetterState.DROPPED, self._now_ns()))

    def _write(self, letter: DeadLetter) -> None:
        self._store.insert(TABLE, rows_of([letter]), token=token_of([letter]))


def _require_open(letter: DeadLetter) -> None:
    if letter.state != LetterState.OPEN:
        raise LetterError(f"The dead letter {letter.letter_id} is not open: it was {letter.state}.")


def _letter(row: dict[str, Any]) -> DeadLetter:
    return DeadLetter(
        letter_id=str(row["letter_id"]),
        project=str(row["project"]),
        signal=str(row["signal"]),
        received_ns=int(row["received_ns"]),
        items=int(row["items"]),
        size_bytes=int(row["bytes"]),
        body=base64.b64decode(str(row["body_base64"])),
        reason=str(row["reason"]),
        spool_id=str(row["spool_id"]),
        seq=int(row["seq"]),
        version=int(row["version"]),
        state=LetterState(str(row["state"])),
    )
