"""Sums over cells: totals, causes, groups, finality. Exact, and pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TypeVar

from spanledger_analytics.invoices.reports import month_of
from spanledger_analytics.reconciliation.days import Days
from spanledger_analytics.reconciliation.pico import from_pico, to_pico
from spanledger_analytics.reconciliation.report.model import (
    CauseTotal,
    Finality,
    GroupTotal,
    PeriodTotal,
    Totals,
)
from spanledger_analytics.reconciliation.result import Cause, Cell, CellKey
from spanledger_analytics.reconciliation.tolerance import Tolerance

_KeyT = TypeVar("_KeyT", bound=Hashable)
_ZERO = Decimal(0)


def totals_of(cells: Sequence[Cell]) -> Totals:
    """Return the answer; zeros without cells."""
    return Totals(
        billed_usd=_sum(cell.billed_usd for cell in cells),
        ledger_usd=_sum(cell.ledger_usd for cell in cells),
        variance_usd=_sum(cell.variance_usd for cell in cells),
        matched_usd=_sum(matched_usd(cell) for cell in cells),
        matched_share=matched_share(cells),
        unexplained_usd=_sum(unexplained_usd(cell) for cell in cells),
        unexplained_size_usd=_sum(abs(unexplained_usd(cell)) for cell in cells),
        cells=len(cells),
        cells_within_tolerance=sum(cell.is_within_tolerance for cell in cells),
        cells_final=sum(cell.is_final for cell in cells),
    )


def matched_usd(cell: Cell) -> Decimal:
    """Return the dollars on which both sides of a cell agree, never below zero."""
    ledger, billed = cell.ledger_usd, cell.billed_usd
    return min(abs(ledger), abs(billed)) if ledger * billed > 0 else _ZERO


def matched_share(cells: Iterable[Cell]) -> Decimal | None:
    """Return matched dollars as a share of those on either side; None: there are none."""
    matched = either = _ZERO
    for cell in cells:
        agreed = matched_usd(cell)
        matched += agreed
        either += abs(cell.ledger_usd) + abs(cell.billed_usd) - agreed
    return matched / either if either else None


def unexplained_usd(cell: Cell) -> Decimal:
    """Return what of a cell's difference has no cause: said to have none, or left over."""
    explained = _sum(share.usd for share in cell.causes if share.cause is not Cause.UNEXPLAINED)
    return cell.variance_usd - explained


def by_urgency(cells: Iterable[Cell]) -> list[Cell]:
    """Return cells with the largest unexplained difference first, then by size of difference."""
    return sorted(
        cells,
        key=lambda c: (-abs(unexplained_usd(c)), -abs(c.variance_usd), c.key.day, c.cell_id),
    )


def causes_of(cells: Iterable[Cell]) -> list[CauseTotal]:
    """Return what each cause explains, unexplained first; they add up to the difference."""
    found: dict[Cause, _CauseSum] = {}
    for cell in cells:
        for share in cell.causes:
            if share.cause is not Cause.UNEXPLAINED:
                one = found.setdefault(share.cause, _CauseSum())
                one.add(cell.cell_id, share.usd, share.confidence, share.evidence_count)
        if rest := unexplained_usd(cell):
            found.setdefault(Cause.UNEXPLAINED, _CauseSum()).add(cell.cell_id, rest, "low", 0)
    rows = [one.total(cause) for cause, one in found.items()]
    return sorted(rows, key=lambda r: (r.cause is not Cause.UNEXPLAINED, -r.size_usd, r.cause))


class _CauseSum:
    def __init__(self) -> None:
        self.usd = _ZERO
        self.sizes = {"high": _ZERO, "medium": _ZERO, "low": _ZERO}
        self.cells: set[str] = set()
        self.calls = 0

    def add(self, cell_id: str, usd: Decimal, confidence: str, calls: int) -> None:
        self.usd += usd
        self.sizes[confidence] += abs(usd)
        self.cells.add(cell_id)
        self.calls += calls

    def total(self, cause: Cause) -> CauseTotal:
        return CauseTotal(
            cause=cause,
            usd=self.usd,
            size_usd=_sum(self.sizes.values()),
            high_usd=self.sizes["high"],
            medium_usd=self.sizes["medium"],
            low_usd=self.sizes["low"],
            cells=len(self.cells),
            calls=self.calls,
        )


def by_provider(cells: Iterable[Cell]) -> list[GroupTotal]:
    """Return sums per provider, the largest difference first."""
    return _groups(cells, lambda key: (key.provider, None, None))


def by_scope(cells: Iterable[Cell]) -> list[GroupTotal]:
    """Return sums per project, workspace or account of a provider."""
    return _groups(cells, lambda key: (key.provider, key.scope, None))


def by_model(cells: Iterable[Cell]) -> list[GroupTotal]:
    """Return sums per model of a provider."""
    return _groups(cells, lambda key: (key.provider, None, key.model))


def _groups(
    cells: Iterable[Cell], key_of: Callable[[CellKey], tuple[str, str | None, str | None]]
) -> list[GroupTotal]:
    rows: list[GroupTotal] = []
    for (provider, scope, model), members in grouped(cells, lambda c: key_of(c.key)).items():
        sums = totals_of(members)
        rows.append(
            GroupTotal(
                provider=provider,
                scope=scope,
                model=model,
                billed_usd=sums.billed_usd,
                ledger_usd=sums.ledger_usd,
                variance_usd=sums.variance_usd,
                matched_share=sums.matched_share,
                unexplained_size_usd=sums.unexplained_size_usd,
                cells=sums.cells,
            )
        )
    return sorted(
        rows, key=lambda r: (-abs(r.variance_usd), r.provider, r.scope or "", r.model or "")
    )


def grouped(cells: Iterable[Cell], key: Callable[[Cell], _KeyT]) -> dict[_KeyT, list[Cell]]:
    """Return cells by a key, in the order of their first."""
    found: defaultdict[_KeyT, list[Cell]] = defaultdict(list)
    for cell in cells:
        found[key(cell)].append(cell)
    return dict(found)


def beyond_tolerance(cells: Iterable[Cell], days: Days, tolerance: Tolerance) -> list[PeriodTotal]:
    """Return whole months of a provider, then days, that differ by more than their tolerance.

    Each cell of theirs may be within its own: small differences add up.
    """
    by_day = grouped(cells, lambda c: (c.key.provider, c.key.day, c.key.day))
    by_month: defaultdict[tuple[str, date, date], list[Cell]] = defaultdict(list)
    for (provider, day, _), members in by_day.items():
        first, last = month_of(day)
        if days.first <= first and last <= days.last:
            by_month[provider, first, last] += members
    return [
        *_beyond(by_month, tolerance.month_ratio),
        *_beyond(by_day, tolerance.day_ratio),
    ]


def _beyond(
    periods: Mapping[tuple[str, date, date], Sequence[Cell]], ratio: int
) -> Iterable[PeriodTotal]:
    for (provider, first, last), members in sorted(periods.items()):
        totals = totals_of(members)
        limit = abs(to_pico(totals.billed_usd)) * ratio // 10**6
        if abs(to_pico(totals.variance_usd)) > limit:
            yield PeriodTotal(
                provider=provider,
                first_day=first,
                last_day=last,
                billed_usd=totals.billed_usd,
                ledger_usd=totals.ledger_usd,
                variance_usd=totals.variance_usd,
                limit_usd=from_pico(limit),
            )


def finality_of(cells: Iterable[Cell]) -> list[Finality]:
    """Return per provider how many of its days are final: those all of whose cells are."""
    days: defaultdict[str, dict[date, bool]] = defaultdict(dict)
    for cell in cells:
        known = days[cell.key.provider]
        known[cell.key.day] = known.get(cell.key.day, True) and cell.is_final
    return [
        Finality(
            provider=provider,
            days=len(known),
            final_days=sum(known.values()),
            first_open_day=min((day for day, final in known.items() if not final), default=None),
        )
        for provider, known in sorted(days.items())
    ]


def _sum(values: Iterable[Decimal]) -> Decimal:
    return sum(values, _ZERO)
