"""OpenRouter's generations: ``GET /api/v1/generation?id=``, one call each, in credits (USD).

A day of them is only as complete as whoever collected it, so activity is preferred where it is
there. https://openrouter.ai/docs/api-reference/generations/get-generation
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import ZERO, About, Form, tier_of, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.reports import REPORTS, Source
from spanledger_analytics.invoices.values import Record

_EXTRA = (
    "id", "upstream_id", "upstream_inference_cost", "is_byok", "cancelled", "provider_name",
    "cache_discount", "finish_reason",
)  # fmt: skip


class OpenRouterGeneration(Form):
    """One document a call; several may follow each other, one a line."""

    name = "openrouter-generation"
    report = "openrouter.generation"

    def matches(self, head: Head) -> bool:
        """Return whether the document is a generation."""
        data = head.first.get("data")
        return head.kind == "json" and isinstance(data, dict) and {
            "total_cost", "native_tokens_prompt",
        } <= data.keys()  # fmt: skip

    def source(self, line: InvoiceLine) -> Source:
        """Return the source of the amounts, or that of the quantities."""
        name = self.report if line.dataset is Dataset.COST else f"{self.report}_usage"
        return Source(REPORTS[name], line.provider, line.dataset)

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return the amount of each call, and its native tokens."""
        for number, document in enumerate(records, 1):
            yield from _lines(document.part("data").numbered(number))


def _lines(call: Record) -> Iterator[InvoiceLine]:
    amount = call.money("total_cost")
    if amount is None:
        raise call.wrong("total_cost", "is missing; it must be a number")
    day, reported = call.day("created_at"), call.text("model")
    processing, tier = tier_of(call.told("service_tier"))
    about = About(
        day=day, last_day=day, dataset=Dataset.COST, provider="openrouter",
        line_number=call.number, user=call.told("external_user"), model=reported or None,
        reported_model=reported, processing=processing, service_tier=tier,
        extra=told_extra(call, _EXTRA),
    )  # fmt: skip
    yield about.line(TokenClass.MODEL, amount=amount, currency="USD")
    usage = replace(about, dataset=Dataset.USAGE)
    read = call.number_of("native_tokens_cached") or ZERO
    prompt = call.number_of("native_tokens_prompt") or ZERO
    if read > prompt:
        raise call.wrong("native_tokens_cached", "is more than native_tokens_prompt")
    for token_class, quantity, unit in (
        (TokenClass.UNCACHED, prompt - read, "tokens"),
        (TokenClass.CACHE_READ, read, "tokens"),
        (TokenClass.OUTPUT, call.number_of("native_tokens_completion") or ZERO, "tokens"),
        (TokenClass.REQUESTS, ZERO + 1, "requests"),
    ):
        if quantity:
            yield usage.quantity(token_class, quantity, unit)
