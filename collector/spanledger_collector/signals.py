"""The three OTLP signals: their messages, and what the transports call them."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Request: TypeAlias = (
    ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest
)
Response: TypeAlias = (
    ExportTraceServiceResponse | ExportLogsServiceResponse | ExportMetricsServiceResponse
)


class Signal(StrEnum):
    """What a request carries; also the last part of its path over HTTP."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


REQUESTS: dict[Signal, type[Request]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
RESPONSES: dict[Signal, type[Response]] = {
    Signal.TRACES: ExportTraceServiceResponse,
    Signal.LOGS: ExportLogsServiceResponse,
    Signal.METRICS: ExportMetricsServiceResponse,
}
GRPC_SERVICES: dict[Signal, str] = {
    Signal.TRACES: "opentelemetry.proto.collector.trace.v1.TraceService",
    Signal.LOGS: "opentelemetry.proto.collector.logs.v1.LogsService",
    Signal.METRICS: "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
ITEMS: dict[Signal, str] = {
    Signal.TRACES: "spans",
    Signal.LOGS: "log records",
    Signal.METRICS: "data points",
}
"""What is counted in a request."""


def rejection(signal: Signal, items: int, message: str) -> Response:
    """Return the answer to a request that was accepted without some of its items.

    https://opentelemetry.io/docs/specs/otlp/#partial-success-1
    """
    response = RESPONSES[signal]()
    # The counter is called rejected_spans, rejected_log_records or rejected_data_points.
    setattr(response.partial_success, f"rejected_{ITEMS[signal].replace(' ', '_')}", items)
    response.partial_success.error_message = message
    return response
