"""Lines of several days, such as a month's bill, against the ledger of these days."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from benchmarks.reconciliation_store import PROJECT, call, put_calls, put_lines
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.reports import REPORTS, Source
from spanledger_analytics.price_book.book import BookSource, PriceBook
from spanledger_analytics.reconciliation.job import ReconciliationJob
from spanledger_analytics.reconciliation.reading import read
from spanledger_analytics.reconciliation.result import Cell
from spanledger_analytics.reconciliation.run import reconcile
from spanledger_analytics.tokens import Tokens
from spanledger_storage.state import Watermarks
from spanledger_storage.store import Store
from tests.reconciled import bill

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)
NOW_NS = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * 10**9
MONTH = InvoiceLine(
    FIRST, LAST, Dataset.COST, "openai", TokenClass.MODEL, None, "", Decimal(20), "USD",
    model="gpt-5.5-2026-04-23",
)  # fmt: skip


def calls_on(store: Store, *days: int, version: int = 1) -> None:
    """Put ten calls of a hundred thousand tokens on each day, five dollars together."""
    at = {day: int(datetime(2026, 11, day, 12, tzinfo=UTC).timestamp()) * 10**9 for day in days}
    tokens = Tokens(input=100_000, output=0)
    entries = [
        call(day * 10 + i, ns + i, "openai", "gpt-5.5-2026-04-23", tokens)
        for day, ns in at.items()
        for i in range(10)
    ]
    put_calls(store, entries, PriceBook.bundled(), version)


def on(day: int, usd: str, token_class: TokenClass = TokenClass.MODEL) -> InvoiceLine:
    that = FIRST.replace(day=day)
    return replace(MONTH, day=that, last_day=that, amount=Decimal(usd), token_class=token_class)


def compared(store: Store, state: sa.Engine) -> list[Cell]:
    return list(reconcile(store, state, PROJECT, FIRST, LAST, NOW_NS).cells)


def sides(cells: list[Cell]) -> list[tuple[object, ...]]:
    return [(c.key.day.day, c.key.token_class, c.ledger_usd, c.billed_usd) for c in cells]


def test_a_month_is_compared_with_the_ledger_of_its_days(store: Store, state: sa.Engine) -> None:
    calls_on(store, 3, 17, 29)
    put_lines(store, [MONTH], 2)
    cells = compared(store, state)
    assert sides(cells) == [(1, "model", 15, 20)]
    assert "other_traffic" not in [share.cause for share in cells[0].causes]


def test_a_day_is_not_the_other_side_of_a_month_beside_it(store: Store, state: sa.Engine) -> None:
    """The day lacks in the ledger what the month has too much, and nothing ran over midnight."""
    calls_on(store, 3, 17, 29)
    told = replace(MONTH, token_class=TokenClass.UNCACHED, unit="tokens")
    before = date(2026, 10, 31)
    day = replace(told, day=before, last_day=before, quantity=Decimal(10**6), amount=Decimal(5))
    put_lines(store, [day, replace(told, quantity=Decimal(2 * 10**6), amount=Decimal(10))], 2)
    found = reconcile(store, state, PROJECT, before, LAST, NOW_NS).cells
    assert sorted(cell.variance_usd for cell in found) == [-5, 5]
    assert "day_boundary" not in {share.cause for cell in found for share in cell.causes}


def test_charges_of_a_day_are_no_daily_report(store: Store, state: sa.Engine) -> None:
    calls_on(store, 17)
    put_lines(store, [MONTH, on(1, "2", TokenClass.TAX), on(16, "1", TokenClass.TAX)], 2)
    assert sorted(sides(compared(store, state))) == [
        (1, "model", 5, 20), (1, "tax", 0, 2), (16, "tax", 0, 1),
    ]  # fmt: skip


def test_a_month_of_taxes_leaves_its_first_day_compared(store: Store, state: sa.Engine) -> None:
    calls_on(store, 1)
    put_lines(store, [replace(MONTH, token_class=TokenClass.TAX)], 2)
    assert {(one, usd) for _, one, usd, _ in sides(compared(store, state))} == {
        ("tax", 0), ("uncached", 5),
    }  # fmt: skip


@pytest.mark.parametrize("day", [1, 16])
def test_a_month_that_daily_reports_tell_too_counts_once(
    store: Store, state: sa.Engine, day: int
) -> None:
    calls_on(store, 3, 16)
    put_lines(store, [MONTH], 2)
    costs = [replace(on(d, "1"), line_number=d) for d in range(day, 31)]
    bill(store, *costs)
    cells = compared(store, state)
    assert sum(cell.billed_usd for cell in cells) == len(costs)
    assert sum(cell.ledger_usd for cell in cells) == (10 if day == 1 else 5)


def test_daily_reports_of_nothing_count_too(store: Store, state: sa.Engine) -> None:
    calls_on(store, 3, 16)
    costs = Source(REPORTS["openai.costs"], "openai", Dataset.COST)
    put_lines(store, [MONTH], 2, [(FIRST.replace(day=16), costs)])
    assert sides(compared(store, state)) == [(16, "uncached", 5, 0)]


def test_weeks_are_compared_one_by_one(store: Store, state: sa.Engine) -> None:
    calls_on(store, 3, 9, 10)
    week = replace(MONTH, last_day=FIRST.replace(day=7))
    put_lines(store, [week, replace(week, day=date(2026, 11, 8), last_day=date(2026, 11, 14))], 2)
    assert sides(compared(store, state)) == [(1, "model", 5, 20), (8, "model", 10, 20)]


def test_a_month_is_compared_again_when_calls_or_reports_of_its_days_come(
    store: Store, state: sa.Engine
) -> None:
    now_ns = [NOW_NS]
    job = ReconciliationJob(store, state, lambda: now_ns[0], Watermarks(state), BookSource())
    put_lines(store, [MONTH], NOW_NS)
    job.run_once()
    for turn, (day, usd) in enumerate([(17, 5), (29, 10)], 1):
        now_ns[0] = NOW_NS + turn * 10**12
        calls_on(store, day, version=now_ns[0])
        job.run_once()
        [cell] = read(store, PROJECT, FIRST, LAST).cells
        assert cell.ledger_usd == usd
    now_ns[0] += 10**12
    put_lines(store, [MONTH, on(28, "1")], now_ns[0])
    job.run_once()
    cells = list(read(store, PROJECT, FIRST, LAST).cells)
    assert sides(cells) == [(28, "model", 0, 1)]
