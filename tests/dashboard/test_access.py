"""Who gets in, how, and for how long: the gate, signing in and out, and guessing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from spanledger_dashboard.access import attempts
from spanledger_dashboard.access.doorkeeper import COOKIE, AccountBook, Doorkeeper
from spanledger_dashboard.access.gate import Gate
from spanledger_dashboard.access.media import Owners
from spanledger_dashboard.access.people import Viewer
from spanledger_dashboard.access.routes import Entrance, own_place
from spanledger_dashboard.access.settings import AccessSettings, DashboardAuth
from spanledger_storage.account_roles import Role
from spanledger_storage.accounts import Accounts
from spanledger_storage.errors import StateError
from spanledger_storage.passwords import Cost, hashed
from spanledger_storage.projects import Projects
from spanledger_storage.state import migrate_state, open_state

CHEAP = Cost(4, 8, 1)
PASSWORD = "correct horse"
SETTINGS = AccessSettings(auth=DashboardAuth.ACCOUNTS, secret="s" * 32)
TOKEN = re.compile(r'name="token" value="([^"]+)"')


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "state.db"
    engine = open_state(f"sqlite:///{path}")
    migrate_state(engine)
    for name in ("alpha", "beta"):
        Projects(engine).create(name, "ann", 1)
    Accounts(engine).add("ann", Role.VIEWER, ["alpha"], hashed(PASSWORD, CHEAP), "root", 1)
    engine.dispose()
    return path


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def state(template: Path, tmp_path: Path) -> Iterator[sa.Engine]:
    shutil.copy(template, tmp_path / "state.db")
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeper(state: sa.Engine, clock: Clock) -> Doorkeeper:
    return Doorkeeper(SETTINGS, AccountBook(Accounts(state), clock))


def opened(keeper: Doorkeeper, name: str = "ann") -> str:
    cookie = keeper.open_with_password(name, PASSWORD)
    assert cookie
    return cookie


# Sessions


def test_name_and_password_open_a_session(keeper: Doorkeeper) -> None:
    assert keeper.viewer_of(opened(keeper, "Ann ")) == Viewer(
        "ann", Role.VIEWER, frozenset({"alpha"})
    )
    assert keeper.open_with_password("ann", "correct hors") is None
    assert keeper.open_with_password("nobody", PASSWORD) is None
    assert keeper.open_with_password("no/body", PASSWORD) is None


def test_an_account_without_a_password_is_not_opened_by_one(
    keeper: Doorkeeper, state: sa.Engine
) -> None:
    Accounts(state).add("ed", Role.ADMIN, None, None, "root", 1)
    assert keeper.open_with_password("ed", "") is None
    assert keeper.open_with_password("ed", PASSWORD) is None


@pytest.mark.parametrize("change", ["set_password", "remove", "end_sessions"])
def test_a_session_ends_with_its_account_within_two_seconds(
    keeper: Doorkeeper, state: sa.Engine, clock: Clock, change: str
) -> None:
    cookie = opened(keeper)
    given = [hashed("another password", CHEAP)] if change == "set_password" else []
    getattr(Accounts(state), change)("ann", *given, "root", 2)
    clock.now_s += 2
    assert keeper.viewer_of(cookie) is None
    if change == "remove":  # whoever gets the name next is somebody else
        Accounts(state).add("ann", Role.ADMIN, None, hashed(PASSWORD, CHEAP), "root", 3)
        clock.now_s += 2
        assert keeper.viewer_of(cookie) is None


def test_another_role_holds_for_open_sessions(
    keeper: Doorkeeper, state: sa.Engine, clock: Clock
) -> None:
    cookie = opened(keeper)
    Accounts(state).set_role("ann", Role.ADMIN, ["alpha"], "root", 2)
    clock.now_s += 2
    found = keeper.viewer_of(cookie)
    assert found is not None
    assert (found.role, found.projects) == (Role.ADMIN, None)


def test_signing_out_ends_one_session_also_for_a_copy_of_its_cookie(keeper: Doorkeeper) -> None:
    first, second = opened(keeper), opened(keeper)
    keeper.sign_out(first)
    assert keeper.viewer_of(first) is None
    assert keeper.viewer_of(second) is not None


def test_a_session_expires(keeper: Doorkeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = opened(keeper)
    later = __import__("time").time() + SETTINGS.session_s
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later - 5)
    assert keeper.viewer_of(cookie) is not None
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later + 5)
    assert keeper.viewer_of(cookie) is None


def test_a_cookie_that_is_not_ours_opens_nothing(keeper: Doorkeeper, state: sa.Engine) -> None:
    cookie = opened(keeper)
    others = [
        Doorkeeper(replace(SETTINGS, secret="t" * 32), keeper.book),
        Doorkeeper(replace(SETTINGS, auth=DashboardAuth.OIDC), keeper.book),
    ]
    assert [other.viewer_of(cookie) for other in others] == [None, None]
    body, _, rest = cookie.partition(".")
    for wrong in (None, "", "x", f"{body}A.{rest}", cookie[:-1], keeper.form_token("ann")):
        assert keeper.viewer_of(wrong) is None


def test_people_stay_in_while_the_state_database_is_away(
    keeper: Doorkeeper, state: sa.Engine, clock: Clock
) -> None:
    cookie = opened(keeper)
    with state.begin() as connection:
        connection.execute(sa.text("ALTER TABLE accounts RENAME TO gone"))
    clock.now_s += 5
    assert keeper.viewer_of(cookie) is not None
    with pytest.raises(StateError):
        AccountBook(Accounts(state), clock).find("ann")


# Guessing


def test_guessing_one_account_gets_slower_and_slower() -> None:
    book = attempts.Attempts()
    waits = []
    now_s = 100.0
    for _ in range(12):
        wait_s = book.begin("Ann", "10.0.0.1", now_s)
        waits.append(wait_s)
        if wait_s:
            assert book.begin("ann", "10.0.0.1", now_s + wait_s) == 0
            now_s += wait_s
    assert waits[:5] == [0] * 5
    assert waits[5:] == [1, 2, 4, 8, 16, 32, 60]
    assert book.begin("bob", "10.0.0.1", now_s) == 0
    assert book.begin("ann", "10.0.0.1", now_s + 901) == 0  # forgotten


def test_nobody_waits_for_what_others_failed_at() -> None:
    book = attempts.Attempts()
    for n in range(1_000):
        book.begin("ann", f"10.0.{n % 50}.1", 5.0 + n / 10)
    assert book.begin("ann", "10.1.0.1", 105.0) == 0


def test_an_account_guessed_from_everywhere_leaves_each_address_one_guess() -> None:
    book = attempts.Attempts()
    for n in range(50):
        waits = [book.begin("ann", f"10.0.{n}.1", 5.0) for _ in range(2)]
        assert waits == [0, 0]
    assert [book.begin("ann", "10.1.0.1", 5.0) for _ in range(2)] == [0, 1]
    book.succeeded("ann", "10.1.0.1")
    assert [book.begin("bob", "10.1.0.1", 5.0) for _ in range(2)] == [0, 0]
    # One success of its owner does not end the attack.
    assert [book.begin("ann", "10.1.0.2", 5.0) for _ in range(2)] == [0, 1]


@pytest.mark.parametrize(
    "forms", [["admin", "Ａdmin", "ⓐdmin", " ADMIN ", "ａｄｍｉｎ"], ["no body"]]
)
def test_a_name_written_differently_is_still_one_account(forms: list[str]) -> None:
    book = attempts.Attempts()
    waits = [book.begin(forms[n % len(forms)], "10.0.0.1", 5.0) for n in range(6)]
    assert waits == [0] * 5 + [1]


def test_guessing_many_accounts_from_one_network_gets_slow_too() -> None:
    book = attempts.Attempts()
    waits = [book.begin(f"name-{n}", f"2001:db8::{n:x}", 5.0) for n in range(21)]
    assert waits[:20] == [0] * 20
    assert waits[20] > 0
    assert book.begin("name-99", "2001:db8:0:1::1", 5.0) == 0


def test_signing_in_forgets_the_failures_before() -> None:
    book = attempts.Attempts()
    for _ in range(5):
        book.begin("ann", "10.0.0.1", 5.0)
        book.succeeded("ann", "10.0.0.1")
    assert book.begin("ann", "10.0.0.1", 5.0) == 0


# Requests


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.headers["sec-websocket-protocol"])
    await websocket.close()


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"inside {request.url.path}")


def behind_the_gate(keeper: Doorkeeper | None, **options: Any) -> TestClient:
    routes = Entrance(keeper).routes() if keeper else []
    app = Starlette(
        routes=[*routes, WebSocketRoute("/_stcore/stream", _echo), Route("/{path:path}", _page)],
        middleware=[Middleware(Gate, keeper=keeper, hosts=["dash.example.com"])],
    )
    return TestClient(app, follow_redirects=False, **options)


@pytest.fixture
def client(keeper: Doorkeeper) -> Iterator[TestClient]:
    with behind_the_gate(keeper, base_url="http://dash.example.com") as client:
        yield client


def sign_in(client: TestClient, name: str = "ann", **fields: str) -> httpx.Response:
    found = TOKEN.search(client.get("/login").text)
    assert found
    form = {"token": found[1], "name": name, "password": PASSWORD, **fields}
    return client.post("/login", data=form)  # type: ignore[return-value]  # the same in httpx2


@pytest.mark.parametrize(
    "path",
    [
        "/", "/traces?project=alpha", "/media/abc.csv", "/static/js/x.js", "/_stcore/host-config",
        "/_stcore/health/", "/component/x", "/auth/login",
        "/oauth2callback", "/login/", "/login/../traces", "/LOGIN", "//traces", "/logout/x",
    ],
)  # fmt: skip
def test_a_stranger_sees_nothing_and_is_shown_the_way(client: TestClient, path: str) -> None:
    page = client.get(path, headers={"accept": "text/html,*/*"})
    assert page.status_code == 303
    assert page.headers["location"].startswith("/login")
    for answer in (client.get(path, headers={"accept": "*/*"}), client.post(path)):
        assert answer.status_code == 401
        assert "inside" not in answer.text


def test_the_way_leads_back_to_the_page(client: TestClient) -> None:
    wanted = "/trace?trace_id=ab&project=alpha"
    answer = client.get(wanted, headers={"accept": "text/html"})
    page = client.get(answer.headers["location"])
    assert f'name="next" value="{wanted.replace("&", "&amp;")}"' in page.text
    entered = sign_in(client, next=wanted)
    assert (entered.status_code, entered.headers["location"]) == (303, wanted)
    assert client.get(wanted).text == "inside /trace"


def test_whoever_watches_the_process_needs_no_session(client: TestClient) -> None:
    assert client.get("/_stcore/health").status_code == 200


def test_the_live_connection_needs_a_session(client: TestClient, keeper: Doorkeeper) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/_stcore/stream", subprotocols=["streamlit"]),
    ):
        pass
    keeper.owners.note_session("s-1", "ann")
    keeper.owners.note_session("s-2", "bea")
    cookie = f"{COOKIE}={opened(keeper)}"
    for asked, passed in (("s-1", "streamlit,x,s-1"), ("s-2", "streamlit,x")):
        with client.websocket_connect(
            "/_stcore/stream", ["streamlit", "x", asked], headers={"cookie": cookie}
        ) as live:
            assert live.receive_text().replace(" ", "") == passed


def test_a_file_opens_for_the_account_it_was_made_for(
    client: TestClient, keeper: Doorkeeper
) -> None:
    sign_in(client)
    keeper.owners.note_file("ab12", "bea")
    assert client.get("/media/ab12.csv").status_code == 404
    assert client.get("/media/ab12").status_code == 404
    keeper.owners.note_file("ab12", "ann")
    assert client.get("/media/ab12.csv").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/media/ab12.csv/", "/media//ab12.csv", "/media/AB12.csv", "/media/ab12.tar.gz"],
)  # fmt: skip
def test_a_file_under_a_name_of_another_form_opens_for_nobody(
    client: TestClient, keeper: Doorkeeper, path: str
) -> None:
    sign_in(client)
    keeper.owners.note_file("ab12", "bea")
    assert client.get(path).status_code == 404


def test_owners_keep_no_more_than_they_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger_dashboard.access.media._MAX_KEPT", 2)
    owners = Owners()
    for name in "abc":
        owners.note_file(name, "ann")
    assert [owners.owns_file("ann", name) for name in "abc"] == [False, True, True]


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(client: TestClient) -> None:
    cookie = sign_in(client).headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for word in ("HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={SETTINGS.session_s}"):
        assert word in cookie
    assert "Secure" not in cookie


@pytest.mark.parametrize("is_proxied", [False, True])
def test_the_cookie_stays_with_tls_where_there_is_some(
    keeper: Doorkeeper, is_proxied: bool
) -> None:
    if is_proxied:
        keeper.settings = replace(SETTINGS, public_url="https://dash.example.com")
    base = "https://dash.example.com"
    with behind_the_gate(keeper, base_url=base) as client:
        assert "Secure" in sign_in(client).headers["set-cookie"]


def test_wrong_passwords_and_unknown_names_are_answered_alike(client: TestClient) -> None:
    answers = [sign_in(client, "ann", password="wrong password"), sign_in(client, "nobody")]
    assert [a.status_code for a in answers] == [401, 401]
    texts = [re.sub(r'(nonce|value)[-=]"?[^"\';]*', "", a.text) for a in answers]
    assert texts[0] == texts[1]
    assert COOKIE not in client.cookies


def test_after_some_failures_even_the_right_password_has_to_wait(client: TestClient) -> None:
    for _ in range(5):
        assert sign_in(client, password="wrong password").status_code == 401
    answer = sign_in(client)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert "Too many attempts" in answer.text


def test_the_right_password_from_elsewhere_is_let_in_meanwhile(
    client: TestClient, keeper: Doorkeeper
) -> None:
    for _ in range(6):
        sign_in(client, password="wrong password")
    assert sign_in(client).status_code == 429
    base = "http://dash.example.com"
    with behind_the_gate(keeper, base_url=base, client=("10.0.0.9", 1)) as other:
        assert sign_in(other).status_code == 303


UPLOAD = "/_stcore/upload_file/own-session/2"


@pytest.mark.parametrize(
    ("mode", "path", "status"),
    [
        ("open", UPLOAD, 405),  # it comes through to the page, which takes none
        ("editor", UPLOAD, 405),
        ("editor", "/_stcore/upload_file/session-of-ann/2", 404),
        ("ann", UPLOAD, 404),  # she may only look
        ("stranger", UPLOAD, 401),
        *(
            (mode, path, 404)
            for mode in ("open", "editor", "ann", "stranger")
            for path in ("//_stcore/upload_file", "//_stcore/upload_file/own-session/2",
                         "/_stcore/upload_file/a/b/c", "/_stcore/upload_file/a/..%2fb")
        ),
    ],
)  # fmt: skip
def test_files_are_sent_by_editors_into_sessions_of_their_own(
    keeper: Doorkeeper, state: sa.Engine, mode: str, path: str, status: int
) -> None:
    base = "http://dash.example.com"
    secret = hashed(PASSWORD, CHEAP)
    Accounts(state).add("editor", Role.EDITOR, frozenset({"alpha"}), secret, "root", 1)
    keeper.owners.note_session("session-of-ann", "ann")
    with behind_the_gate(None if mode == "open" else keeper, base_url=base) as client:
        if mode in ("editor", "ann"):
            sign_in(client, mode)
        answer = client.request("PUT", base + path, content=b"x")
        assert answer.status_code == status


def test_a_form_of_another_site_is_not_taken(client: TestClient, keeper: Doorkeeper) -> None:
    stolen = keeper.form_token("n" * 32)  # of another browser
    assert sign_in(client, token=stolen).status_code == 403
    assert sign_in(client, token="").status_code == 403
    client.get("/login")
    client.cookies.clear()
    form = {"token": stolen, "name": "ann", "password": PASSWORD}
    assert client.post("/login", data=form).status_code == 403
    assert COOKIE not in client.cookies


def test_signing_out_takes_a_form_and_ends_the_session(client: TestClient) -> None:
    sign_in(client)
    kept = client.cookies[COOKIE]
    found = TOKEN.search(client.get("/logout").text)
    assert found
    client.post("/logout", data={"token": "x"})
    assert client.get("/").status_code == 200
    answer = client.post("/logout", data={"token": found[1]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert COOKIE not in client.cookies
    client.cookies[COOKIE] = kept
    assert client.get("/").status_code == 401


def test_what_is_typed_stays_text(client: TestClient) -> None:
    evil = '"><script>alert(1)</script>'
    page = sign_in(client, evil, password="wrong password")
    assert "<script" not in page.text
    assert "<script" not in client.get("/login", params={"next": f"/x{evil}"}).text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"


def test_a_form_too_large_is_not_read(client: TestClient) -> None:
    assert client.post("/login", content=b"name=" + b"x" * 20_000).status_code == 403


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "evil",
        "javascript:alert(1)", "/%2Fevil.example", "/%5Cevil.example", "/a\r\nset-cookie: x",
        "/a%0d%0ax", "/login?next=/x", "/logout", "", "/" + "x" * 5_000,
    ],
)  # fmt: skip
def test_nobody_is_sent_elsewhere_after_signing_in(place: str) -> None:
    assert own_place(place) == "/"


@pytest.mark.parametrize("place", ["/", "/trace?trace_id=ab", "/logs", "/a?next=//x", "/ä"])
def test_places_of_the_dashboard_are_kept(place: str) -> None:
    assert own_place(place) == place


def test_without_any_account_the_page_says_how_to_make_one(
    state: sa.Engine, keeper: Doorkeeper
) -> None:
    Accounts(state).remove("ann", "root", 2)
    with behind_the_gate(keeper) as client:
        assert "spanledger accounts add NAME --role admin" in client.get("/login").text


def test_while_nobody_can_be_looked_up_the_answer_says_so(
    state: sa.Engine, keeper: Doorkeeper
) -> None:
    cookie = opened(keeper)
    with state.begin() as connection:
        connection.execute(sa.text("DROP TABLE accounts"))
    fresh = Doorkeeper(SETTINGS, AccountBook(Accounts(state)))
    with behind_the_gate(fresh) as client:
        client.cookies[COOKIE] = cookie
        answer = client.get("/")
        assert (answer.status_code, "spanledger migrate" in answer.text) == (503, True)
        del client.cookies[COOKIE]
        assert sign_in(client).status_code == 503


# Open mode


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8501", 200), ("127.0.0.1:8501", 200), ("[::1]:8501", 200),
        ("dash.example.com", 200), ("host.docker.internal:8501", 200),
        ("evil.example:8501", 403), ("127.0.0.1.evil.example", 403), ("", 403), ("[", 403),
    ],
)  # fmt: skip
def test_an_open_dashboard_answers_under_names_of_its_machine(host: str, status: int) -> None:
    with behind_the_gate(None) as client:
        assert client.get("/traces", headers={"host": host}).status_code == status


def test_an_open_dashboard_connects_under_names_of_its_machine() -> None:
    with (
        behind_the_gate(None) as client,
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/_stcore/stream", headers={"host": "evil.example"}),
    ):
        pass
