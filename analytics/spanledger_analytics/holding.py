"""Puts off traces that go on while there is much to do: each piece has the whole derived again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

Trace = tuple[str, str]
"""Project and trace id."""

_LEAST_BUSY_S = 0.25
"""Runs that take less leave enough of a processor: nothing is put off."""
_TIMES_BUSY = 8
_FADES = 0.8
_NS = 10**9


class _Held(NamedTuple):
    """Since when (UTC nanoseconds; 0: it is due), and when it was touched (UTC microseconds)."""

    since_ns: int
    touched_us: int


class Holding:
    """Traces without their first span, put off for eight times as long as runs keep busy.

    Most instrumentations send that span last, so most traces are derived once, when they are over,
    and not with every piece of them that arrives.

    Args:
        most_s: as long as a trace is put off at most; 0: none is.
        now_ns: the clock, UTC nanoseconds.
    """

    def __init__(self, most_s: float, now_ns: Callable[[], int]) -> None:
        self._most_s = most_s
        self._now_ns = now_ns
        self._busy_s = 0.0
        self._held: dict[Trace, _Held] = {}

    def __len__(self) -> int:
        """How many traces are put off."""
        return len(self._held)

    def was_busy(self, busy_s: float) -> None:
        """Say how much processor time a run took; what runs before took fades."""
        self._busy_s = max(busy_s, self._busy_s * _FADES)

    def add(self, touched: Iterable[Trace], unrooted: Collection[Trace], touched_us: int) -> None:
        """Take up traces: those of which only spans with a parent came may wait.

        Args:
            touched: what changed.
            unrooted: the part of it that goes on.
            touched_us: no earlier than when it was announced, UTC microseconds.
        """
        now_ns = self._now_ns()
        for trace in touched:
            new = _Held(now_ns if trace in unrooted else 0, touched_us)
            held = self._held.get(trace, new)
            self._held[trace] = _Held(
                min(held.since_ns, new.since_ns), min(held.touched_us, touched_us)
            )

    def due(self) -> list[Trace]:
        """Return what is to be handled now; it comes again until ``handled`` says that it was."""
        now_ns, most_ns = self._now_ns(), self._most_ns()
        # A clock that was set back lets nothing wait for it.
        return [
            trace for trace, held in self._held.items() if not 0 <= now_ns - held.since_ns < most_ns
        ]

    def handled(self, traces: Iterable[Trace]) -> None:
        """Forget traces that were handled."""
        for trace in traces:
            self._held.pop(trace, None)

    def position_us(self, handed_out_us: int) -> int:
        """Return up to where everything was handled, of what was handed out (UTC microseconds)."""
        return min((held.touched_us - 1 for held in self._held.values()), default=handed_out_us)

    def _most_ns(self) -> float:
        if self._busy_s < _LEAST_BUSY_S:
            return 0
        return min(self._most_s, _TIMES_BUSY * self._busy_s) * _NS
