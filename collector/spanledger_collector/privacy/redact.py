"""A request without what its project wants taken out: keys, then content, then patterns.

What cannot be redacted, for whatever reason, keeps its ids, times and counts and loses every text:
nothing is stored in clear because something went wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector.decode.carried import CARRIED, RECORD_HASH, add_flag
from spanledger_collector.decode.messages import MessageStore
from spanledger_collector.privacy.attributes import Pairs, attributes_of, points_of
from spanledger_collector.privacy.by_key import ByKey
from spanledger_collector.privacy.content import (
    Place,
    silence_attributes,
    silence_log,
    silence_metric,
    silence_span,
    trace_of,
)
from spanledger_collector.privacy.identity import identity, set_apart
from spanledger_collector.privacy.known import short_name
from spanledger_collector.privacy.last_resort import (
    strip_attributes,
    strip_log,
    strip_metric,
    strip_span,
)
from spanledger_collector.privacy.policy import Policy
from spanledger_collector.privacy.scrub import Scrub
from spanledger_collector.signals import Request

FAILED = "redaction_failed"
"""Flag of a span that lost its texts because they could not be redacted; also counted so."""
_OURS = frozenset({CARRIED, RECORD_HASH})


def redact_body(policy: Policy, request: Request, received_ns: int) -> tuple[bytes, Counter[str]]:
    """Return a request's serialisation without what goes, and how much of each kind went.

    Args:
        policy: of the project.
        request: is changed.
        received_ns: when it came, in nanoseconds since 1970.
    """
    request.DiscardUnknownFields()  # nobody reads them, and they may hold anything
    found = redact(policy, request, received_ns)
    # Always anew: what came may also hold values of fields that later ones replaced.
    return request.SerializeToString(), found


def redact(policy: Policy, request: Request, received_ns: int) -> Counter[str]:
    """Take out of a request what goes; return how much of each kind."""
    redaction = _Redaction(policy, received_ns)
    if redaction.has_nothing_to_do(request):
        return redaction.found
    if isinstance(request, ExportTraceServiceRequest):
        redaction.traces(request)
    elif isinstance(request, ExportLogsServiceRequest):
        redaction.logs(request)
    else:
        redaction.metrics(request)
    return redaction.found


@dataclass(frozen=True, slots=True)
class _Origin:
    """A resource, or a scope with its resource: what it was, and what became of it."""

    identity: bytes = b""
    is_clean: bool = True
    is_changed: bool = False


_NOWHERE = _Origin()


class _Redaction:
    """The redaction of one request."""

    def __init__(self, policy: Policy, received_ns: int) -> None:
        self.found: Counter[str] = Counter()
        self._policy = policy
        self._received_ns = received_ns
        self._by_key = ByKey(policy, self.found)
        self._scrub = Scrub(policy.texts, self.found)
        self._messages = MessageStore()

    def has_nothing_to_do(self, request: Request) -> bool:
        """Return whether the request stays as it is."""
        only_patterns = self._policy.keeps_all_content and not self._by_key.is_active
        return only_patterns and not self._scrub.may_be_in(request.SerializeToString())

    def traces(self, request: ExportTraceServiceRequest) -> None:
        """Redact the spans of a request, each by itself."""
        for group in request.resource_spans:
            above = self._origin(group, group.resource)
            for scoped in group.scope_spans:
                origin = self._origin(scoped, scoped.scope, above)
                place = self._place(group.resource, scoped.scope)
                for span in scoped.spans:
                    self._span(span, place, origin.is_clean)

    def logs(self, request: ExportLogsServiceRequest) -> None:
        """Redact the log records of a request, each by itself."""
        for group in request.resource_logs:
            above = self._origin(group, group.resource)
            for scoped in group.scope_logs:
                origin = self._origin(scoped, scoped.scope, above)
                place = self._place(group.resource, scoped.scope)
                for record in scoped.log_records:
                    self._log(record, place, origin)

    def metrics(self, request: ExportMetricsServiceRequest) -> None:
        """Redact the metrics of a request, each by itself."""
        for group in request.resource_metrics:
            above = self._origin(group, group.resource)
            for scoped in group.scope_metrics:
                origin = self._origin(scoped, scoped.scope, above)
                for metric in scoped.metrics:
                    self._metric(metric, origin)

    def _try(self, work: Callable[..., None], *arguments: object) -> bool:
        try:
            work(*arguments)
        except Exception:  # whatever it is, nothing may stay in clear
            self.found[FAILED] += 1
            return False
        return True

    def _place(self, resource: Resource, scope: InstrumentationScope) -> Place:
        key = self._policy.content_key
        return Place(resource, scope, self._received_ns, self._messages, key)

    def _origin(
        self, group: Any, source: Resource | InstrumentationScope, above: _Origin = _NOWHERE
    ) -> _Origin:
        """Redact a resource or scope and the URL of its schema."""
        self._remove_ours(source.attributes)
        before = self._identity(source, above)
        is_clean = self._try(self._redact_origin, group, source)
        if not is_clean:
            strip_attributes(source.attributes)
            group.schema_url = ""
            if isinstance(source, Resource):
                del source.entity_refs[:]
        is_changed = above.is_changed or self._identity(source, above) != before
        return _Origin(before, is_clean and above.is_clean, is_changed)

    def _identity(self, source: Resource | InstrumentationScope, above: _Origin) -> bytes:
        names = () if isinstance(source, Resource) else (source.name, source.version)
        more = (above.identity, *(name.encode() for name in names))
        return identity(self._policy.content_key, source.attributes, *more)

    def _redact_origin(self, group: Any, source: Resource | InstrumentationScope) -> None:
        if self._by_key.is_active:
            self._by_key.pairs(source.attributes)
        if not self._policy.keeps_all_content:
            silence_attributes(source.attributes)
            if isinstance(source, InstrumentationScope):
                source.name, source.version = map(short_name, (source.name, source.version))
        if self._scrub.is_active:
            self._scrub.use_all()
            self._scrub.message(source)
            group.schema_url = self._scrub.text(group.schema_url)

    def _span(self, span: Span, place: Place, is_origin_clean: bool) -> None:
        if not self._try(self._redact_span, span, place):
            strip_span(span)
        elif is_origin_clean:
            return
        add_flag(span.attributes, FAILED)

    def _redact_span(self, span: Span, place: Place) -> None:
        self._remove_ours(span.attributes)
        if self._by_key.is_active:
            self._by_key.pairs(span.attributes)
            for event in span.events:
                self._by_key.pairs(event.attributes)
            for link in span.links:
                self._by_key.pairs(link.attributes)
        keeps_content = self._policy.keeps_content(span.trace_id)
        if not keeps_content:
            silence_span(span, place)
            self.found["content"] += 1
        if self._scrub.is_active:
            self._scrub_span(span, place if keeps_content else None)

    def _scrub_span(self, span: Span, place: Place | None) -> None:
        """Replace in a span; with a place, its signatures stay those of what was replaced."""
        original = span.SerializeToString()
        if not self._scrub.may_be_in(original):
            return
        before = self.found.total()
        self._scrub.message(span)
        if place is not None and self.found.total() != before:
            signatures = place.signatures(Span.FromString(original))
            if signatures is not None:
                span.attributes.append(signatures)

    def _log(self, record: LogRecord, place: Place, origin: _Origin) -> None:
        """Redact a log record; one that changed is told from others that look like it now."""
        self._remove_ours(record.attributes)
        before = record.SerializeToString(deterministic=True)
        is_clean = self._try(self._redact_log, record, place)
        if not is_clean:
            strip_log(record)
        if origin.is_changed or record.SerializeToString(deterministic=True) != before:
            digest = identity(self._policy.content_key, [], origin.identity, before)
            set_apart(record.attributes, digest)
        if not (is_clean and origin.is_clean):
            add_flag(record.attributes, FAILED)  # for the span it may amount to

    def _redact_log(self, record: LogRecord, place: Place) -> None:
        if self._by_key.is_active:
            self._by_key.pairs(record.attributes)
            if record.HasField("body") and not self._by_key.value(record.body, "body"):
                record.ClearField("body")
        keeps_content = self._policy.keeps_all_content or self._policy.keeps_content(
            trace_of(record, place)
        )
        if not keeps_content:
            silence_log(record, place)
            self.found["content"] += 1
        if self._scrub.is_active:
            self._scrub_log(record, place if keeps_content else None)

    def _scrub_log(self, record: LogRecord, place: Place | None) -> None:
        """Replace in a log record; with a place, its call's signatures stay, as those of a span."""
        original = record.SerializeToString()
        if not self._scrub.may_be_in(original):
            return
        before = self.found.total()
        self._scrub.message(record)
        if place is not None and self.found.total() != before:
            signatures = place.signatures_of_log(LogRecord.FromString(original))
            if signatures is not None:
                record.attributes.append(signatures)

    def _metric(self, metric: Metric, origin: _Origin) -> None:
        """Redact a metric; points whose series changed are told from others.

        What tells them is of their labels and origin alone, so that a series stays one over time.
        """
        for pairs in attributes_of(metric):
            self._remove_ours(pairs)
        before = Metric()
        before.CopyFrom(metric)
        if not self._try(self._redact_metric, metric):
            strip_metric(metric)
        is_changed = origin.is_changed or (metric.name, metric.unit) != (before.name, before.unit)
        more = (origin.identity, before.name.encode(), before.unit.encode())
        for point, was in zip(points_of(metric), points_of(before), strict=True):
            if is_changed or point.attributes != was.attributes:
                digest = identity(self._policy.content_key, was.attributes, *more)
                set_apart(point.attributes, digest)

    def _redact_metric(self, metric: Metric) -> None:
        if self._by_key.is_active:
            for pairs in attributes_of(metric):
                self._by_key.pairs(pairs)
        if not self._policy.keeps_all_content:
            silence_metric(metric)
        if self._scrub.is_active and self._scrub.may_be_in(metric.SerializeToString()):
            self._scrub.message(metric)

    def _remove_ours(self, pairs: Pairs) -> None:
        """Remove what only this package may say of a span."""
        for index in reversed([i for i, pair in enumerate(pairs) if pair.key in _OURS]):
            del pairs[index]
            self.found["dropped"] += 1
