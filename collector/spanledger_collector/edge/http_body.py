"""The body of an HTTP request: read within limits of size, memory and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from spanledger_collector.edge import deadline
from spanledger_collector.edge.admission import Ticket
from spanledger_collector.edge.compression import ENCODINGS, Decompressor
from spanledger_collector.errors import (
    InvalidRequest,
    RequestTooLarge,
    TooSlow,
    UnsupportedCoding,
    UnsupportedMedia,
)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""https://asgi.readthedocs.io/en/latest/specs/www.html#request-receive-event."""


class Disconnected(Exception):
    """The client went away before its request was complete: nobody waits for an answer."""


class Body:
    """One body, compressed or not; ``wire_bytes`` counts what came over the wire.

    Raises:
        UnsupportedMedia: an encoding or transfer coding that is not read.
        RequestTooLarge: it announces more than the limit.
    """

    def __init__(self, headers: Mapping[str, str], max_bytes: int) -> None:
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "", *ENCODINGS):
            raise UnsupportedMedia(
                f"Content-Encoding must be gzip, deflate or zstd, not {encoding[:100]!r}."
            )
        coding = headers.get("transfer-encoding", "chunked").strip().lower()
        if coding != "chunked":  # such as "gzip, chunked", of which the server undoes the last
            raise UnsupportedCoding(f"Transfer-Encoding must be chunked, not {coding[:100]!r}.")
        self._encoding = encoding
        self._decompressor = Decompressor(encoding) if encoding in ENCODINGS else None
        self._max_bytes = max_bytes
        self._size = 0
        self._parts: list[bytes] = []
        self.wire_bytes = 0
        announced = headers.get("content-length", "")
        # The server has checked that it is a number.
        self.announced_bytes = int(announced) if announced.isdecimal() else 0
        if self.announced_bytes > max_bytes:
            raise self._too_large()

    async def read(self, receive: Receive, ticket: Ticket) -> bytes:
        """Return the whole body, decompressed.

        Raises:
            RequestTooLarge: as it came, or decompressed.
            InvalidRequest: it is not what its encoding says.
            Overloaded: there is no memory for it now.
            TooSlow: it does not arrive in time.
            Disconnected: the client went away.
        """
        try:
            async with asyncio.timeout(deadline.RECEIVE_WITHIN_S):
                while await self._read_next(receive, ticket):
                    pass
        except TimeoutError:
            raise TooSlow(
                f"The body did not arrive within {deadline.RECEIVE_WITHIN_S:g} s; send again."
            ) from None
        if self._decompressor and not self._decompressor.is_complete:
            raise InvalidRequest(f"The {self._encoding} body is truncated.")
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    async def _read_next(self, receive: Receive, ticket: Ticket) -> bool:
        """Take the next part; return whether there are more."""
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        chunk: bytes = message.get("body", b"")
        self.wire_bytes += len(chunk)
        if self.wire_bytes > self._max_bytes:
            raise self._too_large()
        if self._decompressor is None:
            self._keep(chunk, ticket)
        else:
            for piece in self._decompressor.feed(chunk):
                self._keep(piece, ticket)
                if len(piece) >= 1 << 20:
                    await asyncio.sleep(0)  # a bomb must not keep the others waiting
        return bool(message.get("more_body", False))

    def _keep(self, piece: bytes, ticket: Ticket) -> None:
        if not piece:
            return
        self._size += len(piece)
        if self._size > self._max_bytes:
            raise self._too_large()
        ticket.add(len(piece))
        self._parts.append(piece)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The request is larger than {self._max_bytes} bytes.")
