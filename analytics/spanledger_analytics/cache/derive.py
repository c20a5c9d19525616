"""Rows of many calls at once: each from its own earlier calls, whatever order they came in."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from spanledger_analytics.cache.calls import Prompt
from spanledger_analytics.cache.contents import Contents
from spanledger_analytics.cache.explain import (
    LANE_BACK_NS,
    LANE_CALLS,
    POOL_BACK_NS,
    POOL_CALLS,
    Finding,
    Prices,
    explain,
    find_cause,
)
from spanledger_analytics.cache.rates import rates_of
from spanledger_analytics.cache.rows import CacheRow
from spanledger_analytics.cache.texts import Segment

_MOST_ROUNDS = 4  # texts are looked up: two segments, then another candidate's, then sizes

LookUp = Callable[[Collection[bytes]], Mapping[bytes, Segment]]


class Timeline:
    """Calls of each lane, or openers of each pool, in order of time."""

    def __init__(self, calls: Iterable[Prompt], *, by_pool: bool = False) -> None:
        kept: dict[str, Prompt] = {call.entry.entry_id: call for call in calls}
        self._by_pool = by_pool
        self._calls: defaultdict[int, list[Prompt]] = defaultdict(list)
        self._orders: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
        for order, call in sorted((call.order, call) for call in kept.values()):
            key = self._key(call)
            self._calls[key].append(call)
            self._orders[key].append(order)

    def before(self, call: Prompt, most: int, back_ns: int) -> list[Prompt]:
        """Return the latest calls before one, at most ``most`` and ``back_ns`` old, in order."""
        key = self._key(call)
        orders = self._orders[key]
        end = bisect_left(orders, call.order)
        start = bisect_left(orders, (call.start_ns - back_ns, ""), hi=end)
        return self._calls[key][max(start, end - most) : end]

    def _key(self, call: Prompt) -> int:
        return call.pool if self._by_pool else call.lane


class Derivation:
    """The rows of some calls, in two steps, because openers are compared across lanes.

    Args:
        lane_calls: the calls, and the earlier ones of their lanes.
        look_up: returns what segments say, as far as it is stored.
    """

    def __init__(self, lane_calls: Iterable[Prompt], look_up: LookUp) -> None:
        self._lanes = Timeline(lane_calls)
        self._look_up = look_up
        self._contents = Contents()

    def within_lanes(self, calls: Collection[Prompt]) -> dict[str, tuple[Finding, bool]]:
        """Return by entry id what each call lost as far as its lane tells, and if it opens one."""
        return self._found(calls, Timeline((), by_pool=True))

    def across_lanes(
        self, openers: Collection[Prompt], pool_calls: Iterable[Prompt]
    ) -> dict[str, tuple[Finding, bool]]:
        """Return the same of openers, compared with the openers of their pools."""
        return self._found(openers, Timeline(pool_calls, by_pool=True))

    def _found(self, calls: Collection[Prompt], pools: Timeline) -> dict[str, tuple[Finding, bool]]:
        """Look at each call again once the texts that it asked for are there."""
        found: dict[str, tuple[Finding, bool]] = {}
        for _ in range(_MOST_ROUNDS):
            again: list[Prompt] = []
            missing: set[bytes] = set()
            for call in calls:
                self._contents.missing.clear()
                found[call.entry.entry_id] = find_cause(
                    call,
                    self._lanes.before(call, LANE_CALLS, LANE_BACK_NS),
                    pools.before(call, POOL_CALLS, POOL_BACK_NS),
                    self._contents,
                )
                if self._contents.missing:
                    again.append(call)
                    missing |= self._contents.missing
            if not again:
                break
            self._contents.missing |= missing
            self._contents.add(self._look_up(missing))
            calls = again
        return found


def rows_of(
    project: str,
    calls: Iterable[Prompt],
    found: Mapping[str, tuple[Finding, bool]],
    prices: Prices,
) -> list[CacheRow]:
    """Return the rows of calls."""
    rows: list[CacheRow] = []
    for call in calls:
        finding, is_opener = found[call.entry.entry_id]
        rates = rates_of(call.entry, prices)
        rows.append(explain(project, call, finding, rates, is_opener=is_opener))
    return rows


def derive(
    project: str, calls: Collection[Prompt], look_up: LookUp, prices: Prices
) -> list[CacheRow]:
    """Return the rows of all calls of a project, whatever their order: what the job must store."""
    kept = list({call.entry.entry_id: call for call in calls}.values())
    derivation = Derivation(kept, look_up)
    found = derivation.within_lanes(kept)
    openers = [call for call in kept if found[call.entry.entry_id][1]]
    found |= derivation.across_lanes(openers, openers)
    kept.sort(key=lambda call: call.order)
    return rows_of(project, kept, found, prices)
