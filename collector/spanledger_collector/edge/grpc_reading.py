"""Messages of gRPC that are being read, kept within the memory for requests.

HTTP bodies are counted as they come. gRPC tells the size of a message only when it is whole, so
room for the largest is held while one is read. What a call sends before its turn stays within the
window of its stream, of which the largest part of all requests fits whole.
"""

from __future__ import annotations

import asyncio
from typing import cast

import grpc

from spanledger_collector.edge import deadline
from spanledger_collector.edge.admission import Admission, Ticket
from spanledger_collector.errors import TooSlow

WINDOW_BYTES = 256 << 10
"""What a call may send before it is read."""
_TURN_WITHIN_S = 2.0
_PATIENCE_S = 5.0
"""Slower messages give way when others find no room."""

_Context = grpc.aio.ServicerContext[bytes, bytes]


class Reading:
    """Reads the messages of calls, as many at once as there is memory for."""

    def __init__(self, admission: Admission, max_bytes: int) -> None:
        self._room_bytes = min(max_bytes, admission.max_bytes)
        self._started: dict[asyncio.Timeout, float] = {}
        admission.when_full = self._hurry

    async def read(self, context: _Context, ticket: Ticket) -> bytes | None:
        """Return the message of a call, None when the call ends without one.

        Raises:
            Overloaded: there is no memory for it now.
            TooSlow: it does not arrive in time.
        """
        await ticket.wait(self._room_bytes, _TURN_WITHIN_S)
        unused_bytes = self._room_bytes
        try:
            message = await self._receive(context)
            if message is not None:
                unused_bytes -= len(message)
        finally:
            ticket.remove(unused_bytes)
        return message

    async def _receive(self, context: _Context) -> bytes | None:
        try:
            async with asyncio.timeout(deadline.RECEIVE_WITHIN_S) as timeout:
                self._started[timeout] = asyncio.get_running_loop().time()
                try:
                    message = cast(object, await context.read())
                finally:
                    del self._started[timeout]
        except TimeoutError:
            raise TooSlow("The message did not arrive in time; send again.") from None
        return message if isinstance(message, bytes) else None  # or the end of the call

    def _hurry(self) -> None:
        """Somebody finds no room, over gRPC or HTTP: give those who hold it for gRPC less time."""
        for timeout, started in self._started.items():
            latest, patience = timeout.when(), started + _PATIENCE_S
            if latest is not None and latest > patience:
                timeout.reschedule(patience)
