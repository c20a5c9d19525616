"""Reconciles days: the ledger against what providers report, day by day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from itertools import chain

from spanledger_analytics._rows import without_collection
from spanledger_analytics.invoices.line import Dataset
from spanledger_analytics.invoices.reading import current_lines, sources
from spanledger_analytics.invoices.rules import Rules, rules_of
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.store import load_overrides
from spanledger_analytics.reconciliation.bill_side import NO_USAGE, Bills, Unit, without_usage
from spanledger_analytics.reconciliation.calls import CallFinder
from spanledger_analytics.reconciliation.case import Case
from spanledger_analytics.reconciliation.causes import explain
from spanledger_analytics.reconciliation.causes.peak_hours import PEAKS
from spanledger_analytics.reconciliation.cells import cell_of
from spanledger_analytics.reconciliation.habits import Habits
from spanledger_analytics.reconciliation.invoice_totals import write_invoices
from spanledger_analytics.reconciliation.ledger_side import (
    DimensionRule,
    LedgerRow,
    day_of,
    provider_id,
    read_ledger,
)
from spanledger_analytics.reconciliation.match import match
from spanledger_analytics.reconciliation.material import Material, Seen, seen_of
from spanledger_analytics.reconciliation.result import Cell, Reconciliation
from spanledger_analytics.reconciliation.settings import tolerance_of
from spanledger_analytics.reconciliation.tolerance import Tolerance
from spanledger_analytics.reconciliation.writing import write_cells
from spanledger_storage.invoice_state import InvoiceState
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Means:
    """What reconciling needs beside the days.

    Attributes:
        store: the telemetry store.
        project: whose ledger and bills.
        book: prices.
        rules: what users say of lines.
        dimensions: which dimension of the ledger means which scope or key of a provider.
        tolerance: how much does not matter.
    """

    store: Store
    project: str
    book: PriceBook
    rules: Rules = field(default_factory=Rules)
    dimensions: Sequence[DimensionRule] = ()
    tolerance: Tolerance = Tolerance()


def means_of(
    store: Store, state: StateEngine, project: str, book: PriceBook | None = None
) -> Means:
    """Return what reconciling a project needs, as users have set it.

    Raises:
        StateError: the state database does not answer.
    """
    return Means(
        store,
        project,
        book or PriceBook.bundled(load_overrides(state)),
        rules_of(state, project),
        dimension_rules(state, project),
        tolerance_of(state, project),
    )


def dimension_rules(state: StateEngine, project: str) -> list[DimensionRule]:
    """Return which dimension of the ledger means which scope or key, as mappings say.

    Raises:
        StateError: the state database does not answer.
    """
    found: list[DimensionRule] = []
    for row in InvoiceState(state).mappings(project):
        name, _, value = row.target.get("dimension", "").partition("=")
        if name and row.kind == "scope":
            found.append(DimensionRule(name, value, scope=row.pattern))
        elif name and row.kind == "api_key":
            found.append(DimensionRule(name, value, api_key=row.pattern))
    return found


def reconcile(
    store: Store, state: StateEngine, project: str, first_day: date, last_day: date, now_ns: int
) -> Reconciliation:
    """Compare some days, both inclusive, write their cells and return them.

    Running it again writes nothing.

    Raises:
        StateError: the state database does not answer.
        StoreError: the store refused or did not answer; running again is safe.
    """
    means = means_of(store, state, project)
    cells = [
        cell for _, found in reconciled_days(means, first_day, last_day, now_ns) for cell in found
    ]
    invoices = write_invoices(store, project, means.rules, (first_day, last_day), now_ns)
    cells += [cell for cell in invoices if first_day <= cell.key.day <= last_day]
    return Reconciliation(project, first_day, last_day, cells)


def reconciled_days(
    means: Means, first_day: date, last_day: date, now_ns: int
) -> Iterator[tuple[date, list[Cell]]]:
    """Compare days one after the other, write each and return it; no more than four in memory."""
    for day, cells in compare(means, first_day, last_day):
        write_cells(means.store, means.project, day, cells, now_ns)
        yield day, cells


def compare(means: Means, first_day: date, last_day: date) -> Iterator[tuple[date, list[Cell]]]:
    """Compare days and return their cells, by provider and size of difference; write nothing."""
    if first_day > last_day:
        return
    habits = Habits(means.store, means.project, first_day)
    read = _read_ahead(means, first_day - _DAY, last_day + _DAY)
    before, here = next(read), next(read)
    for number, after in enumerate(read):
        with without_collection():
            found = [cell for cells in _cells(means, habits, before, here, after) for cell in cells]
        yield first_day + number * _DAY, found
        before, here = here, after


def _read_ahead(means: Means, first: date, last: date) -> Iterator[_Day]:
    """Return days in their order; the engine is asked for the next while one is looked at."""
    places = means.rules.places(means.project)
    told = {one.day for place in places for one in sources(means.store, place, first, last)}
    days = [first + number * _DAY for number in range((last - first).days + 1)]
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(_read, means, days[0], is_told=days[0] in told)
        for day in days[1:]:
            read = coming.result()
            coming = reader.submit(_read, means, day, is_told=day in told)
            yield read
        yield coming.result()


@dataclass(slots=True)
class _Day:
    """A day of all providers: what is compared, and what the ledger has of each."""

    units: list[Unit]
    cases: dict[str, list[Case]]
    ledger: dict[str, list[LedgerRow]]

    def of(self, unit: Unit) -> list[Case]:
        """Return the cases of a unit's provider, where days are compared one by one."""
        same = [one for one in self.units if one.provider_id == unit.provider_id]
        is_alone = all(one.first == one.last for one in (unit, *same))
        return self.cases.get(unit.provider_id, []) if is_alone else []


def _read(means: Means, day: date, *, is_told: bool) -> _Day:
    """Return a day; of one that no report tells of there is nothing to compare."""
    if not is_told:
        return _Day([], {}, {})
    with without_collection():
        return _read_day(means, day)


def _read_day(means: Means, day: date) -> _Day:
    bills = Bills()
    for line in current_lines(means.store, means.project, day, day, rules=means.rules):
        bills.add(line)
    for source in sources(means.store, means.project, day, day):
        if not source.stands_back_behind:
            bills.cover(source.provider, day, source.dataset)
    units = [without_usage(unit) if _is_told_daily(means, unit) else unit for unit in bills.units()]
    number = day_of(day)
    ledger = _ledger(means, number, number) if units else {}
    cases = {unit.provider_id: _matched(means, unit, ledger) for unit in units}
    return _Day(units, cases, ledger)


def _is_told_daily(means: Means, unit: Unit) -> bool:
    """Return whether daily reports tell of days of a longer unit after its first."""
    if unit.first == unit.last or not (unit.billed or unit.usage):
        return False
    days = unit.first + _DAY, unit.last
    told: set[tuple[date, Dataset]] = set()
    for line in current_lines(means.store, means.project, *days, unit.provider, rules=means.rules):
        if line.day == line.last_day and line.token_class not in NO_USAGE:
            return True
        told.add((line.day, line.dataset))
    return any(
        provider_id(source.provider) == unit.provider_id
        and not source.stands_back_behind
        and (source.day, source.dataset) not in told
        for source in sources(means.store, means.project, *days)
    )


def _matched(means: Means, unit: Unit, ledger: Mapping[str, list[LedgerRow]]) -> list[Case]:
    if unit.first != unit.last and (unit.billed or unit.usage):
        ledger = _ledger(means, day_of(unit.first), day_of(unit.last))
    has_usage = unit.first == unit.last or unit.billed or unit.usage
    return match(unit, ledger.get(unit.provider_id, []) if has_usage else [])


def _ledger(means: Means, first: int, last: int) -> dict[str, list[LedgerRow]]:
    found: defaultdict[str, list[LedgerRow]] = defaultdict(list)
    for row in read_ledger(means.store, means.project, first, last, means.dimensions):
        found[row.names.provider_id].append(row)
    return found


def _cells(
    means: Means, habits: Habits, before: _Day, here: _Day, after: _Day
) -> Iterator[list[Cell]]:
    for unit in here.units:
        cases = here.cases[unit.provider_id]
        finder = CallFinder(means.store, means.project, unit, means.dimensions)
        has_peaks = unit.provider_id in PEAKS
        material = Material(
            unit, cases, before.of(unit), after.of(unit), _seen(unit, cases, before, here, after),
            means.book, finder.doubles, finder.peaks if has_peaks else dict,
            partial(habits.goes_by_end, unit.provider_id),
        )  # fmt: skip
        explain(cases, material)
        evidence = finder.evidence(cases)
        is_final = _is_final(unit)
        found = [
            (
                case,
                cell_of(
                    means.project, case, means.tolerance, evidence.get(id(case), ()),
                    is_final=is_final,
                ),
            )
            for case in cases
        ]  # fmt: skip
        found.sort(key=lambda one: (-abs(one[0].variance), one[1].cell_id))
        cells = [cell for _, cell in found]
        habits.learn(unit.provider_id, cells)
        yield cells


def _seen(unit: Unit, cases: Iterable[Case], *days: _Day) -> Seen:
    beside = (row for day in days for row in day.ledger.get(unit.provider_id, ()))
    return seen_of(chain(beside, (row for case in cases for row in case.ledger_rows)))


def _is_final(unit: Unit) -> bool:
    rows: Iterable[bool] = [row.is_final for row in (*unit.billed, *unit.other)]
    return bool(unit.billed) and not unit.is_derived and all(rows)
