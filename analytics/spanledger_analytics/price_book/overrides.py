"""What a user adds to the price data: own rates, contracts, exchange rates, prices of tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from spanledger_analytics.price_book.tool_list import ToolPrices

TOKEN_CLASSES = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "image_input",
    "cache_read_audio",
    "output",
    "reasoning",
    "audio_output",
    "image_output",
)
"""What a rate per token is for; a class without a rate of its own costs what its whole costs."""
FEES = ("request", "web_search")
"""What a rate per piece is for."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One price that overrides or completes the price data, for one class and period.

    Attributes:
        id: number in the state database; part of the price id of every entry priced with it.
        provider: id as in the price data ("openai"), or any name on the wire ("vllm"); "" is any.
        model: a name, or a prefix with ``*`` at its end.
        token_class: one of ``TOKEN_CLASSES`` or ``FEES``.
        price: in ``currency`` for ``per`` tokens or pieces.
        service_tier: "" is the standard tier and every tier without a price of its own.
        region: "" is any region.
        above_tokens: holds for requests of more input tokens than this; 0: for all.
        effective_from_ns: first instant, UTC nanoseconds.
        effective_to_ns: first instant it no longer holds, None: open.
    """

    id: int
    provider: str
    model: str
    token_class: str
    price: Decimal
    per: int
    currency: str
    service_tier: str
    region: str
    above_tokens: int
    effective_from_ns: int
    effective_to_ns: int | None


@dataclass(frozen=True, slots=True)
class Contract:
    """A discount or markup on list prices, and what was promised in return.

    ``multiplier`` applies to the list cost: 0.85 is a discount of 15 %, 1.1 a markup of 10 %.
    ``model`` is a name or a prefix with ``*``; "" is every model of the provider.
    ``commitment_usd`` is the spend promised for the period, None when none was.
    """

    id: str
    provider: str
    model: str
    multiplier: Decimal
    commitment_usd: Decimal | None
    effective_from_ns: int
    effective_to_ns: int | None


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """US dollars for one unit of a currency, until a later one takes its place."""

    currency: str
    usd: Decimal
    effective_from_ns: int


@dataclass(frozen=True, slots=True)
class Overrides:
    """Everything a user added; ``revision`` grows with every change."""

    revision: int = 0
    rates: tuple[Rate, ...] = ()
    contracts: tuple[Contract, ...] = ()
    exchange_rates: tuple[ExchangeRate, ...] = ()
    tools: ToolPrices = field(default_factory=ToolPrices)
