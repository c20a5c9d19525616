"""Reads what cascades are found in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from spanledger_analytics._rows import Literal, batches, columns_of
from spanledger_analytics.findings.cascades.failures import Failure, Paid, SpanRow
from spanledger_analytics.findings.cascades.incident import Window
from spanledger_analytics.findings.cascades.rates import MINUTE_S, Count
from spanledger_analytics.findings.finding import MOST_EVIDENCE, SpanRef
from spanledger_storage.store import Store

LONGEST_TRACE_S = 86_400
"""A trace that began longer ago names no agent for calls that do not."""
_MOST_FAILURES = 20_000
_MOST_TRACES = MOST_EVIDENCE  # the evidence of an incident names each of them
_TRACES_AT_ONCE = 500
_S = 10**9
_SETTLES_NS = 5 * MINUTE_S * _S
_WHOLE_NS = 10 * MINUTE_S * _S
_Row = TypeVar("_Row", bound=NamedTuple)


def read_counts(
    store: Store, project: str, from_ns: int, to_ns: int, step_s: int, one_in: int = 1
) -> list[Count]:
    """Return how many calls were made and failed in a time, in buckets of so many seconds.

    Of ``one_in`` traces, one is looked at.

    Raises:
        StoreError: the store refused or did not answer.
    """
    how = {"step_s": step_s, "back_s": LONGEST_TRACE_S, "one_in": one_in}
    return _rows(Count, store, "cascade_calls", {**_time(project, from_ns, to_ns), **how})


class RecentCounts:
    """Counts by minute of the last time, of which only the newest are read again.

    What comes later than ``_SETTLES_NS`` is counted when all is read again, every ten minutes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, tuple[int, int, int, list[Count]]] = {}

    def read(self, project: str, from_ns: int, to_ns: int) -> list[Count]:
        """Return the counts of a time.

        Raises:
            StoreError: the store refused or did not answer.
        """
        since_ns, whole_ns, counts = from_ns, to_ns, list[Count]()
        if project in self._kept:
            kept_from_ns, kept_to_ns, kept_whole_ns, kept = self._kept[project]
            if kept_from_ns <= from_ns and kept_whole_ns <= to_ns < kept_whole_ns + _WHOLE_NS:
                since_ns, whole_ns = max(from_ns, kept_to_ns - _SETTLES_NS), kept_whole_ns
                counts = [c for c in kept if from_ns <= c.bucket_s * _S < since_ns]
        counts += read_counts(self._store, project, since_ns, to_ns, MINUTE_S)
        self._kept[project] = from_ns, to_ns, whole_ns, counts
        return counts


def read_window(store: Store, project: str, from_ns: int, failed_ns: int, to_ns: int) -> Window:
    """Return the failures from a moment to another, and what their traces did until a third.

    Of an incident beyond all measure the earliest 20,000 failures and 1,000 traces are read.

    Raises:
        StoreError: the store refused or did not answer.
    """
    most = {"max_rows": _MOST_FAILURES, "back_s": LONGEST_TRACE_S}
    params = {**_time(project, from_ns, failed_ns), **most}
    failures = _rows(Failure, store, "cascade_errors", params)
    traces = list(dict.fromkeys(one.trace_id for one in failures))[:_MOST_TRACES]
    kept = set(traces)
    spans: dict[SpanRef, SpanRow] = {}
    paid: list[Paid] = []
    began_ns = from_ns - LONGEST_TRACE_S * 10**9  # what a failure was called from
    for part in _parts(traces):
        asked: dict[str, object] = {"trace_ids": Literal(part)}
        rows = _rows(SpanRow, store, "cascade_spans", _time(project, began_ns, to_ns) | asked)
        spans |= {SpanRef(row.trace_id, row.span_id): row for row in rows}
        paid += _rows(Paid, store, "cascade_costs", _time(project, from_ns, to_ns) | asked)
    return Window([one for one in failures if one.trace_id in kept], spans, paid)


def active_projects(store: Store, from_ns: int) -> list[str]:
    """Return the projects of which spans came since a time.

    Raises:
        StoreError: the store refused or did not answer.
    """
    table = store.arrow("cascade_projects", {"from_ns": from_ns})
    return [str(project) for (project,) in columns_of(table, ("project",))]


def _time(project: str, from_ns: int, to_ns: int) -> dict[str, object]:
    return {"project": project, "from_ns": max(0, from_ns), "to_ns": max(0, to_ns)}


def _parts(traces: Sequence[str]) -> Iterator[Sequence[str]]:
    return iter(batches(traces, _TRACES_AT_ONCE))


def _rows(kind: type[_Row], store: Store, name: str, params: dict[str, object]) -> list[_Row]:
    rows: Iterable[tuple[object, ...]] = columns_of(store.arrow(name, params), kind._fields)
    return [kind._make(row) for row in rows]
