"""Looks at the last day of every project now and then, for whoever must know at once."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from spanledger_analytics._rows import COUNT, STRING, USD, insert_token, strings
from spanledger_analytics.data_quality import CHECKS, report
from spanledger_analytics.data_quality.model import Period, Report
from spanledger_storage.store import Store

LOOKS_BACK_S = 86_400
_HOUR_S = 3_600
_SECONDS = pa.timestamp("s", "UTC")
_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("project", STRING),
    ("check", STRING),
    ("from_time", _SECONDS),
    ("to_time", _SECONDS),
    ("severity", STRING),
    ("title", STRING),
    ("count", COUNT),
    ("unit", STRING),
    ("amount_usd", USD),
    ("amount_label", STRING),
    ("version", COUNT),
]
_SCHEMA = pa.schema(_COLUMNS)


class QualityJob:
    """Keeps ``quality_findings`` about the last 24 hours of every project that had calls.

    Reading a day of calls takes too long for a page that people keep open; the data-quality page
    still reads any period for itself.

    Args:
        store: The telemetry store.
        now_ns: The clock, UTC nanoseconds.
    """

    def __init__(self, store: Store, now_ns: Callable[[], int]) -> None:
        self._store = store
        self._now_ns = now_ns

    def run_once(self) -> int:
        """Look, and replace what was said before; return the number of projects.

        Raises:
            StoreError: the store refused or did not answer.
        """
        now_ns = self._now_ns()
        now_s = now_ns // 10**9
        period = Period(now_s - LOOKS_BACK_S, now_s)
        since = {"from_s": period.from_s // _HOUR_S * _HOUR_S}
        projects = strings(self._store.arrow("quality_active_projects", since), "project")
        for project in projects:
            rows = _rows(report(self._store, project, period), now_ns)
            token = insert_token("quality_findings", rows, now_ns)
            self._store.insert("quality_findings", rows, token=token)
        return len(projects)


def _rows(found: Report, version: int) -> pa.Table:
    """Return a row for each check, also for those that found nothing: it replaces what they had."""
    by_check = {finding.check: finding for finding in found.findings}
    rows: list[dict[str, object]] = []
    for check in CHECKS:
        finding = by_check.get(check)
        rows.append(
            {
                "project": found.project,
                "check": check,
                "from_time": found.period.from_s,
                "to_time": found.period.to_s,
                "severity": finding.severity.value if finding else "",
                "title": finding.title if finding else "",
                "count": finding.count if finding else 0,
                "unit": finding.unit if finding else "",
                "amount_usd": finding.usd if finding else None,
                "amount_label": finding.usd_label if finding else "",
                "version": version,
            }
        )
    return pa.Table.from_pylist(rows, schema=_SCHEMA)
