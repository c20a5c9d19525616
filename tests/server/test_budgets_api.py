"""Budgets over HTTP: who may do what, and limits that hold while the process is killed."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from anyio.to_thread import current_default_thread_limiter
from fastapi.testclient import TestClient

from spanledger_collector.access.keys import KeyRing
from spanledger_server.api.app import create_app
from spanledger_storage.api_keys import Scope
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.budgets import Budgets, BudgetTerms
from spanledger_storage.projects import Keys, Projects
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import StoreSettings
from tests.instance import command, environment, wait_until
from tests.ports import free_port

BASE = "/api/v1/budgets"
STORE = "clickhouse://127.0.0.1:1/nowhere"
CAP = {"name": "cap", "scope": "agent", "selector": "planner", "hard_limit": "1.5"}
PLANNER = {"agent": "planner"}


@contextlib.contextmanager
def asking(state: sa.Engine) -> Iterator[TestClient]:
    app = create_app(StoreSettings.from_url(STORE), state=state)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def api(state: sa.Engine) -> Iterator[TestClient]:
    with asking(state) as client:
        yield client


@pytest.fixture(scope="module")
def refusing_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """For requests that change nothing: making the application takes half a second."""
    engine = open_state(f"sqlite:///{tmp_path_factory.mktemp('refusing') / 'state.db'}")
    migrate_state(engine)
    with asking(engine) as client:
        yield client
    assert Budgets(engine).of("default") == []
    engine.dispose()


def reserve(client: TestClient, key: str, usd: str | None = "0.5", **more: Any) -> dict[str, Any]:
    body = {"key": key, "subject": PLANNER, "needed": {"usd": usd}, **more}
    answer = client.post(f"{BASE}/reserve", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_budget_from_its_making_to_its_removal(api: TestClient) -> None:
    made = api.post(BASE, json=CAP)
    assert made.status_code == 201
    assert (made.json()["hard_limit"], made.json()["left"]) == ("1.5", "1.5")
    assert api.post(BASE, json=CAP).status_code == 422
    assert [b["name"] for b in api.get(BASE).json()["budgets"]] == ["cap"]

    held = reserve(api, "r1", wanted={"usd": "9"})
    assert (held["granted"], held["amounts"], held["over"]) == (True, {"usd": "0.5"}, [])
    assert 599 < held["expires_in_s"] <= 600
    assert held["scopes"] == ["agent"]
    settlement = {"key": "s1", "reservation": held["reservation"], "used": {"usd": 0.25}}
    for expected in ({"counted": 1, "repeated": 0, "unknown": 0},
                     {"counted": 0, "repeated": 1, "unknown": 0}):  # fmt: skip
        assert api.post(f"{BASE}/settle", json={"settlements": [settlement]}).json() == expected
    refused = reserve(api, "r2", "1.26")
    assert (refused["granted"], refused["over"]) == (False, [made.json()["id"]])

    [found] = api.get(f"{BASE}/state", params={"agent": "planner"}).json()["budgets"]
    figures = {name: found[name] for name in ("spent", "settled", "reserved", "left", "refused")}
    assert figures == {"spent": "0.25", "settled": "0.25", "reserved": "0.0", "left": "1.25",
                       "refused": 1}  # fmt: skip
    assert api.get(f"{BASE}/state", params={"agent": "writer"}).json()["budgets"] == []
    [breach] = api.get(f"{BASE}/breaches").json()["breaches"]
    assert (breach["level"], breach["refused"], breach["ended_at"]) == ("refused", 1, None)

    changed = api.put(f"{BASE}/cap", json=CAP | {"hard_limit": "2", "note": "more"})
    assert (changed.json()["left"], changed.json()["note"]) == ("1.75", "more")
    held = reserve(api, "r3")
    released = api.post(f"{BASE}/release", json={"reservations": [held["reservation"], "x"]})
    assert released.json() == {"released": 1}
    assert api.delete(f"{BASE}/cap").status_code == 200
    assert api.get(f"{BASE}/cap").status_code == 404
    assert reserve(api, "r4")["budgets"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", CAP | {"scope": "planet"}),
        ("", CAP | {"hard_limit": None}),
        ("", CAP | {"hard_limit": "NaN"}),
        ("", CAP | {"hard_limit": "1e999"}),
        ("", CAP | {"timezone": "Mars"}),
        ("", CAP | {"name": "\x00"}),
        ("", CAP | {"colour": "red"}),
        ("/reserve", {"key": "with space", "subject": {}}),
        ("/reserve", {"key": "k", "subject": {}, "needed": {"usd": "-1"}}),
        ("/reserve", {"key": "k", "subject": {}, "ttl_s": 0}),
        ("/reserve", {"key": "k", "subject": {}, "ttl_s": 3601}),
        ("/reserve", {"key": "k", "subject": {"agent": "\x00"}}),
        ("/reserve", {"key": "k", "subject": {"tags": {"a": "\x00"}}}),
        ("/settle", {"settlements": []}),
        ("/settle", {"settlements": [{"key": "k", "used": {}, "trace_id": "zz"}]}),
        ("/settle", {"settlements": [{"key": "k", "used": {}}] * 501}),
        ("/release", {"reservations": ["x" * 33]}),
    ],
)
def test_what_is_wrong_with_a_request_is_told(
    refusing_api: TestClient, path: str, body: Any
) -> None:
    answer = refusing_api.post(BASE + path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert refusing_api.get(f"{BASE}/state", params={"tag": "acme"}).status_code == 422


@pytest.mark.parametrize("project", ["a\x00b", "x" * 65, "'; DROP TABLE budgets --", "日本"])
def test_a_project_that_cannot_be_is_refused(refusing_api: TestClient, project: str) -> None:
    api = refusing_api
    for method, path in (("GET", ""), ("GET", "/state"), ("GET", "/x"), ("POST", "")):
        answer = api.request(method, BASE + path, params={"project": project}, json=CAP)
        assert answer.status_code == 422, (path, answer.text)
    assert api.get(f"{BASE}/a%00b").status_code == 422
    told = api.get(BASE, params={"project": "x" * 65}).json()["detail"]
    assert told.startswith("A project's name must be 1 to 64 letters")


def test_another_method_is_told_which_there_are(refusing_api: TestClient) -> None:
    for path, allowed in (("/api/v1/traces", "GET"), (BASE, "GET, POST")):
        answer = refusing_api.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert answer.json()["detail"] == f"{path} takes {allowed}."


def test_keys_open_what_their_scope_says(state: sa.Engine) -> None:
    Projects(state).create("shop", "me", 1)
    keys = {scope: Keys(state).create("shop", [scope], "me", 1)[1].text for scope in Scope}
    ring = KeyRing(Projects(state), Keys(state))
    ring.load()
    app = create_app(StoreSettings.from_url(STORE), ring, state=state)
    with TestClient(app) as client:

        def status(scope: Scope, method: str, path: str, **more: Any) -> int:
            headers = {"x-api-key": keys[scope]}
            return client.request(method, BASE + path, headers=headers, **more).status_code

        body: dict[str, Any] = {"json": {"key": "k", "subject": PLANNER, "needed": {"usd": "9"}}}
        assert client.request("POST", f"{BASE}/reserve", **body).status_code == 401
        assert status(Scope.READ, "POST", "", json=CAP) == 403
        assert status(Scope.INGEST, "POST", "", json=CAP) == 403
        assert status(Scope.ADMIN, "POST", "?project=shop", json=CAP) == 201
        assert status(Scope.READ, "PUT", "/cap", json=CAP) == 403
        assert status(Scope.READ, "DELETE", "/cap") == 403
        assert status(Scope.READ, "GET", "") == status(Scope.READ, "GET", "/cap") == 200
        assert status(Scope.INGEST, "GET", "") == 403
        assert status(Scope.READ, "POST", "/reserve", **body) == 403
        assert status(Scope.INGEST, "POST", "/reserve?project=default", **body) == 403
        for scope in Scope:
            assert status(scope, "GET", "/state") == 200
        headers = {"x-api-key": keys[Scope.INGEST]}
        told = client.request("POST", f"{BASE}/reserve", headers=headers, **body).json()
        assert not told["granted"]  # it is held to the budgets of its own project
        [found] = Budgets(state).of("shop")
        assert found.created_by.startswith("key ")


def test_without_the_tables_it_says_so(tmp_path: Path) -> None:
    empty = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    app = create_app(StoreSettings.from_url(STORE), state=empty)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        answer = client.post(f"{BASE}/reserve", json={"key": "k", "subject": {}})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    empty.dispose()


class Api:
    """A real API process on a data directory, at the same port each time."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.data.joinpath("api.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command("api"), "--data", str(self.data), "--port", str(self.port),
                 "--store-url", STORE], env=environment(), stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self._answers, timeout_s=120, every_s=0.05)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(10)


class Client:
    """Reserves until it is refused; settles each second reservation. Asks again until answered."""

    def __init__(self, api: Api, name: int) -> None:
        self._api, self._name = api, name
        self._connection: http.client.HTTPConnection | None = None
        self.settled = 0
        self.held = set[str]()
        self.was_refused = False
        self.failures = 0

    def run(self) -> None:
        turn = 0
        while not self.was_refused:
            key = f"{self._name}-{turn}"
            body = {"key": key, "subject": {}, "needed": {"usd": "0.03"}}
            answer = self._post("reserve", body)
            if answer["granted"]:
                self.held.add(answer["reservation"])
                if turn % 2:
                    one = {
                        "key": key,
                        "reservation": answer["reservation"],
                        "used": {"usd": "0.03"},
                    }
                    self._post("settle", {"settlements": [one]})
                    self.settled += 1
            else:
                self.was_refused = True
            turn += 1
        self.close()

    def _post(self, what: str, body: Any) -> Any:
        while True:
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection(
                        "127.0.0.1", self._api.port, timeout=20
                    )
                headers = {"Content-Type": "application/json"}
                self._connection.request("POST", f"{BASE}/{what}", json.dumps(body), headers)
                answer = self._connection.getresponse()
                said = json.loads(answer.read())
                assert answer.status == 200, said
                return said
            except (OSError, http.client.HTTPException):
                self.failures += 1
                self.close()
                time.sleep(0.25)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@pytest.fixture
def process(state: sa.Engine, tmp_path: Path) -> Iterator[Api]:
    assert state
    api = Api(tmp_path)
    yield api
    if api.process is not None and api.process.poll() is None:
        api.end(signal.SIGKILL)


@pytest.mark.endurance
def test_a_hundred_clients_and_a_kill_never_go_over_the_limit(
    state: sa.Engine, process: Api
) -> None:
    terms = BudgetTerms("cap", "project", "", "usd", "month", hard_limit=Decimal(6))
    Budgets(state).create("default", terms, "me", time.time_ns())
    process.start()
    clients = [Client(process, number) for number in range(100)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    accounts = BudgetAccounts(state)

    def used() -> Decimal:
        [(found, _)] = accounts.state("default", time.time_ns())
        assert found.spent + found.reserved <= 6
        return found.spent + found.reserved

    wait_until(lambda: used() >= 2, timeout_s=120, every_s=0.05)
    process.end(signal.SIGKILL)
    before = used()
    process.start()
    for thread in threads:
        thread.join(120)
    assert all(client.was_refused for client in clients)
    assert sum(client.failures for client in clients)
    assert before < used() == 6
    held = {one for client in clients for one in client.held}
    [(found, _)] = accounts.state("default", time.time_ns())
    assert len(held) == 200
    assert found.spent == Decimal("0.03") * sum(client.settled for client in clients)
    process.end(signal.SIGTERM)


def test_others_who_wait_do_not_keep_reservations_waiting(state: sa.Engine) -> None:
    app = create_app(StoreSettings.from_url(STORE), state=state)
    done = threading.Event()
    app.get("/hangs")(lambda: done.wait(30))

    async def ask() -> int:
        current_default_thread_limiter().total_tokens = 1
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            hanging = asyncio.create_task(client.get("/hangs"))
            try:
                async with asyncio.timeout(10):
                    body = {"key": "k", "subject": PLANNER, "needed": {"usd": "1"}}
                    answer = await client.post(f"{BASE}/reserve", json=body)
            finally:
                done.set()
                await hanging
        return answer.status_code

    assert asyncio.run(ask()) == 200


def test_a_parameter_with_a_slip_reserves_nothing(api: TestClient) -> None:
    body = {"key": "k", "subject": PLANNER, "needed": {"usd": "1"}}
    answer = api.post(f"{BASE}/reserve", params={"projct": "shop"}, json=body)
    assert answer.status_code == 422
    assert "projct" in answer.json()["detail"]
