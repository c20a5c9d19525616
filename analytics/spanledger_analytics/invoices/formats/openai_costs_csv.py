"""Costs exported from OpenAI's dashboard (CSV or TSV): an empty day is a row without amount."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import Form
from spanledger_analytics.invoices.formats.openai_costs import cost_line
from spanledger_analytics.invoices.line import InvoiceLine


class OpenAICostsCsv(Form):
    """One row a day, line item and project."""

    name = "openai-costs-csv"
    report = "openai.costs_csv"
    account_field = "organization_id"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those of the export."""
        return head.has("start_time", "end_time", "amount_value", "amount_currency", "line_item")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return a line of each row with an amount; the others say that a day is empty."""
        account = ""
        for row in records:
            days = row.days("start_time", "end_time")
            amount = row.money("amount_value")
            if amount is not None:
                line = cost_line(row, days, amount, row.currency("amount_currency"))
                account = line.extra.get(self.account_field, account)
                yield line
            elif row.told("line_item"):
                raise row.wrong("amount_value", "is missing beside a line item")
            else:
                records.cover(replace(self.plain_source(), account=account), days[0])
