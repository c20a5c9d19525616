"""Servers that answer like the providers' APIs of usage and costs, and hold callers to their rules.

They know only what the documentation says: which header carries the key, which parameters there are
and how many days a page may have, how pages follow each other, and what refusals look like.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, str], Any]
KEY = "sk-admin-secret-0123456789"
DAY_S = 86_400


@dataclass
class Provider:
    """One provider; ``handle`` answers, ``refusals`` are given first, one a request."""

    handle: Callable[[Provider, str, str, Mapping[str, list[str]], Mapping[str, str], Any], Answer]
    refusals: list[Answer] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    page_days: int = 10
    charges: dict[date, str] = field(default_factory=dict)
    """By day, the amount charged: dollars."""


@contextmanager
def serve(provider: Provider) -> Generator[str]:
    """Serve a provider on loopback; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            self._answer(json.loads(self.rfile.read(length)))

        def _answer(self, body: Any) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            provider.asked.append(self.path)
            if provider.refusals:
                status, more, said = provider.refusals.pop(0)
            else:
                query = parse_qs(parts.query, strict_parsing=bool(parts.query))
                status, more, said = provider.handle(
                    provider, self.command, parts.path, query, headers, body
                )
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def openai() -> Provider:
    """OpenAI: bearer key, unix seconds, at most 31 daily buckets of usage and 180 of costs."""

    def handle(
        self: Provider, method: str, path: str, query: Mapping[str, list[str]],
        headers: Mapping[str, str], body: Any,
    ) -> Answer:  # fmt: skip
        del body
        if headers.get("authorization") != f"Bearer {KEY}":
            return 401, {}, {"error": {"message": f"Incorrect API key provided: {KEY}"}}
        kind = path.removeprefix("/v1/organization/")
        known = kind == "costs" or kind.startswith("usage/")
        most = 180 if kind == "costs" else 31
        limit = int(query.get("limit", ["7"])[0])
        if method != "GET" or not known or query.get("bucket_width") != ["1d"] or limit > most:
            return 400, {}, {"error": {"message": "Invalid request"}}
        if kind == "costs" and {"user_id", "project_id"} <= set(query.get("group_by", [])):
            return 400, {}, {"error": {"message": "Too many groups"}}
        end = int(query["end_time"][0])
        first = int(query.get("page", query["start_time"])[0].removeprefix("page_"))
        size = min(limit, self.page_days) * DAY_S
        starts = range(first, min(end, first + size), DAY_S)
        more = first + size < end
        return 200, {}, {
            "object": "page", "has_more": more,
            "next_page": f"page_{first + size}" if more else None,
            "data": [{"object": "bucket", "start_time": at, "end_time": at + DAY_S,
                      "results": _openai_results(self, kind, _day(at))} for at in starts],
        }  # fmt: skip

    return Provider(handle)


def anthropic() -> Provider:
    """Anthropic: a key and a version in headers, RFC 3339 times, at most 31 daily buckets."""

    def handle(
        self: Provider, method: str, path: str, query: Mapping[str, list[str]],
        headers: Mapping[str, str], body: Any,
    ) -> Answer:  # fmt: skip
        del body
        if headers.get("x-api-key") != KEY or headers.get("anthropic-version") != "2023-06-01":
            return 401, {}, {"type": "error", "error": {"message": "invalid x-api-key"}}
        kind = path.removeprefix("/v1/organizations/")
        width = "time_bucket_width" if kind.startswith("analytics/") else "bucket_width"
        if kind.startswith("analytics/") and "analytics-usage-cost" not in headers.get(
            "anthropic-beta", ""
        ):
            return 404, {}, {"type": "error", "error": {"message": "Not found"}}
        is_wrong = query.get(width) != ["1d"] or int(query["limit"][0]) > 31
        if method != "GET" or is_wrong or len(query["group_by[]"]) > 6:
            return 400, {}, {"type": "error", "error": {"message": "bad request"}}
        start = query.get("page", query["starting_at"])[0]
        first = date.fromisoformat(start[:10])
        end = date.fromisoformat(query["ending_at"][0][:10])
        after = min(end, first + timedelta(days=self.page_days))
        days = [first + timedelta(days=n) for n in range((after - first).days)]
        more = after < end
        data = [one for day in days for one in _anthropic_day(self, kind, day)]
        return 200, {}, {"data": data, "has_more": more, "next_page": f"{after}" if more else None}

    return Provider(handle)


def openrouter(today: date) -> Provider:
    """OpenRouter: bearer key, one completed day of the last 30 at a time."""

    def handle(
        self: Provider, method: str, path: str, query: Mapping[str, list[str]],
        headers: Mapping[str, str], body: Any,
    ) -> Answer:  # fmt: skip
        del body
        if headers.get("authorization") != f"Bearer {KEY}":
            return 403, {}, {"error": {"message": "Only management keys can see activity"}}
        day = date.fromisoformat(query["date"][0])
        if method != "GET" or path != "/api/v1/activity" or not 1 <= (today - day).days <= 30:
            return 400, {}, {"error": {"message": "Date must be within the last 30 days"}}
        amount = self.charges.get(day)
        item = {"date": f"{day}", "model": "a/b", "model_permaslug": "a/b-1", "endpoint_id": "e",
                "provider_name": "A", "usage": float(amount or 0), "byok_usage_inference": 0,
                "requests": 1, "prompt_tokens": 10, "completion_tokens": 5,
                "reasoning_tokens": 0}  # fmt: skip
        return 200, {}, {"data": [item] if amount else []}

    return Provider(handle)


def fireworks() -> Provider:
    """Fireworks: bearer key, the account in the address, at most two dimensions."""

    def handle(
        self: Provider, method: str, path: str, query: Mapping[str, list[str]],
        headers: Mapping[str, str], body: Any,
    ) -> Answer:  # fmt: skip
        del query
        if headers.get("authorization") != f"Bearer {KEY}":
            return 401, {}, {"error": "unauthorized"}
        if method != "POST" or path != "/v1/accounts/acme/usageCosts:query":
            return 404, {}, {"error": "not found"}
        if body["scope"] != "ACCOUNT" or len(body["groupBy"]) > 2:
            return 400, {}, {"error": "bad request"}
        first, last = (date.fromisoformat(body[n][:10]) for n in ("startTime", "endTime"))
        days = sorted(day for day in self.charges if first <= day < last)
        at = int(body.get("pageToken", "0"))
        rows = [{"dimensions": {"startTime": f"{day}T00:00:00Z", "model": "accounts/x/models/m"},
                 "subtotal": {"currencyCode": "USD", "units": self.charges[day]}}
                for day in days[at : at + 1]]  # fmt: skip
        token = str(at + 1) if at + 1 < len(days) else ""
        return 200, {}, {"rows": rows, "nextPageToken": token}

    return Provider(handle)


def mistral() -> Provider:
    """Mistral: key in a header, a whole month an answer, dollars only by its price table."""

    def handle(
        self: Provider, method: str, path: str, query: Mapping[str, list[str]],
        headers: Mapping[str, str], body: Any,
    ) -> Answer:  # fmt: skip
        del body
        if headers.get("x-api-key") != KEY:
            return 401, {}, {"detail": "unauthorized"}
        if method != "GET" or path != "/usage":
            return 404, {}, {"detail": "not found"}
        first = date(int(query["year"][0]), int(query["month"][0]), 1)
        rows = [
            {"billing_metric": "mistral-large-2512", "billing_group": "input", "value": 1_000_000,
             "event_type": "api_tokens", "value_paid": 1_000_000, "timestamp": str(day)}
            for day in self.charges
            if (day.year, day.month) == (first.year, first.month)
        ]  # fmt: skip
        price = {"billing_metric": "mistral-large-2512", "billing_group": "input",
                 "event_type": "api_tokens", "price": "5E-7"}  # fmt: skip
        model = {"input": rows, "output": [], "cached": []}
        return 200, {}, {
            "start_date": f"{first}T00:00:00Z", "end_date": f"{first:%Y-%m}-28T23:59:59.999Z",
            "currency": "USD", "completion": {"models": {"Large::mistral-large-2512": model}},
            "prices": [price],
        }  # fmt: skip

    return Provider(handle)


def _openai_results(provider: Provider, kind: str, day: date) -> list[dict[str, Any]]:
    amount = provider.charges.get(day)
    if amount is None or kind not in ("costs", "usage/completions"):
        return []
    if kind == "costs":
        return [{"object": "organization.costs.result", "line_item": "gpt-9, output",
                 "amount": {"value": float(amount), "currency": "usd"}, "project_id": "proj_a",
                 "quantity": 5, "quantity_unit": "tokens"}]  # fmt: skip
    return [{"object": "organization.usage.completions.result", "input_tokens": 10,
             "output_tokens": 5, "input_cached_tokens": 0, "num_model_requests": 1,
             "project_id": "proj_a", "model": "gpt-9", "batch": False,
             "service_tier": "default"}]  # fmt: skip


def _anthropic_day(provider: Provider, kind: str, day: date) -> list[dict[str, Any]]:
    amount = provider.charges.get(day)
    times = {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{day + timedelta(days=1)}T00:00:00Z"}
    usage = {"uncached_input_tokens": 10, "output_tokens": 5}
    cents = "" if amount is None else f"{float(amount) * 100:.2f}"
    if kind.startswith("analytics/"):
        told = {"usage": usage} if kind == "analytics/usage" else {
            "cost": {"amount": cents, "list_amount": cents, "currency": "USD"}}  # fmt: skip
        return [] if amount is None else [{**times, "group": {"model": "m"}, **told}]
    result = {**usage, "model": "m"} if kind == "usage_report/messages" else {
        "amount": cents, "currency": "USD", "cost_type": "tokens", "token_type": "output_tokens",
        "model": "m", "description": "m"}  # fmt: skip
    return [{**times, "results": [] if amount is None else [result]}]


def _day(unix_s: int) -> date:
    return datetime.fromtimestamp(unix_s, UTC).date()
