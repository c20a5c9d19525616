"""How many tool calls of a trajectory did nothing new."""

from __future__ import annotations

from collections.abc import Sequence

from spanledger_analytics.golden.alignment import DiffStep

_LONGEST_PERIOD = 8
_COPIES = 3  # twice may be a check


def repeated_calls(steps: Sequence[DiffStep]) -> int:
    """Return the tool calls that repeat a pattern of one to eight calls beyond its first copy.

    Only patterns that come three times in a row count, with equal arguments and results: a poll
    whose answer changes is no loop, and a call without signatures is never part of one.
    """
    calls = [(s.agent, s.what, s.call_sig, s.result_sig) for s in steps if s.role == "tool"]
    is_known = [bool(call[2] and call[3]) for call in calls]
    is_taken = [False] * len(calls)
    repeated = 0
    for period in range(1, _LONGEST_PERIOD + 1):
        equal = 0  # calls in a row that are as the one a period before
        for at in range(period, len(calls) + 1):
            is_equal = at < len(calls) and calls[at] == calls[at - period] and is_known[at]
            if is_equal and not is_taken[at] and not is_taken[at - period]:
                equal += 1
                continue
            if equal >= (_COPIES - 1) * period:
                repeated += equal
                for place in range(at - equal - period, at):
                    is_taken[place] = True
            equal = 0
    return repeated
