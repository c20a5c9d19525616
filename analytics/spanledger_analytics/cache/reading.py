"""Reads calls, prompts, texts and stored rows for the cache job."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import pyarrow as pa

from spanledger_analytics._rows import (
    HOUR_NS,
    Column,
    Literal,
    Stored,
    asked,
    asked_ids,
    batches,
    columns_of,
    integers,
    lists_of,
    strings,
)
from spanledger_analytics.cache.calls import CacheEntry, Prompt
from spanledger_analytics.cache.rows import CacheRow, read_rows
from spanledger_analytics.cache.texts import LONGEST, Segment, read_segment
from spanledger_storage.store import Store

_LAST_HOUR_S = 2**32 - 1
_HASHES = 500  # looked up by one statement

Key = tuple[int, str]
"""UTC start hour (UNIX seconds) and trace id."""
Changed = tuple[int, str, str]
"""The same, and entry id."""
Segments = tuple[bytes, ...]
"""Hashes of what a request consists of."""


class Around(NamedTuple):
    """Stored rows beside and within some times: those to derive again, and the ones before."""

    within: Stored[CacheRow]
    before: list[CacheRow]


def hour_of(time_ns: int) -> int:
    """Return the UTC start hour as the store has it, UNIX seconds."""
    return min(max(0, time_ns // HOUR_NS * 3_600), _LAST_HOUR_S)


def read_entries(store: Store, project: str, wanted: Iterable[Changed]) -> dict[str, CacheEntry]:
    """Return calls of the ledger, by entry id."""
    found: dict[str, CacheEntry] = {}
    for part in batches(sorted(set(wanted))):
        params: dict[str, object] = {
            "project": project,
            "asked": asked(("hour", "trace_id", "entry_id"), part),
        }
        table = store.arrow("cache_entries", params)
        for entry in map(CacheEntry._make, columns_of(table, CacheEntry._fields)):
            found[entry.entry_id] = entry
    return found


def read_prompts(
    store: Store,
    project: str,
    entries: Collection[CacheEntry],
    shared: Callable[[Segments], Segments] = tuple,
) -> dict[str, Prompt]:
    """Return the calls with what their spans tell of the request, by entry id.

    Of a call seen in several spans, the one with the most segments tells. ``shared`` may put known
    objects in the place of equal ones.
    """
    told: dict[tuple[str, str], tuple[Segments, str]] = {}
    wanted = sorted(
        {
            (hour_of(entry.time_ns + shift), *key)
            for entry in entries
            for key in entry.source_spans
            for shift in _hours_beside(entry, key[1])
        }
    )
    for part in batches(wanted):
        params: dict[str, object] = {
            "project": project,
            "asked": asked(("hour", "trace_id", "span_id"), part),
        }
        told |= _told(store.arrow("cache_prompts", params), shared)
    return {entry.entry_id: _prompt(entry, told) for entry in entries}


def read_texts(store: Store, project: str, hashes: Collection[bytes]) -> Mapping[bytes, Segment]:
    """Return what is stored of segments, by hash."""
    found: dict[bytes, Segment] = {}
    for part in batches(sorted(hashes), _HASHES):
        params: dict[str, object] = {
            "project": project,
            "hashes": Literal([digest.hex() for digest in part]),
            "longest": LONGEST,
        }
        table = store.arrow("cache_contents", params)
        columns = (
            strings(table, "digest"),
            strings(table, "role"),
            strings(table, "said"),
            integers(table, "size"),
        )
        for digest, role, said, size in zip(*columns, strict=True):
            found[bytes.fromhex(digest)] = read_segment(role, said, size)
    return found


def read_rows_of(
    store: Store, project: str, hours: Collection[int], entry_ids: Collection[str]
) -> Stored[CacheRow]:
    """Return the stored rows of entries."""
    tables: list[pa.Table] = []
    for part in batches(sorted(entry_ids)):
        params: dict[str, object] = {
            "project": project,
            "hours": Literal(sorted(hours)),
            "asked": asked_ids("entry_id", part),
        }
        tables.append(store.arrow("cache_rows_of_entries", params))
    return read_rows(tables)


def read_around(
    store: Store,
    name: str,
    project: str,
    spans: Mapping[int, tuple[int, int]],
    back_ns: int,
    ahead_ns: int,
    limits: Mapping[str, int],
) -> Around:
    """Return stored rows of lanes or pools around times.

    Args:
        store: the telemetry store.
        name: statement ``cache_rows_of_lanes`` or ``cache_openers_of_pools``.
        project: whose rows.
        spans: by lane or pool, the first and last time that changed (UTC nanoseconds).
        back_ns: how far to look before.
        ahead_ns: how far to look after.
        limits: the statement's own limits of rows before and after.
    """
    within: list[pa.Table] = []
    before: list[pa.Table] = []
    key = "lane" if name.endswith("lanes") else "pool"
    for part in batches(sorted(spans.items())):
        first_ns = min(first for _, (first, _) in part)
        last_ns = max(last for _, (_, last) in part)
        params: dict[str, object] = {
            "project": project,
            "asked": asked((key, "from_ns", "to_ns"), [(one, *span) for one, span in part]),
            "first_ns": first_ns,
            "last_ns": last_ns,
            "hour_from_s": hour_of(first_ns - back_ns),
            "hour_to_s": hour_of(last_ns + ahead_ns),
            "back_ns": back_ns,
            "ahead_ns": ahead_ns,
            **limits,
        }
        table = store.arrow(name, params)
        is_before = [place < 0 for place in integers(table, "place")]
        before.append(table.filter(pa.array(is_before, pa.bool_())))
        within.append(table.filter(pa.array([not one for one in is_before], pa.bool_())))
    return Around(read_rows(within), read_rows(before).rows)


def _hours_beside(entry: CacheEntry, span_id: str) -> tuple[int, ...]:
    """Return in which hours a span of a call may begin: the primary one with it, others near."""
    return (0,) if span_id == entry.span_id else (-HOUR_NS, 0, HOUR_NS)


def _told(
    table: pa.Table, shared: Callable[[Segments], Segments]
) -> dict[tuple[str, str], tuple[Segments, str]]:
    keys = zip(strings(table, "trace_id"), strings(table, "span_id"), strict=True)
    segments = map(shared, hashes(table.column("segments")))
    said = zip(segments, strings(table, "parameters"), strict=True)
    # The newest version of a span comes last.
    return dict(zip(keys, said, strict=True))


def hashes(column: Column) -> Iterator[Segments]:
    """Return the lists of hashes of a column."""
    chunks = cast("list[pa.ListArray[Any]]", column.chunks)
    return (cast("Segments", found) for chunk in chunks for found in lists_of(chunk))


def _prompt(entry: CacheEntry, told: Mapping[tuple[str, str], tuple[Segments, str]]) -> Prompt:
    views = [told[key] for key in entry.source_spans if key in told]
    segments = max((view[0] for view in views), key=len, default=())
    parameters = max((view[1] for view in views), key=len, default="")
    return Prompt(entry, segments, parameters)
