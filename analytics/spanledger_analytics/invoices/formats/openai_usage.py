"""OpenAI's usage API: completions, embeddings, moderations, images, audio, stores, tools.

``GET /v1/organization/usage/{endpoint}``. Input tokens include cached, cache-write, audio and image
tokens; lines have the three disjoint classes, over all modalities.
https://platform.openai.com/docs/api-reference/usage
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import ZERO, About, Form, tier_of, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.reports import REPORTS, Source
from spanledger_analytics.invoices.values import Record

_PREFIX, _SUFFIX = "organization.usage.", ".result"
_ENDPOINT = "endpoint"
_SPELLINGS = {"web_searches": "web_search_calls", "file_searches": "file_search_calls"}
# Endpoints that tell one number: its field, the class and the unit.
_SINGLE = {
    "images": ("images", TokenClass.IMAGES, "images"),
    "audio_speeches": ("characters", TokenClass.AUDIO, "characters"),
    "audio_transcriptions": ("seconds", TokenClass.AUDIO, "seconds"),
    "vector_stores": ("usage_bytes", TokenClass.STORAGE, "bytes"),
    "code_interpreter_sessions": ("num_sessions", TokenClass.TOOL, "sessions"),
    "file_search_calls": ("num_requests", TokenClass.TOOL, "searches"),
    "web_search_calls": ("num_requests", TokenClass.WEB_SEARCH, "searches"),
    "decisions": ("num_requests", TokenClass.REQUESTS, "requests"),
}
_TOKENS = ("completions", "embeddings", "moderations")
_EXTRA = (
    "api_source", "size", "source", "context_level", "vector_store_id", "input_audio_tokens",
    "output_audio_tokens", "input_image_tokens", "output_image_tokens",
    "input_cache_write_30m_tokens", "input_cache_write_12h_tokens", "num_model_requests",
)  # fmt: skip


class OpenAIUsage(Form):
    """Pages of buckets of results; several pages may follow each other."""

    name = "openai-usage"
    report = "openai.usage.completions"

    def matches(self, head: Head) -> bool:
        """Return whether a result says that it is of usage."""
        return head.kind == "json" and bool(_first_endpoint(head.first))

    def source(self, line: InvoiceLine) -> Source:
        """Return the report of the endpoint."""
        return _source(line.extra[_ENDPOINT])

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return several lines of each result; empty buckets cover their day."""
        endpoint = records.report.rpartition(".")[2] or _first_endpoint(records.head.first)
        number = 0
        for page in records:
            for bucket in page.parts("data"):
                first, last = bucket.days("start_time", "end_time")
                if endpoint:
                    records.cover(_source(endpoint), first)
                for result in bucket.parts("results"):
                    number += 1
                    found = _endpoint(result.text("object")) or endpoint
                    if not found:
                        raise result.wrong("object", "is no result of the usage API")
                    one = result.numbered(number)
                    yield from usage_lines(one, about_result(one, found, (first, last)), found)


def about_result(result: Record, endpoint: str, days: tuple[date, date]) -> About:
    """Return what the lines of a result have in common."""
    model = result.told("model")
    processing, tier = tier_of(result.told("service_tier"))
    batch = result.text("batch").lower()
    if batch:
        processing = "batch" if batch == "true" else "sync"
    return About(
        day=days[0], last_day=days[1], dataset=Dataset.USAGE, provider="openai",
        line_number=result.number,
        scope=result.told("project_id"), api_key=result.told("api_key_id"),
        user=result.told("user_id"), model=model, reported_model=model or "",
        processing=processing,
        service_tier=tier, extra=told_extra(result, _EXTRA) | {_ENDPOINT: endpoint},
    )  # fmt: skip


def usage_lines(result: Record, about: About, endpoint: str) -> Iterator[InvoiceLine]:
    """Return the lines of one result of an endpoint."""
    if endpoint in _SINGLE:
        name, token_class, unit = _SINGLE[endpoint]
        yield about.quantity(token_class, result.quantity(name), unit)
    elif endpoint in _TOKENS:
        yield from _token_lines(result, about)
    else:
        raise result.wrong("object", "is of an endpoint that is not known")
    requests = result.number_of("num_model_requests")
    # Requests that searched are among those of completions already.
    if requests and endpoint not in _SINGLE:
        yield about.quantity(TokenClass.REQUESTS, requests, "requests")


def _token_lines(result: Record, about: About) -> Iterator[InvoiceLine]:
    cached = result.number_of("input_cached_tokens") or ZERO
    written = result.number_of("input_cache_write_tokens") or ZERO
    uncached = result.number_of("input_uncached_tokens")
    if uncached is None:
        uncached = result.quantity("input_tokens") - cached - written
        if uncached < 0:
            raise result.wrong("input_tokens", "is less than its cached and cache-write tokens")
    for token_class, quantity in (
        (TokenClass.UNCACHED, uncached),
        (TokenClass.CACHE_READ, cached),
        (TokenClass.CACHE_WRITE, written),
        (TokenClass.OUTPUT, result.number_of("output_tokens") or ZERO),
    ):
        if quantity:
            yield about.quantity(token_class, quantity, "tokens")


def _first_endpoint(page: object) -> str:
    """Return the endpoint the first result of a page names; "" where there is none."""
    buckets = page.get("data") if isinstance(page, dict) else None
    for bucket in buckets if isinstance(buckets, list) else ():
        results = bucket.get("results") if isinstance(bucket, dict) else None
        for result in results if isinstance(results, list) else ():
            return _endpoint(str(result.get("object"))) if isinstance(result, dict) else ""
    return ""


def _endpoint(kind: str) -> str:
    if not (kind.startswith(_PREFIX) and kind.endswith(_SUFFIX)):
        return ""
    name = kind[len(_PREFIX) : -len(_SUFFIX)]
    name = _SPELLINGS.get(name, name)
    return name if f"openai.usage.{name}" in REPORTS else ""


def _source(endpoint: str) -> Source:
    return Source(REPORTS[f"openai.usage.{endpoint}"], "openai", Dataset.USAGE)
