"""Every figure of a simulated organisation is the planted one, however its spans arrive."""

from __future__ import annotations

import itertools
import random
import time
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from spanledger_analytics.infra.job import InfraJob
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.tool_list import ToolPrices
from spanledger_analytics.repricing import Scope, apply, plan
from spanledger_analytics.unit_economics.full_cost import TaskCost, full_costs
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.store.store_process import store_rows
from spanledger_dashboard.unit_economics.query import EVERYTHING, Ask, load_groups
from spanledger_storage.price_state import PriceState
from spanledger_storage.service_price_rows import InfraPriceRow
from spanledger_storage.store import Store
from tests.analytics.organisation import (
    DATABASE,
    DAY_S,
    HOUR_S,
    Organisation,
    TraceTruth,
    overrides,
)
from tests.marks import Marks

PICO = Decimal(10) ** 12
PROJECT = "org"
_flushes = itertools.count(1)


class Company:
    """A store with the jobs of a worker, which may be replaced at any time."""

    def __init__(self, store: Store, state: PriceState) -> None:
        self.store, self.state, self.marks = store, state, Marks()
        self.book = PriceBook.bundled(overrides())
        self.restart()

    def restart(self) -> None:
        self.ledger = LedgerJob(self.store, time.time_ns, self.marks, lambda: self.book)
        self.infra = InfraJob(self.store, time.time_ns, self.marks, self.state)

    def send(self, payload: bytes) -> None:
        flush = f"organisation-{next(_flushes)}"
        bodies = [Body(PROJECT, payload, time.time_ns())]
        store_rows(self.store, decode_batch(bodies, flush, time.time_ns()), flush)

    def run(self, *, shares_infra: bool = True) -> None:
        self.ledger.run_once()
        if shares_infra:
            self.infra.run_once()
            self.ledger.run_once()
        self.ledger.run_usage_once()


@pytest.fixture
def company(store: Store, state: sa.Engine) -> Company:
    prices = PriceState(state)
    row = InfraPriceRow(PROJECT, DATABASE, Decimal("0.36"), _start_s() * 10**9, None)
    with prices.change("me", 1) as change:
        change.add(row)
    return Company(store, prices)


def _start_s() -> int:
    return (int(time.time()) // HOUR_S - 20) * HOUR_S


def sums(store: Store, sql: str) -> dict[tuple[Any, ...], Decimal]:
    rows = store.sql_rows(sql, {"project": PROJECT})
    return {tuple(list(row.values())[:-1]): Decimal(str(row["usd"])) for row in rows}


def test_every_figure_is_the_planted_one(company: Company) -> None:
    made = Organisation(_start_s(), random.Random(1))
    made.work(30)
    bodies = made.bodies()
    half = len(bodies) // 2
    for payload in bodies[:half]:
        company.send(payload)
    company.run()
    company.restart()  # in the middle: some spans have come, some not
    for place, payload in enumerate(bodies[half:]):
        company.send(payload)
        if place % 5 == 0:
            company.ledger.run_once()
    company.run()
    company.run()
    _check_ledger(company.store, made)
    _check_traces(company.store, made)
    _check_tasks(company.store, made)
    _check_sums(company.store)
    versions = company.store.sql_rows("SELECT max(version) AS v, count() AS n FROM ledger")
    company.restart()
    company.run()
    assert company.store.sql_rows("SELECT max(version) AS v, count() AS n FROM ledger") == versions


def _check_ledger(store: Store, made: Organisation) -> None:
    infra = made.infra()
    planted: dict[tuple[str, str], int] = defaultdict(int)
    for trace_id, truth in made.traces.items():
        planted["inference", trace_id] += truth.costs["inference"]
        planted["tool", trace_id] += truth.costs["tool"]
    for (_, trace_id), amount in infra.items():
        planted["infra", trace_id] += amount
    stored = sums(
        store,
        "SELECT if(kind IN ('llm', 'embedding'), 'inference', kind) AS what, trace_id, "
        "sum(total_cost_usd) AS usd FROM ledger_current WHERE project = {project:String} "
        "AND trace_id != '' GROUP BY what, trace_id HAVING usd != 0",
    )
    assert {key: int(usd * PICO) for key, usd in stored.items()} == {
        key: amount for key, amount in planted.items() if amount
    }
    hours = {hour for hour, _ in infra}
    by_hour = sums(
        store,
        "SELECT toInt64(toUnixTimestamp(toStartOfHour(time))) AS hour, sum(total_cost_usd) AS usd "
        "FROM ledger_current WHERE project = {project:String} AND kind = 'infra' GROUP BY hour",
    )
    assert set(by_hour.values()) == {Decimal("0.36")}  # used or not, an hour costs what it costs
    assert hours <= {hour for (hour,) in by_hour}
    (usage,) = store.sql_rows(
        "SELECT sum(total_cost_usd) AS usd, sum(calls) AS calls, sum(unpriced_calls) AS odd "
        "FROM usage_hourly FINAL WHERE project = {project:String} AND is_deleted = 0",
        {"project": PROJECT},
    )
    (ledger,) = store.sql_rows(
        "SELECT sum(total_cost_usd) AS usd, countIf(kind = 'llm') AS calls FROM ledger_current "
        "WHERE project = {project:String}",
        {"project": PROJECT},
    )
    assert (usage["usd"], usage["calls"], usage["odd"]) == (ledger["usd"], ledger["calls"], 0)
    owners = store.sql_rows(
        "SELECT DISTINCT kind, dimensions['team'] AS team FROM ledger_current "
        "WHERE project = {project:String} AND trace_id != ''",
        {"project": PROJECT},
    )
    assert {row["team"] for row in owners} == {"travel"}


def _check_traces(store: Store, made: Organisation) -> None:
    infra: dict[str, int] = defaultdict(int)
    for (_, trace_id), amount in made.infra().items():
        infra[trace_id] += amount
    rows = store.sql_rows(
        "SELECT trace_id, agent_name, agent_version, main_model, dimensions['customer'] AS c, "
        "total_cost_usd AS total, inference_cost_usd AS i, tool_cost_usd AS t, "
        "infra_cost_usd AS n FROM traces FINAL WHERE project = {project:String} AND is_deleted = 0",
        {"project": PROJECT},
    )
    found = {
        str(row["trace_id"]): (
            (row["agent_name"], row["agent_version"]), row["main_model"], row["c"],
            *(int(Decimal(str(row[name])) * PICO) for name in ("i", "t", "n", "total")),
        )
        for row in rows
    }  # fmt: skip
    assert found == {
        trace_id: (
            t.agent, t.model, t.customer, t.costs["inference"], t.costs["tool"], infra[trace_id],
            t.costs["inference"] + t.costs["tool"] + infra[trace_id],
        )
        for trace_id, t in made.traces.items()
    }  # fmt: skip


class Task:
    """A task as it was planted."""

    def __init__(self, traces: list[tuple[TraceTruth, int]]) -> None:
        first = min(traces, key=lambda pair: pair[0].start_s)[0]
        self.start_s, self.agent, self.customer = first.start_s, first.agent, first.customer
        self.trials: dict[str, int] = defaultdict(int)
        outcomes: list[tuple[int, str, str]] = []
        for truth, cost in traces:
            self.trials[truth.trial] += cost
            if truth.outcome:
                outcomes.append((truth.start_s, truth.outcome, truth.trial))
        _, self.outcome, trial = max(outcomes, default=(0, "", ""))
        self.state = {"escalated": "failed"}.get(self.outcome, self.outcome)
        self.cost = sum(self.trials.values())
        self.own = self.trials[trial] if self.state == "completed" else 0


def _planted_tasks(made: Organisation) -> dict[str, Task]:
    infra: dict[str, int] = defaultdict(int)
    for (_, trace_id), amount in made.infra().items():
        infra[trace_id] += amount
    by_task: dict[str, list[tuple[TraceTruth, int]]] = defaultdict(list)
    for trace_id, truth in made.traces.items():
        by_task[truth.task].append((truth, sum(truth.costs.values()) + infra[trace_id]))
    return {key: Task(traces) for key, traces in by_task.items()}


def _check_tasks(store: Store, made: Organisation) -> None:
    tasks = _planted_tasks(made)
    start = made.start_s
    for entity, key in (
        (EVERYTHING, lambda t: PROJECT),
        ("agent_version", lambda t: t.agent[1]),
        ("owner", lambda t: t.customer),
    ):
        for from_s, to_s in ((start, start + 4 * DAY_S), (start + HOUR_S, start + 2 * HOUR_S)):
            ask = Ask(PROJECT, from_s, to_s, dimension="customer")
            found = {group.name: group for _, group, _ in load_groups(store, ask, entity, 100)}
            planted: dict[str, list[Task]] = defaultdict(list)
            for task in tasks.values():
                if from_s <= task.start_s < to_s:
                    planted[key(task)].append(task)
            assert set(found) == set(planted)
            for name, members in planted.items():
                group = found[name]
                ended = [t for t in members if t.state]
                done = [t for t in members if t.state == "completed"]
                assert (group.tasks, group.ended, group.completed) == (
                    len(members), len(ended), len(done),
                )  # fmt: skip
                assert group.attempts == sum(len(t.trials) for t in ended)
                assert group.total_usd * PICO == sum(t.cost for t in ended)
                assert group.parts["retries"] * PICO == sum(t.cost - t.own for t in done)
                assert group.parts["failed"] * PICO == sum(
                    t.cost for t in ended if t.state == "failed"
                )
                assert group.unended_usd * PICO == sum(t.cost for t in members if not t.state)
    costs = [TaskCost(k, t.state, t.cost / PICO) for k, t in tasks.items() if t.state]
    full = full_costs(costs)
    assert sum(full.by_task.values()) * PICO == sum(t.cost for t in tasks.values() if t.state)


def test_repricing_applies_another_list_to_tools_and_keeps_what_was_billed(
    company: Company,
) -> None:
    made = Organisation(_start_s(), random.Random(3))
    made.work(8)
    for payload in made.bodies():
        company.send(payload)
    company.run(shares_infra=False)
    dearer = [
        replace(row, price_usd=row.price_usd * 2) if row.tool == "translate" else row
        for row in overrides().tools.rows
    ]
    other = [replace(row, id=row.id + 10) for row in dearer]
    gone = [replace(row, withdrawn_at_ns=1) for row in overrides().tools.rows]
    book = PriceBook.bundled(replace(overrides(), tools=ToolPrices((*gone, *other))))
    company.book = book
    company.restart()
    company.send(made.bodies()[0])  # a trace that is derived again keeps its price
    company.run(shares_infra=False)
    before = _by_tool(company.store)
    assert {price for _, price, _ in before} <= {"reported", "tool:1", "tool:2", "tool:3"}
    scope = Scope(0, time.time_ns())
    planned = plan(company.store, book, scope)
    assert _by_tool(company.store) == before
    report = apply(company.store, book, scope, now_ns=time.time_ns)
    assert report == planned
    company.run(shares_infra=False)
    after = {tool: (usd, billed) for (tool, _, billed), usd in _by_tool(company.store).items()}
    for (tool, _, billed), usd in before.items():
        assert after[tool] == (usd * (2 if tool == "translate" else 1), billed)
    _check_sums(company.store)
    assert plan(company.store, book, scope).written == 0


def _by_tool(store: Store) -> dict[tuple[str, str, Decimal], Decimal]:
    rows = store.sql_rows(
        "SELECT tool_name, price_id, sum(billed_cost_usd) AS billed, sum(total_cost_usd) AS usd "
        "FROM ledger_current WHERE kind = 'tool' GROUP BY tool_name, price_id"
    )
    return {
        (str(row["tool_name"]), str(row["price_id"]), Decimal(str(row["billed"]))): Decimal(
            str(row["usd"])
        )
        for row in rows
    }


def _check_sums(store: Store) -> None:
    """Traces, trajectories and hours must all hold what the ledger does."""
    (row,) = store.sql_rows(
        "SELECT (SELECT sum(total_cost_usd) FROM ledger_current WHERE trace_id != '') AS ledger, "
        "(SELECT sum(total_cost_usd) FROM traces FINAL WHERE is_deleted = 0) AS traces, "
        "(SELECT sum(total_cost_usd) FROM trajectories FINAL WHERE is_deleted = 0) AS wider, "
        "(SELECT sum(total_cost_usd) FROM ledger_current) AS all_of_it, "
        "(SELECT sum(total_cost_usd) FROM usage_hourly FINAL WHERE is_deleted = 0) AS hours, "
        "(SELECT sum(inference_cost_usd + tool_cost_usd + infra_cost_usd) "
        "FROM traces FINAL WHERE is_deleted = 0) AS parts"
    )
    assert row["ledger"] == row["traces"] == row["wider"] == row["parts"]
    assert row["all_of_it"] == row["hours"]
