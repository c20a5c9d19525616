"""What executions of tools cost at the present price list, against what the ledger says.

The ledger does not keep what such a price depends on, so the spans are read again. Where they have
expired, the stored price stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics._rows import Stored
from spanledger_analytics.entries import Entry
from spanledger_analytics.ledger import read_entries, write_entries
from spanledger_analytics.price_book.tool_list import ToolPrices
from spanledger_analytics.reading import TraceGroup
from spanledger_analytics.tool_entries import KIND, read_details, tool_entries
from spanledger_storage.store import Store

_TRACES_PER_STEP = 1_000
_UNPRICED = "unpriced-tools-"  # before the ids of flushes that announce traces


class Period(NamedTuple):
    """Half open, UTC nanoseconds."""

    from_ns: int
    to_ns: int


class RepricedTools(NamedTuple):
    """Executions in some traces of one project: stored entries, and what they should be."""

    project: str
    before: list[Entry]
    after: list[Entry]
    newest: int

    @property
    def pairs(self) -> list[tuple[Entry | None, Entry | None]]:
        """Each execution before and after; None: no entry."""
        before = {entry.entry_id: entry for entry in self.before}
        after = {entry.entry_id: entry for entry in self.after}
        return [(before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys())]

    def write(self, store: Store, version: int) -> int:
        """Write what differs; return the version, 0 when nothing does.

        Raises:
            StoreError: the store refused or did not answer.
        """
        stored = Stored(self.before, self.newest)
        written, removed = write_entries(store, stored, self.after, version)
        version = stored.newer(version)
        if removed:
            _touch(store, self.project, removed, version)
        return version if written or removed else 0


def repriced_tools(
    store: Store, prices: ToolPrices, from_ns: int, to_ns: int
) -> Iterator[RepricedTools]:
    """Return executions that began in [from_ns, to_ns) at the present prices, in parts.

    Raises:
        StoreError: the store refused or did not answer.
    """
    if not prices:
        return
    table = store.arrow("repricing_tool_traces", {"from_ns": from_ns, "to_ns": to_ns})
    traces: defaultdict[str, list[str]] = defaultdict(list)
    for project, trace_id in zip(
        _rows.strings(table, "project"), _rows.strings(table, "trace_id"), strict=True
    ):
        traces[project].append(trace_id)
    for project, trace_ids in traces.items():
        for part in _rows.batches(trace_ids, _TRACES_PER_STEP):
            group = TraceGroup(store, project)
            group.add(part)
            group.add_tool_partners()
            yield _repriced(group, set(part), prices, Period(from_ns, to_ns))


def _repriced(
    group: TraceGroup, traces: Collection[str], prices: ToolPrices, period: Period
) -> RepricedTools:
    """Return the executions of some traces; the group may hold more, which others belong to."""
    tables = [group.store.arrow("ledger_stored_entries", p) for p in group.pair_params()]
    stored = read_entries(tables)
    tools = [entry for entry in stored.rows if entry.kind == KIND]
    found = {span.key for span in group.spans}
    lost = {key for e in tools if e.source_spans[0] not in found for key in e.source_spans}
    forgetful = [entry._replace(price_id="") for entry in tools]  # or the price would stay
    details = read_details(group, prices)
    derived = tool_entries(group.project, group.spans, prices, details, forgetful)
    before = [entry for entry in tools if entry.source_spans[0] in found]
    after = [e for e in derived if not any(key in lost for key in e.source_spans)]
    ours, theirs = (
        [e for e in some if period.from_ns <= e.time_ns < period.to_ns and e.trace_id in traces]
        for some in (before, after)
    )
    return RepricedTools(group.project, ours, theirs, stored.newest)


def _touch(store: Store, project: str, removed: Iterable[Entry], version: int) -> None:
    """Have traces derived again that lost entries: without any left, no sum would tell of them."""
    pairs = sorted({(e.trace_id, e.time_ns // _rows.HOUR_NS * 3_600) for e in removed})
    count = len(pairs)
    table = pa.table(
        {
            "project": pa.array([project] * count, pa.string()),
            "trace_id": pa.array([trace_id for trace_id, _ in pairs], pa.string()),
            "hour": pa.array([hour for _, hour in pairs], pa.timestamp("s", "UTC")),
            "flush_id": pa.array([f"{_UNPRICED}{version}"] * count, pa.string()),
            "spans": pa.array([0] * count, pa.uint32()),
        }
    )
    store.insert("touches", table, token=_rows.insert_token("touches", table, version))
