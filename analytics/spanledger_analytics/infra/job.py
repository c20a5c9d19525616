"""The infrastructure job: every hour once it is over, and again when something of it changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from spanledger_analytics import _rows
from spanledger_analytics.infra.hour import share_hour
from spanledger_analytics.job import Watermarks
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
_LOG_ENTRIES = 10_000

ProjectHour = tuple[str, int]


class InfraJob:
    """Keeps the ledger's entries of kind infra up to date; one instance per store.

    Args:
        store: The telemetry store.
        now_ns: The clock, UTC nanoseconds.
        watermarks: Where positions are kept.
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
        now_us = self._now_ns() // 1_000
        complete_s = (now_us // 10**6 - _GRACE_S) // _HOUR_S * _HOUR_S
        self._due |= self._newly_due(prices, complete_s)
        done = 0
        for project, hour_s in sorted(self._due)[:_HOURS_PER_RUN]:
            self._version = max(self._version + 1, self._now_ns())
            hour = (project, hour_s)
            is_first = hour not in self._handled
            share_hour(self._store, project, hour_s, prices, self._version, is_first=is_first)
            self._handled.add(hour)
            self._due.discard(hour)
            done += 1
        if not self._due:  # a new start would find what is left by the positions as they were
            self._watermarks.set(SHARED, complete_s)
            self._watermarks.set(TOUCHED, now_us)
            self._watermarks.set(PRICES, revision)
        return done

    def _newly_due(self, prices: list[InfraPriceRow], complete_s: int) -> set[ProjectHour]:
        shared_s = self._watermarks.get(SHARED)
        earliest: dict[str, int] = {}
        for price in prices:
            begin = price.effective_from_ns // 10**9 // _HOUR_S * _HOUR_S
            earliest[price.project] = min(begin, earliest.get(price.project, begin))
        begins = dict(earliest)
        if shared_s is not None:
            begins = dict.fromkeys(earliest, shared_s)
            for project, begin in self._repriced_from(self._watermarks.get(PRICES) or 0):
                begins[project] = min(begin, begins.get(project, begin))
        floors = self._floors()
        found = {
            (project, hour)
            for project, begin in begins.items()
            for hour in range(begin, complete_s, _HOUR_S)
        }
        if shared_s is not None:
            found |= self._touched(prices)
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
        for entry in self._state.log(_LOG_ENTRIES):
            if entry.revision <= handled:
                return
            if entry.object.startswith(f"{InfraPriceRow.kind} "):
                said = json.loads(entry.after)
                begin_ns = int(said["effective_from_ns"])
                yield str(said["project"]), begin_ns // 10**9 // _HOUR_S * _HOUR_S

    def _touched(self, prices: Iterable[InfraPriceRow]) -> set[ProjectHour]:
        since_us = (self._watermarks.get(TOUCHED) or 0) - OVERLAP_US
        params: dict[str, object] = {
            "projects": sorted({price.project for price in prices}),
            "services": sorted({price.service_name for price in prices}),
            "since_us": max(0, since_us),
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
