"""Collects spans into OTLP export requests of bounded size."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from spanledger import TASK_ID, TASK_OUTCOME
from spanledger_server.demo.dialects import DIALECTS
from spanledger_server.demo.otlp import key_value, put
from spanledger_server.demo.plan import Scope, SpanPlan, TracePlan

MAX_SPANS = 500
MAX_BYTES = 2 * 1024 * 1024
_SAMPLED_LOCAL_PARENT = 0x101


class Batch:
    """Spans of one request, grouped by the process and the library that send them."""

    def __init__(self) -> None:
        self.members: list[tuple[TracePlan, SpanPlan]] = []
        self._bytes = 0
        self._request = ExportTraceServiceRequest()
        self._resources: dict[str, ResourceSpans] = {}
        self._scopes: dict[tuple[str, Scope], ScopeSpans] = {}

    @property
    def is_full(self) -> bool:
        """True when the batch should be sent before another span is added."""
        return len(self.members) >= MAX_SPANS or self._bytes >= MAX_BYTES

    def add(self, trace: TracePlan, plan: SpanPlan) -> None:
        """Write a span in its dialect into the request."""
        span = render(trace, plan)
        self._scope_spans(trace, plan.scope).spans.append(span)
        self._bytes += span.ByteSize()
        self.members.append((trace, plan))

    def body(self) -> bytes:
        """Return the serialised ``ExportTraceServiceRequest``."""
        return self._request.SerializeToString()

    def _scope_spans(self, trace: TracePlan, scope: Scope) -> ScopeSpans:
        instance = trace.resource["service.instance.id"]
        spans = self._scopes.get((instance, scope))
        if spans is None:
            spans = self._resource_spans(trace, instance).scope_spans.add()
            spans.scope.name, spans.scope.version = scope.name, scope.version
            self._scopes[instance, scope] = spans
        return spans

    def _resource_spans(self, trace: TracePlan, instance: str) -> ResourceSpans:
        spans = self._resources.get(instance)
        if spans is None:
            spans = self._request.resource_spans.add()
            spans.resource.attributes.extend(key_value(k, v) for k, v in trace.resource.items())
            self._resources[instance] = spans
        return spans


def render(trace: TracePlan, plan: SpanPlan) -> Span:
    """Return a span in its wire form; the root also carries the task and its outcome."""
    span = Span(
        trace_id=trace.trace_id,
        span_id=plan.span_id,
        parent_span_id=plan.parent_id,
        start_time_unix_nano=plan.start_ns,
        end_time_unix_nano=plan.end_ns,
        flags=_SAMPLED_LOCAL_PARENT,
    )
    DIALECTS[plan.scope.dialect](trace, plan, span)
    if not plan.parent_id:
        put(span, ((TASK_ID, trace.task_id), (TASK_OUTCOME, trace.task_outcome or None)))
    return span
