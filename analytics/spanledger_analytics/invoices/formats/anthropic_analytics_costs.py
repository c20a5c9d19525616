"""Anthropic's cost analytics (beta): ``GET /v1/organizations/analytics/cost``.

The only report with the price before discounts; in cents as decimal text.
"""

from __future__ import annotations

from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats import anthropic_names as names
from spanledger_analytics.invoices.formats.anthropic_analytics import about_item, has_items
from spanledger_analytics.invoices.formats.anthropic_costs import CENTS_PLACES
from spanledger_analytics.invoices.formats.form import Form
from spanledger_analytics.invoices.line import Dataset, InvoiceLine


class AnthropicAnalyticsCosts(Form):
    """Pages of items; several pages may follow each other."""

    name = "anthropic-analytics-costs"
    report = "anthropic.analytics_costs"

    def matches(self, head: Head) -> bool:
        """Return whether items have a group and a cost."""
        return has_items(head, "cost")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each item, after discounts and before credits."""
        number = 0
        for page in records:
            for item in page.parts("data"):
                number += 1
                one = item.numbered(number)
                cost, about = one.part("cost"), about_item(one, number, Dataset.COST)
                amount = cost.money("amount")
                if amount is None:
                    raise cost.wrong("amount", "is missing; it must be a number of cents")
                before = cost.money("list_amount")
                group = one.part("group")
                yield about.line(
                    names.token_class(group.told("cost_type"), group.told("token_type")),
                    amount=amount.scaleb(-CENTS_PLACES),
                    currency=cost.currency("currency", "USD"),
                    list_amount=None if before is None else before.scaleb(-CENTS_PLACES),
                )
