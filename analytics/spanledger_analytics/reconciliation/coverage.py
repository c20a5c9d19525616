"""How much of what a provider served is in the ledger: by key and day, from the cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.result import Cell

Measure = Literal["requests", "tokens", "usd"]
MEASURES: tuple[Measure, ...] = ("requests", "tokens", "usd")
"""The best one first: requests are what is seen or not; dollars also hold differences of price."""

_TOKENS = frozenset(
    {
        TokenClass.UNCACHED,
        TokenClass.CACHE_READ,
        TokenClass.CACHE_WRITE,
        TokenClass.CACHE_WRITE_5M,
        TokenClass.CACHE_WRITE_1H,
        TokenClass.OUTPUT,
        TokenClass.MODEL,
    }
)
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a provider's usage the ledger holds.

    Attributes:
        provider: as the ledger names it.
        scope: the provider's project, workspace or account; None: not told apart.
        api_key: id of the key; None: not told apart.
        day: None: all days.
        measure: what is counted: requests; tokens, where a report tells no requests; dollars,
            where it tells no quantities. One measure for all days of a provider.
        observed: of what the provider reports, what the ledger holds too.
        reported: what the provider reports.
        beyond: what the ledger holds beyond that, such as calls counted twice.
    """

    provider: str
    scope: str | None
    api_key: str | None
    day: date | None
    measure: Measure
    observed: Decimal
    reported: Decimal
    beyond: Decimal

    @property
    def share(self) -> Decimal | None:
        """The score, 0 to 1; None: the provider reports nothing."""
        return self.observed / self.reported if self.reported > 0 else None


def coverage_by_day(cells: Sequence[Cell]) -> list[Coverage]:
    """Return one row per provider, scope, key and day, in this order; empty without cells."""
    return _rows(cells, by_key=True, by_day=True)


def coverage_by_key(cells: Sequence[Cell]) -> list[Coverage]:
    """Return one row per provider, scope and key, over all days."""
    return _rows(cells, by_key=True, by_day=False)


def coverage_by_provider(cells: Sequence[Cell], *, by_day: bool = False) -> list[Coverage]:
    """Return one row per provider, over all keys, and over all days unless told otherwise."""
    return _rows(cells, by_key=False, by_day=by_day)


def _rows(cells: Sequence[Cell], *, by_key: bool, by_day: bool) -> list[Coverage]:
    measures = _measures(cells)
    sums: defaultdict[tuple[str, str | None, str | None, date | None], list[Decimal]]
    sums = defaultdict(lambda: [_NOTHING, _NOTHING, _NOTHING])
    for cell in cells:
        sides = _sides(cell, measures[cell.key.provider])
        if sides is None:
            continue
        key = cell.key
        scope, api_key = (key.scope, key.api_key) if by_key else (None, None)
        found = sums[key.provider, scope, api_key, key.day if by_day else None]
        ledger, reported = sides
        # Cell by cell: what one model has too much does not hide what another one lacks.
        found[0] += min(ledger, reported)
        found[1] += reported
        found[2] += max(ledger - reported, _NOTHING)
    return [
        Coverage(provider, scope, api_key, day, measures[provider], *totals)
        for (provider, scope, api_key, day), totals in sorted(sums.items(), key=_order)
    ]


def _order(item: tuple[tuple[str, str | None, str | None, date | None], object]) -> tuple[str, ...]:
    provider, scope, api_key, day = item[0]
    return provider, scope or "", api_key or "", day.isoformat() if day else ""


def _measures(cells: Iterable[Cell]) -> dict[str, Measure]:
    """Return by provider the best measure that every day with anything reported has."""
    days: defaultdict[str, defaultdict[Measure, set[date]]] = defaultdict(lambda: defaultdict(set))
    for cell in cells:
        found = days[cell.key.provider]
        for measure in MEASURES:
            sides = _sides(cell, measure)
            if sides is not None and sides[1] > 0:
                found[measure].add(cell.key.day)
    return {provider: _best(found) for provider, found in days.items()}


def _best(days: Mapping[Measure, set[date]]) -> Measure:
    every = set[date]().union(*days.values())
    for measure in MEASURES:
        if days.get(measure) and days[measure] >= every:
            return measure
    return "usd"


def _sides(cell: Cell, measure: Measure) -> tuple[Decimal, Decimal] | None:
    """Return what the ledger and the provider say, none below zero; None: nothing of this kind."""
    token_class = cell.key.token_class
    if token_class == TokenClass.INVOICE_TOTAL:
        return None
    if measure == "usd":
        sides: tuple[Decimal | None, Decimal | None] = cell.ledger_usd, cell.billed_usd
    elif (token_class == TokenClass.REQUESTS) == (measure == "requests") and (
        measure == "requests" or token_class in _TOKENS
    ):
        usage = cell.usage_quantity
        sides = cell.ledger_quantity, cell.billed_quantity if usage is None else usage
    else:
        return None
    ledger, reported = sides
    if reported is None:
        return None
    return max(ledger or _NOTHING, _NOTHING), max(reported, _NOTHING)
