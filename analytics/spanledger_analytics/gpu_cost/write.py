"""Writes an attributed hour: what changed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics._rows import Stored
from spanledger_analytics.entries import Entry
from spanledger_analytics.gpu_cost.attribution import Attribution
from spanledger_analytics.gpu_cost.records import (
    LINE_SCHEMA,
    WORKER_SCHEMA,
    Line,
    WorkerHour,
    entries_of,
    lines_of,
    touched_hours,
    worker_hours_of,
)
from spanledger_analytics.gpu_cost.workers import HOUR_NS
from spanledger_analytics.ledger import read_entries, write_entries
from spanledger_analytics.touches import REPRICING
from spanledger_storage.store import Store

_RowT = TypeVar("_RowT", Line, WorkerHour)


class Written(NamedTuple):
    """How many rows of the ledger, and of the other two tables, changed.

    ``flush_id`` is that of the note to the ledger job, '' where there was nothing to note.
    """

    entries: int
    lines: int
    flush_id: str = ""


def write_hour(
    store: Store, found: Attribution, version: int, *, is_first: bool = False
) -> Written:
    """Write the rows of an hour that are not stored so; return how many.

    The ledger comes first, then the note to the ledger job, which adds the money up in traces and
    hourly usage. A process that died in between left no note: with ``is_first``, at the first time
    a process handles the hour, all entries are noted whether they changed or not.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    hour = found.hour
    params: dict[str, object] = {"project": hour.project, "hour": hour.start_s}
    stored = read_entries([store.arrow("gpu_cost_stored_entries", params)])
    entries = entries_of(found)
    written, removed = _rows.diff(stored.rows, entries, _entry_key)
    if written or removed:
        version = stored.newer(version)
        _note_hours(store, found, written)
        write_entries(store, stored, entries, version)
    noted = [*entries, *removed] if is_first else [*written, *removed]
    flush_id = _announce(store, hour.project, noted, version) if noted else ""
    lines = _write_lines(store, found, params, version)
    return Written(len(written) + len(removed), lines, flush_id)


def _entry_key(entry: Entry) -> tuple[str, int, str, str]:
    return entry.project, entry.time_ns // HOUR_NS, entry.trace_id, entry.entry_id


def _write_lines(
    store: Store, found: Attribution, params: Mapping[str, object], version: int
) -> int:
    lines = Stored.of([store.arrow("gpu_cost_stored_lines", params)], Line._fields, Line._make)
    changed = _replace(store, "gpu_attribution", lines, lines_of(found), LINE_SCHEMA, version, 5)
    hours = Stored.of(
        [store.arrow("gpu_cost_stored_workers", params)], WorkerHour._fields, WorkerHour._make
    )
    return changed + _replace(
        store, "gpu_worker_hours", hours, worker_hours_of(found), WORKER_SCHEMA, version, 4
    )


def _replace(
    store: Store, table: str, stored: Stored[_RowT], rows: list[_RowT], schema: pa.Schema,
    version: int, key_columns: int,
) -> int:  # fmt: skip
    """Write rows that differ, and tombstones; the first columns are the table's sort key."""
    written, removed = _rows.diff(stored.rows, rows, lambda row: row[:key_columns])
    if not written and not removed:
        return 0
    version = stored.newer(version)
    arrow = _rows.to_arrow(written, removed, schema, version)
    store.insert(table, arrow, token=_rows.insert_token(table, arrow, version))
    return len(written) + len(removed)


def _note_hours(store: Store, found: Attribution, entries: Iterable[Entry]) -> None:
    """Note where traces lie whose requests ran on into an hour in which no span of theirs began."""
    began_ns = {one.request.key: one.request.start_ns for one in found.requests}
    rows = sorted(
        (entry.project, entry.trace_id, found.hour.start_s)
        for entry in entries
        if began_ns[entry.source_spans[0]] < found.hour.start_ns
        or entry.source_spans[0][0] != entry.trace_id
    )
    if not rows:
        return
    table = pa.table(
        {
            "project": pa.array([project for project, _, _ in rows], pa.string()),
            "trace_id": pa.array([trace_id for _, trace_id, _ in rows], pa.string()),
            "hour": pa.array([hour for _, _, hour in rows], pa.timestamp("s", "UTC")),
        }
    )
    store.insert("trace_hours", table, token=_rows.insert_token("trace_hours", table, 0))


def _announce(store: Store, project: str, entries: Iterable[Entry], version: int) -> str:
    """Tell the ledger job which traces and hours to add up again, as a repricing does.

    Returns the id of the note's flush.
    """
    flush_id = f"{REPRICING}{version}"
    pairs = sorted(touched_hours(entries))
    count = len(pairs)
    table = pa.table(
        {
            "project": pa.array([project] * count, pa.string()),
            "trace_id": pa.array([trace_id for trace_id, _ in pairs], pa.string()),
            "hour": pa.array([hour for _, hour in pairs], pa.timestamp("s", "UTC")),
            "flush_id": pa.array([flush_id] * count, pa.string()),
            "spans": pa.array([0] * count, pa.uint32()),
        }
    )
    store.insert("touches", table, token=_rows.insert_token("touches", table, version))
    return flush_id
