"""Small OTLP log and metric requests for tests, written with the protocol's own classes."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
)

from tests.otlp import Value, any_value, attributes

DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
CLAUDE_EVENTS = "com.anthropic.claude_code.events"


def logs(*records: LogRecord, service: str = "svc", scope: str = "") -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(attributes({"service.name": service}))
    scoped = group.scope_logs.add()
    scoped.scope.name = scope
    scoped.log_records.extend(records)
    return request


def record(
    event: str = "", body: Value | AnyValue | None = None, *, time_ns: int = 0,
    trace_id: bytes = b"", span_id: bytes = b"", said: Mapping[str, Value] | None = None,
) -> LogRecord:  # fmt: skip
    made = LogRecord(
        time_unix_nano=time_ns,
        trace_id=trace_id,
        span_id=span_id,
        event_name=event,
        attributes=attributes(said or {}),
    )
    if body is not None:
        made.body.CopyFrom(body if isinstance(body, AnyValue) else any_value(body))
    return made


def claude(event: str, time_ns: int, **said: Value) -> LogRecord:
    """An event as Claude Code writes it: named by an attribute, with the name as its text."""
    fields = {k.replace("__", "."): v for k, v in said.items()}
    return record("", f"claude_code.{event}", time_ns=time_ns, said={"event.name": event, **fields})


def metrics(
    *found: Metric, service: str = "svc", scope: str = "scope", instance: str = ""
) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.extend(
        attributes({"service.name": service, "service.instance.id": instance})
    )
    scoped = group.scope_metrics.add()
    scoped.scope.name = scope
    scoped.metrics.extend(found)
    return request


def counter(
    name: str, amount: float, start_ns: int, time_ns: int, said: Mapping[str, Value],
    temporality: AggregationTemporality.ValueType = CUMULATIVE,
) -> Metric:  # fmt: skip
    point = NumberDataPoint(
        start_time_unix_nano=start_ns, time_unix_nano=time_ns, attributes=attributes(said)
    )
    if isinstance(amount, int):
        point.as_int = amount
    else:
        point.as_double = amount
    metric = Metric(name=name)
    metric.sum.aggregation_temporality = temporality
    metric.sum.is_monotonic = True
    metric.sum.data_points.append(point)
    return metric


def histogram(
    name: str, total: float, start_ns: int, time_ns: int, said: Mapping[str, Value],
    temporality: AggregationTemporality.ValueType = CUMULATIVE,
) -> Metric:  # fmt: skip
    metric = Metric(name=name, unit="{token}")
    metric.histogram.aggregation_temporality = temporality
    metric.histogram.data_points.append(
        HistogramDataPoint(
            start_time_unix_nano=start_ns,
            time_unix_nano=time_ns,
            count=1,
            sum=total,
            bucket_counts=[1],
            attributes=attributes(said),
        )
    )
    return metric
