"""Which instrumentations told of calls that are counted twice: one of them is one too many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from spanledger_analytics.reconciliation.correction import Correction
from spanledger_analytics.reconciliation.days import Days
from spanledger_analytics.reconciliation.result import Cause, Cell
from spanledger_storage.store import Store

_MOST_TRACES = 500
_MOST_SHOWN = 5


def with_instrumentations(
    store: Store, project: str, cells: Iterable[Cell], corrections: Sequence[Correction]
) -> list[Correction]:
    """Return corrections; of calls counted twice with the instrumentations that told of them.

    Raises:
        StoreError: the store refused or did not answer.
    """
    by_id = {cell.cell_id: cell for cell in cells}
    return [
        _named(store, project, one, [by_id[i] for i in one.cells if i in by_id])
        if one.kind == "deduplicate"
        else one
        for one in corrections
    ]


def _named(store: Store, project: str, one: Correction, cells: Sequence[Cell]) -> Correction:
    traces = sorted(set(_traces(cells)))[:_MOST_TRACES]
    if not traces:
        return one
    from_ns, to_ns = Days(one.first_day, one.last_day).bounds_ns
    params: dict[str, object] = {
        "project": project,
        "trace_ids": traces,
        "from_s": from_ns // 10**9,
        "to_s": to_ns // 10**9,
    }
    told = [
        f"{row['scope'] or 'no scope'} in {row['service_name'] or 'no service'} ({row['calls']:,})"
        for row in store.rows("reconciliation_scopes", params)[:_MOST_SHOWN]
    ]
    return replace(one, advice=f"{one.advice} Told by: {', '.join(told)}.") if told else one


def _traces(cells: Iterable[Cell]) -> Iterator[str]:
    for cell in cells:
        for share in cell.causes:
            if share.cause is Cause.DOUBLE_COUNTED:
                yield from (ref.trace_id for ref in share.evidence)
