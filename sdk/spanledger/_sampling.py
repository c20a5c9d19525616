"""Sampling decides what is sent; guards have to see every call all the same."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from spanledger._guards import guards_of


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
