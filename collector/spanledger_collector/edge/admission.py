"""Admission: how many bytes of requests may be in memory at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType

from prometheus_client import Gauge

from spanledger_collector.errors import Overloaded

_MOST_WAITING = 1_024


class Admission:
    """Counts the bytes of all requests in memory against a limit; for one event loop.

    Attributes:
        max_bytes: the limit.
        when_full: called whenever somebody finds no room.
    """

    def __init__(self, max_bytes: int, in_flight: Gauge) -> None:
        self._held_bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.max_bytes = max_bytes
        self.when_full: Callable[[], None] = lambda: None
        in_flight.set_function(lambda: self._held_bytes)

    def has_room(self, size_bytes: int) -> bool:
        """Return whether so much has room now."""
        return self._held_bytes + size_bytes <= self.max_bytes

    def check(self, size_bytes: int) -> None:
        """Return if so much has room now.

        Raises:
            Overloaded: it has not; the client shall send again.
        """
        if not self.has_room(size_bytes):
            self.when_full()
            raise self._overloaded()

    def add(self, size_bytes: int) -> None:
        """Count bytes that are there; raises like ``check``."""
        self.check(size_bytes)
        self._held_bytes += size_bytes

    async def wait(self, size_bytes: int, within_s: float) -> None:
        """Count bytes as soon as they have room, first come, first served.

        Raises:
            Overloaded: they have none in time, or too many wait already.
        """
        if not self._waiting and self.has_room(size_bytes):
            self._held_bytes += size_bytes
            return
        self.when_full()
        if len(self._waiting) >= _MOST_WAITING:
            raise self._overloaded()
        turn = asyncio.get_running_loop().create_future()
        entry = (size_bytes, turn)
        self._waiting.append(entry)
        try:
            await asyncio.wait_for(turn, within_s)
        except BaseException as error:
            if entry in self._waiting:
                self._waiting.remove(entry)
            elif not turn.cancelled():  # its turn came just when it gave up
                self.remove(size_bytes)
            if isinstance(error, TimeoutError):
                raise self._overloaded() from None
            raise

    def remove(self, size_bytes: int) -> None:
        """Forget bytes that are not needed any more; let in who waits."""
        self._held_bytes -= size_bytes
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done() and not self.has_room(wanted):
                return
            self._waiting.popleft()
            if not turn.done():
                self._held_bytes += wanted
                turn.set_result(None)

    def _overloaded(self) -> Overloaded:
        return Overloaded(
            f"Requests of {self._held_bytes >> 20} MiB are being taken, and no more than "
            f"{self.max_bytes >> 20} MiB may be at once; send again."
        )


class Ticket:
    """The bytes of one request; leaving the context forgets them."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._held_bytes = 0

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove(self._held_bytes)

    def add(self, size_bytes: int) -> None:
        """Count bytes that are there.

        Raises:
            Overloaded: they have no room; the client shall send again.
        """
        self._admission.add(size_bytes)
        self._held_bytes += size_bytes

    async def wait(self, size_bytes: int, within_s: float) -> None:
        """Count bytes as soon as they have room; raises like ``add`` when that takes too long."""
        await self._admission.wait(size_bytes, within_s)
        self._held_bytes += size_bytes

    def remove(self, size_bytes: int) -> None:
        """Forget bytes that are not needed any more."""
        self._admission.remove(size_bytes)
        self._held_bytes -= size_bytes
