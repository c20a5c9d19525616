"""Pullers, one file a provider: their keys come from the environment and are never shown."""

from __future__ import annotations

from collections.abc import Mapping

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.pull_settings import ACCOUNT, KEYS, URLS
from spanledger_analytics.invoices.pulling.anthropic import Anthropic
from spanledger_analytics.invoices.pulling.client import Access
from spanledger_analytics.invoices.pulling.fireworks import Fireworks
from spanledger_analytics.invoices.pulling.mistral import Mistral
from spanledger_analytics.invoices.pulling.openai import OpenAI
from spanledger_analytics.invoices.pulling.openrouter import OpenRouter
from spanledger_analytics.invoices.pulling.puller import Puller

PULLERS: Mapping[str, Puller] = {
    one.provider: one for one in (OpenAI(), Anthropic(), OpenRouter(), Fireworks(), Mistral())
}


def access_of(provider: str, environment: Mapping[str, str]) -> Access:
    """Return how a provider is asked.

    Raises:
        InvoiceError: there is no such provider, or its key is not set.
    """
    if provider not in PULLERS:
        raise InvoiceError(
            f"Nothing can be pulled from {provider[:40]!r}; from {', '.join(PULLERS)} it can. "
            "Files of others: spanledger invoices import FILE"
        )
    puller = PULLERS[provider]
    key = environment.get(KEYS[provider], "").strip()
    if not key:
        raise InvoiceError(f"Set {KEYS[provider]} (or {KEYS[provider]}_FILE) to the key.")
    account = environment.get(ACCOUNT, "").strip() if puller.needs_account else ""
    if puller.needs_account and not account:
        raise InvoiceError(f"Set {ACCOUNT} to the id of the account.")
    url = environment.get(URLS[provider], "").strip() or puller.base_url
    return Access(url.rstrip("/"), key, account)


def configured(environment: Mapping[str, str]) -> dict[str, Access]:
    """Return the providers whose key is set, and how they are asked."""
    found: dict[str, Access] = {}
    for provider in PULLERS:
        try:
            found[provider] = access_of(provider, environment)
        except InvoiceError:
            continue
    return found
