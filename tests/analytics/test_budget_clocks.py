"""Budgets where a clock was wrong: nothing is lost or counted twice once it is right again."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest
import sqlalchemy as sa

from spanledger_analytics.budgets.job import BudgetJob
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.budget_amounts import Amounts
from spanledger_storage.budget_requests import Reserve, Settle, Subject, Wanted
from spanledger_storage.budget_windows import Period
from spanledger_storage.budgets import Budgets, BudgetTerms
from spanledger_storage.store import Store
from tests.dashboard.seed import Row, Seeder

S = 10**9
MIDNIGHT_S = 1_794_960_000  # 2026-11-18, a Wednesday
NOON_S = MIDNIGHT_S + 43_200
DAY_S = 86_400


@dataclass
class World:
    """One budget of 10 dollars, and the moments that servers and the job take for now."""

    store: Store
    state: sa.Engine
    period: Period = "day"
    number: int = 0

    def __post_init__(self) -> None:
        self.accounts = BudgetAccounts(self.state)
        self.job_s = NOON_S
        self.job = BudgetJob(self.store, self.state, lambda: self.job_s * S, lambda: 0.0)
        terms = BudgetTerms("cap", "project", "", "usd", self.period, hard_limit=Decimal(10))
        Budgets(self.state).create("default", terms, "me", NOON_S * S)

    def ledger(self, cost: str, at_s: int, trace: str = "a" * 32, span: str = "b" * 16) -> None:
        seeder = Seeder(self.store, at_s)
        row: Row = {"project": "default", "trace_id": trace, "span_id": span, "status": "ok",
                    "start_time": at_s * S, "end_time": (at_s + 1) * S}  # fmt: skip
        parts = dict.fromkeys(("uncached_cost_usd", "cache_read_cost_usd", "output_cost_usd"))
        seeder.entry(row, cost, **parts)
        seeder.usage(hour=at_s // 3_600 * 3_600)
        seeder.insert()

    def settle(self, cost: str, at_s: int, now_s: int, span_key: str = "") -> None:
        self.number += 1
        used: Wanted = {"usd": Decimal(cost)}
        call = Settle(f"s{self.number}", "", Subject(), None, used, at_s, span_key)
        self.accounts.settle("default", [call], now_s * S)

    def fits(self, now_s: int) -> bool:
        self.number += 1
        request = Reserve(f"r{self.number}", Subject(), {"usd": Decimal(1)}, {}, 1)
        return self.accounts.reserve("default", request, now_s * S).is_granted

    def run(self, now_s: int) -> None:
        self.job_s = now_s
        self.job.run_once()

    def amounts(self, now_s: int) -> Amounts:
        [(found, _)] = self.accounts.state("default", now_s * S)
        return found


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_a_clock_that_was_ahead_frees_no_budget(
    store: Store, state: sa.Engine, period: Period
) -> None:
    world = World(store, state, period)
    world.ledger("7", NOON_S - 60)
    world.settle("3", NOON_S - 30, NOON_S)
    world.run(NOON_S)
    assert not world.fits(NOON_S)
    ahead_s = NOON_S + 40 * DAY_S
    world.run(ahead_s)
    assert world.fits(ahead_s)
    world.settle("0.25", NOON_S, ahead_s)  # of a client whose clock is right
    world.run(NOON_S + 60)
    found = world.amounts(NOON_S + 60)
    assert found.window.start_s == found.window_start_s
    assert (found.in_ledger, found.settled) == (Decimal(7), Decimal("3.25"))
    assert not world.fits(NOON_S + 60)


def test_servers_apart_by_seconds_neither_lose_nor_double_at_the_end_of_a_window(
    store: Store, state: sa.Engine
) -> None:
    world = World(store, state)
    end_s = MIDNIGHT_S + DAY_S
    world.run(NOON_S)
    fast_s, slow_s = end_s + 5, end_s - 20
    world.settle("2", fast_s, fast_s, "a" * 32 + "b" * 16)  # the fast one begins the next day
    for second in range(20):
        world.settle("0.1", slow_s + second, slow_s + second)
        world.run(slow_s + second)
        assert world.amounts(fast_s).window_start_s == end_s
        assert world.amounts(fast_s).spent == 2
    world.ledger("2", fast_s)
    world.run(fast_s + 60)
    found = world.amounts(fast_s + 60)
    assert (found.in_ledger, found.settled) == (Decimal(2), Decimal(0))


def test_servers_apart_by_an_hour_end_with_what_was_spent(store: Store, state: sa.Engine) -> None:
    world = World(store, state)
    end_s = MIDNIGHT_S + DAY_S
    world.ledger("4", NOON_S - 60)
    for step in range(0, 3_600, 600):
        right_s, fast_s = end_s - 3_600 + step, end_s + step
        world.settle("0.5", right_s, fast_s)
        assert world.amounts(fast_s).window_start_s == end_s
        world.settle("0.25", right_s, right_s)
        world.run(right_s)
        spent = Decimal(4) + Decimal("0.75") * (step // 600 + 1)
        assert world.amounts(right_s).spent == spent
    world.settle("1", end_s + 10, end_s + 20)
    world.run(end_s + 30)
    assert world.amounts(end_s + 30).spent == 1


def test_hours_that_were_too_old_for_a_wrong_clock_are_read_again(
    store: Store, state: sa.Engine
) -> None:
    world = World(store, state)
    world.ledger("7", NOON_S - 60)
    for now_s in (NOON_S, NOON_S + 400 * DAY_S, NOON_S + 60):
        world.run(now_s)
    assert world.amounts(NOON_S + 60).in_ledger == 7
