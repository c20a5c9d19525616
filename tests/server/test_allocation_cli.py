"""`spanledger allocation` as a user types it, in this process; the store is a real engine."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import pyarrow.parquet
import pytest

from spanledger_analytics.allocation.export import total_of
from spanledger_storage.store import Store, StoreSettings
from tests.dashboard.process import store_url
from tests.dashboard.seed import Seeder
from tests.instance import typed

NOW_S = 1_780_000_000  # 2026-05-28T20:26:40Z
Run = Callable[..., str]


@pytest.fixture
def run(data: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command on a directory on which an instance has run; what it printed."""
    monkeypatch.setattr("time.time_ns", lambda: NOW_S * 10**9 + 5)

    def run_in(*words: str, code: int = 0, **variables: str) -> str:
        done = typed("allocation", *words, SPANLEDGER_DATA=str(data), **variables)
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    return run_in


def test_rules_are_set_listed_explained_ended_and_logged(run: Run) -> None:
    said = run("set", "support", "--match", "agent=support-*", "--match", "model=gpt-*", "--team",
               "support", "--customer", "dimension:customer", "--position", "20", "--from",
               "2026-01-01", "--by", "ann")  # fmt: skip
    assert said == (
        "Rule 'support' (position 20): team support, customer dimension:customer from 2026-01-01, "
        "added.\n"
    )
    run("set", "idle", "--match", "unused=*", "--shared", "Idle", "--split", "percent",
        "--percent", "red=12.5", "--percent", "blue=87.5", "--position", "10", "--from",
        "2026-01-01")  # fmt: skip
    rules = json.loads(run("list", "--format", "json"))
    assert [rule["name"] for rule in rules] == ["idle", "support"]
    assert rules[0]["split"] == "percent among team: blue 87.5%, red 12.5%"
    explained = run("check", "agent=support-1", "model=gpt-4o", "dimension.customer=acme")
    assert explained == "  not idle: unused is not *\n  support: team=support, customer=acme\n"
    assert "no dimension customer" in run("check", "agent=support-1", "model=gpt-4o")
    assert "no rule: it is unallocated" in run("check", "agent=x")
    assert "Rule 'support' ends on 2026-06-01" in run("remove", "support", "--from", "2026-06-01")
    assert "Rule 'idle' from 2026-01-01 is withdrawn" in run("remove", "idle", "--entirely")
    log = json.loads(run("log", "--format", "json"))
    assert [entry["action"] for entry in log] == ["withdraw", "close", "add", "add"]
    assert log[-1]["who"] == "ann"


def test_what_cannot_be_is_said(run: Run) -> None:
    assert "Say who bears it" in run("set", "a", "--match", "agent=x", code=2)
    assert "twice" in run("set", "a", "--match", "agent=x", "--match", "agent=y", "--team", "t",
                          code=2)  # fmt: skip
    assert "no rule 'a'" in run("remove", "a", code=2)
    assert "Give FIELD=VALUE" in run("check", code=2)
    assert "no time zone" in run("report", "--timezone", "Mars/Base", code=2)
    assert "written like 2026-11" in run("report", "--month", "May", code=2)


def test_the_report_adds_up_and_is_written_as_files(
    run: Run, store: Store, store_settings: StoreSettings, tmp_path: Path
) -> None:
    run = partial(run, SPANLEDGER_READ_STORE_URL=store_url(store_settings))
    seeder = Seeder(store, NOW_S)
    for number, (agent, cost, at_s) in enumerate(
        [("a", "3", 0), ("a", "1", -31 * 86_400), ("b", "0.5", 0), ("platform", "2", 0)], 1
    ):
        span = seeder.span(f"{number:032x}", "1" * 16, agent_name=agent, at_s=at_s)
        entry = seeder.entry(span, cost)
        seeder.trace(span["trace_id"])
        seeder.usage(hours_ago=-at_s // 3600, agent_name=agent, calls=1, input_tokens=1000,
                     output_tokens=200, total_cost_usd=entry["total_cost_usd"])  # fmt: skip
    seeder.insert()
    run("set", "a", "--match", "agent=a", "--team", "=red", "--from", "2026-01-01")
    run("set", "p", "--match", "agent=platform", "--shared", "Platform", "--from", "2026-01-01")
    rows = {row["owner"]: row for row in json.loads(run("report", "--format", "json"))}
    assert Decimal(rows["=red"]["total_usd"]) == 5
    assert Decimal(rows["=red"]["shared_usd"]) == 2
    assert Decimal(rows["=red"]["before_usd"]) == 1
    assert Decimal(rows["Unallocated"]["total_usd"]) == Decimal("0.5")
    assert "Total" in run("report")
    for shape, column in (("plain", "cost_usd"), ("focus", "BilledCost")):
        file = tmp_path / f"{shape}.csv"
        run("report", "--file", str(file), "--shape", shape)
        with file.open(newline="") as lines:
            found = list(csv.DictReader(lines))
        assert sum(Decimal(row[column]) for row in found) == Decimal("5.5")
        assert "'=red" in {row.get("team", row.get("x_Team")) for row in found}
    parquet = tmp_path / "focus.parquet"
    run("report", "--file", str(parquet), "--shape", "focus")
    table = pyarrow.parquet.read_table(parquet)
    assert total_of(table, "BilledCost") == Decimal("5.5")
    checked = run("check", "--trace", f"{3:032x}")
    assert "agent=b" in checked
    assert "not a: agent is not a" in checked
    assert "ends in .csv or .parquet" in run("report", "--file", "x.xlsx", code=2)
