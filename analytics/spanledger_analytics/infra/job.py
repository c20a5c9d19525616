"""The infrastructure job: every hour once it is over, and again when something of it changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from spanledger_analytics import _rows
from spanledger_analytics.infra.hour import share_hour
from spanledger_analytics.job import LEDGER, Watermarks
from spanledger_analytics.touches import OVERLAP_US
from spanledger_storage.price_state import PriceState
from spanledger_storage.service_price_rows import InfraPriceRow
from spanledger_storage.store import Store

SHARED = "infra"
"""Watermark: hours before it (UTC seconds) have been shared."""
TOUCHED = "infra_touched"
"""Watermark: touches before it (UTC microseconds) have been handled."""
PRICES = "infra_prices"
"""Watermark: the revision of prices that was handled."""

_HOUR_S = 3_600
_GRACE_S = 600  # most spans of an hour have come by then; later ones have it shared again
_LOOK_BACK_S = 86_400  # spans are looked for that long before an hour
_HOURS_PER_RUN = 500

ProjectHour = tuple[str, int]


class InfraJob:
    """Keeps the ledger's entries of kind infra up to date; one instance per store.

    Args:
        store: The telemetry store.
        now_ns: The clock, UTC nanoseconds.
        watermarks: Where positions are kept, the ledger job's own among them: what that has not
            handled yet is left for later, because whom a trace is for is known by it.
        state: Prices, and the log of their changes.
        floors: Returns by project the UTC second before which spans were removed: who used a
            service then cannot be told any more, and what was shared stays.
    """

    def __init__(
        self,
        store: Store,
        now_ns: Callable[[], int],
        watermarks: Watermarks,
        state: PriceState,
        floors: Callable[[], Mapping[str, int]] = dict[str, int],
    ) -> None:
        self._store = store
        self._now_ns = now_ns
        self._watermarks = watermarks
        self._state = state
        self._floors = floors
        self._due: set[ProjectHour] = set()
        self._handled: set[ProjectHour] = set()
        self._version = 0
        # What was collected into the list of hours; kept for another process once that is empty.
        self._shared_s = watermarks.get(SHARED)
        self._touched_us = watermarks.get(TOUCHED) or 0
        self._revision = watermarks.get(PRICES) or 0

    def run_once(self) -> int:
        """Share the hours that are due, at most a few hundred; return how many.

        Raises:
            StateError: the state database does not answer.
            StoreError: the store does not answer; the hours stay due.
        """
        revision = self._state.revision()
        prices = self._state.infra_prices(withdrawn=True)
        if not prices:
            return 0
        self._collect(prices, revision)
        done = 0
        for project, hour_s in sorted(self._due)[:_HOURS_PER_RUN]:
            self._version = max(self._version + 1, self._now_ns())
            hour = (project, hour_s)
            is_first = hour not in self._handled
            share_hour(self._store, project, hour_s, prices, self._version, is_first=is_first)
            self._handled.add(hour)
            self._due.discard(hour)
            done += 1
        # Until then a new start finds what is left by the positions as they were.
        if not self._due and self._shared_s is not None:
            self._watermarks.set(SHARED, self._shared_s)
            self._watermarks.set(TOUCHED, self._touched_us)
            self._watermarks.set(PRICES, self._revision)
        return done

    def _collect(self, prices: list[InfraPriceRow], revision: int) -> None:
        """Put hours on the list that are due by now, and remember up to where that was."""
        now_us = self._now_ns() // 1_000
        ledger_us = self._watermarks.get(LEDGER) or 0
        until_us = min(now_us, ledger_us) if self._is_behind(ledger_us) else now_us
        until_us = max(until_us, min(self._touched_us, now_us))
        if not until_us:  # nothing that came was handled so far
            return
        complete_s = (until_us // 10**6 - _GRACE_S) // _HOUR_S * _HOUR_S
        complete_s = max(complete_s, self._shared_s or 0)
        self._due |= self._newly_due(prices, complete_s, ledger_us)
        self._shared_s, self._touched_us, self._revision = complete_s, until_us, revision

    def _is_behind(self, ledger_us: int) -> bool:
        """Return whether something waits for the ledger job, which is at a position."""
        params = {"since_us": ledger_us + 1, "max_rows": 1}
        return self._store.arrow("touches_flushes", params).num_rows > 0

    def _newly_due(
        self, prices: list[InfraPriceRow], complete_s: int, ledger_us: int
    ) -> set[ProjectHour]:
        shared_s = self._shared_s
        earliest: dict[str, int] = {}
        for price in prices:
            begin = price.effective_from_ns // 10**9 // _HOUR_S * _HOUR_S
            earliest[price.project] = min(begin, earliest.get(price.project, begin))
        begins = dict(earliest)
        if shared_s is not None:
            begins = {project: max(shared_s, begin) for project, begin in earliest.items()}
            for project, begin in self._repriced_from(self._revision):
                begins[project] = min(begin, begins.get(project, begin))
        floors = self._floors()
        found = {
            (project, hour)
            for project, begin in begins.items()
            for hour in range(begin, complete_s, _HOUR_S)
        }
        if shared_s is not None:
            found |= self._touched(prices, ledger_us)
        return {
            (project, hour)
            for project, hour in found
            if max(floors.get(project, 0) + _LOOK_BACK_S, earliest.get(project, complete_s))
            <= hour
            < complete_s
        }

    def _repriced_from(self, handled: int) -> Iterator[tuple[str, int]]:
        """Return by project the hour from which prices changed since a revision."""
        if self._state.revision() == handled:
            return
        for entry in self._state.log(None, after_revision=handled):
            if entry.object.startswith(f"{InfraPriceRow.kind} "):
                said = json.loads(entry.after)
                begin_ns = int(said["effective_from_ns"])
                yield str(said["project"]), begin_ns // 10**9 // _HOUR_S * _HOUR_S

    def _touched(self, prices: Iterable[InfraPriceRow], ledger_us: int) -> set[ProjectHour]:
        since_us = self._touched_us - OVERLAP_US
        params: dict[str, object] = {
            "projects": sorted({price.project for price in prices}),
            "services": sorted({price.service_name for price in prices}),
            "since_us": max(0, since_us),
            "until_us": ledger_us,
        }
        table = self._store.arrow("infra_touched_hours", params)
        return {
            (project, hour)
            for project, first, last in zip(
                _rows.strings(table, "project"),
                _rows.integers(table, "hour"),
                _rows.integers(table, "last_hour"),
                strict=True,
            )
            for hour in range(first, last + 1, _HOUR_S)
        }
