"""Which sums on agents are told call by call in other traces of their session (rule R1).

A library that starts the agent's program before a turn begins sees the turn from outside: the
program's calls lie in traces of their own, and only the session ties them to the library's sum.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from spanledger_analytics._siblings import is_inside

if TYPE_CHECKING:
    from spanledger_analytics.calls import Call

SLACK_NS = 10_000_000  # by which the clocks of two programs on one machine may differ
_MOST_COMPARED = 1_000  # calls of one session during one sum; keeps hostile input linear


class Stretch(NamedTuple):
    """A time of a session, in UTC nanoseconds; of a sum, with the trace it lies in."""

    session_id: str
    start_ns: int
    end_ns: int
    trace_id: str = ""


def without_told(sums: list[Call], calls: Iterable[Call]) -> list[Call]:
    """Return the sums that calls of the same session, inside them in time, do not amount to.

    Calls of another service count only where they amount to the very input of the sum: a service
    that an agent asks has the agent's session, and calls of its own.
    """
    told: defaultdict[str, list[Call]] = defaultdict(list)
    for call in calls if any(one.context.session_id for one in sums) else ():
        if _is_told(call):
            told[call.context.session_id].append(call)
    for of_session in told.values():
        of_session.sort(key=_start_ns)
    return [one for one in sums if not _amount_to(told.get(one.context.session_id, []), one)]


def _is_told(call: Call) -> bool:
    return bool(call.context.session_id) and call.kind == "llm" and call.tokens.is_known


def _start_ns(call: Call) -> int:
    return call.primary.start_ns


def _amount_to(calls: list[Call], whole: Call) -> bool:
    first = bisect_left(calls, whole.primary.start_ns - SLACK_NS, key=_start_ns)
    inputs: Counter[str] = Counter()
    for call in calls[first : first + _MOST_COMPARED]:
        if is_inside(call.primary, whole.primary, SLACK_NS):
            inputs[call.service_name] += call.tokens.input or 0
    wanted = whole.tokens.input or 0
    own = inputs.get(whole.service_name)
    return (own is not None and own >= wanted) or (wanted > 0 and wanted in inputs.values())


def sums_of_sessions(calls: Iterable[Call]) -> list[Stretch]:
    """Return when the sums among some calls were made, of those that name a session."""
    return [
        Stretch(session_id, call.primary.start_ns, call.primary.end_ns, call.primary.trace_id)
        for call in calls
        if call.usage_source == "aggregate" and (session_id := call.context.session_id)
    ]


def sessions_of_calls(calls: Iterable[Call]) -> list[Stretch]:
    """Return for each session when its calls that tell tokens were made, sums left out."""
    found: dict[str, Stretch] = {}
    for call in calls:
        if not _is_told(call) or call.usage_source == "aggregate":
            continue
        name, span = call.context.session_id, call.primary
        known = found.get(name) or Stretch(name, span.start_ns, span.end_ns)
        start_ns, end_ns = min(known.start_ns, span.start_ns), max(known.end_ns, span.end_ns)
        found[name] = Stretch(name, start_ns, end_ns)
    return list(found.values())
