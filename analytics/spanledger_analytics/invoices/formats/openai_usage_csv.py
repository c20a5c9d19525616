"""Usage of completions exported from OpenAI's dashboard (CSV or TSV).

The completions endpoint's fields, numbers written as ``59200.0``. The same group may stand in
several rows, which add up.
"""

from __future__ import annotations

from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import Form
from spanledger_analytics.invoices.formats.openai_usage import about_result, usage_lines
from spanledger_analytics.invoices.line import InvoiceLine


class OpenAIUsageCsv(Form):
    """One row a day and group."""

    name = "openai-usage-csv"
    report = "openai.usage_csv"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those of the export."""
        return head.has("start_time", "num_model_requests", "input_tokens", "output_tokens")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return several lines of each row; one without tokens says that its day is empty."""
        for row in records:
            days = row.days("start_time", "end_time")
            records.cover(self.plain_source(), days[0])
            if row.number_of("input_tokens") is not None:
                about = about_result(row, "completions", days)
                yield from usage_lines(row, about, "completions")
