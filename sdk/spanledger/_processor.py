"""What happens to every span of every library: whether it is recorded, its start and its end.

One processor instead of one for each purpose: OpenTelemetry calls each of them three times a span.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from spanledger._attributes import PENDING, STEP_KIND
from spanledger._context import share
from spanledger._errors import LimitReached
from spanledger._failures import told
from spanledger._guards import guards_of
from spanledger._queue import SpanQueue
from spanledger._tracing import SCOPE
from spanledger._watching import Watch

PENDING_SCOPE = "spanledger.pending"
"""Tells the collector that the span comes again when it has ended."""
_OPERATIONS = frozenset(("invoke_agent", "invoke_workflow", "execute_tool"))


class StepProcessor(SpanProcessor):
    """Stamps what is shared, lets guards see calls, and hands ended spans to the queue.

    Args:
        queue: takes what is to be sent; ``None``: nothing is.
        pending: whether it gets a copy of agents and tools when they start, too.
    """

    def __init__(self, queue: SpanQueue | None = None, *, pending: bool = False) -> None:
        self._queue = queue
        self._watch = Watch()
        self._pending = queue if pending else None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Take up a span that starts.

        Raises:
            LimitReached: a guard that was told to raise stops the call.
        """
        base = context.get_current() if parent_context is None else parent_context
        try:
            scope = span.instrumentation_scope
            if scope is None or scope.name != SCOPE:  # our own are stamped already
                share(span, base)
                self._watch.started(span, base)
            if self._pending is not None and (copy := pending_copy(span)) is not None:
                self._pending.add(copy)
        except LimitReached:
            raise
        except Exception as error:
            told("a span that starts", error)

    def on_end(self, span: ReadableSpan) -> None:
        """Take up a span that has ended; never waits."""
        try:
            self._watch.ended(span)
        except Exception as error:
            told("guarding a call", error)
        if self._queue is not None:
            self._queue.add(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what has ended is sent; return whether it was, in this time."""
        return self._queue is None or self._queue.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Send what is left within two seconds, then let go."""
        if self._queue is not None:
            self._queue.shutdown()


def pending_copy(span: Span) -> ReadableSpan | None:
    """Return what is sent of an agent, workflow, task or tool at its start; ``None``: nothing.

    It has the ids of the span itself: the collector puts the ended one in its place.
    """
    attributes = span.attributes or {}
    operation = attributes.get("gen_ai.operation.name")
    if operation not in _OPERATIONS and STEP_KIND not in attributes:
        return None
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes={**attributes, PENDING: True},
        links=span.links,
        kind=span.kind,
        start_time=span.start_time,
        end_time=span.start_time,
        instrumentation_scope=InstrumentationScope(PENDING_SCOPE),
    )


class GuardedSampler(Sampler):
    """Records, without sending it, what another sampler drops while a guard watches.

    OpenTelemetry shows dropped spans to no span processor, which is where guards see calls.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return what the other sampler decides; ``RECORD_ONLY`` for ``DROP`` under a guard."""
        found = self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        if found.decision is not Decision.DROP:
            return found
        base = context.get_current() if parent_context is None else parent_context
        if not guards_of(base):
            return found
        return SamplingResult(Decision.RECORD_ONLY, attributes, found.trace_state)

    def get_description(self) -> str:
        """Return how the other sampler describes itself."""
        return self._sampler.get_description()
