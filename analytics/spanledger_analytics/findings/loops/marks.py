"""Which steps of a lane repeat the one before: marks for reading, with a lower bar than a finding.

A finding needs copies enough to be sure that it is a loop (``repetition.LoopLimits``); a mark says
no more than that this step does again what was done. People who judged consecutive actions of
coding agents (arXiv 2506.18824) mean by a repetition, besides the same call, these three.
"""

from __future__ import annotations

from dataclasses import dataclass

from spanledger_analytics.findings.lanes import Lane, Texts, ToolCall
from spanledger_analytics.findings.loops.steps import Turn, segments
from spanledger_analytics.findings.loops.wording import (
    WORDING,
    Wording,
    WordingLimits,
    is_alike,
    is_part,
    read_wording,
)


def repeated_steps(lane: Lane, texts: Texts, limits: WordingLimits = WORDING) -> list[int]:
    """Return the numbers of the steps, from 0, that repeat an earlier one.

    A step repeats the one before it when it

    1. makes the same calls, whatever comes of them,
    2. asks for the same, written another way: no empty values, a number as text,
    3. asks for it in nearly the same many words (``wording.is_alike``), and gets the same or fails,
    4. asks for the same with a part of it left out;

    and 5. it repeats any earlier step when its request is long, word for word the same, and fails.
    Without texts, as where content is not captured, only the first rule applies.
    """
    found: list[int] = []
    for segment in segments(lane):
        asked: set[tuple[str, str]] = set()
        before: _Asked | None = None
        for turn, call in zip(segment.turns, segment.calls, strict=True):
            after = _Asked(call, turn, _wording(turn, texts))
            if (
                before is not None
                and _is_again(before, after, limits)
                or _fails_again(after, asked, limits)
            ):
                found += turn.places
            if after.wording is not None:
                asked.add((after.tool.name, after.wording.plain))
            before = after
    return found


@dataclass(frozen=True, slots=True)
class _Asked:
    call: int
    turn: Turn
    wording: Wording | None

    @property
    def tool(self) -> ToolCall:
        return self.turn.tools[0]


def _wording(turn: Turn, texts: Texts) -> Wording | None:
    """Return the words of a turn of one call; None: they are not known."""
    text = texts.arguments(turn.tools[0]) if len(turn.tools) == 1 else ""
    return read_wording(text) if text else None


def _is_again(before: _Asked, after: _Asked, limits: WordingLimits) -> bool:
    if before.call == after.call:
        return True
    one, other = before.wording, after.wording
    if one is None or other is None or before.tool.name != after.tool.name:
        return False
    if one.plain == other.plain or is_part(other, one):
        return True
    return _is_in_vain(before, after) and is_alike(one, other, limits)


def _is_in_vain(before: _Asked, after: _Asked) -> bool:
    """Return whether a call failed or got what the one before got: it changed nothing."""
    has_failed = bool(after.tool.is_error or after.tool.evidence)
    is_equal = before.tool.result_sig == after.tool.result_sig != 0
    return has_failed or is_equal


def _fails_again(after: _Asked, asked: set[tuple[str, str]], limits: WordingLimits) -> bool:
    wording = after.wording
    if wording is None or wording.size < limits.long_words:
        return False
    return (
        bool(after.tool.is_error or after.tool.evidence)
        and (after.tool.name, wording.plain) in asked
    )
