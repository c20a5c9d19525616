"""Reads the collector's notes about changed traces, each flush once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from spanledger_analytics._rows import integers, strings
from spanledger_storage.store import Store

REPRICING = "repricing-"
"""How the ids of flushes begin that announce repriced hours.

Their newest version follows; then, after a ``-``, whatever tells several of one version apart.
"""

DELETED = "deleted-"
"""How the ids of flushes begin that announce hours in which a deletion removed entries."""

# Rows become visible when their insert ends, not in the order of touched_at.
OVERLAP_US = 120 * 10**6
_MAX_ROWS = 50_000  # rows of touches looked at beyond those handled already


class Flush(NamedTuple):
    """One insert of the collector; times in UTC microseconds, ``touched`` counts its rows."""

    first_us: int
    touched_us: int
    touched: int


@dataclass(frozen=True, slots=True)
class TouchBatch:
    """Flushes to handle together.

    ``traces`` are distinct (project, trace_id), ``hours`` distinct (project, UTC start hour in UNIX
    seconds) in which spans or metrics changed; ``newest_us`` is the newest flush's time in UTC
    microseconds; ``flushes`` are by id. ``repriced_hours`` are those a repricing announces,
    ``repriced_version`` is newer than every version it wrote (0: none did). ``is_last``: there were
    no more flushes when they were looked for. ``unrooted`` are those of ``traces`` of which only
    spans with a parent came. ``places`` are (project, trace_id, start hour);
    without a trace_id, metrics changed in that hour.
    """

    traces: tuple[tuple[str, str], ...]
    hours: tuple[tuple[str, int], ...]
    newest_us: int
    flushes: dict[str, Flush]
    repriced_hours: tuple[tuple[str, int], ...] = ()
    repriced_version: int = 0
    is_last: bool = False
    unrooted: frozenset[tuple[str, str]] = frozenset()
    places: frozenset[tuple[str, str, int]] = frozenset()

    @property
    def first_us(self) -> int:
        """When the oldest row was written (UTC microseconds)."""
        return min(flush.first_us for flush in self.flushes.values())


def _version(flush_id: str) -> int:
    return int(flush_id.removeprefix(REPRICING).partition("-")[0])


class TouchReader:
    """Hands out touched traces in order of time, in batches of bounded size.

    Flushes of the last two minutes are remembered, because a slow insert may show up behind the
    position. A new reader has no memory: it hands the last two minutes out again, which is safe
    because handling a trace twice changes nothing.
    """

    def __init__(self, store: Store, position_us: int | None, max_traces: int = 20_000) -> None:
        self._store = store
        self._position_us = position_us or 0
        self._max_traces = max_traces
        self._handled: dict[str, Flush] = {}

    @property
    def position_us(self) -> int:
        """Everything up to here was handled, but for rows not visible yet (UTC microseconds)."""
        return self._position_us

    def not_after(self, now_us: int) -> bool:
        """Move back to now when the position lies ahead, because a clock was set back.

        Returns whether it did; new flushes would lie behind the position otherwise.
        """
        if self._position_us <= now_us + OVERLAP_US:
            return False
        self._position_us = now_us
        return True

    def next_batch(self) -> TouchBatch | None:
        """Return flushes not handled yet, None when there are none.

        A batch ends before the flush that would exceed ``max_traces``; a single larger flush
        comes alone. The same batch comes again until ``mark_handled``.
        """
        new, is_whole = self._new_flushes()
        flushes = self._choose(new)
        if not flushes:
            return None
        params: dict[str, object] = {
            "since_us": min(flush.first_us for flush in flushes.values()),
            "flush_ids": list(flushes),
        }
        places, unrooted = self._read_touched(params)
        traces = tuple(sorted({(project, name) for project, name, _ in places if name}))
        hours = tuple(sorted({(project, hour) for project, _, hour in places}))
        repricings = [flush_id for flush_id in flushes if flush_id.startswith(REPRICING)]
        repriced = self._read_hours({**params, "flush_ids": repricings}) if repricings else ()
        newest_us = max(flush.touched_us for flush in flushes.values())
        version = max((_version(i) for i in repricings), default=0)
        is_last = is_whole and len(flushes) == len(new)
        return TouchBatch(
            traces, hours, newest_us, flushes, repriced, version, is_last, unrooted, places
        )

    def _read_touched(
        self, params: dict[str, object]
    ) -> tuple[frozenset[tuple[str, str, int]], frozenset[tuple[str, str]]]:
        """Return what flushes touched, by project, trace and hour, and the traces unrooted."""
        table = self._store.arrow("touches_traces", params)
        projects, names = strings(table, "project"), strings(table, "trace_id")
        pairs = list(zip(projects, names, strict=True))
        roots = integers(table, "has_root")
        rooted = {pair for pair, has_root in zip(pairs, roots, strict=True) if has_root}
        places = frozenset(zip(projects, names, integers(table, "hour"), strict=True))
        return places, frozenset(pair for pair in pairs if pair[1]) - rooted

    def _read_hours(self, params: dict[str, object]) -> tuple[tuple[str, int], ...]:
        table = self._store.arrow("touches_hours", params)
        return tuple(zip(strings(table, "project"), integers(table, "hour"), strict=True))

    def _new_flushes(self) -> tuple[dict[str, Flush], bool]:
        """Return flushes not handled yet, and whether these are all."""
        since_us = max(0, self._position_us - OVERLAP_US)
        max_rows = _MAX_ROWS + sum(flush.touched for flush in self._handled.values())
        while True:
            found = self._read_flushes(since_us, max_rows)
            new = {key: flush for key, flush in found.items() if key not in self._handled}
            if sum(flush.touched for flush in found.values()) < max_rows:
                return new, True
            # The last flush may be cut off: leave it to the next batch, or look further.
            if len(new) > 1:
                new.popitem()
                return new, False
            max_rows *= 2

    def _read_flushes(self, since_us: int, max_rows: int) -> dict[str, Flush]:
        table = self._store.arrow("touches_flushes", {"since_us": since_us, "max_rows": max_rows})
        flushes = map(Flush, *(integers(table, field) for field in Flush._fields))
        return dict(zip(strings(table, "flush_id"), flushes, strict=True))

    def _choose(self, flushes: dict[str, Flush]) -> dict[str, Flush]:
        chosen: dict[str, Flush] = {}
        touched = 0
        for flush_id, flush in flushes.items():
            touched += flush.touched
            if chosen and touched > self._max_traces:
                break
            chosen[flush_id] = flush
        return chosen

    def mark_handled(self, batch: TouchBatch) -> None:
        """Move past a batch; its flushes are not handed out again by this reader."""
        self._handled.update(batch.flushes)
        self._position_us = max(self._position_us, batch.newest_us)
        oldest = self._position_us - OVERLAP_US
        self._handled = {
            key: flush for key, flush in self._handled.items() if flush.touched_us >= oldest
        }
