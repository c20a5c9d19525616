"""Turns: how many requests are worked on at once."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator

from spanledger_collector.errors import Overloaded

_WITHIN_S = 5.0


class Turns:
    """Lets few requests be worked on at once, first come, first served; for one event loop."""

    def __init__(self, most: int, doing: str, most_waiting_bytes: float = math.inf) -> None:
        """Args: how many at once; what is done, for who is refused; how much may wait."""
        self._free = asyncio.Semaphore(most)
        self._doing = doing
        self._most_waiting_bytes = most_waiting_bytes
        self._waiting_bytes = 0

    @contextlib.asynccontextmanager
    async def one(self, size_bytes: int) -> AsyncGenerator[None]:
        """Wait for a turn of a request of so many bytes, and keep it until the context is left.

        Raises:
            Overloaded: that takes too long, or too much waits already.
        """
        if self._waiting_bytes and self._waiting_bytes + size_bytes > self._most_waiting_bytes:
            raise self._overloaded()
        self._waiting_bytes += size_bytes
        try:
            async with asyncio.timeout(_WITHIN_S):
                await self._free.acquire()
        except TimeoutError:
            raise self._overloaded() from None
        finally:
            self._waiting_bytes -= size_bytes
        try:
            yield
        finally:
            self._free.release()

    def _overloaded(self) -> Overloaded:
        return Overloaded(f"Other requests are being {self._doing}; send again.")
