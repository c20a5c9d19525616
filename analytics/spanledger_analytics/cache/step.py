"""One step of the cache job: what some changed entries bear on, derived again and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from spanledger_analytics import _rows
from spanledger_analytics._rows import Stored
from spanledger_analytics.cache.calls import Prompt
from spanledger_analytics.cache.derive import Derivation, rows_of
from spanledger_analytics.cache.explain import (
    LANE_BACK_NS,
    LANE_CALLS,
    POOL_BACK_NS,
    POOL_CALLS,
    Finding,
)
from spanledger_analytics.cache.memory import Memory
from spanledger_analytics.cache.rates import book_prices, lost_usd, rates_of
from spanledger_analytics.cache.reading import (
    Around,
    Changed,
    hour_of,
    read_around,
    read_entries,
    read_prompts,
    read_rows_of,
    read_texts,
)
from spanledger_analytics.cache.rows import END_FINDING, FIRST_FINDING, CacheRow, write_rows
from spanledger_analytics.cache.texts import Segment
from spanledger_analytics.price_book.book import PriceBook
from spanledger_storage.store import Store

_POOL_NEAR_NS = 60 * 10**9  # where much goes on, the openers before a change are not older
_Found = dict[str, tuple[Finding, bool]]


class Step:
    """Derives again whatever some changed entries bear on, and writes what differs.

    A row depends on its call, on the ``LANE_CALLS`` calls before it in its lane and, where it
    opens one, on the ``POOL_CALLS`` openers before it in its pool. So of the calls after a change
    as many are derived again.

    Args:
        store: the telemetry store.
        project: whose entries.
        book: prices, for what entries themselves do not tell.
        memory: calls of this project that earlier steps read; it holds none that changed since.
    """

    def __init__(
        self, store: Store, project: str, book: PriceBook, memory: Memory | None = None
    ) -> None:
        self._store = store
        self._project = project
        self._prices = book_prices(book)
        self._memory = memory or Memory()
        self._prompts: dict[str, Prompt] = {}

    def run(self, changed: Sequence[Changed], version: int) -> _rows.Changes:
        """Handle entries; return how many rows were written and removed.

        1. Read the entries and what is stored of them: together they name the lanes touched.
        2. Read those lanes around the changes, and derive what lies within or just after.
        3. Read the pools of the openers among these the same way, and derive those too.
        4. Compare with what is stored, and write the difference in one insert.

        Raises:
            StoreError: the store refused or did not answer; running again is safe.
        """
        ids = {entry_id for _, _, entry_id in changed}
        now = self._read(changed)
        hours = {hour for hour, _, _ in changed}
        old = read_rows_of(self._store, self._project, hours, ids)
        lanes = _spans(
            [(one.lane, one.start_ns) for one in now]
            + [(row.lane, row.time_ns) for row in old.rows]
        )
        beside = self._lanes(lanes, after=LANE_CALLS)
        stored = _joined(old, beside.within)
        targets = _distinct([*now, *self._read_rows(beside.within.rows)])
        context = [*self._read_rows(beside.before), *targets]
        found = Derivation(context, self._look_up).within_lanes(targets)
        openers = [one for one in targets if found[one.entry.entry_id][1]]
        around = self._pools(openers, stored.rows)
        others = [row for row in around.within.rows if row.entry_id not in found]
        also = self._read_rows(others)
        found |= self._across(openers, also, context, around)
        stored = _joined(stored, around.within._replace(rows=others))
        rows = rows_of(self._project, [*targets, *also], found, self._prices)
        return write_rows(self._store, stored, self._kept(rows, stored.rows), version)

    def _across(
        self, openers: list[Prompt], also: list[Prompt], context: list[Prompt], around: Around
    ) -> _Found:
        """Return what openers lost, compared with the openers of their pools."""
        calls = _distinct([*openers, *also])
        if not calls:
            return {}
        ids = {one.entry.entry_id for one in calls}
        before = self._read_rows(row for row in around.before if row.entry_id not in ids)
        lanes = self._lanes(_spans([(one.lane, one.start_ns) for one in also]), after=0)
        context = [*context, *self._read_rows(lanes.before), *also]
        derivation = Derivation(context, self._look_up)
        return derivation.across_lanes(calls, [*before, *calls])

    def _lanes(self, spans: Mapping[int, tuple[int, int]], *, after: int) -> Around:
        limits = {"before": LANE_CALLS, "after": after}
        return read_around(
            self._store,
            "cache_rows_of_lanes",
            self._project,
            spans,
            LANE_BACK_NS,
            LANE_BACK_NS,
            limits,
        )

    def _pools(self, openers: Iterable[Prompt], stored: Iterable[CacheRow]) -> Around:
        """Return the openers around those that changed, or were openers before."""
        spans = _spans(
            [(one.pool, one.start_ns) for one in openers]
            + [(row.pool, row.time_ns) for row in stored if row.is_opener]
        )
        near = self._openers(spans, _POOL_NEAR_NS)
        found = Counter(row.pool for row in near.before)
        few = {pool: span for pool, span in spans.items() if found[pool] < POOL_CALLS}
        if not few:
            return near
        far = self._openers(few, POOL_BACK_NS)
        within = [row for row in near.within.rows if row.pool not in few]
        before = [row for row in near.before if row.pool not in few]
        joined = _joined(near.within._replace(rows=within), far.within)
        return Around(joined, [*before, *far.before])

    def _openers(self, spans: Mapping[int, tuple[int, int]], back_ns: int) -> Around:
        return read_around(
            self._store,
            "cache_openers_of_pools",
            self._project,
            spans,
            back_ns,
            POOL_BACK_NS,
            {"calls": POOL_CALLS},
        )

    def _kept(self, rows: list[CacheRow], stored: Iterable[CacheRow]) -> list[CacheRow]:
        """Keep what was found while the prompts of calls were still there: spans expire first."""
        before = {row.entry_id: row for row in stored}
        return [
            self._with_finding(row, known)
            if not row.segments and (known := before.get(row.entry_id)) and known.segments
            else row
            for row in rows
        ]

    def _with_finding(self, row: CacheRow, known: CacheRow) -> CacheRow:
        kept = known[FIRST_FINDING:END_FINDING]
        entry = self._prompts[row.entry_id].entry
        rates = rates_of(entry, self._prices)
        lost = lost_usd(entry, rates, known.lost_tokens) if rates else None
        made = CacheRow._make((*row[:FIRST_FINDING], *kept, lost))
        return made._replace(is_opener=known.is_opener)

    def _look_up(self, hashes: Collection[bytes]) -> Mapping[bytes, Segment]:
        return read_texts(self._store, self._project, hashes)

    def _read_rows(self, rows: Iterable[CacheRow]) -> list[Prompt]:
        """Return the calls of stored rows, as far as the ledger still has them."""
        return self._read([(hour_of(row.time_ns), row.trace_id, row.entry_id) for row in rows])

    def _read(self, wanted: Sequence[Changed]) -> list[Prompt]:
        """Return calls by hour, trace and entry, each read once; those that are gone are not."""
        new = [one for one in wanted if one[2] not in self._prompts]
        self._prompts |= self._memory.find(entry_id for _, _, entry_id in new)
        unknown = [one for one in new if one[2] not in self._prompts]
        if unknown:
            entries = read_entries(self._store, self._project, unknown)
            shared = self._memory.shared
            read = read_prompts(self._store, self._project, entries.values(), shared)
            self._memory.keep(read)
            self._prompts |= read
        found = (self._prompts.get(entry_id) for _, _, entry_id in wanted)
        return [one for one in found if one is not None]


def _spans(times: Iterable[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Return the first and last time of each key."""
    found: dict[int, tuple[int, int]] = {}
    for key, time_ns in times:
        first, last = found.get(key, (time_ns, time_ns))
        found[key] = min(first, time_ns), max(last, time_ns)
    return found


def _joined(one: Stored[CacheRow], other: Stored[CacheRow]) -> Stored[CacheRow]:
    return Stored([*one.rows, *other.rows], max(one.newest, other.newest))


def _distinct(calls: Iterable[Prompt]) -> list[Prompt]:
    return list({call.entry.entry_id: call for call in calls}.values())
