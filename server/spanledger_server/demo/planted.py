"""The truth: what a ledger must find when everything the demo sent has been counted once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from spanledger_server.demo.plan import Call, SpanPlan, ToolRun, TracePlan


@dataclass(slots=True)
class ModelTotals:
    """What one model was asked and what it billed.

    Attributes:
        calls: Every call, failed ones included; two spans of one call count once.
        errors: Calls the provider refused.
        calls_without_usage: Answered calls whose token counts nobody reported.
        input_tokens: Cache reads and writes included.
        output_tokens: Reasoning included.
    """

    calls: int = 0
    errors: int = 0
    calls_without_usage: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What an endpoint accepted.

    Attributes:
        traces: Traces of which at least one span was accepted.
        spans: Accepted spans, those of the second instrumentation included.
        llm_calls: Calls to chat models, failed ones included.
        embedding_calls: Calls to embedding models.
        models: Totals by model: the name in the answer, or as requested when there was none.
        runaway_trace_ids: Traces that repeat one search, 32 hex digits each.
        rejected_spans: Spans the endpoint refused in a partial success.
    """

    traces: int
    spans: int
    llm_calls: int
    embedding_calls: int
    tool_calls: int
    tool_errors: int
    models: Mapping[str, ModelTotals]
    runaway_trace_ids: tuple[str, ...]
    rejected_spans: int


@dataclass(slots=True)
class Planted:
    """Running totals; a span is added once it has been accepted."""

    models: dict[str, ModelTotals] = field(default_factory=dict[str, ModelTotals])
    traces: int = 0
    spans: int = 0
    llm_calls: int = 0
    embedding_calls: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    rejected_spans: int = 0
    _runaways: set[str] = field(default_factory=set[str])
    _open_traces: set[bytes] = field(default_factory=set[bytes])
    _seen_inside: set[bytes] = field(default_factory=set[bytes])

    def add(self, trace: TracePlan, span: SpanPlan) -> None:
        """Count a span; the spans of a trace come children first."""
        self.spans += 1
        self._add_trace(trace, span)
        if isinstance(span.detail, ToolRun):
            self.tool_calls += 1
            self.tool_errors += span.failure is not None
        if not isinstance(span.detail, Call):
            return
        if span.is_inner:
            self._seen_inside.add(span.parent_id)
        elif span.span_id in self._seen_inside:
            self._seen_inside.remove(span.span_id)
            return
        self._add_call(span.detail, span)

    def report(self) -> DemoReport:
        """Return the totals so far."""
        return DemoReport(
            traces=self.traces,
            spans=self.spans,
            llm_calls=self.llm_calls,
            embedding_calls=self.embedding_calls,
            tool_calls=self.tool_calls,
            tool_errors=self.tool_errors,
            models=dict(sorted(self.models.items())),
            runaway_trace_ids=tuple(sorted(self._runaways)),
            rejected_spans=self.rejected_spans,
        )

    def _add_trace(self, trace: TracePlan, span: SpanPlan) -> None:
        if trace.trace_id not in self._open_traces:
            self._open_traces.add(trace.trace_id)
            self.traces += 1
            if trace.is_runaway:
                self._runaways.add(trace.trace_id.hex())
        if not span.parent_id:
            # The root is the last span of its trace.
            self._open_traces.remove(trace.trace_id)

    def _add_call(self, call: Call, span: SpanPlan) -> None:
        if span.role == "embedding":
            self.embedding_calls += 1
        else:
            self.llm_calls += 1
        has_failed = span.failure is not None
        name = call.model.request if has_failed else call.model.response
        totals = self.models.setdefault(name, ModelTotals())
        totals.calls += 1
        totals.errors += has_failed
        if call.usage is None:
            totals.calls_without_usage += not has_failed
            return
        totals.input_tokens += call.usage.input_tokens
        totals.cache_read_tokens += call.usage.cache_read_tokens
        totals.cache_write_tokens += call.usage.cache_write_tokens
        totals.output_tokens += call.usage.output_tokens
        totals.reasoning_tokens += call.usage.reasoning_tokens
