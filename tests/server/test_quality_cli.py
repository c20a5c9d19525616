"""`spanledger data-quality` on a real store."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.testing

from spanledger_server.cli import app
from spanledger_storage.store import Store
from tests.dashboard.process import store_url
from tests.dashboard.seed import Seeder
from tests.instance import typed

TRACE = "ab" * 16
Run = Callable[..., "typer.testing.Result"]


@pytest.fixture
def quality(store: Store) -> Run:
    def run_it(*arguments: str) -> typer.testing.Result:
        url = store_url(store.settings)
        return typer.testing.CliRunner().invoke(
            app, ["data-quality", "--store-url", url, *arguments]
        )

    return run_it


def seed_calls(store: Store, *, silent: bool) -> None:
    seed = Seeder(store, int(time.time()))
    columns = {"service_name": "shop", "scope_name": "openlit"}
    seed.entry(seed.span(TRACE, f"{1:016x}", **columns), "0.25", service_name="shop")
    if silent:
        quiet = seed.span(TRACE, f"{2:016x}", **columns)
        seed.entry(quiet, None, tokens=None, service_name="shop", model="evil\x1b[31m")
    seed.insert()


def test_a_clean_period_says_so(quality: Run, store: Store) -> None:
    seed_calls(store, silent=False)
    done = quality("--fail-on", "info")
    assert done.exit_code == 0, done.output
    assert "Nothing found; 1 call, all with usage and price." in done.output


def test_a_period_without_calls_says_so(quality: Run) -> None:
    assert "there are no calls in this period" in quality().output


def test_the_table_says_what_how_much_and_what_to_do(quality: Run, store: Store) -> None:
    seed_calls(store, silent=True)
    done = quality()
    assert done.exit_code == 0
    assert "ERROR  Calls without token counts: 1 call" in done.output
    assert TRACE in done.output
    assert "stream_options" in done.output
    assert "\x1b" not in done.output


def test_json_is_what_the_api_answers(quality: Run, store: Store) -> None:
    seed_calls(store, silent=True)
    body = json.loads(quality("--format", "json").output)
    assert body["coverage"]["spend_usd"] == "0.250000000000"
    assert body["findings"][0]["check"] == "missing_usage"


def test_csv_has_a_row_per_group(quality: Run, store: Store) -> None:
    seed_calls(store, silent=True)
    rows = list(csv.DictReader(io.StringIO(quality("--format", "csv").output)))
    [row] = [row for row in rows if row["check"] == "missing_usage"]
    assert (row["service_name"], row["count"], row["trace_id"]) == ("shop", "1", TRACE)


@pytest.mark.parametrize(("severity", "code"), [("error", 1), ("warning", 1), ("info", 1), ("", 0)])
def test_it_fails_on_what_it_was_told_to(
    quality: Run, store: Store, severity: str, code: int
) -> None:
    seed_calls(store, silent=True)
    assert quality(*(["--fail-on", severity] if severity else [])).exit_code == code


def test_a_handled_finding_does_not_fail_on_error(quality: Run, store: Store) -> None:
    seed = Seeder(store, int(time.time()))
    span = seed.span(TRACE, f"{1:016x}")
    seed.entry(span, "0.25", flags=["double_instrumented"])
    seed.insert()
    assert quality("--fail-on", "error").exit_code == 0
    assert quality("--fail-on", "info").exit_code == 1


def test_bad_arguments_are_one_sentence(tmp_path: Path) -> None:
    for arguments, said in (
        (["--from", "soon"], "2026-11-21"),
        (["--fail-on", "bad"], "error, warning, info"),
        ([], "spanledger up"),
    ):
        done = typed("data-quality", "--data", str(tmp_path), *arguments)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
