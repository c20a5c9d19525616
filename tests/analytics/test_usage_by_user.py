"""Hourly usage by user is the sum of the entries that hold, whatever happened to them before."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Hashable
from typing import Any

import pytest

from spanledger_analytics.usage import recompute_usage
from spanledger_storage.migrations import all_migrations
from spanledger_storage.store import Store
from tests.dashboard.seed import NS_PER_S, Row, Seeder
from tests.mixed_entries import HOUR_S, SUMS, change, sow, summed

KEY = ("project", "user_id", "kind", "provider", "model", "agent_name", "service_name",
       "environment")  # fmt: skip
_clock = itertools.count(time.time_ns())


@pytest.fixture
def seed(store: Store) -> Seeder:
    return Seeder(store, int(time.time()))


def key_of(entry: Row) -> Hashable:
    return (hour_of(entry)[1], *(entry[name] for name in KEY))


def hour_of(entry: Row) -> tuple[str, int]:
    return entry["project"], entry["time"] // NS_PER_S // HOUR_S * HOUR_S


def stored(store: Store) -> dict[Hashable, dict[str, Any]]:
    rows: list[dict[str, Any]] = store.sql_rows(
        "SELECT * FROM usage_by_user FINAL WHERE is_deleted = 0"
    )
    return {
        (int(row["hour"].timestamp()), *(row[name] for name in KEY)): {n: row[n] for n in SUMS}
        for row in rows
    }


def insert(seed: Seeder) -> None:
    """Store entries alone: summing them up is what is tested."""
    seed.sums_by_user = False
    seed.insert()


def test_it_is_the_sum_of_the_entries_that_hold(store: Store, seed: Seeder) -> None:
    rng = random.Random(7)
    entries = sow(seed, number=400, hours=5, rng=rng)
    insert(seed)
    hours = {hour_of(entry) for entry in entries.values()}
    assert len(hours) == 10
    recompute_usage(store, hours, next(_clock))
    assert stored(store) == summed(entries.values(), key_of)
    holds = change(seed, entries, rng)
    insert(seed)
    recompute_usage(store, hours, next(_clock))
    expected = summed(holds.values(), key_of)
    assert stored(store) == expected
    assert expected.keys() != summed(entries.values(), key_of).keys()  # some keys vanished
    recompute_usage(store, hours, next(_clock))
    assert stored(store) == expected


def test_both_sums_of_an_hour_agree(store: Store, seed: Seeder) -> None:
    entries = sow(seed, number=200, hours=3, rng=random.Random(8))
    insert(seed)
    recompute_usage(store, {hour_of(entry) for entry in entries.values()}, next(_clock))
    sql = (
        "SELECT project, hour, sum(calls) AS calls, sum(total_cost_usd) AS usd,"
        " min(first_time) AS first, max(last_time) AS last"
        " FROM {} FINAL WHERE is_deleted = 0 GROUP BY ALL ORDER BY ALL"
    )
    by_user = store.sql_rows(sql.format("usage_by_user"))
    assert len(by_user) == 6
    assert by_user == store.sql_rows(sql.format("usage_hourly"))


def test_a_store_of_before_is_filled_and_goes_on(store: Store, seed: Seeder) -> None:
    [fill] = [m for m in all_migrations() if m.name.endswith("fill_usage_by_user")]
    rng = random.Random(9)
    entries = sow(seed, number=300, hours=4, rng=rng)
    holds = change(seed, entries, rng)
    insert(seed)
    assert stored(store) == {}
    for _ in range(2):  # it may have been cut off
        store.execute(fill.sql)
        assert stored(store) == summed(holds.values(), key_of)
    left = change(seed, holds, rng)
    insert(seed)
    recompute_usage(store, {hour_of(entry) for entry in entries.values()}, next(_clock))
    assert stored(store) == summed(left.values(), key_of)
