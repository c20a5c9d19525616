"""Recursion: an agent that hands its own task to itself."""

from __future__ import annotations

from collections import Counter

from spanledger_analytics.findings.lanes import Lane
from spanledger_analytics.findings.loops.agents import AgentTree
from spanledger_analytics.findings.loops.loop import Loop
from spanledger_analytics.findings.loops.steps import LoopView

_WARN, _CRITICAL = 2, 3  # runs of one agent with one task, below each other


def find_recursion(view: LoopView) -> list[Loop]:
    """Return runs of agents below a run of the same agent with the same task.

    A run that did nothing before the one below it began is the same run, seen twice.
    """
    named = Counter((lane.agent_name, lane.task) for lane in view.trace.lanes if _is_known(lane))
    if not named or max(named.values()) < _WARN:
        return []
    tree = AgentTree.of(view.trace.lanes)
    found: list[Loop] = []
    for top in tree.below.get(None, ()):
        found += _descend(tree, top)
    return found


def _descend(tree: AgentTree, top: Lane) -> list[Loop]:
    """Walk down from a run, with the runs above it at hand."""
    above: Counter[tuple[str, bytes]] = Counter()
    deepest: dict[tuple[str, bytes], int] = {}
    second: dict[tuple[str, bytes], tuple[Lane, Lane]] = {}
    holder: dict[tuple[str, bytes], Lane] = {}
    waiting: list[tuple[Lane, Lane | None, bool]] = [(top, None, False)]
    while waiting:
        lane, parent, is_left = waiting.pop()
        key = (lane.agent_name, lane.task)
        counts = _is_known(lane) and not _is_echo(lane, parent)
        if is_left:
            above[key] -= counts
            continue
        if counts:
            above[key] += 1
            if above[key] == 1:
                holder[key] = lane
            elif key not in second:
                second[key] = (holder[key], lane)
            deepest[key] = max(deepest.get(key, 0), above[key])
        waiting.append((lane, parent, True))
        waiting += [(child, lane, False) for child in reversed(tree.below.get(lane.ref, ()))]
    return [_loop(tree, *second[key], deepest[key]) for key in second]


def _is_known(lane: Lane) -> bool:
    return bool(lane.agent_name and lane.task)


def _is_echo(lane: Lane, parent: Lane | None) -> bool:
    """Return whether a run is its parent seen again by another instrumentation."""
    if parent is None or (parent.agent_name, parent.task) != (lane.agent_name, lane.task):
        return False
    return not parent.steps or parent.steps[0].start_ns >= lane.start_ns


def _loop(tree: AgentTree, outer: Lane, inner: Lane, depth: int) -> Loop:
    wasted = tree.steps(inner)
    return Loop(
        code="recursion",
        lane=outer,
        severity="critical" if depth >= _CRITICAL else "warning",
        first=[place for place in tree.steps(outer) if place.lane.ref == outer.ref],
        wasted=wasted,
        warn=0,
        period=1,
        copies=depth,
        said=f"The agent handed its own task to itself, {depth} runs deep.",
        advice="Do not offer an agent to itself as a tool, or limit the depth.",
        is_last=inner.is_open,
        details={"agents": [outer.agent_name], "depth": depth},
    )
