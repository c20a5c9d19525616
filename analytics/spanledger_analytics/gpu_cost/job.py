"""The GPU cost job: from samples, spans and prices to ledger entries and lines, hour by hour."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from spanledger_analytics import _rows
from spanledger_analytics.gpu_cost.attribution import attribute
from spanledger_analytics.gpu_cost.prices import GpuPriceList
from spanledger_analytics.gpu_cost.reading import read_hour
from spanledger_analytics.gpu_cost.write import write_hour
from spanledger_analytics.job import LEDGER, Watermarks
from spanledger_analytics.touches import OVERLAP_US
from spanledger_analytics.usage import ProjectHour
from spanledger_storage.errors import StoreError
from spanledger_storage.gpu_price_state import GpuPriceRow
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

GPU_COST, GPU_PRICES = "gpu_cost", "gpu_prices"
"""Names of the positions: touches handled (UTC microseconds), and the revision of the prices."""

_HOUR_S = 3_600
_HOURS_PER_RUN = 500
_AHEAD_S = 86_400  # a clock further ahead is wrong altogether
_LAST_HOUR_S = 2**32 - 1
_RESTS = 4  # times as long as the hours that are not over took


class Prices(Protocol):
    """Where GPU prices are kept."""

    def gpu_prices(self) -> list[GpuPriceRow]:
        """Return the prices that hold at some time."""
        ...

    def gpu_prices_changed_since(self, revision: int) -> tuple[int, int | None]:
        """Return the revision now, and the first instant that costs otherwise (None: none)."""
        ...


@dataclass(frozen=True, slots=True)
class GpuCostStats:
    """What one run did; ``is_drained`` is False when hours are left to the next run."""

    hours: int = 0
    entries: int = 0
    lines: int = 0
    is_drained: bool = True


class GpuCostJob:
    """Keeps the minutes of GPUs and workers, and where their money went; one per store.

    Samples and spans that arrive, however late, make their hour due, and the hour after it, into
    which requests may run. The hour that is not over stays due; because all of it is computed each
    time, it rests four times as long as that took. A change of GPU prices makes every hour due that
    it is about. Samples of a clock that is ahead wait until their hour has begun.

    Args:
        store: The telemetry store.
        now_ns: The clock, UTC nanoseconds.
        watermarks: Positions "gpu_cost" and "gpu_prices", and the ledger job's own: what that has
            not handled yet is left for later, because a request's trace is known by it.
        prices: What GPUs cost.
        floors: Returns by project the UTC start hour (UNIX seconds) before which samples or spans
            were removed: what was said of earlier hours stays, and of the first one after, into
            which requests of removed hours may have run.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        store: Store,
        now_ns: Callable[[], int],
        watermarks: Watermarks,
        prices: Prices,
        floors: Callable[[], Mapping[str, int]] = dict[str, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._now_ns = now_ns
        self._watermarks = watermarks
        self._prices = prices
        self._floors = floors
        self._clock = clock
        self._handled: dict[str, int] = {}
        self._late: set[str] = set()
        self._due: set[ProjectHour] = set()
        self._open: set[ProjectHour] = set()
        self._waiting: set[ProjectHour] = set()
        self._rests_until = clock()
        self._position_us: int | None = None
        self._known: set[ProjectHour] = set()
        self._revision: int | None = None
        self._until_us = 0
        self._version = 0

    def run_once(self) -> GpuCostStats:
        """Handle the hours that are due, the newest first, up to a bound.

        Raises:
            StoreError, StateError: the store or the state database did not answer; hours stay due.
        """
        revision = self._collect_prices()
        position = self._collect_touches()
        floors = self._floors()
        rows = self._prices.gpu_prices()
        todo = self._todo()
        entries = lines = 0
        rests_s = 0.0
        for project, hour in todo:
            started = self._clock()
            if hour > floors.get(project, -1):
                written = self._handle(project, hour, rows)
                entries, lines = entries + written[0], lines + written[1]
            self._close((project, hour))
            if (project, hour) in self._open:
                rests_s += _RESTS * (self._clock() - started)
        if rests_s:
            self._rests_until = self._clock() + rests_s
        if not self._due and not self._waiting:
            self._remember(position, revision)
        return GpuCostStats(len(todo), entries, lines, is_drained=not self._due)

    def _todo(self) -> list[ProjectHour]:
        """Return the hours to handle now; those that are not over wait while they rest."""
        is_resting = self._clock() < self._rests_until
        now_s = self._now_ns() // 10**9
        begun = {hour for hour in self._open if hour[1] <= now_s}
        again = {hour for hour in begun if not (is_resting and self._is_open(hour))}
        due = self._due | again
        return sorted(due, key=lambda one: (-one[1], one[0]))[:_HOURS_PER_RUN]

    def _is_open(self, hour: ProjectHour) -> bool:
        return self._now_ns() < (hour[1] + _HOUR_S) * 10**9

    def _close(self, hour: ProjectHour) -> None:
        """Take an hour off the list; one that is not over comes again."""
        self._due.discard(hour)
        self._waiting.discard(hour)
        if self._is_open(hour):
            self._open.add(hour)
        else:
            self._open.discard(hour)

    def _remember(self, position: int | None, revision: int) -> None:
        if position is not None:
            self._watermarks.set(GPU_COST, position)
            self._position_us = position
        if revision != self._watermarks.get(GPU_PRICES):
            self._watermarks.set(GPU_PRICES, revision)

    def _handle(self, project: str, hour: int, rows: Sequence[GpuPriceRow]) -> tuple[int, int]:
        """Handle one hour; one that the store refuses for good is left, and said."""
        try:
            return self._recompute(project, hour, rows)
        except StoreError as error:
            if not error.permanent:
                raise
            log.error("GPU costs of %s, hour %d, are left as they are: %s", project, hour, error)
            return 0, 0

    def _recompute(self, project: str, hour: int, rows: Sequence[GpuPriceRow]) -> tuple[int, int]:
        now_ns = self._now_ns()
        self._version = max(self._version + 1, now_ns)
        params: dict[str, object] = {"project": project, "hour": hour, "version": self._version}
        self._store.command("gpu_minutes_recompute", params)
        self._store.command("worker_minutes_recompute", params)
        prices = GpuPriceList(rows, project)
        with _rows.without_collection():
            found = attribute(read_hour(self._store, project, hour), prices, now_ns)
        is_first = (project, hour) not in self._known
        written = write_hour(self._store, found, self._version, is_first=is_first)
        self._known.add((project, hour))
        if written.flush_id:  # its own note to the ledger job is no work for this one
            self._handled[written.flush_id] = max(now_ns // 1_000, self._until_us)
        return written.entries, written.lines

    def _collect_prices(self) -> int:
        """Make the hours due that cost otherwise since prices changed; return their revision."""
        known = self._watermarks.get(GPU_PRICES) if self._revision is None else self._revision
        revision, since_ns = self._prices.gpu_prices_changed_since(known or 0)
        if known is None:
            self._due |= self._hours_from(0)  # the first run of all: what came before it, too
        elif revision != known and since_ns is not None:
            self._due |= self._hours_from(since_ns // 10**9 // _HOUR_S * _HOUR_S)
        self._revision = revision
        return revision

    def _hours_from(self, hour: int) -> set[ProjectHour]:
        params = {"from_hour": min(max(hour, 0), _LAST_HOUR_S // _HOUR_S * _HOUR_S)}
        table = self._store.arrow("gpu_hours", params)
        hours = zip(_rows.strings(table, "project"), _rows.integers(table, "hour"), strict=True)
        return set(hours)

    def _collect_touches(self) -> int | None:
        """Make touched hours due; return up to where touches were read (UTC microseconds)."""
        until_us = self._watermarks.get(LEDGER)
        if until_us is None:
            return None
        self._until_us = until_us
        before_us = self._watermarks.get(GPU_COST) or 0
        self._resume(before_us)
        since_us = max(0, min(before_us, until_us) - OVERLAP_US)
        params = {"since_us": since_us, "until_us": until_us}
        table = self._store.arrow("gpu_touched", params)
        columns = (
            table.column(n).to_pylist() for n in ("flush_id", "project", "hour", "touched_us")
        )
        self._take(list(zip(*columns, strict=True)), before_us)
        oldest = until_us - OVERLAP_US
        if before_us >= oldest:  # else they are read again, until every hour is done
            self._handled = {key: at for key, at in self._handled.items() if at >= oldest}
        return until_us

    def _resume(self, position_us: int) -> None:
        """Take up what another process, or this one before, had not finished at its position.

        Hours that were not over then, or had not begun: nothing need tell of them again.
        """
        if position_us == self._position_us:
            return
        last = self._now_ns() // 10**9 + _AHEAD_S
        for one in self._hours_from(position_us // 10**6 // _HOUR_S * _HOUR_S):
            if one[1] <= last:
                (self._open if self._is_open(one) else self._due).add(one)
        self._position_us = position_us

    def _take(self, rows: Iterable[tuple[str, str, int, int]], before_us: int) -> None:
        """Make the hours of new flushes due.

        A flush that shows up behind the position was slow to become visible, maybe for the ledger
        job too: it waits for the next run.
        """
        late: set[str] = set()
        new: dict[str, int] = {}
        now_hour = self._now_ns() // 10**9 // _HOUR_S * _HOUR_S
        for flush_id, project, hour, touched_us in rows:
            if flush_id in self._handled:
                new[flush_id] = touched_us
                continue
            if 0 < touched_us < before_us and flush_id not in self._late and self._handled:
                late.add(flush_id)
                continue
            new[flush_id] = touched_us
            if now_hour < hour <= now_hour + _AHEAD_S:
                self._open.add((project, hour))
            for one in ((project, h) for h in (hour, hour + _HOUR_S) if h <= now_hour):
                if self._is_open(one):
                    self._open.add(one)
                    self._waiting.add(one)
                else:
                    self._due.add(one)
        self._handled.update(new)
        self._late = late
