"""OpenAI's usage and costs: https://platform.openai.com/docs/api-reference/usage ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

from spanledger_analytics.invoices.errors import PullError
from spanledger_analytics.invoices.pulling.client import Access, Client
from spanledger_analytics.invoices.pulling.puller import MOST_PAGES, page_of

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "completions": ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier"),
    "embeddings": ("project_id", "user_id", "api_key_id", "model"),
    "moderations": ("project_id", "user_id", "api_key_id", "model"),
    "images": ("project_id", "user_id", "api_key_id", "model", "size", "source"),
    "audio_speeches": ("project_id", "user_id", "api_key_id", "model"),
    "audio_transcriptions": ("project_id", "user_id", "api_key_id", "model"),
    "vector_stores": ("project_id",),
    "code_interpreter_sessions": ("project_id",),
    "file_search_calls": ("project_id", "api_key_id"),
    "web_search_calls": ("project_id", "api_key_id", "model", "context_level"),
}
# By user as well it may be refused.
_COST_GROUPS = ("project_id", "line_item", "api_key_id")
_BUCKETS_PER_PAGE = 31


class OpenAI:
    """Needs an admin key, which may be restricted to reading usage."""

    provider = "openai"
    base_url = "https://api.openai.com"
    needs_account = False
    longest_days = 31
    reaches_back_days: int | None = None
    tells_today = True

    def reports(self) -> Mapping[str, str]:
        """Return the name of the importer by report."""
        usage = {f"openai.usage.{endpoint}": "openai-usage" for endpoint in _GROUPS}
        return {"openai.costs": "openai-costs", **usage}

    def headers(self, access: Access) -> Mapping[str, str]:
        """Return the headers that carry the key."""
        return {"Authorization": f"Bearer {access.key}"}

    def pages(self, client: Client, report: str, first: date, last: date) -> Iterator[str]:
        """Return the pages of a report, one bucket a day."""
        endpoint = report.rpartition(".")[2]
        is_cost = report == "openai.costs"
        path = "/v1/organization/" + ("costs" if is_cost else f"usage/{endpoint}")
        params = [
            ("start_time", str(_unix_s(first))),
            ("end_time", str(_unix_s(last + timedelta(days=1)))),
            ("bucket_width", "1d"),
            ("limit", str(_BUCKETS_PER_PAGE)),
            *(("group_by", name) for name in (_COST_GROUPS if is_cost else _GROUPS[endpoint])),
        ]
        cursor = ""
        for _ in range(MOST_PAGES):
            text = client.get(path, [*params, ("page", cursor)] if cursor else params)
            yield text
            page = page_of(text)
            if not page.get("has_more"):
                return
            cursor = str(page.get("next_page") or "")
            if not cursor:
                raise PullError("OpenAI says there is more and not where.", permanent=True)
        raise PullError("OpenAI's pages do not end.", permanent=True)


def _unix_s(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
