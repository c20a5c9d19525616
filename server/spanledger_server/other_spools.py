"""What a deletion does about spools that it cannot read: it waits for their collectors."""

from __future__ import annotations

import time
from pathlib import Path

from spanledger_server.errors import UsageError
from spanledger_server.periods import rfc3339
from spanledger_server.spool_notes import read_spool
from spanledger_storage.collector_spools import CollectorSpools, Told

_STORED_IN_S = 120
_SILENT_AFTER_S = 10  # collectors tell every two seconds
_STEP_S = 0.2


class OtherSpools:
    """The spools of all collectors that use a state database, but for the one on this machine.

    Args:
        spools: what collectors tell of theirs.
        own: the spool on this machine, if there is one.
    """

    def __init__(self, spools: CollectorSpools, own: Path) -> None:
        self._spools = spools
        found = read_spool(own)
        self._own = found[0] if found else ""
        self._silent: list[Told] = []

    def await_empty(self) -> None:
        """Wait until whatever the others accepted before now is stored.

        One that tells nothing any more is not waited for: see :meth:`say_silent`.

        Raises:
            UsageError: it does not get stored.
            StateError: the state database does not answer.
        """
        before = {one.spool: one.noted_at_ns for one in self._told()}
        heard: dict[str, int] = {}  # when each told for the first time since, by its own clock
        began_s = time.monotonic()
        while True:
            told = self._told()
            for one in told:
                if one.noted_at_ns != before.get(one.spool):
                    heard.setdefault(one.spool, one.noted_at_ns)
            waiting = [one for one in told if not _is_stored(one, heard.get(one.spool))]
            waited_s = time.monotonic() - began_s
            if waited_s > _SILENT_AFTER_S:
                self._silent = [one for one in waiting if one.spool not in heard and one.requests]
                waiting = [one for one in waiting if one.spool in heard]
            if not waiting:
                return
            if waited_s > _STORED_IN_S:
                raise UsageError(
                    f"{sum(one.requests for one in waiting)} requests wait in the spools of other "
                    "collectors and may hold what is to be deleted; run this again when they are "
                    "stored."
                )
            time.sleep(_STEP_S)

    def say_silent(self) -> None:
        """Say which collectors went silent while something waited in their spools."""
        for one in self._silent:
            print(
                f"Not reached: {one.requests} requests that may hold some of it wait in the spool "
                f"of a collector that was last heard of at {rfc3339(one.noted_at_ns // 10**9)}. "
                "Run this again when it has stored them."
            )

    def _told(self) -> list[Told]:
        return [one for one in self._spools.told() if one.spool != self._own]


def _is_stored(told: Told, heard_ns: int | None) -> bool:
    """Return whether nothing is left of what a collector had when it was heard first."""
    return heard_ns is not None and (told.oldest_ns is None or told.oldest_ns > heard_ns)
