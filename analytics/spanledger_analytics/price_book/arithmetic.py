"""The arithmetic of one priced call, line by line, by the engine that bills."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from spanledger_analytics._bill import Counts, bill_of, factor_of, lines_of
from spanledger_analytics.entry_prices import usd
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.overrides import FEES, Rate
from spanledger_analytics.price_book.rates import PICODOLLARS, Price
from spanledger_analytics.tokens import Tokens

if TYPE_CHECKING:
    from spanledger_analytics._bill import Bools, Ints


@dataclass(frozen=True, slots=True)
class ArithmeticLine:
    """One class of a call.

    Attributes:
        token_class: as in the price data; ``request`` and ``web_search`` are fees.
        count: tokens, or pieces of a fee.
        per: tokens or pieces that ``rate_usd`` is for: a million, or one.
        rate_usd: list price in dollars; exact when it has a finite number of digits.
        cost_usd: before any contract; the lines add up to ``Arithmetic.list_usd``.
    """

    token_class: str
    count: int
    per: int
    rate_usd: Decimal
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What the price book says of one call.

    Attributes:
        list_usd: sum of the lines.
        total_usd: after the contract.
        multiplier: of the contract; None: no contract.
        above_tokens: the price is for requests of more input tokens than this; 0: for all, or
            for the smaller ones.
        from_ns: first instant of the price in the price data, UTC; None: as long as they know.
        to_ns: first instant it no longer holds; None: open.
        own_rates: the user's rates that were used, by id.
    """

    lines: tuple[ArithmeticLine, ...]
    list_usd: Decimal
    total_usd: Decimal
    price_id: str
    contract_id: str
    multiplier: Decimal | None
    above_tokens: int
    from_ns: int | None
    to_ns: int | None
    own_rates: tuple[Rate, ...]


def arithmetic(
    book: PriceBook, key: PriceKey, time_ns: int, tokens: Tokens, requests: int = 1
) -> Arithmetic | None:
    """Return how one call is priced by the book; None when it has no price there.

    Args:
        book: Prices.
        key: What the call is called.
        time_ns: Start of the call, UTC nanoseconds.
        tokens: Of one call; for a sum over several, ``input`` must not pass a size boundary.
        requests: Of how many requests the tokens are; 0: of several, nobody knows how many.
    """
    schedule = book.schedule(key)
    prices = schedule.at(time_ns)
    price = prices.for_input(tokens.input)
    if price is None or not tokens.is_known:
        return None
    counts = _counts(tokens, requests, factor_of(price, prices.discount))
    bill = bill_of(price, prices.discount, counts)
    if bill.reason[0]:
        return None
    start = prices.starts[prices.bands.index(price)]
    choices = [choice for choice, _ in schedule.choices(time_ns, start).values()]
    from_ns, to_ns = schedule.period_ns(time_ns)
    discount = prices.discount
    return Arithmetic(
        lines=_lines(price, counts),
        list_usd=usd(int(bill.list_total[0])),
        total_usd=usd(int(bill.total[0])),
        price_id=price.price_id,
        contract_id="" if discount is None else discount.contract_id,
        multiplier=None if discount is None else Decimal(discount.numerator) / discount.denominator,
        above_tokens=max(start, 0),
        from_ns=from_ns,
        to_ns=to_ns,
        own_rates=tuple({c.id: c for c in choices if isinstance(c, Rate)}.values()),
    )


def _counts(tokens: Tokens, requests: int, factor: int) -> Counts:
    known = {name: value for name, value in tokens._asdict().items() if value is not None}
    arrays: dict[str, Ints] = {name: np.array([value]) for name, value in known.items()}
    is_known: dict[str, Bools] = {name: np.ones(1, dtype=np.bool_) for name in known}
    return Counts(arrays, is_known, np.array([requests]), factor)


def _lines(price: Price, counts: Counts) -> tuple[ArithmeticLine, ...]:
    """Return the lines that were used; rounding within a part lies in its last one."""
    found: list[ArithmeticLine] = []
    parts = lines_of(price, counts)[0]
    for part, cost in zip(parts, bill_of(price, None, counts).parts, strict=True):
        used = [(name, int(count[0])) for name, count in part if int(count[0])]
        rest = int(cost[0])
        for place, (name, count) in enumerate(used):
            exact = Fraction(getattr(price, name) or 0, price.scale) * count
            pico = rest if place == len(used) - 1 else round(exact)
            rest -= pico
            found.append(_line(name, count, price, pico))
    return tuple(found)


def _line(name: str, count: int, price: Price, pico: int) -> ArithmeticLine:
    per = 1 if name in FEES else 10**6
    rate = Fraction(getattr(price, name) or 0, price.scale) * per / PICODOLLARS
    return ArithmeticLine(
        name, count, per, Decimal(rate.numerator) / Decimal(rate.denominator), usd(pico)
    )
