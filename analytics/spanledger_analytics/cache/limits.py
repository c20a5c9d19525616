"""What providers say about their prompt caches: minimum, step, lifetime, and who decides.

Sources, read 2026-11: https://platform.claude.com/docs/en/build-with-claude/prompt-caching,
https://developers.openai.com/api/docs/guides/prompt-caching,
https://ai.google.dev/gemini-api/docs/caching, https://api-docs.deepseek.com/guides/kv_cache,
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from spanledger_analytics.providers import price_book_id

LONG_TTL_S = 3_600
"""Lifetime of a cache that was written for an hour."""


class CacheRules(NamedTuple):
    """How the cache of a model behaves.

    Attributes:
        minimum_tokens: a shorter prefix is not cached.
        step_tokens: prefixes are cached in multiples of this.
        ttl_s: seconds without use after which a prefix may be gone; a read starts them anew.
        is_automatic: True: every long enough prefix is cached without being asked for; False:
            only up to the blocks that a request marks.
    """

    minimum_tokens: int
    step_tokens: int
    ttl_s: int
    is_automatic: bool


# Of Claude, by name; the first that is found in it holds. Others: 1,024.
_CLAUDE = (
    (re.compile(r"opus-4[-.][567]|haiku-4[-.]5|haiku-5"), 4_096),
    (re.compile(r"haiku"), 2_048),
)
_CLAUDE_MINIMUM = 1_024
_GEMINI_MINIMUM = ((re.compile(r"pro"), 4_096),)
_NOVA_MINIMUM = 1_000

_OPENAI = CacheRules(1_024, 128, 600, is_automatic=True)
_DEEPSEEK = CacheRules(64, 64, 7_200, is_automatic=True)
_GOOGLE = CacheRules(1_024, 1, 300, is_automatic=True)
_ANTHROPIC = CacheRules(_CLAUDE_MINIMUM, 1, 300, is_automatic=False)
_OTHER = CacheRules(1_024, 1, 300, is_automatic=False)

# Models from before their provider cached by itself.
_UNCACHED = re.compile(r"gpt-3|gpt-4(?:$|-)|davinci|babbage|gemini-(?:1|2[.]0|pro)")

_DATE = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8})$")


@lru_cache(maxsize=4_096)
def rules_for(provider: str, model: str) -> CacheRules:
    """Return the rules of a model; names as on the wire.

    Of a provider that says nothing, the commonest are assumed: 1,024 tokens, five minutes, and
    no caching unless its calls tell of some.
    OpenAI and Google promise no lifetime: ten minutes are the upper end of what OpenAI calls
    usual, and five are assumed for Google.
    """
    name = model.lower()
    seller = price_book_id(provider) or provider.strip().lower()
    if "claude" in name:
        return _ANTHROPIC._replace(minimum_tokens=_first(_CLAUDE, name, _CLAUDE_MINIMUM))
    if seller == "aws":
        return _ANTHROPIC._replace(
            minimum_tokens=_NOVA_MINIMUM if "nova" in name else _CLAUDE_MINIMUM
        )
    is_automatic = _UNCACHED.search(model_family(model)) is None
    if seller == "google" or "gemini" in name:
        minimum = _first(_GEMINI_MINIMUM, name, _GOOGLE.minimum_tokens)
        return _GOOGLE._replace(minimum_tokens=minimum, is_automatic=is_automatic)
    if seller in ("openai", "azure"):
        return _OPENAI._replace(is_automatic=is_automatic)
    if seller == "deepseek" or "deepseek" in name:
        return _DEEPSEEK
    return _ANTHROPIC if seller == "anthropic" else _OTHER


def _first(table: tuple[tuple[re.Pattern[str], int], ...], name: str, otherwise: int) -> int:
    return next((tokens for pattern, tokens in table if pattern.search(name)), otherwise)


@lru_cache(maxsize=4_096)
def model_family(model: str) -> str:
    """Return a model's name without gateway and date: two spellings of one model are equal."""
    name = model.strip().lower().rpartition("/")[2]
    return _DATE.sub("", name)
