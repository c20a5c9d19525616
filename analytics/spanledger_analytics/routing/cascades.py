"""Cascades: a cheap model first, a dearer one where that did not do; what breaks even; pure.

With c1 for an attempt at the cheap model and c2 at the dear one, trying the cheap one first costs
c1 + p c2 on average, where p is the share of attempts that go on to the dear one. That is less than
c2 while p < 1 - c1 / c2 (Chen et al., FrugalGPT, arXiv 2305.05176, without a price for judging).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from spanledger_analytics.routing.intervals import Interval, wilson
from spanledger_analytics.routing.routes import FEW, Route

PAYS, LOSES, UNDECIDED, FEW_TASKS = "pays", "does not pay", "not decided", "too few tasks"

IsDearer = Callable[[Route, str, str], bool | None]
"""Whether the mix of tokens of a route costs more at a model (provider or '', model)."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """A cheap and a dear model in one class of task.

    Attributes:
        escalated: attempts at the cheap one whose task went on at the dear one.
        attempts: those that ended.
        completed: escalated ones that the dear one completed.
        cheap_usd, dear_usd: mean cost of an attempt.
    """

    task_class: str
    cheap: str
    dear: str
    escalated: int
    attempts: int
    completed: int
    cheap_usd: Decimal
    dear_usd: Decimal

    @property
    def rate(self) -> float:
        """Share of attempts that went on."""
        return self.escalated / self.attempts if self.attempts else 0.0

    @property
    def interval(self) -> Interval:
        """Bounds of the share, 95 %."""
        return wilson(self.escalated, self.attempts)

    @property
    def break_even(self) -> float:
        """The share below which trying the cheap one first costs less; below 0 it never does."""
        return float(1 - self.cheap_usd / self.dear_usd)

    @property
    def mean_usd(self) -> Decimal:
        """What a task costs on average when the cheap one is tried first."""
        if not self.attempts:
            return self.cheap_usd
        return self.cheap_usd + self.dear_usd * self.escalated / self.attempts

    @property
    def verdict(self) -> str:
        """Whether it pays; said only where the whole interval lies on one side."""
        if self.attempts < FEW:
            return FEW_TASKS
        if self.interval.high < self.break_even:
            return PAYS
        return LOSES if self.interval.low > self.break_even else UNDECIDED


def cascades_of(routes: Sequence[Route], is_dearer: IsDearer) -> list[Cascade]:
    """Return the cascades that were seen: attempts that went on to a dearer model.

    Whether a model is dearer is decided by prices on the same tokens; where they are not known, by
    what an attempt cost. The most attempts first.
    """
    by_name = {(route.task_class, route.model): route for route in routes}
    found: list[Cascade] = []
    for route in routes:
        for retry in route.attempts.retries:
            dear = by_name.get((route.task_class, retry.model))
            if dear is None or not _is_stronger(route, dear, is_dearer):
                continue
            cheap_usd, dear_usd = route.usd_per_attempt, dear.usd_per_attempt
            if cheap_usd is None or not dear_usd:
                continue
            found.append(
                Cascade(
                    task_class=route.task_class,
                    cheap=route.model,
                    dear=dear.model,
                    escalated=retry.number,
                    attempts=route.attempts.ended,
                    completed=retry.completed,
                    cheap_usd=cheap_usd,
                    dear_usd=dear_usd,
                )
            )
    return sorted(found, key=lambda c: (-c.attempts, c.task_class, c.cheap, c.dear))


def on_stronger(route: Route, routes: Iterable[Route], is_dearer: IsDearer) -> int:
    """Return how many next attempts at the same task went to a dearer model."""
    of_class = {one.model: one for one in routes if one.task_class == route.task_class}
    return sum(
        retry.number
        for retry in route.attempts.retries
        if retry.model in of_class and _is_stronger(route, of_class[retry.model], is_dearer)
    )


def _is_stronger(route: Route, other: Route, is_dearer: IsDearer) -> bool:
    if route.model == other.model:
        return False
    told = is_dearer(route, other.provider, other.model)
    if told is not None:
        return told
    own, its = route.usd_per_attempt, other.usd_per_attempt
    return own is not None and its is not None and its > own
