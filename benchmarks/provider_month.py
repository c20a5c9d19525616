"""A month of an organisation, its providers' reports, and what is different between them.

What was planted is known to the cent, so that what is found can be judged: is the cause named, are
its dollars exact, and is anything else named with confidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import NamedTuple

from benchmarks.provider_calls import CLASSES, FIRST_DAY, LANES, Calls
from benchmarks.provider_plants import PLANTS, Day, can_plant, plant
from benchmarks.provider_reports import CNY_USD, Use, use_of, write_reports
from benchmarks.reconciliation_store import PROJECT, put_calls, put_file
from spanledger_analytics.entries import Entry
from spanledger_analytics.entry_prices import price_entries
from spanledger_analytics.invoices.money import ExchangeRates
from spanledger_analytics.invoices.rules import Rules
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.reconciliation.models import plain_name
from spanledger_analytics.reconciliation.result import Cause, Cell
from spanledger_analytics.reconciliation.run import Means, reconciled_days
from spanledger_storage.price_state import ExchangeRateRow
from spanledger_storage.store import Store

_NEAR = Decimal("0.0000005")  # finer than any report writes its amounts
_WRITES = {"cache_write_5m": "cache_write", "cache_write_1h": "cache_write"}
_LINES = {
    Cause.TAX: "tax", Cause.CREDIT: "credit", Cause.DISCOUNT: "discount",
    Cause.UNMAPPED: "unmapped",
}  # fmt: skip


class Item(NamedTuple):
    """Where a difference is, and why."""

    day: date
    provider: str
    model: str
    token_class: str
    cause: Cause


@dataclass(slots=True)
class Score:
    """How well planted differences were found.

    Attributes:
        planted: by cause.
        found: with the cause named.
        exact: with its dollars to the last digit reports have.
        wrong: shares named with high confidence of which nothing was planted there.
        inexact_sums: cells whose causes do not add up to their difference.
        misses: what was not found, or not exactly: item, planted and found dollars.
    """

    planted: dict[Cause, int] = field(default_factory=lambda: defaultdict(int))
    found: dict[Cause, int] = field(default_factory=lambda: defaultdict(int))
    exact: dict[Cause, int] = field(default_factory=lambda: defaultdict(int))
    wrong: list[tuple[Item, Decimal]] = field(default_factory=list[tuple[Item, Decimal]])
    inexact_sums: int = 0
    misses: list[tuple[Item, Decimal, Decimal]] = field(
        default_factory=list[tuple[Item, Decimal, Decimal]]
    )

    def ratio(self, counts: dict[Cause, int]) -> float:
        """Return a share of all that was planted."""
        return sum(counts.values()) / max(1, sum(self.planted.values()))


def single_days(seed: int, days: int) -> tuple[list[Day], Calls]:
    """Return days of every provider with one cause each, and quiet days between them."""
    calls = Calls(seed)
    world = quiet_days(calls, days)
    slots = {
        provider: [day for day in world if day.provider == provider and day.day.day % 2 == 0]
        for provider in {day.provider for day in world}
    }
    for cause, (_, providers) in PLANTS.items():
        for provider in providers:
            fitting = [day for day in slots[provider] if can_plant(cause, day)]
            if fitting:
                slots[provider].remove(fitting[0])
                plant(fitting[0], [cause], LANES, calls)
    return world, calls


def mixed_days(seed: int, days: int, causes_per_day: int = 3) -> tuple[list[Day], Calls]:
    """Return days of every provider with several causes on nearly every one."""
    calls = Calls(seed)
    world = quiet_days(calls, days)
    last = max(day.day for day in world)
    for day in (one for one in world if one.day < last):
        possible = [cause for cause in PLANTS if can_plant(cause, day)]
        number = min(len(possible), calls.random.randint(1, causes_per_day))
        plant(day, calls.random.sample(possible, number), LANES, calls)
    return world, calls


def quiet_days(calls: Calls, days: int) -> list[Day]:
    """Return days of every provider on which all agrees."""
    providers = list(dict.fromkeys(lane.provider for lane in LANES))
    return [
        Day(
            provider,
            FIRST_DAY + timedelta(days=i),
            [
                one
                for lane in LANES
                if lane.provider == provider
                for one in calls.day(lane, FIRST_DAY + timedelta(days=i))
            ],
        )
        for i in range(days)
        for provider in providers
    ]


def reconciled(
    store: Store, folder: Path, world: Sequence[Day], book: PriceBook
) -> tuple[list[Cell], dict[Item, Decimal]]:
    """Write, import and reconcile calls and reports; return the cells, and what was planted."""
    planned = [one for day in world for one in day.calls]
    true = price_entries([one.true for one in planned], [], book)
    rates = {(day.provider, day.day): day.rate for day in world}
    uses = [
        use_of(one, priced, rates.get((one.lane.provider, one.day), Decimal(1)))
        for one, priced in zip(planned, true, strict=True)
    ]
    told = put_calls(store, [entry for one in planned for entry in one.told], book, 1)
    by_id = {entry.entry_id: entry for entry in told}
    for number, path in enumerate(write_reports(folder, world, uses), 2):
        put_file(store, path, number)
    exchange = ExchangeRates([ExchangeRateRow(currency="CNY", usd=CNY_USD, effective_from_ns=0)])
    means = Means(store, PROJECT, book, Rules(rates=exchange))
    last = max(day.day for day in world)
    days = reconciled_days(means, FIRST_DAY, last, 10**18)
    cells = [cell for _, found in days for cell in found]
    return cells, _expected(world, uses, by_id)


def _expected(
    world: Sequence[Day], uses: Iterable[Use], ledger: dict[str, Entry]
) -> dict[Item, Decimal]:
    found: defaultdict[Item, Decimal] = defaultdict(Decimal)
    causes = {(day.provider, day.day): day.rate_cause for day in world}
    for use in uses:
        call = use.call
        whole = causes.get((call.lane.provider, call.day))
        for name in CLASSES if call.is_charged else ():
            # Of a model without a price in the ledger nobody can tell a discount.
            plain = use.usd[name] if call.rates else use.usd[name] / use.rate
            if whole is not None and not call.rates:
                item = _item(call.day, call.lane.provider, call.model, name, whole)
                found[item] += use.usd[name] - plain
            if call.cause is not None:
                item = _item(call.day, call.lane.provider, call.model, name, call.cause)
                found[item] += plain
        if call.cause is None:
            continue
        for entry in call.told:
            _subtract(found, entry, ledger[entry.entry_id], call.true.time_ns, call.cause)
    for day in world:
        for cause, usd in day.extra.items():
            model = (
                plain_name("gemini-2.5-flash") if cause in (Cause.CREDIT, Cause.DISCOUNT) else ""
            )
            found[Item(day.day, day.provider, model, _LINES[cause], cause)] += usd
        for number in day.searches.values():
            item = Item(day.day, day.provider, "", "web_search", Cause.TOOL_FEES)
            found[item] += number * Decimal("0.01")
    _add_rounding(found, world, uses)
    return {item: usd for item, usd in found.items() if abs(usd) > _NEAR}


def _subtract(
    found: defaultdict[Item, Decimal], entry: Entry, priced: Entry, time_ns: int, cause: Cause
) -> None:
    day = date(1970, 1, 1) + timedelta(days=time_ns // (86_400 * 10**9))
    for name in ("uncached", "cache_read", "cache_write", "output"):
        usd = getattr(priced, f"{name}_cost_usd") or Decimal(0)
        found[_item(day, entry.provider, entry.model, name, cause)] -= usd


def _add_rounding(
    found: defaultdict[Item, Decimal], world: Sequence[Day], uses: Iterable[Use]
) -> None:
    """Add what rounding single lines to cents leaves, line by line as they are written."""
    rounded = {(day.provider, day.day) for day in world if day.is_rounded}
    lines: defaultdict[tuple[Item, object], Decimal] = defaultdict(Decimal)
    for use in uses:
        call = use.call
        if (call.lane.provider, call.day) in rounded and call.is_charged:
            dims = call.true.service_tier, call.is_long, call.geo, call.lane.scope
            for name in CLASSES:
                item = _item(call.day, call.lane.provider, call.model, name, Cause.ROUNDING)
                lines[item, (name, dims)] += use.usd[name]
    for (item, _), usd in lines.items():
        found[item] += usd.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN) - usd


def _item(day: date, provider: str, model: str, name: str, cause: Cause) -> Item:
    return Item(day, provider, plain_name(model), _WRITES.get(name, name), cause)


def judged(cells: Iterable[Cell], expected: dict[Item, Decimal]) -> Score:
    """Return how well what was planted was found."""
    score = Score()
    found: defaultdict[Item, Decimal] = defaultdict(Decimal)
    sure: defaultdict[Item, Decimal] = defaultdict(Decimal)
    for cell in cells:
        key = cell.key
        score.inexact_sums += sum((s.usd for s in cell.causes), Decimal(0)) != cell.variance_usd
        score.inexact_sums += cell.volume_usd + cell.price_usd != cell.variance_usd
        for share in cell.causes:
            item = Item(
                key.day, key.provider, plain_name(key.model or ""), key.token_class, share.cause
            )
            found[item] += share.usd
            if share.confidence == "high":
                sure[item] += share.usd
    for item, usd in expected.items():
        score.planted[item.cause] += 1
        score.found[item.cause] += item in found
        is_exact = abs(found.get(item, Decimal(0)) - usd) <= _NEAR
        score.exact[item.cause] += item in found and is_exact
        if not is_exact:
            score.misses.append((item, usd, found.get(item, Decimal(0))))
    score.wrong = [
        (item, usd) for item, usd in sure.items() if item not in expected and abs(usd) > _NEAR
    ]
    return score
