"""What a repricing changes or changed, added up by project, month and model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pyarrow as pa

from spanledger_analytics import _price_columns

if TYPE_CHECKING:
    from spanledger_analytics._bill import Bools
    from spanledger_analytics._price_columns import Column
    from spanledger_analytics.entries import Entry


@dataclass(frozen=True, slots=True)
class Change:
    """What repricing does to the entries of one project, UTC month (YYYY-MM) and model.

    Attributes:
        entries: all of them.
        changed: whose cost, contract or being priced changes.
        relabelled: that only get another price id or reason.
        newly_priced: that had no price and get one.
        billed_usd: what they were first priced with.
        before_usd: what they cost in the ledger now, as far as they are priced.
        after_usd: what they cost at the present prices.
    """

    project: str
    month: str
    provider: str
    model: str
    entries: int
    changed: int
    relabelled: int
    newly_priced: int
    billed_usd: Decimal
    before_usd: Decimal
    after_usd: Decimal

    @property
    def difference_usd(self) -> Decimal:
        """By how much the total changes."""
        return self.after_usd - self.before_usd


@dataclass(frozen=True, slots=True)
class Report:
    """What a repricing changes or changed; sorted by project, month, provider and model."""

    changes: tuple[Change, ...]

    @property
    def entries(self) -> int:
        """How many entries were looked at."""
        return sum(change.entries for change in self.changes)

    @property
    def changed(self) -> int:
        """How many entries cost something else, or are newly priced or unpriced."""
        return sum(change.changed for change in self.changes)

    @property
    def written(self) -> int:
        """How many entries get a new version."""
        return sum(change.changed + change.relabelled for change in self.changes)

    @property
    def difference_usd(self) -> Decimal:
        """By how much the total changes."""
        return sum((change.difference_usd for change in self.changes), Decimal(0))


class Repriced(NamedTuple):
    """Entries with their new price columns; which cost something else, which differ at all."""

    table: pa.Table
    new: dict[str, Column]
    is_changed: Bools
    is_other: Bools


_Key = tuple[str, str, str, str]


class Summary:
    """Adds chunks up, by project, month, provider and model."""

    def __init__(self) -> None:
        self._counts: defaultdict[_Key, list[int]] = defaultdict(lambda: [0] * 4)
        self._sums: defaultdict[_Key, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)

    def add(self, repriced: Repriced, project: str) -> None:
        """Count entries of one project."""
        table, new = repriced.table, repriced.new
        months = _price_columns.times_ns(table).astype("datetime64[ns]").astype("datetime64[M]")
        was_priced = _price_columns.is_text(_price_columns.texts(table, "price_status"), "priced")
        is_priced = _price_columns.is_text(new["price_status"], "priced")
        columns: dict[str, Column] = {
            "month": pa.array(months.astype(np.int64)),
            "provider": _price_columns.texts(table, "provider"),
            "model": _price_columns.texts(table, "model"),
            "entries": _numbers(np.ones(table.num_rows, dtype=np.bool_)),
            "changed": _numbers(repriced.is_changed),
            "relabelled": _numbers(repriced.is_other & ~repriced.is_changed),
            "newly_priced": _numbers(~was_priced & is_priced),
            "billed": new["billed_cost_usd"],
            "before": _price_columns.amounts(table, "total_cost_usd"),
            "after": new["total_cost_usd"],
        }
        numbers = ["entries", "changed", "relabelled", "newly_priced"]
        amounts = ["billed", "before", "after"]
        grouped = pa.table(columns).group_by(["month", "provider", "model"])
        sums = grouped.aggregate([(name, "sum") for name in (*numbers, *amounts)])
        for row in cast("Sequence[dict[str, int | str | Decimal | None]]", sums.to_pylist()):
            month = str(np.datetime64(cast("int", row["month"]), "M"))
            key = (project, month, str(row["provider"]), str(row["model"]))
            for place, name in enumerate(numbers):
                self._counts[key][place] += cast("int", row[f"{name}_sum"])
            for place, name in enumerate(amounts):
                self._sums[key][place] += cast("Decimal | None", row[f"{name}_sum"]) or 0

    def add_entries(self, project: str, pairs: Iterable[tuple[Entry | None, Entry | None]]) -> None:
        """Count executions of tools, before and after; a tool stands in the place of a model."""
        for before, after in pairs:
            entry = after or before
            if entry is None:
                continue
            month = str(np.datetime64(entry.time_ns, "ns").astype("datetime64[M]"))
            key = (project, month, "", entry.tool_name)
            costs = [e.total_cost_usd if e else None for e in (before, after)]
            is_changed = costs[0] != costs[1]
            counts = (1, is_changed, before != after and not is_changed,
                      costs[0] is None and costs[1] is not None)  # fmt: skip
            for place, number in enumerate(counts):
                self._counts[key][place] += int(number)
            billed = entry.billed_cost_usd or Decimal(0)
            for place, amount in enumerate((billed, *costs)):
                self._sums[key][place] += amount or Decimal(0)

    def report(self) -> Report:
        """Return everything added."""
        changes: list[Change] = []
        for key, counts in sorted(self._counts.items()):
            entries, changed, relabelled, newly_priced = counts
            billed, before, after = self._sums[key]
            changes.append(
                Change(*key, entries, changed, relabelled, newly_priced, billed, before, after)
            )
        return Report(tuple(changes))


def _numbers(flags: Bools) -> Column:
    return pa.array(flags.astype(np.int64))
