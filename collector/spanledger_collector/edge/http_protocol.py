"""Connections of the HTTP server: limits that uvicorn leaves to a reverse proxy."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from httptools import HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from spanledger_collector.edge import deadline
from spanledger_collector.edge.http_answer import Answer, MediaType, refusal
from spanledger_collector.errors import (
    HeadersTooLarge,
    IntakeError,
    InvalidRequest,
    Overloaded,
)

HEADERS_WITHIN_S = 10.0
MOST_HEADER_BYTES = 64 << 10
MOST_CONNECTIONS = 4_096
IDLE_S = 75
"""Idle connections are kept longer than exporters pause: 5 s for spans, 60 s for metrics."""
_MORE_S = 5.0
"""Longer than the application waits for a body, so that it can still answer."""
_OFFERING = (b"connection", b"upgrade", b"http2-settings")
"""Headers that offer another protocol; what else Connection says is asked of the parser."""


class Connection(HttpToolsProtocol):
    """A connection on which a request must arrive in time, one of a limited number."""

    _deadline: asyncio.TimerHandle | None = None
    _bare_bytes = 0
    """Came since there was last something of a body or an end: headers, trailers, empty lines."""
    _has_headers = False
    _data = b""
    _again = b""
    """What came is to be read as."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or refuse if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            error = Overloaded(f"There are more than {MOST_CONNECTIONS} connections; send again.")
            self._refuse(error)
        else:
            self._expect(HEADERS_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._expect(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the headers have no end: the parser would keep them all."""
        self._bare_bytes += len(data)
        while data:
            self._data, self._again = data, b""
            super().data_received(data)
            data = self._again
        if self._bare_bytes > MOST_HEADER_BYTES and not self.transport.is_closing():
            error = HeadersTooLarge(f"The headers are larger than {MOST_HEADER_BYTES} bytes.")
            self._refuse(error)

    def on_message_begin(self) -> None:
        """A request begins: its headers must be complete in time."""
        self._has_headers = False
        super().on_message_begin()
        self._expect(HEADERS_WITHIN_S)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer is none (RFC 9110, section 6.5.1)."""
        if not self._has_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The headers are complete: the body must follow in time."""
        self._has_headers, self._bare_bytes = True, 0
        self._expect(deadline.RECEIVE_WITHIN_S + _MORE_S)
        if not self._offers_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._bare_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._bare_bytes = 0
        self._expect(None)
        if not self._offers_upgrade():
            super().on_message_complete()

    def _offers_upgrade(self) -> bool:
        parser = self.parser
        return bool(parser and parser.should_upgrade() and parser.get_method() != b"CONNECT")

    def _unsupported_upgrade_warning(self) -> None:
        """Read a request again as if it had offered no other protocol (RFC 9110, section 7.8).

        Java's HTTP client offers HTTP/2 with every first request. The parser takes such a request
        to end with its headers, and uvicorn would answer it without its body.
        """
        if not self._offers_upgrade():
            return
        parser, end = self.parser, sys.exc_info()[1]
        assert parser is not None
        assert isinstance(end, HttpParserUpgrade)
        version = parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b" % (parser.get_method(), self.url, version)]
        head += [b"%b: %b" % pair for pair in self.headers if pair[0] not in _OFFERING]
        if not parser.should_keep_alive():
            head.append(b"connection: close")
        self._again = b"\r\n".join([*head, b"", self._data[end.args[0] :]])

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(InvalidRequest(msg))

    def refusal(self, error: IntakeError) -> Answer:
        """Return what is answered to what never becomes a request of the application."""
        return refusal(error, MediaType.PROTOBUF, close=True)

    def _expect(self, within_s: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(within_s, self._give_up) if within_s else None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, error: IntakeError) -> None:
        answer = self.refusal(error)
        head: list[tuple[bytes, Any]] = [
            (b"content-type", answer.media_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            *answer.headers,
        ]
        lines = b"".join(name + b": " + text + b"\r\n" for name, text in head)
        status = b"HTTP/1.1 %d \r\n" % answer.status
        self.transport.write(status + lines + b"\r\n" + answer.body)
        self.transport.close()
