"""Each built-in rule, on the real engine: quiet when all is well, and firing for what it is for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from spanledger_alerts.history import History
from spanledger_alerts.looking import look
from spanledger_alerts.measures import MEASURES, Sources
from spanledger_alerts.rule_files import built_in
from spanledger_alerts.sample import Failure, Sample
from spanledger_alerts.state_machine import Counts, Instance, evaluate
from spanledger_storage import budget_tables
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.collector_spools import Waiting
from spanledger_storage.engine import Engine
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.state import open_state
from spanledger_storage.store import Store
from tests.alerts.stage import S, migrated
from tests.conftest import fresh_store

RULES = {rule.name: rule for rule in built_in()}
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * S
MINUTE = 60


@dataclass
class World:
    store: Store
    sources: Sources
    state: sa.Engine

    def insert(self, table: str, *rows: dict[str, object]) -> None:
        lines = "\n".join(json.dumps(row) for row in rows)
        self.store.execute(f"INSERT INTO {table} FORMAT JSONEachRow {lines}")

    def fires(self, name: str, project: str, minutes: int = 0) -> list[tuple[str, dict[str, str]]]:
        """What a rule would have told by now, shown the same for as long as it waits."""
        rule = RULES[name]
        before: dict[str, Instance] = {}
        counts = Counts()
        outcome = look(rule, self.sources, project, NOW_NS + minutes * MINUTE * S)
        for slot_ns in (NOW_NS, NOW_NS + rule.for_s * S):
            found = evaluate(rule, outcome, before, counts, slot_ns)
            before |= found.instances
        assert not isinstance(outcome, Failure)
        return [(one.severity, dict(one.labels)) for one in before.values() if one.is_firing]


@pytest.fixture(scope="module")
def world(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    file = tmp_path_factory.mktemp("state") / "state.db"
    file.write_bytes(migrated())
    state = open_state(f"sqlite:///{file}")
    with fresh_store(engine) as store:
        yield World(store, Sources(store, BudgetAccounts(state), FindingStates(state)), state)
    state.dispose()


def text(minutes_ago: float) -> str:
    moment = datetime.fromtimestamp(NOW.timestamp() - minutes_ago * 60, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def call(project: str, number: int, minutes_ago: float, **fields: object) -> dict[str, object]:
    return {
        "project": project,
        "entry_id": f"{project}-{number}",
        "trace_id": f"{number:032x}",
        "time": text(minutes_ago),
        "kind": "llm",
        "provider": "acme",
        "model": "m1",
        "status": "ok",
        "usage_source": "span",
        "version": 1,
        **fields,
    }


def calls(project: str, count: int, minutes_ago: float, failing: int = 0, **fields: object) -> list[
    dict[str, object]
]:  # fmt: skip
    return [
        call(project, round(minutes_ago) * 1_000 + number, minutes_ago, **{
            "status": "error" if number < failing else "ok", **fields
        })
        for number in range(count)
    ]  # fmt: skip


def usage(project: str, hours_ago: int, **fields: object) -> dict[str, object]:
    return {
        "project": project,
        "hour": text(hours_ago * 60)[:14] + "00:00",
        "kind": "llm",
        "provider": "acme",
        "model": "m1",
        "agent_name": "planner",
        "service_name": "shop",
        "calls": 100,
        "input_tokens": 1_000,
        "last_time": text(hours_ago * 60),
        "version": 1,
        **fields,
    }


def gpu(project: str, minutes_ago: int, **fields: object) -> dict[str, object]:
    return {
        "project": project,
        "gpu": "GPU-1",
        "host": "node1",
        "minute": text(minutes_ago)[:17] + "00",
        "seconds": 60,
        "version": 1,
        **fields,
    }


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_is_quiet_where_nothing_is(world: World, name: str) -> None:
    assert world.fires(name, "empty") == []


FINDINGS = {
    "loop": "loop",
    "error-cascade": "error_cascade",
    "silent-failures": "silent_failure",
    "context-bloat": "context_bloat",
    "amplification": "amplification",
    "latency-growth": "latency_growth",
    "drift": "drift",
    "cost-anomaly": "cost_anomaly",
}


def finding(project: str, kind: str, name: str, minutes_ago: float = 5, **fields: object) -> dict[
    str, object
]:  # fmt: skip
    return {
        "project": project,
        "finding_id": name,
        "kind": kind,
        "code": "cycle",
        "severity": "critical",
        "title": "It goes on and on",
        "explanation": "Because of a tool",
        "first_seen": text(minutes_ago + 5),
        "last_seen": text(minutes_ago),
        "detected_at": text(minutes_ago),
        "trace_id": "f" * 32,
        "agent_name": "planner",
        "pattern": f"{kind} / planner",
        "avoidable_usd": "1.25",
        "version": 1,
        **fields,
    }


@pytest.mark.parametrize(("name", "kind"), FINDINGS.items())
def test_findings_are_told_while_they_are_news(world: World, name: str, kind: str) -> None:
    project = f"find-{kind}"
    world.insert("findings", finding(project, kind, "1" * 32))
    world.insert("findings", finding(project, kind, "2" * 32, minutes_ago=60))
    world.insert("findings", finding(project, kind, "3" * 32, severity="info"))
    [(severity, labels)] = world.fires(name, project)
    assert labels == {"kind": kind, "code": "cycle", "agent": "planner", "trace": "f" * 32}
    assert severity == ("warning" if RULES[name].severity == "warning" else "critical")
    [sample] = look(RULES[name], world.sources, project, NOW_NS)  # type: ignore[misc]  # no Failure
    assert (sample.usd, sample.headline) == (Decimal("1.25"), "It goes on and on")
    assert sample.trace_ids == ("f" * 32,)
    assert world.fires(name, project, minutes=6) == []


def test_findings_that_people_are_done_with_are_not_told(world: World) -> None:
    project = "done"
    states = FindingStates(world.state)
    for number, state in enumerate(("resolved", "false_alarm", "expected", "acknowledged")):
        row = finding(project, "loop", f"{number}" * 32, pattern=f"p{number}")
        world.insert("findings", row)
        states.say(project, f"{number}" * 32, state, pattern=f"p{number}", who="ann", now_ns=1)
    world.insert("findings", finding(project, "loop", "9" * 32, pattern="p1"))  # muted with another
    assert len(world.fires("loop", project)) == 1


def test_error_rate_and_outage(world: World) -> None:
    world.insert("ledger", *calls("errors", 100, 5, failing=12))
    assert world.fires("error-rate", "errors") == [("warning", {"provider": "acme", "model": "m1"})]
    assert world.fires("provider-outage", "errors") == []
    world.insert("ledger", *calls("outage", 40, 3, failing=24))
    assert world.fires("provider-outage", "outage") == [("critical", {"provider": "acme"})]
    assert world.fires("error-rate", "outage") == []  # fewer calls than it wants
    world.insert("ledger", *calls("few", 10, 3, failing=10))
    assert world.fires("provider-outage", "few") == []
    failed = calls("why", 40, 3, failing=30, total_cost_usd="0.25", error_type="RateLimitError")
    failed += calls("why", 9, 4, failing=9, error_type="timeout")
    world.insert("ledger", *failed, *calls("why", 1, 2, failing=1))
    for name in ("provider-outage", "error-rate"):
        [told] = look(RULES[name], world.sources, "why", NOW_NS)  # type: ignore[misc]
        assert told.explanation == "30 × RateLimitError, 9 × timeout, 1 × an error without a type"
        assert told.usd == Decimal("7.5")
        assert told.baseline is None
    world.insert("usage_hourly", *[usage("why", hours, errors=2) for hours in range(2, 30)])
    world.insert("usage_hourly", usage("why", 200, errors=100))
    for name in ("provider-outage", "error-rate"):
        [told] = look(RULES[name], world.sources, "why", NOW_NS)  # type: ignore[misc]
        assert (told.value, told.baseline) == (Decimal("0.8"), Decimal("0.02"))
        assert set(told.labels) <= {"provider", "model"}


def test_failed_calls_count_with_the_answered_ones_of_the_model_they_asked_for(
    world: World,
) -> None:
    """Answers name the dated model; a call that failed knows only what was requested."""
    for project, answered, failed in (("mostly-good", 1_800, 60), ("mostly-bad", 60, 40)):
        world.insert(
            "ledger",
            *calls(project, answered, 3, model="m1-2026", request_model="m1"),
            *calls(project, failed, 5, failing=failed, model="m1", request_model="m1"),
        )
        # The week before: 5 of 100 failed, counted under both names.
        world.insert("usage_hourly", usage(project, 3, model="m1-2026", calls=95, errors=0))
        world.insert("usage_hourly", usage(project, 3, model="m1", calls=5, errors=5))
    assert world.fires("error-rate", "mostly-good") == []  # 60 of 1,860
    assert world.fires("error-rate", "mostly-bad") == [
        ("critical", {"provider": "acme", "model": "m1"})
    ]
    [told] = look(RULES["error-rate"], world.sources, "mostly-bad", NOW_NS)  # type: ignore[misc]
    assert (told.value, told.points) == (Decimal("0.4"), 100)
    assert told.baseline == Decimal("0.05")


def test_where_no_call_is_answered_what_is_usual_is_not_known(world: World) -> None:
    world.insert("ledger", *calls("dark", 60, 3, failing=60, model="m1", request_model="m1"))
    world.insert("usage_hourly", usage("dark", 3, model="m1-2026", calls=95, errors=0))
    world.insert("usage_hourly", usage("dark", 3, model="m1", calls=5, errors=5))
    [told] = look(RULES["error-rate"], world.sources, "dark", NOW_NS)  # type: ignore[misc]
    assert (told.value, told.baseline) == (Decimal(1), None)


def test_the_first_token_takes_longer_than_usual(world: World) -> None:
    before = calls("slow", 200, 3_000, ttft_ns=500_000_000)
    world.insert("ledger", *before, *calls("slow", 60, 5, ttft_ns=1_200_000_000))
    assert world.fires("slow-first-token", "slow") == [
        ("warning", {"provider": "acme", "model": "m1"})
    ]
    world.insert("ledger", *calls("new", 60, 5, ttft_ns=1_200_000_000))
    assert world.fires("slow-first-token", "new") == []  # nobody knows what is usual


def test_caches_are_hit_less(world: World) -> None:
    before = [usage("cache", hours, cache_read_tokens=800) for hours in range(2, 30)]
    world.insert("usage_hourly", *before, usage("cache", 1, cache_read_tokens=100))
    labels = {"provider": "acme", "model": "m1", "agent": "planner"}
    # Of this hour and the one before 45 % were read, before that 80 %.
    assert world.fires("cache-hit-drop", "cache") == [("warning", labels)]
    same = [usage("same", hours, cache_read_tokens=800) for hours in range(1, 30)]
    world.insert("usage_hourly", *same)
    assert world.fires("cache-hit-drop", "same") == []


def test_calls_without_a_price(world: World) -> None:
    world.insert("usage_hourly", usage("unpriced", 1, unpriced_calls=3), usage("unpriced", 2))
    assert world.fires("unpriced-models", "unpriced") == [
        ("warning", {"provider": "acme", "model": "m1"})
    ]


def test_a_busy_service_went_quiet(world: World) -> None:
    world.insert("usage_hourly", *[usage("quiet", hours) for hours in range(2, 20)])
    world.insert("usage_hourly", *[usage("quiet", h, service_name="cron") for h in range(6, 24, 6)])
    assert world.fires("data-gone-quiet", "quiet") == [("warning", {"service": "shop"})]
    world.insert("usage_hourly", *[usage("busy", hours) for hours in range(20)])
    assert world.fires("data-gone-quiet", "busy") == []


def test_dead_letters_and_data_quality(world: World) -> None:
    letter = {"project": "bad", "letter_id": "1", "signal": "traces", "state": "open"}
    world.insert("dead_letters", {**letter, "received_at": text(60), "version": 1})
    assert world.fires("dead-letters", "bad") == [("warning", {"signal": "traces"})]
    check = {"project": "bad", "check": "conflicts", "severity": "error", "count": 4}
    world.insert("quality_findings", {**check, "title": "Four differ", "version": NOW_NS - 60 * S})
    assert world.fires("data-quality", "bad") == [("warning", {"check": "conflicts"})]
    world.insert("dead_letters", {**letter, "state": "dropped", "version": 2})
    assert world.fires("dead-letters", "bad") == []


def test_a_gpu_does_nothing(world: World) -> None:
    world.insert("gpu_minutes", *[gpu("idle", m, idle_ratio=1) for m in range(1, 62)])
    line: dict[str, object] = {
        "project": "idle",
        "gpu": "GPU-1",
        "line": "idle",
        "seconds": 300,
        "cost_usd": "0.5",
    }
    world.insert(
        "gpu_attribution", *[{**line, "start": text(m), "version": 1} for m in (10, 20, 90)]
    )
    assert world.fires("gpu-idle", "idle") == [("warning", {"gpu": "GPU-1", "host": "node1"})]
    [sample] = look(RULES["gpu-idle"], world.sources, "idle", NOW_NS)  # type: ignore[misc]
    assert sample.usd == Decimal("1.0")
    world.insert("gpu_minutes", *[gpu("busy", m, idle_ratio=0.3) for m in range(1, 62)])
    assert world.fires("gpu-idle", "busy") == []


def test_a_gpu_is_held_down(world: World) -> None:
    world.insert("gpu_minutes", *[gpu("hot", m, throttled_ratio=0.5) for m in range(1, 17)])
    assert world.fires("gpu-throttled", "hot") == [("warning", {"gpu": "GPU-1", "host": "node1"})]


def fault(project: str, minutes_ago: int, event: str, **fields: object) -> dict[str, object]:
    at = int(NOW.timestamp()) - minutes_ago * 60
    told = {"event_samples": {event: 1}, "event_first_s": {event: at}, "event_last_s": {event: at}}
    return gpu(project, minutes_ago, **told, **fields)


def test_a_gpu_reports_a_fault_once(world: World) -> None:
    world.insert("gpu_minutes", *[fault("fault", m, "xid:79") for m in range(1, 10)])
    labels = {"gpu": "GPU-1", "host": "node1", "fault": "xid 79"}
    assert world.fires("gpu-fault", "fault") == [("critical", labels)]
    world.insert("gpu_minutes", *[fault("app", m, "xid:31") for m in range(1, 10)])
    assert world.fires("gpu-fault", "app") == [("warning", {**labels, "fault": "xid 31"})]
    # A driver goes on telling the last code: nothing is new.
    world.insert("gpu_minutes", *[fault("old", m, "xid:79", xid_errors=1) for m in range(1, 60, 7)])
    assert world.fires("gpu-fault", "old") == []
    world.insert("gpu_minutes", fault("old", 2, "xid:79", xid_errors=2))
    assert world.fires("gpu-fault", "old") == [("critical", labels)]
    world.insert("gpu_minutes", fault("lost", 1, "lost:0"))
    assert world.fires("gpu-fault", "lost") == [("critical", {**labels, "fault": "lost"})]


@pytest.mark.parametrize(
    ("name", "column", "value", "severity"),
    [
        ("budget-exceeded", "ledger_amount", "100", "critical"),
        ("budget-soft-limit", "ledger_amount", "80", "warning"),
        ("budget-forecast", "forecast_mid", "101", "warning"),
        ("budget-burn", "burn_per_hour", "30", "warning"),
    ],
)
def test_budgets(world: World, name: str, column: str, value: str, severity: str) -> None:
    project = name
    with world.state.begin() as connection:
        connection.execute(sa.insert(budget_tables.budgets).values(**budget_row(project)))
        state = budget_state_row(project)
        connection.execute(sa.insert(budget_tables.states).values(**state))
    assert world.fires(name, project) == []
    with world.state.begin() as connection:
        mine = budget_tables.states.c.budget_id == project[:16]
        changed = sa.update(budget_tables.states).where(mine)
        connection.execute(changed.values(**{column: Decimal(value)}))
    labels = {"budget": "daily", "scope": "agent", "of": "planner"}
    assert world.fires(name, project) == [(severity, labels)]


def budget_row(project: str) -> dict[str, object]:
    return {
        "id": project[:16],
        "project": project,
        "name": "daily",
        "scope": "agent",
        "selector": "planner",
        "measure": "usd",
        "period": "day",
        "timezone": "UTC",
        "soft_limit": Decimal(80),
        "hard_limit": Decimal(100),
        "owner": "",
        "note": "",
        "is_active": True,
        "created_at_ns": 1,
        "created_by": "",
        "changed_at_ns": 1,
        "changed_by": "",
    }


def budget_state_row(project: str) -> dict[str, object]:
    zero = Decimal(0)
    start_s = int(NOW.timestamp()) // 86_400 * 86_400
    return {
        "budget_id": project[:16],
        "window_start_s": start_s,
        "ledger_amount": Decimal(10),
        "settled_amount": zero,
        "reserved_amount": zero,
        "largest_amount": zero,
        "refused": 0,
        "passed": 0,
        "burn_per_hour": Decimal(1),
        "forecast_method": "day",
        "forecast_mid": Decimal(50),
    }


def test_a_spool_that_grows_old(world: World) -> None:
    sources = world.sources
    aged = Sources(sources.store, sources.budgets, sources.findings, lambda: Waiting(7, 90.0))
    other = World(world.store, aged, world.state)
    assert other.fires("spool-growing", "default") == [("warning", {})]
    young = Sources(sources.store, sources.budgets, sources.findings, lambda: Waiting(7, 1.0))
    assert World(world.store, young, world.state).fires("spool-growing", "default") == []


def cell(project: str, day: str, number: int, **fields: object) -> dict[str, object]:
    return {
        "project": project,
        "day": day,
        "provider": "acme",
        "cell_id": f"{number:032x}",
        "token_class": "input",
        "is_final": 1,
        "version": 1,
        **fields,
    }


def cause(name: str, usd: str) -> dict[str, object]:
    return {
        "cause": name,
        "usd": usd,
        "confidence": "high",
        "explanation": "",
        "evidence_count": 0,
    }


def test_a_provider_bills_other_than_the_ledger_says(world: World) -> None:
    why = [cause("hidden_retries", "6.5"), cause("unexplained", "1")]
    world.insert(
        "reconciliation_cells",
        cell("billed", "2026-11-02", 1, ledger_usd="100", billed_usd="100"),
        cell("billed", "2026-11-03", 2, ledger_usd="50", billed_usd="57.5", causes=why),
        # Left out: the provider may still change it; long ago; a cell that is gone.
        cell("billed", "2026-11-19", 3, ledger_usd="500", billed_usd="0", is_final=0),
        cell("billed", "2026-09-30", 4, ledger_usd="1", billed_usd="900"),
        cell("billed", "2026-11-03", 5, ledger_usd="0", billed_usd="70", is_deleted=1),
        cell("billed", "2026-10-31", 6, ledger_usd="10", billed_usd="10.9"),  # less than a dollar
    )
    labels = {"provider": "acme", "month": "2026-11"}
    assert world.fires("invoice-variance", "billed") == [("warning", labels)]
    found = look(RULES["invoice-variance"], world.sources, "billed", NOW_NS)
    assert not isinstance(found, Failure)
    samples = {one.labels["month"]: one for one in found}
    assert samples["2026-10"].value == 0
    told = samples["2026-11"]
    assert told.value == pytest.approx(Decimal("7.5") / Decimal("157.5"))
    assert (told.usd, told.points) == (Decimal("7.5"), 2)
    assert told.explanation == (
        "Billed $157.50, in the ledger $150.00. Unexplained: $1.00. "
        "Largest cause: hidden retries, $6.50"
    )
    unexplained = RULES["invoice-variance"].model_copy(update={"params": {"unexplained": 1}})
    [alone] = [
        one
        for one in look(unexplained, world.sources, "billed", NOW_NS)  # type: ignore[union-attr]
        if one.labels["month"] == "2026-11"
    ]
    assert alone.usd == 1
    world.insert(
        "reconciliation_cells", cell("less", "2026-11-02", 1, ledger_usd="100", billed_usd="70")
    )
    assert world.fires("invoice-variance", "less") == [("critical", labels)]


def test_a_chart_shows_what_the_rule_would_have_seen(world: World) -> None:
    world.insert(
        "ledger", *calls("chart", 100, 30, failing=50), *calls("chart", 100, 5, failing=80)
    )
    rule = RULES["error-rate"]
    labels = {"provider": "acme", "model": "m1"}
    one = Instance("1", labels, "firing", "critical", 1, NOW_NS, Sample(labels, Decimal(1)))
    series = dict(History(rule, world.sources, "chart", NOW_NS).of(one))
    now_s = NOW_NS // S
    for at_s, value in series.items():
        end_s = at_s - rule.delay  # windows are of 15 minutes
        old, new = (0 < end_s - (now_s - ago * 60) <= 900 for ago in (30, 5))
        assert (old, new) in ((True, False), (False, True)), "a time without calls is no point"
        assert value == (0.5 if old else 0.8)
    assert {0.5, 0.8} == set(series.values())


def test_every_measure_has_a_rule() -> None:
    used = {rule.measure for rule in RULES.values()} - {""}
    made_by_tests = {"made", "told"}  # tests of other files leave them in this process
    assert used == set(MEASURES) - made_by_tests
    assert len(RULES) >= 20
