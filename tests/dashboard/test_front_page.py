"""The page that starts the front end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from spanledger_dashboard.front_page import FrontPage, preloaded

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

SIGN_IN = b"<html><head><title>Sign in</title></head></html>"
PAGE = b'<html><head><title>Streamlit</title><script src="./static/js/index.js"></script></head>'


def answer(
    path: str, kind: bytes, status: int = 200, method: str = "GET", page: bytes = PAGE
) -> tuple[Message, bytes]:
    """What a browser gets of a server that answers a page in two pieces."""
    sent: list[Message] = []

    async def app(asked: Scope, _receive: Receive, send: Send) -> None:
        is_compressed = (b"accept-encoding", b"gzip") in asked["headers"]
        encoding = [(b"Content-Encoding", b"gzip")] if is_compressed else []
        headers = [*encoding, (b"Content-Type", kind), (b"Content-Length", str(len(page)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": page[:9], "more_body": True})
        await send({"type": "http.response.body", "body": page[9:]})

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path,
             "headers": [(b"accept-encoding", b"gzip"), (b"host", b"localhost")]}  # fmt: skip
    asyncio.run(FrontPage(app)(scope, receive, send))
    return sent[0], b"".join(message["body"] for message in sent[1:])


def test_the_page_knows_its_server_and_the_files_of_the_trace() -> None:
    start, body = answer("/trace", b"text/html; charset=utf-8")
    headers = {name.lower(): value for name, value in start["headers"]}
    assert headers[b"content-length"] == str(len(body)).encode()
    assert body.count(b"BACKEND_BASE_URL") == 1
    assert b"js/BidiComponent." in body
    assert body.endswith(PAGE[PAGE.index(b"<title>") :])


def test_other_pages_fetch_nothing_that_they_may_not_need() -> None:
    _, body = answer("/overview", b"text/html")
    assert b"BACKEND_BASE_URL" in body
    assert b"modulepreload" not in body


@pytest.mark.parametrize(
    ("path", "kind", "status", "method"),
    [
        ("/_stcore/health", b"text/html", 200, "GET"),
        ("/static/x.html", b"text/html", 200, "GET"),
        ("/trace", b"application/json", 200, "GET"),
        ("/trace", b"text/html", 404, "GET"),
        ("/trace", b"text/html", 200, "HEAD"),
    ],
)
def test_everything_else_is_left_as_it_is(path: str, kind: bytes, status: int, method: str) -> None:
    _, body = answer(path, kind, status, method)
    assert body == PAGE


def test_a_page_of_ours_is_left_as_it_is() -> None:
    assert answer("/login", b"text/html", page=SIGN_IN)[1] == SIGN_IN


def test_an_element_that_is_not_there_is_left_out() -> None:
    assert preloaded(("NoSuchElement",)) == []
    assert any(name.startswith("BidiComponent.") for name in preloaded(("BidiComponent",)))
