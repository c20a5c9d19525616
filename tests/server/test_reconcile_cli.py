"""`spanledger reconcile` as a user types it: from a bill that differs to one that agrees."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.job import LEDGER, LedgerJob
from spanledger_analytics.reconciliation.report.model import from_json
from spanledger_storage.state import Watermarks, open_state
from spanledger_storage.store import Store, StoreSettings
from tests.dashboard.process import store_url
from tests.dashboard.seed import Seeder
from tests.instance import typed
from tests.reconciled import bill, line

NOW_S = 1_797_000_000  # 2026-12-11
NOON_S = 1_794_960_000 + 43_200  # of 2026-11-18
CALLS = 10
TOKENS = 1_000_000
SECRET = "what was said"
Run = Callable[..., str]


@pytest.fixture
def run(data: Path, store_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command on a directory on which an instance has run; what it printed."""
    monkeypatch.setattr("time.time_ns", lambda: NOW_S * 10**9 + 5)
    places = {"SPANLEDGER_DATA": str(data), "SPANLEDGER_STORE_URL": store_url(store_settings)}

    def run_in(*words: str, code: int = 0) -> str:
        done = typed("reconcile", *words, **places)
        assert done.returncode == code, done.stderr
        return done.stderr if code == 2 else done.stdout

    return run_in


@pytest.fixture
def billed(store: Store) -> Store:
    """Ten calls; the provider charges their output at 0.70 a million, the ledger says 0.60."""
    seed = Seeder(store, NOON_S)
    spans = Seeder(store, NOON_S)
    for number in range(1, CALLS + 1):
        span = spans.span(f"{number:032x}", f"{number:016x}", at_s=number)
        seed.entry(
            span, "0.75", provider="openai", model="gpt-4o-mini", tokens=None,
            input_tokens=TOKENS, uncached_tokens=TOKENS, cache_read_tokens=0, output_tokens=TOKENS,
            uncached_cost_usd=Decimal("0.15"), cache_read_cost_usd=Decimal(0),
            output_cost_usd=Decimal("0.6"), usage_source="span",
            price_id="genai-prices/openai/gpt-4o-mini", list_cost_usd=Decimal("0.75"),
            request_id=f"req_{number}", response_id=f"=resp_{number}",
        )  # fmt: skip
    seed.insert()
    bill(
        store,
        line(TokenClass.UNCACHED, f"{CALLS * TOKENS}", "1.5"),
        line(TokenClass.OUTPUT, f"{CALLS * TOKENS}", "7", number=2),
    )
    return store


def ledger_usd(store: Store, table: str = "ledger_current") -> Decimal:
    [row] = store.sql_rows(f"SELECT sum(total_cost_usd) AS usd FROM {table}")
    return Decimal(str(row["usd"]))


def test_a_price_is_found_applied_taken_back_and_the_month_posted(
    run: Run, billed: Store, tmp_path: Path
) -> None:
    assert ledger_usd(billed) == Decimal("7.5")
    said = run("run", "2026-11-18", "--fail-beyond-tolerance", code=0)
    assert "openai" in said
    assert "unexplained 0" in said.replace("0.000000000000", "0")
    [row] = json.loads(run("run", "2026-11-18", "--format", "json"))
    assert (row["billed_usd"], row["difference_usd"]) == ("8.500000000000", "1.000000000000")
    [cause] = json.loads(run("causes", "2026-11", "--format", "json"))
    assert (cause["cause"], cause["usd"]) == ("price_book", "1.000000000000")
    [one] = json.loads(run("corrections", "2026-11", "--format", "json"))
    assert one["title"] == "Price output of gpt-4o-mini at $0.7 per million tokens from 2026-11-18"
    assert one["command"].startswith("spanledger prices set openai gpt-4o-mini --output 0.7 --from")
    assert one["done_by"] == "apply"
    assert f"spanledger reconcile apply {one['id']} 2026-11" in run("corrections", "2026-11")
    full = json.loads(run("corrections", "2026-11", "--id", one["id"][:6], "--format", "json"))
    assert {row["field"]: row["value"] for row in full}["done_by"] == "command or click"
    done = run("apply", one["id"], "2026-11-18", "--by", "ann")
    assert "10 of 10 calls cost something else now" in done
    assert "openai is off by 0 USD, was +1.0000 USD: price book +1.0000 USD to 0 USD." in done
    again = run("apply", one["id"], "2026-11-18", code=2)
    assert "applied already by ann" in again
    assert "`spanledger reconcile undo 1`" in again
    assert ledger_usd(billed) == Decimal("8.5")
    assert json.loads(run("causes", "2026-11", "--format", "json")) == []
    pack = run("dispute", "2026-11-18", "--provider", "openai")
    calls = [row for row in csv.DictReader(io.StringIO(pack)) if row["record"] == "call"]
    assert {(row["output_usd_per_1m"], row["price_since"]) for row in calls} == {
        ("0.7", "2026-11-18")
    }
    assert "done, action 2" in run("undo", "1", "--by", "bob")
    assert ledger_usd(billed) == Decimal("7.5")
    assert "taken back already" in run("undo", "1", code=2)
    log = json.loads(run("log", "--format", "json"))
    assert [(r["kind"], r["who"], r["status"]) for r in log[-2:]] == [
        ("reverse", "bob", "done"), ("apply", "ann", "done"),
    ]  # fmt: skip
    assert "1 adjustments add up to 1 USD" in run("adjust", "2026-11", "--by", "ann")
    LedgerJob(billed, lambda: NOW_S * 10**9, Watermarks(open_state(_state(tmp_path)))).run_once()
    assert ledger_usd(billed) == ledger_usd(billed, "usage_hourly FINAL") == Decimal("8.5")
    run("run", "2026-11-18")
    [again] = json.loads(run("causes", "2026-11", "--format", "json"))
    assert Decimal(again["usd"]) == 1, "adjustments are no part of what is compared"
    assert "taken out of the ledger" in run("adjust", "2026-11", "--remove")
    assert ledger_usd(billed) == Decimal("7.5")


def _state(folder: Path) -> str:
    return f"sqlite:///{folder / 'state.db'}"


def test_the_report_is_written_in_every_format(run: Run, billed: Store, tmp_path: Path) -> None:
    run("run", "2026-11-18")
    report = from_json(run("report", "2026-11-18", "--format", "json"))
    assert report.totals.variance_usd == 1
    assert report.ledger.calls == CALLS
    text = run("report", "2026-11-18")
    assert "| Billed | 8.50 |" in text
    assert "| +1.00 | command or click | Price output of gpt-4o-mini at" in text
    rows = list(csv.DictReader(io.StringIO(run("report", "2026-11-18", "--format", "csv"))))
    assert sum(Decimal(row["cause_usd"] or 0) for row in rows) == 1
    file = tmp_path / "report.xlsx"
    run("report", "2026-11-18", "--format", "xlsx", "--file", str(file))
    assert "xl/worksheets/sheet9.xml" in zipfile.ZipFile(file).namelist()
    assert "needs a file" in run("report", "2026-11-18", "--format", "xlsx", code=2)


def test_what_is_received_and_not_priced_yet_is_told(
    run: Run, billed: Store, tmp_path: Path
) -> None:
    touched: dict[str, list[object]] = {
        "project": ["default", "default", "default", "other"],
        "trace_id": ["a", "a", "b", "c"],
        "hour": [datetime.fromtimestamp(NOON_S, UTC)] * 4,
        "flush_id": ["1", "2", "2", "2"],
        "spans": [1, 1, 1, 1],
        "touched_at": [datetime.fromtimestamp(NOW_S - 60 + n, UTC) for n in range(4)],
    }
    billed.insert("touches", pa.table(touched), token="touches")
    assert "2 traces of these days are received and not priced yet" in run("run", "2026-11-18")
    assert "not priced yet" not in run("run", "2026-11-17..2026-11-17", code=2)
    assert json.loads(run("run", "2026-11-18", "--format", "json")), "no word of it in the rows"
    Watermarks(open_state(_state(tmp_path))).set(LEDGER, NOW_S * 10**6)
    assert "not priced yet" not in run("run", "2026-11-18")


def test_ci_is_told_of_differences_beyond_tolerance_by_an_exit_code(
    run: Run, billed: Store
) -> None:
    bill(billed, line(TokenClass.OUTPUT, f"{CALLS * TOKENS}", "700"))
    run("run", "2026-11-18", "--fail-beyond-tolerance", code=3)
    run("report", "2026-11", "--fail-beyond-tolerance", code=3)
    run("report", "2026-11")


def test_the_dispute_pack_has_every_call_with_its_arithmetic_and_no_contents(
    run: Run, billed: Store, tmp_path: Path
) -> None:
    seed = Seeder(billed, NOON_S)
    seed.span("1".zfill(32), "1".zfill(16), at_s=1, tool_arguments=SECRET, tool_result=SECRET,
              input_messages=[seed.message("user", {"type": "text", "content": SECRET})],
              attributes=[("gen_ai.prompt", SECRET)])  # fmt: skip
    seed.insert()
    run("run", "2026-11-18")
    cells = json.loads(run("show", "2026-11-18", "--format", "json"))
    cell = next(c["cell"] for c in cells if c["token_class"] == "output")
    text = run("dispute", "2026-11-18", "--cell", cell)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["record"] for row in rows] == ["difference", "provider_line", *["call"] * CALLS]
    assert Decimal(rows[0]["difference_usd"]) == 1
    assert Decimal(rows[1]["quantity"]) == CALLS * TOKENS
    assert Decimal(rows[1]["amount"]) == 7
    for row in rows[2:]:
        tokens, rate = Decimal(row["output_tokens"]), Decimal(row["output_usd_per_1m"])
        assert tokens * rate / 10**6 == Decimal(row["output_usd"]) == Decimal("0.6")
    assert rows[2]["request_id"] == "req_1"
    assert rows[2]["response_id"] == "'=resp_1"
    assert rows[2]["started_utc"] == "2026-11-18T12:00:01.000Z"
    page = run("dispute", "2026-11-18", "--provider", "openai", "--format", "html")
    assert page.count("req_") == CALLS
    assert SECRET not in text + page
    assert "No cell of" in run("dispute", "2026-11-18", "--cell", "zz", code=2)
    assert "Say what is disputed" in run("dispute", "2026-11-18", code=2)


def test_what_cannot_be_is_said(run: Run, billed: Store) -> None:
    assert "Nothing was reconciled in 2026-10" in run("causes", "2026-10", code=2)
    assert "is no month or day" in run("causes", "May", code=2)
    assert "posted by month" in run("adjust", "2026-11-18", code=2)
    run("run", "2026-11-18")
    assert "not posted" in run("adjust", "2026-11", "--remove", code=2)
    run("adjust", "2026-11", "--not-final", "--provider", "openai")
    assert "not posted for all providers, but for openai" in run(
        "adjust", "2026-11", "--remove", code=2
    )
    assert "no action 9" in run("undo", "9", code=2)
    assert "No corrections" in run("apply", "zz", "2026-11", code=2)
