"""The drift job on a real store: what it reads, writes, and leaves alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spanledger_analytics.drift.features import Sample
from spanledger_analytics.drift.job import DriftJob
from spanledger_analytics.drift.reading import DAY_S, answer_of, read_samples, tools_of
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder

DAY = 20_600
NOW_S = (DAY + 1) * DAY_S + 2 * 3_600  # two hours after the day


class Fleet:
    """Requests of an agent: a call of a model, then some tools, then an answer."""

    def __init__(self, store: Store) -> None:
        self.seed = Seeder(store, 0)
        self.number = 0

    def request(self, day: int, tools: str, **columns: Any) -> str:
        self.number += 1
        trace_id = f"{self.number:032x}"
        at_s = day * DAY_S + 60 * (self.number % 600)
        finish = columns.pop("finish", "stop")
        failed = columns.pop("failed", 0)
        root = self.seed.span(trace_id, "a" * 16, role="agent", at_s=at_s, agent_name="bot")
        call = self.seed.span(
            trace_id, "b" * 16, "a" * 16, at_s=at_s + 1, finish_reason="tool_calls"
        )
        self.seed.entry(call, "0.01", agent_name="bot")
        for place, name in enumerate(tools):
            self.seed.span(
                trace_id, f"{place:016x}", "a" * 16, role="tool", tool_name=name,
                at_s=at_s + 2 + place, tool_outcome="error" if place < failed else "ok",
            )  # fmt: skip
        last = self.seed.span(trace_id, "c" * 16, "a" * 16, at_s=at_s + 40, finish_reason=finish)
        self.seed.entry(last, "0.01", agent_name="bot")
        assert root["trace_id"] == trace_id
        named = {"agent_name": "bot", "agent_version": "1", "llm_calls": 2, **columns}
        self.seed.trace(trace_id, **named)
        return trace_id

    def usage(self, *days: int) -> None:
        for day in days:
            row = self.seed.usage()
            row["hour"] = day * DAY_S


@pytest.fixture
def fleet(store: Store) -> Fleet:
    return Fleet(store)


def fill(fleet: Fleet, *today: str) -> None:
    for number in range(140):
        fleet.request(DAY - 1 - number % 14, "srsrw" if number % 2 else "srsrs")
    for number in range(70):
        fleet.request(DAY, today[number % len(today)])
    fleet.usage(DAY)
    fleet.seed.insert()


def checks(store: Store) -> dict[str, dict[str, object]]:
    rows = store.sql_rows("SELECT * FROM drift_checks FINAL")
    return {str(row["feature"]): row for row in rows}


def test_a_drift_is_checked_told_and_not_checked_again(store: Store, fleet: Fleet) -> None:
    fill(fleet, "wwwwr")
    job = DriftJob(store, lambda: NOW_S * 10**9)
    assert job.run_once() == 1
    found = checks(store)
    tools = found["tools"]
    assert tools["verdict"] == "drift"
    assert (tools["trajectories"], tools["actions"]) == (70, 350)
    assert (tools["reference_trajectories"], tools["reference_actions"]) == (140, 700)
    shares = {row["name"]: row for row in json.loads(str(tools["shares"]))}
    assert shares["w"]["before"] == pytest.approx(0.1)
    assert shares["w"]["now"] == pytest.approx(0.8)
    assert found["steps"]["verdict"] == "no_drift"
    assert found["answers"]["verdict"] == "not_enough_data"  # one for each of seventy requests
    assert "hand_offs" not in found
    (finding,) = store.sql_rows("SELECT * FROM findings FINAL WHERE is_deleted = 0")
    assert (finding["kind"], finding["agent_name"], finding["severity"]) == (
        "drift",
        "bot",
        "warning",
    )
    assert job.run_once() == 0
    assert DriftJob(store, lambda: NOW_S * 10**9).run_once() == 0


def test_no_drift_is_written_and_nothing_is_told(store: Store, fleet: Fleet) -> None:
    fill(fleet, "srsrs", "srsrw")
    assert DriftJob(store, lambda: NOW_S * 10**9).run_once() == 1
    assert {row["verdict"] for row in checks(store).values()} == {"no_drift", "not_enough_data"}
    assert store.sql_rows("SELECT * FROM findings") == []


def test_a_day_that_is_not_over_waits(store: Store, fleet: Fleet) -> None:
    fleet.request(DAY, "s")
    fleet.usage(DAY)
    fleet.seed.insert()
    early = DriftJob(store, lambda: ((DAY + 1) * DAY_S + 60) * 10**9)
    assert early.run_once() == 0
    assert DriftJob(store, lambda: NOW_S * 10**9).run_once() == 1
    assert {row["verdict"] for row in checks(store).values()} == {"not_enough_data"}


def test_an_empty_store_has_nothing_to_check(store: Store) -> None:
    assert DriftJob(store, lambda: NOW_S * 10**9).run_once() == 0


def test_a_project_without_known_agents_is_looked_at_once(store: Store, fleet: Fleet) -> None:
    fleet.usage(DAY)
    fleet.seed.insert()
    job = DriftJob(store, lambda: NOW_S * 10**9)
    assert [job.run_once(), job.run_once()] == [1, 0]


def test_a_conversation_is_one_trajectory_on_each_side(store: Store, fleet: Fleet) -> None:
    ids = [
        fleet.request(DAY - 1, "sr", outcome="failed"),
        fleet.request(DAY, "ss", failed=1, finish="content_filter"),
        fleet.request(DAY, "s", outcome="completed", call_lanes=["bot", "bot", "helper", "bot"]),
    ]
    fleet.seed.trajectory(*ids)
    fleet.request(DAY, "r", status="open")  # it goes on: what it does is not known yet
    fleet.seed.insert()
    (sample,) = read_samples(store, "default", DAY)
    assert isinstance(sample, Sample)
    ((now,), (before,)) = sample.now, sample.before
    assert now.counts["tools"] == {"s": 3}
    assert now.counts["tool_pairs"] == {"s → s": 1}  # not from one request to the next
    assert now.counts["tool_errors"] == {"ok": 2, "failed": 1}
    assert now.counts["model_errors"] == {"ok": 4}
    assert now.counts["answers"] == {"refused": 1, "answered": 1}
    assert now.counts["outcomes"] == {"completed": 1}
    assert now.counts["hand_offs"] == {"bot → helper": 1, "helper → bot": 1}
    assert now.numbers == {"steps": 3.5, "llm_calls": 2, "tool_calls": 1.5, "output_tokens": 200}
    assert now.example[0] in ids[1:]
    assert (before.day, before.counts["outcomes"]) == (DAY - 1, {"failed": 1})
    assert read_samples(store, "another", DAY) == []


def test_other_versions_are_there_to_compare_with(store: Store, fleet: Fleet) -> None:
    for version, day in (("1", DAY - 2), ("2", DAY - 1), ("2", DAY), ("3", DAY), ("4", DAY - 3)):
        fleet.request(day, "s", agent_version=version)
    fleet.request(DAY - 1, "s", agent_name="away")  # it does not work on the day
    fleet.seed.insert()
    found = {
        sample.agent_version: [len(side) for side in (sample.now, sample.before, sample.others)]
        for sample in read_samples(store, "default", DAY)
    }
    assert found == {"2": [1, 1, 2], "3": [1, 0, 3]}


def test_a_tool_call_that_several_tell_of_is_one() -> None:
    client_and_server = [
        ("1", "0", "mcp__files__read", "x", 0, 0),
        ("2", "1", "read", "", 1, 0),
        ("3", "0", "write", "y", 0, 0),
        ("4", "0", "write", "y", 0, 1),  # a log record of it
        ("5", "0", "read", "", 0, 0),
    ]
    assert tools_of(client_and_server) == (["read", "write", "read"], 1)
    only_logs = [("1", "", "read", "x", 0, 1), ("2", "", "read", "x", 1, 1)]
    assert tools_of(only_logs) == (["read"], 1)
    assert tools_of([]) == ([], 0)


@pytest.mark.parametrize(
    ("status", "reason", "tokens", "answer"),
    [
        ("ok", "stop", 10, "answered"),
        ("ok", "stop", 0, "empty"),
        ("ok", "length", 10, "cut off"),
        ("ok", "content_filter", None, "refused"),
        ("ok", "tool_calls", 5, "in a tool call"),
        ("error", "", None, "failed"),
        ("ok", "", None, ""),
        ("ok", "pause_turn", 3, "otherwise"),
    ],
)
def test_answers_end_in_known_ways(
    status: str, reason: str, tokens: int | None, answer: str
) -> None:
    assert answer_of(status, reason, tokens) == answer
