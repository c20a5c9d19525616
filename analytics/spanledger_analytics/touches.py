"""Reads the collector's notes about changed traces, each flush once."""

from __future__ import annotations

from dataclasses import dataclass

from spanledger_analytics._rows import integers, strings
from spanledger_storage.store import Store

# Rows become visible when their insert ends, not in the order of touched_at.
OVERLAP_US = 120 * 10**6
_MAX_FLUSHES = 500


@dataclass(frozen=True, slots=True)
class TouchBatch:
    """Flushes to handle together.

    ``traces`` are distinct (project, trace_id); ``newest_us`` is the newest flush's time in UTC
    microseconds; ``flushes`` maps each flush to its time.
    """

    traces: tuple[tuple[str, str], ...]
    newest_us: int
    flushes: dict[str, int]


class TouchReader:
    """Hands out touched traces in order of time, in batches of bounded size.

    Flushes of the last two minutes are remembered, because a slow insert may show up behind the
    position. A new reader has no memory: it hands the last two minutes out again, which is safe
    because handling a trace twice changes nothing.
    """

    def __init__(self, store: Store, position_us: int | None, max_traces: int = 2_000) -> None:
        self._store = store
        self._position_us = position_us or 0
        self._max_traces = max_traces
        self._handled: dict[str, int] = {}

    @property
    def position_us(self) -> int:
        """Everything up to here was handled, but for rows not visible yet (UTC microseconds)."""
        return self._position_us

    def next_batch(self) -> TouchBatch | None:
        """Return flushes not handled yet, None when there are none.

        A batch ends before the flush that would exceed ``max_traces``; a single larger flush
        comes alone. The same batch comes again until ``mark_handled``.
        """
        since = max(0, self._position_us - OVERLAP_US)
        flushes = self._new_flushes(since)
        if not flushes:
            return None
        params = {"since_us": min(flushes.values()), "flush_ids": list(flushes)}
        table = self._store.arrow("touches_traces", params)
        pairs = zip(strings(table, "project"), strings(table, "trace_id"), strict=True)
        return TouchBatch(tuple(pairs), max(flushes.values()), flushes)

    def _new_flushes(self, since_us: int) -> dict[str, int]:
        params = {"since_us": since_us, "max_flushes": _MAX_FLUSHES + len(self._handled)}
        table = self._store.arrow("touches_flushes", params)
        ids, times = strings(table, "flush_id"), integers(table, "touched_us")
        found: dict[str, int] = {}
        traces = 0
        for flush_id, touched_us, flush_traces in zip(
            ids, times, integers(table, "traces"), strict=True
        ):
            if flush_id in self._handled:
                continue
            traces += flush_traces
            if found and traces > self._max_traces:
                break
            found[flush_id] = touched_us
        return found

    def mark_handled(self, batch: TouchBatch) -> None:
        """Move past a batch; its flushes are not handed out again by this reader."""
        self._handled.update(batch.flushes)
        self._position_us = max(self._position_us, batch.newest_us)
        oldest = self._position_us - OVERLAP_US
        self._handled = {f: at for f, at in self._handled.items() if at >= oldest}
