"""Finds what changed in the ledger since it was last looked at, each version of an entry once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from spanledger_analytics._rows import Literal, batches, integers, strings
from spanledger_analytics.touches import DELETED, OVERLAP_US
from spanledger_storage.store import Store

_OVERLAP_NS = OVERLAP_US * 1_000
_MAX_ROWS = 20_000


class Changed(NamedTuple):
    """One written version of an entry; ``hour`` is its UTC start hour, UNIX seconds."""

    project: str
    entry_id: str
    trace_id: str
    hour: int
    start_ns: int
    version: int


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Entries to look at again, by project, and the newest version among them.

    ``versions``: how many rows there were of each version that was read.
    """

    by_project: dict[str, list[Changed]] = field(default_factory=dict[str, list[Changed]])
    newest: int = 0
    versions: Mapping[int, int] = field(default_factory=dict[int, int])


class ChangeReader:
    """Hands out changed entries of LLM calls in order of version, in batches of bounded size.

    A repricing writes versions ahead of the clock, and what the ledger job writes meanwhile lies
    behind them. So the position never passes the clock, and versions of the last two minutes
    before it, and all after it, are remembered.

    Versions are counted, and read where there are more rows than were seen. A merge may take rows
    away while others come: so a version is read once more before it is forgotten.
    """

    def __init__(self, store: Store, position_ns: int | None, now_ns: Callable[[], int]) -> None:
        self._store = store
        self._position_ns = position_ns or 0
        self._now_ns = now_ns
        self._seen: dict[int, int] = {}
        self._handled: defaultdict[int, set[Changed]] = defaultdict(set)

    @property
    def position_ns(self) -> int:
        """Every version up to here was handled, but for rows not visible yet."""
        return self._position_ns

    def next_batch(self) -> ChangeBatch | None:
        """Return versions not handled yet, None when there are none."""
        while versions := self._choose():
            by_project: defaultdict[str, list[Changed]] = defaultdict(list)
            newest = 0
            for changed in self._read(versions):
                if changed not in self._handled[changed.version]:
                    by_project[changed.project].append(changed)
                    newest = max(newest, changed.version)
            if by_project:
                return ChangeBatch(dict(by_project), newest, versions)
            self._remember(versions)
        return None

    def mark_handled(self, batch: ChangeBatch) -> None:
        """Remember a batch; it will not come again."""
        for changes in batch.by_project.values():
            for changed in changes:
                self._handled[changed.version].add(changed)
        self._remember(batch.versions)
        self._position_ns = max(self._position_ns, min(batch.newest, self._now_ns()))

    def _choose(self) -> dict[int, int]:
        """Return some versions to read, the oldest first, and how many rows there are of each."""
        oldest = max(0, self._position_ns - _OVERLAP_NS)
        found = {version: 0 for version in sorted(self._seen) if version <= oldest}
        table = self._store.arrow("cache_versions", {"since": oldest})
        counted = zip(integers(table, "version"), integers(table, "rows"), strict=True)
        found |= {v: rows for v, rows in counted if rows > self._seen.get(v, 0)}
        chosen: dict[int, int] = {}
        total = 0
        for version, rows in found.items():
            total += rows or self._seen[version]
            if chosen and total > _MAX_ROWS:
                break
            chosen[version] = rows
        return chosen

    def _read(self, versions: Mapping[int, int]) -> Iterator[Changed]:
        for part in batches(list(versions)):
            table = self._store.arrow("cache_changed", {"versions": Literal(part)})
            yield from map(
                Changed,
                strings(table, "project"),
                strings(table, "entry_id"),
                strings(table, "trace_id"),
                integers(table, "hour"),
                integers(table, "start_ns"),
                integers(table, "version"),
            )

    def _remember(self, versions: Mapping[int, int]) -> None:
        """Note how many rows were seen, and forget versions that were read for the last time."""
        for version, rows in versions.items():
            if rows:
                self._seen[version] = rows
            else:
                self._seen.pop(version, None)
                self._handled.pop(version, None)


class Announcements(NamedTuple):
    """Hours by project, and everything that was read to find them."""

    by_project: dict[str, set[int]]
    seen: frozenset[tuple[str, int, int]]


class AnnouncedHours:
    """Hours of which a deletion said that entries went away, which leaves no version behind.

    Args:
        store: the telemetry store.
        position_us: everything up to here was handled, UTC microseconds; None: nothing was.
    """

    def __init__(self, store: Store, position_us: int | None) -> None:
        self._store = store
        self._since_us = position_us or 0
        self._seen: frozenset[tuple[str, int, int]] = frozenset()

    @property
    def position_us(self) -> int:
        """The newest announcement that was handled (UTC microseconds)."""
        return self._since_us

    def next_hours(self) -> Announcements:
        """Return hours that were announced and not handled yet; the same until they are."""
        params = {"since_us": max(0, self._since_us - OVERLAP_US), "prefix": DELETED}
        table = self._store.arrow("cache_announced_hours", params)
        columns = strings(table, "project"), integers(table, "hour_s"), integers(table, "newest_us")
        announced = frozenset(zip(*columns, strict=True))
        found: defaultdict[str, set[int]] = defaultdict(set)
        for project, hour, _ in announced - self._seen:
            found[project].add(hour)
        return Announcements(dict(found), announced)

    def mark_handled(self, handled: Announcements) -> None:
        """Remember hours; they will not come again unless they are announced again."""
        self._since_us = max((newest for _, _, newest in handled.seen), default=self._since_us)
        self._seen = handled.seen
