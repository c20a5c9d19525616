"""The price book: what a token of a class cost at a provider at a moment, exactly.

Base data: genai-prices (https://github.com/pydantic/genai-prices). Its rules are followed, so
that both agree to the last digit: the last conditional price whose constraint holds wins; the
context tier is decided by the request's total input and applies to all of its tokens; tokens of a
class without a rate of its own stay in the enclosing class (cache reads and writes, audio and
image in the input, reasoning and audio in the output), because that is what a provider without a
separate price for them charges.

Money is an integer number of picodollars (10^-12 USD): one dollar per million tokens is 10^6
picodollars a token.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import version
from math import lcm

from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from spanledger_analytics.providers import price_book_id
from spanledger_analytics.rates import ContextPrices, Price

PICODOLLARS = 10**12
_NS_PER_DAY = 86_400 * 10**9
_NS_PER_S = 10**9
_CACHE_LIMIT = 50_000  # model names come from outside; a flood of them must not fill the memory

_Rate = Decimal | TieredPrices
_Constraint = StartDateConstraint | TimeOfDateConstraint | None


class PriceBook:
    """Finds the price of a call. Not for use by several threads at once."""

    def __init__(self, snapshot: DataSnapshot, name: str) -> None:
        self.name = name
        self._snapshot = snapshot
        self._schedules: dict[tuple[str, str, str, str], _Schedule | None] = {}

    @classmethod
    def bundled(cls) -> PriceBook:
        """Return the book of the installed genai-prices data."""
        return cls(get_snapshot(), f"genai-prices-{version('genai-prices')}")

    def resolve(
        self,
        provider: str,
        response_model: str,
        request_model: str,
        time_ns: int,
        service_tier: str = "",
    ) -> ContextPrices | None:
        """Return the prices that held at a moment, None when the book has none.

        The response's model is tried first, then the request's. ``provider`` is the name on the
        wire, ``time_ns`` UTC nanoseconds. ``service_tier`` takes the provider's own names; "batch"
        selects batch prices. A tier the data do not price apart costs the standard price.
        """
        key = (provider, response_model, request_model, service_tier)
        try:
            schedule = self._schedules[key]
        except KeyError:
            schedule = self._find(*key)
            if len(self._schedules) >= _CACHE_LIMIT:
                self._schedules.clear()
            self._schedules[key] = schedule
        return None if schedule is None else schedule.at(time_ns)

    def _find(
        self, provider: str, response_model: str, request_model: str, service_tier: str
    ) -> _Schedule | None:
        provider_id = price_book_id(provider)
        if provider_id is None:
            return None
        for model in (response_model, request_model):
            found = self._lookup(provider_id, model) if model else None
            if found is not None:
                return self._schedule(*found, service_tier)
        return None

    def _lookup(self, provider_id: str, model: str) -> tuple[Provider, ModelInfo] | None:
        """Return the provider and model, by the model's name alone when nobody knows the provider.

        A model that a known provider does not list stays unknown: another seller's price for it
        would be a guess.
        """
        find = self._snapshot.find_provider_model
        if provider_id:
            try:
                provider = self._snapshot.find_provider(None, provider_id, None)
            except LookupError:
                pass
            else:
                info = self._find_model(provider, model)
                return None if info is None else (provider, info)
        try:
            return find(model, None, "litellm" if "/" in model else None, None)
        except LookupError:
            return None

    def _find_model(self, provider: Provider, model: str) -> ModelInfo | None:
        providers = self._snapshot.providers
        info = provider.find_model(model, all_providers=providers)
        prefix, slash, rest = model.partition("/")
        if info is None and slash and price_book_id(prefix) == provider.id:
            # Gateways write the provider before the model: openai/gpt-4o.
            return provider.find_model(rest, all_providers=providers)
        return info

    def _schedule(self, provider: Provider, info: ModelInfo, service_tier: str) -> _Schedule:
        own = any(info is model for model in provider.models)
        owner = provider if own else self._owner(provider, info)
        # Service tiers are the seller's: a price borrowed from another provider has none.
        context = _price_context(service_tier) if own else {}
        return _Schedule(f"{self.name}:{owner.id}/{info.id}", info, context)

    def _owner(self, seller: Provider, info: ModelInfo) -> Provider:
        for provider in self._snapshot.providers:
            if any(info is model for model in provider.models):
                return provider
        return seller


def _price_context(service_tier: str) -> dict[str, str]:
    tier = service_tier.strip().lower()
    if tier == "batch":
        return {"service_tier": tier, "processing": tier}
    if tier == "fast":
        return {"service_tier": tier, "speed": tier}
    return {"service_tier": tier} if tier else {}


class _Schedule:
    """Prices of one model in one service tier over time."""

    def __init__(self, label: str, info: ModelInfo, context: dict[str, str]) -> None:
        self._label = label
        self._info = info
        self._variants = [
            variant
            for variant in info.price_variants or ()
            if all(context.get(key) == value for key, value in variant.when.items())
        ]
        self._slot_ns = _NS_PER_S if self._has_times_of_day() else _NS_PER_DAY
        self._by_slot: dict[int, ContextPrices] = {}
        self._by_id: dict[str, ContextPrices] = {}

    def _has_times_of_day(self) -> bool:
        prices = self._info.prices
        conditional = [] if isinstance(prices, ModelPrice) else prices
        constraints = [price.constraint for price in conditional]
        constraints += [variant.constraint for variant in self._variants]
        return any(isinstance(constraint, TimeOfDateConstraint) for constraint in constraints)

    def at(self, time_ns: int) -> ContextPrices:
        slot = time_ns // self._slot_ns
        found = self._by_slot.get(slot)
        if found is None:
            if len(self._by_slot) >= _CACHE_LIMIT:
                self._by_slot.clear()
            moment = datetime.fromtimestamp(slot * self._slot_ns // _NS_PER_S, UTC)
            found = self._by_slot[slot] = self._at_moment(moment)
        return found

    def _at_moment(self, moment: datetime) -> ContextPrices:
        constraint, standard = self._standard(moment)
        rates: dict[str, _Rate] = {k: v for k, v in vars(standard).items() if v is not None}
        price_id = f"{self._label}@{_constraint_label(constraint)}"
        taken: set[str] = set()
        for variant in self._variants:
            if variant.constraint is not None and not variant.constraint.active(moment):
                continue
            new = {k: v for k, v in vars(variant.prices).items() if v is not None}
            new = {k: v for k, v in new.items() if k not in taken}
            if new:
                price_id += "+" + _variant_label(variant)
                taken.update(new)
                rates.update(new)
        found = self._by_id.get(price_id)
        if found is None:
            found = self._by_id[price_id] = _context_prices(price_id, rates)
        return found

    def _standard(self, moment: datetime) -> tuple[_Constraint, ModelPrice]:
        prices = self._info.prices
        if isinstance(prices, ModelPrice):
            return None, prices
        for conditional in reversed(prices):
            if conditional.constraint is None or conditional.constraint.active(moment):
                return conditional.constraint, conditional.prices
        return None, prices[0].prices


def _constraint_label(constraint: _Constraint) -> str:
    if constraint is None:
        return "base"
    if isinstance(constraint, StartDateConstraint):
        return constraint.start_date.isoformat()
    return f"{constraint.start_time:%H:%M}-{constraint.end_time:%H:%M}"


def _variant_label(variant: PriceVariant) -> str:
    when = ",".join(f"{key}={value}" for key, value in sorted(variant.when.items()))
    if variant.constraint is None:
        return when
    return f"{when}@{_constraint_label(variant.constraint)}"


def _context_prices(price_id: str, rates: dict[str, _Rate]) -> ContextPrices:
    tiers = {
        tier.start
        for rate in rates.values()
        if isinstance(rate, TieredPrices)
        for tier in rate.tiers
    }
    starts = (-1, *sorted(tiers))
    bands = tuple(
        _price(price_id if start < 0 else f"{price_id}>{start}", _flat(rates, start))
        for start in starts
    )
    return ContextPrices(starts, bands)


def _flat(rates: dict[str, _Rate], start: int) -> dict[str, Fraction]:
    """Return the rates of requests just above ``start`` input tokens, USD per unit of the data."""
    flat: dict[str, Fraction] = {}
    for key, rate in rates.items():
        if isinstance(rate, TieredPrices):
            price = rate.base
            for tier in rate.tiers:
                if tier.start <= start:
                    price = tier.price
            flat[key] = Fraction(price)
        else:
            flat[key] = Fraction(rate)
    return flat


def _price(price_id: str, usd: dict[str, Fraction]) -> Price:
    per_token = PICODOLLARS // 1_000_000
    pico = {key: rate * per_token for key, rate in usd.items() if key.endswith("_mtok")}
    request = usd.get("requests_kcount", Fraction(0)) * PICODOLLARS / 1_000
    scale = lcm(request.denominator, *(rate.denominator for rate in pico.values()))

    def rate(*keys: str) -> int | None:
        """Return the rate of the first class that has one, from the narrow to the enclosing."""
        found = next((pico[key] for key in keys if key in pico), None)
        return None if found is None else int(found * scale)

    return Price(
        price_id=price_id,
        scale=scale,
        input=rate("input_mtok"),
        cache_read=rate("cache_read_mtok", "input_mtok"),
        cache_write=rate("cache_write_mtok", "input_mtok"),
        cache_write_5m=rate("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
        cache_write_1h=rate("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
        audio_input=rate("input_audio_mtok", "input_mtok"),
        image_input=rate("input_image_mtok", "input_mtok"),
        output=rate("output_mtok"),
        reasoning=rate("output_reasoning_mtok", "output_mtok"),
        audio_output=rate("output_audio_mtok", "output_mtok"),
        request=int(request * scale),
        needs_cached_audio="cache_audio_read_mtok" in pico,
        needs_cached_image="cache_image_read_mtok" in pico,
    )
