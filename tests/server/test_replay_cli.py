"""`spanledger replay` on a real store: saving golden trajectories, and checking others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typer.testing

from spanledger_server.cli import app
from spanledger_server.errors import UsageError
from spanledger_storage.saved_views import SavedViews
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.dashboard.process import store_url
from tests.dashboard.seed import Seeder

NOW_S = 1_795_000_000
GOOD = "ab" * 16
Run = Callable[..., "typer.testing.Result"]


@pytest.fixture(scope="module")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state database in which nothing is saved: making one takes longer than a test."""
    file = tmp_path_factory.mktemp("state") / "state.db"
    engine = open_state(f"sqlite:///{file}")
    migrate_state(engine)
    engine.dispose()
    return file


@pytest.fixture
def state(empty_state: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(empty_state, tmp_path / 'state.db')}"


@pytest.fixture
def replay(store: Store, state: str) -> Run:
    def run_it(command: str, *arguments: str) -> typer.testing.Result:
        places = ["--state-url", state]
        if command in ("save", "check"):
            places += ["--store-url", store_url(store.settings)]
        return typer.testing.CliRunner().invoke(app, ["replay", command, *places, *arguments])

    return run_it


class Runs:
    """Runs of an agent: a call of a model and some tools in turn."""

    def __init__(self, store: Store) -> None:
        self.seed = Seeder(store, NOW_S)

    def add(
        self, trace_id: str, tools: Sequence[str], cost: str | None = "0.10", **columns: Any
    ) -> None:
        seed = self.seed
        seed.span(trace_id, "a" * 16, role="agent", agent_name="bot", name="refund", at_s=0)
        for place, name in enumerate(tools):
            at_s = 2 * place + 1
            call = seed.span(trace_id, f"{place:015x}b", "a" * 16, at_s=at_s, response_model="m")
            seed.entry(call, cost, agent_name="bot", model="m", tokens=(100, 10))
            seed.span(
                trace_id, f"{place:015x}c", "a" * 16, role="tool", tool_name=name, at_s=at_s + 1,
                call_sig=len(name), result_sig=7,
            )  # fmt: skip
        calls = len(tools)
        figures = {
            "total_cost_usd": None if cost is None else Decimal(cost) * calls,
            "llm_calls": calls, "input_tokens": 100 * calls, "output_tokens": 10 * calls,
        }  # fmt: skip
        seed.trace(trace_id, name="refund")
        seed.trajectory(trace_id, **{**figures, "outcome": "completed", **columns})


@pytest.fixture
def runs(store: Store) -> Runs:
    return Runs(store)


def check(replay: Run, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    done = replay("check", "--since", "2026-01-01", "--format", "json", *arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    (golden,) = json.loads(done.output)
    return done.exit_code, golden["candidates"]


def test_a_run_is_saved_listed_shown_checked_and_removed(replay: Run, runs: Runs) -> None:
    runs.add(GOOD, ["sql", "mail"])
    runs.add("cd" * 16, ["sql", "mail"], task_id="t-1")
    runs.seed.insert()
    saved = replay("save", GOOD, "--name", "refund")
    assert saved.exit_code == 0, saved.output
    assert saved.output == "Saved refund: 5 steps, 2 model calls, $0.200000000000.\n"
    [row] = json.loads(replay("list", "--format", "json").output)
    assert (row["name"], row["trajectory"], row["steps"]) == ("refund", GOOD, 5)
    assert (row["cost_usd"], row["outcome"]) == ("0.200000000000", "completed")
    shown = replay("show", "refund").output
    assert [shown.count(word) for word in ("sql", "mail", "  llm ")] == [1, 1, 2]
    code, [candidate] = check(replay, "refund", "--task", "t-1")
    assert (code, candidate["passed"], candidate["matched"]) == (0, True, 5)
    assert replay("remove", "refund").exit_code == 0
    assert "No golden trajectory" in replay("list").output


def test_a_golden_trajectory_outlives_its_spans_and_holds_no_content(
    replay: Run, runs: Runs, store: Store, state: str
) -> None:
    runs.add(GOOD, ["sql", "mail"])
    runs.seed.insert()
    assert replay("save", GOOD, "--name", "refund").exit_code == 0
    for table in ("spans", "ledger", "traces", "trajectories"):
        store.execute(f"TRUNCATE TABLE {table} SYNC")
    runs.add("cd" * 16, ["sql", "mail"], dimensions={"golden": "refund"})
    runs.seed.insert()
    code, [candidate] = check(replay)
    assert (code, candidate["trajectory_id"]) == (0, "cd" * 16)
    (view,) = SavedViews(open_state(state)).of("golden", "default")
    assert set(view.content) == {
        "trace_id", "name", "start_ns", "outcome", "totals", "texts", "steps"
    }  # fmt: skip


def test_a_run_that_costs_more_and_loops_fails(replay: Run, runs: Runs, tmp_path: Path) -> None:
    runs.add(GOOD, ["sql", "mail"])
    runs.add("cd" * 16, ["sql", "sql", "sql", "sql", "mail"], dimensions={"golden": "refund"})
    runs.add("ef" * 16, ["sql", "mail"], dimensions={"golden": "refund"})
    runs.seed.insert()
    replay("save", GOOD, "--name", "refund")
    report = tmp_path / "report.xml"
    code, candidates = check(replay, "--junit", str(report))
    assert code == 1
    by_id = {candidate["trajectory_id"]: candidate for candidate in candidates}
    bad = by_id["cd" * 16]
    assert [v["rule"] for v in bad["violations"]] == ["cost", "calls", "extra_steps", "loops"]
    assert (bad["matched"], bad["extra"], bad["missing"]) == (5, 6, 0)
    assert bad["candidate"]["repeated_calls"] == 3
    assert bad["cost_difference_usd"] == "0.300000000000"
    assert {d["difference"] for d in bad["differences"]} == {"extra"}
    assert by_id["ef" * 16]["passed"]
    suite = ET.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    table = replay("check", "--since", "2026-01-01").output
    assert "it costs $0.500000000000, 150.0% more than $0.200000000000" in table


def test_candidates_are_told_by_dimensions(replay: Run, runs: Runs) -> None:
    runs.add(GOOD, ["sql"])
    for trace_id, build in (("cd" * 16, "1"), ("ef" * 16, "2")):
        dimensions = {"golden": "refund", "scenario": f"s{build}", "build": build}
        runs.add(trace_id, ["sql"], dimensions=dimensions)
    runs.seed.insert()
    replay("save", GOOD, "--name", "refund")
    replay("save", GOOD, "--name", "s1")
    code, [one] = check(replay, "refund", "--dimension", "build=2")
    assert (code, one["trajectory_id"]) == (0, "ef" * 16)
    code, [one] = check(replay, "s1", "--by", "scenario")
    assert (code, one["trajectory_id"]) == (0, "cd" * 16)
    assert check(replay, "s1", "--by", "scenario", "--dimension", "build=2") == (2, [])


def test_limits_can_be_widened_one_by_one(replay: Run, runs: Runs) -> None:
    runs.add(GOOD, ["sql", "mail"])
    runs.add("cd" * 16, ["sql", "sql", "sql", "sql", "mail"], dimensions={"golden": "refund"})
    runs.seed.insert()
    replay("save", GOOD, "--name", "refund")
    widened = ("--max-cost-increase", "150%", "--max-extra-calls", "3", "--max-extra-steps", "none")
    code, [candidate] = check(replay, *widened)
    assert (code, [v["rule"] for v in candidate["violations"]]) == (1, ["loops"])
    assert check(replay, *widened, "--max-loops", "3")[0] == 0


def test_without_a_candidate_nothing_is_judged(replay: Run, runs: Runs) -> None:
    runs.add(GOOD, ["sql"], dimensions={"golden": "refund"})
    runs.seed.insert()
    replay("save", GOOD, "--name", "refund")
    code, candidates = check(replay)
    assert (code, candidates) == (2, [])  # the golden one is no candidate of its own
    code, [itself] = check(replay, "--candidate", GOOD)  # unless it is named
    assert (code, itself["passed"]) == (0, True)


def test_a_run_that_goes_on_or_has_no_price_does_not_pass(replay: Run, runs: Runs) -> None:
    runs.add(GOOD, ["sql"])
    runs.add("cd" * 16, ["sql"], session_id="s-1", status="open")
    runs.add("ef" * 16, ["sql"], None, session_id="s-2", unpriced_calls=1)
    runs.seed.insert()
    replay("save", GOOD, "--name", "refund")
    code, [going] = check(replay, "--session", "s-1", "--wait", "0.1")
    assert (code, [v["rule"] for v in going["violations"]]) == (1, ["ended"])
    code, [unpriced] = check(replay, "--session", "s-2")
    assert (code, [v["rule"] for v in unpriced["violations"]]) == (1, ["cost"])
    refused = replay("save", "cd" * 16, "--name", "open")
    assert isinstance(refused.exception, UsageError)


def test_the_traces_of_a_trajectory_are_one_run(replay: Run, runs: Runs) -> None:
    parts = [f"{n:032x}" for n in (1, 2)]
    for trace_id in parts:
        runs.add(trace_id, ["sql"])
    del runs.seed.rows["trajectories"][:]
    runs.seed.trajectory(*parts, llm_calls=2, outcome="completed")
    runs.seed.insert()
    assert replay("save", parts[1], "--name", "both").output.startswith("Saved both: 6 steps, 2 ")
    [row] = json.loads(replay("list", "--format", "json").output)
    assert row["trajectory"] == parts[0]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("save", "12" * 16), "no trajectory"),
        (("show", "nothing"), "No golden trajectory"),
        (("remove", "nothing"), "No golden trajectory"),
        (("check",), "No golden trajectory is saved"),
        (("check", "--max-loops", "many"), "--max-loops is a whole number"),
        (("check", "--max-cost-increase", "-5%"), "--max-cost-increase is percent"),
        (("check", "--dimension", "golden"), "NAME=VALUE"),
        (("check", "--since", "yesterday"), "is no time"),
    ],
)
def test_bad_arguments_are_one_sentence(replay: Run, command: tuple[str, ...], said: str) -> None:
    done = replay(*command)
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
