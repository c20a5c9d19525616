"""No path of collector or API answers without the right key, also none that is added later."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import psutil
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Route

from spanledger_collector.access.keys import KeyRing
from spanledger_collector.access.senders import KeyAccess
from spanledger_collector.edge.admission import Admission
from spanledger_collector.edge.edge import Edge
from spanledger_collector.edge.http_server import create_app as create_collector
from spanledger_collector.intake import Intake
from spanledger_collector.signals import GRPC_SERVICES
from spanledger_collector.telemetry import Telemetry
from spanledger_server.api.access import OPEN_PATHS
from spanledger_server.api.app import create_app as create_api
from spanledger_server.doctor import examine
from spanledger_server.run_file import RunFile, RunInfo
from spanledger_storage.api_keys import Scope
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store, StoreSettings
from tests.conftest import fresh_store
from tests.instance import wait_until
from tests.keys import BODY, PROTOBUF, STATIC, State, key_state
from tests.otlp import attributes, request, span
from tests.running import RunningCollector, running_collector

HEALTH = {"/healthz", "/readyz"}
TRACE = "ab" * 16
NOWHERE = {"/v1development/profiles"}  # answers that there is nothing
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with key_state(tmp_path_factory.mktemp("state")) as state:
        yield state


@pytest.fixture(scope="module")
def keys(state: State) -> dict[str, str]:
    """Keys of project `shop`, one per scope, and a few that open nothing."""
    made = {str(scope): state.key(scope, project="shop") for scope in Scope}
    made |= {"of another": state.key(Scope.READ), "sender of another": state.key(Scope.INGEST)}
    made["revoked"] = state.key(*Scope, project="shop")
    state.revoke(made["revoked"])
    made["expired"] = state.key(*Scope, project="shop", expires_at_ns=state.now_ns)
    state.ring.load()
    return made


# The collector


def collector_paths() -> dict[str, set[str]]:
    """Every path that the application itself knows, with its methods."""
    edge = Edge(
        cast("Intake", None),
        cast("KeyAccess", None),
        cast("Admission", None),
        Telemetry(),
        1,
    )
    parts = inspect.getclosurevars(create_collector(edge, list, str)).nonlocals
    exports = {path: {"POST"} for path in parts["exports"]}
    others: Starlette = parts["others"]
    routes = [route for route in others.routes if isinstance(route, Route)]
    assert len(routes) == len(others.routes), "a kind of route that this test does not know"
    return exports | {route.path: route.methods or set() for route in routes}


COLLECTOR = collector_paths()
EXPORTS = sorted(path for path in COLLECTOR if "/v1/" in path)
FIGURES = sorted(set(COLLECTOR) - set(EXPORTS) - HEALTH - NOWHERE)


@pytest.fixture(scope="module")
def collector(
    engine: Engine, state: State, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningCollector]:
    directory = tmp_path_factory.mktemp("collector")
    with (
        fresh_store(engine) as store,
        running_collector(store, directory, access=KeyAccess(state.ring)) as running,
    ):
        yield running


def ask(running: RunningCollector, path: str, key: str | None) -> httpx.Response:
    [method] = COLLECTOR[path] - {"HEAD"}
    headers = PROTOBUF | ({"x-api-key": key} if key else {})
    return httpx.request(method, f"{running.url}{path}", content=BODY, headers=headers, timeout=10)


def test_the_paths_of_the_collector_are_those_that_are_known() -> None:
    assert len(EXPORTS) == 6
    assert FIGURES == ["/metrics", "/status"]


@pytest.mark.parametrize("path", EXPORTS)
def test_a_path_that_takes_telemetry_needs_a_key_to_send(
    collector: RunningCollector, keys: dict[str, str], path: str
) -> None:
    assert ask(collector, path, None).status_code == 401
    for name, status in {"revoked": 401, "expired": 401, "read": 403, "admin": 403}.items():
        assert ask(collector, path, keys[name]).status_code == status, name


@pytest.mark.parametrize("path", [path for path in EXPORTS if path.endswith("/traces")])
def test_nothing_a_sender_says_brings_its_data_into_another_project(
    collector: RunningCollector, keys: dict[str, str], path: str
) -> None:
    sent = span("mine", project="default", spanledger__project="default")
    made = request(sent)
    made.resource_spans[0].resource.attributes.extend(
        attributes({"project": "default", "spanledger.project": "default"})
    )
    headers = {"x-api-key": keys["ingest"], "x-project": "default", "project": "default"}
    answer = httpx.post(
        f"{collector.url}{path}?project=default&x-api-key={keys['sender of another']}",
        content=made.SerializeToString(),
        headers=PROTOBUF | headers,
        timeout=10,
    )
    assert answer.status_code == 200
    query = f"SELECT project FROM spans WHERE span_id = '{sent.span_id.hex()}'"
    [row] = wait_until(lambda: collector.store.sql_rows(query))
    assert row == {"project": "shop"}


@pytest.mark.parametrize("path", FIGURES)
def test_a_path_with_figures_of_all_projects_needs_a_key_of_an_admin(
    collector: RunningCollector, keys: dict[str, str], path: str
) -> None:
    for name, status in {
        "revoked": 401, "expired": 401, "ingest": 403, "read": 403, "admin": 200
    }.items():  # fmt: skip
        assert ask(collector, path, keys[name]).status_code == status, name
    assert ask(collector, path, None).status_code == 401
    assert ask(collector, path, STATIC).status_code == 403


def test_the_doctor_says_that_it_needs_a_key(collector: RunningCollector, tmp_path: Path) -> None:
    file = RunFile(tmp_path)
    file.acquire()
    file.write(
        RunInfo(
            pid=os.getpid(),
            started_at_s=psutil.Process().create_time(),
            host="127.0.0.1",
            http_port=collector.http_port,
            grpc_port=collector.grpc_port,
            dashboard_port=0,
            engine_port=0,
        )
    )
    said: list[str] = []
    assert not examine(tmp_path, 1, said.append)
    assert "set SPANLEDGER_INGEST_KEY to a key with the scope ingest" in said[-1]
    file.release()


@pytest.mark.parametrize("path", sorted(HEALTH | NOWHERE))
def test_health_needs_no_key(collector: RunningCollector, path: str) -> None:
    assert ask(collector, path, None).status_code == (404 if path in NOWHERE else 200)


@pytest.mark.parametrize("service", GRPC_SERVICES.values())
def test_a_grpc_service_needs_a_key_to_send(
    collector: RunningCollector, keys: dict[str, str], service: str
) -> None:
    refused, denied = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
    expected = {"revoked": refused, "expired": refused, "read": denied, "admin": denied}
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        export = channel.unary_unary(
            f"/{service}/Export", request_serializer=bytes, response_deserializer=bytes
        )
        for name, code in expected.items():
            with pytest.raises(grpc.RpcError) as error:
                export(b"", metadata=(("x-api-key", keys[name]),), timeout=10)
            assert error.value.code() is code
        with pytest.raises(grpc.RpcError) as error:
            export(b"", timeout=10)
        assert error.value.code() is refused
        assert export(b"", metadata=(("x-api-key", keys["ingest"]),), timeout=10) == b""


def test_every_grpc_service_is_one_of_otlp_or_the_health() -> None:
    assert sorted(name.rpartition(".")[2] for name in GRPC_SERVICES.values()) == [
        "LogsService",
        "MetricsService",
        "TraceService",
    ]


# The API


@dataclass(frozen=True)
class Api:
    app: FastAPI

    def ask(self, method: str, path: str, key: str | None, **params: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            headers = {"authorization": f"Bearer {key}"} if key else {}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.request(method, path, params=params or None, headers=headers)

        return asyncio.run(send())


@pytest.fixture(scope="module")
def api_store(engine: Engine) -> Iterator[Store]:
    with fresh_store(engine) as store:
        yield store


@pytest.fixture(scope="module")
def api(api_store: Store, state: State) -> Api:
    return Api(create_api(api_store.settings, state.ring))


def api_paths() -> dict[str, dict[str, Any]]:
    """Every path the API describes, and those it does not."""
    app = create_api(StoreSettings.from_url("clickhouse://127.0.0.1:1/x"))
    described: dict[str, dict[str, Any]] = app.openapi()["paths"]
    hidden: dict[str, dict[str, Any]] = {
        route.path: {method.lower(): {} for method in route.methods or ()}
        for route in app.routes
        if isinstance(route, Route) and route.path not in described
    }
    return described | hidden


API = api_paths()
CLOSED = sorted(path for path in API if path not in OPEN_PATHS)
OF_PROJECTS = sorted(
    path
    for path, methods in API.items()
    if any(p["name"] == "project" for m in methods.values() for p in m.get("parameters", ()))
)


def filled(path: str) -> str:
    values = {"check": "missing_usage", "trace_id": TRACE, "trajectory_id": TRACE}
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def status_of(path: str) -> int:
    """What who may read is answered; of one trace: that there is none."""
    return 404 if TRACE in filled(path) else 200


def project_of(answer: httpx.Response) -> str:
    """The project that an answer is about; of what does not exist, where it was looked for."""
    if answer.status_code == 404:
        return str(answer.json()["detail"]).removesuffix(".").rpartition(" in ")[2]
    if answer.headers["content-type"].startswith("text/plain"):
        return answer.text.partition('project="')[2].partition('"')[0]
    return str(answer.json()["project"])


def test_the_paths_of_the_api_are_those_that_are_known() -> None:
    assert set(API) - set(CLOSED) == {"/healthz", "/api/docs", "/api/openapi.json"}
    assert "/api/v1/data-quality" in OF_PROJECTS
    # A path about data must know of whose data; without one it would answer for all.
    assert set(CLOSED) == set(OF_PROJECTS)
    assert not any("{" in filled(path) for path in API), "fill the parameter in"


@pytest.mark.parametrize("path", [*CLOSED, "/api/v1/nothing", "/", "/healthz/", "//healthz"])
def test_a_path_of_the_api_needs_a_key_to_read(api: Api, keys: dict[str, str], path: str) -> None:
    for name, status in {None: 401, "revoked": 401, "expired": 401, "ingest": 403}.items():
        for method in METHODS:
            answer = api.ask(method, filled(path), name and keys[name])
            assert answer.status_code == status, (method, name)
            assert answer.headers["content-type"] == "application/problem+json"
            assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("path", OF_PROJECTS)
def test_a_key_reads_its_own_project_alone(api: Api, keys: dict[str, str], path: str) -> None:
    target = filled(path)
    own = api.ask("GET", target, keys["read"])
    assert (own.status_code, project_of(own)) == (status_of(path), "shop")
    assert api.ask("GET", target, keys["read"], project="shop").status_code == status_of(path)
    for other in ("default", "Shop", "shop ", "nobody", "*", "shop\x00"):
        answer = api.ask("GET", target, keys["read"], project=other)
        assert answer.status_code == 403, other
        assert "project shop alone" in answer.json()["detail"]
    assert api.ask("GET", target, keys["of another"], project="shop").status_code == 403


@pytest.mark.parametrize("path", OF_PROJECTS)
def test_naming_two_projects_opens_neither_of_others(
    api: Api, keys: dict[str, str], path: str
) -> None:
    for query in ("project=default&project=shop", "project=shop&project=default"):
        answer = api.ask("GET", f"{filled(path)}?{query}", keys["read"])
        assert answer.status_code in (403, 422) or answer.json()["project"] == "shop"


@pytest.mark.parametrize("path", OF_PROJECTS)
def test_an_admin_reads_every_project(api: Api, keys: dict[str, str], path: str) -> None:
    for project in ("shop", "default", "nobody"):
        answer = api.ask("GET", filled(path), keys["admin"], project=project)
        assert (answer.status_code, project_of(answer)) == (status_of(path), project)


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
def test_health_and_description_need_no_key(api: Api, path: str) -> None:
    assert api.ask("GET", path, None).status_code == 200


def test_the_description_says_how_a_key_is_sent(api: Api) -> None:
    schemes = api.ask("GET", "/api/openapi.json", None).json()["components"]["securitySchemes"]
    assert {(s["type"], s.get("scheme", s.get("name"))) for s in schemes.values()} == {
        ("http", "bearer"),
        ("apiKey", "x-api-key"),
    }


def test_without_keys_the_api_asks_nobody(api_store: Store) -> None:
    ring: KeyRing | None = None
    open_api = Api(create_api(api_store.settings, ring))
    for path in OF_PROJECTS:
        answer = open_api.ask("GET", filled(path), None, project="any")
        assert (answer.status_code, project_of(answer)) == (status_of(path), "any")


def test_a_key_that_is_given_holds_where_none_is_demanded(
    api_store: Store, state: State, keys: dict[str, str]
) -> None:
    open_api = Api(create_api(api_store.settings, state.ring, open_to="own"))
    path = "/api/v1/traces"
    assert project_of(open_api.ask("GET", path, keys["read"])) == "shop"
    assert open_api.ask("GET", path, keys["read"], project="default").status_code == 403
    assert open_api.ask("GET", path, keys["ingest"]).status_code == 403
    assert open_api.ask("GET", path, keys["revoked"]).status_code == 401
    assert open_api.ask("GET", path, "sl_cut-off").status_code == 401
    assert project_of(open_api.ask("GET", path, None)) == "own"
    assert project_of(open_api.ask("GET", path, "of a proxy", project="any")) == "any"
