"""Loops: agents that do the same again and again and learn nothing new from it.

The rules are in ``findings/loops``, one each; their thresholds stand beside them with the source.
Here they become findings. A span is counted in one finding only: where two rules mark the same
steps, the rule that comes first has them, and the other keeps what is left, or nothing if that is
less than half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from spanledger_analytics.findings.finding import MOST_EVIDENCE, Finding, Json, SpanRef, Subject
from spanledger_analytics.findings.lanes import TraceView
from spanledger_analytics.findings.loops.chanting import find_chants
from spanledger_analytics.findings.loops.handoffs import find_handoffs
from spanledger_analytics.findings.loops.loop import Loop, Place
from spanledger_analytics.findings.loops.money import Waste, price, spans
from spanledger_analytics.findings.loops.monologues import find_monologues
from spanledger_analytics.findings.loops.near_repeats import find_near_repeats
from spanledger_analytics.findings.loops.recursion import find_recursion
from spanledger_analytics.findings.loops.repeats import find_repeats
from spanledger_analytics.findings.loops.stagnation import find_stagnation
from spanledger_analytics.findings.loops.steps import LoopView

RULES: tuple[Callable[[LoopView], list[Loop]], ...] = (
    find_repeats,
    find_near_repeats,
    find_monologues,
    find_handoffs,
    find_recursion,
    find_chants,
    find_stagnation,
)
"""From the surest; see the module."""
_LEFT_RATIO = 0.5
_MOST_LOOPS = 20  # of a trace, by steps: a long walk in circles is no storm
_MOST_STEPS = 100  # numbers of steps told in the details
_TITLES = {
    "exact": "The same call {copies} times",
    "cycle": "{period} steps in a circle, {copies} times",
    "error_retry": "The same failing call {copies} times",
    "same_call": "Polled {copies} times",
    "near": "Nearly the same calls {copies} times",
    "monologue": "The same answer {copies} times",
    "handoff": "{period} agents in a circle, {copies} times",
    "recursion": "An agent below itself, {copies} runs deep",
    "chant": "One answer repeats itself {copies} times",
    "stagnation": "Few new steps, each about {copies} times",
}


def detect(view: TraceView) -> list[Finding]:
    """Return the loops of a trace, by start; no span is wasted in two of them."""
    taken: set[SpanRef] = set()
    loops: list[Loop] = []
    seen = LoopView.of(view)
    for rule in RULES:
        for loop in rule(seen):
            left = _left(loop, taken)
            if left is not None:
                taken.update(spans(left.wasted))
                loops.append(left)
    loops.sort(key=lambda one: -len(one.wasted))
    found = [_finding(view, loop, _needed(loop, taken)) for loop in loops[:_MOST_LOOPS]]
    return sorted(found, key=lambda one: (one.first_seen_ns, one.finding_id))


def _needed(loop: Loop, taken: set[SpanRef]) -> list[SpanRef]:
    """Return the spans of the first copy that no other loop shows, and take them."""
    refs = [ref for ref in spans(loop.first) if ref not in taken]
    taken.update(refs)
    return refs


def _left(loop: Loop, taken: set[SpanRef]) -> Loop | None:
    """Return a loop without the steps that another one has already; None: little is left."""
    if taken.isdisjoint(spans(loop.wasted)):
        return loop if loop.wasted else None
    kept = [taken.isdisjoint(spans([place])) for place in loop.wasted]
    wasted = [place for place, is_kept in zip(loop.wasted, kept, strict=True) if is_kept]
    if len(wasted) < _LEFT_RATIO * len(loop.wasted):
        return None
    return replace(loop, wasted=wasted, warn=sum(kept[: loop.warn]))


def _finding(view: TraceView, loop: Loop, needed: list[SpanRef]) -> Finding:
    waste = price(loop)
    steps = [*loop.first, *loop.wasted]
    start = min(steps, key=lambda place: (place.what.start_ns, place.step))
    tools = {tool.name for place in loop.wasted for tool in place.what.tools}
    return Finding(
        kind="loop",
        code=loop.code,
        anchor=(view.trace_id, loop.lane.ref.span_id, spans([start])[0].span_id),
        severity=loop.severity,
        title=_TITLES[loop.code].format(copies=loop.copies, period=loop.period),
        explanation=_explanation(loop, waste),
        first_seen_ns=start.what.start_ns,
        last_seen_ns=max(place.what.end_ns for place in steps),
        subject=Subject(
            trace_id=view.trace_id,
            session_id=view.session_id,
            user_id=view.user_id,
            agent_name=loop.lane.agent_name or view.agent_name,
            agent_version=loop.lane.agent_version or view.agent_version,
            model=_model(loop.wasted),
            tool_name=tools.pop() if len(tools) == 1 else "",
        ),
        evidence=tuple(dict.fromkeys([*spans(loop.wasted), *needed]))[:MOST_EVIDENCE],
        direct_usd=waste.direct_usd,
        carried_usd=waste.carried_usd,
        avoidable_usd=waste.avoidable_usd,
        wasted_ns=waste.wasted_ns,
        is_open=loop.is_last and (loop.lane.is_open or view.is_open),
        is_sure=loop.is_sure,
        details=_details(loop, start, waste),
    )


def _explanation(loop: Loop, waste: Waste) -> str:
    said = [loop.said]
    if waste.avoidable_usd:
        at = _warned(loop)
        when = f"at step {at.step + 1}" if _is_of_one_lane(loop) else "when it could be told"
        said.append(f"Would have saved {_money(waste.avoidable_usd)} if stopped {when}.")
    return " ".join([*said, loop.advice])


def _details(loop: Loop, start: Place, waste: Waste) -> dict[str, Json]:
    details: dict[str, Json] = {
        "lane": loop.lane.ref.span_id,
        "period": loop.period,
        "copies": loop.copies,
        "wasted_steps": len(loop.wasted),
        "unpriced_calls": waste.unpriced_calls,
        **loop.details,
    }
    if _is_of_one_lane(loop):
        details |= {
            "first_step": start.step + 1,
            "warn_step": _warned(loop).step + 1,
            "steps": [place.step + 1 for place in loop.wasted[:_MOST_STEPS]],
        }
    return details


def _is_of_one_lane(loop: Loop) -> bool:
    """Return whether all of it happened in the lane it is told of, so that numbers say which."""
    return all(place.lane.ref == loop.lane.ref for place in loop.wasted)


def _warned(loop: Loop) -> Place:
    """Return the step at which it could be told."""
    return loop.wasted[max(loop.warn, 1) - 1]


def _model(wasted: Sequence[Place]) -> str:
    """Return the model that was asked, empty if it was more than one."""
    models = {place.what.model.model for place in wasted if place.what.model is not None}
    return models.pop() if len(models) == 1 else ""


def _money(usd: Decimal) -> str:
    return f"${usd:,.2f}" if usd >= Decimal("0.01") else "less than $0.01"
