"""A month of invoices: what each source tells of each day, and what it adds up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, cast

from spanledger_analytics.invoices.line import Dataset
from spanledger_analytics.invoices.money import ExchangeRates
from spanledger_analytics.invoices.reading import SourceDay, sources
from spanledger_storage.store import Store

CellState = Literal["final", "open", "empty", "behind"]


@dataclass(frozen=True, slots=True)
class DayCell:
    """What a source tells of a day.

    Attributes:
        amounts: by currency.
        usd: None: no money, or some of it without an exchange rate.
    """

    told: SourceDay
    line_count: int = 0
    unmapped_count: int = 0
    amounts: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    usd: Decimal | None = None

    @property
    def state(self) -> CellState:
        """What the calendar shows."""
        if self.told.stands_back_behind:
            return "behind"
        if not self.line_count:
            return "empty"
        return "final" if self.told.is_final else "open"


@dataclass(frozen=True, slots=True)
class SourceMonth:
    """A source's days of a month."""

    source: str
    provider: str
    dataset: Dataset
    days: Mapping[date, DayCell]

    def missing(self, first: date, last: date) -> list[date]:
        """Return the days of a period it does not tell of."""
        count = (last - first).days + 1
        every = (first + timedelta(days=number) for number in range(max(0, count)))
        return [day for day in every if day not in self.days]


@dataclass(frozen=True, slots=True)
class MonthRead:
    """A project's month.

    Attributes:
        billed_usd: by provider, of the reports that count.
        unknown: amounts by currency that have no exchange rate.
    """

    sources: Sequence[SourceMonth]
    billed_usd: Mapping[str, Decimal]
    unknown: Mapping[str, Decimal]


def load_month(
    store: Store, project: str, first: date, last: date, rates: ExchangeRates
) -> MonthRead:
    """Return a month of a project.

    Raises:
        StoreError: the store refused or did not answer.
    """
    told = sources(store, project, first, last)
    params = {"project": project, "first_day": first, "last_day": last}
    cells = {(one.day, one.source): DayCell(one) for one in told}
    for row in store.rows("invoice_amounts", params):
        key = date.fromisoformat(str(row["day"])), str(row["source"])
        if key in cells:
            cells[key] = _with(cells[key], row, rates)
    by_source: dict[str, list[DayCell]] = {}
    for cell in cells.values():
        by_source.setdefault(cell.told.source, []).append(cell)
    months = [
        SourceMonth(name, found[0].told.provider, found[0].told.dataset,
                    {one.told.day: one for one in found})
        for name, found in by_source.items()
    ]  # fmt: skip
    months.sort(key=lambda one: (one.provider, one.dataset.value, one.source))
    return MonthRead(months, *_sums(cells.values()))


def ranges_text(days: Sequence[date]) -> str:
    """Return days as ranges: ``3, 7–9``."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return ", ".join(
        f"{first.day}" if first == last else f"{first.day}–{last.day}" for first, last in found
    )


def _with(cell: DayCell, row: Mapping[str, object], rates: ExchangeRates) -> DayCell:
    """Return a cell with the amounts of one currency added; a rate given later counts too."""
    amount = cast("Decimal | None", row["amount"])
    amounts = dict(cell.amounts)
    usd = cell.usd
    if amount is not None:
        currency = str(row["currency"])
        known = cast("Decimal | None", row["amount_usd"])
        known = rates.usd(amount, currency, cell.told.day) if known is None else known
        usd = known if not amounts else None if usd is None or known is None else usd + known
        amounts[currency] = amount
    return DayCell(
        cell.told,
        cell.line_count + int(str(row["line_count"])),
        cell.unmapped_count + int(str(row["unmapped_count"])),
        amounts,
        usd,
    )


def _sums(cells: Iterable[DayCell]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    billed: dict[str, Decimal] = {}
    unknown: dict[str, Decimal] = {}
    for cell in cells:
        if cell.told.dataset is not Dataset.COST or cell.told.stands_back_behind:
            continue
        if cell.usd is not None:
            billed[cell.told.provider] = billed.get(cell.told.provider, Decimal(0)) + cell.usd
        else:
            for currency, amount in cell.amounts.items():
                if currency != "USD":
                    unknown[currency] = unknown.get(currency, Decimal(0)) + amount
    return billed, unknown
