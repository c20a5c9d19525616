"""Compresses the front end's own files once. Streamlit serves its 8 MB as they are."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio.to_thread

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFIX = "/static/"
_COMPRESSIBLE = (b"text/", b"application/javascript", b"application/json", b"image/svg+xml")
# The first that the browser takes. At these levels both take a second for everything there is.
_ENCODINGS: dict[bytes, Callable[[bytes], bytes]] = {
    b"zstd": lambda data: zstd.compress(data, 9),
    b"gzip": lambda data: gzip.compress(data, 6),
}


class StaticCompression:
    """ASGI middleware: answers ``/static/`` compressed, from memory after the first time.

    The files carry their hash in their name and never change while the process runs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[tuple[str, bytes], list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        encoding = _encoding(scope)
        if encoding is None:
            await self._app(scope, receive, send)
            return
        key = (scope["path"], encoding)
        messages = self._kept.get(key)
        if messages is None:
            messages = await self._answer(scope, receive)
            if _is_compressible(messages):
                messages = await anyio.to_thread.run_sync(_compressed, messages, encoding)
                self._kept[key] = messages
        for message in messages:
            await send(message)

    async def _answer(self, scope: Scope, receive: Receive) -> list[Message]:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        return answer


def _encoding(scope: Scope) -> bytes | None:
    """Return how to compress the answer, None: not at all."""
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(_PREFIX):
        return None
    headers = dict(scope["headers"])
    # Conditional and partial requests are answered by the file server itself.
    if headers.keys() & {b"range", b"if-none-match", b"if-modified-since"}:
        return None
    accepted = headers.get(b"accept-encoding", b"").replace(b" ", b"").split(b",")
    return next((encoding for encoding in _ENCODINGS if encoding in accepted), None)


def _is_compressible(answer: list[Message]) -> bool:
    kind = {k.lower(): v for k, v in answer[0]["headers"]}.get(b"content-type", b"")
    return bool(answer[0]["status"] == 200 and kind.startswith(_COMPRESSIBLE))


def _compressed(answer: list[Message], encoding: bytes) -> list[Message]:
    start = answer[0]
    body = _ENCODINGS[encoding](b"".join(m.get("body", b"") for m in answer[1:]))
    replaced = {b"content-length", b"accept-ranges", b"etag"}
    headers = [(k, v) for k, v in start["headers"] if k.lower() not in replaced]
    headers += [
        (b"content-encoding", encoding),
        (b"content-length", str(len(body)).encode()),
        (b"vary", b"accept-encoding"),
    ]
    return [{**start, "headers": headers}, {"type": "http.response.body", "body": body}]
