"""What a call costs, from the price data of the extra ``prices``; the ledger decides, later."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from spanledger._errors import told
from spanledger._usage import Usage

if TYPE_CHECKING:
    from spanledger._guards import ModelCall

PICODOLLARS = 10**12
"""In a dollar."""
Price = tuple[tuple[int, int], ...]
"""From how many input tokens on, and picodollars per token; the first starts at 0."""
_FREE: Price = ((0, 0),)
_PROVIDERS = {
    "aws.bedrock": "aws",
    "awsbedrock": "aws",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot": "moonshotai",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """Prices of a model in picodollars: per token, request and search of the web."""

    input: Price
    output: Price
    cache_read: Price
    cache_write: Price
    cache_write_1h: Price
    request: int = 0
    web_search: int = 0

    def cost_pd(self, usage: Usage) -> int:
        """Return the cost in picodollars; tokens nobody told of cost nothing here."""
        total = usage.input_tokens or 0
        read = min(usage.cache_read_tokens or 0, total)
        written = min(usage.cache_write_tokens or 0, total - read)
        long = min(usage.cache_write_1h_tokens or 0, written)
        return (
            (total - read - written) * _at_size(self.input, total)
            + read * _at_size(self.cache_read, total)
            + (written - long) * _at_size(self.cache_write, total)
            + long * _at_size(self.cache_write_1h, total)
            + (usage.output_tokens or 0) * _at_size(self.output, total)
            + (usage.web_searches or 0) * self.web_search
            + self.request
        )


def rate_of(call: ModelCall) -> Rate | None:
    """Return the rate of a call's model today; ``None``: not known, or no price data installed."""
    return _rate_of(call.provider, (*call.answered_by, call.model))


@lru_cache(maxsize=1024)
def _rate_of(provider: str, models: tuple[str, ...]) -> Rate | None:
    """Return the rate of the first of a model's names that has one."""
    try:
        # A part of its own: it is loaded by the first budget in dollars, and by nobody else.
        import genai_prices
    except ImportError:
        told("prices", "budgets in dollars need prices: pip install 'spanledger[prices]'")
        return None
    names = [model for model in models if model]
    said = " or ".join(dict.fromkeys(names)) or "a model without a name"
    try:
        usage = genai_prices.Usage(input_tokens=1, output_tokens=1)
        for model in names:
            found = _looked_up(genai_prices.calc_price, usage, provider, model)
            if found is not None:
                return _compiled(found.model_price)
        told(f"price of {said}", "no price is known; budgets in dollars do not see it")
    except Exception as error:
        told(f"price of {said}", error)
    return None


def _looked_up(calc_price: Any, usage: Any, provider: str, model: str) -> Any:
    try:
        provider_id = _PROVIDERS.get(provider, provider) or None
        return calc_price(usage, model_ref=model, provider_id=provider_id)
    except LookupError:
        return None


def _compiled(prices: Any) -> Rate:
    own = _price(getattr(prices, "input_mtok", None))
    written = _price(getattr(prices, "cache_write_mtok", None)) or own or _FREE
    return Rate(
        own or _FREE,
        _price(getattr(prices, "output_mtok", None)) or _FREE,
        _price(getattr(prices, "cache_read_mtok", None)) or own or _FREE,
        written,
        _price(getattr(prices, "cache_write_1h_mtok", None)) or written,
        _fee(getattr(prices, "requests_kcount", None)),
        _fee(getattr(prices, "web_searches_kcount", None)),
    )


def _fee(per_thousand: Any) -> int:
    """Return a fee in picodollars; one that depends on how many there are is not known here."""
    return int(per_thousand * (PICODOLLARS // 1000)) if isinstance(per_thousand, Decimal) else 0


def _price(per_million: Any) -> Price | None:
    if per_million is None:
        return None
    if isinstance(per_million, Decimal):
        return ((0, _per_token(per_million)),)
    tiers = ((int(tier.start), _per_token(tier.price)) for tier in per_million.tiers)
    return ((0, _per_token(per_million.base)), *sorted(tiers))


def _per_token(per_million: Decimal) -> int:
    return int(Decimal(per_million) * (PICODOLLARS // 1_000_000))


def _at_size(price: Price, input_tokens: int) -> int:
    found = price[0][1]
    for start, per_token in price[1:]:
        if input_tokens > start:
            found = per_token
    return found
