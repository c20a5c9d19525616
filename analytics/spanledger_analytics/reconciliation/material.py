"""What causes look at beside the cell itself: its unit, the days around it, prices, calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import NamedTuple, cast

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.reconciliation.bill_side import Unit
from spanledger_analytics.reconciliation.case import Case
from spanledger_analytics.reconciliation.ledger_side import (
    DAY_S,
    TOKEN_CLASSES,
    Group,
    LedgerRow,
    Sum,
    day_of,
)
from spanledger_analytics.reconciliation.pico import ONE
from spanledger_analytics.reconciliation.result import Cause, CellKey

_RATES = {
    TokenClass.UNCACHED: "input",
    TokenClass.CACHE_READ: "cache_read",
    TokenClass.CACHE_WRITE: "cache_write_5m",
    TokenClass.CACHE_WRITE_5M: "cache_write_5m",
    TokenClass.CACHE_WRITE_1H: "cache_write_1h",
    TokenClass.OUTPUT: "output",
    TokenClass.WEB_SEARCH: "web_search",
}
_COMPARED = tuple(name for name in CellKey.__slots__ if name not in ("day", "provider"))
_COMPARED_REQUESTS = frozenset(_COMPARED) - {"token_class"}
_MANY_CALLS = 100_000  # looking through them takes seconds
_FEW = 20  # cells are enough to see what the provider charges elsewhere
_NOON_NS = DAY_S // 2 * 10**9

Doubles = Mapping[Group, tuple[int, Mapping[TokenClass, Sum]]]
"""Calls the ledger may have twice, by what they have in common: how many, and their sums."""
Peaks = Mapping[Group, Mapping[TokenClass, Sum]]
"""What of calls lies in a provider's peak hours."""


class Requests(NamedTuple):
    """Numbers of requests of the day they are billed on.

    In the ledger (none twice), its extra attempts, by the provider.
    """

    calls: int
    extra_attempts: int
    reported: int


class Seen(NamedTuple):
    """What the ledger had any call of, on the day, the day before and the day after."""

    scopes: frozenset[str]
    api_keys: frozenset[str]
    models: frozenset[str]


@dataclass(frozen=True)
class Material:
    """Everything about one unit.

    Attributes:
        unit: what the provider says.
        cases: all of it.
        before: cases of the day before; their claims do not matter.
        after: those of the day after.
        seen: what the ledger has calls of.
        book: prices.
        find_doubles: looks for calls that may be in the ledger twice, among some models (as in
            the ledger).
        find_peaks: looks for what lies in the provider's peak hours.
        went_by_end: says whether days before showed that calls over midnight count when they end.
    """

    unit: Unit
    cases: Sequence[Case]
    before: Sequence[Case]
    after: Sequence[Case]
    seen: Seen
    book: PriceBook
    find_doubles: Callable[[frozenset[str]], Doubles] = lambda _: {}
    find_peaks: Callable[[], Peaks] = dict
    went_by_end: Callable[[], bool] = bool
    kept: dict[str, Fraction | None] = field(default_factory=dict[str, "Fraction | None"])
    """Factors that are found once for all cells."""
    _rates: dict[tuple[str, str, str, str, date], Fraction | None] = field(
        default_factory=dict[tuple[str, str, str, str, date], "Fraction | None"]
    )
    _siblings: dict[tuple[str, ...], dict[tuple[object, ...], list[Case]]] = field(
        default_factory=dict[tuple[str, ...], dict[tuple[object, ...], list[Case]]]
    )

    def siblings(self, case: Case, *apart: str) -> list[Case]:
        """Return the cases whose keys differ in these fields alone, the case itself included."""
        index = self._siblings.get(apart)
        if index is None:
            index = self._siblings[apart] = {}
            for one in self.cases:
                index.setdefault(_but(one.key, apart), []).append(one)
        return index.get(_but(case.key, apart), [])

    def classes(self, case: Case) -> list[Case]:
        """Return the token classes of the same model, tier …, the case itself included."""
        return [
            one for one in self.siblings(case, "token_class") if one.token_class in TOKEN_CLASSES
        ]

    def others(self, case: Case) -> list[Case]:
        """Return the other token classes of a case's key that have money worth comparing.

        A tier, a region, an hour and a size of request change the price of every class: what one
        class alone shows is something else.
        """
        return [
            one
            for one in self.classes(case)
            if one is not case and one.charged_quantity and one.base_usd > 100 * one.rounding
        ]

    def elsewhere(self, case: Case) -> list[Case]:
        """Return the same model and class in some other scopes and keys, and on the days around."""
        here = self.siblings(case, "scope", "api_key")[:_FEW]
        around = [self.neighbour(case, days) for days in (-1, 1)]
        others = [one for one in here if one is not case]
        return others + [one for one in around if one is not None]

    @cached_property
    def off_price(self) -> tuple[int, int]:
        """How many cells of tokens are at another price than the ledger's, and how many are not."""
        comparable = [
            abs(one.price_usd) > one.rounding
            for one in self.cases
            if one.token_class in TOKEN_CLASSES and one.base_usd > 4 * one.rounding
        ]
        return sum(comparable), len(comparable) - sum(comparable)

    def neighbour(self, case: Case, days: int) -> Case | None:
        """Return the same key a day before (-1) or after (1)."""
        index = self._before if days < 0 else self._after
        return index.get(_but(case.key, ()))

    def neighbour_of_after(self, case: Case) -> Case | None:
        """Return the case of this unit with the same key as one of the day after."""
        return self._here.get(_but(case.key, ()))

    @cached_property
    def _here(self) -> dict[tuple[object, ...], Case]:
        return {_but(case.key, ()): case for case in self.cases}

    @cached_property
    def _before(self) -> dict[tuple[object, ...], Case]:
        return {_but(case.key, ()): case for case in self.before}

    @cached_property
    def _after(self) -> dict[tuple[object, ...], Case]:
        return {_but(case.key, ()): case for case in self.after}

    @cached_property
    def _requests(self) -> list[Case]:
        return [case for case in self.cases if case.token_class is TokenClass.REQUESTS]

    def requests(self, case: Case) -> Requests | None:
        """Return how many requests both sides count for a case's key; None: not told.

        Where requests are told less finely than the case, they are of all it is part of.
        """
        causes = {claim.cause for claim in case.claims}
        # Calls of a model that has two names are under both of them.
        names = _COMPARED_REQUESTS - ({"model"} if Cause.ALIAS in causes else set())
        fitting = [one for one in self._requests if _is_compatible(one.key, case.key, names)]
        if case.usage_quantity not in (None, case.charged_quantity):
            # The usage report tells of more than the bill: what neither bill nor ledger have.
            fitting = [one for one in fitting if one.ledger.quantity]
        if not fitting or case.token_class not in TOKEN_CLASSES:
            return None
        doubled = sum(self.doubles[group][0] for group in groups_of(case) if group in self.doubles)
        moved = 0
        if Cause.DAY_BOUNDARY in causes:
            moved = sum(map(self.came_over_midnight, fitting))
        return Requests(
            sum(one.ledger.quantity for one in fitting) // ONE - doubled + moved,
            sum(one.telemetry.extra_attempts for one in fitting),
            sum(one.usage_quantity or 0 for one in fitting) // ONE,
        )

    def came_over_midnight(self, requests: Case) -> int:
        """Return how many calls more ended on the day than did after it, if begun before."""
        before = self.neighbour(requests, -1)
        came = before.telemetry.crossing if before is not None else 0
        return came - requests.telemetry.crossing

    def rate(
        self, case: Case, tier: str = "", token_class: TokenClass | None = None
    ) -> Fraction | None:
        """Return what the book charges for one token or search, in units of 10^-12 dollars.

        Small requests at noon of the day. None: the book does not say, or the case is of no model.
        """
        names = [(row.provider, row.model) for row in case.ledger_rows[:1]]
        name = _RATES.get(token_class or case.token_class)
        if case.key.model is None or name is None:
            return None
        provider, model = names[0] if names else (self.unit.provider, case.key.model)
        asked = provider, model, tier, name, case.key.day
        if asked not in self._rates:
            self._rates[asked] = self._rate(*asked)
        return self._rates[asked]

    def _rate(self, provider: str, model: str, tier: str, name: str, day: date) -> Fraction | None:
        at_ns = day_of(day) * DAY_S * 10**9 + _NOON_NS
        prices = self.book.resolve(PriceKey(provider, model, "", tier, ""), at_ns)
        price = prices.for_input(0)
        rate: int | None = None if price is None else getattr(price, name)
        if price is None or rate is None:
            return None
        found = Fraction(rate, price.scale)
        if prices.discount is not None:
            found = found * prices.discount.numerator / prices.discount.denominator
        return found

    @cached_property
    def doubles(self) -> Doubles:
        """Calls the ledger may have twice, of models it has more of than the provider.

        Of few calls also where it has less: what is missing besides may hide them.
        """
        off = [
            case
            for case in self.cases
            if case.token_class in TOKEN_CLASSES
            and (case.charged_quantity or 0) != case.ledger.quantity
        ]
        if sum(case.telemetry.calls for case in off) > _MANY_CALLS:
            off = [case for case in off if (case.charged_quantity or 0) < case.ledger.quantity]
        models = {row.model for case in off for row in case.ledger_rows}
        return self.find_doubles(frozenset(models)) if models else {}

    @cached_property
    def peaks(self) -> Peaks:
        """What of the calls lies in the provider's peak hours."""
        return self.find_peaks()


def seen_of(rows: Iterable[LedgerRow]) -> Seen:
    """Return what some rows of the ledger are of."""
    rows = list(rows)
    return Seen(
        frozenset(row.scope for row in rows if row.scope),
        frozenset(row.api_key for row in rows if row.api_key),
        frozenset(row.names.model for row in rows),
    )


def groups_of(case: Case) -> set[Group]:
    """Return by what the calls of a case are found in the ledger."""
    return {row.group for row in case.ledger_rows}


def _but(key: CellKey, apart: tuple[str, ...]) -> tuple[object, ...]:
    return cast("tuple[object, ...]", _all_but(apart)(key))


@lru_cache(maxsize=64)
def _all_but(apart: tuple[str, ...]) -> attrgetter[object]:
    return attrgetter(*(name for name in _COMPARED if name not in apart))


def _is_compatible(one: CellKey, other: CellKey, names: Iterable[str]) -> bool:
    return all(
        getattr(one, name) is None
        or getattr(other, name) is None
        or getattr(one, name) == getattr(other, name)
        for name in names
    )
