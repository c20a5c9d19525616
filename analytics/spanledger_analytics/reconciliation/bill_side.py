"""The provider's side: lines of its reports, added up by what they tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.reconciliation.ledger_side import provider_id
from spanledger_analytics.reconciliation.models import plain_name
from spanledger_analytics.reconciliation.pico import to_pico

NO_USAGE = frozenset(
    {
        TokenClass.CAPACITY,
        TokenClass.CREDIT,
        TokenClass.DISCOUNT,
        TokenClass.TAX,
        TokenClass.ROUNDING,
        TokenClass.ADJUSTMENT,
        TokenClass.UNMAPPED,
    }
)
"""Classes that no call in the ledger stands against."""
_LIFETIMES = {
    TokenClass.CACHE_WRITE_5M: TokenClass.CACHE_WRITE,
    TokenClass.CACHE_WRITE_1H: TokenClass.CACHE_WRITE,
}
_TRUST = {Dataset.INVOICE: 2, Dataset.COST: 1, Dataset.USAGE: 0}
_SAME_MONEY = 10**10  # a cent


class BillKey(NamedTuple):
    """What lines are told apart by; ``None``: the report does not tell it."""

    token_class: TokenClass
    scope: str | None
    api_key: str | None
    model: str | None
    processing: str | None
    service_tier: str | None
    context: str | None
    geo: str | None
    lifetime: TokenClass | None
    """Of cache writes, where it is told."""


@dataclass(slots=True)
class BillRow:
    """Lines of one key, added up; numbers in units of 10^-12.

    Attributes:
        key: what they are told apart by.
        quantity: None: some line does not tell it.
        usd: what is charged, as far as an exchange rate is known.
        list_usd: before discounts; None: some line does not tell it.
        own_usd: by the provider's own exchange rate; None: no line in another currency tells one.
        lines: how many.
        has_money: whether some line tells an amount.
        currencies: other than dollars.
        unconverted: lines whose currency has no exchange rate.
        is_in_cents: whether every amount is of whole cents.
        is_final: whether the provider will change none of them.
        model: as the report calls it, for people.
        texts: free texts of the lines, a few.
    """

    key: BillKey
    quantity: int | None = 0
    usd: int = 0
    list_usd: int | None = 0
    own_usd: int | None = None
    lines: int = 0
    has_money: bool = False
    currencies: set[str] = field(default_factory=set[str])
    unconverted: int = 0
    is_in_cents: bool = True
    is_final: bool = True
    model: str = ""
    texts: list[str] = field(default_factory=list[str])

    def add(self, line: InvoiceLine) -> None:
        """Add a line of the same key."""
        self.lines += 1
        self.is_final &= line.is_final
        if line.quantity is None:
            if line.amount != 0:  # a line that charges nothing for nothing told hides nothing
                self.quantity = None
        elif self.quantity is not None:
            self.quantity += to_pico(line.quantity)
        if line.description and len(self.texts) < 3 and line.description not in self.texts:
            self.texts.append(line.description)
        if line.amount is None:
            self.list_usd = None
            return
        self.has_money = True
        usd = line.amount_usd
        if usd is None and line.currency in ("", "USD"):
            usd = line.amount
        pico = to_pico(usd)
        self.unconverted += usd is None
        self.usd += pico
        self.is_in_cents &= pico % _SAME_MONEY == 0
        self._add_list(line, pico)
        if line.currency not in ("", "USD"):
            self.currencies.add(line.currency)
            own = _own_rate_usd(line)
            if own is not None:
                self.own_usd = (self.own_usd or 0) + own

    def _add_list(self, line: InvoiceLine, pico: int) -> None:
        if line.list_amount is None or self.list_usd is None or not line.amount:
            free = line.list_amount is not None and not line.amount
            is_dollars = line.currency in ("", "USD")
            if free and is_dollars and self.list_usd is not None:
                self.list_usd += to_pico(line.list_amount)
            elif line.amount:
                self.list_usd = None
            return
        # In dollars by the same exchange rate as the amount.
        self.list_usd += int(pico * to_pico(line.list_amount) // to_pico(line.amount))


@dataclass(frozen=True, slots=True)
class Unit:
    """Days of a provider that are compared as one: a day, or what a line of more days covers.

    Attributes:
        provider_id: by which names are compared.
        provider: as the reports call it.
        first: first day.
        last: last one.
        billed: what was charged, and what counts as such.
        usage: quantities of usage reports.
        other: what is charged for no usage: taxes, credits …
        is_derived: whether there are usage reports alone, so that money is derived from them.
    """

    provider_id: str
    provider: str
    first: date
    last: date
    billed: list[BillRow]
    usage: list[BillRow]
    other: list[BillRow]
    is_derived: bool


_Lines = tuple[str, date, date, Dataset]
"""A provider, a first and a last day, and what kind of report tells of them."""


class Days(NamedTuple):
    """Days that lines are for."""

    first: date
    last: date


class Bills:
    """Adds up the lines of some days, provider by provider."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, Days, Dataset], dict[BillKey, BillRow]] = {}
        self._names: dict[str, str] = {}
        self._last: tuple[_Lines, dict[BillKey, BillRow]] | None = None

    def add(self, line: InvoiceLine) -> None:
        """Add a line."""
        of = line.provider, line.day, line.last_day, line.dataset
        # Most lines are of the same as the one before.
        if self._last is None or self._last[0] != of:
            self._last = of, self._rows_of(*of)
        rows = self._last[1]
        key = _key(line)
        row = rows.get(key)
        if row is None:
            row = rows[key] = BillRow(key, model=line.reported_model or line.model or "")
        row.add(line)

    def _rows_of(
        self, provider: str, first: date, last: date, dataset: Dataset
    ) -> dict[BillKey, BillRow]:
        name = provider_id(provider)
        self._names[name] = min(provider, self._names.get(name, provider))
        return self._rows.setdefault((name, Days(first, last), dataset), {})

    def cover(self, provider: str, day: date, dataset: Dataset) -> None:
        """Say that a report tells of a day, if only that nothing was used.

        One whose lines that begin on it are of more days tells of these instead.
        """
        name = provider_id(provider)
        for (of, days, told), rows in self._rows.items():
            is_long = days.first == day != days.last
            if is_long and (of, told) == (name, dataset) and _has_usage(rows):
                return
        self._names.setdefault(name, provider)
        self._rows.setdefault((name, Days(day, day), dataset), {})

    def units(self) -> list[Unit]:
        """Return what is to be compared, by day and provider."""
        by_days: dict[tuple[str, Days], dict[Dataset, list[BillRow]]] = {}
        for (provider, days, dataset), rows in self._rows.items():
            by_days.setdefault((provider, days), {})[dataset] = list(rows.values())
        daily = {
            (provider, days.first)
            for (provider, days, _), rows in self._rows.items()
            if days.first == days.last and (not rows or _has_usage(rows))
        }
        units: list[Unit] = []
        for (provider, days), datasets in sorted(by_days.items()):
            is_long = days.first != days.last
            unit = _unit(provider, self._names[provider], days, datasets)
            if is_long and (provider, days.first) in daily:
                unit = without_usage(unit)
            units.append(unit)
        return _joined(units)


def _unit(provider: str, name: str, days: Days, datasets: dict[Dataset, list[BillRow]]) -> Unit:
    money = {
        dataset: [row for row in rows if row.key.token_class not in NO_USAGE]
        for dataset, rows in datasets.items()
    }
    billed = _trusted(money)
    usage = [row for row in money.get(Dataset.USAGE, ()) if row.quantity is not None]
    if not any(row.key.token_class is TokenClass.REQUESTS for row in usage):
        # Some bills count requests as well.
        usage += [
            row
            for dataset, rows in money.items()
            if dataset is not Dataset.USAGE
            for row in rows
            if row.key.token_class is TokenClass.REQUESTS and row.quantity is not None
        ]
    has_bill = bool(datasets.keys() & {Dataset.COST, Dataset.INVOICE})
    is_derived = not has_bill and not any(row.has_money for row in billed)
    if is_derived:
        billed = [row for row in usage if row.key.token_class is not TokenClass.REQUESTS]
    return Unit(provider, name, days.first, days.last, billed, usage, _other(datasets), is_derived)


def _trusted(money: dict[Dataset, list[BillRow]]) -> list[BillRow]:
    """Return the rows of what counts: invoice, costs, usage; of a finer report if it agrees."""
    candidates = [
        (dataset, [row for row in rows if row.has_money]) for dataset, rows in money.items()
    ]
    ranked = sorted(
        ((dataset, rows) for dataset, rows in candidates if rows), key=lambda one: -_TRUST[one[0]]
    )
    if not ranked:
        return []
    best = ranked[0][1]
    total = sum(row.usd for row in best)
    for _, rows in ranked[1:]:
        if len(rows) > len(best) and abs(sum(row.usd for row in rows) - total) <= _SAME_MONEY:
            best = rows
    return best


def _other(datasets: dict[Dataset, list[BillRow]]) -> list[BillRow]:
    """Return what is charged for no usage, each class by the most trusted report that tells it."""
    found: dict[TokenClass, list[BillRow]] = {}
    for dataset in sorted(datasets, key=lambda one: -_TRUST[one]):
        told: dict[TokenClass, list[BillRow]] = {}
        for row in datasets[dataset]:
            if row.key.token_class in NO_USAGE and row.has_money:
                told.setdefault(row.key.token_class, []).append(row)
        for token_class, rows in told.items():
            found.setdefault(token_class, rows)
    return [row for rows in found.values() for row in rows]


def _has_usage(rows: Iterable[BillKey]) -> bool:
    return any(key.token_class not in NO_USAGE for key in rows)


def without_usage(unit: Unit) -> Unit:
    """Return the unit with what is charged for no usage, and nothing else."""
    return Unit(
        unit.provider_id, unit.provider, unit.first, unit.last, [], [], unit.other, unit.is_derived
    )


def _joined(units: Iterable[Unit]) -> list[Unit]:
    """Return units with what is charged for no usage moved to the day it begins on.

    Of units that begin on one day, the one with usage takes the rest in.
    """
    found: dict[tuple[str, date], Unit] = {}
    for unit in units:
        key = unit.provider_id, unit.first
        other = found.get(key)
        if other is None:
            found[key] = unit
            continue
        main, added = (unit, other) if unit.billed or unit.usage else (other, unit)
        found[key] = Unit(
            main.provider_id, main.provider, main.first, main.last, main.billed + added.billed,
            main.usage + added.usage, main.other + added.other, main.is_derived,
        )  # fmt: skip
    return sorted(found.values(), key=lambda unit: (unit.first, unit.provider_id))


def _key(line: InvoiceLine) -> BillKey:
    token_class = _LIFETIMES.get(line.token_class, line.token_class)
    return BillKey(
        token_class,
        line.scope,
        line.api_key,
        plain_name(line.model) if line.model is not None else None,
        line.processing,
        line.service_tier,
        line.context,
        line.geo.lower() if line.geo is not None else None,
        line.token_class if token_class is TokenClass.CACHE_WRITE else None,
    )


def _own_rate_usd(line: InvoiceLine) -> int | None:
    """Return dollars by the exchange rate the line itself states (units of currency a dollar)."""
    text = line.extra.get("currency_conversion_rate", "")
    try:
        rate = Decimal(text) if text else Decimal(0)
    except InvalidOperation:
        return None
    if not rate.is_finite() or rate <= 0 or line.amount is None:
        return None
    return to_pico(line.amount / rate)
