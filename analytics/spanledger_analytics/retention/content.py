"""Clears what was said from spans and logs that outlive it, each partition once.

A note in the state database says up to which insert a partition was cleared for a project, so that
what arrives late is found without reading a row of the rest.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from spanledger_analytics import _rows
from spanledger_analytics.retention.plan import read_parts
from spanledger_analytics.retention.policy import Days
from spanledger_storage.retention_state import Cleared, RetentionState
from spanledger_storage.store import Store

LONGEST_BYTES = 256
"""A longer value of an attribute is taken for text that somebody or some model wrote."""

CONTENT_KEYS = (
    r"(^|[._-])(content|contents|messages?|prompts?|completions?|arguments|args|results?|body|text"
    r"|query|documents?|instructions|question|answer|stacktrace|(in|out)put\.value)$"
)
"""Keys whose values are content, however short (RE2)."""

_CLEAR = {"spans": "retention_clear_spans", "logs": "retention_clear_logs"}


class Due(NamedTuple):
    """Partitions of one table in which content is left, and how far each is cleared afterwards."""

    table: str
    projects: tuple[str, ...]
    partitions: tuple[int, ...]
    rows: int
    blocks: dict[Cleared, int]


class Found(NamedTuple):
    """Where content is past its days; ``empty`` holds what can be noted as cleared at once."""

    due: list[Due]
    empty: dict[Cleared, int]
    gone: set[tuple[str, int]]


def find_content(store: Store, state: RetentionState, days: Days, kept: Days, most: int) -> Found:
    """Return where content is past its days, the oldest ``most`` partitions of each table.

    Reads only. ``kept`` are the days of the spans themselves: earlier ones leave whole.

    Raises:
        StorageError: the store or the state database refused or did not answer.
    """
    blocks = _newest_blocks(store)
    known = state.cleared()
    wanted: defaultdict[str, dict[Cleared, int]] = defaultdict(dict)
    for (table, partition), block in sorted(blocks.items()):
        for project, day in days.items():
            key = (table, partition, project)
            if kept.get(project, 0) <= partition < day and known.get(key, -1) < block:
                wanted[table][key] = block
    found = Found([], {}, {(table, partition) for table, partition, _ in known} - blocks.keys())
    for table, keys in wanted.items():
        rows = _rows_of(store, table, keys, days)
        found.empty.update({key: block for key, block in keys.items() if key not in rows})
        if rows:
            found.due.append(_due(table, keys, rows, most))
    return found


def _newest_blocks(store: Store) -> dict[tuple[str, int], int]:
    blocks: defaultdict[tuple[str, int], int] = defaultdict(int)
    for part in read_parts(store).values():
        if part.table in _CLEAR:
            key = (part.table, part.partition)
            blocks[key] = max(blocks[key], part.newest_block)
    return blocks


def _due(table: str, keys: dict[Cleared, int], rows: dict[Cleared, int], most: int) -> Due:
    partitions = tuple(sorted({partition for _, partition, _ in rows})[:most])
    chosen = {key: count for key, count in rows.items() if key[1] in partitions}
    return Due(
        table=table,
        projects=tuple(sorted({project for _, _, project in chosen})),
        partitions=partitions,
        rows=sum(chosen.values()),
        blocks={key: keys[key] for key in chosen},
    )


def _rows_of(store: Store, table: str, keys: dict[Cleared, int], days: Days) -> dict[Cleared, int]:
    """Return how many rows there are of each key that has any."""
    params = {
        "projects": sorted({project for _, _, project in keys}),
        "partitions": sorted({partition for _, partition, _ in keys}),
        "day": max(days.values()),
    }
    answer = store.arrow("retention_content_rows", params)
    fields = ("table_name", "partition", "project", "rows")
    rows: dict[Cleared, int] = {}
    for name, partition, project, count in _rows.columns_of(answer, fields):
        key = (str(name), int(str(partition)), str(project))
        if name == table and key in keys:
            rows[key] = int(str(count))
    return rows


def clear(store: Store, state: RetentionState, due: Due, days: Days) -> None:
    """Clear content, and remember that it was.

    Raises:
        StorageError: the store or the state database refused or did not answer; running again is
            safe.
    """
    params = {
        "partitions": list(due.partitions),
        "projects": list(due.projects),
        "days": [days[project] for project in due.projects],
        "content_keys": CONTENT_KEYS,
        "longest": LONGEST_BYTES,
    }
    store.command(_CLEAR[due.table], params)
    state.mark_cleared(due.blocks)
