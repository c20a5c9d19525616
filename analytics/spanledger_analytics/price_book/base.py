"""Models of the price data (genai-prices): which one a name means, and its rates at a moment.

Its rules are followed, so that both agree to the last digit: the last conditional price whose
constraint holds wins; a context tier is decided by the request's total input and applies to all
of its tokens; request variants (batch, flex, priority, fast) replace single classes.
https://github.com/pydantic/genai-prices
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from typing import NamedTuple

from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from spanledger_analytics.price_book.rates import PICODOLLARS
from spanledger_analytics.providers import is_bedrock_id, plain_model, price_book_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_S = 10**9
_NS_PER_DAY = 86_400 * _NS_PER_S

_CLASSES = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_input",
    "input_image_mtok": "image_input",
    "cache_audio_read_mtok": "cache_read_audio",
    "cache_image_read_mtok": "cache_read_image",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "audio_output",
    "output_image_mtok": "image_output",
    "requests_kcount": "request",
    "web_searches_kcount": "web_search",
}
_UNITS = {"mtok": 10**6, "kcount": 10**3}

Steps = tuple[tuple[int, Fraction], ...]
"""Rates by size of request: (more input tokens than, picodollars), sorted; the first is -1."""

_Constraint = StartDateConstraint | TimeOfDateConstraint | None


class BaseRates(NamedTuple):
    """Rates of a model at a moment; those of the service tier replace the standard ones.

    ``label`` names what decided: the dated change and the variants.
    """

    label: str
    variant: Mapping[str, Steps]
    standard: Mapping[str, Steps]


@dataclass(frozen=True, slots=True)
class BaseModel:
    """One model of the data in one service tier; ``seller`` is the provider that was called."""

    seller: str
    owner: str
    info: ModelInfo
    variants: tuple[PriceVariant, ...]

    @property
    def name(self) -> str:
        """Provider and model that the prices are of."""
        return f"{self.owner}/{self.info.id}"

    def changes_ns(self) -> set[int]:
        """Return the instants from which other rates may hold, UTC nanoseconds."""
        return {
            (datetime.combine(c.start_date, time(), UTC) - _EPOCH).days * _NS_PER_DAY
            for c in self._constraints()
            if isinstance(c, StartDateConstraint)
        }

    def times_of_day_ns(self) -> set[int]:
        """Return the times of day, UTC nanoseconds from midnight, that begin or end a price."""
        return {
            _time_of_day_ns(moment)
            for c in self._constraints()
            if isinstance(c, TimeOfDateConstraint)
            for moment in (c.start_time, c.end_time)
        }

    def at(self, time_ns: int, time_of_day_ns: int) -> BaseRates:
        """Return the rates at an instant, with the time of day given apart from the date."""
        day = _EPOCH + timedelta(days=time_ns // _NS_PER_DAY)
        moment = day + timedelta(microseconds=time_of_day_ns // 1_000)
        constraint, standard = self._standard(moment)
        label = _constraint_label(constraint)
        rates: dict[str, Steps] = {}
        for variant in self.variants:
            if variant.constraint is not None and not variant.constraint.active(moment):
                continue
            new = {k: v for k, v in _steps_of(variant.prices).items() if k not in rates}
            if new:
                label += "+" + _variant_label(variant)
                rates.update(new)
        return BaseRates(label, rates, _steps_of(standard))

    def _conditional(self) -> list[ConditionalPrice]:
        prices = self.info.prices
        return [ConditionalPrice(prices=prices)] if isinstance(prices, ModelPrice) else prices

    def _constraints(self) -> Iterable[_Constraint]:
        yield from (price.constraint for price in self._conditional())
        yield from (variant.constraint for variant in self.variants)

    def _standard(self, moment: datetime) -> tuple[_Constraint, ModelPrice]:
        prices = self._conditional()
        for conditional in reversed(prices):
            if conditional.constraint is None or conditional.constraint.active(moment):
                return conditional.constraint, conditional.prices
        return None, prices[0].prices


class BaseData:
    """Finds models in the data. Keeps nothing of the names it is asked for."""

    def __init__(self, snapshot: DataSnapshot) -> None:
        self.providers = snapshot.providers
        self._owners = {id(model): p.id for p in snapshot.providers for model in p.models}

    def find(self, provider: str, model: str, service_tier: str) -> BaseModel | None:
        """Return the model, by its name alone when nobody knows the provider.

        A model that a known provider does not list stays unknown: another seller's price for it
        would be a guess. A tier the data do not price apart costs the standard price.
        """
        provider_id = price_book_id(provider)
        if provider_id is None or not model:
            return None
        found = self._lookup(provider_id, model)
        return None if found is None else self.of(*found, service_tier)

    def of(self, seller: Provider, info: ModelInfo, service_tier: str) -> BaseModel:
        """Return a model of the data as sold by a provider."""
        is_own = any(info is model for model in seller.models)
        # Service tiers are the seller's: a price borrowed from another provider has none.
        context = price_context(service_tier) if is_own else {}
        variants = tuple(
            variant
            for variant in info.price_variants or ()
            if all(context.get(key) == value for key, value in variant.when.items())
        )
        owner = seller.id if is_own else self._owners.get(id(info), seller.id)
        return BaseModel(seller.id, owner, info, variants)

    def _lookup(self, provider_id: str, model: str) -> tuple[Provider, ModelInfo] | None:
        # A snapshot of its own each time: it remembers every name, and names come from outside.
        snapshot = DataSnapshot(self.providers, from_auto_update=False)
        if provider_id:
            try:
                provider = snapshot.find_provider(None, provider_id, None)
            except LookupError:
                pass
            else:
                info = self._find_model(provider, model)
                return None if info is None else (provider, info)
        sellers = ["litellm" if "/" in model else None]
        if is_bedrock_id(model):
            sellers.append("aws")  # of the data's ids only Bedrock's are built so
        for seller in sellers:
            try:
                return snapshot.find_provider_model(model, None, seller, None)
            except LookupError:
                continue
        return None

    def _find_model(self, provider: Provider, model: str) -> ModelInfo | None:
        info = provider.find_model(model, all_providers=self.providers)
        if info is not None:
            return info
        plain = plain_model(provider.id, model)
        return provider.find_model(plain, all_providers=self.providers) if plain else None


def price_context(service_tier: str) -> dict[str, str]:
    """Return the request context that a service tier means in the data."""
    tier = service_tier.strip().lower()
    if tier == "batch":
        return {"service_tier": tier, "processing": tier}
    if tier == "fast":
        return {"service_tier": tier, "speed": tier}
    return {"service_tier": tier} if tier else {}


def tier_names(info: ModelInfo) -> list[str]:
    """Return the service tiers the data price apart, sorted."""
    tiers = {
        value
        for variant in info.price_variants or ()
        for value in variant.when.values()
        if variant.when.items() <= price_context(value).items() and _steps_of(variant.prices)
    }
    return sorted(tiers)


def _steps_of(prices: ModelPrice) -> dict[str, Steps]:
    return {
        name: _steps(key, rate)
        for key, name in _CLASSES.items()
        if (rate := vars(prices).get(key)) is not None
    }


def _steps(key: str, rate: object) -> Steps:
    pico = Fraction(PICODOLLARS, _UNITS[key.rpartition("_")[2]])
    if isinstance(rate, TieredPrices):
        tiers = [(tier.start, Fraction(tier.price) * pico) for tier in rate.tiers]
        return (-1, Fraction(rate.base) * pico), *tiers
    return ((-1, Fraction(str(rate)) * pico),)


def _time_of_day_ns(moment: time) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    utc = datetime.combine(_EPOCH.date(), aware).astimezone(UTC).time()
    seconds = (utc.hour * 60 + utc.minute) * 60 + utc.second
    return seconds * _NS_PER_S + utc.microsecond * 1_000


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
