"""What invoices come to, one row a month: a CSV with provider, month, amount and currency."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.reports import INVOICE_TOTAL, month_of
from spanledger_analytics.invoices.values import Record

COLUMNS = ("provider", "month", "amount", "currency", "account", "invoice_id")
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


class InvoiceTotals(Form):
    """One row for each invoice; those of one provider, account and month add up."""

    name = "invoice-totals"
    report = INVOICE_TOTAL
    account_field = "account"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are these and no others."""
        return head.has(*COLUMNS[:4]) and head.columns <= frozenset(COLUMNS)

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each row, for the whole month."""
        for row in records:
            amount, provider = row.money("amount"), row.text("provider").lower()
            if amount is None:
                raise row.wrong("amount", "is missing; it must be a number")
            if not provider or not provider.isprintable() or set(provider) & set("/@:"):
                raise row.wrong("provider", "is no provider such as openai")
            first, last = _month(row)
            yield About(
                day=first, last_day=last, dataset=Dataset.INVOICE, provider=provider,
                line_number=row.number, invoice_id=row.text("invoice_id"),
                description="Invoice total", extra=told_extra(row, ("account",)),
            ).line(
                TokenClass.INVOICE_TOTAL, amount=amount, currency=row.currency("currency")
            )  # fmt: skip


def checked_text(row: Mapping[str, str]) -> tuple[str, bytes]:
    """Return one total as a file of this format: its name and content.

    Raises:
        InvoiceError: the provider, month, amount or currency is none.
    """
    values = {name: row.get(name, "").strip() for name in COLUMNS}
    form, record = InvoiceTotals(), Record("The invoice", 1, values)
    try:
        list(form.lines(Records(iter([record]), Head("csv", frozenset(COLUMNS), values))))
    except InvoiceError as error:
        # Somebody typed it: where it stands in a file does not help.
        said = str(error).partition(" Nothing was imported")[0]
        raise InvoiceError(said.replace("The invoice, line 1, field ", "The ")) from error
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, [values[name] for name in COLUMNS]])
    name = f"invoice total of {values['provider']}, {values['month']}"
    return name, out.getvalue().encode()


def _month(row: Record) -> tuple[date, date]:
    found = _MONTH.fullmatch(row.text("month"))
    if found is None:
        raise row.wrong("month", "is no month such as 2026-11")
    year = int(found[1])
    if not 2015 <= year <= 2099:
        raise row.wrong("month", "lies outside of 2015 to 2099")
    return month_of(date(year, int(found[2]), 1))
