"""What of a request can be kept: counts its items and takes out spans without usable ids."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from spanledger_collector.edge.left_out import LeftOut, Reason
from spanledger_collector.signals import Request

_NO_TRACE_ID = bytes(16)
_NO_SPAN_ID = bytes(8)


def screen(request: Request, left_out: LeftOut) -> int:
    """Remove what cannot be kept; return how many items are left.

    Only spans can be beyond use: a log record with a broken trace id is one without a trace
    (https://github.com/open-telemetry/opentelemetry-proto, LogRecord.trace_id).
    """
    if isinstance(request, ExportTraceServiceRequest):
        return _screen_spans(request, left_out)
    if isinstance(request, ExportLogsServiceRequest):
        logs = (scope for group in request.resource_logs for scope in group.scope_logs)
        return sum(len(scope.log_records) for scope in logs)
    metrics = (scope.metrics for group in request.resource_metrics for scope in group.scope_metrics)
    return sum(_points(metric) for scope in metrics for metric in scope)


def _points(metric: Metric) -> int:
    kind = metric.WhichOneof("data")
    return 0 if kind is None else len(getattr(metric, kind).data_points)


def _screen_spans(request: ExportTraceServiceRequest, left_out: LeftOut) -> int:
    kept = 0
    for group in request.resource_spans:
        for scope in group.scope_spans:
            bad = list[int]()
            for index, span in enumerate(scope.spans):
                # Written out: this runs for every span, and few spans are bad.
                trace_id, span_id = span.trace_id, span.span_id
                if (
                    len(trace_id) != 16
                    or len(span_id) != 8
                    or len(span.parent_span_id) not in (0, 8)
                    or trace_id == _NO_TRACE_ID
                    or span_id == _NO_SPAN_ID
                ):
                    left_out.add(*_fault(span))
                    bad.append(index)
            if bad:
                _remove(scope, bad)
            kept += len(scope.spans)
    return kept


def _remove(scope: ScopeSpans, bad: list[int]) -> None:
    """Remove spans by index, in time that grows with their number, not with its square."""
    left_out = set(bad)
    good = [span for index, span in enumerate(scope.spans) if index not in left_out]
    rest = ScopeSpans()
    rest.spans.extend(good)
    del scope.spans[:]
    scope.spans.extend(rest.spans)


def _fault(span: Span) -> tuple[Reason, str]:
    """Return why a span cannot be kept."""
    name = f"span {span.name[:80]!r}"
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE_ID:
        size = len(span.trace_id)
        return Reason.TRACE_ID, f"trace_id must be 16 bytes, not all zero; {name} has {size}"
    if len(span.span_id) != 8 or span.span_id == _NO_SPAN_ID:
        size = len(span.span_id)
        return Reason.SPAN_ID, f"span_id must be 8 bytes, not all zero; {name} has {size}"
    size = len(span.parent_span_id)
    return Reason.PARENT_ID, f"parent_span_id must be empty or 8 bytes; {name} has {size}"
