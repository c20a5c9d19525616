"""GPU prices on the command line: set, followed, corrected, ended; nothing is overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from spanledger_analytics.errors import PriceError
from spanledger_server.cli import app
from spanledger_server.demo.gpu_run import demo_prices, set_demo_prices
from spanledger_server.errors import UsageError
from spanledger_storage.price_state import PriceState
from spanledger_storage.state import open_state


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["gpu-prices", *words, "--data", str(data)])


def ok(data: Path, *words: str) -> str:
    result = run(data, *words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def rows(data: Path, *words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(ok(data, "list", "--format", "json", *words))
    return found


def state(data: Path) -> PriceState:
    return PriceState(open_state(f"sqlite:///{data / 'state.db'}"))


def test_nothing_says_how_to_set_one(data: Path) -> None:
    assert "spanledger gpu-prices set" in ok(data, "list")


def test_a_price_that_changes_follows_the_one_before(data: Path) -> None:
    first = ok(data, "set", "--model", "H100*", "--spot", "1.20", "--from", "2026-01-01")
    assert "$1.2 an hour from 2026-01-01, added" in first
    assert "follows" in ok(
        data, "set", "--model", "h100*", "--spot", "1.35", "--from", "2026-02-01"
    )
    assert "unchanged" in ok(
        data, "set", "--model", "h100*", "--spot", "1.350", "--from", "2026-02-01"
    )
    listed = [(r["terms"], r["from"], r["to"]) for r in rows(data)]
    assert listed == [("spot", "2026-01-01", "2026-02-01"), ("spot", "2026-02-01", "")]
    log = state(data).log()
    assert [(e.action, e.object) for e in reversed(log)] == [
        ("add", "GPU price 1"), ("close", "GPU price 1"), ("add", "GPU price 2"),
    ]  # fmt: skip


def test_an_owned_gpu_is_written_off_and_pays_for_energy(data: Path) -> None:
    said = ok(
        data, "set", "--host", "node-1", "--purchase", "35064", "--years", "4", "--kwh", "0.2",
        "--pue", "1.3", "--per-hour", "0.5",
    )  # fmt: skip
    assert "$1.5 an hour and $0.2 a kWh" in said
    [row] = rows(data)
    assert (row["usd_per_hour"], row["pue"]) == ("1.5", "1.3")


def test_a_correction_keeps_what_it_corrects(data: Path) -> None:
    ok(data, "set", "--gpu", "GPU-1", "--rented", "2", "--from", "2026-01-01")
    assert "replaces" in ok(data, "set", "--gpu", "GPU-1", "--rented", "3", "--from", "2026-01-01")
    assert [r["usd_per_hour"] for r in rows(data)] == ["3"]
    assert [r["status"] for r in rows(data, "--all")] == ["withdrawn", ""]


def test_a_price_ends_or_is_withdrawn(data: Path) -> None:
    ok(data, "set", "--rented", "2", "--from", "2026-01-01")
    assert "ends on 2026-03-01" in ok(data, "remove", "1", "--from", "2026-03-01")
    assert "withdrawn" in ok(data, "remove", "1", "--entirely")
    assert rows(data) == []


def test_what_changed_since_is_known_for_the_job(data: Path) -> None:
    prices = state(data)
    begin, _ = prices.gpu_prices_changed_since(0)
    ok(data, "set", "--rented", "2", "--from", "2026-01-02")
    ok(data, "set", "--rented", "3", "--from", "2026-03-01")
    revision, first = prices.gpu_prices_changed_since(begin)
    assert first == 1_767_312_000 * 10**9  # 2026-01-02
    assert prices.gpu_prices_changed_since(revision) == (revision, None)
    ok(data, "remove", "2", "--from", "2026-04-01")
    assert prices.gpu_prices_changed_since(revision)[1] == 1_775_001_600 * 10**9


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (("--rented", "1", "--spot", "1"), UsageError, "exactly one"),
        ((), UsageError, "exactly one"),
        (("--rented", "1", "--per-hour", "1"), UsageError, "--purchase"),
        (("--purchase", "1"), PriceError, "--years"),
        (("--rented", "1", "--years", "2"), PriceError, "neither"),
        (("--purchase", "1", "--years", "0"), PriceError, "more than 0"),
        (("--rented", "1,5"), PriceError, "point, not a comma"),
        (("--rented", "1", "--pue", "1.3"), PriceError, "--kwh"),
        (("--rented", "1", "--kwh", "1", "--pue", "0.5"), PriceError, "from 1"),
        (("--rented", "1", "--model", "H*00"), PriceError, "only at the end"),
        (("--rented", "1", "--mig-by", "moon"), PriceError, "MIG"),
        (("--rented", "1", "--from", "2026-02-01", "--to", "2026-01-01"), PriceError, "later"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_stored(
    data: Path, words: tuple[str, ...], error: type[Exception], told: str
) -> None:
    result = run(data, "set", *words)
    assert isinstance(result.exception, error)
    assert told in str(result.exception)
    assert rows(data) == []


def test_overlaps_are_refused(data: Path) -> None:
    ok(data, "set", "--rented", "2", "--from", "2026-02-01")
    result = run(data, "set", "--rented", "3", "--from", "2026-01-01")
    assert isinstance(result.exception, PriceError)
    assert "GPU price 1" in str(result.exception)


def test_the_demo_prices_its_own_hosts_once(data: Path) -> None:
    for _ in range(2):
        set_demo_prices(data, 1)
    assert {row.host for row in state(data).gpu_prices()} == {row.host for row in demo_prices()}
    assert len(state(data).gpu_prices()) == 2
