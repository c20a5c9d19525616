"""GPU workers on the wire: spans of agent, client and server, and samples of GPUs and workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger import TASK_ID, TASK_OUTCOME
from spanledger_server.demo.gpu_plan import SECOND_NS, GpuRequest, GpuTrace, GpuWorker
from spanledger_server.demo.otlp import Value, key_value, put

_VERSION = "0.11.0"
_EDGE_NS = 4_000_000  # the client sees a call this much earlier and longer
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
Labels = tuple[tuple[str, Value], ...]


def trace_request(worker: GpuWorker, traces: Iterable[GpuTrace]) -> bytes:
    """Return a serialised request: the agents' own spans, and the server's below them."""
    request = ExportTraceServiceRequest()
    agent = request.resource_spans.add()
    agent.resource.attributes.extend(
        (
            key_value("service.name", worker.service),
            key_value("deployment.environment.name", "demo"),
        )
    )
    own = agent.scope_spans.add()
    own.scope.name = "opentelemetry.instrumentation.genai.openai"
    own.scope.version = "1.3b0"
    server = request.resource_spans.add()
    server.resource.attributes.extend(
        (
            key_value("service.name", "vllm"),
            key_value("service.instance.id", worker.name),
            key_value("host.name", worker.host),
        )
    )
    engine = server.scope_spans.add()
    engine.scope.name, engine.scope.version = "vllm.llm_engine", _VERSION
    for trace in traces:
        for client_id, one in zip(trace.client_ids, trace.requests, strict=True):
            engine.spans.append(_server_span(worker, trace, client_id, one))
            own.spans.append(_client_span(worker, trace, client_id, one))
        own.spans.append(_agent_span(worker, trace))
    return request.SerializeToString()


def _agent_span(worker: GpuWorker, trace: GpuTrace) -> Span:
    span = Span(
        trace_id=trace.trace_id, span_id=trace.root_id, name=f"invoke_agent {worker.agent}",
        kind=Span.SPAN_KIND_INTERNAL, start_time_unix_nano=trace.start_ns,
        end_time_unix_nano=trace.end_ns,
    )  # fmt: skip
    put(
        span,
        (
            ("gen_ai.operation.name", "invoke_agent"),
            ("gen_ai.agent.name", worker.agent),
            (TASK_ID, trace.task_id),
            (TASK_OUTCOME, "completed"),
        ),
    )
    return span


def _client_span(worker: GpuWorker, trace: GpuTrace, span_id: bytes, one: GpuRequest) -> Span:
    span = Span(
        trace_id=trace.trace_id, span_id=span_id, parent_span_id=trace.root_id,
        name=f"chat {worker.model}", kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=one.start_ns - _EDGE_NS, end_time_unix_nano=one.end_ns + _EDGE_NS,
    )  # fmt: skip
    put(
        span,
        (
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", worker.model),
            ("gen_ai.response.model", worker.model),
            ("gen_ai.response.id", f"chatcmpl-{span_id.hex()}"),
            ("gen_ai.usage.input_tokens", one.input_tokens),
            ("gen_ai.usage.cache_read.input_tokens", one.cached_tokens or None),
            ("gen_ai.usage.output_tokens", one.output_tokens),
            ("server.address", worker.host),
            ("server.port", 8000),
        ),
    )
    return span


def _server_span(worker: GpuWorker, trace: GpuTrace, parent: bytes, one: GpuRequest) -> Span:
    span = Span(
        trace_id=trace.trace_id, span_id=one.span_id, parent_span_id=parent, name="llm_request",
        kind=Span.SPAN_KIND_SERVER, start_time_unix_nano=one.start_ns,
        end_time_unix_nano=one.end_ns,
    )  # fmt: skip
    put(
        span,
        (
            ("gen_ai.request.id", f"chatcmpl-{parent.hex()}"),
            ("gen_ai.response.model", worker.model),
            ("gen_ai.usage.prompt_tokens", one.input_tokens),
            ("gen_ai.usage.completion_tokens", one.output_tokens),
            ("gen_ai.usage.cached_tokens", one.cached_tokens or None),
            ("gen_ai.latency.time_in_queue", one.queue_ns / SECOND_NS),
            ("gen_ai.latency.time_to_first_token", (one.queue_ns + one.prefill_ns) / SECOND_NS),
            ("gen_ai.latency.time_in_model_prefill", one.prefill_ns / SECOND_NS),
            ("gen_ai.latency.time_in_model_decode", one.decode_ns / SECOND_NS),
            ("gen_ai.latency.e2e", (one.end_ns - one.start_ns) / SECOND_NS),
        ),
    )
    return span


class Samples:
    """Collects the samples of one request, one metric for all points of a name."""

    def __init__(self) -> None:
        self._request = ExportMetricsServiceRequest()
        self._scopes: dict[str, ScopeMetrics] = {}
        self._points: dict[tuple[str, str], object] = {}
        self.size = 0

    def gpu(
        self, worker: GpuWorker, at_ns: int, seen_ns: int, figures: Mapping[str, float]
    ) -> None:
        """Add a sample of a GPU: gauges by metric, ``hw.energy`` a counter since ``seen_ns``."""
        labels: Labels = (
            ("hw.id", worker.gpu), ("hw.type", "gpu"), ("hw.model", worker.gpu_model),
            ("hw.vendor", "NVIDIA"), ("spanledger.gpu.index", "0"),
        )  # fmt: skip
        scope = self._scope(worker.host, "spanledger.gpu", (("host.name", worker.host),))
        for name, value in figures.items():
            start_ns = seen_ns if name == "hw.energy" else 0
            self._add(scope, worker.host, name, value, at_ns, start_ns, labels)

    def worker(
        self, worker: GpuWorker, at_ns: int, started_ns: int, gauges: Mapping[str, float],
        counters: Mapping[str, float],
    ) -> None:  # fmt: skip
        """Add a sample of a worker; counters since ``started_ns``."""
        resource: Labels = (
            ("service.instance.id", worker.name), ("host.name", worker.host),
            ("spanledger.inference.engine", "vllm"),
        )  # fmt: skip
        scope = self._scope(worker.name, "spanledger.inference", resource)
        labels: Labels = (("model_name", worker.model), ("engine", "0"))
        self._add(scope, worker.name, "up", 1, at_ns, 0, ())
        for name, value in gauges.items():
            self._add(scope, worker.name, name, value, at_ns, 0, labels)
        for name, value in counters.items():
            self._add(scope, worker.name, name, value, at_ns, started_ns, labels)

    def body(self) -> bytes:
        """Return the serialised request."""
        return self._request.SerializeToString()

    def _scope(self, key: str, name: str, resource: Labels) -> ScopeMetrics:
        known = self._scopes.get(key)
        if known is None:
            group: ResourceMetrics = self._request.resource_metrics.add()
            group.resource.attributes.extend(key_value(k, v) for k, v in resource)
            known = self._scopes[key] = group.scope_metrics.add()
            known.scope.name = name
        return known

    def _add(
        self, scope: ScopeMetrics, key: str, name: str, value: float, at_ns: int, start_ns: int,
        labels: Labels,
    ) -> None:  # fmt: skip
        metric = self._points.get((key, name))
        if metric is None:
            metric = scope.metrics.add(name=name)
            self._points[key, name] = metric
        if start_ns:
            metric.sum.aggregation_temporality = _CUMULATIVE  # type: ignore[attr-defined]
            metric.sum.is_monotonic = True  # type: ignore[attr-defined]
            points = metric.sum.data_points  # type: ignore[attr-defined]
        else:
            points = metric.gauge.data_points  # type: ignore[attr-defined]
        point: NumberDataPoint = points.add(
            time_unix_nano=at_ns, start_time_unix_nano=start_ns, as_double=float(value)
        )
        point.attributes.extend(key_value(k, v) for k, v in labels)
        self.size += 1
