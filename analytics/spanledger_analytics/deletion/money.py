"""What deleted calls cost: taken out of the ledger, or kept there under pseudonyms."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, cast

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics.deletion.subject import Targets
from spanledger_storage.store import Store

if TYPE_CHECKING:
    from spanledger_analytics.spans import SpanKey

_NAMED = ("session_id", "user_id")
_ERASED = ("task_id", "response_id", "request_id")
_FLAG = "deleted"  # jobs that write entries of an hour leave those with it alone


class Money(NamedTuple):
    """Of the entries that go: how many, their UTC start hours, dollars gone and dollars kept.

    ``partners`` are other traces that saw one of the calls: it is counted there from now on.
    """

    entries: int
    hours: frozenset[int]
    gone_usd: Decimal
    kept_usd: Decimal
    partners: frozenset[str]


def read_money(
    store: Store,
    project: str,
    targets: Targets,
    *,
    keep_cost: bool,
    key: bytes | None = None,
) -> Money:
    """Return what the entries cost; with ``key``, write copies of those that are kept.

    A copy names nobody: ids become keyed hashes of them, and no span leads to it, so the jobs never
    look at it again. Calls that another trace saw, which stays, get no copy: that one counts them.
    Running it again with the same key writes the same copies, which replace each other.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    gone, kept, count = Decimal(0), Decimal(0), 0
    hours: set[int] = set()
    partners: set[str] = set()
    traces = set(targets.traces)
    for table in _entries(store, project, targets):
        sources = cast("list[list[dict[str, str]]]", table.column("source_spans").to_pylist())
        outside = [{s["trace_id"] for s in spans} - traces for spans in sources]
        is_kept = [keep_cost and not found for found in outside]
        costs = cast("list[Decimal | None]", table.column("total_cost_usd").to_pylist())
        gone += sum((c for c, k in zip(costs, is_kept, strict=True) if c and not k), Decimal(0))
        kept += sum((c for c, k in zip(costs, is_kept, strict=True) if c and k), Decimal(0))
        count += table.num_rows
        hours.update(_hours(table))
        partners.update(*outside)
        if key is not None:
            _write_copies(store, table.filter(pa.array(is_kept, pa.bool_())), key)
    return Money(count, frozenset(hours), gone, kept, frozenset(partners))


def _entries(store: Store, project: str, targets: Targets) -> Iterable[pa.Table]:
    asked: dict[str, object] = {"project": project}
    for part in _rows.batches(targets.traces):
        params = {**asked, "trace_ids": _rows.Literal(part), "entry_ids": []}
        yield store.arrow("deletion_entries", params)
    for part in _rows.batches(targets.entries):
        params = {**asked, "trace_ids": [], "entry_ids": _rows.Literal(part)}
        yield store.arrow("deletion_entries", params)


def _hours(table: pa.Table) -> set[int]:
    times = table.column("time").cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_pylist()
    return {ns // _rows.HOUR_NS * 3_600 for ns in cast("list[int]", times)}


def _write_copies(store: Store, table: pa.Table, key: bytes) -> None:
    if not table.num_rows:
        return
    ids = {name: _rows.strings(table, name) for name in ("entry_id", "trace_id", "span_id")}
    # Entries that metrics told of have no trace; with one, no job takes them for its own.
    traces = [
        hidden(key, "trace", trace or entry)
        for trace, entry in zip(ids["trace_id"], ids["entry_id"], strict=True)
    ]
    spans = [hidden(key, "span", span)[:16] if span else "" for span in ids["span_id"]]
    made: dict[str, list[object]] = {
        "entry_id": [hidden(key, "entry", one) for one in ids["entry_id"]],
        "trace_id": list(traces),
        "trajectory_id": list(traces),
        "span_id": list(spans),
    }
    for name in _NAMED:
        made[name] = [
            f"deleted-{hidden(key, name, one)[:16]}" if one else ""
            for one in _rows.strings(table, name)
        ]
    for name in _ERASED:
        made[name] = [""] * table.num_rows
    for name, values in made.items():
        column = pa.array(values, pa.string())
        table = table.set_column(table.schema.get_field_index(name), name, column)
    sources = _hidden_sources(table, key)
    index = table.schema.get_field_index("source_spans")
    table = table.set_column(index, "source_spans", pa.array(sources, _rows.SPAN_KEYS))
    flags = cast("list[list[str]]", table.column("flags").to_pylist())
    index = table.schema.get_field_index("flags")
    marked = pa.array([sorted({*one, _FLAG}) for one in flags], _rows.STRINGS)
    table = table.set_column(index, "flags", marked)
    version = max(_rows.integers(table, "version"))
    table = table.append_column("is_deleted", pa.array([0] * table.num_rows, pa.uint8()))
    store.insert("ledger", table, token=_rows.insert_token("deleted", table, version))


def _hidden_sources(table: pa.Table, key: bytes) -> list[list[SpanKey]]:
    """Return pseudonyms of all spans: by the server's, a GPU cost finds the call it was for."""
    seen = cast("list[list[dict[str, str]]]", table.column("source_spans").to_pylist())
    return [
        [(hidden(key, "trace", s["trace_id"]), hidden(key, "span", s["span_id"])[:16]) for s in one]
        for one in seen
    ]


def hidden(key: bytes, what: str, value: str) -> str:
    """Return the pseudonym of an id: 32 hex digits that nobody can undo once the key is gone."""
    return blake2b(f"{what}\0{value}".encode(), key=key, digest_size=16).hexdigest()
