"""The settings of pulling: names of environment variables, and nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

KEYS: Mapping[str, str] = {
    "openai": "SPANLEDGER_OPENAI_ADMIN_KEY",
    "anthropic": "SPANLEDGER_ANTHROPIC_ADMIN_KEY",
    "openrouter": "SPANLEDGER_OPENROUTER_MANAGEMENT_KEY",
    "fireworks": "SPANLEDGER_FIREWORKS_API_KEY",
    "mistral": "SPANLEDGER_MISTRAL_ADMIN_KEY",
}
"""By provider: where its key is."""
URLS: Mapping[str, str] = {
    "openai": "SPANLEDGER_OPENAI_ADMIN_URL",
    "anthropic": "SPANLEDGER_ANTHROPIC_ADMIN_URL",
    "openrouter": "SPANLEDGER_OPENROUTER_ADMIN_URL",
    "fireworks": "SPANLEDGER_FIREWORKS_ADMIN_URL",
    "mistral": "SPANLEDGER_MISTRAL_ADMIN_URL",
}
"""By provider: where its API is, where that is not the usual address."""
ACCOUNT = "SPANLEDGER_FIREWORKS_ACCOUNT"
PROJECT = "SPANLEDGER_INVOICES_PROJECT"
"""Into which project the schedule pulls."""
VARIABLES = (*KEYS.values(), *URLS.values(), ACCOUNT, PROJECT)
