"""The ledger step: touched traces in, changed ledger entries, traces and trajectories out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics._rows import Literal, Stored
from spanledger_analytics.calls import Call, derive_calls
from spanledger_analytics.entries import LEDGER_KINDS, Entry, ledger_entry
from spanledger_analytics.entry_prices import price_entries
from spanledger_analytics.eroded import Erosion
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.reading import TraceGroup
from spanledger_analytics.spans import newest_versions
from spanledger_analytics.tool_entries import read_details, tool_entries
from spanledger_analytics.traces import derive_traces, read_traces, write_traces
from spanledger_analytics.trajectory_keys import trace_keys
from spanledger_analytics.trajectory_step import update_trajectories
from spanledger_storage.store import Store

_MAX_PARTNER_ROUNDS = 3

_COLUMNS = {"time_ns": "time"}
_TYPES: dict[str, pa.DataType] = {
    "time_ns": _rows.TIME,
    "stream": pa.bool_(),
    "dimensions": _rows.NAMED_STRINGS,
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


_NOTHING_EXPIRED_S = 86_400  # today and at least one whole day are kept
_LONGEST_TRACE_S = 7 * 86_400  # longer ones are looked at in the hours of their spans alone
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
    traces_written: int
    trajectories_written: int
    hours: frozenset[int]


def run_ledger(
    store: Store,
    project: str,
    traces: Iterable[str],
    *,
    version: int,
    book: PriceBook,
    touched: Mapping[str, Collection[int]] = MappingProxyType({}),
) -> LedgerResult:
    """Derive the ledger, the rows and the trajectories of some traces again and write what changed.

    1. Read the traces' spans, and those of every trace that shares a call with them.
    2. Derive calls and paid tools. What is stored with a price keeps it while its inputs stay;
       others are priced at their own start.
    3. Compare with what is stored; write new versions and tombstones in one insert each.

    Running it again writes nothing. Spans that expired do not take their costs with them: traces
    without any span are left as they are, and of a trace that lost some, entries stay
    (see eroded.py).

    Args:
        store: The telemetry store.
        project: The project whose traces these are.
        traces: Trace ids, 32 hex digits; up to a few thousand.
        version: UTC nanoseconds, greater than at any earlier call.
        book: Prices.
        touched: Start hours (UNIX seconds) in which traces are known to have spans.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    with _rows.without_collection():
        return _run(TraceGroup(store, project, touched), traces, version, book)


def _run(group: TraceGroup, traces: Iterable[str], version: int, book: PriceBook) -> LedgerResult:
    store, project = group.store, group.project
    group.add(traces)
    group.add_tool_partners()
    calls = _derive(group)
    stored = _read_stored(store, group, version)
    own = [entry for entry in stored.rows if entry.kind in LEDGER_KINDS]
    others = [entry for entry in stored.rows if entry.kind not in LEDGER_KINDS]
    before = read_traces(store, group.pair_params())
    erosion = Erosion(group, own, before.rows)
    derived = erosion.new([ledger_entry(project, call) for call in calls])
    tools = tool_entries(project, group.spans, book.tools, read_details(group, book.tools), own)
    entries = [*price_entries(derived, own, book), *erosion.new(tools), *erosion.kept]
    written, removed = write_entries(store, stored._replace(rows=own), entries, version)
    now = erosion.carry(derive_traces(project, group.spans, [*entries, *others]))
    traces_written = write_traces(store, before, now, version)
    keys = trace_keys(newest_versions(group.spans).values())
    hours = group.pairs()
    trajectories_written = update_trajectories(store, project, now, keys, hours, version=version)
    return LedgerResult(
        traces=len(group.trace_ids),
        spans=len(group.spans),
        entries_written=len(written),
        entries_removed=len(removed),
        traces_written=traces_written,
        trajectories_written=trajectories_written,
        hours=frozenset(min(_hour(entry) * 3_600, _LAST_HOUR_S) for entry in (*written, *removed)),
    )


def _derive(group: TraceGroup) -> list[Call]:
    calls = derive_calls(group.spans)
    for _ in range(_MAX_PARTNER_ROUNDS):
        if not group.add_partners(calls):
            break
        calls = derive_calls(group.spans)
    return calls


def write_entries(
    store: Store, stored: Stored[Entry], entries: list[Entry], version: int
) -> tuple[list[Entry], list[Entry]]:
    """Write what changed in one insert; return the new versions and the tombstones."""
    written, removed = _rows.diff(stored.rows, entries, _sort_key)
    if written or removed:
        version = stored.newer(version)
        rows = _rows.to_arrow(written, removed, _SCHEMA, version)
        store.insert("ledger", rows, token=_rows.insert_token("ledger", rows, version))
    return written, removed


def _read_stored(store: Store, group: TraceGroup, now_ns: int) -> Stored[Entry]:
    tables = [store.arrow("ledger_stored_entries", params) for params in group.pair_params()]
    stored = read_entries([*tables, *_of_old_traces(store, group, now_ns)])
    return stored._replace(rows=list({_sort_key(entry): entry for entry in stored.rows}.values()))


def _of_old_traces(store: Store, group: TraceGroup, now_ns: int) -> Iterable[pa.Table]:
    """Read what is stored of traces that may have lost every span of an hour."""
    latest_s = now_ns // 10**9 - _NOTHING_EXPIRED_S
    if all(span.start_ns >= latest_s * 10**9 + _rows.HOUR_NS for span in group.spans):
        return
    begin_s: dict[str, int] = {}
    for span in group.spans:
        begin = min(span.start_ns // _rows.HOUR_NS * 3_600, _LAST_HOUR_S)
        begin_s[span.trace_id] = min(begin, begin_s.get(span.trace_id, begin))
    old = sorted((begin, trace_id) for trace_id, begin in begin_s.items() if begin < latest_s)
    for part in _rows.batches(old):
        params: dict[str, object] = {
            "project": group.project,
            "trace_ids": Literal([trace_id for _, trace_id in part]),
            "from_s": max(0, part[0][0] - _LONGEST_TRACE_S),
            "to_s": min(part[-1][0] + _LONGEST_TRACE_S, _LAST_HOUR_S),
        }
        yield store.arrow("ledger_stored_entries_of_old_traces", params)


def read_entries(tables: Iterable[pa.Table]) -> Stored[Entry]:
    """Return stored entries, as ``ledger_stored_entries`` gives them."""
    return Stored.of(tables, Entry._fields, Entry._make)


def _hour(entry: Entry) -> int:
    return entry.time_ns // _rows.HOUR_NS


def _sort_key(entry: Entry) -> tuple[str, int, str, str]:
    return entry.project, _hour(entry), entry.trace_id, entry.entry_id
