"""The API: what it answers, and how it says no."""

from __future__ import annotations

import asyncio
import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from spanledger_analytics.data_quality import CHECKS
from spanledger_server.api.app import create_app, serve
from spanledger_storage.store import Store, StoreSettings
from tests.dashboard.seed import Seeder
from tests.instance import wait_until
from tests.ports import free_port

REPORT = "/api/v1/data-quality"
TRACE = "ab" * 16


@dataclass(frozen=True)
class Api:
    app: FastAPI
    host: str = "localhost:8000"

    def get(self, path: str, **params: str) -> httpx.Response:
        return self.request("GET", path, **params)

    def request(self, method: str, path: str, **params: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url=f"http://{self.host}")
            async with self.app.router.lifespan_context(self.app), client:
                return await client.request(method, path, params=params or None)

        return asyncio.run(send())


_apps: dict[str, FastAPI] = {}  # of each database: making one takes half a second


@pytest.fixture
def api(store_settings: StoreSettings) -> Api:
    app = _apps.get(store_settings.url) or create_app(store_settings)
    return Api(_apps.setdefault(store_settings.url, app))


def seed_calls(store: Store, silent: int) -> int:
    """One priced call and some without usage, of one model; return the clock they lie before."""
    seed = Seeder(store, int(time.time()))
    columns = {"service_name": "shop & co", "scope_name": "openlit"}
    seed.entry(seed.span(TRACE, f"{1:016x}", **columns), "0.25", service_name="shop & co")
    for number in range(2, silent + 2):
        span = seed.span(TRACE, f"{number:016x}", agent_name=f"agent-{number}", **columns)
        seed.entry(span, None, tokens=None, service_name="shop & co")
    seed.insert()
    return seed.now_s


def problem(answer: httpx.Response, status: int) -> str:
    """The detail of an error, which must be a problem as RFC 9457 has it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    return str(body["detail"])


def test_it_answers_before_there_is_a_store() -> None:
    url = f"clickhouse://me:hunter2@127.0.0.1:{free_port()}/x"
    api = Api(create_app(StoreSettings.from_url(url)))
    assert api.get("/healthz").json() == {"status": "ok"}
    answer = api.get(REPORT)
    assert "try again" in problem(answer, 503)
    assert answer.headers["retry-after"]
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/api/docs", REPORT])
def test_without_keys_only_names_of_this_machine_are_answered(
    store_settings: StoreSettings, path: str
) -> None:
    app = create_app(store_settings)
    assert Api(app, "127.0.0.1:4320").get(path).status_code == 200
    refused = Api(app, "evil.example").get(path)
    assert "localhost" in problem(refused, 403)


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of an API as it is served."""
    made = list[uvicorn.Server]()
    with monkeypatch.context() as patch:
        patch.setattr(uvicorn.Server, "run", lambda server: made.append(server))
        serve(StoreSettings.from_url("clickhouse://127.0.0.1:1/x"), "127.0.0.1", free_port())
    [server] = made
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield server.config.port
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("GET /api/v1/traces?limit=٣ HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
        (f"GET {REPORT} HTTP/1.1\r\nhost: localhost\r\nx: {'x' * (65 << 10)}", 431),
    ],
)
def test_what_never_becomes_a_request_is_refused_with_a_problem(
    listening: int, sent: str, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", listening)) as connection:
        connection.sendall(sent.encode())
        told = http.client.HTTPResponse(connection)
        told.begin()
        answer = httpx.Response(told.status, headers=told.getheaders(), content=told.read())
    assert problem(answer, status)
    assert answer.headers["connection"] == "close"


def test_an_empty_project_is_complete(api: Api) -> None:
    body = api.get(REPORT).json()
    assert body["project"] == "default"
    assert body["findings"] == []
    assert body["coverage"]["calls"] == 0
    assert body["coverage"]["spend_usd"] == "0"
    assert body["coverage"]["at_risk_usd"] == "0"


def test_findings_come_with_dollars_as_text_and_links_to_traces(api: Api, store: Store) -> None:
    seed_calls(store, silent=2)
    body = api.get(REPORT).json()
    assert body["coverage"]["calls"] == 3
    assert body["coverage"]["spend_usd"] == "0.250000000000"
    finding = body["findings"][0]
    assert (finding["check"], finding["severity"]) == ("missing_usage", "error")
    assert (finding["count"], finding["usd"]) == (2, "0.500000000000")
    group = finding["groups"][0]
    assert group["service_name"] == "shop & co"
    assert group["scopes"] == ["openlit@"]
    assert group["examples"][0]["link"] == f"/trace?trace_id={TRACE}&span_id={2:016x}"


def test_one_check_lists_every_group(api: Api, store: Store) -> None:
    seed_calls(store, silent=25)
    short = api.get(REPORT).json()["findings"][0]
    assert (len(short["groups"]), short["groups_total"]) == (20, 25)
    full = api.get(f"{REPORT}/missing_usage").json()
    assert len(full["finding"]["groups"]) == 25


def test_a_check_that_found_nothing_says_so(api: Api) -> None:
    for check in CHECKS:
        assert api.get(f"{REPORT}/{check}").json()["finding"] is None


def test_the_period_is_half_open_and_told(api: Api, store: Store) -> None:
    now_s = seed_calls(store, silent=1)
    day = time.strftime("%Y-%m-%d", time.gmtime(now_s - 60))
    before = api.get(REPORT, **{"from": "2026-01-01", "to": day}).json()
    assert before["period"] == {"from": "2026-01-01T00:00:00Z", "to": f"{day}T00:00:00Z"}
    assert before["coverage"]["calls"] == 0
    after = api.get(REPORT, **{"from": f"{day}T01:00:00+01:00"}).json()
    assert after["period"]["from"] == f"{day}T00:00:00Z"
    assert after["coverage"]["calls"] == 2
    assert api.get(REPORT, project="other").json()["coverage"]["calls"] == 0


@pytest.mark.parametrize(
    ("query", "advice"),
    [
        ("from=yesterday", "2026-11-21"),
        ("from=2026-11-21T08:00:00", "offset"),
        ("from=2026-11-21T08:00:00+01:00", "%2B"),  # the plus became a space
        ("from=2026-11-22&to=2026-11-21", "start before the end"),
        ("from=2026-11-21&to=2026-11-21", "start before the end"),
        ("from=1890-01-01", "1970"),
        ("to=9999-12-31", "2106"),
        ("from=%00", "2026-11-21"),
        (f"project={'x' * 300}", "project"),
    ],
)
def test_a_bad_period_is_refused_with_what_to_do(api: Api, query: str, advice: str) -> None:
    assert advice in problem(api.get(f"{REPORT}?{query}"), 422)


def test_an_unknown_check_and_path_are_told_what_there_is(api: Api) -> None:
    assert "missing_usage" in problem(api.get(f"{REPORT}/no_such"), 404)
    assert "/api/docs" in problem(api.get("/nothing"), 404)
    problem(api.request("POST", REPORT), 405)


@pytest.mark.parametrize("project", ["'; DROP TABLE spans --", "\\", "a\x00b", "日本"])
def test_a_project_name_is_only_a_value(api: Api, project: str) -> None:
    body = api.get(REPORT, project=project).json()
    assert body["coverage"]["calls"] == 0


def test_a_schema_that_is_not_there_yet_is_told_without_secrets(api: Api, store: Store) -> None:
    store.execute("ALTER TABLE ledger RENAME COLUMN session_id TO away")
    store.execute("ALTER TABLE spans RENAME COLUMN flags TO away")
    detail = problem(api.get(REPORT), 503)
    assert "try again" in detail
    assert store.settings.password not in detail


def test_the_api_describes_itself(api: Api) -> None:
    schema = api.get("/api/openapi.json").json()
    assert {REPORT, f"{REPORT}/{{check}}", "/healthz"} <= set(schema["paths"])
    names = {p["name"] for p in schema["paths"][REPORT]["get"]["parameters"]}
    assert names == {"project", "from", "to"}
    spend = schema["components"]["schemas"]["Coverage"]["properties"]["spend_usd"]
    assert spend["type"] == "string"


def test_the_page_about_the_api_is_whole_and_loads_nothing(api: Api) -> None:
    page = api.get("/api/docs")
    assert page.status_code == 200
    schema = api.get("/api/openapi.json").json()
    for path, methods in schema["paths"].items():
        assert all(f"{method.upper()} {path}<" in page.text for method in methods)
    assert "<code>total_cost_usd</code>" in page.text
    links = set(re.findall(r'href="#([^"]+)"', page.text))
    assert {"EntryPage", f"GET-{REPORT}"} <= links
    assert "`" not in page.text
    assert all(f'id="{link}"' in page.text for link in links)
    assert "//" not in page.text
    assert "<script" not in page.text
