"""Repeated calls: exact repeats, cycles, retries of what fails, and polls.

A poll is a call that is made again to see whether something changed: its results differ, or the
agent waits in between, or the tool is called so. Polls get the room of ``same_call``, and only
money, haste or results that go nowhere make them more than a hint.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from spanledger_analytics.findings.finding import Severity
from spanledger_analytics.findings.loops.loop import Loop, repeated, worst_of
from spanledger_analytics.findings.loops.money import cost_of
from spanledger_analytics.findings.loops.polls import POLLS, is_named, is_waiting, pause_ns
from spanledger_analytics.findings.loops.repetition import (
    LIMITS,
    LoopLimits,
    Repeat,
    call_repeats,
    merged,
    noisy_cycles,
    tandem_repeats,
)
from spanledger_analytics.findings.loops.steps import LoopView, Segment

_SAID = {
    "exact": "The same call gave the same result {copies} times in a row.",
    "cycle": "The same {period} steps came {copies} times in turn, with the same results.",
    "error_retry": "The same call failed {copies} times in a row.",
    "same_call": "The same call was made {copies} times in a row.",
}
_ADVICE = {
    "exact": "Tell the agent that it has this result already, or stop it at the second copy.",
    "cycle": "Limit how often the agent may come back to a step, or ask a person.",
    "error_retry": "Give the agent the reason of the failure, or stop after the second one.",
    "same_call": "Wait for an event, or longer, instead of asking the model each time.",
}


def find_repeats(view: LoopView) -> list[Loop]:
    """Return the repeats of each segment of a lane, of which those that overlap are one."""
    return [loop for one in view.segments for loop in _repeats(one, view.trace.poll_tools)]


def _repeats(segment: Segment, poll_tools: frozenset[str]) -> list[Loop]:
    rated = [_rated(segment, one, poll_tools) for one in repeats_of(segment)]
    severities: dict[Repeat, Severity] = {
        one: severity for one, severity in rated if severity is not None
    }
    found: list[Loop] = []
    for group in merged(severities):
        worst = worst_of(severities[one] for one in group)
        kind = group[0].kind
        found.append(repeated(segment, group, worst, _SAID[kind], _ADVICE[kind]))
    return found


def repeats_of(segment: Segment, limits: LoopLimits = LIMITS) -> list[Repeat]:
    """Return what repeats in a segment of a lane, with streaks of a call that money may judge."""
    if not segment.repeats:
        return []
    found = tandem_repeats(segment.ids, limits)
    found += noisy_cycles(segment.ids, limits, segment.kind)
    polls = replace(limits, same_call=(POLLS.fewest, limits.same_call[1]))
    return found + call_repeats(segment.calls, segment.errors, polls)


def _rated(
    segment: Segment, repeat: Repeat, poll_tools: frozenset[str]
) -> tuple[Repeat, Severity | None]:
    """Return a repeat, as a poll if it is one, and how much it matters; None: not at all."""
    if repeat.kind == "error_retry" and not repeat.is_critical and _goes_on(segment, repeat):
        return repeat, None  # in the end it worked
    if repeat.kind != "same_call" and not _is_poll(segment, repeat, poll_tools):
        return repeat, "critical" if repeat.is_critical else "warning"
    warn = repeat.first + LIMITS.same_call[0] * repeat.period - 1
    poll = repeat._replace(kind="same_call", warn=min(warn, repeat.end - 1))
    return poll, _rate_poll(segment, repeat)


def _is_poll(segment: Segment, repeat: Repeat, poll_tools: frozenset[str]) -> bool:
    turns = segment.turns[repeat.first : repeat.end]
    if repeat.kind == "error_retry":
        return is_named(turns, poll_tools)
    return _goes_on(segment, repeat) or is_waiting(turns, poll_tools)


def _goes_on(segment: Segment, repeat: Repeat) -> bool:
    """Return whether the same call in the end returned something else."""
    calls, end = segment.calls, repeat.end
    return repeat.period == 1 and end < len(calls) and calls[end - 1] == calls[end]


def _rate_poll(segment: Segment, repeat: Repeat) -> Severity | None:
    if repeat.copies < POLLS.fewest:
        return None
    warn, stop = LIMITS.same_call
    cost = _cost(segment, repeat)
    if cost >= POLLS.warn_usd:
        return "critical" if cost >= POLLS.critical_usd else "warning"
    turns = segment.turns[repeat.first : repeat.end]
    pause = pause_ns(turns)
    results = set(segment.ids[repeat.first : repeat.end])
    is_going = len(results) >= POLLS.going_ratio * len(turns)
    if repeat.copies < warn:
        is_hasty = segment.lane.steps[turns[0].places[0]].model is None and pause < POLLS.hasty_ns
        return "warning" if is_hasty and repeat.copies >= POLLS.hasty and not is_going else None
    if is_going or pause >= POLLS.wait_ns:
        return "info"
    return "critical" if repeat.copies >= stop else "warning"


def _cost(segment: Segment, repeat: Repeat) -> Decimal:
    steps = [segment.lane.steps[n] for n in segment.numbers(range(repeat.first, repeat.end))]
    return cost_of(steps) or Decimal(0)
