"""Differences planted between what happened and what the ledger or the provider says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from benchmarks.provider_calls import CLASSES, Calls, Lane, Planned, tokens_of, with_tokens
from spanledger_analytics.reconciliation.result import Cause
from spanledger_analytics.tokens import Tokens


@dataclass(slots=True)
class Day:
    """One provider's day: its calls, and what its reports say besides.

    Attributes:
        extra: dollars of lines that are no usage, by cause.
        searches: web searches charged by scope, of which the ledger knows nothing.
        is_rounded: whether amounts are rounded to whole cents.
        rate: by which everything charged for the day is multiplied.
        rate_cause: why.
    """

    provider: str
    day: date
    calls: list[Planned]
    extra: dict[Cause, Decimal] = field(default_factory=dict[Cause, Decimal])
    searches: dict[str, int] = field(default_factory=dict[str, int])
    is_rounded: bool = False
    rate: Decimal = Decimal(1)
    rate_cause: Cause | None = None
    causes: list[Cause] = field(default_factory=list[Cause])

    def free(self, lane: Lane | None = None) -> list[Planned]:
        """Return the calls nothing was planted on."""
        return [one for one in self.calls if one.cause is None and lane in (None, one.lane)]


Plant = Callable[[Day, Lane, Calls], None]


def _some(day: Day, lane: Lane, calls: Calls, cause: Cause) -> list[Planned]:
    found = day.free(lane)
    chosen = calls.random.sample(found, min(3, len(found)))
    for one in chosen:
        one.cause = cause
    return chosen


def _lane(day: Day, lane: Lane, cause: Cause) -> list[Planned]:
    """Return all calls of a lane; those that something was planted on keep it."""
    found = day.free(lane)
    for one in found:
        one.cause = cause
    return found


def not_reported(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant calls of a tier the cost report lacks."""
    for one in _some(day, lane, calls, Cause.NOT_REPORTED):
        one.true = one.true._replace(service_tier="priority")
        one.told, one.is_charged = [one.true], False


def unpriced(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant calls of a model the price book lacks."""
    strange = lane._replace(model="gpt-9-preview" if lane.provider == "openai" else "claude-nova-9")
    prices = {"uncached": "4", "cache_read": "0.4", "cache_write_5m": "5", "output": "20"}
    for second in (40_000, 50_000, 60_000):
        one = calls.one(strange, day.day, second)
        one.cause = Cause.UNPRICED
        one.rates = {name: Decimal(text) for name, text in prices.items()}
        day.calls.append(one)


def tax(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant a line of tax."""
    day.extra[Cause.TAX] = Decimal("12.35")


def credit(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant a credit."""
    day.extra[Cause.CREDIT] = Decimal("-7.5")


def discount(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant a discount: of its own, or in every line."""
    if day.provider == "gcp.vertex_ai":
        day.extra[Cause.DISCOUNT] = Decimal("-3.21")
        return
    day.rate, day.rate_cause = Decimal("0.9"), Cause.DISCOUNT


def currency(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant another exchange rate."""
    day.rate, day.rate_cause = Decimal("1.03"), Cause.CURRENCY


def tool_fees(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant web searches that no span told of."""
    day.searches[lane.scope] = 320


def double_counted(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant calls a gateway told of a second time."""
    for one in _some(day, lane, calls, Cause.DOUBLE_COUNTED):
        other = calls.entry(lane, one.true.time_ns + 5 * 10**7, tokens_of(one.true))
        is_told = calls.random.random() < 0.5
        other = other._replace(
            service_name="gateway", dialects=("gateway",),
            response_id=one.true.response_id if is_told else "",
        )  # fmt: skip
        one.told = [one.true, other]


def day_boundary(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant a call over midnight."""
    one = calls.one(lane, day.day, 86_398)
    one.cause = Cause.DAY_BOUNDARY
    one.true = one.true._replace(duration_ns=5 * 10**9)
    one.told, one.day = [one.true], day.day + timedelta(days=1)
    day.calls.append(one)


def alias(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant another name of the model."""
    for one in _lane(day, lane, Cause.ALIAS):
        one.reported_model = "house-model-a"


def batch_or_tier(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant calls billed as a batch."""
    for one in _some(day, lane, calls, Cause.BATCH_OR_TIER):
        one.told = [one.true]
        one.true = one.true._replace(service_tier="batch")


def long_context(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant a request of a size that costs more."""
    one = calls.one(lane, day.day, 70_000)
    tokens = tokens_of(one.true)
    more = 260_000
    one.true = with_tokens(one.true, tokens._replace(input=(tokens.input or 0) + more))
    one.cause, one.told, one.is_long = Cause.LONG_CONTEXT, [one.true], True
    up, half_more = Fraction(2), Fraction(3, 2)
    if lane.provider == "gcp.vertex_ai":  # the book has the tier, the provider does not charge it
        up, half_more = 1 / up, 1 / half_more
    one.factors = {name: half_more if name == "output" else up for name in CLASSES}
    day.calls.append(one)


def geo(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant calls in a region that costs more."""
    for one in _some(day, lane, calls, Cause.GEO):
        one.geo, one.factors = "us", dict.fromkeys(CLASSES, Fraction(11, 10))


def peak_hours(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant calls whose hour the book takes for dear."""
    for second in (2 * 3_600, 7 * 3_600):
        one = calls.one(lane, day.day, second)  # the book knows hours, and no days of the week
        one.cause, one.factors = Cause.PEAK_HOURS, dict.fromkeys(CLASSES, Fraction(1, 2))
        day.calls.append(one)


def cache_lifetime(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant cache writes for an hour."""
    for one in _some(day, lane, calls, Cause.CACHE_LIFETIME):
        tokens = tokens_of(one.true)
        hour = tokens._replace(cache_write_5m=None, cache_write_1h=tokens.cache_write)
        one.true = with_tokens(one.true, hour)


def input_convention(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant cached tokens told as plain input."""
    for one in _lane(day, lane, Cause.INPUT_CONVENTION):
        tokens = tokens_of(one.true)
        if lane.has_writes:  # a wrong sum: cached tokens are counted in the input once more
            wrong = tokens._replace(input=(tokens.input or 0) + (tokens.cache_read or 0))
        else:
            wrong = tokens._replace(cache_read=None)
        one.told = [with_tokens(one.true, wrong)]


def missing_usage(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant calls without usage."""
    for one in _some(day, lane, calls, Cause.MISSING_USAGE):
        one.told = [with_tokens(one.true, Tokens())._replace(status="error")]


def hidden_retries(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant attempts that were repeated."""
    for one in _some(day, lane, calls, Cause.HIDDEN_RETRIES):
        one.told = [one.true._replace(attempts=2)]
        one.requests = 2
        tokens = tokens_of(one.true)
        twice = Tokens._make(None if value is None else 2 * value for value in tokens)
        one.true = with_tokens(one.true, twice)


def hidden_tokens(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant tokens the usage leaves out."""
    for one in _some(day, lane, calls, Cause.HIDDEN_TOKENS):
        tokens = tokens_of(one.true)
        one.true = with_tokens(one.true, tokens._replace(output=(tokens.output or 0) + 1_234))


def other_traffic(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant calls of a key that sends nothing."""
    scope = "" if lane.provider == "anthropic" else "someone-elses"
    strange = lane._replace(scope=scope, key="" if lane.provider == "anthropic" else "strange")
    for second in (41_000, 51_000):
        one = calls.one(strange, day.day, second)
        one.cause, one.told = Cause.OTHER_TRAFFIC, []
        day.calls.append(one)


def missing_telemetry(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant calls nobody told of."""
    for one in _some(day, lane, calls, Cause.MISSING_TELEMETRY):
        one.told = []


def price_book(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant a line at another price."""
    for one in _lane(day, lane, Cause.PRICE_BOOK):
        one.factors = {"output": Fraction(107, 100)}


def rounding(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant amounts in whole cents."""
    day.is_rounded = True


def unmapped(day: Day, lane: Lane, calls: Calls) -> None:
    """Plant a line nobody knows."""
    day.extra[Cause.UNMAPPED] = Decimal("4.2")


_BIG = ("openai", "anthropic")
_TOKENS = (*_BIG, "gcp.vertex_ai", "deepseek")
PLANTS: dict[Cause, tuple[Plant, Sequence[str]]] = {
    Cause.NOT_REPORTED: (not_reported, ("anthropic",)),
    Cause.UNPRICED: (unpriced, _BIG),
    Cause.TAX: (tax, ("gcp.vertex_ai",)),
    Cause.CREDIT: (credit, ("gcp.vertex_ai",)),
    Cause.DISCOUNT: (discount, ("gcp.vertex_ai", "anthropic")),
    Cause.CURRENCY: (currency, ("deepseek",)),
    Cause.TOOL_FEES: (tool_fees, _BIG),
    Cause.DOUBLE_COUNTED: (double_counted, _TOKENS),
    Cause.DAY_BOUNDARY: (day_boundary, _TOKENS),
    Cause.ALIAS: (alias, _BIG),
    Cause.BATCH_OR_TIER: (batch_or_tier, _BIG),
    Cause.LONG_CONTEXT: (long_context, ("anthropic",)),
    Cause.GEO: (geo, ("anthropic",)),
    Cause.PEAK_HOURS: (peak_hours, ("deepseek",)),
    Cause.CACHE_LIFETIME: (cache_lifetime, ("anthropic",)),
    Cause.INPUT_CONVENTION: (input_convention, _BIG),
    Cause.MISSING_USAGE: (missing_usage, _BIG),
    Cause.HIDDEN_RETRIES: (hidden_retries, _BIG),
    Cause.HIDDEN_TOKENS: (hidden_tokens, _BIG),
    Cause.OTHER_TRAFFIC: (other_traffic, _BIG),
    Cause.MISSING_TELEMETRY: (missing_telemetry, _TOKENS),
    Cause.PRICE_BOOK: (price_book, _TOKENS),
    Cause.ROUNDING: (rounding, ("anthropic",)),
    Cause.UNMAPPED: (unmapped, ("openai",)),
}
"""How each cause is planted, and at which providers it happens."""


def can_plant(cause: Cause, day: Day) -> bool:
    """Return whether a cause happens at a provider on a day: peak hours are told on weekends."""
    is_weekend = day.day.weekday() >= 5
    return day.provider in PLANTS[cause][1] and (cause is not Cause.PEAK_HOURS or is_weekend)


def plant(day: Day, causes: Iterable[Cause], lanes: Sequence[Lane], calls: Calls) -> None:
    """Plant causes on a provider's day, each in a lane of it."""
    mine = [lane for lane in lanes if lane.provider == day.provider]
    for cause in sorted(causes, key=lambda one: one is not Cause.INPUT_CONVENTION):
        lane = calls.random.choice(mine)
        PLANTS[cause][0](day, lane, calls)
        if cause is Cause.INPUT_CONVENTION:
            # What of a missing call was cached nobody could tell there: a lane of its own.
            mine.remove(lane)
        day.causes.append(cause)
