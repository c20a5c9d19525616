"""What tokens of own workers cost, against the API price of the same tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from spanledger_analytics.price_book.rates import FlatRate

_MILLION = Decimal(1_000_000)


class WorkerCost(NamedTuple):
    """Sums of ``gpu_worker_hours`` over a time; costs in USD."""

    worker: str
    model: str
    engine: str = ""
    requests: int = 0
    requests_without_tokens: int = 0
    uncached_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    prefill_cost_usd: Decimal = Decimal(0)
    decode_cost_usd: Decimal = Decimal(0)
    priced_cost_usd: Decimal = Decimal(0)
    unattributed_cost_usd: Decimal = Decimal(0)

    @property
    def input_tokens(self) -> int:
        """Input tokens that were served, from the prefix cache or not."""
        return self.uncached_tokens + self.cache_read_tokens

    @property
    def used_usd(self) -> Decimal:
        """What requests cost (usage basis)."""
        return self.prefill_cost_usd + self.decode_cost_usd

    @property
    def allocated_usd(self) -> Decimal:
        """What its GPUs cost, idle time and all (allocation basis)."""
        return self.used_usd + self.unattributed_cost_usd

    @property
    def utilization(self) -> Decimal | None:
        """Share of the money that requests used; None: there was none."""
        return self.used_usd / self.allocated_usd if self.allocated_usd else None

    def per_million(self, cost: Decimal, tokens: int) -> Decimal | None:
        """Return dollars per million tokens; None without tokens."""
        return cost * _MILLION / tokens if tokens else None

    @property
    def usd_per_million_input(self) -> Decimal | None:
        """Usage basis: time spent reading input, over all input tokens served."""
        return self.per_million(self.prefill_cost_usd, self.input_tokens)

    @property
    def usd_per_million_output(self) -> Decimal | None:
        """Usage basis: time spent writing, over output tokens."""
        return self.per_million(self.decode_cost_usd, self.output_tokens)

    @property
    def allocated_per_million_input(self) -> Decimal | None:
        """Allocation basis: the same with what was not used, in proportion to what was."""
        return self._with_unused(self.usd_per_million_input)

    @property
    def allocated_per_million_output(self) -> Decimal | None:
        """Allocation basis of ``usd_per_million_output``."""
        return self._with_unused(self.usd_per_million_output)

    def _with_unused(self, price: Decimal | None) -> Decimal | None:
        if price is None or not self.used_usd:
            return None
        return price * self.allocated_usd / self.used_usd


@dataclass(frozen=True, slots=True)
class ApiPrice:
    """List prices of a provider's model, dollars per token, for small requests."""

    provider: str
    model: str
    input: Decimal
    cache_read: Decimal
    output: Decimal

    def cost_of(self, tokens: WorkerCost) -> Decimal:
        """Return what the provider would charge for the same tokens; an estimate.

        Input that the own prefix cache had counts at the provider's price for cache reads.
        """
        return (
            tokens.uncached_tokens * self.input
            + tokens.cache_read_tokens * self.cache_read
            + tokens.output_tokens * self.output
        )


def break_even(cost: WorkerCost, api_usd: Decimal) -> Decimal | None:
    """Return the utilisation above which the own worker is the cheaper one.

    At utilisation u the same traffic costs used / u; that is the API's price where u = used / API.
    Above 1 the API is cheaper however busy the worker is. None: nothing to compare.
    """
    return cost.used_usd / api_usd if api_usd and cost.used_usd else None


def api_prices(rates: Iterable[FlatRate]) -> dict[tuple[str, str], ApiPrice]:
    """Return the models that have prices for input and output, by provider and model.

    Standard tier, any region, small requests, in US dollars.
    """
    found: dict[tuple[str, str], dict[str, Decimal]] = {}
    for rate in rates:
        is_plain = not (rate.region or rate.service_tier or rate.above_tokens)
        if is_plain and rate.currency == "USD" and "*" not in rate.model:
            classes = found.setdefault((rate.provider, rate.model), {})
            classes[rate.token_class] = rate.price / rate.per
    return {
        key: ApiPrice(*key, c["input"], c.get("cache_read", c["input"]), c["output"])
        for key, c in sorted(found.items())
        if "input" in c and "output" in c
    }


def same_model(prices: Mapping[tuple[str, str], ApiPrice], cost: WorkerCost) -> ApiPrice | None:
    """Return the cheapest offer of the model itself for this traffic, None where nobody sells it.

    Names are compared without what stands before a slash, without case and punctuation.
    """
    wanted = plain_name(cost.model)
    offers = [p for (_, name), p in prices.items() if wanted and plain_name(name) == wanted]
    return min(offers, key=lambda p: (p.cost_of(cost), p.provider), default=None)


def plain_name(model: str) -> str:
    """Return a model's name as providers agree on it: ``Qwen/Qwen3-32B`` is ``qwen332b``."""
    last = model.rstrip("/").rpartition("/")[2].lower().partition(":")[0]
    return "".join(c for c in last if c.isalnum()).removesuffix("instruct")
