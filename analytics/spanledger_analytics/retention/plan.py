"""What is past its days now: whole parts to drop, and partitions with rows to delete."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from spanledger_analytics import _rows
from spanledger_analytics.metric_tokens import METRICS
from spanledger_analytics.retention.policy import Days, Kind, by_day, day_number
from spanledger_storage.store import Store

_EXPIRED = {
    Kind.CONTENT: "retention_expired_content",
    Kind.SPANS: "retention_expired_spans",
    Kind.METRICS: "retention_expired_metrics",
    Kind.LEDGER: "retention_expired_ledger",
}
_ANCHOR_DAYS = 366  # a process that sleeps longer than this starts its counters anew


class Part(NamedTuple):
    """One part of a table in use; ``partition`` is its number (day or month)."""

    table: str
    name: str
    partition: int
    rows: int
    bytes: int
    newest_block: int


class Step(NamedTuple):
    """What to remove from one table.

    ``parts`` hold nothing but expired rows and are dropped whole: ``part_rows`` rows,
    ``part_bytes`` on disk. ``partitions`` hold ``rows`` expired rows among others.
    """

    table: str
    parts: tuple[str, ...]
    part_rows: int
    part_bytes: int
    partitions: tuple[int, ...]
    rows: int


def read_parts(store: Store) -> dict[tuple[str, str], Part]:
    """Return the parts of all tables by table and name."""
    table = store.arrow("retention_parts")
    fields = ("table_name", "part", *Part._fields[2:])
    rows = [Part._make(row) for row in _rows.columns_of(table, fields)]
    return {(part.table, part.name): part for part in rows}


def find_expired(store: Store, kind: Kind, days: Days, now_ns: int) -> list[Step]:
    """Return what to remove of a kind, one step per table; reads only.

    A part never changes, and what is inserted later lies in new ones: so a part all of whose rows
    are expired stays droppable, whatever arrives meanwhile.

    Raises:
        StoreError: the store refused or did not answer.
    """
    if not days:
        return []
    parts = read_parts(store)
    expired: Counter[tuple[str, str]] = Counter()
    for day, projects in by_day(days).items():
        params = {"projects": projects, "day": day, **more_params(kind, now_ns)}
        table = store.arrow(_EXPIRED[kind], params)
        names = zip(_rows.strings(table, "table_name"), _rows.strings(table, "part"), strict=True)
        expired.update(dict(zip(names, _rows.integers(table, "expired"), strict=True)))
    return _steps(expired, parts)


def more_params(kind: Kind, now_ns: int) -> dict[str, object]:
    """Return the parameters that only the statements of one kind have."""
    if kind is not Kind.METRICS:
        return {}
    return {"metrics": list(METRICS), "anchors_from": day_number(now_ns, _ANCHOR_DAYS)}


def _steps(
    expired: Mapping[tuple[str, str], int], parts: Mapping[tuple[str, str], Part]
) -> list[Step]:
    by_table: defaultdict[str, list[tuple[Part, int]]] = defaultdict(list)
    for key, rows in expired.items():
        if key in parts:  # else it was merged into another meanwhile, which the next run finds
            by_table[key[0]].append((parts[key], rows))
    steps: list[Step] = []
    for name, found in sorted(by_table.items()):
        whole = [part for part, rows in found if rows == part.rows]
        mixed = [(part, rows) for part, rows in found if rows < part.rows]
        steps.append(
            Step(
                table=name,
                parts=tuple(sorted(part.name for part in whole)),
                part_rows=sum(part.rows for part in whole),
                part_bytes=sum(part.bytes for part in whole),
                partitions=tuple(sorted({part.partition for part, _ in mixed})),
                rows=sum(rows for _, rows in mixed),
            )
        )
    return steps
