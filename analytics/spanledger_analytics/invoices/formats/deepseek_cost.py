"""DeepSeek's monthly ``cost-YYYY-M.csv``: what each wallet paid, by day and model.

Known from public parsers alone. Stands back behind ``amount-YYYY-M.csv``, which tells the same by
class and key.
"""

from __future__ import annotations

from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass


class DeepSeekCost(Form):
    """One row a day, model and wallet."""

    name = "deepseek-cost"
    report = "deepseek.cost"
    account_field = "user_id"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those of the file."""
        return head.has("utc_date", "model", "wallet_type", "cost", "currency")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each row."""
        for row in records:
            amount = row.money("cost")
            if amount is None:
                raise row.wrong("cost", "is missing; it must be a number")
            day, model = row.day("utc_date"), row.told("model")
            about = About(
                day=day, last_day=day, dataset=Dataset.COST, provider="deepseek",
                line_number=row.number, model=model, reported_model=model or "",
                description=row.text("wallet_type"),
                extra=told_extra(row, ("user_id", "wallet_type")),
            )  # fmt: skip
            yield about.line(TokenClass.MODEL, amount=amount, currency=row.currency("currency"))
