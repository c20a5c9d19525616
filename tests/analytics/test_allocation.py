"""Allocation against planted truth: rules, shared costs, months, exports; nothing lost or made."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.allocation.allocate import Allocation, Group, Sums, allocate
from spanledger_analytics.allocation.changes import end_rule, parse_condition, set_rule
from spanledger_analytics.allocation.errors import AllocationError
from spanledger_analytics.allocation.export import focus_table, plain_table, total_of
from spanledger_analytics.allocation.matching import Pool, Rule, matches, outcome_of, rules_of
from spanledger_analytics.allocation.months import as_far, month_before, month_of
from spanledger_analytics.allocation.owners import UNALLOCATED, Owner
from spanledger_analytics.allocation.reading import load_allocation
from spanledger_analytics.allocation.report import (
    REPORT_BY,
    lines_of,
    parts_of,
    report_of,
    shares_of,
)
from spanledger_analytics.allocation.splitting import Weight, split
from spanledger_analytics.allocation.suggestions import dimension_command, unmatched
from spanledger_storage.allocation_rules import AllocationRules, RuleRow
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder

MONTH = month_of("2026-10", UTC)
MIDDLE_S = MONTH.start_s + 15 * 86_400
PICO = Decimal("0.000000000001")


def rule(name: str, position: int = 500, **columns: Any) -> RuleRow:
    return RuleRow("default", name, position, columns.pop("effective_from_s", 0), **columns)


RULES = rules_of(
    [
        rule("idle", 10, conditions={"unused": "*"}, pool="Idle", split="spend", among="team"),
        rule("tagged", 20, conditions={"dimension.shared": "*"}, pool="Platform", split="even",
             among="team"),
        rule("sessions", 30, conditions={"session": "nightly-*"}, owner={"team": "batch"}),
        rule("one-user", 35, conditions={"user": "u-7"}, owner={"customer": "acme"}),
        rule("dimension", 40, owner={"team": "dimension:team", "customer": "dimension:customer"}),
        rule("bots", 50, conditions={"agent": "bot-*", "model": "gpt-*"}, owner={"team": "bots"},
             effective_to_s=MIDDLE_S),
        rule("bots", 50, conditions={"agent": "bot-*"}, owner={"team": "bots", "cost_center": "9"},
             effective_from_s=MIDDLE_S),
    ]
)  # fmt: skip


def test_the_first_rule_whose_conditions_all_hold_decides() -> None:
    facts = {"agent": "bot-1", "model": "gpt-4o", "dimension.team": "core"}
    early, late = MIDDLE_S - 1, MIDDLE_S
    assert outcome_of(RULES, facts, early).owner == Owner("bots")
    assert outcome_of(RULES, facts, late).owner == Owner("bots", "9")
    # An owner taken from a dimension is a condition too: all of them have to be told.
    told = facts | {"dimension.customer": "acme"}
    assert outcome_of(RULES, told, early).owner == Owner("core", "", "acme")
    assert outcome_of(RULES, {"agent": "bot-1"}, early).rule is None
    assert outcome_of(RULES, told | {"session": "nightly-3"}, early).owner == Owner("batch")
    pool = outcome_of(RULES, told | {"dimension.shared": "yes"}, early)
    assert pool.pool is not None
    assert (pool.owner, pool.pool.name) == (UNALLOCATED, "Platform")


def test_a_star_is_any_value_but_none() -> None:
    assert matches("*", "x")
    assert not matches("*", "")
    assert matches("a-*", "a-")
    assert not matches("a-*", "b-1")
    assert matches("a", "a")
    assert not matches("a", "ab")


OWNERS = st.builds(
    Owner,
    st.sampled_from(["", "red", "blue"]),
    st.sampled_from(["", "1", "2"]),
    st.sampled_from(["", "acme"]),
)
AMOUNTS = st.integers(-(10**15), 10**15)
POOLS = st.one_of(
    st.builds(
        Pool,
        st.just("p"),
        st.sampled_from(["even", "spend", "tokens"]),
        st.sampled_from(["team", "cost_center", "customer"]),
    ),
    st.integers(0, 10_000).map(
        lambda n: Pool("p", "percent", "team", (
            ("blue", Decimal(10_000 - n) / 100), ("new", Decimal(n) / 100),
        ))
    ),
)  # fmt: skip


@given(
    AMOUNTS,
    POOLS,
    st.dictionaries(
        OWNERS.filter(bool).filter(lambda o: o != UNALLOCATED),
        st.builds(Weight, AMOUNTS, st.integers(0, 10**9)),
        max_size=8,
    ),
)
def test_a_pool_is_split_without_losing_or_making_a_picodollar(
    amount: int, pool: Pool, direct: dict[Owner, Weight]
) -> None:
    parts = split(amount, pool, direct)
    assert sum(parts.values()) == amount
    assert all((part > 0) == (amount > 0) for part in parts.values())


def test_each_method_splits_by_its_weights() -> None:
    direct = {
        Owner("red", "1"): Weight(300, 1),
        Owner("red", "2"): Weight(100, 1),
        Owner("blue"): Weight(600, 8),
        Owner("", "3"): Weight(5_000, 90),  # has no team: takes no part among teams
    }
    even = split(1001, Pool("p", "even", "team"), direct)
    assert even == {Owner("blue"): 501, Owner("red", "1"): 375, Owner("red", "2"): 125}
    spend = split(1000, Pool("p", "spend", "team"), direct)
    assert spend == {Owner("blue"): 600, Owner("red", "1"): 300, Owner("red", "2"): 100}
    tokens = split(1000, Pool("p", "tokens", "team"), direct)
    assert tokens == {Owner("blue"): 800, Owner("red", "1"): 150, Owner("red", "2"): 50}
    fixed = Pool("p", "percent", "team", (("new", Decimal("12.5")), ("red", Decimal("87.5"))))
    assert split(80, fixed, direct) == {
        Owner("new"): 10, Owner("red", "1"): 53, Owner("red", "2"): 17,
    }  # fmt: skip
    assert split(7, Pool("p", "spend", "customer"), direct) == {UNALLOCATED: 7}


MODELS = ("gpt-4o", "claude-haiku-4-5")


class Planted:
    """A ledger made at random, and for each of its entries what the rules have to make of it."""

    def __init__(self, store: Store, seed: int = 7) -> None:
        self.seeder = Seeder(store, MONTH.start_s)
        self.store = store
        self.random = random.Random(seed)
        self.direct: defaultdict[Owner, Decimal] = defaultdict(Decimal)
        self.pools: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.tasks: defaultdict[Owner, int] = defaultdict(int)
        self.total = Decimal(0)

    def add(self, count: int) -> None:
        for number in range(count):
            self._add_one(number)
        self.seeder.insert()

    def _add_one(self, number: int) -> None:
        pick = self.random.choice
        # The last ones lie outside of the month.
        at_s = pick([self.random.randrange(MONTH.end_s - MONTH.start_s)] * 9 + [-1, 31 * 86_400])
        dimensions = {"team": pick(["", "core", "edge"]), "customer": pick(["", "acme", "globex"])}
        if number % 11 == 0:
            dimensions["shared"] = "yes"
        facts: dict[str, Any] = {
            "agent_name": pick(["bot-1", "bot-2", "planner", ""]),
            "user_id": pick(["u-7", "u-70", ""]),
            "session_id": pick(["nightly-1", "nightly-", "nightly", ""]),
            "dimensions": [(k, v) for k, v in dimensions.items() if v],
        }
        kind = pick(["llm"] * 8 + ["tool", "infra"])
        flags = ["unused"] if kind == "infra" else []
        cost = 10 * self.random.randrange(10**9) * PICO
        trace = f"{number:032x}"
        told = {name: value for name, value in facts.items() if name != "dimensions"}
        span = self.seeder.span(trace, f"{number:016x}", at_s=at_s, **told)
        self.seeder.entry(span, f"{cost:f}", kind=kind, model=pick(MODELS), flags=flags, **facts)
        self.seeder.trace(trace, outcome="completed", **facts)
        if 0 <= at_s < MONTH.end_s - MONTH.start_s:
            self._expect(facts, dimensions, kind, MONTH.start_s + at_s, cost)

    def _expect(self, facts: dict[str, Any], dimensions: dict[str, str], kind: str, now_s: int,
                cost: Decimal) -> None:  # fmt: skip
        """The rules above, once more and by hand."""
        self.total += cost
        model = self.seeder.rows["ledger"][-1]["model"]
        task_owner = self._owner(facts, dimensions, "", now_s)
        if "shared" not in dimensions:
            self.tasks[task_owner] += 1
        else:
            self.tasks[UNALLOCATED] += 1
        if kind == "infra":
            self.pools["Idle"] += cost
        elif "shared" in dimensions:
            self.pools["Platform"] += cost
        else:
            self.direct[self._owner(facts, dimensions, model, now_s)] += cost

    def _owner(self, facts: dict[str, Any], told: dict[str, str], model: str, now_s: int) -> Owner:
        if facts["session_id"].startswith("nightly-"):
            return Owner("batch")
        if facts["user_id"] == "u-7":
            return Owner(customer="acme")
        if told["team"] and told["customer"]:
            return Owner(told["team"], "", told["customer"])
        if facts["agent_name"].startswith("bot-"):
            if now_s >= MIDDLE_S:
                return Owner("bots", "9")
            if model.startswith("gpt-"):
                return Owner("bots")
        return UNALLOCATED


def october(store: Store, rules: list[Rule], **how: bool) -> Allocation:
    return load_allocation(store, "default", MONTH.start_s, MONTH.end_s, rules, **how)


def usd(amount: int) -> Decimal:
    return Decimal(amount) * PICO


def gpu_line(store: Store, line: str, cost: str, at_s: int) -> None:
    store.execute(
        "INSERT INTO gpu_attribution (project, gpu, start, line, cost_usd, version) VALUES "
        f"('default', 'GPU-1', {at_s}, '{line}', {cost}, 1)"
    )


def test_every_owner_bears_what_was_planted_and_everything_adds_up(store: Store) -> None:
    planted = Planted(store)
    planted.add(900)
    gpu_line(store, "idle", "1.5", MONTH.start_s + 300)
    gpu_line(store, "warm_up", "0.25", MONTH.end_s - 300)
    gpu_line(store, "priced", "90", MONTH.start_s + 300)  # the ledger has these calls
    gpu_line(store, "attributed", "90", MONTH.start_s + 300)  # and this is an entry of it
    gpu_line(store, "idle", "90", MONTH.end_s)  # another month
    found = october(store, RULES)
    assert {o: usd(p) for o, p in found.direct.items()} == planted.direct
    idle = planted.pools["Idle"] + Decimal("1.75")
    pools = {one.pool.name: usd(one.picodollars) for one in found.splits}
    assert pools == {"Idle": idle, "Platform": planted.pools["Platform"]}
    assert usd(found.of_source("ledger")) == planted.total == store_total(store)
    assert {o: t.tasks for o, t in found.tasks.items()} == planted.tasks
    for by in REPORT_BY:
        report = report_of(found, None, by)
        assert report.total_usd == planted.total + Decimal("1.75")
        assert report.unallocated.direct_usd == planted.direct[UNALLOCATED]
        assert sum(row.tasks for row in report.rows) == sum(planted.tasks.values())
        for row in report.rows:
            assert row.direct_picodollars == sum(
                part.picodollars for part in parts_of(lines_of(found, row, by), "model")
            )
            assert row.shared_picodollars == sum(shares_of(found, row, by).values())
    # Even: each of the teams bears a third or a picodollar more, however much it spends itself.
    teams = {row.name: row for row in report_of(found, None, "team").rows}
    platform = next(one for one in found.splits if one.pool.name == "Platform")
    names = {owner.team for owner in found.direct} - {""}
    for name in names:
        share = shares_of(found, teams[name], "team")["Platform"]
        assert share in (platform.picodollars // len(names), platform.picodollars // len(names) + 1)


def test_counts_of_what_a_pool_collects_are_in_the_total_and_its_money_once() -> None:
    rules = rules_of(
        [
            rule("platform", 1, conditions={"agent": "platform-*"}, pool="Platform",
                 split="tokens", among="team"),
            rule("core", 2, conditions={"agent": "core"}, owner={"team": "core"}),
        ]
    )  # fmt: skip
    found = allocate(
        [
            Group(0, {"agent": "platform-1"}, Sums(700, 40, 6_000, 3, 2)),
            Group(0, {"agent": "core"}, Sums(300, 8, 1_000, 1, 0)),
            Group(0, {"agent": "other"}, Sums(20, 5, 500, 0, 4)),
        ],
        rules,
    )
    rows = {row.name: row for row in report_of(found, None, "team").rows}
    assert {name: (row.picodollars, row.calls, row.tokens) for name, row in rows.items()} == {
        "core": (1_000, 8, 1_000), "": (20, 45, 6_500),
    }  # fmt: skip
    assert [(row.unpriced_calls, row.calls_without_usage) for row in rows.values()] == [
        (1, 0), (3, 6),
    ]  # fmt: skip
    plain = plain_table(found, MONTH)
    sums = [
        sum(count or 0 for count in plain.column(name).to_pylist())
        for name in ("calls", "tokens", "unpriced_calls", "calls_without_usage")
    ]
    assert sums == [53, 7_500, 4, 6]
    assert total_of(plain, "cost_usd") == 1_020 * PICO
    collected = [row for row in plain.to_pylist() if row["pool"] and row["rule"]]
    assert [(row["pool"], row["calls"], row["cost_usd"]) for row in collected] == [
        ("Platform", 40, 0)
    ]


def store_total(store: Store) -> Decimal:
    rows = store.sql_rows(
        "SELECT sum(total_cost_usd) AS usd FROM ledger_current WHERE project = 'default' AND "
        f"time >= toDateTime({MONTH.start_s}) AND time < toDateTime({MONTH.end_s})"
    )
    value = rows[0]["usd"]
    assert isinstance(value, Decimal)
    return value


def test_exports_have_every_picodollar(store: Store) -> None:
    Planted(store, 3).add(200)
    gpu_line(store, "idle", "1.5", MONTH.start_s + 300)
    found = october(store, RULES, with_classes=True)
    total = usd(found.picodollars)
    plain = plain_table(found, MONTH)
    assert total_of(plain, "cost_usd") == total
    focus = focus_table(found, MONTH, "default")
    for column in ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost"):
        assert total_of(focus, column) == total
    rows = focus.to_pylist()
    assert {row["BillingPeriodStart"] for row in rows} == {"2026-10-01T00:00:00Z"}
    assert all(row["PricingQuantity"] for row in rows)
    tokens = sum(row["ConsumedQuantity"] or 0 for row in rows)
    direct = sum(line.group.sums.tokens for line in found.lines if not line.pool)
    assert tokens == direct > 0
    shares = [row for row in rows if row["x_Pool"]]
    assert {row["AllocatedMethodId"] for row in shares} == {"split-even", "split-spend"}


def test_hourly_usage_gives_the_same_where_it_can(store: Store) -> None:
    seeder = Seeder(store, MONTH.start_s)
    for number, agent in enumerate(["bot-1", "bot-2", "planner", ""]):
        for hours in (0, 1, 700):
            cost = Decimal(number * 1000 + hours + 1) * 10 * PICO
            columns = {"agent_name": agent, "model": MODELS[number % 2]}
            span = seeder.span(f"{number:032x}", "1" * 16, at_s=hours * 3600, agent_name=agent)
            seeder.entry(span, f"{cost:f}", model=columns["model"])
            seeder.usage(hours_ago=-hours, calls=1, input_tokens=1000, output_tokens=200,
                         total_cost_usd=cost, **columns)  # fmt: skip
    seeder.insert()
    rules = rules_of(
        [
            rule("early", conditions={"agent": "bot-*"}, owner={"team": "a"},
                 effective_to_s=MONTH.start_s + 3_600),
            rule("late", conditions={"agent": "bot-2", "model": "claude-*"}, owner={"team": "b"}),
            # In force in another month: it must not send the question to the ledger.
            rule("later", conditions={"user": "u"}, owner={"team": "c"},
                 effective_from_s=MONTH.end_s),
        ]
    )  # fmt: skip
    hourly = october(store, rules)
    entries = october(store, rules, with_classes=True)
    assert hourly.direct == entries.direct
    assert hourly.direct[Owner("a")] == 10 + 10_010
    assert report_of(hourly, None, "team").rows[0].calls == 2
    store.execute("TRUNCATE TABLE ledger SYNC")
    assert october(store, rules).direct == hourly.direct


def test_what_nobody_bears_is_told_with_a_rule_that_fits() -> None:
    groups = [
        Group(0, {"agent": "it's", "kind": "llm"}, Sums(picodollars=5, calls=1)),
        Group(0, {"service": "worker", "kind": "llm"}, Sums(picodollars=9, calls=1)),
        Group(0, {"kind": "infra", "unused": "infra"}, Sums(picodollars=1)),
    ]
    found = allocate(groups, [])
    first, second, third = unmatched(found, "default")
    assert (first.service, first.usd) == ("worker", 9 * PICO)
    assert "--match service=worker --team TEAM" in first.command
    assert second.command.startswith(
        "spanledger allocation set it-s-43d6b7 --match 'agent=it'\"'\"'s'"
    )
    assert "--match unused=infra --shared" in third.command
    report = report_of(found, None, "team")
    assert [(row.is_unallocated, row.picodollars) for row in report.rows] == [(True, 15)]
    assert "--team dimension:team" in dimension_command(["x", "team"], "default")
    assert dimension_command(["x"], "default") == ""


def test_suggested_rules_have_names_of_their_own_and_nothing_that_does_not_print() -> None:
    agents = ["a b", "a/b", "x" * 80, "x" * 81, "évil\nrm -rf", "\x1b[2J", "*", "same", "a*b"]
    groups = [Group(0, {"agent": name}, Sums(picodollars=1, calls=1)) for name in agents]
    groups.append(Group(0, {"service": "same"}, Sums(picodollars=1, calls=1)))
    found = {one.agent: one.command for one in unmatched(allocate(groups, []), "default")}
    commands = [command for command in found.values() if command]
    names = [command.split()[3] for command in commands]
    assert len(set(names)) == len(agents) - 2 + 1
    assert max(len(name) for name in names) == 64
    assert all(command.isprintable() for command in commands)
    assert "'agent=évil*'" in found["évil\nrm -rf"]
    assert "'agent=a*'" in found["a*b"]
    assert found["\x1b[2J"] == found["*"] == ""


def test_months_are_those_of_the_calendar_of_the_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    march = month_of("2026-03", berlin)  # the clock goes forward in it
    assert march.end_s - march.start_s == 31 * 86_400 - 3_600
    assert datetime.fromtimestamp(march.start_s, UTC).hour == 23
    assert month_before(month_of("2026-01", berlin), berlin).text == "2025-12"
    february = month_before(march, berlin)
    assert as_far(february, march, march.start_s + 7_300).end_s == february.start_s + 7_200
    assert as_far(february, march, march.end_s) == february
    assert as_far(february, march, march.end_s - 3_600) == february  # shorter: all of it
    for wrong in ("2026-13", "2026", "26-01", "2026-1"):
        with pytest.raises(AllocationError, match="written like"):
            month_of(wrong, UTC)


@pytest.fixture
def rules(state: sa.Engine) -> AllocationRules:
    return AllocationRules(state)


def test_a_rule_of_the_same_name_follows_and_nothing_is_forgotten(rules: AllocationRules) -> None:
    first = rule("a", owner={"team": "red"}, conditions={"agent": "x"})
    later = rule("a", owner={"team": "blue"}, conditions={"agent": "x"}, effective_from_s=100)
    with rules.change("ann", 1) as change:
        assert set_rule(change, first)[0] == "added"
        assert set_rule(change, first)[0] == "unchanged"
    with rules.change("bob", 2) as change:
        assert set_rule(change, later)[0] == "follows"
    stored = rules.rows("default")
    assert [(r.effective_from_s, r.effective_to_s) for r in stored] == [(0, 100), (100, None)]
    with pytest.raises(AllocationError, match="already holds"), rules.change("bob", 3) as change:
        set_rule(change, rule("a", owner={"team": "green"}, effective_from_s=50))
    with rules.change("bob", 4) as change:
        [ended] = end_rule(change, "default", "a", 200)
        assert ended.effective_to_s == 200
    with rules.change("bob", 5) as change:
        assert len(end_rule(change, "default", "a", None)) == 2
    assert rules.rows("default") == []
    assert [(e.who, e.action) for e in rules.log("default", 9)][::-1] == [
        ("ann", "add"), ("bob", "close"), ("bob", "add"), ("bob", "close"), ("bob", "withdraw"),
        ("bob", "withdraw"),
    ]  # fmt: skip
    with pytest.raises(AllocationError, match="no rule"), rules.change("bob", 6) as change:
        end_rule(change, "default", "a", 100)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"conditions": {"agnt": "x"}, "owner": {"team": "a"}}, "nothing a rule can look at"),
        ({"conditions": {"agent": "a*b"}, "owner": {"team": "a"}}, "needs a value"),
        ({"conditions": {"agent": ""}, "owner": {"team": "a"}}, "needs a value"),
        ({}, "Say who bears it"),
        ({"owner": {"team": "dimension: "}}, "must be a name"),
        ({"owner": {"team": "a"}, "pool": "P"}, "not both"),
        ({"owner": {"team": "a"}, "split": "even"}, "go with --shared"),
        ({"pool": "P", "split": "percent"}, "goes with --split percent"),
        ({"pool": "P", "split": "percent", "percents": {"a": "99.9"}}, "add up to 100"),
        ({"owner": {"team": "a"}, "position": -1}, "--position"),
        ({"owner": {"team": "a"}, "effective_to_s": 0}, "end before it begins"),
        ({"owner": {"team": "a"}, "name": "a`b"}, "A rule's name"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_what_can(
    rules: AllocationRules, columns: dict[str, Any], says: str
) -> None:
    given: dict[str, Any] = {"project": "default", "name": "a", "position": 5, **columns}
    row = RuleRow(**given, effective_from_s=0)
    with pytest.raises(AllocationError, match=says), rules.change("ann", 1) as change:
        set_rule(change, row)
    assert rules.log("default", 9) == []
    with pytest.raises(AllocationError, match="FIELD=VALUE"):
        parse_condition("agent")
