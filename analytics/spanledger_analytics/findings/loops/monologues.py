"""Monologues: a model that answers the same again, with neither a tool nor a person in between."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from spanledger_analytics.findings.lanes import Lane, ModelCall, Texts
from spanledger_analytics.findings.loops.loop import Loop, places
from spanledger_analytics.findings.loops.steps import LoopView
from spanledger_analytics.findings.loops.wording import Wording, read_wording


@dataclass(frozen=True, slots=True)
class MonologueLimits:
    """How many equal answers make a monologue; OpenHands takes 3.

    Attributes:
        copies: to warn, and to be critical.
        words: texts with fewer are equal only to themselves.
        alike_ratio: share of the words that alike texts have in common.
    """

    copies: tuple[int, int] = (3, 5)
    words: int = 10
    alike_ratio: float = 0.95


MONOLOGUES = MonologueLimits()


def find_monologues(view: LoopView) -> list[Loop]:
    """Return answers without tools that say the same, one after the other in one conversation.

    Calls whose conversation does not grow by the answer before are a batch, not a monologue.
    """
    found: list[Loop] = []
    for lane in view.trace.lanes:
        for group in _talk(lane):
            says = _Sayings(lane, view.trace.texts)
            start = 0
            for at in range(1, len(group) + 1):
                if at == len(group) or not says.is_again(group[at - 1], group[at]):
                    if at - start >= MONOLOGUES.copies[0]:
                        found.append(_loop(lane, group[start:at]))
                    start = at
    return found


def _talk(lane: Lane) -> list[list[int]]:
    """Return runs of answers without tools in which each conversation goes on with the last."""
    groups: list[list[int]] = []
    before: ModelCall | None = None
    for number, step in enumerate(lane.steps):
        call = step.model
        if call is None or step.tools:
            before = None
        elif not call.is_error:
            if before is not None and _goes_on(lane, before, call):
                groups[-1].append(number)
            else:
                groups.append([number])
            before = call
    return [group for group in groups if len(group) >= MONOLOGUES.copies[0]]


def _goes_on(lane: Lane, before: ModelCall, call: ModelCall) -> bool:
    human = lane.human_ns
    if bisect_right(human, before.start_ns) != bisect_right(human, call.start_ns):
        return False
    if before.input and call.input:
        size = len(before.input)
        return len(call.input) > size and call.input[:size] == before.input
    if not lane.agent_name or before.input_tokens is None or call.input_tokens is None:
        return False
    return call.input_tokens > before.input_tokens


@dataclass(frozen=True, slots=True)
class _Sayings:
    lane: Lane
    texts: Texts

    def is_again(self, one: int, other: int) -> bool:
        """Return whether two steps answered the same."""
        first, second = self.lane.steps[one].model, self.lane.steps[other].model
        if first is None or second is None:
            return False
        if first.output and first.output == second.output:
            return True
        read: Callable[[ModelCall], str] = self.texts.output
        return _is_alike(read_wording(read(first)), read_wording(read(second)))


def _is_alike(one: Wording, other: Wording) -> bool:
    if min(one.size, other.size) < MONOLOGUES.words:
        return bool(one.plain) and one.size > 0 and one.plain == other.plain
    shared = len(one.words & other.words)
    both = len(one.words) + len(other.words) - shared
    return shared >= MONOLOGUES.alike_ratio * both


def _loop(lane: Lane, numbers: list[int]) -> Loop:
    warn, stop = MONOLOGUES.copies
    copies = len(numbers)
    return Loop(
        code="monologue",
        lane=lane,
        severity="critical" if copies >= stop else "warning",
        first=places(lane, numbers[:1]),
        wasted=places(lane, numbers[1:]),
        warn=warn - 1,
        period=1,
        copies=copies,
        said=f"The model answered the same {copies} times, and nothing happened in between.",
        advice="Stop the agent when it answers without calling a tool, or ask a person.",
        is_last=numbers[-1] == len(lane.steps) - 1,
    )
