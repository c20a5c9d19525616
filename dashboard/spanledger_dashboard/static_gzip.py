"""Compresses the front end's own files once. Streamlit serves its 8 MB as they are."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFIX = "/static/"
_COMPRESSIBLE = (b"text/", b"application/javascript", b"application/json", b"image/svg+xml")


class StaticGzip:
    """ASGI middleware: answers ``/static/`` compressed, from memory after the first time.

    The files carry their hash in their name and never change while the process runs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not _wants_gzip(scope):
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path not in self._kept:
            answer: list[Message] = []

            async def keep(message: Message) -> None:
                answer.append(message)

            await self._app(scope, receive, keep)
            messages, is_lasting = _compressed(answer)
            if is_lasting:
                self._kept[path] = messages
        else:
            messages = self._kept[path]
        for message in messages:
            await send(message)


def _wants_gzip(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(_PREFIX):
        return False
    headers = dict(scope["headers"])
    # Conditional and partial requests are answered by the file server itself.
    is_plain = not headers.keys() & {b"range", b"if-none-match", b"if-modified-since"}
    return is_plain and b"gzip" in headers.get(b"accept-encoding", b"")


def _compressed(answer: list[Message]) -> tuple[list[Message], bool]:
    """Return the messages to send and whether they may be kept."""
    start = answer[0]
    headers: list[tuple[bytes, bytes]] = [(k.lower(), v) for k, v in start["headers"]]
    kind = dict(headers).get(b"content-type", b"")
    if start["status"] != 200 or not kind.startswith(_COMPRESSIBLE):
        return answer, False
    body = gzip.compress(b"".join(m.get("body", b"") for m in answer[1:]), 6)
    kept = [(k, v) for k, v in headers if k not in {b"content-length", b"accept-ranges", b"etag"}]
    kept += [
        (b"content-encoding", b"gzip"),
        (b"content-length", str(len(body)).encode()),
        (b"vary", b"accept-encoding"),
    ]
    return [
        {**start, "headers": kept},
        {"type": "http.response.body", "body": body},
    ], True
