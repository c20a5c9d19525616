"""The trajectory step: changed traces in, changed trajectories out; part of the ledger step.

1. The keys of the traces, and who else holds them, say which traces are near.
2. What is stored says which trajectories those are part of, and which traces these have besides.
3. Sets of traces are joined, their rows read, trajectories derived, compared and written.

The order of writing lets a step that ended halfway be run again: rows of trajectories first, then
which trace is part of which, then the keys. Work follows the traces that changed and those of their
trajectories, of which only one row each is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from spanledger_analytics import _rows, trajectories
from spanledger_analytics._rows import Literal, Stored, batches, integers, strings
from spanledger_analytics.traces import Trace, read_traces
from spanledger_analytics.trajectories import Trajectory, derive_trajectory
from spanledger_analytics.trajectory_groups import (
    MAX_TRACES_OF_KEY,
    Group,
    Union,
    groups,
    is_live,
    joined,
)
from spanledger_analytics.trajectory_keys import EXPLICIT, Key, keys_naming, named_trace
from spanledger_storage.store import Store

_MAX_NEAR = 20_000  # traces that one step looks at; more are taken in halves
_LAST_HOUR_S = 2**32 - 1  # what toStartOfHour says of every time from 2106 on

Pair = tuple[int, str]
"""A UTC start hour (UNIX seconds) and an id: where a row lies."""


class Part(NamedTuple):
    """One row of ``trajectory_traces`` without the two columns that only say how new it is."""

    project: str
    trace_id: str
    trajectory_id: str
    trace_hour: int
    trajectory_hour: int


_PART_SCHEMA = pa.schema(
    [(name, pa.uint32() if name.endswith("_hour") else _rows.STRING) for name in Part._fields]
)
_KEY_SCHEMA = pa.schema([(n, _rows.STRING) for n in ("project", "kind", "key", "trace_id")])


def update_trajectories(
    store: Store,
    project: str,
    traces: Sequence[Trace],
    keys: Mapping[str, Collection[Key]],
    hours: Iterable[Pair],
    *,
    version: int,
) -> int:
    """Derive the trajectories of some traces again; return the number of rows of them written.

    Args:
        store: The telemetry store.
        project: The project whose traces these are.
        traces: As they are now, whether or not that is new.
        keys: By trace, as ``trace_keys`` returns them.
        hours: In which these traces have spans, as far as that was read already.
        version: UTC nanoseconds, greater than at any earlier call.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    if not traces:
        return 0
    known = set(hours)
    step = _Step(store, project, traces, keys, known)
    if len(traces) > 1 and step.count_near() > _MAX_NEAR:
        middle = len(traces) // 2
        return sum(
            update_trajectories(store, project, part, keys, known, version=version)
            for part in (traces[:middle], traces[middle:])
        )
    return step.run(version)


class _Step:
    """What is read and known while one step runs."""

    def __init__(
        self,
        store: Store,
        project: str,
        traces: Sequence[Trace],
        keys: Mapping[str, Collection[Key]],
        hours: Collection[Pair],
    ) -> None:
        self._store = store
        self._project = project
        self._known_hours = hours
        self._traces = {trace.trace_id: trace for trace in traces}
        own = {trace_id: set(keys.get(trace_id, ())) for trace_id in self._traces}
        asked = {key for found in own.values() for key in found}
        asked |= {key for trace_id in own for key in keys_naming(trace_id)}
        self._stored = self._read_holders(asked)
        self._new = sorted(
            (*key, trace_id)
            for trace_id, found in own.items()
            for key in found
            # Who else holds a key that ties nothing does not matter: reading it stays cheap.
            if trace_id not in self._stored.get(key, ()) and is_live(self._stored.get(key, ()))
        )
        self._holders: dict[Key, set[str]] = {k: set(found) for k, found in self._stored.items()}
        for kind, key, trace_id in self._new:
            self._holders.setdefault((kind, key), set()).add(trace_id)
        self._parts: dict[str, Part] = {}
        self._newest = 0

    def count_near(self) -> int:
        """Return how many traces the keys lead to, those of several keys more than once."""
        return sum(len(found) for found in self._holders.values() if is_live(found))

    def run(self, version: int) -> int:
        """Derive and write; return the number of rows of trajectories written."""
        near = self._near()
        self._read_parts(near)
        labelled = {(p.trajectory_hour, p.trajectory_id) for p in self._parts.values()}
        stored = self._read_trajectories(labelled)
        members = self._members(stored.rows)
        self._read_parts({trace for found in members.values() for trace in found} - near)
        union = self._union(members)
        lone = self._hours_of(trace for trace in near if trace not in self._parts)
        traces = [*self._traces.values(), *self._read_traces(lone)]
        stored = self._with_lone(stored, traces, lone)
        self._ask_for_named(traces)
        labels = {part.trace_id: part.trajectory_id for part in self._parts.values()}
        return self._write(groups(traces, union, labels, self._holders), stored, version)

    # Reading

    def _near(self) -> set[str]:
        """Return the traces themselves and those that share a key, or did until now."""
        near = set(self._traces)
        for key, found in self._holders.items():
            if is_live(found) or self._has_died(key):
                near |= found | {named_trace(key)} - {""}
        return near

    def _has_died(self, key: Key) -> bool:
        """Whether it tied traces until this step, and is held by too many now."""
        return is_live(self._stored.get(key, ())) and not is_live(self._holders[key])

    def _read_holders(self, keys: Collection[Key]) -> dict[Key, set[str]]:
        found: defaultdict[Key, set[str]] = defaultdict(set)
        for part in batches(sorted({key for _, key in keys})):
            params: dict[str, object] = {
                "project": self._project,
                "asked": _rows.asked_ids("key", part),
                "max_traces": MAX_TRACES_OF_KEY + 1,
            }
            table = self._store.arrow("trajectory_key_traces", params)
            columns = (strings(table, name) for name in ("kind", "key", "trace_id"))
            for kind, key, trace_id in zip(*columns, strict=True):
                found[kind, key].add(trace_id)
        return {key: traces for key, traces in found.items() if key in keys}

    def _read_parts(self, trace_ids: Collection[str]) -> None:
        for part in batches(sorted(trace_ids)):
            params = {"project": self._project, "asked": _rows.asked_ids("trace_id", part)}
            self._add_parts(self._store.arrow("trajectory_parts", params))

    def _add_parts(self, table: pa.Table) -> None:
        stored = Stored.of([table], Part._fields, Part._make)
        self._parts.update((part.trace_id, part) for part in stored.rows)
        self._newest = max(self._newest, stored.newest)

    def _members(self, rows: Collection[Trajectory]) -> dict[str, Collection[str]]:
        """Return the traces of the trajectories that near traces are part of, by id.

        Where the row of one is gone, a step ended halfway: its traces still say that they are
        part of it.
        """
        members: dict[str, Collection[str]] = {row.trajectory_id: row.trace_ids for row in rows}
        lost = {part.trajectory_id for part in self._parts.values()} - set(members)
        for ids in batches(sorted(lost)):
            params = {"project": self._project, "trajectory_ids": Literal(ids)}
            self._add_parts(self._store.arrow("trajectory_parts_of", params))
        for trajectory_id in lost:
            found = [p.trace_id for p in self._parts.values() if p.trajectory_id == trajectory_id]
            members[trajectory_id] = found
        return members

    def _read_trajectories(self, pairs: Collection[Pair]) -> Stored[Trajectory]:
        tables = [
            self._store.arrow("trajectories_stored", params) for params in self._params(pairs)
        ]
        stored = Stored.of(tables, trajectories.FIELDS, Trajectory._make)
        rows = {_sort_key(row): row for row in stored.rows}
        return Stored(list(rows.values()), stored.newest)

    def _params(self, pairs: Collection[Pair]) -> Iterable[dict[str, object]]:
        for part in batches(sorted(pairs)):
            yield {"project": self._project, "asked": _rows.asked(("hour", "trace_id"), part)}

    def _read_traces(self, lone: Collection[Pair]) -> list[Trace]:
        """Return the rows of the other traces, as far as they are stored."""
        pairs = {(part.trace_hour, part.trace_id) for part in self._parts.values()} | set(lone)
        others = [pair for pair in pairs if pair[1] not in self._traces]
        rows = read_traces(self._store, self._params(others)).rows
        return list({trace.trace_id: trace for trace in rows}.values())

    def _hours_of(self, trace_ids: Iterable[str]) -> set[Pair]:
        """Return the hours in which traces have spans: in one of them lies their row."""
        asked = set(trace_ids)
        found = {pair for pair in self._known_hours if pair[1] in asked}
        for part in batches(sorted(asked - {trace_id for _, trace_id in found})):
            params: dict[str, object] = {"project": self._project, "trace_ids": Literal(part)}
            table = self._store.arrow("ledger_trace_hours", params)
            found.update(zip(integers(table, "hour"), strings(table, "trace_id"), strict=True))
        return found

    def _with_lone(
        self, stored: Stored[Trajectory], traces: Sequence[Trace], lone: Collection[Pair]
    ) -> Stored[Trajectory]:
        """Add the stored rows of traces that were trajectories of their own, or may have been."""
        pairs = set(lone) | {(_hour_s(trace.start_ns), trace.trace_id) for trace in traces}
        pairs |= {(_hour_s(t.start_ns), t.began_in) for t in traces if t.began_in}
        known = {(_hour_s(row.start_ns), row.trajectory_id) for row in stored.rows}
        more = self._read_trajectories(pairs - known)
        return Stored([*stored.rows, *more.rows], max(stored.newest, more.newest))

    # Grouping

    def _union(self, members: Mapping[str, Collection[str]]) -> Union:
        """Join traces by their keys, and by what is stored unless a key has died in between."""
        died = {key for key in self._holders if self._has_died(key)}
        if not died:
            return joined(self._holders, members.values())
        loose = {trace for key in died for trace in self._holders[key]}
        loose |= {trace for found in members.values() if loose & set(found) for trace in found}
        keys = self._read_keys(loose - set(self._traces))
        known = self._read_holders({key for found in keys.values() for key in found})
        for key, found in known.items():
            self._holders.setdefault(key, set()).update(found)
        still = [found for found in members.values() if not loose & set(found)]
        return joined(self._holders, still)

    def _read_keys(self, trace_ids: Collection[str]) -> dict[str, set[Key]]:
        found: defaultdict[str, set[Key]] = defaultdict(set)
        for part in batches(sorted(trace_ids)):
            params = {"project": self._project, "trace_ids": Literal(part)}
            table = self._store.arrow("trajectory_keys_of", params)
            columns = (strings(table, name) for name in ("trace_id", "kind", "key"))
            for trace_id, kind, key in zip(*columns, strict=True):
                found[trace_id].add((kind, key))
                found[trace_id].update(keys_naming(trace_id))
        return found

    def _ask_for_named(self, traces: Sequence[Trace]) -> None:
        """Learn who holds the explicit keys of traces that did not change."""
        keys = {(EXPLICIT, trace.began_in) for trace in traces if trace.began_in}
        missing = keys - set(self._holders)
        if missing:
            self._holders.update(self._read_holders(missing))

    # Writing

    def _write(self, made: list[Group], stored: Stored[Trajectory], version: int) -> int:
        derived = [derive_trajectory(group.trajectory_id, group.traces) for group in made]
        # Rows were looked for by names that traces gave: others' rows are not to be removed.
        mine = {trace.trace_id for group in made for trace in group.traces}
        rows = [row for row in stored.rows if not mine.isdisjoint(row.trace_ids)]
        written, removed = _rows.diff(rows, derived, _sort_key)
        if written or removed:
            newer = stored.newer(version)
            arrow = _rows.to_arrow(written, removed, trajectories.SCHEMA, newer)
            self._insert("trajectories", arrow, newer)
        self._write_parts(made, version)
        if self._new:
            columns = zip(*((self._project, *key) for key in self._new), strict=True)
            arrays = [pa.array(column, _rows.STRING) for column in columns]
            self._insert(
                "trajectory_keys", pa.Table.from_arrays(arrays, schema=_KEY_SCHEMA), version
            )
        return len(written) + len(removed)

    def _write_parts(self, made: list[Group], version: int) -> None:
        parts = [
            Part(
                self._project,
                trace.trace_id,
                group.trajectory_id,
                _hour_s(trace.start_ns),
                _hour_s(group.traces[0].start_ns),
            )
            for group in made
            for trace in group.traces
            if len(group.traces) > 1 or trace.trace_id != group.trajectory_id
        ]
        written, removed = _rows.diff(list(self._parts.values()), parts, lambda part: part[:2])
        if written or removed:
            newer = max(version, self._newest + 1)
            rows = _rows.to_arrow(written, removed, _PART_SCHEMA, newer)
            self._insert("trajectory_traces", rows, newer)

    def _insert(self, table: str, rows: pa.Table, version: int) -> None:
        self._store.insert(table, rows, token=_rows.insert_token(table, rows, version))


def _hour_s(time_ns: int) -> int:
    return min(time_ns // _rows.HOUR_NS * 3_600, _LAST_HOUR_S)


def _sort_key(row: Trajectory) -> tuple[str, int, str]:
    return row.project, row.start_ns // _rows.HOUR_NS, row.trajectory_id
