"""The ledger step: touched traces in, changed ledger entries and trajectories out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from spanledger_analytics import _rows, trajectories
from spanledger_analytics.calls import Call, derive_calls
from spanledger_analytics.entries import Entry, ledger_entry
from spanledger_analytics.prices import PriceBook
from spanledger_analytics.reading import TraceGroup
from spanledger_storage.store import Store

_MAX_PARTNER_ROUNDS = 3

_COLUMNS = {"time_ns": "time"}
_TYPES: dict[str, pa.DataType] = {
    "time_ns": _rows.TIME,
    "stream": pa.bool_(),
    "attempts": _rows.SMALL_COUNT,
    "dialects": _rows.STRINGS,
    "flags": _rows.STRINGS,
    "source_spans": _rows.SPAN_KEYS,
}


def _arrow_type(field: str) -> pa.DataType:
    if field in _TYPES:
        return _TYPES[field]
    if field.endswith(("_tokens", "_ns")) or field == "web_searches":
        return _rows.COUNT
    return _rows.USD if field.endswith("_usd") else _rows.STRING


_SCHEMA = pa.schema([(_COLUMNS.get(name, name), _arrow_type(name)) for name in Entry._fields])


_LAST_HOUR_S = 2**32 - 1  # what toStartOfHour says of every time from 2106 on


@dataclass(frozen=True, slots=True)
class LedgerResult:
    """What one step did.

    ``traces`` and ``spans`` count what was read, traces pulled in by shared calls included;
    ``entries_removed`` counts tombstones; ``hours`` are the UTC start hours (UNIX seconds) in
    which entries changed.
    """

    traces: int
    spans: int
    entries_written: int
    entries_removed: int
    trajectories_written: int
    hours: frozenset[int]


def run_ledger(
    store: Store, project: str, traces: Iterable[str], *, version: int, book: PriceBook
) -> LedgerResult:
    """Derive the ledger and trajectories of some traces again and write what changed.

    1. Read the traces' spans, and those of every trace that shares a call with them.
    2. Derive calls, price them at their own start.
    3. Compare with what is stored; write new versions and tombstones in one insert each.

    Running it again writes nothing. Traces without any span are left as they are: spans that
    expired must not take their costs with them.

    Args:
        store: The telemetry store.
        project: The project whose traces these are.
        traces: Trace ids, 32 hex digits; up to a few thousand.
        version: UTC nanoseconds, greater than at any earlier call.
        book: Prices.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    group = TraceGroup(store, project)
    group.add(traces)
    calls = _derive(group)
    entries = [ledger_entry(project, call, book) for call in calls]
    written, removed = _write(store, _read_stored(store, group), entries, version)
    changed_trajectories = trajectories.write(
        store,
        trajectories.read_stored(store, group.pair_params()),
        trajectories.derive_trajectories(project, group.spans, entries),
        version,
    )
    return LedgerResult(
        traces=len(group.trace_ids),
        spans=len(group.spans),
        entries_written=len(written),
        entries_removed=len(removed),
        trajectories_written=changed_trajectories,
        hours=frozenset(min(_hour(entry) * 3_600, _LAST_HOUR_S) for entry in (*written, *removed)),
    )


def _derive(group: TraceGroup) -> list[Call]:
    calls = derive_calls(group.spans)
    for _ in range(_MAX_PARTNER_ROUNDS):
        if not group.add_partners(calls):
            break
        calls = derive_calls(group.spans)
    return calls


def _write(
    store: Store, stored: list[Entry], entries: list[Entry], version: int
) -> tuple[list[Entry], list[Entry]]:
    """Write what changed in one insert; return the new versions and the tombstones."""
    written, removed = _rows.diff(stored, entries, _sort_key)
    if written or removed:
        rows = _rows.to_arrow(written, removed, _SCHEMA, version)
        token = _rows.insert_token("ledger", [*written, "removed", *removed], version)
        store.insert("ledger", rows, token=token)
    return written, removed


def _read_stored(store: Store, group: TraceGroup) -> list[Entry]:
    return [
        Entry._make(row)
        for params in group.pair_params()
        for row in _rows.columns_of(store.arrow("ledger_stored_entries", params), Entry._fields)
    ]


def _hour(entry: Entry) -> int:
    return entry.time_ns // _rows.HOUR_NS


def _sort_key(entry: Entry) -> tuple[str, int, str, str]:
    return entry.project, _hour(entry), entry.trace_id, entry.entry_id
