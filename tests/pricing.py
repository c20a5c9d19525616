"""Prices single calls in tests, by the same code as whole ledgers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
)

from spanledger_analytics._bill import PARTS, REASONS
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.overrides import Overrides, Rate
from spanledger_analytics.pricing import STATUSES, Usage, charge
from spanledger_analytics.tokens import Tokens

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
PICO = Decimal("0.000000000001")
EVER = 0


class Call(NamedTuple):
    """A call to price; ``at`` is its start, a moment or UTC nanoseconds.

    ``requests``: of how many requests the tokens are; 0: nobody knows.
    """

    provider: str
    model: str
    tokens: Tokens
    at: datetime | int = NOON
    tier: str = ""
    region: str = ""
    request_model: str = ""
    is_sum: bool = False
    requests: int = 1


class Cost(NamedTuple):
    """What a call costs, USD; ``total`` is None when it is unpriced, and ``reason`` says why.

    ``parts``: uncached, cache reads, cache writes, output, fees.
    """

    parts: tuple[Decimal, ...]
    total: Decimal | None
    listed: Decimal | None
    status: str
    reason: str
    price_id: str
    contract_id: str

    @property
    def usd(self) -> Decimal:
        assert self.total is not None, self.reason
        return self.total


def price(book: PriceBook, calls: Sequence[Call]) -> list[Cost]:
    """Price calls as one batch."""
    usage = Usage.of(
        [PriceKey(c.provider, c.model, c.request_model, c.tier, c.region) for c in calls],
        [ns(call.at) for call in calls],
        [call.tokens for call in calls],
        [call.is_sum for call in calls],
        [call.requests for call in calls],
    )
    charges = charge(usage, book)
    return [
        Cost(
            tuple(usd(int(charges.parts[part][row])) for part in PARTS),
            usd(int(charges.total[row])) if charges.status[row] == 1 else None,
            usd(int(charges.list_total[row])) if charges.status[row] == 1 else None,
            STATUSES[charges.status[row]],
            REASONS[charges.reason[row]],
            charges.price_ids[charges.price[row]],
            charges.contract_ids[charges.contract[row]],
        )
        for row in range(len(calls))
    ]


def cost_of(
    book: PriceBook,
    provider: str,
    model: str,
    tokens: Tokens,
    *,
    at: datetime | int = NOON,
    tier: str = "",
    region: str = "",
    request_model: str = "",
    is_sum: bool = False,
    requests: int = 1,
) -> Cost:
    """Price one call."""
    call = Call(provider, model, tokens, at, tier, region, request_model, is_sum, requests)
    return price(book, [call])[0]


def ns(moment: datetime | int) -> int:
    return moment if isinstance(moment, int) else int(moment.timestamp()) * 10**9


def usd(picodollars: int) -> Decimal:
    return Decimal(picodollars).scaleb(-12)


def book_of(
    *models: ModelInfo, overrides: Overrides | None = None, provider: str = "acme"
) -> PriceBook:
    """A book of one provider's models."""
    acme = Provider(id=provider, name="Acme", api_pattern="x", models=list(models))
    return PriceBook(DataSnapshot([acme], from_auto_update=False), "test", overrides)


def model(prices: ModelPrice | list[ConditionalPrice], name: str = "m") -> ModelInfo:
    return ModelInfo(id=name, match=ClauseEquals(name), prices=prices)


def dated(*changes: tuple[date | None, str]) -> ModelInfo:
    """A model whose input price changes; output costs one dollar per million."""
    return model(
        [
            ConditionalPrice(
                None if start is None else StartDateConstraint(start),
                prices=ModelPrice(input_mtok=Decimal(usd_in), output_mtok=Decimal(1)),
            )
            for start, usd_in in changes
        ]
    )


def rate(
    number: int,
    token_class: str,
    price: str,
    *,
    provider: str = "acme",
    model: str = "m",
    per: int = 1_000_000,
    currency: str = "USD",
    tier: str = "",
    region: str = "",
    above: int = 0,
    start: datetime | int = EVER,
    end: datetime | int | None = None,
) -> Rate:
    return Rate(
        number,
        provider,
        model,
        token_class,
        Decimal(price),
        per,
        currency,
        tier,
        region,
        above,
        ns(start),
        None if end is None else ns(end),
    )


def real_book(overrides: Overrides | None = None) -> PriceBook:
    """The installed data with what a user added."""
    return PriceBook(get_snapshot(), "data", overrides)
