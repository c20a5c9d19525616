"""Anthropic's usage and cost reports, classic and analytics (beta).

https://platform.claude.com/docs/en/api/usage-cost-api . That the analytics take ``starting_at``,
``ending_at``, ``limit`` and ``page`` like the classic reports is not confirmed by a real account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from spanledger_analytics.invoices.errors import PullError
from spanledger_analytics.invoices.pulling.client import Access, Client
from spanledger_analytics.invoices.pulling.puller import MOST_PAGES, page_of

_ORGANIZATION = "/v1/organizations/"
# Path, name of the parameter of the bucket's width, and what results are grouped by.
_ASKED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "anthropic.usage": (
        "usage_report/messages", "bucket_width",
        ("api_key_id", "workspace_id", "model", "service_tier", "context_window", "inference_geo"),
    ),
    "anthropic.costs": ("cost_report", "bucket_width", ("workspace_id", "description")),
    "anthropic.analytics_usage": (
        "analytics/usage", "time_bucket_width",
        ("model", "workspace_id", "api_key_id", "service_tier", "context_window"),
    ),
    "anthropic.analytics_costs": (
        "analytics/cost", "time_bucket_width",
        ("model", "workspace_id", "service_tier", "cost_type", "token_type"),
    ),
}  # fmt: skip
_FORMATS = {
    "anthropic.usage": "anthropic-usage",
    "anthropic.costs": "anthropic-costs",
    "anthropic.analytics_usage": "anthropic-analytics-usage",
    "anthropic.analytics_costs": "anthropic-analytics-costs",
}
_BUCKETS_PER_PAGE = 31


class Anthropic:
    """Needs an admin key of the organisation."""

    provider = "anthropic"
    base_url = "https://api.anthropic.com"
    needs_account = False
    longest_days = 31
    reaches_back_days: int | None = None
    tells_today = True

    def reports(self) -> Mapping[str, str]:
        """Return the name of the importer by report."""
        return _FORMATS

    def headers(self, access: Access) -> Mapping[str, str]:
        """Return the headers that carry the key."""
        return {
            "x-api-key": access.key,
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "analytics-usage-cost-2026-08-24",
        }

    def pages(self, client: Client, report: str, first: date, last: date) -> Iterator[str]:
        """Return the pages of a report, one bucket a day."""
        path, width, groups = _ASKED[report]
        params = [
            ("starting_at", f"{first}T00:00:00Z"),
            ("ending_at", f"{last + timedelta(days=1)}T00:00:00Z"),
            (width, "1d"),
            ("limit", str(_BUCKETS_PER_PAGE)),
            *(("group_by[]", name) for name in groups),
        ]
        cursor = ""
        for _ in range(MOST_PAGES):
            asked = [*params, ("page", cursor)] if cursor else params
            text = client.get(_ORGANIZATION + path, asked)
            yield text
            page = page_of(text)
            cursor = str(page.get("next_page") or "")
            if not cursor or page.get("has_more") is False:
                return
        raise PullError("Anthropic's pages do not end.", permanent=True)
