"""A collector that asks for keys, with real exporters as clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast
from urllib.parse import quote

import grpc
import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpExporter,
)
from opentelemetry.sdk.trace.export import SpanExporter

from spanledger_collector.access.senders import KeyAccess
from spanledger_storage.api_keys import Scope
from spanledger_storage.project_settings import Limits, ProjectSettings
from spanledger_storage.projects import Projects
from spanledger_storage.store import Store
from tests.instance import wait_until
from tests.keys import BODY, PROTOBUF, State, basic, export, key_state, send_grpc
from tests.otlp import GRPC_METHOD, request, span
from tests.running import RunningCollector, running_collector


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with key_state(tmp_path) as state:
        yield state


@pytest.fixture
def closed(store: Store, tmp_path: Path, state: State) -> Iterator[RunningCollector]:
    state.ring.start()
    with running_collector(store, tmp_path, access=KeyAccess(state.ring)) as running:
        yield running


def post(
    running: RunningCollector, headers: dict[str, str], path: str = "/v1/traces"
) -> httpx.Response:
    return httpx.post(f"{running.url}{path}", content=BODY, headers=PROTOBUF | headers, timeout=10)


def exporters(running: RunningCollector, key: str) -> dict[str, SpanExporter]:
    """The SDK's own, each with its key where users put it."""
    endpoint = f"http://127.0.0.1:{running.grpc_port}"
    return {
        "grpc bearer": GrpcExporter(
            endpoint=endpoint, insecure=True, headers={"authorization": f"Bearer {key}"}
        ),
        "grpc x-api-key": GrpcExporter(
            endpoint=endpoint, insecure=True, headers=(("x-api-key", key),)
        ),
        "http bearer": HttpExporter(
            endpoint=f"{running.url}/v1/traces", headers={"Authorization": f"Bearer {key}"}
        ),
        "langfuse": HttpExporter(
            endpoint=f"{running.url}/api/public/otel/v1/traces",
            headers={"Authorization": basic(f"pk-lf-anything:{key}")},
        ),
    }


def stored(running: RunningCollector) -> dict[str, str]:
    rows = running.store.sql_rows("SELECT name, project FROM spans FINAL")
    return {str(row["name"]): str(row["project"]) for row in rows}


def test_exporters_with_a_key_reach_its_project(closed: RunningCollector, state: State) -> None:
    key = state.key(Scope.INGEST, project="shop")
    for name, exporter in exporters(closed, key).items():
        export(exporter, name)
    closed.await_spans(4)
    assert stored(closed) == dict.fromkeys(exporters(closed, key), "shop")


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_the_variables_of_the_specification_carry_the_key(
    closed: RunningCollector, state: State, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    key = state.key(Scope.INGEST, project="shop")
    encoded = quote(basic(f"user:{key}"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"Authorization={encoded}")
    if protocol == "grpc":
        endpoint = f"http://127.0.0.1:{closed.grpc_port}"
        exporter: SpanExporter = GrpcExporter(endpoint=endpoint, insecure=True)
    else:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", closed.url)
        exporter = HttpExporter()
    export(exporter, "by variable")
    closed.await_spans(1)
    assert stored(closed) == {"by variable": "shop"}


def test_without_a_key_http_says_401_and_grpc_unauthenticated(
    closed: RunningCollector, state: State
) -> None:
    for headers, status, code, name in (
        ({}, 401, 16, grpc.StatusCode.UNAUTHENTICATED),
        ({"x-api-key": "nobody"}, 401, 16, grpc.StatusCode.UNAUTHENTICATED),
        ({"x-api-key": state.key(Scope.READ)}, 403, 7, grpc.StatusCode.PERMISSION_DENIED),
    ):
        answer = post(closed, headers)
        told = Status.FromString(answer.content)
        assert (answer.status_code, told.code) == (status, code)
        assert "spanledger keys" in told.message
        assert "retry-after" not in answer.headers
        assert ("www-authenticate" in answer.headers) == (status == 401)
        with pytest.raises(grpc.RpcError) as refused:
            send_grpc(closed, headers)
        assert refused.value.code() is name
        assert "spanledger keys" in str(refused.value.details())
    assert closed.span_count() == 0


def test_a_revoked_key_is_refused_while_the_collector_runs(
    closed: RunningCollector, state: State
) -> None:
    headers = {"x-api-key": state.key(Scope.INGEST)}
    assert post(closed, headers).status_code == 200
    state.revoke(headers["x-api-key"])
    wait_until(lambda: post(closed, headers).status_code == 401, every_s=0.01)
    with pytest.raises(grpc.RpcError, match="revoked"):
        send_grpc(closed, headers)


def test_a_request_is_taken_as_its_key_stands_when_the_body_has_come(
    closed: RunningCollector, state: State
) -> None:
    headers = {"x-api-key": state.key(Scope.INGEST)}

    def revoked_meanwhile() -> Iterator[bytes]:
        yield BODY[:10]
        state.revoke(headers["x-api-key"])
        wait_until(lambda: post(closed, headers).status_code == 401, every_s=0.01)
        yield BODY[10:]

    url = f"{closed.url}/v1/traces"
    answer = httpx.post(url, content=revoked_meanwhile(), headers=PROTOBUF | headers, timeout=10)
    assert answer.status_code == 401


def test_a_call_is_taken_as_its_key_stands_when_the_message_has_come(
    closed: RunningCollector, state: State
) -> None:
    key = state.key(Scope.INGEST)

    def revoked_meanwhile() -> Iterator[bytes]:
        state.revoke(key)
        wait_until(lambda: post(closed, {"x-api-key": key}).status_code == 401, every_s=0.01)
        yield BODY

    with grpc.insecure_channel(f"127.0.0.1:{closed.grpc_port}") as channel:
        export = channel.stream_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        with pytest.raises(grpc.RpcError, match="revoked"):
            export(revoked_meanwhile(), metadata=(("x-api-key", key),), timeout=10)


def test_over_its_limit_a_project_is_told_to_come_again(
    closed: RunningCollector, state: State
) -> None:
    Projects(state.engine).set(
        "shop", ProjectSettings(limits=Limits(items_per_s=1)), "ann", state.now_ns
    )
    headers = {"x-api-key": state.key(Scope.INGEST, project="shop")}
    many = request(*(span() for _ in range(50))).SerializeToString()
    assert httpx.post(
        f"{closed.url}/v1/traces", content=many, headers=PROTOBUF | headers
    ).is_success  # leaves a debt of 48 seconds
    answer = post(closed, headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert Status.FromString(answer.content).code == 8
    with pytest.raises(grpc.RpcError) as refused:
        send_grpc(closed, headers)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers = cast("list[tuple[str, bytes]]", refused.value.trailing_metadata())
    status = Status.FromString(dict(trailers)["grpc-status-details-bin"])
    assert any(detail.type_url.endswith("google.rpc.RetryInfo") for detail in status.details)
    assert post(closed, {"x-api-key": state.key(Scope.INGEST)}).status_code == 200
