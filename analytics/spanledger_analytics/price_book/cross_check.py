"""Where the price data and another table disagree, and which reading applies.

Two tables of list prices that agree on most models disagree on the rest for a few systematic
reasons, which are told apart here. Disagreements are reported, never averaged: the price data (or
an own rate) are what the ledger uses.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from genai_prices.data_snapshot import get_snapshot

from spanledger_analytics.price_book.base import BaseData, BaseModel
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.lookup import KnownModel, hours_of_day, periods, rates_of
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_analytics.price_book.table import unit_price

Step = tuple[str, str, int]
"""Service tier, token class, and the input tokens above which the price holds."""
Steps = Mapping[Step, Fraction]
Change = tuple[Step, Fraction | None, Fraction | None]
"""A step, and its price in the price data and in the other table; None: none there."""

_APPLIES = "The price data apply unless own rates say otherwise."
_EXPLANATIONS = {
    "boundary": (
        "The prices are the same; one table says 'more than' and the other 'from' a size, so that "
        "only requests of exactly that size differ."
    ),
    "time of day": (
        "The provider charges by the time of day, and the other table has one of its prices alone."
    ),
    "regional": (
        "Bedrock's regional endpoints cost more than its global one, and each table has another. "
        "Where calls go to one with another price, set own rates with --region."
    ),
    "context tier": (
        "One table has a price for large requests where the other has none, often one that the "
        "provider gave up; its price page decides."
    ),
    "dated": "The other table has the prices of another date; each call has those of its own.",
    "seller": "The price data have no price list of this seller and take the model owner's.",
    "alias": "The name is an alias that the provider moves from model to model.",
    "rounding": "The prices differ by less than 1%: one of them is rounded or converted.",
    "other": "The provider's price page decides.",
}

_REGIONAL = Fraction(11, 10)
_NEAR_TOKENS = 1
# Names of Bedrock's inference profiles begin with where they run.
_GEOGRAPHY = re.compile(r"litellm:(?:bedrock/)?(?:us|us-gov|eu|apac|jp|au|ca|global)\.")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One model that two tables price differently.

    Attributes:
        provider: who sells it.
        model: its id in the price data.
        sources: entries of the other table that say the same.
        steps: what differs; a side that has no such step is None. Dollars per token.
        reading: the reason: boundary, time of day, regional, context tier, dated, seller, alias,
            rounding or other.
        explanation: which of the two applies, and what to do.
    """

    provider: str
    model: str
    sources: tuple[str, ...]
    steps: tuple[Change, ...]
    reading: str
    explanation: str


def cross_check(
    others: Iterable[FlatRate], at_ns: int, only: Collection[tuple[str, str]] | None = None
) -> tuple[list[Disagreement], int]:
    """Return where the price data and another table disagree, and how many entries agree.

    Compared are entries that the price data know too, in any region, class by class where both
    have one. ``only`` are owner and id of models in the price data to look at; None: all.
    """
    data, book = BaseData(get_snapshot()), PriceBook.bundled()
    sellers = {provider.id for provider in data.providers}
    theirs: defaultdict[tuple[str, str, str], list[FlatRate]] = defaultdict(list)
    for flat in others:
        if not flat.region and flat.provider in sellers:
            theirs[flat.provider, flat.model, flat.source].append(flat)
    grouped: dict[tuple[str, str, tuple[Change, ...]], Disagreement] = {}
    agreeing = 0
    for (provider, model, source), rates in sorted(theirs.items()):
        base = data.find(provider, model, "")
        if base is None or (only is not None and (base.owner, base.info.id) not in only):
            continue
        found = _Compared(book, base, at_ns).with_other(source, steps_of(rates))
        if found is None:
            agreeing += 1
            continue
        key = (found.provider, found.model, found.steps)
        known = grouped.get(key)
        grouped[key] = replace(known, sources=(*known.sources, source)) if known else found
    return list(grouped.values()), agreeing


def listed_names(models: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return owner and id in the price data of models on the wire, without unknown ones."""
    data = BaseData(get_snapshot())
    found = (data.find(provider, model, "") for provider, model in models)
    return {(base.owner, base.info.id) for base in found if base is not None}


def steps_of(rates: Iterable[FlatRate]) -> dict[Step, Fraction]:
    """Return the prices of one model, dollars per token."""
    return {
        (rate.service_tier, rate.token_class, rate.above_tokens): unit_price(rate)
        for rate in rates
        if rate.currency == "USD"
    }


class _Compared:
    """One model of the price data, to be compared at an instant."""

    def __init__(self, book: PriceBook, base: BaseModel, at_ns: int) -> None:
        self._book = book
        self._base = base
        self._known = KnownModel(base.owner, base.info.id, base.info.id, is_listed=True)
        self._at_ns = at_ns

    def with_other(self, source: str, theirs: Steps) -> Disagreement | None:
        """Return how the other table disagrees, None when it does not."""
        ours = steps_of(rates_of(self._book, self._known, self._at_ns))
        other_hour = self._other_hour(ours, theirs)
        changes = differing(other_hour or ours, theirs)
        if other_hour is None and not changes:
            return None
        reading = "time of day" if other_hour else self._reading(source, ours, theirs)
        explanation = _EXPLANATIONS[reading]
        return Disagreement(
            self._base.seller,
            self._base.info.id,
            (source,),
            tuple(changes),
            reading,
            f"{explanation} {_APPLIES}",
        )

    def _other_hour(self, ours: Steps, theirs: Steps) -> Steps | None:
        """Return our prices of an hour at which they differ from the other table's.

        None when the hour makes no difference, or the other table agrees with no hour.
        """
        if not self._base.times_of_day_ns():
            return None
        hours = [
            steps_of(hour.rates) for hour in hours_of_day(self._book, self._known, self._at_ns)
        ]
        unlike = [steps for steps in hours if differing(steps, theirs)]
        return unlike[0] if unlike and len(unlike) < len(hours) else None

    def _reading(self, source: str, ours: Steps, theirs: Steps) -> str:
        changes = differing(ours, theirs)
        if not differing(_on_boundaries_of(theirs, ours), theirs):
            return "boundary"
        ratios = {mine / other for _, mine, other in changes if mine and other}
        is_tenth = ratios in ({_REGIONAL}, {1 / _REGIONAL})
        if self._base.owner == "aws" and (is_tenth or _GEOGRAPHY.match(source)):
            return "regional"
        if self._base.seller != self._base.owner:
            return "seller"
        if all(mine is None or other is None for _, mine, other in changes):
            return "context tier"
        if any(
            not differing(steps_of(period.rates), theirs)
            for period in periods(self._book, self._known, self._at_ns)
        ):
            return "dated"
        if source.endswith("latest"):
            return "alias"
        return "rounding" if all(_is_near(mine, other) for _, mine, other in changes) else "other"


def differing(ours: Steps, theirs: Steps) -> list[tuple[Step, Fraction | None, Fraction | None]]:
    """Return the steps of classes and tiers that both have, where they differ."""
    both = {step[:2] for step in ours} & {step[:2] for step in theirs}
    return [
        (step, ours.get(step), theirs.get(step))
        for step in sorted(ours.keys() | theirs.keys())
        if step[:2] in both and ours.get(step) != theirs.get(step)
    ]


def _on_boundaries_of(theirs: Steps, ours: Steps) -> Steps:
    """Return our steps with sizes that differ by one token moved to the other table's."""
    sizes = {above for _, _, above in theirs}

    def moved(above: int) -> int:
        near = (size for size in sizes if above and abs(size - above) <= _NEAR_TOKENS)
        return next(near, above)

    return {(tier, name, moved(above)): price for (tier, name, above), price in ours.items()}


def _is_near(mine: Fraction | None, other: Fraction | None) -> bool:
    return mine is not None and other is not None and abs(mine - other) * 100 <= max(mine, other)
