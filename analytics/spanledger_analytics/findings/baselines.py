"""What traces are measured by: how many calls are usual, what was spent before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import cast

from spanledger_analytics._rows import columns_of
from spanledger_analytics.findings.changes import ChangedTrace
from spanledger_analytics.findings.detectors.amplification import (
    DEFAULTS,
    MAX_SESSION_USD,
    MAX_USER_DAY_USD,
)
from spanledger_analytics.findings.lanes import Baseline, TraceView
from spanledger_analytics.findings.spent import DAY_NS, Spent, told_ids
from spanledger_analytics.findings.writing import read_by_id
from spanledger_storage.store import Store

_S = 10**9
_USUAL_DAYS = 14
_USUAL_LASTS_NS = 600 * _S
_UNKNOWN_LASTS_NS = 30 * _S
"""An agent that was not known is asked for again so soon: its first requests come fast."""
_FEWEST_TRACES = 20
"""Of fewer traces of an agent, 99 of 100 say nothing."""


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
        spent = Spent.around(self._store, project, views, limits)
        wants_session, wants_day = MAX_SESSION_USD in limits, MAX_USER_DAY_USD in limits
        return [
            replace(
                view,
                baseline=Baseline(
                    usual.get(view.agent_name),
                    spent.before(view, MAX_SESSION_USD) if wants_session else None,
                    spent.before(view, MAX_USER_DAY_USD) if wants_day else None,
                ),
            )
            for view in views
        ]

    def with_told(
        self, project: str, changed: Sequence[ChangedTrace], limits: Mapping[str, float]
    ) -> Sequence[ChangedTrace]:
        """Return traces that changed with those that tell of a limit because of them, in order.

        1. The traces that go beyond a limit of a session or user now (``Spent.told_by``).
        2. Those that changed.
        3. Those of which a finding tells so, and that began later: it may hold no longer. They come
           last, so that a finding that moves to another trace is not removed before.

        Raises:
            StoreError: the store refused or did not answer.
        """
        ids = told_ids(changed, limits)
        if not ids:
            return changed
        spent = Spent.around(self._store, project, changed, limits, DAY_NS + 1)
        known = {one.trace_id for one in changed}
        now = [one for one in spent.told_by(changed) if one.trace_id not in known]
        known.update(one.trace_id for one in now)
        told = {
            row.trace_id
            for row in read_by_id(self._store, project, ids).rows
            if row.first_seen_ns >= ids[row.finding_id]
        }
        return [*now, *changed, *(ChangedTrace(one, 0) for one in sorted(told - known))]

    def _usual_calls(self, project: str, agents: Set[str]) -> dict[str, float]:
        now_ns = self._now_ns()
        known = self._usual.get(project)
        if known is not None:
            lasts_ns = _USUAL_LASTS_NS if agents <= known[1].keys() else _UNKNOWN_LASTS_NS
            if 0 <= now_ns - known[0] < lasts_ns:
                return known[1]
        params: dict[str, object] = {
            "project": project,
            "from_s": (now_ns - _USUAL_DAYS * DAY_NS) // _S,
            "to_s": now_ns // _S,
            "fewest": _FEWEST_TRACES,
        }
        table = self._store.arrow("findings_usual_calls", params)
        rows = cast("list[tuple[str, float]]", list(columns_of(table, ("agent", "p99"))))
        usual = {agent: float(p99) for agent, p99 in rows}
        self._usual[project] = now_ns, usual
        return usual


def _calls(view: TraceView) -> int:
    return sum(step.model is not None for lane in view.lanes for step in lane.steps)
