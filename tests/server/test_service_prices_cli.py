"""`spanledger tool-prices` and `spanledger infra-prices` as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from spanledger_storage.price_state import PriceState
from tests.instance import typed

NOW_S = 1_780_000_000  # 2026-05-28T20:26:40Z
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def state(state: sa.Engine) -> PriceState:
    return PriceState(state)


@pytest.fixture
def run(data: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("time.time_ns", lambda: NOW_S * 10**9 + 5)

    def run_in(*words: str) -> tuple[int, str]:
        done = typed(*words, SPANLEDGER_DATA=str(data))
        return done.returncode, done.stdout + done.stderr

    return run_in


def rows(run: Run, *words: str) -> list[dict[str, Any]]:
    code, out = run(*words, "--format", "json")
    assert code == 0
    return list(json.loads(out))


def test_prices_of_tools_follow_one_another_and_stay_on_record(run: Run) -> None:
    assert "No prices of tools" in run("tool-prices", "list")[1]
    code, out = run("tool-prices", "set", "search", "0.005", "--errors-free")
    assert (code, out) == (
        0, "search: 0.005 USD per call from 2026-05-28T20:26:40Z: added (price 1).\n",
    )  # fmt: skip
    _, out = run("tool-prices", "set", "search", "0.006", "--errors-free", "--from", "2026-06-01")
    assert "added after an older one, which ends there (price 2)" in out
    _, out = run("tool-prices", "set", "search", "0.006", "--errors-free", "--from", "2026-06-01")
    assert "unchanged (price 2)" in out
    run("tool-prices", "set", "translate", "0.02", "--per-unit", "chars", "--per", "1000",
        "--server", "deepl", "--project", "p")  # fmt: skip
    run("tool-prices", "set", "browse*", "0.04", "--per-second", "--per", "60")
    found = rows(run, "tool-prices", "list")
    assert [(r["tool"], r["for"], r["failed_calls"]) for r in found] == [
        ("browse*", "60 seconds", "billed"),
        ("search", "call", "free"),
        ("search", "call", "free"),
        ("translate", "1,000 chars", "billed"),
    ]
    assert (found[1]["to"], found[2]["from"]) == ("2026-06-01", "2026-06-01")
    assert "withdrawn" in run("tool-prices", "remove", "1", "--entirely")[1]
    assert [r["id"] for r in rows(run, "tool-prices", "list")] == [4, 2, 3]
    assert [r["id"] for r in rows(run, "tool-prices", "list", "--all")] == [4, 1, 2, 3]
    assert "tool price 1" in run("prices", "log")[1]


def test_a_price_in_the_past_says_how_to_apply_it(run: Run) -> None:
    _, out = run("tool-prices", "set", "search", "0.005", "--from", "2026-05-01")
    assert "spanledger prices reprice --from 2026-05-01" in out
    _, out = run("infra-prices", "set", "db", "0.4", "--from", "2026-05-01")
    assert "shares the hours from 2026-05-01 on anew" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tool-prices", "set", "a", "x"), "must be a decimal number"),
        (("tool-prices", "set", "a", "1", "--per-second", "--per-unit", "n"), "Give one of"),
        (("tool-prices", "set", "a*b", "1"), "only at the end"),
        (("tool-prices", "remove", "9"), "no such id"),
        (("infra-prices", "remove", "9"), "no such id"),
        (("infra-prices", "set", "db", "0,4"), "not a comma"),
    ],
)
def test_what_cannot_be_is_refused(run: Run, words: tuple[str, ...], said: str) -> None:
    code, out = run(*words)
    assert code != 0
    assert said in out


def test_prices_of_infrastructure_are_per_hour_and_project(run: Run, state: PriceState) -> None:
    assert "No prices of infrastructure" in run("infra-prices", "list")[1]
    run("infra-prices", "set", "vector-db", "0.40", "--project", "p", "--note", "invoice 7")
    (found,) = rows(run, "infra-prices", "list")
    assert (found["service"], found["usd_per_hour"], found["note"]) == (
        "vector-db", "0.40", "invoice 7",
    )  # fmt: skip
    run("infra-prices", "remove", "1", "--from", "2026-07-01")
    assert rows(run, "infra-prices", "list")[0]["to"] == "2026-07-01"
    assert state.infra_prices()[0].withdrawn_at_ns is None
