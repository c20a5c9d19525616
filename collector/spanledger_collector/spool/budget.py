"""How much disk the spool may take, and what is said when that comes to an end."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from spanledger_collector.errors import RequestTooLarge, Unavailable

log = logging.getLogger(__name__)

WARN_RATIO = 0.8
REFUSE_RATIO = 0.95
_CALM_RATIO = 0.7
_MOST_BYTES = 10 << 30
_MOST_OF_VOLUME = 0.2
# What SQLite and the engine need to carry on and make room: the last of it is not for requests.
# It is twice what the engine leaves free (engine_disk.py), or what is spooled could not be stored.
# The least is what SQLite's log may hold that is not in its file yet (wal_autocheckpoint).
_RESERVE_BYTES = 1 << 30
_SMALL_RESERVE_BYTES = 128 << 20
_LEAST_RESERVE_BYTES = 32 << 20
_RESERVE_OF_VOLUME, _RESERVE_OF_SMALL_VOLUME = 0.05, 0.4
# A request is written to the log of the file first, then to the file.
_WRITTEN_TIMES = 2
_LOOK_EVERY_S = 0.1


def default_budget(directory: Path) -> int:
    """Return 10 GiB or a fifth of the volume, in bytes, whichever is less."""
    there = next(place for place in (directory, *directory.absolute().parents) if place.exists())
    return min(_MOST_BYTES, int(shutil.disk_usage(there).total * _MOST_OF_VOLUME))


class DiskBudget:
    """Admits requests while there is room: in the budget, and on the volume itself.

    Args:
        directory: of the spool.
        max_bytes: the budget; requests are refused from 95 % of it on.
        clock_s: seconds that never go back.
    """

    def __init__(
        self, directory: Path, max_bytes: int, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._directory = directory
        self._clock_s = clock_s
        self._looked_at_s = float("-inf")
        self._free_bytes = 0
        self._admitted_bytes = 0  # since the volume was last looked at
        self._reserve_bytes = 0
        self._has_warned = False
        self._disk_is_full = False
        self.max_bytes = max_bytes

    def admit(self, size: int, used: int, unwritten: int) -> None:
        """Return when a request of ``size`` bytes may be kept.

        Args:
            size: of the request.
            used: bytes of the budget in use, those not yet written included.
            unwritten: bytes that were admitted and are not on disk yet.

        Raises:
            Unavailable: the budget or the disk is nearly full; the client shall send again.
            RequestTooLarge: more than the whole budget.
        """
        limit = self.max_bytes * REFUSE_RATIO
        if size > limit:
            raise RequestTooLarge(
                f"A request of {size:,} bytes is larger than what the spool may hold at all "
                f"({limit:,.0f} bytes)."
            )
        self._warn((used + size) / self.max_bytes)
        if used + size > limit:
            raise Unavailable("The spool is full: the store does not keep up; send again.")
        is_full = self._is_disk_full(size, unwritten)
        self._warn_of_disk(is_full)
        if is_full:
            raise Unavailable("The disk of the spool is nearly full; send again.")
        self._admitted_bytes += size

    def free_bytes(self) -> int:
        """Return what is free on the volume now."""
        self._look()
        return self._free_bytes

    def _is_disk_full(self, size: int, unwritten: int) -> bool:
        """Return whether a request would touch the reserve; asks the volume only when it might."""
        needed = _WRITTEN_TIMES * (size + unwritten)
        if self._clock_s() - self._looked_at_s < _LOOK_EVERY_S:
            admitted = _WRITTEN_TIMES * self._admitted_bytes
            if self._free_bytes - admitted - needed >= self._reserve_bytes:
                return False
        self._look()
        return self._free_bytes - needed < self._reserve_bytes

    def _look(self) -> None:
        self._looked_at_s, self._admitted_bytes = self._clock_s(), 0
        try:
            volume = shutil.disk_usage(self._directory)
        except OSError:
            return  # writing will tell
        self._free_bytes = volume.free
        small = min(_SMALL_RESERVE_BYTES, int(volume.total * _RESERVE_OF_SMALL_VOLUME))
        wanted = max(_LEAST_RESERVE_BYTES, small, int(volume.total * _RESERVE_OF_VOLUME))
        self._reserve_bytes = min(_RESERVE_BYTES, wanted)

    def _warn(self, ratio: float) -> None:
        """Say once that the budget comes to an end, and again only when it had eased between."""
        if ratio < _CALM_RATIO:
            self._has_warned = False
        elif ratio >= WARN_RATIO and not self._has_warned:
            self._has_warned = True
            log.warning(
                "the spool holds %.0f %% of its %d bytes: the store does not keep up. Requests are "
                "refused from %.0f %% on, and clients send them again. See that the store answers, "
                "or raise --max-spool-bytes.",
                ratio * 100,
                self.max_bytes,
                REFUSE_RATIO * 100,
            )

    def _warn_of_disk(self, is_full: bool) -> None:
        if is_full and not self._disk_is_full:
            log.warning(
                "the disk of %s is nearly full (%d bytes free): requests are refused, and clients "
                "send them again, until there is room",
                self._directory,
                self._free_bytes,
            )
        self._disk_is_full = is_full
