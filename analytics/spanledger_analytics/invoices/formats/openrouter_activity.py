"""OpenRouter's activity: ``GET /api/v1/activity``, by day, model and endpoint, in credits (USD).

What is paid to a provider with one's own key (BYOK) is not OpenRouter's bill; it is kept beside.
https://openrouter.ai/docs/api-reference/analytics/get-activity
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.reports import REPORTS, Source
from spanledger_analytics.invoices.values import Record

_EXTRA = ("model_permaslug", "endpoint_id", "provider_name", "byok_usage_inference")
_COUNTS = (
    ("prompt_tokens", TokenClass.INPUT, "tokens"),
    ("completion_tokens", TokenClass.OUTPUT, "tokens"),
    ("requests", TokenClass.REQUESTS, "requests"),
)


class OpenRouterActivity(Form):
    """Completed days; the newest is yesterday."""

    name = "openrouter-activity"
    report = "openrouter.activity"

    def matches(self, head: Head) -> bool:
        """Return whether the first item is an activity."""
        data = head.first.get("data")
        first = data[0] if isinstance(data, list) and data else None
        return head.kind == "json" and isinstance(first, dict) and {
            "date", "usage", "requests", "model_permaslug",
        } <= first.keys()  # fmt: skip

    def source(self, line: InvoiceLine) -> Source:
        """Return the source of the amounts, or that of the quantities."""
        name = self.report if line.dataset is Dataset.COST else f"{self.report}_usage"
        return Source(REPORTS[name], line.provider, line.dataset)

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return the amount of each item, and its quantities."""
        number = 0
        for page in records:
            for item in page.parts("data"):
                number += 1
                yield from _lines(item.numbered(number))


def _lines(item: Record) -> Iterator[InvoiceLine]:
    amount = item.money("usage")
    if amount is None:
        raise item.wrong("usage", "is missing; it must be a number")
    day = item.day("date")
    reported = item.text("model")
    about = About(
        day=day, last_day=day, dataset=Dataset.COST, provider="openrouter",
        line_number=item.number, scope=item.told("workspace_id"),
        api_key=item.told("api_key_hash"), model=reported or None, reported_model=reported,
        extra=told_extra(item, _EXTRA),
    )  # fmt: skip
    yield about.line(TokenClass.MODEL, amount=amount, currency="USD")
    usage = replace(about, dataset=Dataset.USAGE)
    for name, token_class, unit in _COUNTS:
        quantity = item.number_of(name)
        if quantity:
            yield usage.quantity(token_class, quantity, unit)
