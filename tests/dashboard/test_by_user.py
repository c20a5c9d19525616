"""What pages tell of users from sums by hour is what the entries add up to, one by one."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from spanledger_dashboard.cost.change import Compared, load_explained
from spanledger_dashboard.cost.measures import MEASURES
from spanledger_dashboard.cost.query import Filters, Question, Stretch, load_answer, row_parameters
from spanledger_dashboard.entities.kinds import USERS, Slice, load_entities
from spanledger_dashboard.overview.movers import load_user_movers
from spanledger_dashboard.time_range import RANGES, Window
from spanledger_dashboard.usage import Only
from spanledger_storage.store import Store
from tests.dashboard.seed import NS_PER_S, Row, Seeder
from tests.mixed_entries import USERS as NAMES
from tests.mixed_entries import change, sow, summed
from tests.variants import first

WEEK = RANGES["7d"]
BUCKET_S = WEEK.bucket_s


@pytest.fixture
def window(now_s: int) -> Window:
    return WEEK.window(now_s)


@pytest.fixture
def entries(seed: Seeder) -> list[Row]:
    """The entries of one project that hold, over more than two weeks."""
    rng = random.Random(11)
    made = sow(seed, number=900, hours=24 * 15, rng=rng)
    seed.insert()
    holds = change(seed, made, rng)
    seed.insert()
    return [entry for entry in holds.values() if entry["project"] == "default"]


@pytest.fixture
def read(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that were asked, by name."""
    asked: list[str] = []
    rows = store.rows

    def noting(name: str, params: Any = None) -> list[dict[str, object]]:
        asked.append(name)
        return rows(name, params)

    monkeypatch.setattr(store, "rows", noting)
    return asked


def at_s(entry: Row) -> int:
    return int(entry["time"]) // NS_PER_S


def within(entries: list[Row], from_s: int, to_s: int) -> list[Row]:
    return [entry for entry in entries if from_s <= at_s(entry) < to_s]


def user_of(entry: Row) -> str:
    return str(entry["user_id"])


def usd_by_user(entries: list[Row]) -> dict[str, Decimal]:
    sums = summed(entries, user_of)
    return {user: of["total_cost_usd"] for user, of in sums.items()}


def test_movers(store: Store, entries: list[Row], window: Window, read: list[str]) -> None:
    now = usd_by_user(within(entries, window.start_s, window.current_s))
    length_s = window.length_s
    edges = (window.start_s - length_s, window.current_s - length_s)
    before = usd_by_user(within(entries, *edges))
    found = load_user_movers(store, "default", window)
    assert {m.name: (m.now_usd, m.before_usd) for m in found} == {
        name: (now.get(name, 0), before.get(name, 0)) for name in NAMES if name
    }
    changes = [abs(mover.change_usd) for mover in found]
    assert changes == sorted(changes, reverse=True)
    assert read == ["dashboard_spend_change_by_user"]


ASKED: list[tuple[tuple[str, ...], Filters]] = [
    (("user",), ()),
    (("user", "agent"), ()),
    (("model", "user"), (("kind", ("llm", "tool")), ("service", ("api",)))),
    ((), (("user", ("ann", "")), ("environment", ("",)))),
]
COLUMNS = {"user": "user_id", "agent": "agent_name", "service": "service_name"}


def asked(window: Window, by: tuple[str, ...], filters: Filters, *, top: int = 100) -> Question:
    starts = tuple(range(window.start_s, window.end_s, BUCKET_S))
    stretch = Stretch(window.start_s, window.end_s)
    return Question("default", stretch, starts, MEASURES["spend"], by, filters, top)


@pytest.mark.parametrize(("by", "filters"), ASKED)
def test_the_cost_explorer(
    store: Store, entries: list[Row], window: Window, by: tuple[str, ...], filters: Filters
) -> None:
    def key_of(entry: Row) -> tuple[tuple[str, ...], int]:
        return tuple(entry[COLUMNS.get(key, key)] for key in by), at_s(entry) // BUCKET_S * BUCKET_S

    question = asked(window, by, filters)
    assert question.source == "by_user"
    chosen = [
        entry
        for entry in within(entries, *question.stretch.edges)
        if all(entry[COLUMNS.get(key, key)] in values for key, values in filters)
    ]
    expected = summed(chosen, key_of)
    for sums in expected.values():
        sums["tokens"] = sums["input_tokens"] + sums["output_tokens"]
    answer = load_answer(store, question)
    found = {(one.names, at): sums for one in answer.slices for at, sums in one.cells.items()}
    assert found == {
        key: {name: sums[name] for name in found[key]} for key, sums in expected.items()
    }
    assert len(next(iter(found.values()))) == 13


@pytest.mark.parametrize(("by", "filters"), ASKED)
@pytest.mark.parametrize("rank_by", first(["total_cost_usd", "errors", "reasoning_tokens"]))
def test_names_are_ranked_as_where_entries_are_read(
    store: Store, entries: list[Row], window: Window,
    by: tuple[str, ...], filters: Filters, rank_by: str,
) -> None:  # fmt: skip
    assert entries
    question = asked(window, by, filters)
    first, second = [*(COLUMNS.get(key, key) for key in by), "project", "project"][:2]
    parameters = {
        **row_parameters("default", question.stretch, question.also, filters),
        "starts": list(question.starts),
        "first": first,
        "second": second,
        "is_paired": int(len(by) > 1),
        "rank_by": rank_by,
        "top": 2,
    }
    found = store.rows("dashboard_cost_by_user", parameters)
    assert found == store.rows("dashboard_cost_calls", parameters)
    assert found


@pytest.mark.parametrize("filters", [(), (("user", ("bob",)), ("agent", ("planner",)))])
def test_why_it_changed(
    store: Store, entries: list[Row], window: Window, read: list[str], filters: Filters
) -> None:
    now = Stretch(window.start_s, window.current_s)
    before = Stretch(now.start_s - window.length_s, now.end_s - window.length_s)
    explained = load_explained(store, "default", Compared(now, before), filters)
    assert set(read) == {"dashboard_cost_parts_by_user", "dashboard_cost_tasks"}
    chosen = [
        entry
        for entry in entries
        if all(entry[COLUMNS.get(key, key)] in values for key, values in filters)
    ]
    spent = [
        sum(usd_by_user(within(chosen, *period.edges)).values(), Decimal(0))
        for period in (before, now)
    ]
    assert [explained.change.before_usd, explained.change.now_usd] == spent
    parameters = row_parameters("default", now, before, filters)
    of_entries = store.rows("dashboard_cost_parts", parameters)
    assert store.rows("dashboard_cost_parts_by_user", parameters) == of_entries
    assert of_entries


@pytest.mark.parametrize("only", [None, Only("agent_name", "planner")])
def test_the_list_of_users(
    store: Store, entries: list[Row], window: Window, read: list[str], only: Only | None
) -> None:
    part = [entry for entry in entries if only is None or entry["agent_name"] == only.value]
    wanted = Slice("default", window, BUCKET_S, only)
    found = load_entities(store, USERS, wanted)
    asked_for = {"dashboard_entities_by_user", "dashboard_entities_latency"}
    assert set(read) == {*asked_for, "dashboard_spend_before_by_user"}
    sums = summed(within(part, window.start_s, window.end_s), user_of)
    length_s = window.length_s
    edges = (window.start_s - length_s, window.current_s - length_s)
    before = usd_by_user(within(part, *edges))
    over = usd_by_user(within(part, window.start_s, window.current_s))
    assert found.count == len(found.rows) == len(sums)
    of_entries = {str(row["name"]): row for row in store.rows(
        "dashboard_entities", wanted.params(USERS, 1_000))}  # fmt: skip
    for row in found.rows:
        name = USERS.value_of(row.name)
        assert row.totals.total_cost_usd == sums[name]["total_cost_usd"]
        assert row.totals.calls == sums[name]["calls"]
        assert (row.complete_usd, row.before_usd) == (over.get(name, 0), before.get(name, 0))
        assert sum(row.trend) == pytest.approx(float(row.totals.total_cost_usd))
        told = of_entries[name]
        for percentile in ("p50", "p95", "p99"):
            exact = told[f"latency_{percentile}_ns"]
            assert getattr(row.latency, f"{percentile}_ns") == exact
        assert row.totals.llm_calls == told["llm_calls"]
        assert list(row.providers) == told["providers"]
        assert [row.first_ms, row.last_ms] == [
            int(str(told[key])) // 1_000 * 1_000 for key in ("first_ms", "last_ms")
        ]
