"""`spanledger prices reprice` as a user types it, in this process; the store is a real engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from spanledger_analytics import repricing
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store
from tests.dashboard.process import store_url
from tests.instance import typed

_SEED = """
INSERT INTO ledger (project, entry_id, kind, time, trace_id, trajectory_id, provider, model,
    request_model, status, input_tokens, uncached_tokens, output_tokens, usage_source,
    price_status, price_id, total_cost_usd, list_cost_usd, version)
SELECT 'default', toString(number), 'llm', toDateTime64('2026-10-30', 9, 'UTC') + number * 86400,
    't', 't', 'openai', 'gpt-4o', 'gpt-4o', 'ok', 1000000, 1000000, 0, 'span', 'priced', 'older',
    2, 2, 1
FROM numbers(4)
SETTINGS max_partitions_per_insert_block = 0
"""
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(store: Store, data: Path) -> Run:
    """Type a command on a store with four calls in two months, which cost 2 USD each."""
    store.execute(_SEED)
    url = store_url(store.settings)
    return partial(typed, "prices", SPANLEDGER_DATA=str(data), SPANLEDGER_STORE_URL=url)


def costs(store: Store) -> list[object]:
    rows = store.sql_rows("SELECT total_cost_usd FROM ledger_current ORDER BY time")
    return [float(str(row["total_cost_usd"])) for row in rows]


def test_dry_run_then_apply_then_nothing_left(run: Run, store: Store) -> None:
    dry = run("reprice", "--from", "2026-10-01", "--to", "2026-12-01")
    assert dry.returncode == 0, dry.stderr
    assert [line.split()[:5] for line in dry.stdout.splitlines()[1:3]] == [
        ["2026-10", "openai", "gpt-4o", "2", "2"],
        ["2026-11", "openai", "gpt-4o", "2", "2"],
    ]
    assert "4 of 4 entries cost something else" in dry.stdout
    assert "+2.000000000000" in dry.stdout
    assert "Nothing was changed. With --apply, 4 entries" in dry.stdout
    assert costs(store) == [2, 2, 2, 2]

    done = run("reprice", "--from", "2026-10-01", "--to", "2026-12-01", "--apply")
    assert done.returncode == 0, done.stderr
    assert "Written." in done.stdout
    assert costs(store) == [2.5, 2.5, 2.5, 2.5]
    billed = store.sql_rows("SELECT DISTINCT billed_price_id, billed_cost_usd FROM ledger_current")
    assert [(row["billed_price_id"], str(row["billed_cost_usd"])) for row in billed] == [
        ("older", "2.000000000000")
    ]

    again = run("reprice", "--from", "2026-10-01", "--to", "2026-12-01", "--apply")
    assert again.stdout == "Every entry has the present price already.\n"


def test_what_was_applied_is_on_record(run: Run) -> None:
    period = ("--from", "2026-10-01", "--to", "2026-12-01")
    run("reprice", *period)
    assert json.loads(run("log", "--format", "json").stdout) == []  # a dry run leaves no trace
    assert run("reprice", *period, "--apply", "--by", "ada").returncode == 0
    run("reprice", *period, "--apply", "--by", "grace")  # changes nothing
    [entry] = json.loads(run("log", "--format", "json").stdout)
    assert (entry["who"], entry["action"], entry["object"]) == ("ada", "reprice", "ledger")
    after = json.loads(entry["after"])
    assert (after["usd_before"], after["usd_after"]) == ("8.000000000000", "10.000000000000")
    assert after["entries"] == 4
    assert "entries 4, usd before 8.0" in run("log").stdout


def test_one_that_broke_off_is_on_record(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise StoreError("the store went away", permanent=False)

    monkeypatch.setattr(repricing, "apply", broken)
    done = run("reprice", "--from", "2026-10-01", "--to", "2026-12-01", "--apply", "--by", "ada")
    assert (done.returncode, done.stderr) == (1, "spanledger: the store went away\n")
    assert "interrupted, some entries may be written" in run("log").stdout


def test_own_prices_and_names_narrow_it(run: Run, store: Store) -> None:
    assert run("set", "openai", "gpt-4o", "--input", "3", "--from", "2026-01-01").returncode == 0
    period = ("--from", "2026-11-01", "--to", "2026-12-01")
    other = run("reprice", *period, "--model", "gpt-5*", "--apply")
    assert "Every entry has the present price already." in other.stdout
    assert (
        run("reprice", *period, "--provider", "openai", "--model", "gpt-4*", "--apply").returncode
        == 0
    )
    assert costs(store) == [2, 2, 3, 3]


def test_json_is_exact_and_nothing_but_rows(run: Run) -> None:
    done = run("reprice", "--from", "2026-10-01", "--to", "2026-12-01", "--format", "json")
    assert [(row["month"], row["after_usd"]) for row in json.loads(done.stdout)] == [
        ("2026-10", "5.000000000000"),
        ("2026-11", "5.000000000000"),
    ]


@pytest.mark.parametrize(
    "words",
    [("--from", "2026-11-01", "--to", "2026-11-01"), ("--from", "soon"), ()],
)
def test_what_is_no_period_is_one_sentence(run: Run, words: tuple[str, ...]) -> None:
    done = run("reprice", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("spanledger: ")
    assert done.stderr.count("\n") == 1
