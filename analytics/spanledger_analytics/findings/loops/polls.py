"""Polls: calls made again to see whether something changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from statistics import median

from spanledger_analytics.findings.loops.steps import Turn


@dataclass(frozen=True, slots=True)
class PollLimits:
    """When repeated calls are a poll, and when a poll is too much.

    Attributes:
        wait_ns: median pause between the steps from which on they are a poll.
        wait_alone_ns: the same where no call of a model was seen, which may have been at work.
        warn_usd: a streak that cost this is worth a warning, from ``fewest`` copies on.
        critical_usd: the same, to be critical.
        fewest: copies below which money says nothing.
        hasty: copies without any pause, where no model is asked, that are too many.
        hasty_ns: what is no pause.
        going_ratio: distinct results for each step from which on a poll gets somewhere.
    """

    wait_ns: int = 5_000_000_000
    wait_alone_ns: int = 30_000_000_000
    warn_usd: Decimal = Decimal(1)
    critical_usd: Decimal = Decimal(10)
    fewest: int = 5
    hasty: int = 10
    hasty_ns: int = 1_000_000_000
    going_ratio: float = 0.5


POLLS = PollLimits()
_WAIT_WORDS = frozenset(("await", "poll", "polling", "sleep", "wait"))
_LOOK_WORDS = frozenset(("check", "monitor", "progress", "status", "watch"))
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def is_waiting(turns: Sequence[Turn], poll_tools: frozenset[str] = frozenset()) -> bool:
    """Return whether steps wait for something: a tool is called so, or they pause in between."""
    if is_named(turns, poll_tools):
        return True
    is_alone = any(turn.steps[0].model is None for turn in turns)
    return pause_ns(turns) >= (POLLS.wait_alone_ns if is_alone else POLLS.wait_ns)


def is_named(turns: Sequence[Turn], poll_tools: frozenset[str]) -> bool:
    """Return whether a tool waits, or polls as the project says, or all look how something is."""
    names = {tool.name for turn in turns for tool in turn.tools}
    if not poll_tools.isdisjoint(names):
        return True
    said = [_words(name) for name in names]
    return any(words & _WAIT_WORDS for words in said) or all(words & _LOOK_WORDS for words in said)


def pause_ns(turns: Iterable[Turn]) -> float:
    """Return the median time between steps in which neither model nor tool was at work."""
    pauses = [after.start_ns - before.end_ns for before, after in pairwise(turns)]
    return median(pauses) if pauses else 0.0


@lru_cache(maxsize=1_024)
def _words(name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(name))
