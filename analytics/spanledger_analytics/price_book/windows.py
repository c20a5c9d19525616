"""How many tokens fit into a model, as the price data say."""

from __future__ import annotations

from functools import lru_cache

from genai_prices.data_snapshot import get_snapshot

from spanledger_analytics.price_book.base import BaseData


@lru_cache(maxsize=1_024)
def context_window(provider: str, model: str) -> int | None:
    """Return the size of a model's context window in tokens; None: the price data do not say.

    Args:
        provider: a name on the wire or in the data; empty: the model's name decides alone.
        model: as a call names it.
    """
    listed = _data().find(provider, model, "") if model else None
    return None if listed is None else listed.info.context_window


@lru_cache(maxsize=1)
def _data() -> BaseData:
    return BaseData(get_snapshot())
