"""Connections of the HTTP server: limits that uvicorn leaves to a reverse proxy."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from spanledger_collector.edge import edge
from spanledger_collector.edge.http_answer import Answer, MediaType, refusal
from spanledger_collector.errors import InvalidRequest, Overloaded

HEADERS_WITHIN_S = 10.0
MOST_CONNECTIONS = 4_096
IDLE_S = 75
"""Idle connections are kept longer than exporters pause: 5 s for spans, 60 s for metrics."""
_MORE_S = 5.0
"""Longer than the application waits for a body, so that it can still answer."""


class Connection(HttpToolsProtocol):
    """A connection on which a request must arrive in time, one of a limited number."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or refuse if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            error = Overloaded(f"There are more than {MOST_CONNECTIONS} connections; send again.")
            self._end_with(refusal(error, MediaType.PROTOBUF, close=True))
        else:
            self._expect(HEADERS_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._expect(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins: its headers must be complete in time."""
        super().on_message_begin()
        self._expect(HEADERS_WITHIN_S)

    def on_headers_complete(self) -> None:
        """The headers are complete: the body must follow in time."""
        self._expect(edge.RECEIVE_WITHIN_S + _MORE_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._expect(None)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._end_with(refusal(InvalidRequest(msg), MediaType.PROTOBUF, close=True))

    def _expect(self, within_s: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(within_s, self._give_up) if within_s else None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _end_with(self, answer: Answer) -> None:
        head: list[tuple[bytes, Any]] = [
            (b"content-type", answer.media_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            *answer.headers,
        ]
        lines = b"".join(name + b": " + text + b"\r\n" for name, text in head)
        status = b"HTTP/1.1 %d \r\n" % answer.status
        self.transport.write(status + lines + b"\r\n" + answer.body)
        self.transport.close()
