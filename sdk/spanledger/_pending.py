"""Copies of spans that have only started, so that agents show while they run or wait."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from spanledger._attributes import PENDING, STEP_KIND

PENDING_SCOPE = "spanledger.pending"
"""Tells the collector that the span comes again when it has ended."""
_OPERATIONS = frozenset(("invoke_agent", "invoke_workflow", "execute_tool"))


class PendingProcessor(SpanProcessor):
    """Sends a copy of agents, workflows, tasks and tools at their start.

    It has the ids of the span itself: the collector puts the ended one in its place.
    """

    def __init__(self, sender: SpanProcessor) -> None:
        self._sender = sender

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Send the copy of a span whose end may be long in coming."""
        attributes = span.attributes or {}
        operation = attributes.get("gen_ai.operation.name")
        if operation not in _OPERATIONS and STEP_KIND not in attributes:
            return
        self._sender.on_end(
            ReadableSpan(
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
        )
