"""Usage exported from Anthropic's Console (CSV)."""

from __future__ import annotations

from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.anthropic_costs_csv import about_row
from spanledger_analytics.invoices.formats.form import Form
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass

_COUNTS = (
    ("usage_input_tokens_no_cache", TokenClass.UNCACHED, "tokens"),
    ("usage_input_tokens_cache_read", TokenClass.CACHE_READ, "tokens"),
    ("usage_input_tokens_cache_write_5m", TokenClass.CACHE_WRITE_5M, "tokens"),
    ("usage_input_tokens_cache_write_1h", TokenClass.CACHE_WRITE_1H, "tokens"),
    ("usage_output_tokens", TokenClass.OUTPUT, "tokens"),
    ("web_search_count", TokenClass.WEB_SEARCH, "searches"),
)


class AnthropicUsageCsv(Form):
    """One row a day, model, workspace and key."""

    name = "anthropic-usage-csv"
    report = "anthropic.usage_csv"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those of the export."""
        return head.has("usage_date_utc", "usage_input_tokens_no_cache", "usage_output_tokens")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return several lines of each row."""
        for row in records:
            about = about_row(row, Dataset.USAGE)
            for name, token_class, unit in _COUNTS:
                quantity = row.number_of(name)
                if quantity:
                    yield about.quantity(token_class, quantity, unit)
