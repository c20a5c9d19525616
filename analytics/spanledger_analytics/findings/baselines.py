"""What traces are measured by: how many calls are usual, what was spent before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple, cast

from spanledger_analytics._rows import Literal, columns_of
from spanledger_analytics.findings.detectors.amplification import (
    DEFAULTS,
    MAX_SESSION_USD,
    MAX_USER_DAY_USD,
)
from spanledger_analytics.findings.lanes import Baseline, TraceView
from spanledger_storage.store import Store

_S = 10**9
_DAY_NS = 86_400 * _S
_USUAL_DAYS = 14
_USUAL_LASTS_NS = 600 * _S
_UNKNOWN_LASTS_NS = 30 * _S
"""An agent that was not known is asked for again so soon: its first requests come fast."""
_FEWEST_TRACES = 20
"""Of fewer traces of an agent, 99 of 100 say nothing."""


class _Trace(NamedTuple):
    """Field names are the columns of ``findings_spent_before``."""

    trace_id: str
    session_id: str
    user_id: str
    start_ns: int
    cost_usd: Decimal


class Baselines:
    """Says of traces what is usual for their agents, and what their session and user spent before.

    Reads only what a limit or a long trace asks for; what is usual is kept for ten minutes.
    """

    def __init__(self, store: Store, now_ns: Callable[[], int]) -> None:
        self._store = store
        self._now_ns = now_ns
        self._usual: dict[str, tuple[int, dict[str, float]]] = {}

    def of(
        self, project: str, views: Sequence[TraceView], limits: Mapping[str, float]
    ) -> list[TraceView]:
        """Return the traces with their baselines.

        Raises:
            StoreError: the store refused or did not answer.
        """
        long = {view.agent_name for view in views if _calls(view) > DEFAULTS.soft_calls}
        usual = self._usual_calls(project, long) if long else {}
        spent = self._spent(project, views, limits)
        if not usual and not spent:
            return list(views)
        sessions, days = _by_session(spent), _by_user_day(spent)
        wants_session, wants_day = MAX_SESSION_USD in limits, MAX_USER_DAY_USD in limits
        return [
            replace(
                view,
                baseline=Baseline(
                    usual.get(view.agent_name),
                    _before(view, sessions[view.session_id]) if wants_session else None,
                    _before(view, days[_user_day(view)]) if wants_day else None,
                ),
            )
            for view in views
        ]

    def _usual_calls(self, project: str, agents: Set[str]) -> dict[str, float]:
        now_ns = self._now_ns()
        known = self._usual.get(project)
        if known is not None:
            lasts_ns = _USUAL_LASTS_NS if agents <= known[1].keys() else _UNKNOWN_LASTS_NS
            if 0 <= now_ns - known[0] < lasts_ns:
                return known[1]
        params: dict[str, object] = {
            "project": project,
            "from_s": (now_ns - _USUAL_DAYS * _DAY_NS) // _S,
            "to_s": now_ns // _S,
            "fewest": _FEWEST_TRACES,
        }
        table = self._store.arrow("findings_usual_calls", params)
        rows = cast("list[tuple[str, float]]", list(columns_of(table, ("agent", "p99"))))
        usual = {agent: float(p99) for agent, p99 in rows}
        self._usual[project] = now_ns, usual
        return usual

    def _spent(
        self, project: str, views: Sequence[TraceView], limits: Mapping[str, float]
    ) -> list[_Trace]:
        """Return the traces of the last day before, of the same sessions and users."""
        sessions = {view.session_id for view in views if MAX_SESSION_USD in limits} - {""}
        users = {view.user_id for view in views if MAX_USER_DAY_USD in limits} - {""}
        if not sessions and not users:
            return []
        starts = [view.start_ns for view in views]
        params: dict[str, object] = {
            "project": project,
            "from_ns": max(0, min(starts) - _DAY_NS),
            "to_ns": max(starts) + 1,
            "session_ids": Literal(sorted(sessions)),
            "user_ids": Literal(sorted(users)),
        }
        table = self._store.arrow("findings_spent_before", params)
        return [_Trace._make(row) for row in columns_of(table, _Trace._fields)]


def _calls(view: TraceView) -> int:
    return sum(step.model is not None for lane in view.lanes for step in lane.steps)


def _by_session(spent: Sequence[_Trace]) -> defaultdict[str, list[_Trace]]:
    found: defaultdict[str, list[_Trace]] = defaultdict(list)
    for one in spent:
        if one.session_id:
            found[one.session_id].append(one)
    return found


def _by_user_day(spent: Sequence[_Trace]) -> defaultdict[tuple[str, int], list[_Trace]]:
    found: defaultdict[tuple[str, int], list[_Trace]] = defaultdict(list)
    for one in spent:
        if one.user_id:
            found[one.user_id, one.start_ns // _DAY_NS].append(one)
    return found


def _user_day(view: TraceView) -> tuple[str, int]:
    return view.user_id, view.start_ns // _DAY_NS


def _before(view: TraceView, others: Sequence[_Trace]) -> Decimal:
    """Return what traces that began earlier, but no more than a day, cost together."""
    place = view.start_ns, view.trace_id
    return sum(
        (
            one.cost_usd
            for one in others
            if (one.start_ns, one.trace_id) < place and view.start_ns - one.start_ns <= _DAY_NS
        ),
        Decimal(0),
    )
