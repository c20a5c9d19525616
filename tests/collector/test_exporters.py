"""The OpenTelemetry SDK's own exporters as clients."""

import time
from collections.abc import Callable
from typing import cast

import grpc
import pytest
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpExporter,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

from tests.instance import wait_until
from tests.otlp import GRPC_METHOD, export_grpc, request, span
from tests.running import RunningCollector

EXPORTERS: dict[str, Callable[[RunningCollector], SpanExporter]] = {
    "grpc": lambda c: GrpcExporter(endpoint=f"http://127.0.0.1:{c.grpc_port}", insecure=True),
    "grpc gzip": lambda c: GrpcExporter(
        endpoint=f"http://127.0.0.1:{c.grpc_port}",
        insecure=True,
        compression=grpc.Compression.Gzip,
    ),
    "http": lambda c: HttpExporter(endpoint=f"{c.url}/v1/traces"),
    "http gzip": lambda c: HttpExporter(
        endpoint=f"{c.url}/v1/traces", compression=Compression.Gzip
    ),
    "http deflate": lambda c: HttpExporter(
        endpoint=f"{c.url}/v1/traces", compression=Compression.Deflate
    ),
}


@pytest.mark.parametrize("name", EXPORTERS)
def test_what_the_sdk_exports_is_stored(collector: RunningCollector, name: str) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "sdk"}))
    provider.add_span_processor(SimpleSpanProcessor(EXPORTERS[name](collector)))
    tracer = provider.get_tracer("sdk-test", "1.0")
    with (
        tracer.start_as_current_span("root", attributes={"session.id": "s-1"}),
        tracer.start_as_current_span("child") as child,
    ):
        child.add_event("happened", {"n": 1})
    provider.shutdown()
    collector.await_spans(2)
    root, child_row = collector.store.sql_rows(
        "SELECT name, span_id, parent_span_id, service_name, session_id, events.name AS events"
        " FROM spans ORDER BY start_time"
    )
    assert (root["name"], root["parent_span_id"], root["session_id"]) == ("root", "", "s-1")
    assert child_row["parent_span_id"] == root["span_id"]
    assert child_row["events"] == ["happened"]
    assert root["service_name"] == "sdk"


def test_grpc_refuses_garbage_for_good(collector: RunningCollector) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        export_grpc(collector.grpc_port, b"\x0a\xff\xff")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_grpc_refuses_more_than_the_limit(collector: RunningCollector) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        export_grpc(collector.grpc_port, bytes(2 << 20))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_grpc_reports_partial_success(collector: RunningCollector) -> None:
    bad = span()
    bad.span_id = b"short"
    body = request(span(), bad).SerializeToString()
    answer = ExportTraceServiceResponse.FromString(export_grpc(collector.grpc_port, body))
    assert answer.partial_success.rejected_spans == 1
    collector.await_spans(1)


def test_clients_that_hang_up_do_not_stop_the_others(collector: RunningCollector) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        export = channel.unary_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        for n in range(100):
            call = export.future(request(span()).SerializeToString(), timeout=10)
            time.sleep(n % 10 / 1000)
            call.cancel()
    export_grpc(collector.grpc_port, request(span("last")).SerializeToString())
    wait_until(lambda: collector.store.sql_rows("SELECT 1 FROM spans WHERE name = 'last'"))


def test_the_health_service_says_serving(collector: RunningCollector) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(  # type: ignore[attr-defined]  # its stubs miss the method
            health_pb2.HealthCheckRequest(), timeout=5
        )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_full_spool_tells_grpc_clients_when_to_send_again(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spanledger_collector.errors import Unavailable
    from spanledger_collector.spool import spool

    def refuse(*_: object) -> None:
        raise Unavailable("The spool is full; send again.")

    monkeypatch.setattr(spool.Spool, "append", refuse)
    with pytest.raises(grpc.RpcError) as refused:
        export_grpc(collector.grpc_port, request(span()).SerializeToString())
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    trailers = cast("list[tuple[str, bytes]]", refused.value.trailing_metadata())
    status = Status.FromString(dict(trailers)["grpc-status-details-bin"])
    assert status.details[0].type_url.endswith("google.rpc.RetryInfo")
