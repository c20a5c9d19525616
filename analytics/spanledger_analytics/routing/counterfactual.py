"""What the same tokens would have cost at another model's prices: an estimate.

The tokens are those that were counted. Another model cuts texts into other tokens, and may answer
shorter or longer: only trying tells. Prices are the price book's, own rates and contracts among
them. Sums of calls are priced within the sizes of requests that prices tell apart, so that the
estimate is what pricing each call would give, but for rounding below a picodollar a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from spanledger_analytics._bill import Counts, bill_of, factor_of
from spanledger_analytics.gpu_cost.arithmetic import dollars
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.rates import ContextPrices, Price
from spanledger_analytics.tokens import Tokens


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Calls of one size of request, added up; as routing_usage.

    Attributes:
        size_from: the fewest input tokens of the requests that prices tell apart from others.
        tokens: sums by field of ``Tokens``.
        paid_usd: what the calls cost.
    """

    provider: str
    model: str
    size_from: int
    calls: int
    tokens: Mapping[str, int]
    paid_usd: Decimal = Decimal(0)
    service_tier: str = ""
    region: str = ""

    @property
    def key(self) -> PriceKey:
        """What its own price depends on."""
        return PriceKey(self.provider, self.model, "", self.service_tier, self.region)


@dataclass(frozen=True, slots=True)
class Model:
    """A model somebody could have called; names as on the wire."""

    provider: str
    model: str

    @property
    def key(self) -> PriceKey:
        """What its price depends on, in the standard tier of any region."""
        return PriceKey(self.provider, self.model)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What all calls would have cost at a model's prices; None: some class has no price there."""

    model: Model
    usd: Decimal | None


def sizes_of(book: PriceBook, models: Iterable[Model], at_ns: int) -> list[int]:
    """Return the smallest request (input tokens) of each size that prices tell apart, ascending."""
    found = {0}
    for one in models:
        # A band holds for more tokens than its start.
        found |= {start + 1 for start in book.resolve(one.key, at_ns).starts}
    return sorted(found)


def estimates(
    book: PriceBook, usage: Sequence[UsageSum], models: Iterable[Model], at_ns: int
) -> list[Estimate]:
    """Return what the calls would have cost at each model's prices of one instant (UTC ns).

    ``usage`` must be by the sizes of ``sizes_of`` for these models.
    """
    found: list[Estimate] = []
    for model in models:
        prices = book.resolve(model.key, at_ns)
        parts = [picodollars_of(one, prices) for one in usage]
        known = [part for part in parts if part is not None]
        found.append(Estimate(model, dollars(sum(known)) if len(known) == len(parts) else None))
    return found


def picodollars_of(usage: UsageSum, prices: ContextPrices) -> int | None:
    """Return what calls of one size cost at prices; None: there is no price for some of it."""
    price = prices.for_input(usage.size_from)
    if price is None:
        return None
    bill = bill_of(price, prices.discount, _counts(usage, price, prices))
    return None if bill.reason[0] else int(bill.total[0])


def _counts(usage: UsageSum, price: Price, prices: ContextPrices) -> Counts:
    counts = {
        name: np.array([usage.tokens.get(name, 0)], dtype=np.int64) for name in Tokens._fields
    }
    known = {
        name: np.array([name in ("input", "output") or bool(usage.tokens.get(name))])
        for name in Tokens._fields
    }
    return Counts(counts, known, np.array([usage.calls]), factor_of(price, prices.discount))


def is_dearer(
    book: PriceBook, tokens: Mapping[str, int], model: Model, than: Model, at_ns: int
) -> bool | None:
    """Return whether the same mix of tokens costs more at a model's prices; None: not known.

    Args:
        book: prices.
        tokens: sums of uncached_tokens, cache_read_tokens, cache_write_tokens, output_tokens.
        model: asked about.
        than: compared with.
        at_ns: UTC nanoseconds.
    """
    read, write = tokens.get("cache_read_tokens", 0), tokens.get("cache_write_tokens", 0)
    mix = {
        "input": tokens.get("uncached_tokens", 0) + read + write,
        "cache_read": read,
        "cache_write": write,
        "output": tokens.get("output_tokens", 0),
    }
    usage = UsageSum("", "", 0, 1, mix)
    costs = [picodollars_of(usage, book.resolve(one.key, at_ns)) for one in (model, than)]
    if costs[0] is None or costs[1] is None:
        return None
    return costs[0] > costs[1]
