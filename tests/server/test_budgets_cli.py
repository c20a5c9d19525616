"""`spanledger budgets`: made, changed, shown and removed by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from spanledger_server.budget_changes import window_of
from spanledger_server.budgets_cli import app
from spanledger_server.errors import UsageError
from spanledger_storage.errors import ConfigError


def run(data: Path, *args: str) -> str:
    result = CliRunner().invoke(app, [*args, "--data", str(data)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def listed(data: Path) -> list[dict[str, Any]]:
    return list(json.loads(run(data, "list", "--format", "json")))


def test_a_budget_is_made_changed_shown_and_removed(data: Path) -> None:
    assert "No budgets" in run(data, "list")
    made = run(data, "set", "plans", "--scope", "agent:planner:2", "--hard", "100", "--per", "24h",
               "--owner", "ann")  # fmt: skip
    assert "is made" in made
    run(data, "set", "plans", "--soft", "80.5", "--paused")
    [row] = listed(data)
    assert (row["scope"], row["selector"], row["window"]) == (
        "agent", "planner:2", "rolling 86400 s",
    )  # fmt: skip
    assert (row["soft_limit"], row["hard_limit"], row["status"]) == ("80.5", "100", "paused")
    assert (row["owner"], row["spent"], row["left"]) == ("ann", "0", "100")
    run(data, "set", "plans", "--soft", "none", "--measure", "tokens", "--per", "week",
        "--timezone", "Europe/Berlin", "--active")  # fmt: skip
    [row] = listed(data)
    assert (row["soft_limit"], row["measure"], row["window"]) == (
        None, "tokens", "week Europe/Berlin",
    )  # fmt: skip
    shown = run(data, "show", "plans")
    assert "never at a limit" in shown
    assert "planner:2" in shown
    assert "removed" in run(data, "remove", "plans")
    assert listed(data) == []


@pytest.mark.parametrize(
    ("args", "advice"),
    [
        (["--scope", "planet:earth"], "project, team"),
        (["--hard", "much"], "an amount or none"),
        (["--per", "year"], "90m, 24h"),
        (["--per", "30s"], "60"),
        (["--project", "nowhere"], "no project"),
        ([], "soft limit, a hard limit"),
    ],
)
def test_what_cannot_be_is_refused(data: Path, args: list[str], advice: str) -> None:
    with pytest.raises((ConfigError, UsageError), match=advice):
        run(data, "set", "x", *args)
    with pytest.raises(ConfigError, match="has no budget"):
        run(data, "remove", "x")


def test_windows_are_read() -> None:
    assert window_of("90m") == ("rolling", 5_400)
    assert window_of("30d") == ("rolling", 2_592_000)
    assert window_of("day") == ("day", None)
    with pytest.raises(UsageError):
        window_of("rolling")
