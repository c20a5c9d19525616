"""FOCUS 1.4 Invoice Detail: the lines of an invoice itself. Voided ones are left out."""

from __future__ import annotations

from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.focus import provider_named
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass

_CATEGORIES = {
    "Usage": TokenClass.MODEL,
    "Tax": TokenClass.TAX,
    "Credit": TokenClass.CREDIT,
    "Adjustment": TokenClass.ADJUSTMENT,
    "Purchase": TokenClass.CAPACITY,
}
_EXTRA = (
    "BillingAccountId", "InvoiceDetailId", "InvoiceIssueStatus", "InvoiceIssueDate",
    "InvoiceDetailGrain", "PaymentDueDate", "ReferenceInvoiceId",
)  # fmt: skip


class FocusInvoice(Form):
    """One row a line of an invoice."""

    name = "focus-invoice"
    report = "focus.invoice"
    account_field = "BillingAccountId"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those of Invoice Detail."""
        return head.has("InvoiceDetailId", "InvoiceIssueStatus", "BilledCost", "InvoiceId")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each row, for the whole billing period."""
        for row in records:
            if row.text("InvoiceIssueStatus") == "Voided":
                records.skip()
                continue
            amount = row.money("BilledCost")
            if amount is None:
                raise row.wrong("BilledCost", "is missing; it must be a number")
            first, last = row.days("BillingPeriodStart", "BillingPeriodEnd")
            about = About(
                day=first, last_day=last, dataset=Dataset.INVOICE,
                provider=provider_named(row.text("InvoiceIssuerName")), line_number=row.number,
                description=row.text("InvoiceDetailDescription"),
                invoice_id=row.text("InvoiceId"), extra=told_extra(row, _EXTRA),
            )  # fmt: skip
            yield about.line(
                _CATEGORIES.get(row.text("ChargeCategory"), TokenClass.UNMAPPED),
                amount=amount,
                currency=row.currency("BillingCurrency"),
            )
