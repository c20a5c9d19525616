"""Repricing: what a period costs at the present prices, and writing that into the ledger.

The ledger keeps the price an entry once got. Repricing is the one thing that changes it, on
demand: entries are read in chunks by time, priced, and written as new versions where they differ.
Running it again changes nothing, so it may be stopped anywhere and started again.

Beside a running worker nothing is lost. A worker takes the version of a step before it reads, and
writes versions newer than every row it has read. Repricing writes versions that lie ahead of the
clock by more than a statement may take. So a step that read before a repricing was visible loses
against it, and one that read after it keeps its price. What such a losing step had to say besides
is derived again: the traces touched meanwhile are touched once more. When the worker hears of the
repricing, its own versions go on from there, so that what it removes and what it finds again are in
order too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pyarrow as pa

from spanledger_analytics import _price_columns, _rows
from spanledger_analytics._bill import REASONS
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.pricing import charge
from spanledger_analytics.repricing_report import Report, Repriced, Summary
from spanledger_analytics.tool_repricing import RepricedTools, repriced_tools
from spanledger_analytics.touches import REPRICING
from spanledger_storage.store import Store

if TYPE_CHECKING:
    from spanledger_analytics._price_columns import Chunked, Column

_ENTRIES_PER_CHUNK = 100_000
_ROWS_PER_CHUNK = 200_000  # of traces and of trajectories
_FOLLOWERS = (
    ("traces", "repricing_trace_hours", "repricing_traces"),
    ("trajectories", "repricing_trajectory_hours", "repricing_trajectories"),
)
"""Tables that follow the ledger, in this order: where their rows lie, and what writes them."""
_AHEAD_NS = 600 * 10**9  # longer than the store's client waits for an answer, and clocks differ
_COSTS = ("price_status", "total_cost_usd", "list_cost_usd", "contract_id")
Params = dict[str, object]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which entries: of calls in [from_ns, to_ns), UTC nanoseconds.

    ``provider`` and ``model`` are names on the wire or of the price data, ``model`` also a prefix
    with ``*``; '' is any.
    """

    from_ns: int
    to_ns: int
    provider: str = ""
    model: str = ""

    def period(self) -> Params:
        """Return its time as statement parameters."""
        return {"from_ns": self.from_ns, "to_ns": self.to_ns}


def plan(store: Store, book: PriceBook, scope: Scope) -> Report:
    """Return what repricing would change; writes nothing.

    Raises:
        StoreError: the store refused or did not answer.
    """
    summary = Summary()
    for chunk in _chunks(store, book, scope):
        summary.add(_reprice(store.arrow("repricing_entries", chunk.params()), book), chunk.project)
    for tools in _tools(store, book, scope):
        summary.add_entries(tools.project, tools.pairs)
    return summary.report()


def apply(
    store: Store,
    book: PriceBook,
    scope: Scope,
    *,
    now_ns: Callable[[], int],
    position_us: int | None = None,
) -> Report:
    """Write the present prices into the ledger, and let traces, trajectories and usage follow.

    1. Price chunk by chunk, and write the entries that differ.
    2. Write the traces whose total is no longer the sum of their entries, and the trajectories
       whose total is no longer the sum of their traces.
    3. Announce the hours whose usage is older than their entries; a worker sums them again.
    4. Touch again what a worker may have been writing meanwhile.

    Args:
        store: The telemetry store, to write to.
        book: The present prices.
        scope: Which entries.
        now_ns: The clock, UTC nanoseconds.
        position_us: How far the worker got with touches (UTC microseconds), None when unknown.

    Raises:
        StoreError: the store refused or did not answer; running again goes on from there.
    """
    started_ns = now_ns()
    summary = Summary()
    statement, newest = "repricing_entries", 0
    for chunk in _chunks(store, book, scope):
        repriced = _reprice(store.arrow(statement, chunk.params()), book)
        summary.add(repriced, chunk.project)
        if not repriced.is_other.any():
            statement = "repricing_entries"  # a part of the columns is enough to see that
            continue
        if statement != "repricing_rows":
            statement = "repricing_rows"
            repriced = _reprice(store.arrow(statement, chunk.params()), book)
        version = newest = max(newest, _ahead_of(now_ns(), repriced.table))
        token = f"{REPRICING}{version}-{chunk.first_hour}-{chunk.part}"
        store.insert("ledger", _rows_of(repriced, version), token=token)
    for tools in _tools(store, book, scope):
        summary.add_entries(tools.project, tools.pairs)
        ahead = max(newest, now_ns() + _AHEAD_NS, tools.newest + 1)
        newest = max(newest, tools.write(store, ahead))
    _follow(store, scope, now_ns, newest)
    since_us = (started_ns - _AHEAD_NS) // 1_000
    again = {
        **scope.period(),
        "since_us": since_us if position_us is None else min(since_us, position_us),
        "version": started_ns,
        "flush_id": f"again-{started_ns}",
    }
    store.command("repricing_touch_again", again)
    return summary.report()


def _tools(store: Store, book: PriceBook, scope: Scope) -> Iterator[RepricedTools]:
    """Return executions of tools; none where the scope is narrowed to providers or models."""
    if not scope.provider and not scope.model:
        yield from repriced_tools(store, book.tools, scope.from_ns, scope.to_ns)


class _Chunk(NamedTuple):
    """Some hours of a project (UTC start hours, UNIX seconds), or a part of one hour."""

    selection: Params
    project: str
    first_hour: int
    last_hour: int
    parts: int
    part: int

    def params(self) -> Params:
        place = self._asdict()
        return {**place.pop("selection"), **place, "reasons": list(REASONS[1:])}


def _chunks(store: Store, book: PriceBook, scope: Scope) -> Iterator[_Chunk]:
    for selection in _selections(store, book, scope):
        table = store.arrow("repricing_hours", selection)
        for hours in _by_size(table, "entries", _ENTRIES_PER_CHUNK):
            size = sum(count for _, _, count in hours)
            project, first, _ = hours[0]
            parts = -(-size // _ENTRIES_PER_CHUNK) if len(hours) == 1 else 1
            for part in range(parts):
                yield _Chunk(selection, project, first, hours[-1][1], parts, part)


def _selections(store: Store, book: PriceBook, scope: Scope) -> Iterator[Params]:
    """Return statement parameters for the period and the names meant, in parts."""
    names: list[tuple[str, str, str]] = []
    is_narrowed = bool(scope.provider or scope.model)
    if is_narrowed:
        table = store.arrow("repricing_names", scope.period())
        columns = (_rows.strings(table, name) for name in PriceKey._fields[:3])
        names = [
            name
            for name in zip(*columns, strict=True)
            if book.is_called(PriceKey(*name), scope.provider, scope.model)
        ]
    for part in _rows.batches(names) if is_narrowed else [names]:
        yield {
            **scope.period(),
            "is_narrowed": int(is_narrowed),
            "providers": [provider for provider, _, _ in part],
            "models": [model for _, model, _ in part],
            "request_models": [model for _, _, model in part],
        }


def _by_size(table: pa.Table, column: str, limit: int) -> Iterator[list[tuple[str, int, int]]]:
    """Return runs of (project, hour, count): one project, so many rows at most or one hour."""
    run: list[tuple[str, int, int]] = []
    size = 0
    for row in zip(
        _rows.strings(table, "project"),
        _rows.integers(table, "hour"),
        _rows.integers(table, column),
        strict=True,
    ):
        if run and (row[0] != run[0][0] or size + row[2] > limit):
            yield run
            run, size = [], 0
        run.append(row)
        size += row[2]
    if run:
        yield run


def _reprice(table: pa.Table, book: PriceBook) -> Repriced:
    usage = _price_columns.usage_of(table)
    new = _price_columns.price_columns(table, usage, charge(usage, book))
    is_changed = _price_columns.changed(table, new, _COSTS)
    is_other = _price_columns.changed(table, new, _price_columns.PRICE_COLUMNS)
    return Repriced(table, new, is_changed, is_other)


def _ahead_of(now_ns: int, rows: pa.Table) -> int:
    """Return a version ahead of the clock, and of the rows where the clock was set back."""
    version, newest = now_ns + _AHEAD_NS, max(_rows.integers(rows, "version"), default=0)
    return version if newest < version else newest + _AHEAD_NS


def _rows_of(repriced: Repriced, version: int) -> pa.Table:
    """Return new versions of the entries that differ; they must have all columns."""
    rows = repriced.table
    for name, values in repriced.new.items():
        if name != "reason":
            rows = rows.set_column(rows.schema.get_field_index(name), name, values)
    flags = _flags(rows.column("flags"), repriced.new["reason"], rows.column("reason"))
    rows = rows.drop_columns(["reason", "version"])
    rows = rows.set_column(rows.schema.get_field_index("flags"), "flags", flags)
    rows = rows.filter(pa.array(repriced.is_other))
    count = rows.num_rows
    rows = rows.append_column("is_deleted", pa.array(np.zeros(count, dtype=np.uint8)))
    return rows.append_column("version", pa.array(np.full(count, version, dtype=np.uint64)))


def _flags(flags: Chunked, new: Column, old: Chunked) -> Chunked:
    """Return the flags with the new reason in place of the old one."""
    if old.cast(_rows.STRING).combine_chunks().equals(new):
        return flags
    known = cast("list[list[str]]", flags.to_pylist())
    reasons = cast("list[str]", new.to_pylist())
    texts = [
        sorted({flag for flag in flags_of if flag not in REASONS} | ({reason} - {""}))
        for flags_of, reason in zip(known, reasons, strict=True)
    ]
    return pa.chunked_array([pa.array(texts, _rows.STRINGS)])


def _follow(store: Store, scope: Scope, now_ns: Callable[[], int], newest: int) -> None:
    """Let traces and trajectories follow, and announce hours for usage to follow.

    ``newest`` is the newest version written.
    """
    for column, hours, write in _FOLLOWERS:
        for params in _hours_of(store.arrow(hours, scope.period()), column):
            version = max(newest, now_ns() + _AHEAD_NS)
            store.command(write, {**params, "version": version})
    flush_id = f"{REPRICING}{max(newest, now_ns() + _AHEAD_NS)}"
    store.command("repricing_announce_hours", {**scope.period(), "flush_id": flush_id})


def _hours_of(table: pa.Table, column: str) -> Iterator[Params]:
    """Return runs of start hours with so many rows at most, and when the last of these ends."""
    last_hours = dict(
        zip(
            zip(_rows.strings(table, "project"), _rows.integers(table, "hour"), strict=True),
            _rows.integers(table, "last_hour"),
            strict=True,
        )
    )
    for hours in _by_size(table, column, _ROWS_PER_CHUNK):
        yield {
            "project": hours[0][0],
            "first_hour": hours[0][1],
            "last_hour": hours[-1][1],
            "last_entry_hour": max(last_hours[project, hour] for project, hour, _ in hours),
        }
