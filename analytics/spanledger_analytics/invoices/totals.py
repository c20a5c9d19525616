"""What invoices of a month come to, and what the lines of that month add up to, by account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple, cast

from spanledger_analytics.invoices.line import Dataset, TokenClass
from spanledger_analytics.invoices.money import ExchangeRates
from spanledger_analytics.invoices.reading import SourceDay, sources
from spanledger_analytics.invoices.reports import Source, month_of, plain_provider
from spanledger_storage.invoice_state import ImportRow, InvoiceState
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store

_ZERO = Decimal(0)
_TRUST = {Dataset.INVOICE: 2, Dataset.COST: 1, Dataset.USAGE: 0}


class Billed(NamedTuple):
    """Whose money: a provider, by which its spellings are equal, and the account; empty: none."""

    provider_id: str
    account: str


@dataclass(slots=True)
class Sums:
    """What some lines add up to.

    Attributes:
        provider: as the lines name it.
        amounts: by currency.
        usd: in dollars, as far as an exchange rate is known.
        is_known: whether there is one for all of them.
        taxes: of lines of tax, whatever their currency.
        credits: of lines of credits and discounts, whatever their currency.
        lines: how many.
        invoice_ids: a few.
        is_final: whether the provider will not change them.
    """

    provider: str
    amounts: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    usd: Decimal = _ZERO
    is_known: bool = True
    taxes: Decimal = _ZERO
    credits: Decimal = _ZERO
    lines: int = 0
    invoice_ids: set[str] = field(default_factory=set[str])
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class MonthBilled:
    """A month's invoices and lines, by whose money it is."""

    totals: Mapping[Billed, Sums]
    lines: Mapping[Billed, Sums]


@dataclass(frozen=True, slots=True)
class _Row:
    source: Source
    is_long: bool
    day: date
    token_class: TokenClass
    currency: str
    count: int
    amount: Decimal
    usd: Decimal | None
    invoice_ids: tuple[str, ...]
    provider: str
    is_final: bool

    @property
    def is_total(self) -> bool:
        return self.source.is_total or (self.source.dataset is Dataset.INVOICE and self.is_long)


def read_month(store: Store, project: str, day: date, rates: ExchangeRates) -> MonthBilled:
    """Return what the invoices and the lines of the month of a day come to.

    An invoice is what somebody said it comes to (report ``invoice.total``); where nobody did, the
    lines of a report of invoices that are for several days. Of reports of costs and of usage with
    money the most trusted one counts, day by day.

    Raises:
        StoreError: the store refused or did not answer.
    """
    first, last = month_of(day)
    told = sources(store, project, first, last, totals=True)
    days = {(f"{one.day}", one.source): one for one in told if not one.stands_back_behind}
    params: dict[str, object] = {"project": project, "first_day": first, "last_day": last}
    rows = [
        _row(row, days[key], rates)
        for row in store.rows("invoice_month_amounts", params)
        if (key := (str(row["day"]), str(row["source"]))) in days and row["amount"] is not None
    ]
    said = {_billed(row).provider_id for row in rows if row.source.is_total}
    totals = [
        row
        for row in rows
        if row.is_total and (row.source.is_total or _billed(row).provider_id not in said)
    ]
    return MonthBilled(_added(totals), _added(_trusted(row for row in rows if not row.is_total)))


def total_notes(store: Store, state: StateEngine, row: ImportRow) -> list[str]:
    """Return what whoever said what an invoice comes to should know, one sentence each.

    Raises:
        StateError: the state database does not answer.
        StoreError: the store refused or did not answer.
    """
    first, last = month_of(date.fromisoformat(row.first_day))
    told = sources(store, row.project, first, last)
    mine = plain_provider(row.provider)
    notes: list[str] = []
    if all(plain_provider(one.provider) != mine for one in told):
        known = ", ".join(sorted({one.provider for one in told})) or "no provider"
        notes.append(
            f"No report of {row.provider} is imported for {first:%Y-%m}; there are those of "
            f"{known}."
        )
    for one in InvoiceState(state).imports(row.project):
        days = {day for source in one.days if Source.parse(source).is_total
                for day in one.days[source]}  # fmt: skip
        is_same = plain_provider(one.provider) == mine and row.first_day in days
        if is_same and one.provider != row.provider:
            notes.append(
                f"It adds up with the total of {one.provider}, the same provider in another "
                f"spelling. If it takes its place: spanledger invoices delete {one.import_id[:12]}"
            )
    return notes


def _row(row: Mapping[str, object], told: SourceDay, rates: ExchangeRates) -> _Row:
    amount, currency = cast("Decimal", row["amount"]), str(row["currency"])
    usd = cast("Decimal | None", row["amount_usd"])
    return _Row(
        source=Source.parse(told.source),
        is_long=bool(row["is_long"]),
        day=told.day,
        token_class=TokenClass(str(row["token_class"])),
        currency=currency,
        count=int(str(row["line_count"])),
        amount=amount,
        usd=rates.usd(amount, currency, told.day) if usd is None else usd,
        invoice_ids=tuple(cast("list[str]", row["invoice_ids"])),
        provider=str(row["provider"]),
        is_final=told.is_final,
    )


def _billed(row: _Row) -> Billed:
    return Billed(plain_provider(row.provider), row.source.account)


def _trusted(rows: Iterable[_Row]) -> list[_Row]:
    """Return the rows of the most trusted report of each day that tells money."""
    found: dict[tuple[Billed, date], list[_Row]] = {}
    for row in rows:
        found.setdefault((_billed(row), row.day), []).append(row)
    kept: list[_Row] = []
    for members in found.values():
        best = max(_TRUST[row.source.dataset] for row in members)
        kept += [row for row in members if _TRUST[row.source.dataset] == best]
    return kept


def _added(rows: Iterable[_Row]) -> dict[Billed, Sums]:
    found: dict[Billed, Sums] = {}
    for row in rows:
        sums = found.setdefault(_billed(row), Sums(row.provider))
        sums.amounts[row.currency] = sums.amounts.get(row.currency, _ZERO) + row.amount
        sums.usd += row.usd or _ZERO
        sums.is_known &= row.usd is not None
        if row.token_class is TokenClass.TAX:
            sums.taxes += row.amount
        elif row.token_class in (TokenClass.CREDIT, TokenClass.DISCOUNT):
            sums.credits += row.amount
        sums.lines += row.count
        sums.invoice_ids.update(row.invoice_ids)
        sums.is_final &= row.is_final
    return found
