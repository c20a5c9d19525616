"""A worked example: one call at a model's prices, line by line, by the engine that bills."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.rates import PICODOLLARS
from spanledger_analytics.pricing import PRICED, Charges, Usage, charge
from spanledger_analytics.tokens import Tokens

_INPUT, _CACHED, _OUTPUT = 10_000, 6_000, 1_000
_PICODOLLAR = Decimal(1).scaleb(-12)
_CLASSES = {"uncached": "input", "cache_read": "cache_read", "output": "output"}


@dataclass(frozen=True, slots=True)
class ExampleLine:
    """One class of the call; ``usd_per_mtok`` is its list price."""

    part: str
    tokens: int
    usd_per_mtok: Decimal
    list_usd: Decimal


@dataclass(frozen=True, slots=True)
class Example:
    """A call and what it costs; the lines and the fee per request add up to ``list_usd``."""

    lines: tuple[ExampleLine, ...]
    fees_usd: Decimal
    list_usd: Decimal
    contract_id: str
    total_usd: Decimal
    price_id: str


def example_call(book: PriceBook, provider: str, model: str, at_ns: int) -> Example | None:
    """Return a call of 10,000 input tokens, 6,000 of them cached, and 1,000 of output.

    A model without a price for output is shown without it; None: it cannot be priced at all.
    """
    for tokens in (
        Tokens(input=_INPUT, cache_read=_CACHED, output=_OUTPUT),
        Tokens(input=_INPUT),
    ):
        key = PriceKey(provider, model)
        charges = charge(Usage.of([key], [at_ns], [tokens], [False]), book)
        if charges.status[0] == PRICED:
            return _example(book, key, at_ns, tokens, charges)
    return None


def _example(
    book: PriceBook, key: PriceKey, at_ns: int, tokens: Tokens, charges: Charges
) -> Example:
    price = book.resolve(key, at_ns).for_input(tokens.input)
    counts = {
        "uncached": tokens.uncached,
        "cache_read": tokens.cache_read,
        "output": tokens.output,
    }
    lines: list[ExampleLine] = []
    for part, token_class in _CLASSES.items():
        count, rate = counts[part], getattr(price, token_class)
        if count and price is not None and rate is not None:
            pico = Fraction(rate, price.scale)
            usd = pico * count / PICODOLLARS
            lines.append(ExampleLine(part, count, _decimal(pico / 10**6), _decimal(usd)))
    request = Fraction(0) if price is None else Fraction(price.request or 0, price.scale)
    return Example(
        lines=tuple(lines),
        fees_usd=_decimal(request / PICODOLLARS),
        list_usd=_usd(int(charges.list_total[0])),
        contract_id=charges.contract_ids[int(charges.contract[0])],
        total_usd=_usd(int(charges.total[0])),
        price_id=charges.price_ids[int(charges.price[0])],
    )


def _usd(pico: int) -> Decimal:
    return Decimal(pico).scaleb(-12)


def _decimal(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / value.denominator).quantize(_PICODOLLAR).normalize() + 0
