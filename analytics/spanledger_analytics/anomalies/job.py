"""Looks every minute whether any project's spending is not as it was, and says why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from spanledger_analytics._rows import strings
from spanledger_analytics.anomalies.cells import FINE_S, HOUR_S, KEEP_HOURS, Cells, Key
from spanledger_analytics.anomalies.explain import Explanation, Usage, explained
from spanledger_analytics.anomalies.history import History, usage
from spanledger_analytics.anomalies.incidents import (
    Incident,
    Known,
    put_together,
    reference_starts,
)
from spanledger_analytics.anomalies.told import KIND, closed, finding, from_row, known
from spanledger_analytics.findings.finding import Finding, Json, SpanRef
from spanledger_analytics.findings.writing import StoredScope, read_stored, write_findings
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

_NS = 10**9
_DAY_S = 24 * HOUR_S
_KEEP_S = KEEP_HOURS * HOUR_S
_TOP_TRACES = 5
_STILL = 0.5
"""A finding stays while this share of its excess is still in the ledger."""
_CAUSES = ("loop", "amplification", "error_cascade", "context_bloat")

Expected = Callable[[str, list[str]], Collection[str]]
"""From a project and ids of findings to those that somebody says were to be expected."""
Prices = Callable[[int, int], Sequence[Mapping[str, Json]]]
"""From two times (unix seconds, half open) to what changed in the price lists between them."""


class AnomalyJob:
    """Keeps findings of kind ``cost_anomaly``.

    Args:
        store: the telemetry store.
        now_ns: the clock, UTC nanoseconds.
        expected: which findings users have marked as expected.
        prices: changes of prices.
    """

    def __init__(
        self, store: Store, now_ns: Callable[[], int], expected: Expected, prices: Prices
    ) -> None:
        self._store, self._now_ns = store, now_ns
        self._expected, self._prices = expected, prices
        self._projects: dict[str, _Project] = {}

    def run_once(self) -> int:
        """Look at every project that spent anything in six weeks; return how many findings hold.

        Raises:
            StoreError: the store refused or did not answer; the next run looks again.
            StateError: the state database did.
        """
        now_s = self._now_ns() // _NS
        since = {"from_s": now_s // HOUR_S * HOUR_S - _KEEP_S}
        names = strings(self._store.arrow("quality_active_projects", since), "project")
        self._projects = {name: self._projects.get(name) or self._new(name) for name in names}
        return sum(project.look(now_s) for project in self._projects.values())

    def _new(self, name: str) -> _Project:
        return _Project(self._store, name, self._expected, self._prices)


class _Project:
    def __init__(self, store: Store, name: str, expected: Expected, prices: Prices) -> None:
        self._store, self._name = store, name
        self._expected, self._prices = expected, prices
        self._history = History(store, name)
        self._holding: int | None = None
        self._looked_s = 0

    def look(self, now_s: int) -> int:
        """Bring the findings up to date; return how many there are."""
        has_changed = self._history.refresh(now_s)
        if not self._history.is_whole:
            return 0
        if not has_changed and now_s // FINE_S == self._looked_s // FINE_S:
            return self._holding or 0
        told = self._stored(now_s)  # not from memory: a deletion takes traces out of it
        watch = self._history.watch
        watch.accept(self._accepted(told))
        memory = [known(one) for one in told.values()]
        found = put_together(watch.look(now_s), watch.hours, memory)
        new = {one.finding_id: one for one in self._findings(found, told, now_s)}
        for key, one in told.items():
            if key not in new and still_holds(watch.hours, known(one)):
                new[key] = closed(one)
        if new != told or self._holding is None:
            scope = StoredScope(
                (KIND,), from_ns=(now_s - _KEEP_S) * _NS, to_ns=(now_s + _DAY_S) * _NS
            )
            write_findings(self._store, self._name, list(new.values()), scope, now_s * _NS)
        self._holding, self._looked_s = len(new), now_s
        return len(new)

    def _stored(self, now_s: int) -> dict[str, Finding]:
        scope = StoredScope((KIND,), from_ns=(now_s - _KEEP_S) * _NS, to_ns=(now_s + _DAY_S) * _NS)
        rows = read_stored(self._store, self._name, scope).rows
        return {one.finding_id: one for one in map(from_row, rows) if one is not None}

    def _accepted(self, told: Mapping[str, Finding]) -> dict[Key, int]:
        """Return since when series are as they should be, as users say."""
        if not told:
            return {}
        accepted: dict[Key, int] = {}
        for finding_id in sorted(self._expected(self._name, sorted(told))):
            one = known(told[finding_id])
            for key in one.keys:
                accepted[key] = max(accepted.get(key, 0), one.start_s)
        return accepted

    def _findings(
        self, found: Sequence[Incident], told: Mapping[str, Finding], now_s: int
    ) -> Iterator[Finding]:
        """Yield incidents as findings; one that has not moved is not explained again."""
        for incident in found:
            key = incident.anchor_key
            bare = finding(incident, Explanation("", None, {}), (), {})
            before = told.get(bare.finding_id)
            if before and _same(before, bare):
                yield before
                continue
            log.debug("%s: explaining %s of %s", self._name, incident.anchor_code, key)
            yield self._explained(incident, now_s)

    def _explained(self, incident: Incident, now_s: int) -> Finding:
        one = incident.signal
        length_s = max(1, one.end_s - one.start_s)
        first_s = _first_s(self._history.watch.hours)
        starts = reference_starts(first_s, one.start_s, one.end_s)
        now = usage(self._store, self._name, one.key, [one.start_s], length_s)
        before = usage(self._store, self._name, one.key, starts, length_s)
        why = explained(now, before, one.expected_usd)
        traces, evidence = self._traces(one.key, one.start_s, one.end_s, before)
        more: dict[str, Json] = {
            "compared_with": list(starts),
            "traces": traces,
            "loops": self._causes(one.start_s, one.end_s),
            "versions": self._versions(one.start_s, one.end_s),
            "prices": [dict(row) for row in self._prices(one.start_s - _DAY_S, one.end_s)],
        }
        return finding(incident, why, evidence, more)

    def _traces(
        self, key: Key, from_s: int, to_s: int, before: Usage
    ) -> tuple[list[Json], list[SpanRef]]:
        """Return the dearest traces, and their dearest spans."""
        usual = float(before.usd) / before.traces if before.traces else 0.0
        params = {
            "project": self._name,
            "dimension": key.dimension,
            "name": key.name,
            "from_s": from_s,
            "to_s": to_s,
            "page_size": _TOP_TRACES,
        }
        rows = self._store.rows("anomaly_traces", params)
        told: list[Json] = [
            {
                "trace_id": str(row["trace_id"]),
                "agent": str(row["agent"]),
                "usd": str(row["usd"]),
                "excess_usd": f"{max(0.0, float(str(row['usd'])) - usual):.6f}",
            }
            for row in rows
        ]
        spans = [
            SpanRef(str(row["trace_id"]), str(span_id))
            for row in rows
            for span_id in _listed(row["span_ids"])
        ]
        return told, spans

    def _causes(self, from_s: int, to_s: int) -> list[Json]:
        """Return findings about single traces of the same time, the dearest first."""
        scope = StoredScope(_CAUSES, from_ns=(from_s - HOUR_S) * _NS, to_ns=to_s * _NS)
        rows = [
            row
            for row in read_stored(self._store, self._name, scope).rows
            if row.last_seen_ns >= from_s * _NS
        ]
        rows.sort(key=lambda row: row.worth_usd, reverse=True)
        return [
            {"finding_id": row.finding_id, "title": row.title, "usd": str(row.worth_usd)}
            for row in rows[:_TOP_TRACES]
        ]

    def _versions(self, from_s: int, to_s: int) -> list[Json]:
        """Return versions of agents that began in a time or in the day before."""
        params = {
            "project": self._name,
            "from_s": from_s - _DAY_S,
            "to_s": to_s,
            "before_s": from_s - 15 * _DAY_S,
        }
        return [
            {
                "service": str(row["service"]),
                "agent": str(row["agent"]),
                "version": str(row["version"]),
                "since": int(str(row["since_s"])),
            }
            for row in self._store.rows("anomaly_versions", params)
        ]


def still_holds(hours: Cells, one: Known) -> bool:
    """Tell whether the ledger still has what a finding told of; pure.

    What has ended stays told, even if a later look would not have called it odd. It is taken back
    where the dollars themselves are gone: repriced, or deleted.
    """
    start_s = one.start_s // HOUR_S * HOUR_S
    if one.code in ("quiet", "calls") or start_s < hours.first_s:
        return True
    cost = hours.between(start_s, -(-one.end_s // HOUR_S) * HOUR_S)
    members = hours.members(one.key)
    return float(cost[members].sum()) >= one.expected_usd + _STILL * one.excess_usd


def _same(before: Finding, bare: Finding) -> bool:
    return (
        before.first_seen_ns == bare.first_seen_ns
        and before.last_seen_ns == bare.last_seen_ns
        and before.is_open == bare.is_open
        and before.title == bare.title
    )


def _first_s(hours: Cells) -> int:
    """Return the first hour in which anything was spent."""
    for step in range(hours.steps):
        if hours.amounts[0, :, step].any():
            return hours.first_s + step * HOUR_S
    return hours.end_s


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()
