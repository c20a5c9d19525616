"""Routes: a class of task and a model, with what their attempts and calls tell; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import NamedTuple

from spanledger_analytics.routing.intervals import Interval, newcombe, tries_needed

FEW = 20
"""With fewer attempts that ended than this, on either side, nothing is said of success."""
MARGIN = 0.03
"""How much worse counts as not worse (3 percentage points)."""
NOT_WORSE, WORSE, OPEN, TOO_FEW, BASELINE = VERDICTS = (
    "not worse", "worse", "not decided", "too few tasks", "baseline",
)  # fmt: skip

_EXACT = Context(prec=60)


class Retry(NamedTuple):
    """How often the next attempt at the same task went to a model, and completed it there."""

    model: str
    number: int
    completed: int


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts at tasks of one class whose cost was mainly of one model; as routing_attempts."""

    task_class: str
    model: str
    agent_name: str = ""
    attempts: int = 0
    completed: int = 0
    failed: int = 0
    escalated: int = 0
    abandoned: int = 0
    unended: int = 0
    unpriced_calls: int = 0
    cost_usd: Decimal = Decimal(0)
    p50_ns: float | None = None
    p95_ns: float | None = None
    retries: tuple[Retry, ...] = ()

    @property
    def ended(self) -> int:
        """Attempts whose end is known."""
        return self.attempts - self.unended


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one class, provider and model; as routing_calls."""

    task_class: str
    provider: str
    model: str
    calls: int = 0
    errors: int = 0
    priced_calls: int = 0
    unpriced_calls: int = 0
    calls_without_usage: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    total_cost_usd: Decimal = Decimal(0)
    p50_ns: float | None = None
    p95_ns: float | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A class of task and a model.

    Attributes:
        provider: that was paid most for the model in the class; empty: not known.
        on_stronger: next attempts at the same task that went to a dearer model.
    """

    task_class: str
    model: str
    provider: str
    attempts: Attempts
    calls: Sequence[Calls]
    on_stronger: int = 0

    @property
    def call_count(self) -> int:
        """Calls of the model in the class."""
        return sum(one.calls for one in self.calls)

    @property
    def calls_usd(self) -> Decimal:
        """What they cost."""
        return sum((one.total_cost_usd for one in self.calls), Decimal(0))

    @property
    def priced_calls(self) -> int:
        """Calls whose cost is known."""
        return sum(one.priced_calls for one in self.calls)

    @property
    def usd_per_call(self) -> Decimal | None:
        """Mean cost of a call; None: of no call it is known."""
        return _over(self.calls_usd, self.priced_calls)

    @property
    def usd_per_attempt(self) -> Decimal | None:
        """Mean cost of an attempt, tools and everything else in it; None: there was none."""
        return _over(self.attempts.cost_usd, self.attempts.attempts)

    @property
    def usd_per_completed(self) -> Decimal | None:
        """What all attempts cost, over those that completed a task; None: none did."""
        return _over(self.attempts.cost_usd, self.attempts.completed)

    @property
    def p50_ns(self) -> float | None:
        """Median duration of a call at the provider paid most."""
        return next((c.p50_ns for c in self.calls if c.provider == self.provider), None)

    @property
    def success(self) -> float | None:
        """Share of completed among the attempts that ended."""
        return self.attempts.completed / self.attempts.ended if self.attempts.ended else None


@dataclass(frozen=True, slots=True)
class Fit:
    """How the success of a route compares with that of the baseline of its class.

    Attributes:
        difference: share minus that of the baseline, and its interval; None: too few tasks.
        needed: about how many ended attempts on each side would decide it.
    """

    verdict: str
    difference: float | None = None
    interval: Interval | None = None
    needed: int = 0


def routes_of(attempts: Iterable[Attempts], calls: Iterable[Calls]) -> list[Route]:
    """Return the routes, those with most attempts first, then the dearest.

    ``on_stronger`` is not told yet: it needs prices.
    """
    ended = {(one.task_class, one.model): one for one in attempts}
    called: dict[tuple[str, str], list[Calls]] = {}
    for one in calls:
        called.setdefault((one.task_class, one.model), []).append(one)
    found: list[Route] = []
    for key in dict.fromkeys((*ended, *called)):
        own = sorted(called.get(key, ()), key=lambda c: (-c.total_cost_usd, -c.calls, c.provider))
        provider = own[0].provider if own else ""
        found.append(Route(*key, provider, ended.get(key, Attempts(*key)), own))
    found.sort(key=lambda r: (-r.attempts.attempts, -r.calls_usd, r.task_class, r.model))
    return found


def baseline_of(routes: Sequence[Route]) -> Route | None:
    """Return the route of a class that others are compared with: that with most ended attempts.

    None: no attempt of the class ended.
    """
    ended = [route for route in routes if route.attempts.ended]
    return max(ended, key=lambda r: (r.attempts.ended, r.attempts.completed), default=None)


def fit_of(route: Route, baseline: Route | None) -> Fit:
    """Return whether a route succeeds as often as the baseline, as far as numbers can tell."""
    if baseline is None:
        return Fit(TOO_FEW)
    if route is baseline:
        return Fit(BASELINE)
    one, other = route.attempts, baseline.attempts
    needed = tries_needed(other.completed / other.ended, MARGIN)
    if min(one.ended, other.ended) < FEW:
        return Fit(TOO_FEW, needed=needed)
    interval = newcombe(one.completed, one.ended, other.completed, other.ended)
    difference = one.completed / one.ended - other.completed / other.ended
    if interval.low > -MARGIN:
        verdict = NOT_WORSE
    else:
        verdict = WORSE if interval.high < 0 else OPEN
    return Fit(verdict, difference, interval, needed)


def _over(amount: Decimal, count: int) -> Decimal | None:
    return _EXACT.divide(amount, Decimal(count)) if count > 0 else None
