"""What both transports share: validate a request, spool it, answer after the commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector.errors import InvalidRequest, RequestTooLarge, Unavailable
from spanledger_collector.signals import REQUESTS, RESPONSES, Request, Response, Signal
from spanledger_collector.spool import Spool
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.project_settings import Project

# Rows take far more memory than the smallest spans do on the wire.
_MOST_ITEMS = 250_000
_ZERO_TRACE_ID = bytes(16)
_ZERO_SPAN_ID = bytes(8)


class Intake:
    """Accepts requests of all signals into the spool."""

    def __init__(
        self,
        spool: Spool,
        telemetry: Telemetry,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._spool = spool
        self._telemetry = telemetry
        self._now_ns = now_ns
        self._is_open = True

    def close(self) -> None:
        """Refuse what comes from now on, retryably."""
        self._is_open = False

    async def export_protobuf(self, signal: Signal, body: bytes, project: Project) -> Response:
        """Accept a serialised request.

        Raises:
            InvalidRequest: not a request of this signal.
            RequestTooLarge: more items than are taken at once.
            Unavailable: not now; nothing was kept.
        """
        kind = REQUESTS[signal]
        try:
            request = kind.FromString(body)
        except DecodeError as error:
            raise InvalidRequest(
                f"The body is not an {kind.DESCRIPTOR.name} in protobuf: {error}"
            ) from None
        return await self.export(signal, request, project, body)

    async def export(
        self, signal: Signal, request: Request, project: Project, body: bytes | None = None
    ) -> Response:
        """Accept a request; ``body`` is its serialisation when the caller has it.

        Returns after the good items are on disk. Bad spans are left out and counted in
        ``partial_success``, which tells the client not to send them again
        (https://opentelemetry.io/docs/specs/otlp/#partial-success-1).
        """
        if not self._is_open:
            raise Unavailable("The collector is shutting down; send again.")
        items, reasons = _screen(request)
        if items > _MOST_ITEMS:
            raise RequestTooLarge(
                f"A request may hold {_MOST_ITEMS:,} spans, log records or data points, "
                f"not {items:,}."
            )
        if items:
            if reasons or body is None:
                body = request.SerializeToString()
            done = self._spool.append(project.name, body, items, self._now_ns(), signal)
            await asyncio.wrap_future(done)
        self._telemetry.accepted_items.labels(signal, project.name).inc(items)
        if reasons:
            self._telemetry.rejected_items.labels(signal, "bad_id").inc(len(reasons))
        return _traces_response(items, reasons) if reasons else RESPONSES[signal]()


def _screen(request: Request) -> tuple[int, list[str]]:
    """Remove what cannot be kept; return how many items are left and why the others went.

    Only spans can be beyond use: a log record with a broken trace id is one without a trace
    (https://github.com/open-telemetry/opentelemetry-proto, LogRecord.trace_id).
    """
    if isinstance(request, ExportTraceServiceRequest):
        return _drop_bad_spans(request)
    if isinstance(request, ExportLogsServiceRequest):
        logs = (scope for group in request.resource_logs for scope in group.scope_logs)
        return sum(len(scope.log_records) for scope in logs), []
    metrics = (scope.metrics for group in request.resource_metrics for scope in group.scope_metrics)
    return sum(_points(metric) for scope in metrics for metric in scope), []


def _points(metric: Metric) -> int:
    kind = metric.WhichOneof("data")
    return 0 if kind is None else len(getattr(metric, kind).data_points)


def _drop_bad_spans(request: ExportTraceServiceRequest) -> tuple[int, list[str]]:
    """Remove spans without usable ids; return how many are left and why the others went."""
    kept, reasons = 0, list[str]()
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            spans = scope_spans.spans
            bad = [(i, r) for i, span in enumerate(spans) if (r := _reason(span))]
            for index, reason in reversed(bad):
                del spans[index]
                reasons.append(reason)
            kept += len(spans)
    return kept, reasons


def _reason(span: Span) -> str | None:
    """Return why a span cannot be kept, None when it can."""
    trace_id, span_id = span.trace_id, span.span_id
    if len(trace_id) != 16 or trace_id == _ZERO_TRACE_ID:
        return (
            f"trace_id must be 16 bytes, not all zero; span {span.name[:80]!r} has {len(trace_id)}"
        )
    if len(span_id) != 8 or span_id == _ZERO_SPAN_ID:
        return f"span_id must be 8 bytes, not all zero; span {span.name[:80]!r} has {len(span_id)}"
    if len(span.parent_span_id) not in (0, 8):
        return (
            f"parent_span_id must be empty or 8 bytes; span {span.name[:80]!r} has "
            f"{len(span.parent_span_id)}"
        )
    return None


def _traces_response(kept: int, reasons: list[str]) -> ExportTraceServiceResponse:
    response = ExportTraceServiceResponse()
    message = f"{len(reasons)} of {kept + len(reasons)} spans rejected: {reasons[-1]}"
    if not kept and all("has 0" in reason for reason in reasons):
        message += "; no span has an id: are these logs or metrics sent to the traces endpoint?"
    response.partial_success.rejected_spans = len(reasons)
    response.partial_success.error_message = message
    return response
