"""Answers of OTLP/HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from spanledger_collector.edge.failure import status_of
from spanledger_collector.errors import IntakeError, UnsupportedMedia

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
"""https://asgi.readthedocs.io/en/latest/specs/www.html#response-start-send-event."""


class MediaType(StrEnum):
    """The two encodings of OTLP/HTTP."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


def media_type_of(headers: Mapping[str, str]) -> MediaType:
    """Return the encoding of a request.

    Raises:
        UnsupportedMedia: it names none, or another.
    """
    given = headers.get("content-type", "")
    try:
        return MediaType(given.partition(";")[0].strip().lower())
    except ValueError:
        raise UnsupportedMedia(
            f"Content-Type must be {MediaType.PROTOBUF} or {MediaType.JSON}, not {given[:100]!r}."
        ) from None


def answer_type(method: str, headers: Mapping[str, str]) -> MediaType:
    """Return the encoding of an answer: that of the request.

    Without one it is protobuf, as the specification words it for every error; but who only looks,
    for example with a browser, can read JSON.
    """
    try:
        return media_type_of(headers)
    except UnsupportedMedia:
        return MediaType.JSON if method in ("GET", "HEAD") else MediaType.PROTOBUF


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """Send it whole."""
        headers = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", b"%d" % len(self.body)),
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def rendered(message: Message, media_type: MediaType) -> bytes:
    """Return a message in an encoding."""
    if media_type is MediaType.PROTOBUF:
        return message.SerializeToString()
    # json_format takes its time, and most answers are empty.
    if not message.ListFields():
        return b"{}"
    return json_format.MessageToJson(message, indent=None).encode()


def refusal(
    error: IntakeError, media_type: MediaType, *, allow: str = "", close: bool = False
) -> Answer:
    """Return the failure as ``google.rpc.Status`` in the request's own encoding.

    Args:
        error: what is refused and why.
        media_type: the encoding.
        allow: the methods of the path, for 405.
        close: end the connection after the answer. Else the server skips what is left of the
            body; to close while the client still sends would take the answer from it.
    """
    headers = list[tuple[bytes, bytes]]()
    if error.http_status == 401:
        headers.append((b"www-authenticate", b"Bearer"))  # RFC 9110, section 11.6.1
    if error.http_status == 405:
        headers.append((b"allow", allow.encode()))  # RFC 9110, section 15.5.6
    if close:
        headers.append((b"connection", b"close"))
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    body = rendered(status_of(error), media_type)
    return Answer(error.http_status, media_type, body, tuple(headers))
