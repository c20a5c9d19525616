"""Mistral's billing usage: ``GET /usage`` of the Admin API, by month and category.

The documentation names the categories, the period and the currency; what stands within a category
is not documented. A category is read where it is a number, or has one under ``total``, ``cost`` or
``amount``; anything else is refused, so that nothing is left out without a word.
https://docs.mistral.ai/admin/admin-api/usage-metrics
"""

from __future__ import annotations

from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import About, Form
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.values import Record

_CATEGORIES = (
    "chat", "completion", "ocr", "audio", "connectors", "libraries_api", "fine_tuning",
    "vibe_usage",
)  # fmt: skip
_TOTALS = ("total", "cost", "amount")


class MistralUsage(Form):
    """One document a month."""

    name = "mistral-usage"
    report = "mistral.usage"

    def matches(self, head: Head) -> bool:
        """Return whether the document has Mistral's period and categories."""
        return head.kind == "json" and head.has("start_date", "end_date", "currency") and any(
            name in head.columns for name in _CATEGORIES
        )  # fmt: skip

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each category of a month, which counts on its first day."""
        for month in records:
            first, last = month.day("start_date"), month.day("end_date")
            currency = month.currency("currency")
            records.cover(self.plain_source(), first)
            for place, name in enumerate(_CATEGORIES):
                if month.values.get(name) in (None, {}, []):
                    continue
                holder, field = _amount(month, name)
                about = About(
                    day=first, last_day=max(first, last), dataset=Dataset.COST,
                    provider="mistral_ai", line_number=month.number * len(_CATEGORIES) + place,
                    description=name,
                )  # fmt: skip
                yield about.line(TokenClass.UNMAPPED, amount=holder.money(field), currency=currency)


def _amount(month: Record, name: str) -> tuple[Record, str]:
    value = month.values[name]
    if not isinstance(value, dict):
        return month, name
    inner = month.part(name)
    for total in _TOTALS:
        if inner.values.get(total) is not None and not isinstance(inner.values[total], dict | list):
            return inner, total
    raise month.wrong(
        name,
        "has a shape that Mistral does not document: no total, cost or amount; write it as CSV and "
        "import it with --mapping",
    )
