"""What a lane did, as numbers to compare: turns with equal calls have equal numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from spanledger_analytics.findings.lanes import Lane, Step, ToolCall, TraceView


class Turn(NamedTuple):
    """Calls of tools that were asked for together; ``places`` are the lane's steps they are of."""

    places: tuple[int, ...]
    tools: tuple[ToolCall, ...]
    steps: tuple[Step, ...]

    @property
    def start_ns(self) -> int:
        """Start of the first step."""
        return self.steps[0].start_ns

    @property
    def end_ns(self) -> int:
        """End of the last of it."""
        return max(step.end_ns for step in self.steps)


class Segment(NamedTuple):
    """Turns of a lane between two events that make repetition sensible.

    ``ids`` compare call and result, ``calls`` the calls alone; what is not known is equal to
    nothing. Both hold for one segment.
    """

    lane: Lane
    turns: tuple[Turn, ...]
    ids: tuple[int, ...]
    calls: tuple[int, ...]
    errors: tuple[bool, ...]

    @property
    def repeats(self) -> bool:
        """Whether any call was made twice."""
        return len(set(self.calls)) < len(self.calls)

    def kind(self, position: int) -> Hashable:
        """Return the tools that a turn called, by name."""
        return tuple(sorted({tool.name for tool in self.turns[position].tools}))

    def numbers(self, at: Iterable[int]) -> list[int]:
        """Return the numbers in the lane of the steps of turns."""
        return [number for position in at for number in self.turns[position].places]


@dataclass(frozen=True, slots=True)
class LoopView:
    """A trace as the rules of loops see it: with the segments of its lanes."""

    trace: TraceView
    segments: tuple[Segment, ...]

    @classmethod
    def of(cls, trace: TraceView) -> LoopView:
        """Return the view of a trace."""
        changing = trace.mutating_tools
        found = (one for lane in trace.lanes for one in segments(lane, changing))
        return cls(trace, tuple(found))


def segments(lane: Lane, mutating_tools: frozenset[str] = frozenset()) -> list[Segment]:
    """Return the turns of a lane that called tools, in order; empty without any.

    Parallel calls are one turn. A call with the id of an earlier one is that call sent again, and
    only the last counts. A segment ends where a person says something, and with a change that was
    not made before: the same call after it is no repetition.
    """
    made: list[Segment] = []
    part: list[Turn] = []
    changes: set[Hashable] = set()
    human = 0
    for turn in _turns(lane):
        heard = bisect_right(lane.human_ns, turn.start_ns) if lane.human_ns else 0
        if part and heard != human:
            made.append(_segment(lane, part))
            part = []
        human = heard
        part.append(turn)
        if mutating_tools and _is_change(turn, mutating_tools, changes):
            made.append(_segment(lane, part))
            part = []
    if part:
        made.append(_segment(lane, part))
    return made


def _is_change(turn: Turn, mutating_tools: frozenset[str], seen: set[Hashable]) -> bool:
    """Return whether a turn changed something as no turn before it; ``seen`` is kept up."""
    _, key, is_error = _keys(turn.tools)
    if is_error or not any(tool.name in mutating_tools for tool in turn.tools):
        return False
    is_new = key is None or key not in seen
    seen.add(key)
    return is_new


def _turns(lane: Lane) -> Iterator[Turn]:
    last: Turn | None = None
    resent = _resent(lane.steps)
    for place, step in enumerate(lane.steps):
        tools = tuple(t for t in step.tools if id(t) not in resent) if resent else step.tools
        if not tools:
            continue
        turn = Turn((place,), tools, (step,))
        if last is not None:
            if _is_beside(last, step):
                last = Turn(
                    last.places + turn.places, last.tools + turn.tools, last.steps + turn.steps
                )
                continue
            yield last
        last = turn
    if last is not None:
        yield last


def _is_beside(turn: Turn, step: Step) -> bool:
    """Return whether a call that no model asked for began while those before it were at work."""
    if step.model is not None or turn.steps[-1].model is not None:
        return False
    return step.start_ns < turn.end_ns


def _resent(steps: tuple[Step, ...]) -> set[int]:
    """Return the calls, by identity, that were sent again under the same id."""
    last: dict[str, ToolCall] = {}
    again: set[int] = set()
    for step in steps:
        for tool in step.tools:
            if tool.call_id:
                before = last.get(tool.call_id)
                if before is not None and before.name == tool.name:
                    again.add(id(before))
                last[tool.call_id] = tool
    return again


def _segment(lane: Lane, turns: list[Turn]) -> Segment:
    seen: dict[Hashable, int] = {}
    seen_calls: dict[Hashable, int] = {}
    ids: list[int] = []
    calls: list[int] = []
    errors: list[bool] = []
    for place, turn in enumerate(turns):
        call, both, is_error = _keys(turn.tools)
        calls.append(-place - 1 if call is None else seen_calls.setdefault(call, place))
        ids.append(-place - 1 if both is None else seen.setdefault(both, place))
        errors.append(is_error)
    return Segment(lane, tuple(turns), tuple(ids), tuple(calls), tuple(errors))


def _keys(tools: tuple[ToolCall, ...]) -> tuple[Hashable, Hashable, bool]:
    """Return what to compare of the calls, of calls with results, and whether one failed."""
    if len(tools) == 1:
        tool = tools[0]
        call = tool.call_sig
        if not call:
            return None, None, tool.is_error
        result = tool.result_sig
        return call, (call, result, tool.is_error) if result else None, tool.is_error
    is_error = any(tool.is_error for tool in tools)
    if not all(tool.call_sig for tool in tools):
        return None, None, is_error
    pairs = sorted((tool.call_sig, tool.result_sig, tool.is_error) for tool in tools)
    calls = tuple(call for call, _, _ in pairs)
    return calls, tuple(pairs) if all(result for _, result, _ in pairs) else None, is_error
