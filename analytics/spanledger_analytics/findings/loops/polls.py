"""Polls: calls made again to see whether something changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import pairwise
from statistics import median

from spanledger_analytics.findings.loops.steps import Turn


@dataclass(frozen=True, slots=True)
class PollLimits:
    """When repeated calls are a poll, and when a poll is too much.

    Attributes:
        wait_ns: median pause between the steps from which on they are a poll.
        warn_usd: a streak that cost this is worth a warning, from ``fewest`` copies on.
        critical_usd: the same, to be critical.
        fewest: copies below which money says nothing.
        hasty: copies without any pause, where no model is asked, that are too many.
        hasty_ns: what is no pause.
        going_ratio: distinct results for each step from which on a poll gets somewhere.
    """

    wait_ns: int = 5_000_000_000
    warn_usd: Decimal = Decimal(1)
    critical_usd: Decimal = Decimal(10)
    fewest: int = 5
    hasty: int = 10
    hasty_ns: int = 1_000_000_000
    going_ratio: float = 0.5


POLLS = PollLimits()
_POLL_WORDS = frozenset(
    ("await", "check", "monitor", "poll", "polling", "progress", "sleep", "status", "wait", "watch")
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def is_waiting(turns: Sequence[Turn], poll_tools: frozenset[str] = frozenset()) -> bool:
    """Return whether steps wait for something: a tool is called so, or they pause in between."""
    names = {tool.name for turn in turns for tool in turn.tools}
    if not poll_tools.isdisjoint(names) or any(map(_is_poll_name, names)):
        return True
    return pause_ns(turns) >= POLLS.wait_ns


def pause_ns(turns: Iterable[Turn]) -> float:
    """Return the median time between steps in which neither model nor tool was at work."""
    pauses = [after.start_ns - before.end_ns for before, after in pairwise(turns)]
    return median(pauses) if pauses else 0.0


@cache
def _is_poll_name(name: str) -> bool:
    return any(word.lower() in _POLL_WORDS for word in _WORD.findall(name))
