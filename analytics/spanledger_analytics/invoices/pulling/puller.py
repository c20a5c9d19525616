"""What every puller is: one provider, its reports, and how their pages are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Protocol

from spanledger_analytics.invoices.pulling.client import Access, Client


class Puller(Protocol):
    """Asks one provider for its reports."""

    provider: str
    """As ``spanledger invoices pull`` names it."""
    base_url: str
    needs_account: bool
    longest_days: int
    """Of one window of days: one import."""
    reaches_back_days: int | None
    """How far back the provider tells; None: as far as asked."""
    tells_today: bool
    """Whether the day that is not over is told as well."""

    def reports(self) -> Mapping[str, str]:
        """Return the name of the importer by report."""
        ...

    def headers(self, access: Access) -> Mapping[str, str]:
        """Return the headers that carry the key."""
        ...

    def pages(self, client: Client, report: str, first: date, last: date) -> Iterator[str]:
        """Return the pages of a report for some days as JSON texts.

        Raises:
            PullError: the provider refuses, or does not answer.
        """
        ...


MOST_PAGES = 10_000
"""Of one window: a provider that never ends its pages is not followed for ever."""


def page_of(text: str) -> dict[str, Any]:
    """Return a page as an object, to find the next one; amounts in it are not looked at."""
    page = json.loads(text)
    return page if isinstance(page, dict) else {}
