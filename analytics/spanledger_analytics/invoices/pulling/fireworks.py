"""Fireworks' rated costs: https://docs.fireworks.ai/api-reference/query-usage-costs ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from urllib.parse import quote

from spanledger_analytics.invoices.errors import PullError
from spanledger_analytics.invoices.pulling.client import Access, Client
from spanledger_analytics.invoices.pulling.puller import MOST_PAGES, page_of

_ROWS_PER_PAGE = 1_000


class Fireworks:
    """Needs a key of an account administrator, and the account's id."""

    provider = "fireworks"
    base_url = "https://api.fireworks.ai"
    needs_account = True
    longest_days = 31
    reaches_back_days: int | None = None
    tells_today = True

    def reports(self) -> Mapping[str, str]:
        """Return the name of the importer by report."""
        return {"fireworks.costs": "fireworks-costs"}

    def headers(self, access: Access) -> Mapping[str, str]:
        """Return the headers that carry the key."""
        return {"Authorization": f"Bearer {access.key}"}

    def pages(self, client: Client, report: str, first: date, last: date) -> Iterator[str]:
        """Return the pages of costs by day and model; two dimensions are the most there are."""
        del report
        path = f"/v1/accounts/{quote(client.access.account, safe='')}/usageCosts:query"
        body: dict[str, object] = {
            "startTime": f"{first}T00:00:00Z",
            "endTime": f"{last + timedelta(days=1)}T00:00:00Z",
            "scope": "ACCOUNT",
            "groupBy": ["DAY", "MODEL"],
            "pageSize": _ROWS_PER_PAGE,
        }
        for _ in range(MOST_PAGES):
            text = client.post(path, body)
            yield text
            cursor = str(page_of(text).get("nextPageToken") or "")
            if not cursor:
                return
            body["pageToken"] = cursor
        raise PullError("Fireworks' pages do not end.", permanent=True)
