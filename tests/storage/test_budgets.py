"""Budgets: windows, terms, and the accounting of what is set aside and settled."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.budget_amounts import Amounts
from spanledger_storage.budget_reckoning import KEPT_NS, Figure, OpenCall, Place, Reckoning
from spanledger_storage.budget_requests import Reserve, Reserved, Settle, Subject, Wanted
from spanledger_storage.budget_tables import holds, settlements
from spanledger_storage.budget_windows import Period, window_at
from spanledger_storage.budgets import Budget, Budgets, BudgetTerms, Measure
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.projects import Projects
from spanledger_storage.state import migrate_state, open_state, open_state_writer
from tests.postgres import migrated_database

S = 10**9
NOW_S = 1_795_000_000  # 2026-11-18T10:26:40Z
NOW = NOW_S * S
PLANNER = Subject(agent="planner")
DOLLAR = BudgetTerms("cap", "agent", "planner", "usd", "month", hard_limit=Decimal(1))


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite")
        return
    with migrated_database(request.getfixturevalue("postgres_url")) as url:
        engine = open_state(url)
        yield engine
        engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    yield engine
    engine.dispose()


def usd(text: str) -> dict[Measure, Decimal | None]:
    return {"usd": Decimal(text)}


def asked(key: str, needed: Wanted, **more: Any) -> Reserve:
    return Reserve(key, more.pop("subject", PLANNER), needed, more.pop("wanted", {}),
                   more.pop("ttl_s", 600), **more)  # fmt: skip


def settled(key: str, used: Wanted, reserved: Reserved | None = None, **more: Any) -> Settle:
    return Settle(
        key,
        reserved.reservation if reserved else "",
        more.pop("subject", None),
        more.pop("set_aside", None),
        used,
        more.pop("at_s", NOW_S),
        **more,
    )


def seen(*values: object) -> tuple[object, ...]:
    """Figures of any type, to compare with whole numbers."""
    return values


def found_in(
    state: sa.Engine, *span_keys: str, places: Collection[Place] = (("agent", "planner", "usd"),)
) -> dict[OpenCall, Collection[Place]]:
    """Open calls that the ledger counts in some budgets."""
    calls = Reckoning(state).open_calls("p", 1_000)
    return {call: places for call in calls if call.span_key in span_keys}


def amounts(state: sa.Engine, now_ns: int = NOW, project: str = "p") -> Amounts:
    [(found, _)] = BudgetAccounts(state).state(project, now_ns)
    return found


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("period", "zone", "now", "start", "end"),
    [
        ("day", "UTC", "2026-11-18T10:00", "2026-11-18T00:00", "2026-11-19T00:00"),
        ("day", "Asia/Kolkata", "2026-11-18T20:00", "2026-11-18T18:30", "2026-11-19T18:30"),
        ("day", "Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("week", "UTC", "2026-11-18T10:00", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("week", "UTC", "2026-11-16T00:00", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("month", "America/New_York", "2026-11-01T03:59", "2026-10-01T04:00", "2026-11-01T04:00"),
        ("month", "America/New_York", "2026-11-01T04:00", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("month", "UTC", "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_calendar_windows_begin_at_midnight_of_their_zone(
    period: Period, zone: str, now: str, start: str, end: str
) -> None:
    window = window_at(period, zone, None, utc(now))
    assert seen(window.start_s, window.end_s) == (utc(start), utc(end))


def test_calendar_windows_follow_each_other_without_a_gap() -> None:
    for zone in ("UTC", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo"):
        for period in ("day", "week", "month"):
            at_s = int(datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).timestamp())
            while at_s < utc("2027-01-01T00:00"):
                window = window_at(period, zone, None, at_s)
                assert window.start_s <= at_s < window.end_s
                assert window_at(period, zone, None, window.end_s - 1) == window
                at_s = window.end_s


def test_a_rolling_window_is_never_shorter_than_it_says() -> None:
    for rolling_s in (60, 61, 3_600, 86_400, 2_592_000):
        window = window_at("rolling", "UTC", rolling_s, NOW_S + 17)
        assert rolling_s <= window.end_s - window.start_s < rolling_s + min(61, rolling_s / 59 + 1)


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 129}, "128"),
        ({"name": "a\x07b"}, "printable"),
        ({"selector": ""}, "selector"),
        ({"scope": "project"}, "no selector"),
        ({"scope": "planet"}, "project, team"),
        ({"scope": "tag", "selector": "acme"}, "key=value"),
        ({"measure": "eur"}, "usd, tokens"),
        ({"period": "year"}, "rolling, day"),
        ({"period": "rolling", "rolling_s": 59}, "60"),
        ({"timezone": "Mars/Olympus"}, "Europe/Berlin"),
        ({"timezone": "../etc/passwd"}, "time zone"),
        ({"hard_limit": None}, "soft limit, a hard limit"),
        ({"hard_limit": Decimal(-1)}, "0 to"),
        ({"hard_limit": Decimal("NaN")}, "0 to"),
        ({"hard_limit": Decimal("1e-13")}, "12 decimals"),
        ({"measure": "tokens", "hard_limit": Decimal("0.5")}, "have none"),
        ({"soft_limit": Decimal(2)}, "not above"),
    ],
)
def test_terms_that_cannot_be_are_refused_with_what_can(
    sqlite: sa.Engine, change: dict[str, Any], advice: str
) -> None:
    with pytest.raises(ConfigError, match=advice):
        Budgets(sqlite).create("p", replace(DOLLAR, **change), "me", NOW)
    assert Budgets(sqlite).of("p") == []


def test_budgets_are_kept_as_they_were_written(state: sa.Engine) -> None:
    budgets = Budgets(state)
    terms = replace(DOLLAR, name="  a   name ", soft_limit=Decimal("0.100000000001"), note="n")
    made = budgets.create("p", terms, "me", NOW)
    assert budgets.of("p") == [made]
    assert made.terms == replace(terms, name="a name")
    assert budgets.get("p", "a name") == budgets.get("p", made.id) == made
    assert budgets.of("q") == []
    with pytest.raises(ConfigError, match="already"):
        budgets.create("p", terms, "me", NOW)
    with pytest.raises(ConfigError, match="a name"):
        budgets.get("p", "another")
    with pytest.raises(ConfigError, match="none"):
        budgets.get("q", made.id)


def test_a_call_is_counted_from_its_reservation_to_the_ledger(state: sa.Engine) -> None:
    made = Budgets(state).create("p", DOLLAR, "me", NOW)
    accounts = BudgetAccounts(state)
    held = accounts.reserve("p", asked("r1", usd("0.4")), NOW)
    assert seen(held.is_granted, held.granted) == (True, usd("0.4"))
    found = amounts(state)
    assert seen(found.spent, found.reserved, found.room) == (0, Decimal("0.4"), Decimal("0.6"))

    used = settled("s1", usd("0.3"), held, span_key="ab" * 24)
    assert accounts.settle("p", [used], NOW).counted == 1
    found = amounts(state)
    assert seen(found.settled, found.reserved, found.largest) == (Decimal("0.3"), 0, Decimal("0.3"))

    figures = {made.id: Figure(found.window.start_s, Decimal("0.31"))}
    Reckoning(state).apply("p", figures, found_in(state, "ab" * 24), NOW + S)
    found = amounts(state, NOW + S)
    assert seen(found.in_ledger, found.settled, found.spent) == (
        Decimal("0.31"), 0, Decimal("0.31"),
    )  # fmt: skip
    assert found.ledger_as_of_ns == NOW + S


def test_requests_that_are_sent_again_count_once(state: sa.Engine) -> None:
    made = Budgets(state).create("p", DOLLAR, "me", NOW)
    accounts = BudgetAccounts(state)
    request = asked("r1", usd("0.4"))
    held = accounts.reserve("p", request, NOW)
    again = accounts.reserve("p", request, NOW + S)
    assert seen(again.reservation, again.granted) == (held.reservation, held.granted)
    assert amounts(state).reserved == Decimal("0.4")

    part = settled("s1", usd("0.1"), held, set_aside=usd("0.1"), span_key="cd" * 24)
    assert accounts.settle("p", [part, part], NOW).counted == 1
    assert accounts.settle("p", [part], NOW + S).repeated == 1
    found = amounts(state)
    assert seen(found.settled, found.reserved) == (Decimal("0.1"), Decimal("0.3"))

    figures = {made.id: Figure(found.window.start_s, Decimal("0.1"))}
    Reckoning(state).apply("p", figures, found_in(state, "cd" * 24), NOW)
    assert accounts.settle("p", [part], NOW + 2 * S).repeated == 1  # it has left, and stays known
    assert amounts(state).spent == Decimal("0.1")
    assert accounts.release("p", [held.reservation], NOW) == 1
    assert accounts.release("p", [held.reservation], NOW) == 0
    assert amounts(state).reserved == 0


def test_what_does_not_fit_is_refused_in_every_budget_or_none(state: sa.Engine) -> None:
    budgets, accounts = Budgets(state), BudgetAccounts(state)
    small = budgets.create("p", DOLLAR, "me", NOW)
    calls = BudgetTerms("calls", "project", "", "llm_calls", "day", hard_limit=Decimal(10))
    budgets.create("p", calls, "me", NOW)
    budgets.create("p", replace(DOLLAR, name="other", selector="writer"), "me", NOW)
    budgets.create("q", replace(DOLLAR, name="of another project"), "me", NOW)

    held = accounts.reserve("p", asked("r1", usd("1")), NOW)
    assert held.granted == {"usd": 1, "llm_calls": 1}
    assert {a.budget.terms.name for a in held.budgets} == {"cap", "calls"}
    assert held.scopes == ("agent",)

    refused = accounts.reserve("p", asked("r2", usd("0.000000000001")), NOW)
    assert seen(refused.is_granted, refused.over, refused.reservation) == (False, (small.id,), "")
    by_name = {a.budget.terms.name: a for a, _ in accounts.state("p", NOW)}
    assert by_name["calls"].reserved == 1
    assert by_name["cap"].refused == 1
    [breach] = budgets.breaches("p")
    assert seen(breach.level, breach.count, breach.limit_amount) == ("refused", 1, 1)

    writers = accounts.reserve("p", asked("r3", usd("1"), subject=Subject(agent="writer")), NOW)
    assert writers.is_granted
    assert accounts.reserve("r", asked("r1", usd("99")), NOW) == Reserved(
        True, "", {}, 0, (), (), ()
    )


def test_an_observer_is_granted_over_the_limit_and_told(sqlite: sa.Engine) -> None:
    made = Budgets(sqlite).create("p", DOLLAR, "me", NOW)
    held = BudgetAccounts(sqlite).reserve("p", asked("r", usd("3"), is_strict=False), NOW)
    assert seen(held.is_granted, held.over) == (True, (made.id,))
    assert amounts(sqlite).room == -2


def test_every_reservation_expires_and_a_late_settlement_counts(state: sa.Engine) -> None:
    Budgets(state).create("p", DOLLAR, "me", NOW)
    accounts = BudgetAccounts(state)
    held = accounts.reserve("p", asked("r1", usd("1"), ttl_s=10), NOW)
    forever = accounts.reserve("p", asked("r2", usd("0"), ttl_s=10**9), NOW)
    assert forever.expires_at_ns == NOW + 3_600 * S
    assert not accounts.reserve("p", asked("r3", usd("1")), NOW + 10 * S - 1).is_granted
    assert amounts(state, NOW + 10 * S).reserved == 0
    assert accounts.reserve("p", asked("r4", usd("0.5")), NOW + 10 * S).is_granted
    accounts.settle("p", [settled("s1", usd("0.7"), held)], NOW + 20 * S)
    found = amounts(state, NOW + 20 * S)
    assert seen(found.settled, found.reserved) == (Decimal("0.7"), Decimal("0.5"))
    with state.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(holds)) == 2


def test_an_unknown_use_counts_as_what_was_set_aside(sqlite: sa.Engine) -> None:
    Budgets(sqlite).create("p", DOLLAR, "me", NOW)
    accounts = BudgetAccounts(sqlite)
    held = accounts.reserve("p", asked("r1", {"usd": None}), NOW)
    assert held.granted == usd("0.01")  # a hundredth of the limit
    accounts.settle("p", [settled("s1", {"usd": None}, held)], NOW)
    assert amounts(sqlite).settled == Decimal("0.01")
    accounts.settle("p", [settled("s2", usd("0.2"), subject=PLANNER, was_passed=True)], NOW)
    assert accounts.reserve("p", asked("r2", {"usd": None}), NOW).granted == usd("0.1")  # a tenth
    assert amounts(sqlite).passed == 1
    assert accounts.settle("p", [settled("s3", usd("1"))], NOW).unknown == 1
    assert amounts(sqlite).settled == Decimal("0.21")


def test_an_unknown_call_is_taken_for_the_smallest_that_a_budget_expects(
    sqlite: sa.Engine,
) -> None:
    budgets, accounts = Budgets(sqlite), BudgetAccounts(sqlite)
    budgets.create("p", replace(DOLLAR, name="large", hard_limit=Decimal(500)), "me", NOW)
    budgets.create("p", DOLLAR, "me", NOW)
    assert accounts.reserve("p", asked("r1", {}), NOW).granted == usd("0.01")
    accounts.settle("p", [settled("s1", usd("0.002"), subject=PLANNER)], NOW)
    assert accounts.reserve("p", asked("r2", {}), NOW).granted == usd("0.002")


def test_one_call_above_the_limit_locks_nobody_out_of_the_next_window(sqlite: sa.Engine) -> None:
    Budgets(sqlite).create("p", replace(DOLLAR, period="day"), "me", NOW)
    accounts = BudgetAccounts(sqlite)
    accounts.settle("p", [settled("s1", usd("3"), subject=PLANNER)], NOW)
    assert not accounts.reserve("p", asked("r1", {}), NOW).is_granted
    accounts.settle("p", [settled("s2", usd("3"), subject=PLANNER)], NOW + 1)
    assert amounts(sqlite).largest == 3
    tomorrow = accounts.reserve("p", asked("r2", {}), NOW + 86_400 * S)
    assert seen(tomorrow.is_granted, tomorrow.granted) == (True, usd("0.01"))


@pytest.mark.parametrize(
    ("measure", "limit"),
    [("usd", 0), ("tokens", 0), ("llm_calls", 0), ("usd", "1e-12"), ("tokens", 1), ("usd", "1e18")],
)
def test_unknown_calls_fit_unless_the_limit_is_zero(
    sqlite: sa.Engine, measure: Measure, limit: str | int
) -> None:
    terms = replace(DOLLAR, measure=measure, hard_limit=Decimal(limit))
    Budgets(sqlite).create("p", terms, "me", NOW)
    held = BudgetAccounts(sqlite).reserve("p", asked("r", {}, wanted={measure: Decimal(9)}), NOW)
    assert held.is_granted == bool(limit)


def test_a_resent_request_leaves_expired_ones_out_of_what_is_set_aside(state: sa.Engine) -> None:
    Budgets(state).create("p", DOLLAR, "me", NOW)
    accounts = BudgetAccounts(state)
    request = asked("r1", usd("0.1"))
    accounts.reserve("p", request, NOW)
    accounts.reserve("p", asked("r2", usd("0.8"), ttl_s=1), NOW)
    accounts.reserve("p", request, NOW + 5 * S)
    assert amounts(state, NOW + 5 * S).reserved == Decimal("0.1")
    assert amounts(state, NOW + 3_600 * S).reserved == 0


def test_a_call_leaves_only_the_budgets_that_the_ledger_counts_it_in(state: sa.Engine) -> None:
    budgets, accounts = Budgets(state), BudgetAccounts(state)
    everybody = replace(DOLLAR, name="all", scope="project", selector="")
    terms = (DOLLAR, everybody, replace(everybody, name="tokens", measure="tokens"))
    made = {one.name: budgets.create("p", one, "me", NOW) for one in terms}
    used: Wanted = {"usd": Decimal("0.3"), "tokens": Decimal(7)}
    accounts.settle("p", [settled("s1", used, subject=PLANNER, span_key="ab" * 24)], NOW)
    start_s = DOLLAR.window(NOW_S).start_s
    figures = {one.id: Figure(start_s, Decimal(0)) for one in made.values()}
    figures[made["all"].id] = Figure(start_s, Decimal("0.31"))

    for _ in range(2):  # it is looked for again, and leaves once
        found = found_in(state, "ab" * 24, places=[("project", "", "usd"), ("agent", "x", "usd")])
        Reckoning(state).apply("p", figures, found, NOW)
        spent = {a.budget.terms.name: a.spent for a, _ in accounts.state("p", NOW)}
        assert spent == {"cap": Decimal("0.3"), "all": Decimal("0.31"), "tokens": 7}


def test_open_calls_are_read_in_pages_from_the_oldest(state: sa.Engine) -> None:
    Budgets(state).create("p", DOLLAR, "me", NOW)
    Budgets(state).create("p", replace(DOLLAR, name="other"), "me", NOW)
    accounts, reckoning = BudgetAccounts(state), Reckoning(state)
    for number in range(9):  # three at a time
        one = settled(f"s{number}", usd("0.1"), subject=PLANNER, span_key=f"{number:048x}")
        accounts.settle("p", [one], NOW + number // 3 * S)
    read: list[OpenCall] = []
    while page := reckoning.open_calls("p", 2, after=read[-1] if read else None):
        read += page
    assert [int(call.span_key, 16) for call in read] == list(range(9))
    middle = reckoning.open_calls("p", 9, from_ns=NOW + S, before_ns=NOW + 2 * S)
    assert [int(call.span_key, 16) for call in middle] == [3, 4, 5]


def test_settled_calls_are_looked_for_by_an_index(sqlite: sa.Engine) -> None:
    made = Budgets(sqlite).create("p", DOLLAR, "me", NOW)
    one = settled("s", usd("0.1"), subject=PLANNER, span_key="ab" * 24)
    BudgetAccounts(sqlite).settle("p", [one], NOW)
    asked_for: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, sql: str, params: Any, _x: Any, many: bool) -> None:
        if "budget_settlements" in sql:
            asked_for.append((sql, params[0] if many else params))

    event.listen(sqlite, "before_cursor_execute", note)
    figures = {made.id: Figure(DOLLAR.window(NOW_S).start_s, Decimal(0))}
    Reckoning(sqlite).apply("p", figures, found_in(sqlite, "ab" * 24), NOW)
    Reckoning(sqlite).forget(NOW)
    event.remove(sqlite, "before_cursor_execute", note)
    plans: list[str] = []
    with sqlite.connect() as connection:
        for sql, params in asked_for:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", params).all()
            plans += [str(row[3]) for row in rows]
    assert not [plan for plan in plans if plan.startswith("SCAN budget_settlements")]
    assert sum("budget_settlements_looked_for" in plan for plan in plans) == 2


def test_more_is_granted_than_needed_but_a_tenth_of_what_is_left(sqlite: sa.Engine) -> None:
    Budgets(sqlite).create("p", DOLLAR, "me", NOW)
    accounts = BudgetAccounts(sqlite)
    first = accounts.reserve("p", asked("r1", usd("0.01"), wanted=usd("0.05")), NOW)
    assert first.granted == usd("0.05")
    second = accounts.reserve("p", asked("r2", usd("0.01"), wanted=usd("9")), NOW)
    assert second.granted == usd("0.095")
    third = accounts.reserve("p", asked("r3", usd("0.5"), wanted=usd("9")), NOW)
    assert third.granted == usd("0.5")


def test_a_new_window_begins_with_what_was_settled_in_it(state: sa.Engine) -> None:
    Budgets(state).create("p", replace(DOLLAR, period="day", timezone="UTC"), "me", NOW)
    accounts = BudgetAccounts(state)
    night_s = utc("2026-11-19T00:00")
    open_one = accounts.reserve("p", asked("r0", usd("0.1"), ttl_s=3_600), (night_s - 60) * S)
    before = settled("s1", usd("0.5"), subject=PLANNER, at_s=night_s - 10)
    after = settled("s2", usd("0.2"), subject=PLANNER, at_s=night_s + 1)
    accounts.settle("p", [before, after], (night_s - 1) * S)
    assert amounts(state, (night_s - 1) * S).settled == Decimal("0.7")
    found = amounts(state, (night_s + 1) * S)
    assert seen(found.settled, found.in_ledger, found.ledger_as_of_ns) == (Decimal("0.2"), 0, None)
    assert found.reserved == Decimal("0.1")
    # A clock that is behind does not bring the old window back.
    accounts.settle("p", [settled("s3", usd("0.1"), open_one)], (night_s + 1) * S)
    late = accounts.reserve("p", asked("r1", usd("0.7")), (night_s - 1) * S)
    assert late.is_granted
    assert amounts(state, (night_s + 2) * S).settled == Decimal("0.2")  # s3 was before midnight


def test_other_terms_keep_or_forget_what_was_counted(sqlite: sa.Engine) -> None:
    budgets, accounts = Budgets(sqlite), BudgetAccounts(sqlite)
    budgets.create("p", replace(DOLLAR, period="day"), "me", NOW)
    accounts.settle("p", [settled("s1", usd("0.5"), subject=PLANNER)], NOW)
    budgets.change("p", "cap", replace(DOLLAR, period="month", hard_limit=Decimal(9)), "me", NOW)
    assert amounts(sqlite).settled == Decimal("0.5")
    budgets.change("p", "cap", replace(DOLLAR, name="new", selector="writer"), "me", NOW)
    assert amounts(sqlite).settled == 0
    assert budgets.get("p", "new").changed_by == "me"
    with pytest.raises(ConfigError, match="no budget 'cap'"):
        budgets.change("p", "cap", DOLLAR, "me", NOW)


def test_breaches_are_told_once_and_end(state: sa.Engine) -> None:
    budgets, reckoning = Budgets(state), Reckoning(state)
    terms = replace(DOLLAR, soft_limit=Decimal("0.5"), period="day")
    made = budgets.create("p", terms, "me", NOW)
    start_s = made.terms.window(NOW_S).start_s
    for second, spent in enumerate(("0.4", "0.5", "0.6", "1.2", "1.3")):
        figure = {made.id: Figure(start_s, Decimal(spent))}
        reckoning.apply("p", figure, {}, NOW + second * S)
    hard, soft = sorted(budgets.breaches("p"), key=lambda breach: breach.level)
    assert seen(soft.level, soft.began_at_ns, soft.peak_amount) == ("soft", NOW + S, Decimal("1.3"))
    assert seen(hard.level, hard.began_at_ns, hard.ended_at_ns) == ("hard", NOW + 3 * S, None)

    budgets.change("p", made.id, replace(terms, hard_limit=Decimal(5)), "me", NOW + 9 * S)
    reckoning.apply("p", {made.id: Figure(start_s, Decimal("1.3"))}, {}, NOW + 10 * S)
    hard, soft = sorted(budgets.breaches("p"), key=lambda breach: breach.level)
    assert seen(hard.ended_at_ns, soft.ended_at_ns) == (NOW + 10 * S, None)

    budgets.remove("p", made.id, NOW + 11 * S)
    assert all(breach.ended_at_ns for breach in budgets.breaches("p"))
    assert budgets.of("p") == []


def test_old_calls_are_added_up_without_a_change_of_the_total(sqlite: sa.Engine) -> None:
    made = Budgets(sqlite).create("p", DOLLAR, "me", NOW)
    accounts, reckoning = BudgetAccounts(sqlite), Reckoning(sqlite)
    for number in range(20):
        one = settled(f"s{number}", usd("0.001"), subject=PLANNER, at_s=NOW_S - 300 * number,
                      span_key=f"{number:048x}")  # fmt: skip
        accounts.settle("p", [one], NOW)
    start_s = made.terms.window(NOW_S).start_s
    found = found_in(sqlite, f"{0:048x}")
    reckoning.apply("p", {made.id: Figure(start_s, Decimal("0.001"))}, found, NOW)
    later = NOW + KEPT_NS + S
    for _ in range(2):
        reckoning.forget(later)
        assert amounts(sqlite, later).spent == Decimal("0.020")
        with sqlite.connect() as connection:
            rows = connection.execute(sa.select(settlements)).all()
        assert sum(row.amount for row in rows) == Decimal("0.019")
        assert len(rows) <= 8
        assert reckoning.open_calls("p", 100) == []


def test_counters_are_the_sums_of_their_rows_whatever_happens(state: sa.Engine) -> None:
    """A random life of a few budgets, against a model in plain dictionaries."""
    chance = random.Random(7)
    budgets, accounts = Budgets(state), BudgetAccounts(state)
    budgets.create("p", DOLLAR, "me", NOW)
    budgets.create("p", replace(DOLLAR, name="all", scope="project", selector=""), "me", NOW)
    open_ones: dict[str, tuple[Reserved, Decimal, int]] = {}
    spent, now = Decimal(0), NOW
    for step in range(120):
        now += chance.randrange(3) * S
        open_ones = {key: one for key, one in open_ones.items() if one[2] > now}
        reserved = sum((one[1] for one in open_ones.values()), Decimal(0))
        kind = chance.random()
        if kind < 0.5:
            need = Decimal(chance.randrange(1, 200)) / 1000
            held = accounts.reserve("p", asked(f"r{step}", {"usd": need}, ttl_s=9), now)
            assert held.is_granted == (spent + reserved + need <= 1)
            if held.is_granted:
                open_ones[held.reservation] = (held, need, held.expires_at_ns)
        elif kind < 0.8 and open_ones:
            held, left, until = open_ones.pop(chance.choice(list(open_ones)))
            part = min(left, Decimal(chance.randrange(1, 100)) / 1000)
            use = part / 8
            accounts.settle(
                "p", [settled(f"s{step}", {"usd": use}, held, set_aside={"usd": part})], now
            )
            spent += use
            if left > part:
                open_ones[held.reservation] = (held, left - part, until)
        elif open_ones:
            key = chance.choice(list(open_ones))
            accounts.release("p", [key], now)
            del open_ones[key]
        reserved = sum((one[1] for one in open_ones.values()), Decimal(0))
        for found, _ in accounts.state("p", now):
            assert seen(found.spent, found.reserved) == (spent, reserved)
    assert spent


def test_the_role_that_only_reads_may_write_budgets_alone(postgres_url: str) -> None:
    owner = open_state(postgres_url)
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA public TO public")
        connection.exec_driver_sql("CREATE ROLE reader LOGIN")
        connection.exec_driver_sql("ALTER ROLE reader SET default_transaction_read_only = on")
    migrate_state(owner)
    reader = open_state_writer(postgres_url.replace("test@", "reader@"))
    try:
        Budgets(reader).create("p", DOLLAR, "me", NOW)
        accounts = BudgetAccounts(reader)
        held = accounts.reserve("p", asked("r1", usd("0.4")), NOW)
        accounts.settle("p", [settled("s1", usd("0.3"), held)], NOW)
        assert not accounts.reserve("p", asked("r2", usd("0.8")), NOW).is_granted
        assert amounts(reader).spent == Decimal("0.3")
        Budgets(reader).remove("p", "cap", NOW)
        with pytest.raises(StateError):
            Projects(reader).create("mine", "me", NOW)
    finally:
        reader.dispose()
        with owner.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY reader; DROP ROLE reader")
        owner.dispose()


def test_a_hundred_threads_never_hold_more_than_the_limit(state: sa.Engine) -> None:
    made: Budget = Budgets(state).create("p", DOLLAR, "me", NOW)
    accounts = BudgetAccounts(state)
    granted: list[Reserved] = []

    def client(number: int) -> None:
        for turn in range(3):
            held = accounts.reserve("p", asked(f"{number}-{turn}", usd("0.03")), NOW)
            if held.is_granted:
                granted.append(held)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 33
    found = amounts(state)
    assert seen(found.reserved, found.refused) == (Decimal("0.99"), 267)
    assert Budgets(state).breaches("p", made.id)[0].count == 267
