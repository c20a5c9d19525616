"""Finds which traces changed since they were last looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spanledger_analytics._rows import Literal, batches, integers, strings
from spanledger_analytics.versions import Versions
from spanledger_storage.store import Store

_MAX_ROWS = 10_000
_FIRST_BACK_NS = 86_400 * 10**9

TraceKey = tuple[str, str]
"""Project and trace id."""


class ChangedTrace(NamedTuple):
    """A trace to look at again; ``calls`` of models and tools, ``start_ns`` in UTC."""

    trace_id: str
    spans: int
    calls: int = 0
    session_id: str = ""
    user_id: str = ""
    start_ns: int = 0


@dataclass(frozen=True, slots=True)
class TraceBatch:
    """Traces to look at again, by project.

    Attributes:
        newest: newest version of each.
        read: how many rows there were of each version that was read.
    """

    by_project: dict[str, list[ChangedTrace]] = field(default_factory=dict[str, list[ChangedTrace]])
    newest: dict[TraceKey, int] = field(default_factory=dict[TraceKey, int])
    read: Mapping[int, int] = field(default_factory=dict[int, int])


class ChangeReader:
    """Hands out changed traces in order of version, in batches of bounded size.

    Of a trace the newest version that was handled is remembered: whoever looks at a trace sees that
    one, and those before it with it. At its very first start it looks back a day.
    """

    def __init__(self, store: Store, position_ns: int | None, now_ns: Callable[[], int]) -> None:
        self._store = store
        since = max(0, now_ns() - _FIRST_BACK_NS) if position_ns is None else position_ns
        self._versions = Versions(store, "findings_versions", since, now_ns, _MAX_ROWS)
        self._handled: dict[TraceKey, int] = {}

    @property
    def position_ns(self) -> int:
        """Every version up to here was handled, but for rows not visible yet."""
        return self._versions.position_ns

    def next_batch(self) -> TraceBatch | None:
        """Return traces that were written since they were handled, None when there are none."""
        while versions := self._versions.choose():
            batch = TraceBatch(read=versions)
            for key, (version, changed) in self._read(versions).items():
                if version > self._handled.get(key, 0):
                    batch.by_project.setdefault(key[0], []).append(changed)
                    batch.newest[key] = version
            if batch.newest:
                return batch
            self._mark_read(versions)
        return None

    def mark_handled(self, batch: TraceBatch) -> None:
        """Remember a batch; its traces will not come again unless they change."""
        self._handled |= batch.newest
        self._mark_read(batch.read, max(batch.newest.values()))

    def _mark_read(self, versions: Mapping[int, int], newest: int = 0) -> None:
        gone = set(self._versions.mark_read(versions, newest))
        if gone:
            self._handled = {key: v for key, v in self._handled.items() if v not in gone}

    def _read(self, versions: Mapping[int, int]) -> dict[TraceKey, tuple[int, ChangedTrace]]:
        """Return traces with rows of these versions, and the newest of these of each."""
        found: dict[TraceKey, tuple[int, ChangedTrace]] = {}
        for part in batches(sorted(versions)):
            table = self._store.arrow("findings_changed", {"versions": Literal(part)})
            columns = (
                strings(table, "project"),
                strings(table, "trace_id"),
                integers(table, "newest"),
                integers(table, "spans"),
                integers(table, "calls"),
                strings(table, "session_id"),
                strings(table, "user_id"),
                integers(table, "start_ns"),
            )
            for project, trace_id, version, *said in zip(*columns, strict=True):
                found[project, trace_id] = version, ChangedTrace(trace_id, *said)
        return found


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
