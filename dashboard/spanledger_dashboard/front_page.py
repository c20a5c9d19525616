"""The page that starts the front end, with what it would otherwise find out step by step.

Streamlit's front end asks two addresses whether they are its server, and for a configuration,
before it connects; and it fetches the files of an element when the first one arrives. Both are
known beforehand, and both stand between a link and what it shows.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ASSETS = "/static/js"
_OTHERS = ("/static/", "/_stcore/", "/media/", "/component/")
# Elements of the trace page, by the names of the front end's files. What an upgrade renames is
# fetched when it is needed, as without this.
_ELEMENTS = {"/trace": ("BidiComponent", "ButtonGroup", "PageLink")}
_IMPORT = re.compile(r"""(?:from|import)\s*[`"']\./([\w.-]+\.js)[`"']""")
# All pages lie beside one another, so what is above a page is the server. A page of another
# origin that frames this one has nothing to say to it.
_CONNECTION = """<script>
      window.__streamlit = {
        BACKEND_BASE_URL: new URL(".", window.location.href).href,
        HOST_CONFIG: { allowedOrigins: [window.location.origin], useExternalAuthToken: false },
      }
    </script>"""


class FrontPage:
    """ASGI middleware: completes the page, leaves everything else as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].startswith(_OTHERS):
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def complete(message: Message) -> None:
            if not held and not _is_page(message):
                await send(message)
                return
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                for part in _completed(held, scope["path"]):
                    await send(part)

        # A few kilobytes, to be read here: not compressed.
        headers = [(n, v) for n, v in scope["headers"] if n.lower() != b"accept-encoding"]
        await self._app({**scope, "headers": headers}, receive, complete)


def _is_page(message: Message) -> bool:
    if message["type"] != "http.response.start" or message["status"] != 200:
        return False
    headers = {name.lower(): value for name, value in message["headers"]}
    is_plain = b"content-encoding" not in headers
    return is_plain and headers.get(b"content-type", b"").startswith(b"text/html")


def _completed(held: list[Message], path: str) -> list[Message]:
    start, *bodies = held
    page = b"".join(message.get("body", b"") for message in bodies)
    if _ASSETS.encode() in page:  # not where people sign in
        page = page.replace(b"<title>", f"{_head(path)}<title>".encode(), 1)
    headers = [(n, v) for n, v in start["headers"] if n.lower() != b"content-length"]
    headers.append((b"content-length", str(len(page)).encode()))
    return [{**start, "headers": headers}, {"type": "http.response.body", "body": page}]


@cache
def _head(path: str) -> str:
    links = "".join(
        f'<link rel="modulepreload" crossorigin href=".{_ASSETS}/{name}">'
        for name in preloaded(_ELEMENTS.get(path, ()))
    )
    return _CONNECTION + links


def preloaded(elements: tuple[str, ...]) -> list[str]:
    """Return the files of some elements, and those they import, that the page does not name."""
    static = files("streamlit").joinpath("static")
    page = static.joinpath("index.html").read_text(encoding="utf-8")
    folder = static.joinpath("static", "js")
    everything = {file.name: file for file in folder.iterdir()}
    waiting = [n for n in everything if n.endswith(".js") and n.split(".")[0] in elements]
    found: list[str] = []
    while waiting:
        name = waiting.pop()
        if name not in found and name not in page:
            found.append(name)
            waiting += _imported(everything, name)
    return sorted(found)


def _imported(everything: dict[str, Traversable], name: str) -> list[str]:
    text = everything[name].read_text(encoding="utf-8")
    return [other for other in _IMPORT.findall(text) if other in everything]
