"""Who may read what: everything but the health and the description is closed where keys are used.

A key with the scope read sees its own project, one with the scope admin all of them. Agents ask
for their budgets with the key they send with. Where no key is demanded, one of ours is held to what
it may do all the same, as the collector does: budgets are asked for in the project of the spans.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from spanledger_collector.access.keys import Grant, KeyRing
from spanledger_collector.access.senders import has_own_key
from spanledger_collector.errors import IntakeError, PermissionDenied
from spanledger_server.api.problems import refused
from spanledger_storage.api_keys import Scope as KeyScope
from spanledger_storage.project_settings import DEFAULT_PROJECT

DOCS_PATH = "/api/docs"
OPENAPI_PATH = "/api/openapi.json"
HEALTH_PATH = "/healthz"
BUDGETS_PATH = "/api/v1/budgets"
_SCOPES = {
    f"{BUDGETS_PATH}/reserve": (KeyScope.INGEST, KeyScope.ADMIN),
    f"{BUDGETS_PATH}/settle": (KeyScope.INGEST, KeyScope.ADMIN),
    f"{BUDGETS_PATH}/release": (KeyScope.INGEST, KeyScope.ADMIN),
    f"{BUDGETS_PATH}/state": (KeyScope.INGEST, KeyScope.READ, KeyScope.ADMIN),
}
_READERS = (KeyScope.READ, KeyScope.ADMIN)
OPEN_PATHS = frozenset({DOCS_PATH, OPENAPI_PATH, HEALTH_PATH})
SLACK_PATH = "/api/slack/actions"
"""Needs no key: what comes there is signed by Slack."""


class KeyGuard:
    """Middleware: asks for a key on every path that is not open, also on those added later.

    Leaves the key's grant in ``request.state.grant``, None where none was needed, or given; and in
    ``request.state.open_to`` the project of whoever gives none.
    """

    def __init__(self, app: ASGIApp, ring: KeyRing | None, open_to: str | None = None) -> None:
        self._app = app
        self._ring = ring
        self._open_to = open_to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        grant: Grant | None = None
        headers = Headers(scope=scope)
        if self._ring and self._asks(scope["path"], headers):
            try:
                grant = self._ring.authenticate(headers)
                grant.require(*_SCOPES.get(scope["path"], _READERS))
            except IntakeError as error:
                await refused(error)(scope, receive, send)
                return
        open_to = self._open_to or DEFAULT_PROJECT
        scope.setdefault("state", {}).update(grant=grant, open_to=open_to)
        await self._app(scope, receive, send)

    def _asks(self, path: str, headers: Headers) -> bool:
        if path in OPEN_PATHS or path == SLACK_PATH:
            return False
        return self._open_to is None or has_own_key(headers)


async def _allowed_project(
    request: Request,
    project: Annotated[
        str | None,
        Query(max_length=256, description="The project; default: the key's own, else the API's."),
    ] = None,
) -> str:
    """Return the project a request asks for; raises PermissionDenied when it is another's."""
    grant: Grant | None = request.state.grant
    if grant is None:
        return project or str(request.state.open_to)
    own = grant.project.name
    if project and project != own and KeyScope.ADMIN not in grant.scopes:
        raise PermissionDenied(
            f"Key {grant.key_id} reads project {own} alone: ask for it, or make a key with "
            "`spanledger keys create --scope admin`."
        )
    return project or own


DESCRIBED_KEYS = [
    Security(HTTPBearer(auto_error=False)),
    Security(APIKeyHeader(name="x-api-key", auto_error=False)),
]
"""Dependencies that tell the description how a key is sent; they refuse nothing themselves."""
ProjectName = Annotated[str, Depends(_allowed_project)]
"""Parameter of every endpoint that answers about a project."""
