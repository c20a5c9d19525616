"""Schedules and own rates as rows of a flat table."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from spanledger_analytics.price_book.overrides import FEES, TOKEN_CLASSES, Rate
from spanledger_analytics.price_book.rates import PICODOLLARS, FlatRate
from spanledger_analytics.price_book.schedule import Choice, Schedule

_PER_TOKENS, _PER_PIECES = 1_000_000, 1_000


class _Key(Protocol):
    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def service_tier(self) -> str: ...
    @property
    def region(self) -> str: ...


def flat_rates(schedule: Schedule, key: _Key, source: str, at_ns: int) -> Iterator[FlatRate]:
    """Return a schedule's rates at an instant.

    Of a tier or region, and of each larger size of request, only the classes that differ there.
    """
    prices = schedule.at(at_ns)
    smaller: dict[str, tuple[Choice, bool]] = {}
    for start, band in zip(prices.starts, prices.bands, strict=True):
        choices = schedule.choices(at_ns, start)
        for name in (*TOKEN_CLASSES, *FEES):
            if name not in choices or choices[name] == smaller.get(name):
                continue
            choice, is_of_tier = choices[name]
            if key.service_tier and not is_of_tier:
                continue
            if key.region and not (isinstance(choice, Rate) and choice.region):
                continue
            fields = (key.provider, key.model, key.region, key.service_tier, max(start, 0), name)
            yield _row(schedule, fields, choice, source, at_ns, band.price_id)
        smaller = choices


def own_row(rate: Rate) -> FlatRate:
    """Return an own rate that replaces nothing."""
    return FlatRate(
        rate.provider,
        rate.model,
        rate.region,
        rate.service_tier,
        rate.above_tokens,
        rate.token_class,
        rate.price,
        rate.per,
        rate.currency,
        rate.effective_from_ns,
        rate.effective_to_ns,
        f"own:{rate.id}",
        f"own:{rate.provider}/{rate.model}+own:{rate.id}",
    )


def _row(
    schedule: Schedule,
    fields: tuple[str, str, str, str, int, str],
    choice: Choice,
    source: str,
    at_ns: int,
    price_id: str,
) -> FlatRate:
    if isinstance(choice, Rate):
        period = choice.effective_from_ns, choice.effective_to_ns
        given = choice.price, choice.per, choice.currency
        return FlatRate(*fields, *given, *period, f"own:{choice.id}", price_id)
    per = _PER_PIECES if fields[-1] in FEES else _PER_TOKENS
    price = _decimal(choice * per / PICODOLLARS)
    return FlatRate(*fields, price, per, "USD", *schedule.period_ns(at_ns), source, price_id)


def _decimal(value: Fraction) -> Decimal:
    """Return a decimal fraction as it was written in the data."""
    return (Decimal(value.numerator) / Decimal(value.denominator)).normalize() + 0
