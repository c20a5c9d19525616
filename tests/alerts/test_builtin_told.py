"""What people are told by each built-in rule: from rows of the store to a message, and its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from spanledger_alerts import evidence
from spanledger_alerts.content import incident
from spanledger_alerts.engine import Engine as AlertEngine
from spanledger_alerts.engine import Setting
from spanledger_alerts.evidence import add_evidence
from spanledger_alerts.looking import look
from spanledger_alerts.measures import MEASURES, Sources
from spanledger_alerts.notification import ConfiguredChannel, Incident
from spanledger_alerts.sender import Sender
from spanledger_alerts.state_machine import Counts, evaluate
from spanledger_dashboard.navigation import PAGES
from spanledger_storage import budget_tables
from spanledger_storage.alert_outbox import AlertOutbox
from spanledger_storage.alert_state import AlertState
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.collector_spools import Waiting
from spanledger_storage.engine import Engine
from spanledger_storage.errors import StoreError
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.state import open_state
from tests.alerts.stage import Recorder, S, migrated
from tests.alerts.test_builtin import (
    FINDINGS,
    NOW_NS,
    RULES,
    World,
    budget_row,
    budget_state_row,
    calls,
    cause,
    cell,
    fault,
    finding,
    gpu,
    text,
    usage,
)
from tests.conftest import fresh_store

PROJECT = "default"
BASE = "https://ledger.example.com"
RED_FLAGS = (
    "budget-exceeded",
    "budget-soft-limit",
    "error-rate",
    "gpu-fault",
    "gpu-throttled",
    "loop",
    "provider-outage",
    "slow-first-token",
    "spool-growing",
)
"""What is over a day later, when nothing new came."""


class Told:
    """The engine with all built-in rules, none of which waits, and a channel that remembers."""

    def __init__(self, world: World) -> None:
        self.now_ns = NOW_NS
        self.ops = Recorder()
        rules = [
            rule.model_copy(
                update={"for_s": 0, "group_wait": 0, "keep_firing_for": 0, "inhibited_by": ()}
            )
            for rule in RULES.values()
        ]
        setting = Setting(
            state=AlertState(world.state),
            sources=world.sources,
            rules=lambda: rules,
            projects=lambda: [PROJECT],
            channels=lambda: ["ops"],
            words=incident,
            base_url=BASE,
            threads=0,
        )
        channel = ConfiguredChannel("ops", "test", self.ops, per_s=1_000, burst=1_000)
        self._engine = AlertEngine(setting, "one", lambda: self.now_ns)
        self._sender = Sender(
            AlertOutbox(world.state), lambda: {"ops": channel}, lambda: self.now_ns, threads=0
        )

    def run(self, now_ns: int) -> dict[str, Incident]:
        """Return the first incident of each rule that was told of at a time."""
        self.now_ns = now_ns
        before = len(self.ops.sent)
        self._engine.run_once()
        while self._sender.run_once().sent:
            pass
        return {one.incidents[0].rule: one.incidents[0] for one in self.ops.sent[before:]}


@pytest.fixture(scope="module")
def world(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A day on which everything goes wrong."""
    file = tmp_path_factory.mktemp("state") / "state.db"
    file.write_bytes(migrated())
    state = open_state(f"sqlite:///{file}")
    with fresh_store(engine) as store:
        budgets, findings = BudgetAccounts(state), FindingStates(state)
        waits = [Waiting(7, 90.0), None]
        sources = Sources(store, budgets, findings, lambda: waits.pop(0) if waits else None)
        made = World(store, sources, state)
        _spoil(made)
        yield made
    state.dispose()


def _spoil(world: World) -> None:
    paid = {"total_cost_usd": "0.5", "agent_name": "planner", "user_id": "ann"}
    world.insert(
        "ledger",
        *calls(PROJECT, 100, 3, failing=60, error_type="RateLimitError", **paid),
        *calls(PROJECT, 200, 3_000, ttft_ns=500_000_000),
        *calls(PROJECT, 60, 8, ttft_ns=1_200_000_000, agent_name="writer", total_cost_usd="0.1"),
        *calls(
            PROJECT, 2, 30, agent_name="planner", price_status="unpriced", input_tokens=700,
            request_model="m1-latest",
        ),
    )  # fmt: skip
    world.insert(
        "usage_hourly",
        *[usage(PROJECT, hours, cache_read_tokens=800) for hours in range(2, 30)],
        usage(PROJECT, 1, cache_read_tokens=100, unpriced_calls=3, service_name="other"),
    )
    world.insert("cache_calls", *_lost())
    for number, kind in enumerate(FINDINGS.values()):
        world.insert("findings", finding(PROJECT, kind, f"{number:032x}"))
    world.insert("gpu_minutes", *[gpu(PROJECT, m, idle_ratio=1) for m in range(1, 62)])
    hot = {"gpu": "GPU-2", "throttled_ratio": 0.5}
    world.insert("gpu_minutes", *[gpu(PROJECT, m, **hot) for m in range(1, 17)])
    world.insert("gpu_minutes", fault(PROJECT, 2, "xid:79", gpu="GPU-3"))
    letter = {"project": PROJECT, "letter_id": "1", "signal": "traces", "state": "open"}
    world.insert("dead_letters", {**letter, "received_at": text(60), "version": 1})
    check = {"project": PROJECT, "check": "conflicts", "severity": "error", "count": 4}
    world.insert("quality_findings", {**check, "title": "Four differ", "version": NOW_NS - 60 * S})
    billed = cell(PROJECT, "2026-11-03", 2, ledger_usd="50", billed_usd="57.5")
    world.insert("reconciliation_cells", {**billed, "causes": [cause("hidden_retries", "6.5")]})
    amounts = {"ledger_amount": Decimal(100), "forecast_mid": Decimal(101)}
    with world.state.begin() as connection:
        connection.execute(sa.insert(budget_tables.budgets).values(**budget_row(PROJECT)))
        row = budget_state_row(PROJECT) | amounts | {"burn_per_hour": Decimal(30)}
        connection.execute(sa.insert(budget_tables.states).values(**row))


def _lost() -> list[dict[str, object]]:
    row: dict[str, object] = {"project": PROJECT, "provider": "acme", "model": "m1"}
    row |= {"agent_name": "planner"}
    row |= {"time": text(20), "is_deleted": 0, "version": 1, "lost_usd": "0.75"}
    lost = [("ttl", 100, "a"), ("dynamic_text", 5_000, "b"), ("dynamic_text", 9_000, "c")]
    return [
        {**row, "cause": why, "lost_tokens": tokens, "trace_id": name * 32, "entry_id": name}
        for why, tokens, name in lost
    ]


@pytest.fixture(scope="module")
def story(world: World) -> tuple[Mapping[str, Incident], Mapping[str, Incident]]:
    """What is told when all begins, and a day later."""
    told = Told(world)
    return told.run(NOW_NS), told.run(NOW_NS + 86_400 * S)


Story = tuple[Mapping[str, Incident], Mapping[str, Incident]]


@pytest.mark.parametrize("name", sorted(RULES))
def test_each_rule_says_what_since_when_and_where_to_look(story: Story, name: str) -> None:
    told = story[0][name]
    assert told.title
    assert any(line.startswith(("Since", "From")) for line in told.lines)
    assert not [line for line in (told.title, *told.lines) if "{" in line]
    views = {link.text: urlsplit(link.url) for link in told.links}
    assert parse_qs(views["Open incident"].query)["project"] == [PROJECT]
    if RULES[name].view:
        view = views["Open view"]
        assert view.path.strip("/") in PAGES
        query = parse_qs(view.query)
        assert query["project"] == [PROJECT]
        assert all(query.values())
        assert "%7B" not in view.query


def test_what_is_over_is_told_to_be_over(story: Story) -> None:
    began, ended = story
    assert set(began) == set(RULES)
    assert {name for name in RED_FLAGS if ended[name].ended_ns is None} == set()
    assert all(ended[name].key == began[name].key for name in RED_FLAGS)


@pytest.mark.parametrize("name", ["budget-exceeded", "budget-burn", "budget-forecast"])
def test_a_budget_says_who_spent_most_and_shows_the_dearest_traces(story: Story, name: str) -> None:
    told = story[0][name]
    [why] = [line for line in told.lines if line.startswith("Likely cause")]
    # Its scope is an agent, of which it need not be told.
    assert (
        "$50.00 in the window, most by user ann ($50.00, 100 %), model m1 ($50.00, 100 %)." in why
    )
    assert len([link for link in told.links if link.text.startswith("Trace")]) == 3


def test_a_drop_of_cache_hits_says_why_how_much_and_where(story: Story) -> None:
    told = story[0]["cache-hit-drop"]
    said = "dynamic text (14,000 tokens paid again), ttl (100 tokens paid again)."
    assert f"Likely cause: {said}" in told.lines
    assert told.usd == "$2.25"
    traces = [link.url for link in told.links if link.text.startswith("Trace")]
    assert [parse_qs(urlsplit(url).query)["trace_id"][0][0] for url in traces] == ["c", "b", "a"]


def test_calls_without_a_price_say_whose_they_are(story: Story) -> None:
    told = story[0]["unpriced-models"]
    [why] = [line for line in told.lines if line.startswith("Likely cause")]
    assert why.endswith("1,400 tokens, of agent planner; asked for as m1-latest.")
    assert len([link for link in told.links if link.text.startswith("Trace")]) == 2


def test_evidence_is_asked_for_once_and_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = RULES["budget-exceeded"]
    seen = look(rule, world.sources, PROJECT, NOW_NS)
    asked: list[int] = []
    of_budget = evidence.ASKS["budget_spent"]

    def counted(*given: object) -> evidence.Evidence | None:
        asked.append(1)
        return of_budget(*given)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setitem(evidence.ASKS, "budget_spent", counted)
    found = evaluate(rule, seen, {}, Counts(), NOW_NS)
    add_evidence(rule, world.sources, PROJECT, NOW_NS, found)
    [first] = found.instances.values()
    again = evaluate(rule, seen, found.instances, Counts(), NOW_NS + 5 * S)
    add_evidence(rule, world.sources, PROJECT, NOW_NS + 5 * S, again)
    after = again.instances.get(first.instance_id, first)
    assert first.sample.cause
    assert (after.sample.cause, after.sample.trace_ids) == (
        first.sample.cause,
        first.sample.trace_ids,
    )
    assert asked == [1]


def test_without_evidence_people_are_told_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object) -> evidence.Evidence | None:
        raise StoreError("too slow", permanent=False, code=159)

    monkeypatch.setitem(evidence.ASKS, "budget_spent", fails)
    rule = RULES["budget-exceeded"]
    seen = look(rule, world.sources, PROJECT, NOW_NS)
    found = evaluate(rule, seen, {}, Counts(), NOW_NS)
    add_evidence(rule, world.sources, PROJECT, NOW_NS, found)
    [one] = found.instances.values()
    assert (one.is_firing, one.sample.cause) == (True, "")


def test_evidence_is_of_measures_that_there_are() -> None:
    assert set(evidence.ASKS) <= set(MEASURES)
