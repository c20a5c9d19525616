"""Hand-off cycles: agents that give each other the same tasks in turn."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from spanledger_analytics.findings.lanes import Lane
from spanledger_analytics.findings.loops.agents import AgentTree
from spanledger_analytics.findings.loops.loop import Loop, Place
from spanledger_analytics.findings.loops.repetition import LoopLimits, Repeat, tandem_repeats
from spanledger_analytics.findings.loops.steps import LoopView


@dataclass(frozen=True, slots=True)
class HandoffLimits:
    """How many rounds of the same hand-offs make a loop.

    Attributes:
        rounds: to warn, and to be critical.
        working: the same where each round does what none before did.
        max_period: most runs of agents in a round.
    """

    rounds: tuple[int, int] = (3, 4)
    working: tuple[int, int] = (6, 8)
    max_period: int = 6


HANDOFFS = HandoffLimits()


def find_handoffs(view: LoopView) -> list[Loop]:
    """Return rounds of hand-offs between agents, by name and task; without tasks, by what they did.

    Runs beside each other in time are no hand-off, and one agent alone is no cycle.
    """
    if len(view.trace.lanes) < 2 * HANDOFFS.rounds[0]:
        return []
    tree = AgentTree.of(view.trace.lanes)
    limits = LoopLimits(cycle=HANDOFFS.rounds, max_period=HANDOFFS.max_period)
    found: list[Loop] = []
    for lanes in tree.below.values():
        for repeat in tandem_repeats(_numbers(lanes), limits):
            if repeat.period > 1:
                loop = _loop(tree, lanes, repeat)
                found += [loop] if loop else []
    return found


def _numbers(lanes: Sequence[Lane]) -> list[int]:
    seen: dict[Hashable, int] = {}
    numbers: list[int] = []
    end = 0
    for place, lane in enumerate(lanes):
        did = lane.task or _did(lane)
        is_known = bool(lane.agent_name and did) and lane.start_ns >= end
        key = (lane.agent_name, did)
        numbers.append(seen.setdefault(key, place) if is_known else -place - 1)
        end = max(end, lane.end_ns)
    return numbers


def _did(lane: Lane) -> tuple[tuple[int, int], ...]:
    """Return the calls of a run with their results; empty: not known."""
    pairs = tuple((t.call_sig, t.result_sig) for step in lane.steps for t in step.tools)
    return pairs if all(call and result for call, result in pairs) else ()


def _loop(tree: AgentTree, lanes: Sequence[Lane], repeat: Repeat) -> Loop | None:
    period, first = repeat.period, repeat.first
    rounds = [
        tuple(_did(lane) for lane in lanes[at : at + period])
        for at in range(first, first + repeat.copies * period, period)
    ]
    is_working = all(any(did) for did in rounds) and len(set(rounds)) == len(rounds)
    warn, stop = HANDOFFS.working if is_working else HANDOFFS.rounds
    if repeat.copies < warn:
        return None
    needed = _steps(tree, lanes[first : first + period])
    wasted = _steps(tree, lanes[first + period : repeat.end])
    before = _steps(tree, lanes[first + period : first + warn * period])
    names = [lane.agent_name for lane in lanes[first : first + period]]
    return Loop(
        code="handoff",
        lane=lanes[first],
        severity="critical" if repeat.copies >= stop else "warning",
        first=needed,
        wasted=wasted,
        warn=len(before),
        period=period,
        copies=repeat.copies,
        said=f"{period} agents gave each other the same tasks {repeat.copies} times in turn.",
        advice="Let one of them decide, or limit how often a task may be handed on.",
        is_last=repeat.end == len(lanes),
        details={"agents": names},
    )


def _steps(tree: AgentTree, lanes: Sequence[Lane]) -> list[Place]:
    return [place for lane in lanes for place in tree.steps(lane)]
