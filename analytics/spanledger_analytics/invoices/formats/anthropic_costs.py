"""Anthropic's cost report: ``GET /v1/organizations/cost_report``, in cents as decimal text.

What Priority Tier costs is not in it. https://platform.claude.com/docs/en/api/usage-cost-api
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats import anthropic_names as names
from spanledger_analytics.invoices.formats.anthropic_usage import first_result
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine
from spanledger_analytics.invoices.values import Record

CENTS_PLACES = 2
"""Amounts are in cents: 123.45 is $1.2345."""


class AnthropicCosts(Form):
    """Pages of daily buckets of results; several pages may follow each other."""

    name = "anthropic-costs"
    report = "anthropic.costs"

    def matches(self, head: Head) -> bool:
        """Return whether a result has an amount and what it is for."""
        result = first_result(head.first)
        return head.kind == "json" and "amount" in result and "cost_type" in result

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each result; empty buckets cover their day."""
        number = 0
        for page in records:
            results = [one for bucket in page.parts("data") for one in bucket.parts("results")]
            is_asked = bool(records.report)  # then by workspace
            by = frozenset({"workspace_id"}) if is_asked else names.grouped(
                results, ("workspace_id",)
            )  # fmt: skip
            for bucket in page.parts("data"):
                days = bucket.days("starting_at", "ending_at")
                records.cover(self.plain_source(), days[0])
                for result in bucket.parts("results"):
                    number += 1
                    yield _line(result.numbered(number), days, by)


def _line(result: Record, days: tuple[date, date], by: frozenset[str]) -> InvoiceLine:
    amount = result.money("amount")
    if amount is None:
        raise result.wrong("amount", "is missing; it must be a number of cents")
    processing, tier = names.tier(result.told("service_tier"), result.told("speed"))
    about = About(
        day=days[0], last_day=days[1], dataset=Dataset.COST, provider=names.PROVIDER,
        line_number=result.number, scope=names.told(result, "workspace_id", by),
        model=result.told("model"), reported_model=result.text("model"), processing=processing,
        service_tier=tier, context=result.told("context_window"),
        geo=names.geo_of(result.told("inference_geo")), description=result.text("description"),
        extra=told_extra(result, ("cost_type", "token_type")),
    )  # fmt: skip
    return about.line(
        names.token_class(result.told("cost_type"), result.told("token_type")),
        amount=amount.scaleb(-CENTS_PLACES),
        currency=result.currency("currency", "USD"),
    )
