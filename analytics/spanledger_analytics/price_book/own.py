"""What a user added to the price data: which own rates and contracts are for a call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

from spanledger_analytics.price_book.overrides import Contract, ExchangeRate, Overrides, Rate
from spanledger_analytics.price_book.rates import Discount
from spanledger_analytics.providers import wire_names

_STANDARD_TIERS = frozenset({"", "auto", "default", "on_demand", "standard"})
_ItemT = TypeVar("_ItemT", Rate, Contract)


def plain_tier(service_tier: str) -> str:
    """Return a service tier's name in lower case; "" is the standard tier, however it is called."""
    tier = service_tier.strip().lower()
    return "" if tier in _STANDARD_TIERS else tier


class CallNames(NamedTuple):
    """What a call is known as, all in lower case: names of its provider, model names, region.

    ``models`` are of the model that decides; ``other_models`` are what the call is named besides:
    the deployment that was asked, where the response names its model.
    """

    providers: frozenset[str]
    models: frozenset[str]
    region: str
    service_tier: str
    other_models: frozenset[str] = frozenset()

    @property
    def all_models(self) -> frozenset[str]:
        """Every name of the model that was called."""
        return self.models | self.other_models


class _Fit(NamedTuple):
    """How closely a rate or contract is meant for a call; the greater fits better."""

    is_exact: bool
    prefix_length: int
    is_of_deciding: bool
    has_provider: bool
    has_region: bool


@dataclass(frozen=True, slots=True)
class FittingRate:
    """An own rate that is for a call; the rates of one call compare by ``rank``."""

    rate: Rate
    tier: str
    fit: _Fit

    @property
    def rank(self) -> tuple[_Fit, int, int, int]:
        """What decides between rates that hold: closeness, size of request, start, id."""
        rate = self.rate
        return self.fit, rate.above_tokens, rate.effective_from_ns, rate.id


class OwnPrices:
    """Finds the own rates and contracts of a call."""

    def __init__(self, overrides: Overrides) -> None:
        self._rates = _ByModel(overrides.rates)
        self._contracts = _ByModel(overrides.contracts)
        self._exchange: defaultdict[str, list[ExchangeRate]] = defaultdict(list)
        for rate in sorted(overrides.exchange_rates, key=lambda rate: rate.effective_from_ns):
            self._exchange[rate.currency.upper()].append(rate)

    def rates(self, names: CallNames) -> list[FittingRate]:
        """Return the rates for a call at any time and size, the best first."""
        found = [
            FittingRate(rate, plain_tier(rate.service_tier), _fit(rate, names, rate.region))
            for rate in self.named(names)
            if rate.region.strip().lower() in ("", names.region)
            and plain_tier(rate.service_tier) in ("", names.service_tier)
        ]
        return sorted(found, key=lambda fitting: fitting.rank, reverse=True)

    def named(self, names: CallNames) -> list[Rate]:
        """Return the rates for a model of a provider, in whatever tier and region."""
        return [rate for rate in self._rates.of(names.all_models) if _is_for(rate.provider, names)]

    def has_name(self, names: CallNames) -> bool:
        """Return whether a rate is for one of these models by more than its provider."""
        return any(
            fitting.fit.is_exact or fitting.fit.prefix_length for fitting in self.rates(names)
        )

    def contracts(self, names: CallNames) -> list[Contract]:
        """Return the contracts for a call at any time, the best first."""
        found = [c for c in self._contracts.of(names.all_models) if _is_for(c.provider, names)]
        return sorted(
            found, key=lambda c: (_fit(c, names, ""), c.effective_from_ns, c.id), reverse=True
        )

    def exchange_rate(self, currency: str, time_ns: int) -> ExchangeRate | None:
        """Return the rate in force at an instant, None when there is none yet."""
        earlier = [
            rate
            for rate in self._exchange.get(currency.upper(), ())
            if rate.effective_from_ns <= time_ns
        ]
        return earlier[-1] if earlier else None

    def exchange_changes_ns(self, currency: str) -> Iterable[int]:
        """Return the instants from which a currency has another rate."""
        return (rate.effective_from_ns for rate in self._exchange.get(currency.upper(), ()))


class _ByModel(Generic[_ItemT]):
    """Rates or contracts by the model they name, so that a call looks at few of many."""

    def __init__(self, items: Iterable[_ItemT]) -> None:
        self._exact: defaultdict[str, list[_ItemT]] = defaultdict(list)
        self._prefixes: defaultdict[str, list[_ItemT]] = defaultdict(list)
        for item in items:
            name = item.model.strip().lower()
            if name and not name.endswith("*"):
                self._exact[name].append(item)
            else:
                self._prefixes[name.rstrip("*")].append(item)

    def of(self, models: frozenset[str]) -> list[_ItemT]:
        found = [item for model in models for item in self._exact.get(model, ())]
        for prefix, items in self._prefixes.items():
            if any(model.startswith(prefix) for model in models):
                found += items
        return found


def _is_for(provider: str, names: CallNames) -> bool:
    wanted = provider.strip().lower()
    return not wanted or bool(wire_names(wanted) & names.providers)


def _fit(item: Rate | Contract, names: CallNames, region: str) -> _Fit:
    model = item.model.strip().lower()
    is_exact = bool(model) and not model.endswith("*")
    length = 0 if is_exact else len(model.rstrip("*"))
    is_of_deciding = (
        model in names.models
        if is_exact
        else any(name.startswith(model.rstrip("*")) for name in names.models)
    )
    provider, region = item.provider.strip(), region.strip()
    return _Fit(is_exact, length, is_of_deciding, bool(provider), bool(region))


def holds(item: Rate | Contract, time_ns: int) -> bool:
    """Return whether a rate or contract is in force at an instant; its end is no part of it."""
    end = item.effective_to_ns
    return item.effective_from_ns <= time_ns and (end is None or time_ns < end)


def changes_ns(items: Iterable[Rate | Contract]) -> set[int]:
    """Return the instants at which one of these begins or ends."""
    ends = (item.effective_to_ns for item in items)
    return {item.effective_from_ns for item in items} | {end for end in ends if end is not None}


def discount_of(contract: Contract) -> Discount:
    """Return a contract's multiplier as whole numbers."""
    multiplier = Fraction(contract.multiplier)
    return Discount(contract.id, multiplier.numerator, multiplier.denominator)
