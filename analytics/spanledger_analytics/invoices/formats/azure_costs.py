"""Azure cost details (CSV or Parquet): the meters of Azure OpenAI and Foundry models.

Names of meters follow no rule, so each needs a mapping, by its text or its meter id; amounts count
without one. Rows of other services are left out.
https://learn.microsoft.com/azure/cost-management-billing/automate/understand-usage-details-fields
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.rules import METER_ID
from spanledger_analytics.invoices.values import Record

_OURS = frozenset({"foundry models", "cognitive services", "azure openai", "foundry tools"})
_UNIT = re.compile(r"(?P<count>\d+)?\s*(?P<size>[KM])?", re.IGNORECASE)
_SIZES = {"": 1, "K": 1_000, "M": 1_000_000}
_CHARGES = {
    "tax": TokenClass.TAX,
    "refund": TokenClass.ADJUSTMENT,
    "credit": TokenClass.CREDIT,
    "purchase": TokenClass.CAPACITY,
    "unusedreservation": TokenClass.CAPACITY,
}
_EXTRA = ("resourceid", "resourcegroup", "metersubcategory", "pricingmodel", "chargetype", "tags")


class AzureCosts(Form):
    """One row a day, resource and meter; names of columns differ in case between exports."""

    name = "azure-costs"
    report = "azure.costs"
    account_field = "billingaccountid"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those of cost details."""
        columns = {name.lower() for name in head.columns}
        return {"meterid", "unitofmeasure", "metercategory", "date"} <= columns

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each row of our services."""
        for record in records:
            row = Record(
                record.file,
                record.number,
                {name.lower(): value for name, value in record.values.items()},
            )
            if row.text("metercategory").lower() in _OURS:
                yield _line(row)
            else:
                records.skip()


def _line(row: Record) -> InvoiceLine:
    amount = row.money("costinbillingcurrency")
    if amount is None:
        amount = row.money("cost")
    if amount is None:
        raise row.wrong("costinbillingcurrency", "is missing; it must be a number")
    day = row.day("date")
    text = row.text("metername") or row.text("productname")
    about = About(
        day=day, last_day=day, dataset=Dataset.COST, provider="azure.ai.openai",
        line_number=row.number, scope=row.told("subscriptionid") or row.told("subscriptionguid"),
        geo=row.told("resourcelocation") or row.told("location"), description=text,
        invoice_id=row.text("invoiceid"),
        extra=told_extra(row, (*_EXTRA, "billingaccountid")) | (
            {METER_ID: row.text("meterid")} if row.told("meterid") else {}
        ),
    )  # fmt: skip
    kind = _kind(row)
    quantity = row.number_of("quantity") if kind is TokenClass.UNMAPPED else None
    found = _UNIT.fullmatch(row.text("unitofmeasure"))
    factor = int(found["count"] or 1) * _SIZES[(found["size"] or "").upper()] if found else 1
    is_tokens = found is not None and "token" in text.lower()
    return about.line(
        kind,
        quantity=None if quantity is None else quantity * factor,
        unit="tokens" if is_tokens else "units" if found else row.text("unitofmeasure"),
        amount=amount,
        currency=row.currency("billingcurrencycode" if row.told("billingcurrencycode") else
                              "billingcurrency" if row.told("billingcurrency") else "currency"),
    )  # fmt: skip


def _kind(row: Record) -> TokenClass:
    charge = row.text("chargetype").lower()
    # What the rounding line at the end of a month is called is not confirmed.
    is_rounding = "rounding" in charge or "rounding" in row.text("productname").lower()
    if is_rounding:
        return TokenClass.ROUNDING
    return _CHARGES.get(charge, TokenClass.UNMAPPED)
