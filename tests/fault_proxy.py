"""A TCP proxy that does to connections what networks do, a given number of times."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from enum import StrEnum

from tests.ports import free_port

_ENOUGH_BYTES = 1_500
"""More than any client sends before its first request."""


class Fault(StrEnum):
    """What happens to one connection."""

    LOST_ANSWER = "lost answer"
    RESET = "reset in the middle of the body"
    SLOW = "slow body"
    UNAVAILABLE = "503"


@contextlib.contextmanager
def fault_proxy(target_port: int, faults: list[Fault], port: int = 0) -> Iterator[int]:
    """Yield a port that leads to another, with one fault for each of the first connections."""
    port, left = port or free_port(), deque(faults)
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(left.popleft() if left else None, target_port, reader, writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await link.run()

    async def serve() -> None:
        stop = asyncio.Event()
        server = await asyncio.start_server(connected, "127.0.0.1", port)
        started.append((asyncio.get_running_loop(), stop))
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield port
        assert not left, f"faults that never happened: {left}"
    finally:
        loop, stop = started[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


class _Link:
    """One connection of a client and the one behind it."""

    def __init__(
        self,
        fault: Fault | None,
        target_port: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._fault = fault
        self._port = target_port
        self._reader = reader
        self._writer = writer
        self._sent_bytes = 0

    async def run(self) -> None:
        if self._fault is Fault.UNAVAILABLE:
            await self._reader.read(65536)
            self._writer.write(
                b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n"
                b"content-length: 0\r\nconnection: close\r\n\r\n"
            )
            await self._writer.drain()
            self._writer.close()
            return
        server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        directions = [
            asyncio.create_task(self._requests(to_server)),
            asyncio.create_task(self._answers(server)),
        ]
        try:
            done, _ = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            for direction in done:
                direction.exception()  # a connection that broke, as was intended
        finally:
            for direction in directions:
                direction.cancel()
            self._writer.close()
            to_server.close()

    async def _requests(self, to_server: asyncio.StreamWriter) -> None:
        size = 256 if self._fault is Fault.SLOW else 65536
        while data := await self._reader.read(size):
            self._sent_bytes += len(data)
            if self._fault is Fault.RESET and self._sent_bytes > _ENOUGH_BYTES:
                _reset(to_server)
                _reset(self._writer)
                return
            to_server.write(data)
            await to_server.drain()
            if self._fault is Fault.SLOW:
                await asyncio.sleep(0.01)

    async def _answers(self, server: asyncio.StreamReader) -> None:
        while data := await server.read(65536):
            if self._fault is Fault.LOST_ANSWER and self._sent_bytes > _ENOUGH_BYTES:
                await asyncio.sleep(0.3)  # the request is stored, and its answer never comes
                return
            self._writer.write(data)
            await self._writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once with RST instead of FIN: socket(7), SO_LINGER of zero seconds."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
