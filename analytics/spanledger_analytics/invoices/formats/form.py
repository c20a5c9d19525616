"""What every importer is, and what several of them share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import ClassVar, Protocol

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.reports import REPORTS, Source
from spanledger_analytics.invoices.values import Record
from spanledger_analytics.price_book.own import plain_tier

ZERO = Decimal(0)


class Format(Protocol):
    """An importer: knows its reports by what is in them, and reads them as lines."""

    @property
    def name(self) -> str:
        """As ``--format`` names it."""
        ...

    def matches(self, head: Head) -> bool:
        """Return whether a document is of this format, by its content."""
        ...

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return the lines of a document in its order, and tell the records what it covers.

        Raises:
            InvoiceError: something in it cannot be read exactly.
        """
        ...

    def source(self, line: InvoiceLine) -> Source:
        """Return which report of which account a line is of."""
        ...


class Form:
    """An importer of one report, whose account stands in a field of ``InvoiceLine.extra``."""

    name: ClassVar[str]
    report: ClassVar[str]
    account_field: ClassVar[str] = ""

    def source(self, line: InvoiceLine) -> Source:
        """Return which report of which account a line is of."""
        account = line.extra.get(self.account_field, "") if self.account_field else ""
        return Source(REPORTS[self.report], line.provider, line.dataset, account)

    @classmethod
    def plain_source(cls) -> Source:
        """Return the source of a report of one provider, without account."""
        report = REPORTS[cls.report]
        return Source(report, report.provider, report.dataset or Dataset.COST)


@dataclass(frozen=True, slots=True)
class About:
    """What the lines of one record have in common."""

    day: date
    last_day: date
    dataset: Dataset
    provider: str
    line_number: int
    scope: str | None = None
    api_key: str | None = None
    user: str | None = None
    model: str | None = None
    reported_model: str = ""
    processing: str | None = None
    service_tier: str | None = None
    context: str | None = None
    geo: str | None = None
    description: str = ""
    invoice_id: str = ""
    extra: dict[str, str] = field(default_factory=dict[str, str])

    def quantity(self, token_class: TokenClass, quantity: Decimal, unit: str) -> InvoiceLine:
        """Return a line that tells a quantity and no money."""
        return self.line(token_class, quantity=quantity, unit=unit)

    def line(
        self,
        token_class: TokenClass,
        *,
        quantity: Decimal | None = None,
        unit: str = "",
        amount: Decimal | None = None,
        currency: str = "",
        list_amount: Decimal | None = None,
    ) -> InvoiceLine:
        """Return a line of a class."""
        return InvoiceLine(
            day=self.day, last_day=self.last_day, dataset=self.dataset, provider=self.provider,
            token_class=token_class, quantity=quantity, unit=unit if quantity is not None else "",
            amount=amount, currency=currency if amount is not None else "",
            list_amount=list_amount, scope=self.scope, api_key=self.api_key, user=self.user,
            model=self.model, reported_model=self.reported_model, processing=self.processing,
            service_tier=self.service_tier, context=self.context, geo=self.geo,
            description=self.description, invoice_id=self.invoice_id,
            line_number=self.line_number, extra=self.extra,
        )  # fmt: skip

    def but(self, **changed: object) -> About:
        """Return the same with other values."""
        return replace(self, **changed)  # type: ignore[arg-type]  # names are fields


def told_extra(record: Record, names: Iterable[str]) -> dict[str, str]:
    """Return fields of a record that say something, as they stand there."""
    return {name: text for name in names if (text := record.told(name)) is not None}


def tier_of(value: str | None) -> tuple[str | None, str | None]:
    """Return processing and service tier of what a report calls its tier.

    In lower case; the standard tier is ``""`` however it is called, and batch is processing, not
    a tier.
    """
    if value is None:
        return None, None
    tier = plain_tier(value)
    return ("batch", "") if tier == "batch" else ("sync", tier)
