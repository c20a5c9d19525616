"""How Anthropic's reports name things, in our terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spanledger_analytics.invoices.formats.form import tier_of
from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.invoices.values import Record

PROVIDER = "anthropic"
# Token types of the cost report, of analytics and of the Console's CSV files.
TOKEN_TYPES: Mapping[str, TokenClass] = {
    "uncached_input_tokens": TokenClass.UNCACHED,
    "input_no_cache": TokenClass.UNCACHED,
    "cache_read_input_tokens": TokenClass.CACHE_READ,
    "input_cache_read": TokenClass.CACHE_READ,
    "cache_creation.ephemeral_5m_input_tokens": TokenClass.CACHE_WRITE_5M,
    "input_cache_write_5m": TokenClass.CACHE_WRITE_5M,
    "cache_creation.ephemeral_1h_input_tokens": TokenClass.CACHE_WRITE_1H,
    "input_cache_write_1h": TokenClass.CACHE_WRITE_1H,
    "output_tokens": TokenClass.OUTPUT,
    "output": TokenClass.OUTPUT,
}
_COST_TYPES: Mapping[str, TokenClass] = {
    "web_search": TokenClass.WEB_SEARCH,
    "code_execution": TokenClass.TOOL,
    "session_usage": TokenClass.TOOL,
}
_CONTEXTS = {"≤200k": "0-200k", "<=200k": "0-200k", ">200k": "200k-1M"}


def token_class(cost_type: str | None, token_type: str | None) -> TokenClass:
    """Return what an amount is for; MODEL where the report is not grouped by it."""
    if token_type is not None:
        return TOKEN_TYPES.get(token_type, TokenClass.UNMAPPED)
    if cost_type in (None, "tokens", "token"):
        return TokenClass.MODEL
    return _COST_TYPES.get(cost_type, TokenClass.UNMAPPED)


def tier(service_tier: str | None, speed: str | None) -> tuple[str | None, str | None]:
    """Return processing and service tier; fast mode is a tier."""
    processing, found = tier_of(service_tier)
    return processing, "fast" if speed == "fast" else found


def context_of(text: str | None) -> str | None:
    """Return a context window as the API names it: ``0-200k``."""
    return None if text is None else _CONTEXTS.get(text.replace(" ", "").lower(), text)


def geo_of(text: str | None) -> str | None:
    """Return where it ran; None where that is not available."""
    return None if text in (None, "", "not_available") else text


def model_of(display_name: str | None) -> str | None:
    """Return a model as the API names it: ``claude-haiku-4-5`` for ``Claude Haiku 4.5``."""
    if display_name is None or not display_name.startswith("Claude "):
        return display_name
    return display_name.lower().replace(" ", "-").replace(".", "-")


def grouped(results: Iterable[Record], names: Iterable[str]) -> frozenset[str]:
    """Return by which of some dimensions results are grouped: those that some result tells.

    Null is "none" in a dimension results are grouped by (the default workspace, no key), and "not
    told" in the others.
    """
    found = list(results)
    return frozenset(name for name in names if any(one.told(name) is not None for one in found))


def told(result: Record, name: str, by: frozenset[str]) -> str | None:
    """Return a dimension: "" where there is none, None where the report does not tell it."""
    return result.told(name) or ("" if name in by else None)
