"""Logs and metrics over both transports: the SDK's own exporters, JSON, errors, aliases."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import orjson
import pytest
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcMetrics,
)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpMetrics,
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from spanledger_collector.signals import GRPC_SERVICES
from spanledger_storage.store import Store
from tests.instance import typed, wait_until
from tests.otlp import request, span
from tests.running import RunningCollector, running_collector
from tests.signals import counter, logs, metrics, record

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
LOG_EXPORTERS: dict[str, Callable[[RunningCollector], LogRecordExporter]] = {
    "grpc": lambda c: GrpcLogs(endpoint=f"http://127.0.0.1:{c.grpc_port}", insecure=True),
    "http gzip": lambda c: HttpLogs(endpoint=f"{c.url}/v1/logs", compression=Compression.Gzip),
}
METRIC_EXPORTERS: dict[str, Callable[[RunningCollector], MetricExporter]] = {
    "grpc": lambda c: GrpcMetrics(endpoint=f"http://127.0.0.1:{c.grpc_port}", insecure=True),
    "http deflate": lambda c: HttpMetrics(
        endpoint=f"{c.url}/v1/metrics", compression=Compression.Deflate
    ),
}


@pytest.fixture(autouse=True)
def _empty(collector: RunningCollector) -> None:
    collector.store.execute("TRUNCATE TABLE logs")
    collector.store.execute("TRUNCATE TABLE metric_points")


def rows(collector: RunningCollector, sql: str, count: int) -> list[dict[str, object]]:
    """Return the rows of a query once there are as many."""
    wait_until(lambda: len(collector.store.sql_rows(sql)) >= count)
    found = collector.store.sql_rows(sql)
    assert len(found) == count
    return found


@pytest.mark.parametrize("name", LOG_EXPORTERS)
def test_logs_of_the_sdk_are_stored_with_their_place(
    collector: RunningCollector, name: str
) -> None:
    provider = LoggerProvider(Resource.create({"service.name": "sdk"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(LOG_EXPORTERS[name](collector)))
    tracer = TracerProvider().get_tracer("sdk-test")
    with tracer.start_as_current_span("work") as current:
        provider.get_logger("sdk-logger", "1.0").emit(
            LogRecord(
                timestamp=time.time_ns(),
                body={"nested": [1, "two"]},
                severity_number=SeverityNumber.WARN,
                severity_text="WARN",
                event_name="my.event",
                attributes={"session.id": "s-1", "n": 3},
            )
        )
        context = current.get_span_context()
    provider.shutdown()
    [row] = rows(collector, "SELECT * FROM logs", 1)
    assert row["trace_id"] == f"{context.trace_id:032x}"
    assert row["span_id"] == f"{context.span_id:016x}"
    assert (row["event_name"], row["severity_number"]) == ("my.event", 13)
    assert (row["body"], row["session_id"]) == ('{"nested":[1,"two"]}', "s-1")
    assert (row["service_name"], row["scope_name"]) == ("sdk", "sdk-logger")


@pytest.mark.parametrize("name", METRIC_EXPORTERS)
def test_metrics_of_the_sdk_are_stored(collector: RunningCollector, name: str) -> None:
    reader = PeriodicExportingMetricReader(
        METRIC_EXPORTERS[name](collector), export_interval_millis=60_000
    )
    provider = MeterProvider([reader], Resource.create({"service.name": "sdk"}))
    meter = provider.get_meter("sdk-meter")
    meter.create_counter("calls").add(3, {"k": "v"})
    meter.create_histogram("tokens", unit="{token}").record(12)
    provider.shutdown()
    found = rows(collector, "SELECT * FROM metric_points ORDER BY metric", 2)
    calls, tokens = found
    assert (calls["kind"], calls["integer_value"], calls["attributes"]) == ("sum", 3, {"k": "v"})
    assert (tokens["kind"], tokens["count"], tokens["sum"]) == ("histogram", 1, 12.0)
    assert tokens["temporality"] == "cumulative"
    assert tokens["service_name"] == "sdk"


def test_logs_in_json_have_hexadecimal_ids_and_numbers_of_either_form(
    collector: RunningCollector,
) -> None:
    log = {
        "timeUnixNano": "1795227458521000000",
        "observedTimeUnixNano": 1795227458521000001,
        "severityNumber": 9,
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "eee19b7ec3c1b174",
        "body": {"stringValue": "hello"},
        "attributes": [{"key": "n", "value": {"intValue": "7"}}],
        "eventName": "e",
    }
    body = orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]})
    answer = httpx.post(f"{collector.url}/v1/logs", content=body, headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {})
    [row] = rows(collector, "SELECT * FROM logs", 1)
    assert row["trace_id"] == "5b8efff798038103d269b633813fc60c"
    assert (row["span_id"], row["body"]) == ("eee19b7ec3c1b174", "hello")
    assert row["attributes"] == {"n": "7"}


def test_metrics_in_json_are_read(collector: RunningCollector) -> None:
    point = {
        "startTimeUnixNano": "1795227458521000000",
        "timeUnixNano": "1795227459521000000",
        "asInt": "12",
        "exemplars": [{"traceId": "5B8EFFF798038103D269B633813FC60C", "asDouble": "NaN"}],
    }
    metric = {"name": "m", "sum": {"aggregationTemporality": 1, "dataPoints": [point]}}
    body = orjson.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})
    answer = httpx.post(f"{collector.url}/v1/metrics", content=body, headers=JSON)
    assert answer.status_code == 200
    [row] = rows(collector, "SELECT * FROM metric_points", 1)
    assert (row["integer_value"], row["temporality"]) == (12, "delta")


@pytest.mark.parametrize("signal", ["logs", "metrics"])
def test_bad_bodies_are_refused_as_on_the_traces_path(
    collector: RunningCollector, signal: str
) -> None:
    url = f"{collector.url}/v1/{signal}"
    garbage = httpx.post(url, content=b"\x0a\xff\xff", headers=PROTOBUF)
    assert garbage.status_code == 400
    assert signal in Status.FromString(garbage.content).message.lower()
    misfit = b'{"resourceLogs":3,"resourceMetrics":3}'
    assert httpx.post(url, content=misfit, headers=JSON).json()["code"] == 3
    assert httpx.post(url, content=b"", headers={"content-type": "text/xml"}).status_code == 415
    assert httpx.post(url, content=bytes(2 << 20), headers=PROTOBUF).status_code == 413
    assert httpx.get(url).status_code == 405


def test_a_log_with_a_broken_trace_id_is_taken_not_rejected(collector: RunningCollector) -> None:
    body = logs(record("e", "hi", trace_id=b"short")).SerializeToString()
    answer = httpx.post(f"{collector.url}/v1/logs", content=body, headers=PROTOBUF)
    assert not ExportLogsServiceResponse.FromString(answer.content).HasField("partial_success")
    [row] = rows(collector, "SELECT trace_id FROM logs", 1)
    assert row["trace_id"] == ""


def test_langfuse_clients_find_their_path_and_their_key_is_of_no_interest(
    collector: RunningCollector,
) -> None:
    key = base64.b64encode(b"pk-lf-1:sk-lf-1").decode()
    bodies = {
        "traces": request(span()),
        "logs": logs(record("e", "hi")),
        "metrics": metrics(counter("m", 1, 1, 2, {})),
    }
    for signal, body in bodies.items():
        answer = httpx.post(
            f"{collector.url}/api/public/otel/v1/{signal}",
            content=body.SerializeToString(),
            headers={**PROTOBUF, "authorization": f"Basic {key}"},
        )
        assert answer.status_code == 200, answer.content
    collector.await_spans(1)
    rows(collector, "SELECT 1 FROM logs", 1)
    rows(collector, "SELECT 1 FROM metric_points", 1)


def test_grpc_health_names_all_three_services(collector: RunningCollector) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in GRPC_SERVICES.values():
            answer = stub.Check(  # type: ignore[attr-defined]  # its stubs miss the method
                health_pb2.HealthCheckRequest(service=name), timeout=5
            )
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_grpc_refuses_garbage_of_every_signal(collector: RunningCollector) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        for name in GRPC_SERVICES.values():
            export = channel.unary_unary(
                f"/{name}/Export", request_serializer=bytes, response_deserializer=bytes
            )
            with pytest.raises(grpc.RpcError) as refused:
                export(b"\x0a\xff\xff", timeout=10)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_collector_has_one_project_for_everything_it_receives(
    store: Store, tmp_path: Path
) -> None:
    bodies = {
        "traces": request(span()),
        "logs": logs(record("e", "hi")),
        "metrics": metrics(counter("m", 1, 1, 2, {})),
    }
    with running_collector(store, tmp_path, project="team-a") as collector:
        for signal, body in bodies.items():
            httpx.post(
                f"{collector.url}/v1/{signal}", content=body.SerializeToString(), headers=PROTOBUF
            )
        for table in ("spans", "logs", "metric_points", "touches"):
            rows(collector, f"SELECT 1 FROM {table} LIMIT 1", 1)
            projects = store.sql_rows(f"SELECT DISTINCT project FROM {table}")
            assert projects == [{"project": "team-a"}]


@pytest.mark.parametrize("name", ["", "two words", "-x", "a" * 65])
def test_a_project_that_is_no_name_stops_the_start(name: str) -> None:
    ended = typed("collect", "--project", name, "--store-url", "clickhouse://127.0.0.1:1/x")
    assert ended.returncode == 2
    assert "--project must be" in ended.stderr
