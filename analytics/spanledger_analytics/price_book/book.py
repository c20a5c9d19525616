"""The price book: what a token of a class cost at a provider at a moment, exactly.

Base data: genai-prices (https://github.com/pydantic/genai-prices). On top lie the user's own
rates, contracts and exchange rates. Money is an integer number of picodollars (10^-12 USD): one
dollar per million tokens is 10^6 picodollars a token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from importlib.metadata import version
from typing import NamedTuple

from genai_prices.data_snapshot import DataSnapshot, get_snapshot

from spanledger_analytics.price_book._rows import flat_rates, own_row
from spanledger_analytics.price_book.base import BaseData, BaseModel, tier_names
from spanledger_analytics.price_book.overrides import Overrides
from spanledger_analytics.price_book.own import CallNames, OwnPrices, holds, plain_tier
from spanledger_analytics.price_book.rates import ContextPrices, FlatRate
from spanledger_analytics.price_book.schedule import Schedule
from spanledger_analytics.providers import (
    is_self_hosted,
    is_short_for_bedrock_id,
    plain_model,
    price_book_id,
    wire_names,
)

_CACHE_LIMIT = 50_000  # model names come from outside; a flood of them must not fill the memory


class PriceKey(NamedTuple):
    """What a price depends on, besides time and usage; names as on the wire.

    ``model`` is the response's, else the request's.
    """

    provider: str
    model: str
    request_model: str = ""
    service_tier: str = ""
    region: str = ""


class PriceBook:
    """Finds the price of a call. Not for use by several threads at once."""

    def __init__(
        self, snapshot: DataSnapshot, name: str, overrides: Overrides | None = None
    ) -> None:
        self.name = name
        self.overrides = overrides or Overrides()
        self.tools = self.overrides.tools
        self._base = BaseData(snapshot)
        self._own = OwnPrices(self.overrides)
        self._schedules: dict[PriceKey, Schedule] = {}
        self._nearest: dict[tuple[str, str], str] = {}

    @classmethod
    def bundled(cls, overrides: Overrides | None = None) -> PriceBook:
        """Return the book of the installed genai-prices data, with what a user added."""
        return cls(get_snapshot(), f"genai-prices-{version('genai-prices')}", overrides)

    def schedule(self, key: PriceKey) -> Schedule:
        """Return the prices of one kind of call over time.

        Of the response's model and the request's, the first one that anybody knows decides; own
        rates and contracts may be for either.
        """
        found = self._schedules.get(key)
        if found is None:
            if len(self._schedules) >= _CACHE_LIMIT:
                self._schedules.clear()
            found = self._schedules[key] = self._find(key)
        return found

    def resolve(self, key: PriceKey, time_ns: int) -> ContextPrices:
        """Return the prices that held at an instant (UTC nanoseconds)."""
        return self.schedule(key).at(time_ns)

    def rates_of(self, key: PriceKey, at_ns: int) -> Iterator[FlatRate]:
        """Return what one kind of call is priced with at an instant (UTC ns), one row per rate."""
        return flat_rates(self.schedule(key), key, self.name, at_ns)

    def is_called(self, key: PriceKey, provider: str, model: str) -> bool:
        """Return whether a call goes by these names: of the wire, or of the price data.

        ``model`` may be a prefix with ``*``; '' is any provider or model.
        """
        names = self._identify(key)[2]
        prefix, name = model.strip().lower().rstrip("*"), model.strip().lower()
        return (not provider.strip() or bool(wire_names(provider) & names.providers)) and (
            name in names.all_models
            or (name in ("", prefix + "*") and any(m.startswith(prefix) for m in names.all_models))
        )

    def _find(self, key: PriceKey) -> Schedule:
        return self._schedule(key, *self._identify(key))

    def _identify(self, key: PriceKey) -> tuple[str, BaseModel | None, CallNames]:
        """Return the model that decides, the first one that anybody knows, and the call's names."""
        candidates = list(dict.fromkeys(m for m in (key.model, key.request_model) if m))
        if _asks_by_bedrock_id(key):
            candidates.reverse()  # only the request tells the region, and that has a price
        chosen, base = next(iter(candidates), ""), None
        for model in candidates:
            base = self._base.find(key.provider, model, key.service_tier)
            if base is not None or self._own.has_name(_names(key, model, base)):
                chosen = model
                break
        others = (m for m in candidates if m != chosen and self._may_be_called(key, m, base))
        others_names = (name for other in others for name in _model_names(key, other))
        names = _names(key, chosen, base)._replace(other_models=frozenset(others_names))
        return chosen, base, names

    def _may_be_called(self, key: PriceKey, model: str, base: BaseModel | None) -> bool:
        """Return whether a second name, such as a deployment's, may be of the model ``base``.

        What the data know as another model is not this call: a gateway had a model answer in
        place of the one that was asked.
        """
        listed = self._base.find(key.provider, model, key.service_tier)
        if listed is None or _asks_by_bedrock_id(key):
            return True
        return base is not None and listed.info is base.info

    def _schedule(
        self, key: PriceKey, model: str, base: BaseModel | None, names: CallNames
    ) -> Schedule:
        own = self._own.rates(names)
        absence = "missing_rate" if base or own else "unknown_model"
        if is_self_hosted(key.provider):
            absence = "self_hosted"
        if base is not None:
            label = f"{self.name}:{base.name}"
        else:
            label = f"own:{key.provider.strip().lower()}/{model}"
        return Schedule(label, base, own, self._own.contracts(names), self._own, absence)

    def rows(
        self, at_ns: int, provider: str | None = None, model: str | None = None
    ) -> Iterator[FlatRate]:
        """Return what holds at an instant (UTC ns), one row per rate.

        Models of the price data come first, with the user's rates in place of theirs; then own
        rates for models the data lack. Of a service tier, a region or a larger size of request
        only those classes are told that differ there.

        Args:
            at_ns: UTC nanoseconds.
            provider: An id of the data or as own rates name it; None: all.
            model: An id of the data or as own rates name it; None: all.
        """
        shown: set[str] = set()
        for seller in self._base.providers:
            for info in seller.models if provider in (None, seller.id) else ():
                if model not in (None, info.id):
                    continue
                names = _names(PriceKey(seller.id, info.id), info.id, None)
                own = self._own.named(names)
                tiers = {"", *tier_names(info), *(plain_tier(rate.service_tier) for rate in own)}
                regions = {"", *(rate.region.strip().lower() for rate in own)}
                for region in sorted(regions):
                    for tier in sorted(tiers):
                        key = PriceKey(seller.id, info.id, "", tier, region)
                        base = self._base.of(seller, info, tier)
                        schedule = self._schedule(key, info.id, base, _names(key, info.id, base))
                        for row in flat_rates(schedule, key, self.name, at_ns):
                            shown.add(row.source)
                            yield row
        for rate in self.overrides.rates:
            is_wanted = provider in (None, rate.provider) and model in (None, rate.model)
            if is_wanted and holds(rate, at_ns) and f"own:{rate.id}" not in shown:
                yield own_row(rate)

    def nearest(self, provider: str, model: str) -> str:
        """Return the known model name most like an unknown one, '' when none is alike."""
        key = (provider.strip().lower(), model.strip().lower())
        if key not in self._nearest:
            if len(self._nearest) >= _CACHE_LIMIT:
                self._nearest.clear()
            matches = get_close_matches(key[1], self._known_names(key[0]), n=1)
            self._nearest[key] = next(iter(matches), "")
        return self._nearest[key]

    def _known_names(self, provider: str) -> list[str]:
        """Return model names of a provider, of all when nobody knows the provider."""
        names = wire_names(provider)
        of_data = [p for p in self._base.providers if p.id in names]
        sellers = {s for p in of_data for s in (p.id, *(p.fallback_model_providers or ()))}
        known = [
            info.id
            for seller in self._base.providers
            if not sellers or seller.id in sellers
            for info in seller.models
        ]
        return known + [rate.model for rate in self.overrides.rates if "*" not in rate.model]


class BookSource:
    """Hands out the present book, and a new one after the user changed something.

    Args:
        load: Returns what the user added; nothing by default.
        revision: Returns a number that grows with every change; asked at every call.
    """

    def __init__(
        self,
        load: Callable[[], Overrides] = Overrides,
        revision: Callable[[], int] = lambda: 0,
    ) -> None:
        self._load = load
        self._revision = revision
        self._book: PriceBook | None = None

    def __call__(self) -> PriceBook:
        """Return the book that holds now."""
        if self._book is None or self._book.overrides.revision != self._revision():
            self._book = PriceBook.bundled(self._load())
        return self._book


def _asks_by_bedrock_id(key: PriceKey) -> bool:
    """Return whether the request has Bedrock's id of the model that the response names plainly."""
    may_be_bedrock = price_book_id(key.provider) in ("aws", "")
    return may_be_bedrock and is_short_for_bedrock_id(key.model, key.request_model)


def _names(key: PriceKey, model: str, base: BaseModel | None) -> CallNames:
    """Return everything a call may be called in own rates and contracts."""
    providers, models = wire_names(key.provider), _model_names(key, model)
    if base is not None:
        providers |= {base.seller}
        models.add(base.info.id.lower())
    region = key.region.strip().lower()
    return CallNames(providers, frozenset(models), region, plain_tier(key.service_tier))


def _model_names(key: PriceKey, model: str) -> set[str]:
    plain = plain_model(price_book_id(key.provider) or key.provider.strip().lower(), model)
    return {model.strip().lower()} | ({plain.lower()} - {""})
