"""Looks every few minutes whether agents hide failures of tools more often than they usually do."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from spanledger_analytics.findings.cascades.reading import active_projects
from spanledger_analytics.findings.finding import Finding, SpanRef
from spanledger_analytics.findings.silent_rates import (
    CODE,
    DAY_NS,
    DEFAULTS,
    KIND,
    Raised,
    SilentRate,
    finding,
    raised,
    silent_rates,
)
from spanledger_analytics.findings.writing import StoredScope, read_stored, write_findings
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

_DAY_S = 86_400
_JUDGED_DAYS = 2
"""Today and yesterday: runs close, and are judged, some time after they began."""
_TOOLS = 5


class SilentRateJob:
    """Keeps findings of kind ``silent_failure`` and code ``rate``: one per agent and UTC day.

    Args:
        store: The telemetry store.
        now_ns: The clock, UTC nanoseconds.
    """

    def __init__(self, store: Store, now_ns: Callable[[], int]) -> None:
        self._store = store
        self._now_ns = now_ns
        self._usual: dict[str, tuple[int, list[SilentRate]]] = {}  # by project: of an hour

    def run_once(self) -> int:
        """Look at every project of which spans came today or yesterday; return what is told.

        Raises:
            StoreError: the store does not answer; what it refuses for good of one project is
                logged, and stops no other.
        """
        now_ns = self._now_ns()
        first_ns = (now_ns // DAY_NS - _JUDGED_DAYS + 1) * DAY_NS
        projects = active_projects(self._store, first_ns)
        self._usual = {name: self._usual[name] for name in projects if name in self._usual}
        told = 0
        for project in projects:
            try:
                told += self._look(project, first_ns, now_ns)
            except StoreError as error:
                if not error.permanent:
                    raise
                log.error("silent failures of %s are not compared: %s", project, error)
        return told

    def _look(self, project: str, first_ns: int, now_ns: int) -> int:
        first_s, end_ns = first_ns // 10**9, first_ns + _JUDGED_DAYS * DAY_NS
        now = silent_rates(self._store, project, first_s, end_ns // 10**9)
        found: list[Finding] = []
        if any(rate.failed >= DEFAULTS.fewest_failed for rate in now):
            first = datetime.fromtimestamp(first_s, UTC).date()
            days = [first + timedelta(days=n) for n in range(_JUDGED_DAYS)]
            rates = [*self._before(project, first_s, now_ns), *now]
            found = [self._finding(project, one, now_ns) for one in raised(rates, days)]
        scope = StoredScope((KIND,), from_ns=first_ns, to_ns=end_ns, codes=(CODE,))
        write_findings(self._store, project, found, scope, now_ns)
        return len(found)

    def _before(self, project: str, first_s: int, now_ns: int) -> list[SilentRate]:
        """Return the rates of the days before those that are judged, read once an hour."""
        hour = now_ns // 10**9 // 3_600
        kept = self._usual.get(project)
        if kept is None or kept[0] != hour:
            from_s = first_s - DEFAULTS.days * _DAY_S
            kept = self._usual[project] = (
                hour,
                silent_rates(self._store, project, from_s, first_s),
            )
        return kept[1]

    def _finding(self, project: str, one: Raised, now_ns: int) -> Finding:
        """Return a finding with the tools and spans of some of the failures."""
        scope = StoredScope((KIND,), one.now.examples, codes=("failed",))
        rows = sorted(
            read_stored(self._store, project, scope).rows,
            key=lambda row: (row.first_seen_ns, row.finding_id),
        )
        tools = Counter(row.tool_name for row in rows if row.tool_name)
        evidence = [SpanRef(*ref) for row in rows for ref in row.evidence]
        return finding(one, [name for name, _ in tools.most_common(_TOOLS)], evidence, now_ns)
