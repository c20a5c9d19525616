"""Chanting: one answer that says the same over and over, often up to the limit of tokens.

The rule of Gemini CLI (packages/core/src/services/loopDetectionService.ts): a piece of 50
characters comes 10 times at a mean distance of at most 250. Code, tables and lists repeat by
nature and are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from spanledger_analytics.findings.lanes import ModelCall, Texts
from spanledger_analytics.findings.loops.loop import Loop, places
from spanledger_analytics.findings.loops.steps import LoopView


@dataclass(frozen=True, slots=True)
class ChantLimits:
    """What makes an answer a chant.

    Attributes:
        chunk: characters of a piece.
        copies: how often it comes.
        distance: most characters from one to the next, in the mean.
        long_tokens: answers as long as this are read; those cut off by a limit always.
    """

    chunk: int = 50
    copies: int = 10
    distance: int = 250
    long_tokens: int = 2_000


CHANTS = ChantLimits()
_CUT_OFF = frozenset(("length", "max_tokens", "model_length", "MAX_TOKENS"))
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_BLOCK_LINE = re.compile(r"^\s*(?:[|+*#>-]|\d+[.)]).*$", re.MULTILINE)
_SPACE = re.compile(r"\s+")


def find_chants(view: LoopView) -> list[Loop]:
    """Return the answers that repeat themselves."""
    found: list[Loop] = []
    for lane in view.trace.lanes:
        for number, step in enumerate(lane.steps):
            if step.model is None or not _is_long(step.model):
                continue
            copies = _copies(step.model, view.trace.texts)
            if copies:
                found.append(
                    Loop(
                        code="chant",
                        lane=lane,
                        severity="warning",
                        first=(),
                        wasted=places(lane, [number]),
                        warn=1,
                        period=1,
                        copies=copies,
                        said=f"One answer says the same {copies} times or more.",
                        advice="Lower the limit of output tokens, or set a frequency penalty.",
                        is_sure=False,
                        is_output=True,
                        is_last=number == len(lane.steps) - 1,
                    )
                )
    return found


def count_chant(text: str) -> int:
    """Return how often the most frequent piece of a text comes close to itself; 0: no chant."""
    prose = _SPACE.sub(" ", _BLOCK_LINE.sub(" ", _FENCE.sub(" ", text)))
    size = CHANTS.chunk
    if len(prose) < size * CHANTS.copies:
        return 0
    at: dict[str, list[int]] = {}
    for place in range(len(prose) - size + 1):
        seen = at.setdefault(prose[place : place + size], [])
        if not seen or place - seen[-1] >= size:  # a run of one letter overlaps with itself
            seen.append(place)
    often = [seen for piece, seen in at.items() if len(seen) >= CHANTS.copies and piece.strip()]
    close = [
        len(seen) for seen in often if (seen[-1] - seen[0]) / (len(seen) - 1) <= CHANTS.distance
    ]
    return max(close, default=0)


def _is_long(call: ModelCall) -> bool:
    return call.finish_reason in _CUT_OFF or (call.output_tokens or 0) >= CHANTS.long_tokens


def _copies(call: ModelCall, texts: Texts) -> int:
    text = texts.output(call)
    return count_chant(text) if text else 0
