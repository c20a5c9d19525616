"""Nothing is served without a session: not a page, a file, a download, nor the live connection.

In open mode, where nobody signs in, only names of this machine are answered, so that no web page
reaches the dashboard by a name of its own that is made to stand for 127.0.0.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from spanledger_dashboard.access.doorkeeper import COOKIE, Doorkeeper
from spanledger_dashboard.access.media import connected
from spanledger_dashboard.access.people import Viewer
from spanledger_dashboard.access.settings import is_loopback
from spanledger_storage.errors import StateError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SIGN_IN = "/login"
# What a stranger needs: to sign in; and whoever watches the process, a word that it lives.
_OPEN_PATHS = frozenset({SIGN_IN, "/login/start", "/login/callback", "/logout", "/_stcore/health"})
_MEDIA = re.compile(r"/media/([0-9a-f]+)(?:\.\w+)?")
# Streamlit keeps what is sent here in memory, so it is for those who may import invoices alone; how
# large a file may be says server.maxUploadSize in config.toml.
_UPLOADS = "_stcore/upload_file"
_UPLOAD = re.compile(r"/_stcore/upload_file/([\w-]+)/[\w-]+")
_PROTOCOLS = "sec-websocket-protocol"
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
}
# Names by which containers reach the machine they run on.
_HOST_NAMES = frozenset({"host.docker.internal", "host.containers.internal"})


class Gate:
    """ASGI middleware in front of everything."""

    def __init__(self, app: ASGIApp, keeper: Doorkeeper | None, hosts: Iterable[str] = ()) -> None:
        """Guard ``app``; ``keeper`` None: open mode, for the names in ``hosts`` and loopback."""
        self._app = app
        self._keeper = keeper
        self._hosts = _HOST_NAMES | frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or connection, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif _is_upload(scope["path"]) and not _UPLOAD.fullmatch(scope["path"]):
            await _refuse(PlainTextResponse("Not Found", 404), scope, receive, send)
        elif self._keeper is None:
            await self._answer_local(scope, receive, send)
        elif scope["path"] in _OPEN_PATHS:
            await self._app(scope, receive, _with_headers(send))
        else:
            await self._answer_known(self._keeper, scope, receive, send)

    async def _answer_local(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _hostname(Headers(scope=scope).get("host", ""))
        if is_loopback(host) or host in self._hosts:
            await self._app(scope, receive, _with_headers(send))
            return
        text = (
            "This dashboard asks nobody to sign in, so it answers only under the names of its own "
            "machine. Open it as localhost, or set SPANLEDGER_PUBLIC_URL to this address."
        )
        await _refuse(PlainTextResponse(text, 403), scope, receive, send)

    async def _answer_known(
        self, keeper: Doorkeeper, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            person = await _viewer(keeper, scope)
        except StateError as error:
            answer = PlainTextResponse(f"Nobody can be signed in now. {error}", 503)
            await _refuse(answer, scope, receive, send)
            return
        if person is None:
            await _refuse(_to_sign_in(scope), scope, receive, send)
        elif scope["type"] == "websocket":
            await self._connect(keeper, person, scope, receive, send)
        elif not _is_open_file(keeper, person, scope["path"]) or not _may_send(
            keeper, person, scope["path"]
        ):
            await _refuse(PlainTextResponse("Not Found", 404), scope, receive, send)
        else:
            await self._app(scope, receive, _with_headers(send))

    async def _connect(
        self, keeper: Doorkeeper, person: Viewer, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = MutableHeaders(scope=scope)
        words = headers.get(_PROTOCOLS, "").split(",")
        # The third word asks to go on with a session that was interrupted.
        if len(words) > 2 and not keeper.owners.may_resume(person.name, words[2].strip()):
            headers[_PROTOCOLS] = ",".join(words[:2])
        token = connected.set(person.name)
        try:
            await self._app(scope, receive, send)
        finally:
            connected.reset(token)


def _is_open_file(keeper: Doorkeeper, person: Viewer, path: str) -> bool:
    """Return whether a path is none of a file, or of one made for somebody."""
    if not path.lstrip("/").startswith("media/"):
        return True
    file = _MEDIA.fullmatch(path)
    return file is not None and keeper.owners.owns_file(person.name, file[1])


def _is_upload(path: str) -> bool:
    return path.lstrip("/").startswith(_UPLOADS)


def _may_send(keeper: Doorkeeper, person: Viewer, path: str) -> bool:
    """Return whether a path is none of an upload, or of one into a session of an editor's own."""
    upload = _UPLOAD.fullmatch(path)
    if upload is None:
        return not _is_upload(path)
    return person.may_save and keeper.owners.may_resume(person.name, upload[1])


async def _viewer(keeper: Doorkeeper, scope: Scope) -> Viewer | None:
    cookie = _cookie(Headers(scope=scope).get("cookie", ""))
    if cookie is None or keeper.book.is_fresh:
        return keeper.viewer_of(cookie)
    return await anyio.to_thread.run_sync(keeper.viewer_of, cookie)


def _cookie(header: str) -> str | None:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def _to_sign_in(scope: Scope) -> Response:
    is_page = (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and "text/html" in Headers(scope=scope).get("accept", "")
    )
    if not is_page:
        return PlainTextResponse("Sign in first: /login", 401)
    query = scope["query_string"].decode("latin-1")
    wanted = quote(scope["path"]) + (f"?{query}" if query else "")
    place = SIGN_IN if wanted == "/" else f"{SIGN_IN}?next={quote(wanted, safe='')}"
    return RedirectResponse(place, 303, headers={"cache-control": "no-store"})


async def _refuse(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # the handshake; closed before it is accepted, it is answered with 403
        await send({"type": "websocket.close", "code": 1008})
        return
    await answer(scope, receive, _with_headers(send))


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers
