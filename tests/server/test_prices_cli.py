"""`spanledger prices` as a user types it, in this process; the store is a real engine."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import sqlalchemy as sa

from spanledger_analytics.price_book.litellm_table import FILE_NAME
from spanledger_server.prices import diff as price_diff
from spanledger_storage.price_state import PriceState
from spanledger_storage.store import Store, StoreSettings
from tests.dashboard.process import store_url
from tests.dashboard.seed import Seeder
from tests.instance import typed

NOW_S = 1_780_000_000  # 2026-05-28T20:26:40Z
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def state(state: sa.Engine) -> PriceState:
    return PriceState(state)


@pytest.fixture
def run(data: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command; --data is given by the environment."""
    monkeypatch.setattr("time.time_ns", lambda: NOW_S * 10**9 + 5)
    return partial(typed, "prices", SPANLEDGER_DATA=str(data))


def rows_of(done: CompletedProcess[str]) -> list[dict[str, Any]]:
    return list(json.loads(done.stdout))


def good(done: CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_price_is_set_with_what_changed_and_what_to_do_next(run: Run, state: PriceState) -> None:
    said = good(
        run("set", "openai", "gpt-4o", "--input", "2.40", "--cache-write-5m", "3", "--from",
            "2026-01-01", "--by", "ann", "--note", "order 7")
    )  # fmt: skip
    assert "openai / gpt-4o input: $2.50 per 1,000,000 (genai-prices-" in said
    assert "-> $2.40 per 1,000,000, rate 1, from 2026-01-01." in said
    assert "cache_write_5m: no price of its own -> $3.00 per 1,000,000, rate 2" in said
    assert "spanledger prices reprice --from 2026-01-01 --provider openai --model gpt-4o" in said
    assert {(r.token_class, str(r.price), r.note) for r in state.rates()} == {
        ("input", "2.40", "order 7"),
        ("cache_write_5m", "3", "order 7"),
    }
    assert {entry.who for entry in state.log()} == {"ann"}


def test_without_a_date_a_price_holds_from_now_and_history_stays(
    run: Run, state: PriceState
) -> None:
    said = good(run("set", "vllm", "qwen*", "--output", "1"))
    assert "from 2026-05-28T20:26:40Z" in said
    assert "reprice" not in said
    assert state.rates()[0].effective_from_ns == NOW_S * 10**9
    assert state.log()[0].who


@pytest.mark.parametrize("words", [("log", "--limit"), ("check", "--days")])
def test_a_number_no_database_takes_is_one_sentence(run: Run, words: tuple[str, str]) -> None:
    done = run(*words, "99999999999999999999")
    assert (done.returncode, "less than or equal" in done.stderr) == (2, True), done.stderr


def test_no_provider_is_not_any_provider(run: Run) -> None:
    done = run("set", "", "gpt-4o", "--input", "1")
    assert (done.returncode, "or * for any" in done.stderr) == (2, True), done.stderr


def test_a_second_price_tells_what_it_follows_and_the_same_one_changes_nothing(run: Run) -> None:
    good(run("set", "openai", "gpt-4o", "--input", "2.40", "--from", "2026-01-01"))
    said = good(run("set", "openai", "gpt-4o", "--input", "2.20", "--from", "2026-02-01"))
    assert "$2.40 per 1,000,000 (rate 1, which ends there) -> $2.20" in said
    again = good(run("set", "openai", "gpt-4o", "--input", "2.2", "--from", "2026-02-01"))
    assert "$2.20 per 1,000,000 already, rate 2" in again
    assert "reprice" not in again


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "Give at least one price"),
        ("--input=-1", "--input must not be negative"),
        ("--cache-read 1,5", "--cache-read must be a decimal number .* not a comma"),
        ("--input 1 --from yesterday", "--from must be a date"),
        ("--input 1 --from 2026-02-01 --to 2026-02-01", "no time at all"),
        ("--input 1 --currency euro", "three letters"),
        ("--input 1 --per 0", "--per"),
        ("--input 1 --per 1000000000000000000000", "1 to 10"),
        ("--input 1 --above-tokens 1000000000000000000000", "size of a request"),
    ],
)
def test_what_cannot_be_a_price_is_one_sentence(
    run: Run, state: PriceState, words: str, message: str
) -> None:
    done = run("set", "openai", "gpt-4o", *shlex.split(words))
    assert done.returncode == 2
    assert re.search(message, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1
    assert state.log() == []


def test_a_misspelt_provider_and_a_missing_currency_are_said(run: Run) -> None:
    said = good(run("set", "opnai", "x", "--input", "1", "--currency", "EUR"))
    assert "know no provider 'opnai'; the nearest name is openai" in said
    assert "spanledger prices exchange-rates add EUR DOLLARS --from 2026-05-28" in said


def test_a_price_is_removed_from_a_date_on_or_altogether_and_stays_to_be_shown(run: Run) -> None:
    good(run("set", "openai", "gpt-4o", "--input", "2.40", "--output", "9", "--from", "2026-01-01"))
    said = good(run("remove", "1", "--from", "2026-03-01"))
    assert "Rate 1 (openai / gpt-4o input) ends on 2026-03-01; earlier calls keep it." in said
    assert "reprice --from 2026-03-01" in said
    assert "is withdrawn" in good(run("remove", "2", "--entirely"))
    assert [r["id"] for r in rows_of(run("list", "--own", "--format", "json"))] == [1]
    both = rows_of(run("list", "--own", "--all", "--format", "json"))
    assert [r["status"] for r in both] == ["over", "withdrawn 2026-05-28T20:26:40Z"]
    [shown] = rows_of(run("show", "--id", "2", "--format", "json"))
    assert (shown["price"], shown["token_class"]) == ("9", "output")
    for words in (("remove", "9"), ("show", "--id", "9")):
        done = run(*words)
        assert (done.returncode, "prices list --own" in done.stderr) == (2, True)


def test_rates_in_force_are_listed_with_filters(run: Run) -> None:
    good(run("set", "openai", "gpt-4o", "--input", "2.40", "--from", "2026-01-01"))
    rows = rows_of(run("list", "--provider", "openai", "--model", "gpt-4o", "--format", "json"))
    own = [r for r in rows if r["source"] == "own:1"]
    assert [(r["token_class"], r["price"], r["from"]) for r in own] == [
        ("input", "2.40", "2026-01-01")
    ]
    assert {r["model"] for r in rows} == {"gpt-4o"}
    before = rows_of(run("list", "--provider", "openai", "--model", "gpt-4o", "--at", "2025-12-31",
                 "--tier", "standard", "--format", "json"))  # fmt: skip
    assert "own:1" not in {r["source"] for r in before}
    assert {r["service_tier"] for r in before} == {""}
    prefix = rows_of(run("list", "--provider", "openai", "--model", "gpt-4o*", "--format", "json"))
    assert len({r["model"] for r in prefix}) > 1
    said = good(run("list", "--provider", "openai", "--model", "gpt-4oo"))
    assert "nearest known name is gpt-4o" in said


def test_a_provider_is_found_under_each_of_its_names(run: Run) -> None:
    good(run("set", "gemini", "house-model", "--input", "1", "--from", "2026-01-01"))
    good(run("set", "gemini", "gemini-2.5-pro", "--input", "2", "--from", "2026-01-01"))
    rows = rows_of(run("list", "--provider", "gemini", "--format", "json"))
    own = [(r["model"], r["source"]) for r in rows if r["source"].startswith("own:")]
    assert own == [("gemini-2.5-pro", "own:2"), ("house-model", "own:1")]


def test_everything_about_a_model_is_shown_with_an_example(run: Run) -> None:
    good(run("set", "openai", "gpt-4o", "--input", "2", "--output", "8", "--from", "2026-01-01"))
    good(run("set", "openai", "gpt-4o", "--cache-read", "1", "--from", "2026-02-01"))
    good(run("contracts", "add", "acme", "openai", "--discount", "50%", "--from", "2026-01-01"))
    said = good(run("show", "gpt-4o-2024-08-06", "--provider", "openai"))
    assert "openai / gpt-4o, " in said
    assert "(gpt-4o-2024-08-06 is priced as this model)" in said
    assert "input: $2.50 per 1,000,000 -> $2.00 per 1,000,000" in said
    assert "acme: 0.5 times the list price, from 2026-01-01" in said
    assert "4,000 uncached x $2.00 per 1,000,000 = $0.008" in said
    # 4,000 x 2 + 6,000 x 1 + 1,000 x 8 dollars a million are 0.022, half of it 0.011.
    assert "list price $0.022, after contract acme:\n  total $0.011 " in said
    rows = rows_of(run("show", "gpt-4o", "--provider", "openai", "--format", "json"))
    assert {r["source"] for r in rows} >= {"own:1", "own:2", "own:3"}


def test_an_unknown_model_names_the_nearest_one(run: Run) -> None:
    done = run("show", "gpt-4oo", "--provider", "openai")
    assert done.returncode == 2
    assert "nearest known name is gpt-4o." in done.stderr
    assert "spanledger prices set openai gpt-4oo" in done.stderr
    assert "Name a model" in run("show").stderr


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_reads_back_and_an_import_twice_changes_nothing(
    run: Run, state: PriceState, tmp_path: Path, form: str
) -> None:
    file = tmp_path / "rates.csv"
    file.write_text(
        "provider,model,token_class,price,effective_from,currency,note\n"
        "cloudflare,@cf/x,input,0.10,2026-01-01,USD,=SUM(A1)\n"
        "cloudflare,@cf/x,input,0.08,2026-02-01,USD,\n"
    )
    assert "2 added" in good(run("import", str(file)))
    assert "2 unchanged" in good(run("import", str(file)))
    written = good(run("export", "--own", "--format", form))
    if form == "csv":
        assert "'@cf/x" in written
        assert "'=SUM(A1)" in written
    copy = tmp_path / f"copy.{form}"
    copy.write_text(written)
    revision = state.revision()
    assert "2 unchanged" in good(run("import", str(copy)))
    assert state.revision() == revision


def test_an_export_of_everything_in_force_can_be_imported(
    run: Run, state: PriceState, tmp_path: Path
) -> None:
    file = tmp_path / "all.csv"
    file.write_text(good(run("export", "--provider", "openai", "--model", "gpt-4o")))
    [header, *rows] = csv.reader(io.StringIO(file.read_text()))
    assert header[-2:] == ["source", "price_id"]
    assert f"{len(rows)} added" in good(run("import", str(file)))
    assert len(state.rates()) == len(rows)
    said = run("diff", str(file), "--provider", "openai", "--model", "gpt-4o")
    assert "Both tables are the same." in said.stdout
    assert f"{len(rows)} same." in said.stderr


def test_an_import_takes_all_or_nothing_and_names_the_lines(
    run: Run, state: PriceState, tmp_path: Path
) -> None:
    head = "provider,model,token_class,price,effective_from\n"
    file = tmp_path / "bad.csv"
    file.write_text(head + "p,m,input,1,2026-01-01\np,m,output,x,2026-01-01\n")
    done = run("import", str(file))
    assert done.returncode == 2
    assert f"{file}: nothing was taken.\nline 3: price must be a decimal" in done.stderr
    good(run("set", "p", "m", "--output", "5", "--from", "2026-02-01"))
    file.write_text(head + "p,m,input,1,2026-01-01\np,m,output,2,2026-01-01\n")
    done = run("import", str(file))
    assert "line 3: Rate 1 already prices output of m from 2026-02-01 on" in done.stderr
    assert len(state.rates()) == 1
    file.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in run("import", str(file)).stderr
    assert "cannot be read" in run("import", str(tmp_path / "none.csv")).stderr


def test_contracts_show_how_far_their_commitment_is_used(
    run: Run, store: Store, store_settings: StoreSettings
) -> None:
    said = good(
        run("contracts", "add", "acme", "openai", "--discount", "15%", "--commitment", "1000",
            "--from", "2026-04-08", "--to", "2026-07-07")
    )  # fmt: skip
    assert "every model of openai costs 0.85 times its list price" in said
    assert "reprice --from 2026-04-08 --to 2026-07-07 --provider openai" in said
    seed = Seeder(store, NOW_S)
    for day in (1, 40):
        seed.entry(
            seed.span(f"{day:032x}", "1" * 16, at_s=-day * 86_400), "300", contract_id="acme"
        )
    seed.insert()
    words = ("contracts", "list", "--format", "json", "--store-url", store_url(store_settings))
    [row] = rows_of(run(*words))
    assert (row["multiplier"], row["calls"]) == ("0.85", 2)
    assert (row["consumed_usd"], row["remaining_usd"]) == ("600", "400")
    assert (row["per_day_usd"], row["used_up_on"]) == ("10.00", None)
    alone = run("contracts", "list")
    assert "The ledger was not looked at" in alone.stderr
    assert "1,000" in alone.stdout
    assert "ends on 2026-05-28T20:26:40Z" in good(run("contracts", "remove", "acme"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "Give one of --discount"),
        ("--discount 15% --markup 10%", "Give one of --discount"),
        ("--discount 100%", "less than 100%"),
        ("--multiplier 0", "greater than 0"),
        ("--markup 10% --commitment 5", "--to"),
    ],
)
def test_what_cannot_be_a_contract_is_one_sentence(run: Run, words: str, message: str) -> None:
    done = run("contracts", "add", "acme", "openai", *shlex.split(words))
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_exchange_rates_are_added_imported_listed_and_withdrawn(run: Run, tmp_path: Path) -> None:
    assert "1 EUR = 1.08 USD" in good(run("exchange-rates", "add", "eur", "1.08"))
    file = tmp_path / "fx.csv"
    file.write_text("currency,usd,effective_from\nEUR,1.09,2026-01-01\nCNY,0.14,2026-01-01\n")
    assert "2 added" in good(run("exchange-rates", "import", str(file)))
    assert "2 unchanged" in good(run("exchange-rates", "import", str(file)))
    good(run("exchange-rates", "remove", "1"))
    rows = rows_of(run("exchange-rates", "list", "--format", "json"))
    assert [(r["currency"], r["usd"], r["from"]) for r in rows] == [
        ("CNY", "0.14", "2026-01-01"),
        ("EUR", "1.09", "2026-01-01"),
    ]
    assert "no such id" in run("exchange-rates", "remove", "1").stderr


def litellm_file(folder: Path) -> Path:
    file = folder / FILE_NAME
    entry = {"litellm_provider": "openai", "mode": "chat", "output_cost_per_token": 1e-05}
    agreeing = {**entry, "input_cost_per_token": 2.5e-06}
    table = {"gpt-4o": agreeing, "gpt-4o-mini": {**entry, "input_cost_per_token": 9e-06}}
    file.write_text(json.dumps(table))
    return file


def test_a_check_names_unpriced_models_and_disagreements_and_fails(
    run: Run, store: Store, store_settings: StoreSettings, tmp_path: Path
) -> None:
    seed = Seeder(store, NOW_S)
    for number, model in enumerate(("gpt-4o", "gpt-4o-mini", "gpt-4o-mni")):
        span = seed.span("ab" * 16, f"{number:016x}", response_model=model)
        cost = None if model.endswith("mni") else "1"
        seed.entry(span, cost, provider="openai", flags=[] if cost else ["unknown_model"])
    seed.insert()
    url = store_url(store_settings)
    words = ("--store-url", url, "--litellm", str(litellm_file(tmp_path)))
    done = run("check", *words)
    assert done.returncode == 1
    assert "openai / gpt-4o-mni, 1 call, 1,200 tokens" in done.stdout
    assert "unknown model; the nearest known name is gpt-4o-mini" in done.stdout
    assert "spanledger prices set openai gpt-4o-mni --input PRICE --output PRICE" in done.stdout
    assert "openai / gpt-4o-mini\n    other: input $0.15/M here, $9/M there" in done.stdout
    assert "2 findings" in done.stdout
    assert "1 agree, 1 differ" in done.stderr
    rows = rows_of(run("check", "--format", "json", *words))
    assert [(r["kind"], r["model"]) for r in rows] == [
        ("unpriced model", "gpt-4o-mni"),
        ("disagreement", "gpt-4o-mini"),
    ]


def test_a_check_finds_nothing_where_nothing_is_wrong(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_diff, "installed_file", lambda: None)
    done = run("check")
    assert done.returncode == 0
    assert "No findings in 0 own rates" in done.stdout
    assert "litellm is not installed" in done.stderr


def test_a_table_is_compared_with_litellms(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = litellm_file(tmp_path)
    narrowed = ("--provider", "openai", "--model", "gpt-4o-mini", "--format", "json")
    rows = rows_of(run("diff", "--litellm", str(file), *narrowed))
    [different] = [r for r in rows if r["token_class"] == "input" and not r["service_tier"]]
    assert (different["status"], different["here"], different["there"]) == (
        "different",
        "$0.15 per 1,000,000",
        "$9.00 per 1,000,000",
    )
    monkeypatch.setattr(price_diff, "installed_file", lambda: file)
    assert rows_of(run("diff", "--against", "litellm", *narrowed)) == rows
    monkeypatch.setattr(price_diff, "installed_file", lambda: None)
    assert "not installed" in run("diff", "--against", "litellm").stderr
    assert "Name a file, or --against litellm" in run("diff").stderr


def test_the_log_tells_who_changed_what(run: Run) -> None:
    good(run("set", "p", "m", "--input", "2", "--from", "2026-01-01", "--by", "ann"))
    good(run("remove", "1", "--from", "2026-03-01", "--by", "bob"))
    said = good(run("log"))
    assert re.search(r"bob +close +rate 1 +to: none -> 2026-03-01", said)
    assert re.search(r"ann +add +rate 1 +p, m, input, 2,", said)
    newest, _ = rows_of(run("log", "--format", "json"))
    assert json.loads(newest["before"])["effective_to_ns"] is None


def test_where_nothing_has_run_reading_works_and_writing_is_refused(run: Run, data: Path) -> None:
    (data / "state.db").unlink()
    assert "gpt-4o" in good(run("list", "--provider", "openai", "--model", "gpt-4o"))
    done = run("set", "openai", "gpt-4o", "--input", "1")
    assert done.returncode == 2
    assert "spanledger up" in done.stderr
    assert not (data / "state.db").exists()


def test_a_state_database_without_the_tables_says_what_to_do(run: Run, tmp_path: Path) -> None:
    done = run("log", "--state-url", f"sqlite:///{tmp_path / 'other.db'}")
    assert (done.returncode, "spanledger migrate" in done.stderr) == (1, True)


def test_a_name_from_outside_cannot_move_the_cursor(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rates.json"
    item = {"provider": "p", "model": "m\u001b[2J", "token_class": "input", "price": "1",
            "effective_from": "2026-01-01"}  # fmt: skip
    file.write_text(json.dumps([item]))
    assert "cannot be printed" in run("import", str(file)).stderr


def test_amounts_in_json_are_exact_text(run: Run) -> None:
    good(run("set", "p", "m", "--input", "0.000000000000000001", "--from", "2026-01-01"))
    [row] = rows_of(run("list", "--own", "--format", "json"))
    assert Decimal(row["price"]) == Decimal("1e-18")
