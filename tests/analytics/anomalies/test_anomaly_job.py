"""The job of anomalies on a real store: one incident is one finding, explained exactly."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from spanledger_analytics._rows import TIME, USD
from spanledger_analytics.anomalies.job import AnomalyJob
from spanledger_analytics.deletion.remove import Deletion
from spanledger_analytics.deletion.subject import Kind, Subject
from spanledger_analytics.forecasting.month_end import month_end
from spanledger_storage.project_settings import Project
from spanledger_storage.store import Store

HOUR_S = 3_600
DAY_S = 86_400
NOW_S = 1_795_010_400 // HOUR_S * HOUR_S + 1_800  # half past an hour
DAYS = 16
MICRO = Decimal("0.000001")
RATES = {"uncached": MICRO * 3, "cache_read": MICRO * Decimal("0.3"), "output": MICRO * 15}


@dataclass
class World:
    """A store with calls of two agents, and the job."""

    store: Store
    now_s: int = NOW_S
    expected: set[str] = field(default_factory=set)
    rows: list[dict[str, object]] = field(default_factory=list)
    number: int = 0
    version: int = 1

    def __post_init__(self) -> None:
        self.chance = random.Random(5)
        self.job = self.fresh()

    def fresh(self) -> AnomalyJob:
        def expected(_: str, ids: list[str]) -> list[str]:
            return [one for one in ids if one in self.expected]

        return AnomalyJob(self.store, lambda: self.now_s * 10**9, expected, lambda *_: [])

    def call(self, at_s: int, agent: str, read_share: float = 0.7, trace: str = "") -> Decimal:
        self.number += 1
        trace = trace or f"{self.number:032x}"
        prompt = int(40_000 * self.chance.uniform(0.9, 1.1))
        tokens = {"cache_read": int(prompt * read_share), "output": 1_000}
        tokens["uncached"] = prompt - tokens["cache_read"]
        costs = {name: RATES[name] * count for name, count in tokens.items()}
        total = sum(costs.values(), Decimal(0))
        self.rows.append(
            {
                "project": "default",
                "entry_id": f"{self.number:032x}",
                "kind": "llm",
                "time": at_s * 10**9 + self.number,
                "trace_id": trace,
                "span_id": f"{self.number:016x}",
                "agent_name": agent,
                "service_name": "web",
                "provider": "anthropic",
                "model": "large",
                "status": "ok",
                "usage_source": "span",
                "price_status": "priced",
                "input_tokens": prompt,
                **{f"{name}_tokens": count for name, count in tokens.items()},
                **{f"{name}_cost_usd": usd for name, usd in costs.items()},
                "total_cost_usd": total,
            }
        )
        return total

    def store_all(self) -> None:
        """Write the calls, their traces and the usage of their hours."""
        hours = sorted({int(str(row["time"])) // 10**9 // HOUR_S * HOUR_S for row in self.rows})
        traces = {str(row["trace_id"]): row for row in reversed(self.rows)}
        self.version += 1
        self._insert("ledger", self.rows)
        self._insert(
            "traces",
            [
                {
                    "project": "default",
                    "trace_id": trace_id,
                    "start_time": row["time"],
                    "end_time": row["time"],
                    "agent_name": row["agent_name"],
                    "service_name": "web",
                }
                for trace_id, row in traces.items()
            ],
        )
        self.rows = []
        for first in range(0, len(hours), 200):
            part = {"project": "default", "hours": hours[first : first + 200]}
            self.store.command("usage_recompute", {**part, "version": self.version})

    def _insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        times = ("time", "start_time", "end_time")
        arrays: dict[str, pa.Array[Any]] = {}
        for name in {name for row in rows for name in row}:
            values: list[Any] = [row.get(name) for row in rows]
            kind = USD if name.endswith("_usd") else TIME if name in times else None
            arrays[name] = pa.array(values, kind)
        arrays["version"] = pa.array([self.version] * len(rows), pa.uint64())
        self.store.insert(table, pa.table(arrays), token=f"{table}-{self.version}")

    def usual(self, from_s: int, to_s: int) -> None:
        """Add four or eight calls an hour of one agent, four of the other."""
        for hour_s in range(from_s, to_s, HOUR_S):
            busy = 4 + 4 * (8 <= hour_s // HOUR_S % 24 < 18)
            for agent, count in (("writer", busy), ("planner", 4)):
                for n in range(count):
                    self.call(hour_s + n * HOUR_S // count, agent)

    def storm(self, from_s: int, seconds: int) -> Decimal:
        """Add a trace that calls every two seconds; return what it costs."""
        usd = Decimal(0)
        for second in range(0, seconds, 2):
            usd += self.call(from_s + second, "planner", trace="f" * 32)
        return usd

    def run_all(self) -> None:
        for _ in range(9):
            self.job.run_once()

    def found(self) -> list[dict[str, object]]:
        sql = "SELECT * FROM findings FINAL WHERE is_deleted = 0 ORDER BY first_seen, code"
        return self.store.sql_rows(sql)


@pytest.fixture
def world(store: Store) -> World:
    made = World(store)
    made.usual(NOW_S // HOUR_S * HOUR_S - DAYS * DAY_S, NOW_S // HOUR_S * HOUR_S)
    return made


def test_a_storm_becomes_one_finding_that_is_explained_and_closed(world: World) -> None:
    start_s = NOW_S - 1_200
    world.store_all()
    world.run_all()
    assert world.found() == []
    burnt = world.storm(start_s, 1_200)
    world.store_all()
    world.job.run_once()
    [row] = world.found()
    details: dict[str, Any] = json.loads(str(row["details"]))
    assert (row["kind"], row["code"], row["agent_name"]) == ("cost_anomaly", "spike", "planner")
    assert row["severity"] == "critical"
    assert row["is_open"] == 1
    excess = Decimal(str(row["direct_usd"]))
    assert abs(excess - burnt) < burnt * Decimal("0.05")
    assert details["cause"] == "calls"
    waterfall = details["waterfall"]
    parts = sum((Decimal(str(one["usd"])) for one in waterfall), Decimal(0))
    actual, should = (Decimal(str(details[f"{name}_usd"])) for name in ("actual", "expected"))
    assert should + parts == actual
    assert parts == excess
    traces = details["traces"]
    assert traces[0]["trace_id"] == "f" * 32
    evidence = row["evidence"]
    assert isinstance(evidence, list)
    assert evidence[0]["trace_id"] == "f" * 32
    # Nothing new: nothing is written again, also not by a worker that was started anew.
    version = row["version"]
    world.job.run_once()
    world.job = world.fresh()
    world.run_all()
    assert [one["version"] for one in world.found()] == [version]
    # Hours later it is over; it is still the same finding.
    world.usual(NOW_S // HOUR_S * HOUR_S + HOUR_S, NOW_S // HOUR_S * HOUR_S + 5 * HOUR_S)
    world.store_all()
    world.now_s += 5 * HOUR_S
    world.job.run_once()
    [later] = world.found()
    assert later["finding_id"] == row["finding_id"]
    assert later["is_open"] == 0
    assert later["detected_at"] == row["detected_at"]


def test_what_was_deleted_does_not_come_back_with_another_incident(world: World) -> None:
    """The kept cost keeps the finding; the worker lives on, and writes findings of others."""
    for second in range(0, 1_200, 2):
        world.call(NOW_S - 1_200 + second, "planner", trace="fe"[second % 4 // 2] * 32)
    world.store_all()
    world.run_all()
    start_s = NOW_S // HOUR_S * HOUR_S + HOUR_S
    world.usual(start_s, start_s + 10 * HOUR_S)
    world.now_s += 10 * HOUR_S
    world.store_all()
    world.run_all()
    [before] = world.found()
    assert before["is_open"] == 0
    gone = Subject(Project("default"), Kind.TRACE, "f" * 32)
    deletion = Deletion(
        world.store, gone, keep_cost=True, now_ns=time.time_ns, sleep=lambda _: None
    )
    _, result = deletion.run()
    assert result.found["evidence in findings"] > 0
    assert not any(result.left.values())
    world.version = time.time_ns()  # sums were written by a clock of today
    world.usual(start_s + 10 * HOUR_S, start_s + DAY_S)
    world.now_s = start_s + DAY_S + 1_200
    for second in range(0, 1_200, 2):
        world.call(start_s + DAY_S + second, "writer", trace="d" * 32)
    world.store_all()
    world.run_all()
    after, other = world.found()
    assert after["finding_id"] == before["finding_id"]
    assert other["agent_name"] == "writer"
    details: dict[str, Any] = json.loads(str(after["details"]))
    assert [one["trace_id"] for one in details["traces"]] == ["e" * 32]
    naming = "SELECT 1 FROM findings WHERE details LIKE '%{0}%' OR has(evidence.trace_id, '{0}')"
    assert world.store.sql_rows(naming.format("f" * 32)) == []


def test_the_month_is_forecast_for_the_project_and_its_agents(store: Store) -> None:
    world = World(store)
    spent = {
        agent: sum((world.call(NOW_S - n * 7_200, agent) for n in range(60)), Decimal(0))
        for agent in ("writer", "planner")
    }
    world.store_all()
    whole, *agents = month_end(store, "default", NOW_S)
    assert whole.agent is None
    assert whole.spent_usd == sum(spent.values())
    assert {one.agent: one.spent_usd for one in agents} == spent
    told = whole.forecast
    assert told.low is not None
    assert told.mid is not None
    assert told.high is not None
    assert whole.spent_usd < told.low <= told.mid <= told.high
    assert month_end(store, "empty", NOW_S)[0].forecast.method == ""
