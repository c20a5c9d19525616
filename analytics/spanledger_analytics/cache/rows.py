"""Rows of ``cache_calls``: what is known of the cache of one call."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics._rows import Changes, Stored
from spanledger_storage.store import Store

MOST_USD = Decimal(999_999)
"""Dollars of one call that a row holds; more is nobody's call, and counts as without a price."""


class CacheRow(NamedTuple):
    """One row without the two columns that only say how new it is.

    Field names are column names, except ``time_ns`` (UTC nanoseconds) for ``time``.
    """

    project: str
    time_ns: int
    lane: int
    pool: int
    is_opener: int
    entry_id: str
    trace_id: str
    span_id: str
    duration_ns: int
    agent_name: str
    provider: str
    model: str
    input_tokens: int
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    minimum_tokens: int
    read_factor: float | None
    write_5m_factor: float | None
    write_1h_factor: float | None
    full_cost_usd: Decimal | None
    read_saving_usd: Decimal | None
    write_extra_usd: Decimal | None
    segments: int
    previous_trace_id: str
    previous_span_id: str
    previous_segments: int
    gap_ns: int
    shared_segments: int
    shared_tokens: int
    smaller_tokens: int
    cause: str
    segment_kind: str
    detail: str
    position: int | None
    segment_hash: str
    previous_segment_hash: str
    lost_tokens: int
    lost_usd: Decimal | None


FIRST_FINDING = CacheRow._fields.index("segments")
END_FINDING = CacheRow._fields.index("lost_usd")
"""Columns from the one to before the other follow from prompts, which expire before rows do."""

_TYPES: dict[str, pa.DataType] = {
    "time_ns": _rows.TIME,
    "is_opener": pa.uint8(),
    "gap_ns": pa.int64(),
    **dict.fromkeys(("read_factor", "write_5m_factor", "write_1h_factor"), pa.float64()),
    **dict.fromkeys(
        ("minimum_tokens", "segments", "previous_segments", "shared_segments", "position"),
        _rows.SMALL_COUNT,
    ),
    **dict.fromkeys(("lane", "pool", "duration_ns"), _rows.COUNT),
}


def _type(name: str) -> pa.DataType:
    if name in _TYPES:
        return _TYPES[name]
    if name.endswith("_usd"):
        return pa.decimal128(18, 12)  # half as wide as in the ledger: pages add up millions
    return _rows.COUNT if name.endswith("_tokens") else _rows.STRING


_SCHEMA = pa.schema(
    [("time" if name == "time_ns" else name, _type(name)) for name in CacheRow._fields]
)


def read_rows(tables: Iterable[pa.Table]) -> Stored[CacheRow]:
    """Return stored rows, as the statements ``cache_rows_…`` give them."""
    stored = Stored.of(tables, CacheRow._fields, CacheRow._make)
    return stored._replace(rows=list({_sort_key(row): row for row in stored.rows}.values()))


def write_rows(
    store: Store, stored: Stored[CacheRow], derived: list[CacheRow], version: int
) -> Changes:
    """Write what changed in one insert.

    Raises:
        StoreError: the store refused or did not answer.
    """
    written, removed = _rows.diff(stored.rows, derived, _sort_key)
    if written or removed:
        version = stored.newer(version)
        rows = _rows.to_arrow(written, removed, _SCHEMA, version)
        store.insert("cache_calls", rows, token=_rows.insert_token("cache_calls", rows, version))
    return Changes(len(written), len(removed))


def _sort_key(row: CacheRow) -> tuple[str, int, int, int, str]:
    return row.project, row.time_ns // _rows.HOUR_NS, row.lane, row.time_ns, row.entry_id
