"""litellm's price table as flat rates, to compare with. It is never billed from.

Source: ``model_prices_and_context_window_backup.json`` of the package litellm
(https://github.com/BerriAI/litellm). It has no dates and no history; prices are dollars per
token, read from their literals; 0 often means that nobody filled it in, and is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Context, Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from spanledger_analytics.errors import PriceError
from spanledger_analytics.price_book.rates import FlatRate

FILE_NAME = "model_prices_and_context_window_backup.json"
_PER = 1_000_000
_MODES = frozenset({"chat", "completion", "embedding", "responses"})
_CLASSES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "input_cost_per_audio_token": "audio_input",
    "input_cost_per_image_token": "image_input",
    "output_cost_per_reasoning_token": "reasoning",
    "output_cost_per_audio_token": "audio_output",
    "output_cost_per_image_token": "image_output",
}
_FIELD = re.compile(
    rf"(?P<base>{'|'.join(sorted(_CLASSES, key=len, reverse=True))})"
    r"(?:_above_(?P<above>\d+)k_tokens)?(?:_(?P<tier>batches|flex|priority))?"
)
_TIERS = {"batches": "batch"}
# Names of litellm_provider to ids of genai-prices; every vertex_ai-… is Google.
_PROVIDERS = {
    "azure_ai": "azure",
    "azure_text": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "meta_llama": "meta",
    "moonshot": "moonshotai",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex_ai": "google",
    "voyage": "voyageai",
    "xai": "x-ai",
}
_REGION = re.compile(r"(?:bedrock|azure(?:_ai)?)/(?P<region>[a-z0-9-]+)/(?P<model>.+)")
# Some literals are what a float made of them: 1.0000000000000001e-06.
_DIGITS = Context(prec=12)


def installed_file() -> Path | None:
    """Return the table of the installed package litellm, None without it. Imports nothing of it."""
    spec = find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / FILE_NAME
        if file.exists():
            return file
    return None


def read_litellm(text: str) -> list[FlatRate]:
    """Return the token rates of chat, completion, responses and embedding models.

    Providers go by their ids in the price data where they are known there. ``above_tokens`` is
    as written (``above_200k`` is more than 200,000); ``source`` names the entry.

    Raises:
        PriceError: the text is not such a table.
    """
    try:
        table = json.loads(text, parse_float=Decimal)
    except (json.JSONDecodeError, RecursionError) as error:
        raise PriceError(f"litellm's table cannot be read: {error}.") from None
    if not isinstance(table, dict):
        raise PriceError("litellm's table must be an object with one entry for each model.")
    return [
        flat
        for key, entry in cast("dict[str, object]", table).items()
        if isinstance(entry, dict)
        for flat in _rates(key, cast("Mapping[str, object]", entry))
    ]


def _rates(key: str, entry: Mapping[str, object]) -> Iterator[FlatRate]:
    if entry.get("mode") not in _MODES:
        return
    provider = _provider(str(entry.get("litellm_provider", "")))
    region, model = _named(key)
    for field, value in entry.items():
        found = _FIELD.fullmatch(field)
        price = _amount(value)
        if found is None or price is None:
            continue
        tier = found["tier"] or ""
        yield FlatRate(
            provider=provider,
            model=model,
            region=region,
            service_tier=_TIERS.get(tier, tier),
            above_tokens=int(found["above"] or 0) * 1_000,
            token_class=_CLASSES[found["base"]],
            price=price,
            per=_PER,
            currency="USD",
            effective_from_ns=None,
            effective_to_ns=None,
            source=f"litellm:{key}",
            price_id="",
        )


def _provider(name: str) -> str:
    return "google" if name.startswith("vertex_ai-") else _PROVIDERS.get(name, name)


def _named(key: str) -> tuple[str, str]:
    """Return region and model of an entry: ``azure/eu/gpt-4o``, ``xai/grok-4.5``, ``gpt-4o``."""
    if found := _REGION.fullmatch(key):
        return found["region"], found["model"]
    return "", key.partition("/")[2] or key


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    amount = Decimal(value)
    if not amount.is_finite() or amount <= 0:
        return None
    return _DIGITS.multiply(amount, _PER).normalize() + 0
