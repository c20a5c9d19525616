"""Fireworks' billing metrics (``firectl billing export-metrics``, CSV): quantities, no dollars.

https://docs.fireworks.ai/tools-sdks/firectl/commands/billing-export-metrics
"""

from __future__ import annotations

from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass

_COUNTS = (
    ("prompt_tokens", TokenClass.INPUT, "tokens"),
    ("completion_tokens", TokenClass.OUTPUT, "tokens"),
    ("accelerator_seconds", TokenClass.GPU, "seconds"),
)


class FireworksMetrics(Form):
    """One row a period, user and model."""

    name = "fireworks-metrics"
    report = "fireworks.metrics"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those of the export."""
        return head.has("usage_type", "accelerator_seconds", "base_model_name", "prompt_tokens")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return up to three lines of each row."""
        for row in records:
            first, last = row.days("start_time", "end_time")
            reported = row.text("base_model_name")
            about = About(
                day=first, last_day=last, dataset=Dataset.USAGE, provider="fireworks",
                line_number=row.number, user=row.told("email"),
                model=reported.rpartition("/")[2] or None, reported_model=reported,
                description=row.text("usage_type"),
                extra=told_extra(row, ("accelerator_type", "model_bucket", "parameter_count")),
            )  # fmt: skip
            records.cover(self.plain_source(), first)
            for name, token_class, unit in _COUNTS:
                quantity = row.number_of(name)
                if quantity:
                    yield about.quantity(token_class, quantity, unit)
