"""The reconciliation job: days whose bills or calls changed are compared again, until final."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from hashlib import blake2b

from spanledger_analytics._rows import integers, strings
from spanledger_analytics.job import Watermarks
from spanledger_analytics.price_book.book import BookSource
from spanledger_analytics.reconciliation.invoice_totals import write_invoices
from spanledger_analytics.reconciliation.ledger_side import DAY_S, date_of, day_of
from spanledger_analytics.reconciliation.run import means_of, reconciled_days
from spanledger_analytics.touches import DELETED
from spanledger_storage.errors import StateError, StoreError
from spanledger_storage.invoice_state import InvoiceState
from spanledger_storage.price_state import PriceState, StateEngine
from spanledger_storage.projects import Projects
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

RECONCILED = "reconciliation"
"""Watermark: versions of lines and entries up to it (UTC nanoseconds) have been looked at."""
SAID = "reconciliation_said"
"""Watermark: a hash of what users say of bills, as it was at the last run."""

_AFTER_CLOSE_DAYS = 14
"""Providers restate a month that long after it closed: docs/reconciliation.md."""
_OVERLAP_NS = 60 * 10**9  # rows may become visible a little after the time of their version
_NS_PER_S = 10**9


class ReconciliationJob:
    """Keeps ``reconciliation_cells`` up to date; run it as often as you like.

    Args:
        store: the telemetry store.
        state: the state database.
        now_ns: the clock, UTC nanoseconds.
        watermarks: where its position is kept.
        books: the present prices.
    """

    def __init__(
        self,
        store: Store,
        state: StateEngine,
        now_ns: Callable[[], int],
        watermarks: Watermarks,
        books: BookSource,
    ) -> None:
        self._store = store
        self._state = state
        self._now_ns = now_ns
        self._watermarks = watermarks
        self._books = books

    def run_once(self) -> int:
        """Compare the days that changed, and those beside them; return how many.

        A day whose lines changed is always compared again. A day whose calls alone changed is,
        until every report says that it is final, and for 14 days after its month. A project that
        fails stops no other.

        Raises:
            StateError: the state database does not answer.
            StoreError: the store does not answer; the next run goes on.
            ExceptionGroup: projects failed; the next run looks at their days again.
        """
        now_ns = self._now_ns()
        done = 0
        failed: dict[str, Exception] = {}
        said = self._said()
        for project, days in sorted(self._due(now_ns, said).items()):
            try:
                done += self._compare(project, sorted(days), now_ns)
            except StoreError as error:
                if not error.permanent:
                    raise
                log.error("%s is not reconciled: %s", project, error)
            except StateError:
                raise  # every project needs it
            except Exception as error:
                failed[project] = error
        if failed:
            raise ExceptionGroup(f"not reconciled: {', '.join(failed)}", list(failed.values()))
        self._watermarks.set(SAID, said)
        self._watermarks.set(RECONCILED, now_ns)
        return done

    def _due(self, now_ns: int, said: int) -> dict[str, set[int]]:
        """Return by project the days to compare, in days since 1970."""
        position = self._watermarks.get(RECONCILED) or 0
        # Everything is looked at again where users said something else; what is the same stays.
        has_changed = self._watermarks.get(SAID) not in (None, said)
        since = 0 if has_changed else max(0, position - _OVERLAP_NS)
        today = now_ns // _NS_PER_S // DAY_S
        floor = _first_open(today)
        params = {"since": since, "deleted": DELETED}
        table = self._store.arrow("reconciliation_changed", params)
        due: defaultdict[str, set[int]] = defaultdict(set)
        for project, day, is_closed, has_lines in zip(
            strings(table, "project"),
            integers(table, "day"),
            integers(table, "is_closed"),
            integers(table, "lines"),
            strict=True,
        ):
            if has_lines or day >= floor or not is_closed:
                # What runs over midnight is seen from both days.
                due[project] |= {day - 1, day, day + 1}
        return due

    def _said(self) -> int:
        """Return a digest of mappings, exchange rates and tolerances."""
        said = [
            (
                row.project.name,
                row.project.settings.reconciliation,
                self._mappings(row.project.name),
            )
            for row in Projects(self._state).all()
        ]
        text = repr((PriceState(self._state).exchange_rates(), said)).encode()
        return int.from_bytes(blake2b(text, digest_size=7).digest())

    def _mappings(self, project: str) -> list[int]:
        return [row.id for row in InvoiceState(self._state).mappings(project)]

    def _compare(self, project: str, days: list[int], now_ns: int) -> int:
        means = means_of(self._store, self._state, project, self._books())
        done = 0
        for first, last in _runs(days):
            for _ in reconciled_days(means, date_of(first), date_of(last), now_ns):
                done += 1
        write_invoices(self._store, project, means.rules, map(date_of, days), now_ns)
        return done


def _first_open(today: int) -> int:
    """Return the first day whose calls still matter: of the month that was open 14 days ago."""
    open_day = date_of(max(0, today - _AFTER_CLOSE_DAYS)) - timedelta(days=1)
    return day_of(open_day.replace(day=1)) if today > _AFTER_CLOSE_DAYS else 0


def _runs(days: list[int]) -> list[tuple[int, int]]:
    """Return ascending days as stretches without gaps."""
    found: list[tuple[int, int]] = []
    for day in days:
        if found and found[-1][1] == day - 1:
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return found
