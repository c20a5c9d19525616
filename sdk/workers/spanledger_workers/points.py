"""Measured values to OTLP: points with their own times, sent by OpenTelemetry's exporters.

The instruments of the metrics SDK would give every point the time of the export; samplers and
scrapers know better when a value was true, and when a counter began.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from spanledger import __version__

log = logging.getLogger("spanledger")

Kind = Literal["gauge", "counter", "updown", "histogram"]
Attributes = Mapping[str, str | int | float | bool]

_CUMULATIVE = AggregationTemporality.CUMULATIVE
_WAITING_BATCHES = 60


@dataclass(frozen=True, slots=True)
class About:
    """What all points of one metric share; ``unit`` is a UCUM code."""

    name: str
    unit: str = ""
    kind: Kind = "gauge"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram since its start: upper bounds but the last, and one count more than bounds."""

    bounds: Sequence[float]
    counts: Sequence[int]
    sum: float


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric at one time; times are UNIX nanoseconds, ``start_ns`` of counters."""

    about: About
    value: float | Buckets
    attributes: Attributes
    time_ns: int
    start_ns: int = 0


def resource_of(attributes: Mapping[str, str | int]) -> Resource:
    """Return a resource; what ``OTEL_RESOURCE_ATTRIBUTES`` and ``OTEL_SERVICE_NAME`` say wins."""
    given = {key: value for key, value in attributes.items() if value != ""}
    said = OTELResourceDetector().detect().attributes
    return Resource.create({**given, **said})


def host_attributes() -> dict[str, str | int]:
    """Return who this machine is, and which pod, where the pod's manifest says so.

    Kubernetes tells a container its names by variables like ``K8S_POD_NAME`` or ``POD_NAME``
    (https://kubernetes.io/docs/tasks/inject-data-application/environment-variable-expose-pod-information/).
    """
    node = _first("K8S_NODE_NAME", "NODE_NAME")
    return {
        "host.name": node or socket.gethostname(),
        "k8s.node.name": node,
        "k8s.pod.name": _first("K8S_POD_NAME", "POD_NAME"),
        "k8s.pod.uid": _first("K8S_POD_UID", "POD_UID"),
        "k8s.namespace.name": _first("K8S_NAMESPACE_NAME", "POD_NAMESPACE"),
    }


def metrics_data(groups: Mapping[Resource, Sequence[Point]], scope: str) -> MetricsData:
    """Return the points as the exporters take them, one metric for all points of a name."""
    instrumentation = InstrumentationScope(scope, __version__)
    return MetricsData(
        resource_metrics=[
            ResourceMetrics(
                resource=resource,
                scope_metrics=[
                    ScopeMetrics(scope=instrumentation, metrics=_metrics(points), schema_url="")
                ],
                schema_url="",
            )
            for resource, points in groups.items()
        ]
    )


def make_exporter(endpoint: str = "", protocol: str = "") -> MetricExporter:
    """Return OpenTelemetry's own exporter; what is not given comes from ``OTEL_EXPORTER_OTLP_*``.

    Args:
        endpoint: base address, as in ``OTEL_EXPORTER_OTLP_ENDPOINT``.
        protocol: ``http/protobuf`` (default) or ``grpc``, which needs its own package.

    Raises:
        ImportError: the exporter of the protocol is not installed.
    """
    protocol = protocol or os.environ.get(
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    )
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
            OTLPMetricExporter as GrpcExporter,
        )

        return GrpcExporter(endpoint=endpoint) if endpoint else GrpcExporter()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    if endpoint:
        return OTLPMetricExporter(endpoint=endpoint.rstrip("/") + "/v1/metrics")
    return OTLPMetricExporter()


@dataclass
class Outbox:
    """Sends batches from a thread of its own, so that measuring never waits for the network.

    While the backend is away a bounded number of batches wait; the oldest leave first and are
    counted in ``dropped_points``. Use as a context manager: leaving it sends what waits.
    """

    exporter: MetricExporter
    dropped_points: int = 0
    _waiting: queue.Queue[MetricsData | None] = field(
        default_factory=lambda: queue.Queue(_WAITING_BATCHES)
    )
    _thread: threading.Thread | None = None
    _has_failed: bool = False

    def __enter__(self) -> Outbox:
        self._thread = threading.Thread(target=self._run, name="spanledger-metrics", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, data: MetricsData) -> None:
        """Hand over a batch; never waits."""
        while True:
            try:
                self._waiting.put_nowait(data)
                return
            except queue.Full:
                self._drop()

    def close(self, timeout_s: float = 2) -> None:
        """Send what waits, for at most this long, and end the thread."""
        if self._thread is None:
            return
        try:
            self._waiting.put(None, timeout=timeout_s)
        except queue.Full:
            log.warning("Spanledger gives up on metrics that wait to be sent.")
        self._thread.join(timeout_s)
        self._thread = None
        self.exporter.shutdown(timeout_millis=timeout_s * 1000)

    def _drop(self) -> None:
        try:
            oldest = self._waiting.get_nowait()
        except queue.Empty:
            return
        if oldest is not None:
            self.dropped_points += count_points(oldest)

    def _run(self) -> None:
        while (data := self._waiting.get()) is not None:
            try:
                is_sent = self.exporter.export(data) is MetricExportResult.SUCCESS
            except Exception:  # a fault of an exporter must not end the measuring
                log.debug("The exporter raised.", exc_info=True)
                is_sent = False
            if not is_sent:
                self.dropped_points += count_points(data)
                self._log_failure_once()

    def _log_failure_once(self) -> None:
        if not self._has_failed:
            self._has_failed = True
            log.warning("Spanledger could not send metrics; it goes on and will not say it again.")


def count_points(data: MetricsData) -> int:
    """Return how many data points a batch holds."""
    return sum(
        len(metric.data.data_points)
        for group in data.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
    )


def _metrics(points: Sequence[Point]) -> list[Metric]:
    by_name: dict[About, list[Point]] = {}
    for point in points:
        by_name.setdefault(point.about, []).append(point)
    return [
        Metric(about.name, about.description, about.unit, _BUILD[about.kind](found))
        for about, found in by_name.items()
    ]


def _number(point: Point) -> NumberDataPoint:
    value = point.value
    assert not isinstance(value, Buckets)
    return NumberDataPoint(dict(point.attributes), point.start_ns, point.time_ns, value)


def _buckets(point: Point) -> HistogramDataPoint:
    found = point.value
    assert isinstance(found, Buckets)
    return HistogramDataPoint(
        attributes=dict(point.attributes),
        start_time_unix_nano=point.start_ns,
        time_unix_nano=point.time_ns,
        count=sum(found.counts),
        sum=found.sum,
        bucket_counts=list(found.counts),
        explicit_bounds=list(found.bounds),
        # Optional in the protocol, and unknown here; the class only knows histograms of its own.
        min=cast("float", None),
        max=cast("float", None),
    )


_BUILD: dict[str, Callable[[Sequence[Point]], Gauge | Sum | Histogram]] = {
    "gauge": lambda points: Gauge([_number(p) for p in points]),
    "counter": lambda points: Sum([_number(p) for p in points], _CUMULATIVE, True),
    "updown": lambda points: Sum([_number(p) for p in points], _CUMULATIVE, False),
    "histogram": lambda points: Histogram([_buckets(p) for p in points], _CUMULATIVE),
}


def _first(*names: str) -> str:
    return next((os.environ[name] for name in names if os.environ.get(name)), "")
