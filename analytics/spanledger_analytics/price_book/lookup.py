"""What the price book knows about one model: its rates now, over the years, over the day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genai_prices.data_snapshot import get_snapshot

from spanledger_analytics.price_book.base import BaseData, BaseModel, tier_names
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.own import CallNames, OwnPrices, changes_ns
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_analytics.price_book.table import flat_key, unit_price
from spanledger_analytics.providers import wire_names

_HALF_HOUR_NS = 1_800 * 10**9
_DAY_NS = 86_400 * 10**9
_LAST_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Period:
    """A table of rates and the instant from which it holds; None: from the beginning."""

    from_ns: int | None
    rates: tuple[FlatRate, ...]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model under the name the price data have for it.

    Attributes:
        provider: whose price list it is in; a seller may borrow it.
        model: id there, or the name that own rates price.
        name: as it was asked for; own rates may be for it.
        is_listed: the price data have it; else only own rates price it.
    """

    provider: str
    model: str
    name: str
    is_listed: bool


def find_model(book: PriceBook, provider: str, name: str, at_ns: int) -> KnownModel | None:
    """Return what a name means, None when nothing prices it at an instant (UTC ns).

    ``provider`` is a name on the wire or in the data; "" goes by the model's name alone.
    """
    data = BaseData(get_snapshot())
    listed = data.find(provider, name, "") or _of_id(data, provider, name)
    if listed is not None:
        return KnownModel(listed.owner, listed.info.id, name, is_listed=True)
    if book.resolve(PriceKey(provider, name), at_ns).bands:
        return KnownModel(provider.strip().lower(), name, name, is_listed=False)
    return None


def _of_id(data: BaseData, provider: str, name: str) -> BaseModel | None:
    """Return a model by its id: some ids are no name that a call can have."""
    return next(
        (
            data.of(seller, info, "")
            for seller in data.providers
            if seller.id == provider.strip().lower()
            for info in seller.models
            if info.id == name
        ),
        None,
    )


def sellers(model: str, at_ns: int) -> list[str]:
    """Return the providers whose price list has a model of this id, sorted."""
    return sorted({row.provider for row in PriceBook.bundled().rows(at_ns, None, model)})


def rates_of(book: PriceBook, known: KnownModel, at_ns: int) -> tuple[FlatRate, ...]:
    """Return every rate of a model that holds at an instant, own rates included."""
    listed = book.rows(at_ns, known.provider, known.model) if known.is_listed else ()
    rates = list(listed)
    shown = {row.source for row in rates}
    for rate in OwnPrices(book.overrides).named(_names(known)):
        source = f"own:{rate.id}"
        if source not in shown:
            rows = book.rows(at_ns, rate.provider, rate.model)
            rates += [row for row in rows if row.source == source]
    return tuple(rates)


def periods(book: PriceBook, known: KnownModel, at_ns: int) -> list[Period]:
    """Return the tables that held, hold and will hold, oldest first, each unlike the one before.

    Each is taken at the time of day of ``at_ns``, so that prices by time of day do not look like
    changes; see :func:`hours_of_day` for these.
    """
    changes = sorted(n for n in _changes_ns(book, known) if 0 < n < _LAST_NS)
    if not changes:
        return [Period(None, rates_of(book, known, at_ns))]
    first_ns = changes[0] - 1
    oldest_ns = first_ns - (first_ns - at_ns) % _DAY_NS
    found = [Period(None, rates_of(book, known, max(oldest_ns, 0)))]
    for start, end in zip(changes, [*changes[1:], _LAST_NS], strict=True):
        moment = start + (at_ns - start) % _DAY_NS
        rates = rates_of(book, known, moment if moment < end else start)
        if prices_in(rates) != prices_in(found[-1].rates):
            found.append(Period(start, rates))
    return found


def hours_of_day(book: PriceBook, known: KnownModel, at_ns: int) -> list[Period]:
    """Return the tables of the UTC day of an instant; one when the hour makes no difference."""
    midnight = at_ns - at_ns % _DAY_NS
    found: list[Period] = []
    for start in range(midnight, midnight + _DAY_NS, _HALF_HOUR_NS):
        rates = rates_of(book, known, start)
        if not found or prices_in(rates) != prices_in(found[-1].rates):
            found.append(Period(start, rates))
    return found


def prices_in(rates: Sequence[FlatRate]) -> dict[object, object]:
    """Return what each key costs per token or piece: what two tables are compared by."""
    return {flat_key(rate): (unit_price(rate), rate.currency) for rate in rates}


def _changes_ns(book: PriceBook, known: KnownModel) -> set[int]:
    """Return every instant at which some rate of a model may change."""
    changes = changes_ns(OwnPrices(book.overrides).named(_names(known)))
    data = BaseData(get_snapshot())
    for provider in data.providers:
        for info in provider.models if provider.id == known.provider else ():
            if known.is_listed and info.id == known.model:
                for tier in ("", *tier_names(info)):
                    changes |= data.of(provider, info, tier).changes_ns()
    return changes


def _names(known: KnownModel) -> CallNames:
    return CallNames(
        wire_names(known.provider), frozenset({known.model.lower(), known.name.lower()}), "", ""
    )
