"""Signing in by OpenID Connect, against an identity provider on this machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from spanledger_dashboard.access.doorkeeper import COOKIE, AccountBook, Doorkeeper
from spanledger_dashboard.access.gate import Gate
from spanledger_dashboard.access.people import Viewer
from spanledger_dashboard.access.routes import Entrance
from spanledger_dashboard.access.settings import (
    AccessSettings,
    DashboardAuth,
    Grant,
    OidcSettings,
)
from spanledger_storage.account_roles import Role
from spanledger_storage.accounts import Accounts
from spanledger_storage.projects import Projects
from spanledger_storage.state import migrate_state, open_state

pytest.importorskip("authlib", reason="the extra `oidc` is not installed")
joserfc_jwk = pytest.importorskip("joserfc.jwk")
joserfc_jwt = pytest.importorskip("joserfc.jwt")

BASE = "http://dash.example.com"


class FakeProvider:
    """An identity provider that lets everybody in at once, as whom a test says."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.claims: dict[str, Any] = {"email": "ann@example.com", "email_verified": True}
        self.key = joserfc_jwk.RSAKey.generate_key(2048, {"kid": "1"})
        self.signing_key = self.key
        self.asked: dict[str, str] = {}
        self.error = ""
        self.user_info: dict[str, Any] | None = None  # what its UserInfo endpoint tells

    def app(self) -> Starlette:
        known = "/.well-known/openid-configuration"
        return Starlette(
            routes=[
                Route(known, self._known),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/userinfo", self._user_info),
            ]
        )

    async def _known(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.base,
                "authorization_endpoint": f"{self.base}/authorize",
                "token_endpoint": f"{self.base}/token",
                "jwks_uri": f"{self.base}/keys",
                "userinfo_endpoint": f"{self.base}/userinfo",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _authorize(self, request: Request) -> Response:
        self.asked = dict(request.query_params)
        back = {"state": self.asked["state"]}
        back |= {"error": self.error} if self.error else {"code": "c0de"}
        return RedirectResponse(f"{self.asked['redirect_uri']}?{urlencode(back)}")

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if form["code"] != "c0de" or not form.get("code_verifier"):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now_s = int(time.time())
        claims = {
            "iss": self.base, "aud": self.asked["client_id"], "sub": "1", "iat": now_s,
            "exp": now_s + 60, "nonce": self.asked["nonce"], **self.claims,
        }  # fmt: skip
        token = joserfc_jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.signing_key)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": token})

    async def _user_info(self, request: Request) -> Response:
        if self.user_info is None or request.headers.get("authorization") != "Bearer a":
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse(self.user_info)


@pytest.fixture(scope="module")
def running() -> Iterator[FakeProvider]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        fake = FakeProvider(f"http://127.0.0.1:{listening.getsockname()[1]}")
        config = uvicorn.Config(fake.app(), log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        yield fake
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def provider(running: FakeProvider) -> FakeProvider:
    running.claims = {"email": "ann@example.com", "email_verified": True}
    running.signing_key = running.key
    running.error = ""
    running.user_info = None
    return running


@pytest.fixture
def keeper(provider: FakeProvider, tmp_path: Path) -> Iterator[Doorkeeper]:
    engine: sa.Engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    Projects(engine).create("shop", "root", 1)
    Accounts(engine).add("ann@example.com", Role.EDITOR, ["shop"], None, "root", 1)
    settings = AccessSettings(
        auth=DashboardAuth.OIDC,
        public_url=BASE,
        secret="s" * 32,
        oidc=OidcSettings(
            metadata_url=f"{provider.base}/.well-known/openid-configuration",
            client_id="spanledger",
            client_secret="s3cret",
            domains=(("corp.example", Grant(Role.VIEWER, frozenset({"shop"}))),),
        ),
    )
    yield Doorkeeper(settings, AccountBook(Accounts(engine)))
    engine.dispose()


async def _page(_: Request) -> Response:
    return PlainTextResponse("inside")


@pytest.fixture
def client(keeper: Doorkeeper) -> Iterator[TestClient]:
    app = Starlette(
        routes=[*Entrance(keeper).routes(), Route("/{path:path}", _page)],
        middleware=[
            Middleware(Gate, keeper=keeper),
            Middleware(SessionMiddleware, secret_key="streamlit makes its own"),
        ],
    )
    with TestClient(app, base_url=BASE, follow_redirects=False) as client:
        yield client


def come_back(client: TestClient, wanted: str = "/traces?range=7d") -> Any:
    """Go to the provider and come back; return our answer then."""
    away = client.get("/login/start", params={"next": wanted})
    assert away.status_code == 302, away.text
    back = httpx.get(away.headers["location"], trust_env=False).headers["location"]
    assert back.startswith(f"{BASE}/login/callback?")
    return client.get(back.removeprefix(BASE))


def test_the_page_leads_to_the_provider_and_back_to_where_one_was(
    client: TestClient, keeper: Doorkeeper, provider: FakeProvider
) -> None:
    page = client.get("/traces?range=7d", headers={"accept": "text/html"})
    shown = client.get(page.headers["location"]).text
    assert 'href="/login/start?next=%2Ftraces%3Frange%3D7d"' in shown
    assert "password" not in shown.lower()
    entered = come_back(client)
    assert (entered.status_code, entered.headers["location"]) == (303, "/traces?range=7d")
    assert provider.asked["code_challenge_method"] == "S256"
    assert provider.asked["scope"] == "openid email profile"
    assert client.get("/traces").text == "inside"
    person = keeper.viewer_of(client.cookies[COOKIE])
    assert person == Viewer("ann@example.com", Role.EDITOR, frozenset({"shop"}))


def test_somebody_of_a_named_domain_needs_no_account(
    client: TestClient, keeper: Doorkeeper, provider: FakeProvider
) -> None:
    provider.claims["email"] = "Bob@Corp.Example"
    assert come_back(client).status_code == 303
    person = keeper.viewer_of(client.cookies[COOKIE])
    assert person == Viewer("bob@corp.example", Role.VIEWER, frozenset({"shop"}))


@pytest.mark.parametrize(
    ("claims", "status", "words"),
    [
        ({"email": "eve@evil.example"}, 403, "has no account here"),
        ({"email": "eve@corp.example.evil.example"}, 403, "has no account here"),
        ({"email_verified": False}, 403, "not verified"),
        ({"email_verified": None}, 403, "not verified"),
        ({"email": ""}, 403, "does not tell your e-mail"),
        ({"nonce": "another"}, 403, "trusted"),
        ({"aud": "somebody-else"}, 403, "trusted"),
        ({"iss": "https://evil.example"}, 403, "trusted"),
        ({"exp": 1}, 403, "trusted"),
    ],
)
def test_whom_the_provider_does_not_vouch_for_stays_outside(
    client: TestClient, provider: FakeProvider, claims: dict[str, Any], status: int, words: str
) -> None:
    provider.claims |= claims
    answer = come_back(client)
    assert answer.status_code == status
    assert words in answer.text
    assert COOKIE not in client.cookies


def test_an_address_that_only_user_info_tells_is_taken(
    client: TestClient, provider: FakeProvider
) -> None:
    provider.user_info = {"sub": "1", **provider.claims}
    provider.claims = {}
    come_back(client)
    assert COOKIE in client.cookies


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"sub": "2", "email": "ann@example.com", "email_verified": True}, "does not tell your"),
        ({"sub": "1", "email": "ann@example.com"}, "not verified"),
        ({"sub": "1"}, "does not tell your"),
        (None, "did not tell who you are"),
    ],
)
def test_user_info_of_another_or_without_a_verified_address_lets_nobody_in(
    client: TestClient, provider: FakeProvider, told: dict[str, Any] | None, words: str
) -> None:
    provider.claims, provider.user_info = {}, told
    answer = come_back(client)
    assert (answer.status_code, words in answer.text) == (403, True)
    assert COOKIE not in client.cookies


def test_a_token_that_the_provider_did_not_sign_is_not_believed(
    client: TestClient, provider: FakeProvider
) -> None:
    provider.signing_key = joserfc_jwk.RSAKey.generate_key(2048, {"kid": "1"})
    answer = come_back(client)
    assert answer.status_code == 403
    assert COOKIE not in client.cookies


def test_a_refusal_of_the_provider_is_passed_on(client: TestClient, provider: FakeProvider) -> None:
    provider.error = "access_denied"
    answer = come_back(client)
    assert (answer.status_code, "access_denied" in answer.text) == (403, True)


def test_an_answer_to_another_browser_is_not_taken(client: TestClient) -> None:
    away = client.get("/login/start")
    back = httpx.get(away.headers["location"], trust_env=False).headers["location"]
    client.cookies.clear()
    answer = client.get(back.removeprefix(BASE))
    assert answer.status_code == 403
    assert COOKIE not in client.cookies


def test_nobody_is_sent_elsewhere_by_way_of_the_provider(client: TestClient) -> None:
    assert come_back(client, "https://evil.example/").headers["location"] == "/"


def test_a_provider_that_does_not_answer_is_said_to_be_away(
    keeper: Doorkeeper, tmp_path: Path
) -> None:
    from dataclasses import replace

    oidc = keeper.settings.oidc
    assert oidc is not None
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = replace(oidc, metadata_url=f"http://127.0.0.1:{unused.getsockname()[1]}/known")
        keeper.settings = replace(keeper.settings, oidc=away)
        app = Starlette(
            routes=Entrance(keeper).routes(),
            middleware=[Middleware(SessionMiddleware, secret_key="x")],
        )
        with TestClient(app, base_url=BASE) as client:
            answer = client.get("/login/start")
    assert (answer.status_code, "does not answer" in answer.text) == (502, True)


def test_a_password_opens_nothing_where_people_sign_in_by_oidc(client: TestClient) -> None:
    form = {"name": "ann@example.com", "password": "correct horse", "token": "x"}
    assert client.post("/login", data=form).status_code in {401, 405}
