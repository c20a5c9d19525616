"""Finds which traces changed since they were last looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spanledger_analytics._rows import integers, strings
from spanledger_analytics.touches import OVERLAP_US
from spanledger_storage.store import Store

_OVERLAP_NS = OVERLAP_US * 1_000
_MAX_ROWS = 10_000
_FIRST_BACK_NS = 86_400 * 10**9

TraceKey = tuple[str, str]
"""Project and trace id."""


class ChangedTrace(NamedTuple):
    """A trace to look at again; ``calls`` of models and tools."""

    trace_id: str
    spans: int
    calls: int


@dataclass(frozen=True, slots=True)
class TraceBatch:
    """Traces to look at again, by project, and the newest version of each."""

    by_project: dict[str, list[ChangedTrace]] = field(default_factory=dict[str, list[ChangedTrace]])
    versions: dict[TraceKey, int] = field(default_factory=dict[TraceKey, int])


class ChangeReader:
    """Hands out changed traces in order of version, in batches of bounded size.

    A repricing writes versions ahead of the clock, and what the ledger job writes meanwhile lies
    behind them. So the position never passes the clock, and of traces written in the last two
    minutes before it, and all after it, the newest version is remembered: whoever looks at a trace
    sees its newest version, and those before it with it. At its very first start it looks back a
    day.
    """

    def __init__(self, store: Store, position_ns: int | None, now_ns: Callable[[], int]) -> None:
        self._store = store
        first = now_ns() - _FIRST_BACK_NS
        self._position_ns = max(0, first) if position_ns is None else position_ns
        self._now_ns = now_ns
        self._handled: dict[TraceKey, int] = {}

    @property
    def position_ns(self) -> int:
        """Every version up to here was handled, but for rows not visible yet."""
        return self._position_ns

    def next_batch(self) -> TraceBatch | None:
        """Return traces that were written since they were handled, None when there are none."""
        params = {
            "since": max(0, self._position_ns - _OVERLAP_NS),
            "max_rows": _MAX_ROWS + len(self._handled),
        }
        table = self._store.arrow("findings_changed", params)
        columns = (
            strings(table, "project"),
            strings(table, "trace_id"),
            integers(table, "newest"),
            integers(table, "spans"),
            integers(table, "calls"),
        )
        batch = TraceBatch()
        for project, trace_id, version, spans, calls in zip(*columns, strict=True):
            key = (project, trace_id)
            if version > self._handled.get(key, 0):
                changed = ChangedTrace(trace_id, spans, calls)
                batch.by_project.setdefault(project, []).append(changed)
                batch.versions[key] = version
        return batch if batch.versions else None

    def mark_handled(self, batch: TraceBatch) -> None:
        """Remember a batch; its traces will not come again unless they change."""
        self._handled |= batch.versions
        newest = max(batch.versions.values())
        self._position_ns = max(self._position_ns, min(newest, self._now_ns()))
        oldest = self._position_ns - _OVERLAP_NS
        self._handled = {key: version for key, version in self._handled.items() if version > oldest}


def parts(
    traces: Sequence[ChangedTrace], most_traces: int, most_spans: int
) -> Iterator[list[ChangedTrace]]:
    """Return the traces in parts that can be read together; a larger one than that is alone."""
    part: list[ChangedTrace] = []
    spans = 0
    for trace in traces:
        if part and (len(part) >= most_traces or spans + trace.spans > most_spans):
            yield part
            part, spans = [], 0
        part.append(trace)
        spans += trace.spans
    if part:
        yield part
