"""Costs exported from Anthropic's Console (CSV): dollars, rounded to cents, with names to show.

How the CSV spells cache writes and batches is not confirmed by Anthropic; what is not known waits
for a mapping.
"""

from __future__ import annotations

from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats import anthropic_names as names
from spanledger_analytics.invoices.formats.form import About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine
from spanledger_analytics.invoices.values import Record

_DEFAULT_WORKSPACE = "default"
_TIERS = {"message": "", "batch": ""}


class AnthropicCostsCsv(Form):
    """One row a day, model, workspace, key and token type."""

    name = "anthropic-costs-csv"
    report = "anthropic.costs_csv"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those of the export."""
        return head.has("usage_date_utc", "token_type", "cost_usd", "workspace")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each row."""
        for row in records:
            amount = row.money("cost_usd")
            if amount is None:
                raise row.wrong("cost_usd", "is missing; it must be a number")
            cost_type, token_type = row.told("cost_type"), row.told("token_type")
            text = " ".join(part for part in (cost_type, token_type) if part)
            yield (
                about_row(row, Dataset.COST)
                .but(description=text)
                .line(
                    names.token_class(cost_type, token_type),
                    amount=amount,
                    currency="USD",
                    list_amount=row.money("list_price_usd"),
                )
            )


def about_row(row: Record, dataset: Dataset) -> About:
    """Return what the lines of a row of the Console's exports have in common."""
    day = row.day("usage_date_utc")
    shown = row.told("model") or row.told("model_version")
    usage_type = row.text("usage_type").lower()
    workspace = row.text("workspace")
    return About(
        day=day, last_day=day, dataset=dataset, provider=names.PROVIDER, line_number=row.number,
        scope="" if workspace.lower() == _DEFAULT_WORKSPACE else workspace,
        api_key=row.told("api_key_id") or row.text("api_key"), model=names.model_of(shown),
        reported_model=shown or "", processing="batch" if "batch" in usage_type else "sync",
        service_tier="fast" if row.text("speed") == "fast" else _TIERS.get(usage_type),
        context=names.context_of(row.told("context_window")),
        geo=names.geo_of(row.told("inference_geo")),
        extra=told_extra(row, ("usage_type", "api_key_status")),
    )  # fmt: skip
