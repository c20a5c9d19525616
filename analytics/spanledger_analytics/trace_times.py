"""When a trace was at work, when it waited for a person or something else, and where it stopped.

At each moment of a trace

1. it is active when a span runs that has no children and does not wait itself,
2. else it waits when something waits: a ``wait`` of our SDK, a span whose name says that it lasts
   as long as a person takes, the time between an interrupt of a framework and what comes next, the
   time before a signal to a Temporal workflow,
3. else it is active when any span runs: an agent between two of its steps.

So an agent's own span, which lasts as long as its waits, does not count as work meanwhile, and work
of a parallel branch does.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import lru_cache
from typing import NamedTuple

from spanledger_analytics.intervals import Interval, length, union, without
from spanledger_analytics.spans import Span

HUMAN = "human"
INTERRUPT = "interrupt"
"""Why a framework stopped: for a person to decide; the next trace of the trajectory goes on."""
_WAIT = "wait"
_PAUSE = "pause"
_OTHER = "other"
_SIGNALS = ("HandleSignal:", "HandleUpdate:")
_THINKING = frozenset(("llm", "embedding", "agent"))
# Spans that last as long as a person takes: Claude Code's tool.blocked_on_user, AskUserQuestion,
# MCP's elicitation/create, and what people call such tools and nodes themselves. The trace view
# marks the same ones (dashboard, trace/marks/waits.py).
_ASKS = re.compile(
    r"blocked[_ .-]?on[_ .-]?user"
    r"|(?:ask|await|request|wait[_ .-]?for)[_ .-]?(?:the[_ .-])?"
    r"(?:user|human|person|approval|confirmation|permission)"
    r"|(?:human|user)[_ .-]?(?:input|approval|review|feedback|confirmation|in[_ .-]the[_ .-]loop)"
    r"|elicitation",
    re.IGNORECASE,
)


class Pause(NamedTuple):
    """A place where a trace stopped to wait, and nothing in it went on.

    ``since_ns`` in UTC nanoseconds; ``reason`` is whom it waits for, or INTERRUPT.
    """

    span_id: str
    since_ns: int
    reason: str


class TraceTimes(NamedTuple):
    """How a trace spent its time: intervals that do not overlap, but ``human`` is in ``waiting``.

    ``waits`` are the ids of spans that are waits themselves.
    """

    active: list[Interval]
    waiting: list[Interval]
    human: list[Interval]
    pauses: tuple[Pause, ...]
    waits: frozenset[str]

    @property
    def lengths(self) -> tuple[int, int, int]:
        """Active, waiting and waiting for a person, in nanoseconds."""
        return length(self.active), length(self.waiting), length(self.human)


def trace_times(spans: list[Span]) -> TraceTimes:
    """Return how the time of one trace was spent; ``spans`` in order of start."""
    special = [span for span in spans if span.step_kind or _is_named(span)]
    if not special:
        covered = union((span.start_ns, span.end_ns) for span in spans)
        return TraceTimes(covered, [], [], (), frozenset())
    waits = [span for span in special if span.step_kind in ("", _WAIT) and not _is_signal(span)]
    found = [(span.start_ns, span.end_ns, _is_for_human(span)) for span in waits]
    found += [(*gap, False) for gap in _before_signals(spans, special)]
    resumed, pauses = _interrupts(spans, special)
    found += [(*gap, True) for gap in resumed]
    pauses += _pauses(special)
    ids = frozenset(span.span_id for span in waits)
    waiting = union((start, end) for start, end, _ in found)
    active = _active(spans, ids, waiting)
    return TraceTimes(
        active,
        without(waiting, active),
        without(union((start, end) for start, end, is_human in found if is_human), active),
        tuple(sorted(pauses, key=lambda pause: (pause.since_ns, pause.span_id))),
        ids,
    )


def _active(spans: list[Span], waits: frozenset[str], waiting: list[Interval]) -> list[Interval]:
    parents = {span.parent_span_id for span in spans}
    working = [span for span in spans if span.span_id not in waits]
    covered = union((span.start_ns, span.end_ns) for span in working)
    leaves = ((s.start_ns, s.end_ns) for s in working if s.span_id not in parents)
    return union((*without(covered, waiting), *leaves))


@lru_cache(maxsize=4096)
def _asks(name: str) -> bool:
    return _ASKS.search(name) is not None


def _is_named(span: Span) -> bool:
    """Whether the names say that it waits for a person, or that something was waited for."""
    if span.role in _THINKING:
        return False
    return _asks(span.name) or (span.tool_name != "" and _asks(span.tool_name)) or _is_signal(span)


def _is_signal(span: Span) -> bool:
    return span.dialect == "temporal" and span.name.startswith(_SIGNALS)


def _is_for_human(span: Span) -> bool:
    return not span.step_kind or span.wait_for == HUMAN


def _before_signals(spans: list[Span], special: list[Span]) -> list[Interval]:
    """Return the time from the last work of a workflow to each signal it got."""
    found: list[Interval] = []
    for signal in filter(_is_signal, special):
        ends = [span.end_ns for span in spans if span.start_ns < signal.start_ns]
        if ends and max(ends) < signal.start_ns:
            found.append((max(ends), signal.start_ns))
    return found


def _interrupts(spans: list[Span], special: list[Span]) -> tuple[list[Interval], list[Pause]]:
    """Return how long interrupts lasted that this trace went on after, and the other ones."""
    stopped = {span.span_id: span for span in special if span.step_kind == INTERRUPT}
    starts = [span.start_ns for span in spans]
    resumed: list[Interval] = []
    pauses: list[Pause] = []
    for span in stopped.values():
        if span.parent_span_id in stopped:  # the same interrupt on its way up
            continue
        after = bisect_left(starts, max(span.end_ns, span.start_ns + 1))
        if after < len(starts):
            resumed.append((span.end_ns, starts[after]))
        else:
            pauses.append(Pause(span.span_id, span.end_ns, INTERRUPT))
    return resumed, pauses


def _pauses(special: list[Span]) -> list[Pause]:
    """Return the pauses of our SDK of which nobody recorded how long they lasted."""
    ended = {span.start_ns for span in special if span.step_kind == _WAIT}
    return [
        Pause(span.span_id, span.start_ns, span.wait_for or _OTHER)
        for span in special
        if span.step_kind == _PAUSE and span.start_ns not in ended
    ]
