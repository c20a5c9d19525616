"""Golden trajectories: runs worth comparing others with, kept longer than their spans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import cast

from spanledger_dashboard.compare.trajectory_diff import DiffStep, Side, Totals
from spanledger_dashboard.trace.data import Trace, sums
from spanledger_dashboard.trace.steps import Step, Steps

_TEXTS = ("role", "what", "agent", "name")
_COUNTS = ("tokens", "duration_ns", "llm_calls", "spans", "errors")
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
        steps=tuple(_diff_step(step) for step in _outline(steps.all)),
    )


def golden_content(side: Side) -> dict[str, object]:
    """Return what is saved of a side: compact JSON, money as decimal text."""
    texts: dict[str, int] = {}
    steps = [_packed(step, texts) for step in side.steps]
    totals = asdict(side.totals)
    cost = side.totals.cost_usd
    return {
        "trace_id": side.trace_id,
        "name": side.name,
        "start_ns": side.start_ns,
        "totals": totals | {"cost_usd": None if cost is None else f"{cost:f}"},
        "texts": list(texts),
        "steps": steps,
    }


def golden_side(content: Mapping[str, object]) -> Side:
    """Return a side from what was saved.

    Raises:
        ValueError: this is not what :func:`golden_content` makes.
    """
    try:
        totals = cast("dict[str, object]", content["totals"])
        cost = totals["cost_usd"]
        texts = cast("list[str]", content["texts"])
        packed = cast("list[list[object]]", content["steps"])
        return Side(
            trace_id=str(content["trace_id"]),
            name=str(content["name"]),
            start_ns=int(cast("int", content["start_ns"])),
            totals=Totals(
                None if cost is None else Decimal(str(cost)),
                *(int(str(totals[name])) for name in _COUNTS),
            ),
            steps=tuple(_unpacked(row, texts) for row in packed),
            is_golden=True,
        )
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError("This golden trajectory cannot be read; save it again.") from error


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
    )


def _packed(step: DiffStep, texts: dict[str, int]) -> list[object]:
    places = [texts.setdefault(getattr(step, name), len(texts)) for name in _TEXTS]
    # As text: a number of 64 bits is no JSON number everywhere.
    sig = str(step.call_sig) if step.call_sig else ""
    cost = None if step.cost_usd is None else f"{step.cost_usd:f}"
    rest = (sig, step.answer, int(step.has_failed), cost, step.tokens, step.duration_ns)
    return [*places, *rest, step.span_id]


def _unpacked(row: Sequence[object], texts: Sequence[str]) -> DiffStep:
    role, what, agent, name = (texts[cast("int", place)] for place in row[:4])
    sig, answer, has_failed, cost, tokens, duration_ns, span_id = row[4:]
    return DiffStep(
        role=role,
        what=what,
        agent=agent,
        name=name,
        call_sig=int(str(sig) or 0),
        answer=str(answer),
        has_failed=bool(has_failed),
        cost_usd=None if cost is None else Decimal(str(cost)),
        tokens=cast("int | None", tokens),
        duration_ns=int(cast("int", duration_ns)),
        span_id=str(span_id),
    )
