"""The cascade job: the last half hour of every active project, every half minute."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Sequence
from typing import TypedDict, cast

from spanledger_analytics.findings.cascades.incident import KIND, Known, detect
from spanledger_analytics.findings.cascades.rates import (
    DEFAULTS,
    Episode,
    History,
    Source,
    Thresholds,
    history,
    incidents,
)
from spanledger_analytics.findings.cascades.reading import (
    RecentCounts,
    active_projects,
    read_counts,
    read_window,
)
from spanledger_analytics.findings.finding import Finding, Json, Severity, SpanRef, Subject
from spanledger_analytics.findings.rows import FindingRow
from spanledger_analytics.findings.writing import StoredScope, read_stored, write_findings
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

NAME = "error_cascades"
"""By which a project does without: one of its ``disabled_detectors``."""
_S = 10**9
_MINUTE_NS = 60 * _S
_BACK_NS = 30 * _MINUTE_NS
_MARGIN_NS = 10 * _MINUTE_NS  # at the start of what is read, incidents are cut off
_LONGEST_NS = 6 * 60 * _MINUTE_NS  # of a longer incident the figures stay as they are then
_OLDEST_NS = 7 * 24 * 60 * _MINUTE_NS
_HISTORY_NS = 24 * 60 * _MINUTE_NS
_HISTORY_GAP_NS = 60 * _MINUTE_NS  # what goes on now is not what is usual
_HISTORY_STEP_S = 300
_HISTORY_LASTS_NS = 10 * _MINUTE_NS
_CALLS_READ_WHOLE = 200_000


class CascadeJob:
    """Keeps the findings of error cascades up to date.

    Args:
        store: The telemetry store.
        now_ns: The clock, UTC nanoseconds.
        without: Returns the projects that do without, asked at every run.
        thresholds: When errors are an incident.
    """

    def __init__(
        self,
        store: Store,
        now_ns: Callable[[], int],
        without: Callable[[], Collection[str]] = frozenset,
        thresholds: Thresholds = DEFAULTS,
    ) -> None:
        self._store = store
        self._now_ns = now_ns
        self._thresholds = thresholds
        self._without = without
        self._counts = RecentCounts(store)
        self._usual: dict[str, tuple[int, History]] = {}

    def run_once(self) -> int:
        """Look at every project of which spans came; return the number of incidents.

        Raises:
            StoreError: the store does not answer; what it refuses for good of one project is
                logged, and stops no other.
        """
        now_ns = self._now_ns()
        without = self._without()
        found = 0
        for project in active_projects(self._store, now_ns - _BACK_NS):
            if project in without:
                continue
            try:
                found += self._look(project, now_ns)
            except StoreError as error:
                if not error.permanent:
                    raise
                log.error("cascades of %s are not looked for: %s", project, error)
        return found

    def _look(self, project: str, now_ns: int) -> int:
        to_ns = -(-now_ns // _MINUTE_NS) * _MINUTE_NS
        scope = StoredScope((KIND,), from_ns=now_ns - _OLDEST_NS, to_ns=to_ns)
        stored = read_stored(self._store, project, scope).rows
        open_ns = [row.first_seen_ns for row in stored if row.is_open]
        from_ns = max(min(now_ns - _BACK_NS, *open_ns, now_ns), now_ns - _LONGEST_NS)
        from_ns = (from_ns - _MARGIN_NS) // _MINUTE_NS * _MINUTE_NS
        counts = self._counts.read(project, from_ns, to_ns)
        if not any(count.errors for count in counts) and not stored:
            return 0
        calls = sum(count.calls for count in counts)
        usual = self._history(project, stored, calls, now_ns)
        lasted = incidents(counts, usual, now_ns // _S, self._thresholds)
        begun_ns = from_ns + _MARGIN_NS
        found = self._found(project, lasted, usual, stored, begun_ns, now_ns)
        owned = StoredScope((KIND,), from_ns=begun_ns, to_ns=to_ns)
        write_findings(self._store, project, found, owned, now_ns)
        return len(found)

    def _found(
        self,
        project: str,
        lasted: Sequence[Episode],
        usual: History,
        stored: Sequence[FindingRow],
        begun_ns: int,
        now_ns: int,
    ) -> list[Finding]:
        """Return the incidents that lie within what was read, each with its identity."""
        known = [one for one in map(_known, stored) if one is not None]
        now_s, lasts_s = now_ns // _S, self._thresholds.window_s
        going_on = [one for one in lasted if now_s - one.to_s < lasts_s]
        found = _ended(stored, going_on, begun_ns)
        for episode in lasted:
            window = read_window(
                self._store, project, episode.from_s * _S, episode.to_s * _S, now_ns
            )
            one = detect(episode, window, usual, now_ns // _S, known, self._thresholds)
            if one is not None:
                known = [other for other in known if other.anchor != one.anchor]
                if one.first_seen_ns >= begun_ns:
                    found.append(one)
        return found

    def _history(
        self, project: str, stored: Sequence[FindingRow], calls: int, now_ns: int
    ) -> History:
        """Return what is usual, read again now and then; incidents are not.

        Of a project with very many calls, a sample of the traces says it.
        """
        known = self._usual.get(project)
        if known is not None and 0 <= now_ns - known[0] < _HISTORY_LASTS_NS:
            return known[1]
        to_ns = now_ns - _HISTORY_GAP_NS
        one_in = max(1, calls // _CALLS_READ_WHOLE)
        counts = read_counts(
            self._store, project, to_ns - _HISTORY_NS, to_ns, _HISTORY_STEP_S, one_in
        )
        times = [
            (
                row.first_seen_ns // _S - _HISTORY_STEP_S,
                now_ns // _S if row.is_open else row.last_seen_ns // _S,
            )
            for row in stored
        ]
        usual = history(
            count
            for count in counts
            if not any(start <= count.bucket_s <= end for start, end in times)
        )
        self._usual[project] = now_ns, usual
        return usual


def _ended(
    stored: Sequence[FindingRow], going_on: Sequence[Episode], begun_ns: int
) -> list[Finding]:
    """Return incidents, longer than is read, that have ended: as they are stored, but closed."""
    found: list[Finding] = []
    for row in stored:
        known = _known(row)
        if not row.is_open or row.first_seen_ns >= begun_ns or known is None:
            continue
        if not any(one.sources & known.sources for one in going_on):
            found.append(_closed(row, known))
    return found


def _closed(row: FindingRow, known: Known) -> Finding:
    return Finding(
        kind=row.kind,
        code=row.code,
        anchor=known.anchor,
        severity=cast("Severity", row.severity),
        title=row.title,
        explanation=row.explanation,
        first_seen_ns=row.first_seen_ns,
        last_seen_ns=row.last_seen_ns,
        subject=Subject(
            row.trace_id,
            row.session_id,
            row.user_id,
            row.agent_name,
            row.agent_version,
            row.model,
            row.tool_name,
        ),
        evidence=tuple(SpanRef(*pair) for pair in row.evidence),
        direct_usd=row.direct_usd,
        carried_usd=row.carried_usd,
        avoidable_usd=row.avoidable_usd,
        wasted_ns=row.wasted_ns,
        is_sure=bool(row.is_sure),
        details=cast("dict[str, Json]", json.loads(row.details)),
    )


class _Kept(TypedDict):
    """What of a finding's details says which incident it is."""

    anchor: list[str]
    sources: list[tuple[str, str]]


def _known(row: FindingRow) -> Known | None:
    details = cast("_Kept", json.loads(row.details or "{}"))
    if "anchor" not in details or "sources" not in details:
        return None
    sources = frozenset(Source(kind, name) for kind, name in details["sources"])
    return Known(tuple(details["anchor"]), row.first_seen_ns, row.last_seen_ns, sources)
