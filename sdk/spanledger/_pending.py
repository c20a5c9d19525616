"""Copies of spans that have only started, so that agents show while they run or wait."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from spanledger._attributes import PENDING, STEP_KIND

PENDING_SCOPE = "spanledger.pending"
"""Tells the collector that the span comes again when it has ended."""
_OPERATIONS = frozenset(("invoke_agent", "invoke_workflow", "execute_tool"))


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
