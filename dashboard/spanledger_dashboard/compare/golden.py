"""A trace as one side of a comparison."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from spanledger_analytics.golden.alignment import DiffStep, Side, Totals
from spanledger_dashboard.trace.data import Trace, sums
from spanledger_dashboard.trace.steps import Step, Steps

# Half of a hash tells two answers apart, and a megabyte holds more steps.
_ANSWER_DIGITS = 16


def side_of(trace: Trace, steps: Steps) -> Side:
    """Return a stored trace as one side of a comparison."""
    total, summary = sums(trace), trace.summary or {}
    first = steps.all[0].name if steps.all else ""
    return Side(
        trace_id=trace.key.trace_id,
        name=str(summary.get("name") or first or "(no name)"),
        start_ns=total.start_ns,
        totals=Totals(
            total.cost_usd,
            total.tokens,
            total.duration_ns,
            total.llm_calls,
            total.spans,
            total.errors,
        ),
        steps=diff_steps(steps),
        outcome=str(summary.get("outcome") or ""),
    )


def diff_steps(steps: Steps) -> tuple[DiffStep, ...]:
    """Return the steps of a trace as they are compared, in the order of an outline."""
    return tuple(_diff_step(step) for step in _outline(steps.all))


def _outline(steps: Sequence[Step]) -> list[Step]:
    """Return steps as an outline reads: what agents did side by side, one agent after the other."""
    known = {step.span_id for step in steps}
    below: defaultdict[str, list[Step]] = defaultdict(list)
    for step in steps:
        above = step.above_id or step.owner_id
        below[above if above in known and above != step.span_id else ""].append(step)
    found: list[Step] = []
    waiting = below.pop("", [])[::-1]
    while waiting:
        step = waiting.pop()
        found.append(step)
        waiting += below.pop(step.span_id, [])[::-1]
    # Spans that are each other's parents hang on nothing.
    return found + [step for rest in below.values() for step in rest]


def _diff_step(step: Step) -> DiffStep:
    return DiffStep(
        role=step.role,
        what=step.what,
        agent=step.agent,
        name=step.name,
        call_sig=step.call_sig,
        answer=step.answer[:_ANSWER_DIGITS],
        has_failed=step.status == "error",
        cost_usd=step.cost_usd,
        tokens=step.tokens if step.is_counted else None,
        duration_ns=step.duration_ns,
        span_id=step.span_id,
        result_sig=step.result_sig,
    )
