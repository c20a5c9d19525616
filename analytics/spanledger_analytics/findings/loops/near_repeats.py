"""Near-repeats: calls that ask for the same in other words and get the same result.

Only lanes are read in which the same tools gave the same results three times over; a page, an
offset or a file's name is short, and short texts that differ ask for something else.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from spanledger_analytics.findings.lanes import Texts, ToolCall, TraceView
from spanledger_analytics.findings.loops.loop import Loop, repeated
from spanledger_analytics.findings.loops.polls import is_waiting
from spanledger_analytics.findings.loops.repetition import (
    KindOf,
    Repeat,
    merged,
    noisy_cycles,
    tandem_repeats,
)
from spanledger_analytics.findings.loops.steps import LoopView, Segment, Turn
from spanledger_analytics.findings.loops.wording import Wording, is_same, read_wording

_SAID = "The same was asked in other words {copies} times, with the same results."
_ADVICE = "Tell the agent that another wording changes nothing, or stop it."
_MOST_COMPARED = 8  # of a tool's long texts, the newest


@dataclass(slots=True)
class _Requests:
    """Numbers for what calls ask for: equal for the same in other words."""

    texts: Texts
    known: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    recent: dict[str, list[tuple[Wording, int]]] = field(
        default_factory=dict[str, list[tuple[Wording, int]]]
    )

    def number(self, tool: ToolCall) -> int:
        """Return the number of a call's request; below zero: not known, equal to nothing."""
        text = self.texts.arguments(tool)
        if not text:
            return -1
        wording = read_wording(text)
        key = (tool.name, wording.plain)
        if key not in self.known:
            recent = self.recent.setdefault(tool.name, [])
            alike = (number for other, number in reversed(recent) if is_same(wording, other))
            self.known[key] = next(alike, len(self.known))
            recent.append((wording, self.known[key]))
            del recent[:-_MOST_COMPARED]
        return self.known[key]


def find_near_repeats(view: LoopView) -> list[Loop]:
    """Return repeats whose calls differ in wording alone; never critical, and not sure."""
    return [loop for segment in view.segments for loop in _near(segment, view.trace)]


def _near(segment: Segment, trace: TraceView) -> list[Loop]:
    results = [tool.result_sig for turn in segment.turns for tool in turn.tools]
    if len(set(results)) == len(results):
        return []
    requests = _Requests(trace.texts)
    asked: list[Hashable] = [None] * len(segment.turns)
    for repeat in _repeats(_numbered([_outcome(turn) for turn in segment.turns]), segment.kind):
        turns = segment.turns[repeat.first : repeat.end]
        if not _is_exact(segment, repeat) and not is_waiting(turns, trace.poll_tools):
            asked[repeat.first : repeat.end] = [_asked(turn, requests) for turn in turns]
    groups = merged(_repeats(_numbered(asked), segment.kind))
    return [repeated(segment, group, "warning", _SAID, _ADVICE, code="near") for group in groups]


def _repeats(ids: Sequence[int], kind_of: KindOf) -> list[Repeat]:
    return tandem_repeats(ids) + noisy_cycles(ids, kind_of=kind_of)


def _is_exact(segment: Segment, repeat: Repeat) -> bool:
    """Return whether the calls are equal as well, so that nothing is left to find."""
    ids = segment.ids[repeat.first : repeat.end]
    return any(
        one.end - one.first == repeat.end - repeat.first
        for one in _repeats(ids, lambda place: segment.kind(repeat.first + place))
    )


def _outcome(turn: Turn) -> Hashable:
    if not all(tool.result_sig for tool in turn.tools):
        return None
    return tuple(sorted((tool.name, tool.result_sig) for tool in turn.tools))


def _asked(turn: Turn, requests: _Requests) -> Hashable:
    numbers = sorted((t.name, requests.number(t), t.result_sig) for t in turn.tools)
    return None if any(number < 0 for _, number, _ in numbers) else tuple(numbers)


def _numbered(keys: list[Hashable]) -> list[int]:
    """Return a number for each key, equal for equal ones; None is equal to nothing."""
    seen: dict[Hashable, int] = {}
    return [
        -place - 1 if key is None else seen.setdefault(key, place) for place, key in enumerate(keys)
    ]
