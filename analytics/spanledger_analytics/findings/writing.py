"""Writes findings: what is new or changed replaces, what is found no more goes, the rest stays.

Of a project and clock hour, only the dearest ``MOST_ALARMS`` findings ask for somebody, and
``MORE_CRITICAL`` beyond them that are critical: many small ones must not silence a large one.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

from spanledger_analytics import _rows
from spanledger_analytics._rows import HOUR_NS, Changes, Literal, Stored
from spanledger_analytics.findings.finding import Finding
from spanledger_analytics.findings.rows import SCHEMA, FindingRow, read_rows, row_of, sort_key
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

MOST_ALARMS = 100
"""Findings of a project that may ask for somebody in one clock hour."""
MORE_CRITICAL = 20
"""Critical ones that may besides."""
BOUNDED = "bounded"
"""In ``details``: it would have asked for somebody, had not so many others."""
_HOUR_S = 3_600
_told: dict[str, int] = {}  # by project: the hour of which the log says that not all were told
_lock = Lock()  # jobs of one process count the alarms of an hour one after the other


@dataclass(frozen=True, slots=True)
class StoredScope:
    """Which stored findings belong to whoever writes: of these, what is found no more goes.

    Attributes:
        kinds: of findings.
        trace_ids: of these traces; None: of the time below instead.
        from_ns: UTC nanoseconds; findings first seen from here on.
        to_ns: and before this.
        codes: of these rules; empty: of all.
    """

    kinds: Sequence[str]
    trace_ids: Sequence[str] | None = None
    from_ns: int = 0
    to_ns: int = 0
    codes: Sequence[str] = ()


def write_findings(
    store: Store,
    project: str,
    found: Sequence[Finding],
    stored_scope: StoredScope,
    now_ns: int,
) -> Changes:
    """Write findings in one insert, and remove stored ones of the scope that are not among them.

    A finding keeps the time at which it was first detected. Running again writes nothing.

    Args:
        store: the telemetry store.
        project: whose findings.
        found: all that was found in the scope; of one id, the last counts.
        stored_scope: what the caller owns.
        now_ns: the clock, UTC nanoseconds.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    new = {finding.finding_id: finding for finding in found}
    with _lock:
        stored = _stored(store, project, stored_scope, new)
        before = {row.finding_id: row for row in stored.rows}
        derived = [_row(project, one, before.get(key), now_ns) for key, one in new.items()]
        derived = _bounded(store, project, derived, before)
        written, removed = _rows.diff(stored.rows, derived, sort_key)
        if written or removed:
            version = stored.newer(now_ns)
            rows = _rows.to_arrow(written, removed, SCHEMA, version)
            store.insert("findings", rows, token=_rows.insert_token("findings", rows, version))
    return Changes(len(written), len(removed))


def read_stored(store: Store, project: str, scope: StoredScope) -> Stored[FindingRow]:
    """Return the stored rows of a scope.

    Raises:
        StoreError: the store refused or did not answer.
    """
    params: dict[str, object] = {
        "project": project,
        "kinds": list(scope.kinds),
        "codes": list(scope.codes),
    }
    if scope.trace_ids is None:
        window = {"from_ns": scope.from_ns, "to_ns": scope.to_ns}
        return read_rows([store.arrow("findings_stored_of_time", params | window)])
    return read_rows(
        store.arrow(
            "findings_stored_of_traces", params | {"asked": _rows.asked_ids("trace_id", part)}
        )
        for part in _rows.batches(sorted(set(scope.trace_ids)))
    )


def read_by_id(store: Store, project: str, finding_ids: Iterable[str]) -> Stored[FindingRow]:
    """Return the stored rows of findings.

    Raises:
        StoreError: the store refused or did not answer.
    """
    return read_rows(
        store.arrow("findings_stored_by_id", {"project": project, "finding_ids": Literal(part)})
        for part in _rows.batches(sorted(set(finding_ids)))
    )


def _stored(
    store: Store, project: str, scope: StoredScope, new: dict[str, Finding]
) -> Stored[FindingRow]:
    """Return what is stored of the scope and of the new findings, wherever these lie."""
    inside = read_stored(store, project, scope)
    others = read_by_id(store, project, new.keys() - {row.finding_id for row in inside.rows})
    return Stored(inside.rows + others.rows, max(inside.newest, others.newest))


def _row(project: str, finding: Finding, before: FindingRow | None, now_ns: int) -> FindingRow:
    row = row_of(project, finding, before.detected_ns if before else now_ns)
    if before and row.is_alarm and not before.is_alarm:
        was = json.loads(before.details or "{}")
        is_worse = row.severity == "critical" != was.get("severity")
        if was.get(BOUNDED) is True and not is_worse:
            return _without_alarm(row)  # what was not told in its hour is not told later
    return row


def _bounded(
    store: Store, project: str, derived: list[FindingRow], before: dict[str, FindingRow]
) -> list[FindingRow]:
    """Return the rows with no more alarms of an hour than may be, the dearest kept."""
    by_hour: defaultdict[int, list[FindingRow]] = defaultdict(list)
    for row in derived:
        known = before.get(row.finding_id)
        if row.is_alarm and not (known and known.is_alarm):
            by_hour[row.detected_ns // HOUR_NS * _HOUR_S].append(row)
    if not by_hour:
        return derived
    table = store.arrow("findings_alarms", {"project": project, "hours": sorted(by_hour)})
    hours, counts = _rows.integers(table, "hour_s"), _rows.integers(table, "alarms")
    told = dict(zip(hours, counts, strict=True))
    silent: set[str] = set()
    for hour, rows in by_hour.items():
        silent |= _beyond(rows, told.get(hour, 0))
    if silent and _told.get(project) != max(by_hour):
        _told[project] = max(by_hour)
        log.warning(
            "%s: findings ask for nobody, because more than %d came up in one hour",
            project,
            MOST_ALARMS,
        )
    return [_without_alarm(row) if row.finding_id in silent else row for row in derived]


def _beyond(rows: list[FindingRow], told: int) -> set[str]:
    """Return ids of alarms of an hour that are too many, after as many that were told."""
    silent: set[str] = set()
    rows.sort(key=lambda row: (row.worth_usd, row.severity == "critical"), reverse=True)
    for row in rows:
        most = MOST_ALARMS + (MORE_CRITICAL if row.severity == "critical" else 0)
        if told < most:
            told += 1
        else:
            silent.add(row.finding_id)
    return silent


def _without_alarm(row: FindingRow) -> FindingRow:
    details = {**json.loads(row.details), BOUNDED: True, "severity": row.severity}
    return row._replace(severity="info", details=json.dumps(details, sort_keys=True))
