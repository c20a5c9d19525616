"""Anthropic's usage analytics (beta): ``GET /v1/organizations/analytics/usage``."""

from __future__ import annotations

from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.anthropic_analytics import about_item, has_items
from spanledger_analytics.invoices.formats.anthropic_usage import token_lines
from spanledger_analytics.invoices.formats.form import Form
from spanledger_analytics.invoices.line import Dataset, InvoiceLine


class AnthropicAnalyticsUsage(Form):
    """Pages of items; several pages may follow each other."""

    name = "anthropic-analytics-usage"
    report = "anthropic.analytics_usage"

    def matches(self, head: Head) -> bool:
        """Return whether items have a group and usage."""
        return has_items(head, "usage")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return several lines of each item."""
        number = 0
        for page in records:
            for item in page.parts("data"):
                number += 1
                one = item.numbered(number)
                yield from token_lines(one.part("usage"), about_item(one, number, Dataset.USAGE))
