"""Finds what changed in the ledger since it was last looked at, each version of an entry once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from spanledger_analytics._rows import Literal, batches, integers, strings
from spanledger_analytics.touches import DELETED, OVERLAP_US
from spanledger_analytics.versions import Versions
from spanledger_storage.store import Store

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
    """Hands out changed entries of LLM calls in order of version, in batches of bounded size."""

    def __init__(self, store: Store, position_ns: int | None, now_ns: Callable[[], int]) -> None:
        self._store = store
        self._versions = Versions(store, "cache_versions", position_ns or 0, now_ns, _MAX_ROWS)
        self._handled: defaultdict[int, set[Changed]] = defaultdict(set)

    @property
    def position_ns(self) -> int:
        """Every version up to here was handled, but for rows not visible yet."""
        return self._versions.position_ns

    def next_batch(self) -> ChangeBatch | None:
        """Return versions not handled yet, None when there are none."""
        while versions := self._versions.choose():
            by_project: defaultdict[str, list[Changed]] = defaultdict(list)
            newest = 0
            for changed in self._read(versions):
                if changed not in self._handled[changed.version]:
                    by_project[changed.project].append(changed)
                    newest = max(newest, changed.version)
            if by_project:
                return ChangeBatch(dict(by_project), newest, versions)
            self._mark_read(versions)
        return None

    def mark_handled(self, batch: ChangeBatch) -> None:
        """Remember a batch; it will not come again."""
        for changes in batch.by_project.values():
            for changed in changes:
                self._handled[changed.version].add(changed)
        self._mark_read(batch.versions, batch.newest)

    def _mark_read(self, versions: Mapping[int, int], newest: int = 0) -> None:
        for version in self._versions.mark_read(versions, newest):
            self._handled.pop(version, None)

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
