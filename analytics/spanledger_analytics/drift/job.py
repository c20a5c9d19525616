"""The drift job: every agent once a day, when the day is over."""

from __future__ import annotations

import logging
from collections.abc import Callable

from spanledger_analytics._rows import integers, strings
from spanledger_analytics.drift.judge import examine
from spanledger_analytics.drift.reading import DAY_S, read_samples
from spanledger_analytics.drift.rows import write_checks
from spanledger_analytics.drift.telling import KIND, findings_of
from spanledger_analytics.findings.writing import StoredScope, write_findings
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

_NS_PER_S = 10**9
_LATE_S = 3_600  # most spans of a day have arrived an hour after it
_CAUGHT_UP_DAYS = 7  # of days on which no worker ran


class DriftJob:
    """Keeps ``drift_checks``, and findings of kind ``drift``; run it as often as you like.

    Args:
        store: The telemetry store.
        now_ns: The clock, UTC nanoseconds.
    """

    def __init__(self, store: Store, now_ns: Callable[[], int]) -> None:
        self._store = store
        self._now_ns = now_ns
        self._without: set[tuple[str, int]] = set()  # days on which no known agent worked

    def run_once(self) -> int:
        """Check what has not been checked yet; return the number of projects and days.

        A day is checked once. What arrives after that is part of what later days are compared with.

        Raises:
            StoreError: the store refused or did not answer; the next run goes on.
        """
        now_ns = self._now_ns()
        last = (now_ns // _NS_PER_S - _LATE_S) // DAY_S  # the first day that is not over
        params: dict[str, object] = {
            "from_s": max(0, last - _CAUGHT_UP_DAYS) * DAY_S,
            "to_s": last * DAY_S,
        }
        table = self._store.arrow("drift_checked", params)
        days = zip(
            strings(table, "project"),
            integers(table, "day"),
            integers(table, "is_checked"),
            strict=True,
        )
        waiting = [(p, d) for p, d, is_checked in days if not is_checked]
        waiting = [one for one in waiting if one not in self._without]
        for project, day in waiting:
            self._guarded(project, day, now_ns)
        return len(waiting)

    def _guarded(self, project: str, day: int, now_ns: int) -> None:
        try:
            self._check(project, day, now_ns)
        except StoreError as error:
            if not error.permanent:
                raise
            self._without.add((project, day))
            log.error("drift of %s on day %d is not checked: %s", project, day, error)

    def _check(self, project: str, day: int, now_ns: int) -> None:
        samples = read_samples(self._store, project, day)
        checks = examine(samples)
        found = findings_of(day, checks, samples)
        day_ns = DAY_S * _NS_PER_S
        scope = StoredScope((KIND,), from_ns=day * day_ns, to_ns=(day + 1) * day_ns)
        # The rows last: they say that the day is done.
        write_findings(self._store, project, found, scope, now_ns)
        if checks:
            write_checks(self._store, project, day, checks, now_ns)
        else:
            self._without.add((project, day))
