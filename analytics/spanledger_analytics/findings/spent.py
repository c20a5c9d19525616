"""What traces of one session, or of one user's day, cost before and after each other."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from spanledger_analytics._rows import Literal, columns_of
from spanledger_analytics.findings.changes import ChangedTrace
from spanledger_analytics.findings.detectors.amplification import (
    KIND,
    MAX_SESSION_USD,
    MAX_USER_DAY_USD,
    allowed_usd,
)
from spanledger_analytics.findings.finding import finding_id
from spanledger_analytics.findings.lanes import TraceView
from spanledger_storage.store import Store

DAY_NS = 86_400 * 10**9
_Key = tuple[str, str, int]
"""The limit; the session, or the user and the UTC day."""
_Place = tuple[int, str]
"""Start and id of a trace: their order."""


class _Trace(NamedTuple):
    """Field names are the columns of ``findings_spent_before``."""

    trace_id: str
    session_id: str
    user_id: str
    start_ns: int
    cost_usd: Decimal
    spans: int


class _Line:
    """Traces of one session or user's day, by start."""

    def __init__(self, traces: Iterable[_Trace]) -> None:
        self._traces = sorted(traces, key=lambda one: (one.start_ns, one.trace_id))
        self._places = [(one.start_ns, one.trace_id) for one in self._traces]
        costs = (one.cost_usd for one in self._traces)
        self._sums = list(accumulate(costs, initial=Decimal(0)))

    def before(self, place: _Place) -> Decimal:
        """Return what traces that began earlier, but no more than a day, cost together."""
        low = bisect_left(self._places, (place[0] - DAY_NS, ""))
        return self._sums[bisect_left(self._places, place)] - self._sums[low]

    def beyond(self, allowed: Decimal) -> list[_Trace]:
        """Return the traces that go beyond a limit, by start."""
        return [
            one
            for place, one in zip(self._places, self._traces, strict=True)
            if (before := self.before(place)) <= allowed < before + one.cost_usd
        ]


class Spent:
    """What was spent around some traces, of the sessions and users that have a limit."""

    def __init__(self, traces: Sequence[_Trace], limits: Mapping[str, float]) -> None:
        self._limits = limits
        lines: defaultdict[_Key, list[_Trace]] = defaultdict(list)
        for one in traces:
            for key in _keys(one, limits):
                lines[key].append(one)
        self._lines = {key: _Line(of_key) for key, of_key in lines.items()}

    @classmethod
    def around(
        cls,
        store: Store,
        project: str,
        traces: Sequence[TraceView | ChangedTrace],
        limits: Mapping[str, float],
        after_ns: int = 1,
    ) -> Spent:
        """Read what traces cost that began up to a day before some, or so long after.

        Raises:
            StoreError: the store refused or did not answer.
        """
        sessions = {one.session_id for one in traces if MAX_SESSION_USD in limits} - {""}
        users = {one.user_id for one in traces if MAX_USER_DAY_USD in limits} - {""}
        if not sessions and not users:
            return cls((), limits)
        starts = [one.start_ns for one in traces if one.session_id or one.user_id]
        params: dict[str, object] = {
            "project": project,
            "from_ns": max(0, min(starts) - DAY_NS),
            "to_ns": max(starts) + after_ns,
            "session_ids": Literal(sorted(sessions)),
            "user_ids": Literal(sorted(users)),
        }
        table = store.arrow("findings_spent_before", params)
        return cls([_Trace._make(row) for row in columns_of(table, _Trace._fields)], limits)

    def before(self, view: TraceView, limit: str) -> Decimal:
        """Return what the session or user had spent when a trace began."""
        lines = [self._lines[key] for key in _keys(view, (limit,)) if key in self._lines]
        return sum((line.before((view.start_ns, view.trace_id)) for line in lines), Decimal(0))

    def told_by(self, changed: Iterable[ChangedTrace]) -> list[ChangedTrace]:
        """Return the traces that go beyond a limit of a session or user because of others.

        For each that changed the first one within a day after it: of a session with very many
        traces no more than that one.
        """
        beyond: dict[_Key, list[_Trace]] = {}
        found: dict[str, ChangedTrace] = {}
        for one in changed:
            for key in _keys(one, self._limits):
                if key in self._lines and key not in beyond:
                    allowed = allowed_usd(self._limits[key[0]])
                    beyond[key] = self._lines[key].beyond(allowed)
                tells = _first_after(beyond.get(key, ()), (one.start_ns, one.trace_id))
                if tells is not None:
                    found[tells.trace_id] = ChangedTrace(tells.trace_id, tells.spans)
        return list(found.values())


def told_ids(changed: Iterable[ChangedTrace], limits: Iterable[str]) -> dict[str, int]:
    """Return the ids of findings about the sessions and users of traces, if there are any.

    With each, when the first of those traces began, UTC nanoseconds.
    """
    found: dict[str, int] = {}
    for one in changed:
        for limit, who, day in _keys(one, limits):
            anchor = (who,) if limit == MAX_SESSION_USD else (who, str(day))
            told = finding_id(KIND, limit.removeprefix("max_"), *anchor)
            found[told] = min(found.get(told, one.start_ns), one.start_ns)
    return found


def _keys(one: TraceView | ChangedTrace | _Trace, limits: Iterable[str]) -> list[_Key]:
    """Return what a trace counts to, of what has a limit."""
    keys: list[_Key] = []
    if MAX_SESSION_USD in limits and one.session_id:
        keys.append((MAX_SESSION_USD, one.session_id, 0))
    if MAX_USER_DAY_USD in limits and one.user_id:
        keys.append((MAX_USER_DAY_USD, one.user_id, one.start_ns // DAY_NS))
    return keys


def _first_after(traces: Sequence[_Trace], place: _Place) -> _Trace | None:
    """Return the first of some traces at or after a place, and within a day of it."""
    at = bisect_left(traces, place, key=lambda one: (one.start_ns, one.trace_id))
    is_near = at < len(traces) and traces[at].start_ns <= place[0] + DAY_NS
    return traces[at] if is_near else None
