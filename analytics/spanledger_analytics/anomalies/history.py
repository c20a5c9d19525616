"""The history of a project, read from the store: all of it once, then the hours that changed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from spanledger_analytics._rows import Literal, batches
from spanledger_analytics.anomalies.cells import (
    FINE_S,
    HOUR_S,
    KEEP_HOURS,
    MEASURES,
    Key,
    Leaf,
    Row,
)
from spanledger_analytics.anomalies.explain import Part, Usage
from spanledger_analytics.anomalies.watch import Watch
from spanledger_analytics.change.decomposition import INPUT_CLASSES, OUTPUT_CLASS, UNEXPLAINED
from spanledger_storage.store import Store

_HOURS_PER_SCAN = 48
_SCANS_PER_RUN = 5
"""So that the first reading of a long history takes several runs, and no run takes long."""
_TOKEN_KINDS = ("llm", "embedding")
_BY_AGENT, _ALL = 1, 2
"""Rows of ``anomaly_usage`` that sum others up."""


class History:
    """Keeps the watch of one project up to date.

    Attributes:
        watch: what is known.
        is_whole: everything has been read.
    """

    def __init__(self, store: Store, project: str) -> None:
        self._store, self._project = store, project
        self._since = 0
        self._waiting: set[int] = set()
        self.watch = Watch()
        self.is_whole = False

    def refresh(self, now_s: int) -> bool:
        """Read hours that changed, newest first; return whether any had.

        Raises:
            StoreError: the store refused or did not answer; the next call reads the same again.
        """
        self.watch.advance(now_s)
        from_s = now_s // HOUR_S * HOUR_S - (KEEP_HOURS - 1) * HOUR_S
        asked = {"project": self._project, "from_s": from_s, "since": self._since}
        rows = self._store.rows("budget_changed_hours", asked)
        self._waiting |= {int(str(row["hour_s"])) for row in rows}
        self._waiting = {hour for hour in self._waiting if from_s <= hour <= now_s}
        self._since = max([self._since, *(int(str(row["newest_version"])) for row in rows)])
        hours = sorted(self._waiting, reverse=True)
        for part in list(batches(hours, _HOURS_PER_SCAN))[:_SCANS_PER_RUN]:
            self._read(part)
            self._waiting -= set(part)
        self.is_whole = not self._waiting
        return bool(hours)

    def _read(self, hours: Sequence[int]) -> None:
        fine = [hour for hour in hours if hour >= self.watch.fine.first_s]
        for part, step_s in ((fine, FINE_S), ([h for h in hours if h not in set(fine)], HOUR_S)):
            if part:
                params = {"project": self._project, "hours": Literal(part), "step_s": step_s}
                self.watch.put(part, map(_row, self._store.rows("anomaly_cells", params)))


def _row(row: dict[str, object]) -> Row:
    leaf = Leaf(*(str(row[name]) for name in Leaf._fields))
    amounts = tuple(float(str(row[name])) for name in MEASURES)
    return Row(int(str(row["start_s"])), leaf, amounts)


def usage(store: Store, project: str, key: Key, starts: Sequence[int], length_s: int) -> Usage:
    """Return what a series did in times of one length.

    Raises:
        StoreError: the store refused or did not answer.
    """
    if not starts or length_s <= 0:
        return Usage((), 0)
    hours = {
        hour
        for start in starts
        for hour in range(start // HOUR_S * HOUR_S, start + length_s, HOUR_S)
    }
    params = {
        "project": project,
        "dimension": key.dimension,
        "name": key.name,
        "starts": list(starts),
        "length_s": length_s,
        "hours": Literal(sorted(hours)),
    }
    parts: list[Part] = []
    traces = 0
    by_agent: dict[str, int] = {}
    for row in store.rows("anomaly_usage", params):
        count, summed = int(str(row["traces"])), int(str(row["summed"]))
        if summed == _ALL:
            traces = count
        elif summed == _BY_AGENT:
            by_agent[str(row["agent"])] = count
        else:
            parts.append(_part(row))
    return Usage(parts, traces, by_agent)


def _part(row: dict[str, object]) -> Part:
    kind = str(row["kind"])
    other = Decimal(str(row["other_usd"]))
    fees = Decimal(str(row["fees_usd"]))
    named = UNEXPLAINED if kind in _TOKEN_KINDS else kind
    classes = (*INPUT_CLASSES, OUTPUT_CLASS)
    return Part(
        Leaf(*(str(row[name]) for name in Leaf._fields)),
        int(str(row["calls"])),
        {name: int(str(row[name])) for name in classes},
        {name: Decimal(str(row[f"{name}_usd"])) for name in classes},
        {name: usd for name, usd in ((named, other), ("fees", fees)) if usd},
    )
