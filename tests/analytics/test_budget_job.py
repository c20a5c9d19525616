"""The job of budgets: what the ledger says and what was settled make one sum, each call once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from spanledger_analytics.budgets import job
from spanledger_analytics.budgets.job import BudgetJob
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.budget_amounts import Amounts
from spanledger_storage.budget_requests import Settle, Subject, Wanted
from spanledger_storage.budgets import Budgets, BudgetTerms
from spanledger_storage.store import Store
from tests.dashboard.seed import Row, Seeder

S = 10**9
NOW_S = 1_795_000_000  # 2026-11-18T10:26:40Z, a Wednesday
CAP = BudgetTerms("cap", "project", "", "usd", "month", hard_limit=Decimal(100))


@dataclass
class World:
    """A store and a state database, the clock, and what was truly spent."""

    store: Store
    state: sa.Engine
    now_s: int = NOW_S
    number: int = 0
    version: int = 0
    hours: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.seeder = Seeder(self.store, self.now_s)
        self.accounts = BudgetAccounts(self.state)
        self.restart()

    def restart(self) -> None:
        self.job = BudgetJob(self.store, self.state, lambda: self.now_s * S, lambda: 0.0)

    def make(self, **changes: Any) -> str:
        terms = replace(CAP, **changes)
        return Budgets(self.state).create("default", terms, "me", self.now_s * S).id

    def call(self, cost: str, at_s: int | None = None, **columns: Any) -> tuple[str, str]:
        """Put a call into the ledger, and its hour into the usage; return its span."""
        self.number += 1
        trace, span = f"{self.number:032x}", f"{self.number:016x}"
        self.enter(trace, span, cost, at_s, **columns)
        return trace, span

    def enter(
        self, trace: str, span: str, cost: str | None, at_s: int | None = None, **columns: Any
    ) -> None:
        at_s = self.now_s - 60 if at_s is None else at_s
        self.version += 1
        row: Row = {"project": "default", "trace_id": trace, "span_id": span, "status": "ok",
                    "start_time": at_s * S, "end_time": (at_s + 1) * S}  # fmt: skip
        sources = columns.pop("sources", [(trace, span)])
        parts = dict.fromkeys(("uncached_cost_usd", "cache_read_cost_usd", "output_cost_usd"))
        source_spans = [{"trace_id": t, "span_id": s} for t, s in sources]
        known = {"version": self.version, "entry_id": trace, "source_spans": source_spans}
        self.seeder.entry(row, cost, **known, **parts, **columns)
        self.hours.add(at_s // 3_600 * 3_600)

    def settle(
        self, cost: str, trace: str = "", span: str = "", at_s: int | None = None, **more: Any
    ) -> None:
        self.number += 1
        at_s = self.now_s - 60 if at_s is None else at_s
        request = Settle(f"s{self.number}", "", more.pop("subject", Subject()), None,
                         {"usd": Decimal(cost)}, at_s, trace + span, **more)  # fmt: skip
        self.accounts.settle("default", [request], self.now_s * S)

    def run(self) -> None:
        self.version += 1
        for hour in self.hours:
            self.seeder.usage(hour=hour, version=self.version)
        self.hours.clear()
        self.seeder.insert()
        self.job.run_once()

    def state_of(self, budget: str) -> Amounts:
        [(found, _)] = self.accounts.state("default", self.now_s * S, budget_id=budget)
        return found

    def spent(self, budget: str) -> Decimal:
        return self.state_of(budget).spent


def seen(*values: object) -> tuple[object, ...]:
    """Figures of any type, to compare with whole numbers."""
    return values


@pytest.fixture
def world(store: Store, state: sa.Engine) -> World:
    return World(store, state)


def test_every_scope_and_measure_counts_its_own_calls(world: World) -> None:
    scopes = {
        "project": "",
        "team": "search",
        "agent": "planner",
        "session": "s-1",
        "user": "u-1",
        "task": "t-1",
        "model": "gpt-x",
        "tag": "customer=acme",
    }
    made = {s: world.make(name=s, scope=s, selector=name) for s, name in scopes.items()}
    asked = world.make(name="asked", scope="model", selector="gpt-alias")
    tokens = world.make(name="tokens", measure="tokens")
    calls = world.make(name="calls", measure="llm_calls", scope="agent", selector="planner")
    world.call("1", dimensions=[("team", "search")])
    world.call("2", agent_name="planner")
    world.call("4", session_id="s-1")
    world.call("8", user_id="u-1")
    world.call("16", task_id="t-1")
    world.call("32", model="gpt-x", request_model="gpt-alias")
    world.call("64", dimensions=[("customer", "acme"), ("team", "other")])
    world.call("128", kind="tool", tokens=None, agent_name="planner")
    world.run()
    spent = {scope: world.spent(one) for scope, one in made.items()}
    assert spent == {
        "project": 255, "team": 1, "agent": 130, "session": 4, "user": 8, "task": 16,
        "model": 32, "tag": 64,
    }  # fmt: skip
    assert world.spent(asked) == 32
    assert world.spent(tokens) == 7 * 1_200
    assert world.spent(calls) == 1


def test_a_settled_call_leaves_when_the_ledger_counts_it(world: World) -> None:
    budget = world.make()
    trace, span = "ab" * 16, "cd" * 8
    world.settle("0.30", trace, span)
    world.run()
    assert world.spent(budget) == Decimal("0.30")
    world.enter(trace, span, "0.31")
    world.run()
    found = world.state_of(budget)
    assert seen(found.in_ledger, found.settled) == (Decimal("0.31"), 0)
    world.run()
    assert world.spent(budget) == Decimal("0.31")


def test_a_call_that_is_settled_after_the_ledger_has_it_counts_once(world: World) -> None:
    budget = world.make()
    trace, span = world.call("0.31")
    world.run()
    world.settle("0.30", trace, span)
    world.run()
    found = world.state_of(budget)
    assert seen(found.in_ledger, found.settled) == (Decimal("0.31"), 0)


def test_a_call_is_known_by_any_of_its_spans_and_by_its_response_id(world: World) -> None:
    budget = world.make()
    inner = ("ef" * 16, "12" * 8)
    world.settle("0.30", *inner)
    world.enter("ab" * 16, "cd" * 8, "0.31", sources=[("ab" * 16, "cd" * 8), inner])
    world.settle("0.20", response_id="resp-'1\\")
    world.enter("aa" * 16, "cd" * 8, "0.21", response_id="resp-'1\\")
    world.settle("0.10", "99" * 16, "99" * 8)  # of a call that nobody sent
    world.run()
    found = world.state_of(budget)
    assert seen(found.in_ledger, found.settled) == (Decimal("0.52"), Decimal("0.10"))


def test_a_call_counts_once_in_each_budget_that_counts_it(world: World) -> None:
    all_of_it, agent = world.make(), world.make(name="a", scope="agent", selector="planner")
    trace, span = "ab" * 16, "cd" * 8
    world.settle("0.30", trace, span, subject=Subject(agent="planner"))
    world.enter(trace, span, "0.31", agent_name="planner")
    world.run()
    assert world.spent(all_of_it) == world.spent(agent) == Decimal("0.31")
    assert world.state_of(agent).settled == 0


def test_a_call_stays_in_the_budgets_that_the_ledger_counts_it_out_of(world: World) -> None:
    all_of_it = world.make()
    planner = world.make(name="p", scope="agent", selector="planner")
    researcher = world.make(name="r", scope="agent", selector="researcher")
    trace, span = "ab" * 16, "cd" * 8
    world.settle("0.30", trace, span, subject=Subject(agent="planner"))
    world.enter(trace, span, "0.31", agent_name="researcher")
    for _ in range(2):
        world.run()
        spent = [world.spent(one) for one in (all_of_it, planner, researcher)]
        assert spent == [Decimal("0.31"), Decimal("0.30"), Decimal("0.31")]


def test_a_call_without_a_price_or_a_usage_stays_as_it_was_settled(world: World) -> None:
    dollars = world.make()
    tokens = world.make(name="tokens", measure="tokens")
    calls = world.make(name="calls", measure="llm_calls")
    used: Wanted = {"usd": Decimal("0.30"), "tokens": Decimal(900), "llm_calls": Decimal(1)}
    for span in ("a" * 16, "b" * 16):
        request = Settle(span, "", Subject(), None, used, world.now_s, "f" * 32 + span)
        world.accounts.settle("default", [request], world.now_s * S)
    world.enter("f" * 32, "a" * 16, None)
    world.enter("e" * 32, "b" * 16, "1", sources=[("f" * 32, "b" * 16)], tokens=None)
    world.run()
    figures = [world.state_of(one) for one in (dollars, tokens, calls)]
    assert [one.in_ledger for one in figures] == [1, 1_200, 2]
    assert [one.settled for one in figures] == [Decimal("0.30"), 900, 0]
    world.enter("f" * 32, "a" * 16, "0.31")  # a price came
    world.run()
    assert world.spent(dollars) == Decimal("1.31")


def test_calls_that_never_come_do_not_keep_the_others_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_RECENT_PER_RUN", 4)
    monkeypatch.setattr(job, "_OLDER_PER_RUN", 2)
    budget = world.make()
    for number in range(10):  # never come
        world.settle("0.01", "1" * 32, f"{number:016x}")
    late = [(f"8{number:031x}", "8" * 16) for number in range(3)]
    for ids in late:
        world.settle("0.02", *ids)
    world.now_s += 700
    recent = [(f"7{number:031x}", "7" * 16) for number in range(10)]
    for ids in recent:
        world.settle("0.04", *ids)
    for ids in [*late, *recent]:
        world.enter(*ids, "1")
    for _ in range(3):
        world.run()
    assert world.state_of(budget).settled == Decimal("0.16")  # every recent one was found
    for _ in range(4):
        world.run()
    found = world.state_of(budget)
    assert seen(found.in_ledger, found.settled) == (13, Decimal("0.10"))


def test_more_names_than_the_store_takes_at_once_are_found_all_the_same(world: World) -> None:
    budget = world.make()
    names = [f"{number:0256d}" for number in range(600)]
    calls = [
        Settle(name[-9:], "", Subject(), None, {"usd": Decimal("0.5")}, world.now_s, "", name)
        for name in names
    ]
    world.accounts.settle("default", calls, world.now_s * S)
    for name in (names[0], names[-1]):
        world.enter(name[-32:], "a" * 16, "1", response_id=name)
    world.run()
    found = world.state_of(budget)
    assert seen(found.in_ledger, found.settled) == (2, 299)


def test_late_and_changed_entries_are_taken_up(world: World) -> None:
    budget = world.make()
    yesterday_s = world.now_s - 86_400
    trace, span = world.call("1", yesterday_s)
    world.run()
    world.enter(trace, span, "0.75", yesterday_s)  # priced again
    world.call("2", yesterday_s - 3_600)
    world.run()
    assert world.spent(budget) == Decimal("2.75")
    world.restart()
    world.run()
    assert world.spent(budget) == Decimal("2.75")


def test_a_window_begins_within_an_hour(world: World) -> None:
    start_s = NOW_S // 86_400 * 86_400 - 19_800  # midnight in Kolkata is half past six in UTC
    world.now_s = start_s + 7_200
    budget = world.make(period="day", timezone="Asia/Kolkata")
    world.call("1", start_s - 1)
    world.call("2", start_s)
    world.call("4", start_s + 3_600)
    world.run()
    assert world.spent(budget) == 6
    world.call("8", start_s + 1)
    world.call("16", start_s - 2)
    world.run()
    assert world.spent(budget) == 14


def test_a_rolling_window_lets_go_of_what_is_too_old(world: World) -> None:
    budget = world.make(period="rolling", rolling_s=3_600)
    first_s = world.now_s
    world.call("1", first_s)
    world.settle("2", at_s=first_s)
    world.now_s += 3_500
    world.call("4")
    world.run()
    assert world.spent(budget) == 7
    world.now_s = first_s + 3_600 + 61
    world.run()
    found = world.state_of(budget)
    assert seen(found.in_ledger, found.settled) == (4, 0)


def test_a_new_scope_reads_what_was_before_it(world: World) -> None:
    world.make()
    world.call("1", world.now_s - 7_200, agent_name="planner")
    world.run()
    later = world.make(name="later", scope="agent", selector="planner")
    world.run()
    assert world.spent(later) == 1


def test_a_longer_window_reads_what_was_before_the_others(world: World) -> None:
    world.make()
    world.call("1", world.now_s - 60 * 86_400)
    world.call("2")
    world.run()
    later = world.make(name="later", period="rolling", rolling_s=90 * 86_400)
    world.run()
    assert world.spent(later) == 3


def test_breaches_and_forecasts_are_written(world: World) -> None:
    budget = world.make(soft_limit=Decimal(10), hard_limit=Decimal(20), period="day")
    midnight_s = NOW_S // 86_400 * 86_400
    for day in range(1, 15):
        for hour in range(24):
            world.call("0.5", midnight_s - day * 86_400 + hour * 3_600)
    for hour in range(10):
        world.call("1", midnight_s + hour * 3_600)
    world.run()
    [(_, told)] = world.accounts.state("default", world.now_s * S)
    hours_left = (midnight_s + 86_400 - world.now_s) / 3_600
    assert told["forecast_method"] == "weekday"
    middle = Decimal(str(told["forecast_mid"]))
    assert abs(middle - (10 + Decimal(hours_left) / 2)) < Decimal("0.000001")
    [breach] = Budgets(world.state).breaches("default")
    assert seen(breach.level, breach.budget_id, breach.peak_amount) == ("soft", budget, 10)


def test_a_random_day_is_counted_to_the_picodollar(world: World) -> None:
    """Calls come in any order, settled before, after or never, with restarts in between."""
    chance = random.Random(11)
    budget = world.make(scope="agent", selector="planner")
    other = world.make(name="other", scope="agent", selector="writer")
    truth = {"planner": Decimal(0), "writer": Decimal(0)}
    todo: list[tuple[str, Any]] = []
    for number in range(1, 41):
        agent = chance.choice(["planner", "writer"])
        cost = Decimal(chance.randrange(1, 10**12)) / 10**12
        at_s = world.now_s - chance.randrange(100_000)
        ids = (f"{number + 1000:032x}", f"{number + 1000:016x}")
        truth[agent] += cost
        todo.append(("enter", (ids, agent, cost, at_s)))
        if chance.random() < 0.7:
            todo.append(("settle", (ids, agent, cost * 2, at_s)))
    chance.shuffle(todo)
    for kind, (ids, agent, cost, at_s) in todo:
        trace, span = ids
        if kind == "enter":
            world.enter(trace, span, str(cost), at_s, agent_name=agent)
        else:
            world.settle(str(cost), trace, span, at_s, subject=Subject(agent=agent))
        if chance.random() < 0.2:
            world.run()
        if chance.random() < 0.1:
            world.restart()
    world.run()
    assert seen(world.spent(budget), world.spent(other)) == (truth["planner"], truth["writer"])
    assert world.state_of(budget).settled == 0
