"""OpenRouter's activity: https://openrouter.ai/docs/api-reference/analytics/get-activity ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from spanledger_analytics.invoices.pulling.client import Access, Client


class OpenRouter:
    """Needs a management key; tells the last 30 days that are over."""

    provider = "openrouter"
    base_url = "https://openrouter.ai"
    needs_account = False
    longest_days = 31
    reaches_back_days: int | None = 30
    tells_today = False

    def reports(self) -> Mapping[str, str]:
        """Return the name of the importer by report."""
        return {"openrouter.activity": "openrouter-activity"}

    def headers(self, access: Access) -> Mapping[str, str]:
        """Return the headers that carry the key."""
        return {"Authorization": f"Bearer {access.key}"}

    def pages(self, client: Client, report: str, first: date, last: date) -> Iterator[str]:
        """Return one page a day."""
        del report
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            yield client.get("/api/v1/activity", [("date", f"{day}")])
