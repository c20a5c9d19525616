"""Names that an open server answers to.

Without keys a server listens on loopback alone, but a page of the web can make a browser ask it all
the same, once the page's own name is made to stand for 127.0.0.1 (DNS rebinding). Such requests
carry that name in ``Host``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from spanledger_collector.edge.http_answer import MediaType, Send, refusal
from spanledger_collector.edge.http_body import Receive
from spanledger_collector.errors import PermissionDenied

_LOCAL_NAMES = ("localhost", "host.docker.internal", "host.containers.internal")
"""The last two are how containers call their host; nobody can own them on the internet."""
_Scope: TypeAlias = MutableMapping[str, Any]
_App: TypeAlias = Callable[[_Scope, Receive, Send], Awaitable[None]]


def _as_status(error: PermissionDenied) -> _App:
    async def answer(_scope: _Scope, _receive: Receive, send: Send) -> None:
        await refusal(error, MediaType.JSON, close=True).send(send)

    return answer


class OnlyLocalNames:
    """Middleware: refuses requests to another name than those of this machine.

    Args:
        app: what answers.
        host: the address that is listened on.
        refuse: answers the others; as OTLP has it if left out.
    """

    def __init__(
        self, app: _App, host: str, refuse: Callable[[PermissionDenied], _App] = _as_status
    ) -> None:
        self._app = app
        self._host = host
        self._refuse = refuse

    async def __call__(self, scope: _Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"host" and not is_local_name(value.decode("latin-1"), self._host):
                    error = PermissionDenied(
                        "Without keys only requests to localhost are answered, not to "
                        f"{value.decode('latin-1')[:100]!r}."
                    )
                    await self._refuse(error)(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def is_local_name(host: str, own: str) -> bool:
    """Return whether ``Host`` (RFC 9110, section 7.2) names loopback or the address ``own``."""
    name = host.lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    if name in (*_LOCAL_NAMES, own.lower()):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
