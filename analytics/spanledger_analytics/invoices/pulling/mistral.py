"""Mistral's billing usage by month: https://docs.mistral.ai/admin/admin-api/usage-metrics .

Two versions of that page name two addresses (console.mistral.ai/api/admin before); the address can
be set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from spanledger_analytics.invoices.pulling.client import Access, Client

_WEEK = timedelta(days=7)


class Mistral:
    """Needs a key of the Admin API, which is for Enterprise plans alone."""

    provider = "mistral"
    base_url = "https://api.mistral.ai/v1/admin"
    needs_account = False
    longest_days = 31
    reaches_back_days: int | None = None
    tells_today = True

    def reports(self) -> Mapping[str, str]:
        """Return the name of the importer by report."""
        return {"mistral.usage": "mistral-usage"}

    def headers(self, access: Access) -> Mapping[str, str]:
        """Return the headers that carry the key."""
        return {"x-api-key": access.key}

    def pages(self, client: Client, report: str, first: date, last: date) -> Iterator[str]:
        """Return one page for each month that the days lie in."""
        del report
        month = first.replace(day=1)
        while month <= last:
            asked = [("month", str(month.month)), ("year", str(month.year))]
            yield client.get("/usage", asked)
            month = (month.replace(day=28) + _WEEK).replace(day=1)
