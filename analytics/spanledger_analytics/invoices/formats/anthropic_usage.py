"""Anthropic's usage report: ``GET /v1/organizations/usage_report/messages``.

Input tokens are uncached ones alone. https://platform.claude.com/docs/en/api/usage-cost-api
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats import anthropic_names as names
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.values import Record

DIMENSIONS = ("workspace_id", "api_key_id")
_EXTRA = ("account_id", "service_account_id", "speed")


class AnthropicUsage(Form):
    """Pages of buckets of results; several pages may follow each other."""

    name = "anthropic-usage"
    report = "anthropic.usage"

    def matches(self, head: Head) -> bool:
        """Return whether a result counts uncached input tokens."""
        return head.kind == "json" and "uncached_input_tokens" in first_result(head.first)

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return several lines of each result; empty buckets cover their day."""
        number = 0
        for page in records:
            by = _grouped(page, records)
            for bucket in page.parts("data"):
                days = bucket.days("starting_at", "ending_at")
                records.cover(self.plain_source(), days[0])
                for result in bucket.parts("results"):
                    number += 1
                    one = result.numbered(number)
                    yield from token_lines(one, _about(one, days, by))


def token_lines(usage: Record, about: About) -> Iterator[InvoiceLine]:
    """Return the lines of an object with Anthropic's counts."""
    creation, tools = usage.part("cache_creation"), usage.part("server_tool_use")
    for token_class, quantity, unit in (
        (TokenClass.UNCACHED, usage.number_of("uncached_input_tokens"), "tokens"),
        (TokenClass.CACHE_READ, usage.number_of("cache_read_input_tokens"), "tokens"),
        (TokenClass.CACHE_WRITE_5M, creation.number_of("ephemeral_5m_input_tokens"), "tokens"),
        (TokenClass.CACHE_WRITE_1H, creation.number_of("ephemeral_1h_input_tokens"), "tokens"),
        (TokenClass.OUTPUT, usage.number_of("output_tokens"), "tokens"),
        (TokenClass.WEB_SEARCH, tools.number_of("web_search_requests"), "searches"),
        (TokenClass.REQUESTS, usage.number_of("requests"), "requests"),
    ):
        if quantity:
            yield about.quantity(token_class, quantity, unit)


def first_result(page: Mapping[str, object]) -> Mapping[str, object]:
    """Return the first result of the first bucket that has one; empty: there is none."""
    buckets = page.get("data")
    for bucket in buckets if isinstance(buckets, list) else ():
        results = bucket.get("results") if isinstance(bucket, dict) else None
        for result in results if isinstance(results, list) else ():
            return result if isinstance(result, dict) else {}
    return {}


def _grouped(page: Record, records: Records) -> frozenset[str]:
    if records.report:  # we asked for them
        return frozenset(DIMENSIONS)
    results = [one for bucket in page.parts("data") for one in bucket.parts("results")]
    return names.grouped(results, DIMENSIONS)


def _about(result: Record, days: tuple[date, date], by: frozenset[str]) -> About:
    processing, tier = names.tier(result.told("service_tier"), result.told("speed"))
    return About(
        day=days[0], last_day=days[1], dataset=Dataset.USAGE, provider=names.PROVIDER,
        line_number=result.number, scope=names.told(result, "workspace_id", by),
        api_key=names.told(result, "api_key_id", by), user=result.told("account_id"),
        model=result.told("model"), reported_model=result.text("model"), processing=processing,
        service_tier=tier, context=result.told("context_window"),
        geo=names.geo_of(result.told("inference_geo")), extra=told_extra(result, _EXTRA),
    )  # fmt: skip
