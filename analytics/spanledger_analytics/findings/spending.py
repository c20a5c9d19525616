"""What calls of a trace cost, each once, and how amounts are told."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from spanledger_analytics.findings.finding import SpanRef
from spanledger_analytics.findings.lanes import Lane, ModelCall, ToolCall, TraceView

CENT = Decimal("0.01")


def total(costs: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum of what is known; None: nothing is."""
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if known else None


def model_calls(view: TraceView) -> list[tuple[Lane, ModelCall]]:
    """Return the calls of models of a trace with their lanes, each call once, by start."""
    found: dict[SpanRef, tuple[Lane, ModelCall]] = {}
    for lane in view.lanes:
        for step in lane.steps:
            if step.model is not None:
                found.setdefault(step.model.ref, (lane, step.model))
    return sorted(found.values(), key=lambda pair: (pair[1].start_ns, pair[1].ref))


def tool_calls(view: TraceView) -> list[tuple[Lane, ToolCall]]:
    """Return the calls of tools of a trace with their lanes, each call once, by start."""
    found: dict[SpanRef, tuple[Lane, ToolCall]] = {}
    for lane in view.lanes:
        for step in lane.steps:
            for tool in step.tools:
                found.setdefault(tool.ref, (lane, tool))
    return sorted(found.values(), key=lambda pair: (pair[1].start_ns, pair[1].ref))


def told(amount: Decimal | None) -> str:
    """Return dollars as a sentence has them; an amount nobody knows as "an unknown amount"."""
    if amount is None:
        return "an unknown amount"
    if 0 < amount < CENT:
        return "less than $0.01"
    return f"${amount:,.2f}"
