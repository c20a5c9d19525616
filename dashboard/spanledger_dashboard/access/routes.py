"""Signing in and out: the requests a stranger may make.

A form carries a token that belongs to a cookie of the same browser, so that only pages of ours send
it. The session's cookie is out of reach for scripts, and stays with requests from other sites.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from functools import partial
from urllib.parse import parse_qsl, unquote

import anyio
import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from spanledger_dashboard.access.doorkeeper import COOKIE, Doorkeeper
from spanledger_dashboard.access.gate import SIGN_IN
from spanledger_dashboard.access.oidc import Provider, ProviderError
from spanledger_dashboard.access.page import (
    password_form,
    provider_link,
    sign_in_page,
    sign_out_form,
)
from spanledger_dashboard.access.settings import AccessSettings
from spanledger_storage.errors import StateError

_FORM_COOKIE = "spanledger_form"
_NONCE = re.compile(r"[\w-]{20,64}", re.ASCII)
_MAX_FORM_BYTES = 10_000
# Each takes 32 MiB and a third of a second of one core.
_SIDE_BY_SIDE = 2
_EXPIRED = "The page had expired. Please try again."


class Entrance:
    """The pages and requests around a session."""

    def __init__(self, keeper: Doorkeeper) -> None:
        self._keeper = keeper
        oidc = keeper.settings.oidc
        self._provider = Provider(oidc, keeper.settings.public_url) if oidc else None
        self._hashing = anyio.CapacityLimiter(_SIDE_BY_SIDE)

    def routes(self) -> list[BaseRoute]:
        """Return the routes, those of the way people sign in only."""
        own: list[BaseRoute] = [
            Route(SIGN_IN, self._show, methods=["GET"]),
            Route("/logout", self._ask_sign_out, methods=["GET"]),
            Route("/logout", self._sign_out, methods=["POST"]),
        ]
        if self._provider is None:
            return [*own, Route(SIGN_IN, self._sign_in, methods=["POST"])]
        return [
            *own,
            Route("/login/start", self._start, methods=["GET"]),
            Route("/login/callback", self._come_back, methods=["GET"]),
        ]

    async def _show(self, request: Request) -> Response:
        wanted = own_place(request.query_params.get("next", ""))
        return await self._page(request, wanted)

    async def _page(
        self,
        request: Request,
        wanted: str,
        *,
        name: str = "",
        complaint: str = "",
        status: int = 200,
    ) -> Response:
        if self._provider is not None:
            return sign_in_page(provider_link(wanted, complaint), status=status)
        nonce = _nonce(request.cookies) or secrets.token_urlsafe(24)
        form = password_form(
            action_token=self._keeper.form_token(nonce),
            wanted=wanted,
            name=name,
            complaint=complaint,
            note=await run_in_threadpool(self._first_steps),
        )
        answer = sign_in_page(form, status=status)
        self._set_cookie(request, answer, _FORM_COOKIE, nonce, 3600, strict=True)
        return answer

    def _first_steps(self) -> str:
        try:
            is_empty = self._keeper.book.is_empty
        except StateError:
            return ""
        if not is_empty:
            return ""
        return "No account yet. Make one:<br><code>spanledger accounts add NAME --role admin</code>"

    async def _sign_in(self, request: Request) -> Response:
        form = await _fields(request)
        wanted, name = own_place(form.get("next", "")), form.get("name", "")[:80]
        page = partial(self._page, request, wanted, name=name)
        if not self._keeper.is_form_token(form.get("token", ""), _nonce(request.cookies)):
            return await page(complaint=_EXPIRED, status=403)
        address = request.client.host if request.client else ""
        wait_s = self._keeper.attempts.begin(name, address, time.monotonic())
        if wait_s > 0:
            text = f"Too many attempts. Try again in {max(1, round(wait_s))} s."
            answer = await page(complaint=text, status=429)
            answer.headers["retry-after"] = str(max(1, round(wait_s)))
            return answer
        try:
            cookie = await anyio.to_thread.run_sync(
                self._keeper.open_with_password,
                name,
                form.get("password", ""),
                limiter=self._hashing,
            )
        except StateError as error:
            return await page(complaint=f"Nobody can be signed in now. {error}", status=503)
        if cookie is None:
            return await page(complaint="Name and password do not match.", status=401)
        self._keeper.attempts.succeeded(name, address)
        return self._enter(request, cookie, wanted)

    async def _start(self, request: Request) -> Response:
        assert self._provider is not None
        request.session["next"] = own_place(request.query_params.get("next", ""))
        try:
            return await self._provider.start(request)
        except ProviderError as error:
            return await self._page(request, "/", complaint=str(error), status=502)

    async def _come_back(self, request: Request) -> Response:
        assert self._provider is not None
        wanted = own_place(str(request.session.pop("next", "")))
        try:
            email = await self._provider.email(request)
            cookie = await run_in_threadpool(self._keeper.open_with_email, email)
        except ProviderError as error:
            return await self._page(request, wanted, complaint=str(error), status=error.status)
        except StateError as error:
            text = f"Nobody can be signed in now. {error}"
            return await self._page(request, wanted, complaint=text, status=503)
        if cookie is None:
            text = f"{email} has no account here. Ask an admin for one."
            return await self._page(request, wanted, complaint=text, status=403)
        return self._enter(request, cookie, wanted)

    def _enter(self, request: Request, cookie: str, wanted: str) -> Response:
        answer = RedirectResponse(wanted, 303, headers={"cache-control": "no-store"})
        self._set_cookie(request, answer, COOKIE, cookie, self._keeper.settings.session_s)
        return answer

    async def _ask_sign_out(self, request: Request) -> Response:
        nonce = _nonce(request.cookies) or secrets.token_urlsafe(24)
        form = sign_out_form(self._keeper.form_token(nonce))
        answer = sign_in_page(form, title="Sign out of Spanledger?")
        self._set_cookie(request, answer, _FORM_COOKIE, nonce, 3600, strict=True)
        return answer

    async def _sign_out(self, request: Request) -> Response:
        form = await _fields(request)
        if not self._keeper.is_form_token(form.get("token", ""), _nonce(request.cookies)):
            return await self._ask_sign_out(request)
        await run_in_threadpool(self._keeper.sign_out, request.cookies.get(COOKIE))
        answer = RedirectResponse(SIGN_IN, 303, headers={"cache-control": "no-store"})
        answer.delete_cookie(COOKIE, path="/")
        return answer

    def _set_cookie(
        self,
        request: Request,
        answer: Response,
        name: str,
        value: str,
        max_age_s: int,
        *,
        strict: bool = False,
    ) -> None:
        answer.set_cookie(
            name,
            value,
            max_age=max_age_s,
            path="/",
            httponly=True,
            secure=_is_secure(request, self._keeper.settings),
            samesite="strict" if strict else "lax",
        )


def own_place(text: str) -> str:
    """Return where to go after signing in: a path of this dashboard, ``/`` for anything else."""
    decoded = unquote(text)
    is_path = decoded.startswith("/") and not decoded.startswith(("//", "/\\"))
    is_plain = "\\" not in decoded and decoded.isprintable()
    if not (is_path and is_plain) or re.match(r"/log(in|out)\b", decoded) or len(text) > 4_000:
        return "/"
    return text


def _is_secure(request: Request, settings: AccessSettings) -> bool:
    return request.url.scheme == "https" or settings.public_url.startswith("https:")


def _nonce(cookies: Mapping[str, str]) -> str:
    found = cookies.get(_FORM_COOKIE, "")
    return found if _NONCE.fullmatch(found) else ""


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a form; none when it is too large to be one of ours."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=8))
