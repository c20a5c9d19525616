"""Puts off traces that go on while there is much to do: each piece has the whole derived again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

Trace = tuple[str, str]
"""Project and trace id."""

_LEAST_BUSY_S = 0.25
"""Runs that take less leave enough of a processor: nothing is put off."""
_TIMES_BUSY = 8
_FADES = 0.8
_NS = 1e9


class Holding:
    """Traces without their first span, put off for eight times as long as runs keep busy.

    Most instrumentations send that span last, so most traces are derived once, when they are over,
    and not with every piece of them that arrives. Held traces live in memory only: ``most_s`` is to
    be well below what a new reader of touches hands out again.

    Args:
        most_s: as long as a trace is put off at most; 0: none is.
        now_ns: the clock, UTC nanoseconds.
    """

    def __init__(self, most_s: float, now_ns: Callable[[], int]) -> None:
        self._most_s = most_s
        self._now_ns = now_ns
        self._busy_s = 0.0
        self._since_ns: dict[Trace, int] = {}

    def __len__(self) -> int:
        """How many traces are put off."""
        return len(self._since_ns)

    def was_busy(self, busy_s: float) -> None:
        """Say how much processor time a run took; what runs before took fades."""
        self._busy_s = max(busy_s, self._busy_s * _FADES)

    def due(self, touched: Iterable[Trace], unrooted: Collection[Trace]) -> list[Trace]:
        """Return which of these traces, and of those put off before, are to be handled now.

        Call ``handled`` with them when they were; until then they come again.
        """
        now_ns = self._now_ns()
        held_ns = self._held_ns()
        for trace in touched:
            # 0 is long ago: due at once.
            since_ns = now_ns if trace in unrooted else 0
            self._since_ns[trace] = min(since_ns, self._since_ns.get(trace, since_ns))
        return [
            trace
            for trace, since_ns in self._since_ns.items()
            # A clock that was set back lets nothing wait for it.
            if not 0 <= now_ns - since_ns < held_ns
        ]

    def all(self, touched: Iterable[Trace]) -> list[Trace]:
        """Return these traces and those put off before: nothing is to be left behind."""
        return list(dict.fromkeys((*self._since_ns, *touched)))

    def handled(self, traces: Iterable[Trace]) -> None:
        """Forget traces that were handled."""
        for trace in traces:
            self._since_ns.pop(trace, None)

    def _held_ns(self) -> float:
        if self._busy_s < _LEAST_BUSY_S:
            return 0
        return min(self._most_s, _TIMES_BUSY * self._busy_s) * _NS
