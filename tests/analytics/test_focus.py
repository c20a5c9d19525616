"""The ledger as FOCUS 1.4, judged by the FOCUS toolkit and by sums made another way."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from focus_data_toolkit import cli as toolkit
from focus_data_toolkit.validate.reconciliation import reconcile_invoice_detail

from spanledger_analytics.focus.daily import FocusExportJob
from spanledger_analytics.focus.files import write_tables
from spanledger_analytics.focus.invoice_detail import SCHEMA as DETAIL
from spanledger_analytics.focus.invoice_detail import detail_table
from spanledger_analytics.focus.rows import SCHEMA, Days, day_table
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder

DAY = date(2026, 5, 28)
NOW_S = 1_780_000_000  # 2026-05-28T20:26:40Z
LATER_NS = (NOW_S + 86_400) * 10**9
WRITES: dict[str, object] = {
    "input_tokens": 1500,
    "cache_write_tokens": 500,
    "cache_write_cost_usd": Decimal("0.25"),
    "total_cost_usd": Decimal("1.25"),
}
FEES = {"fees_cost_usd": Decimal("0.02"), "total_cost_usd": Decimal("0.52")}


@pytest.fixture
def seeder(store: Store) -> Seeder:
    return Seeder(store, NOW_S)


def plant(seeder: Seeder) -> Decimal:
    """Entries of every kind and odd case; returns what the day cost."""
    cases: list[tuple[str | None, dict[str, object]]] = [
        ("0.000000000010", {}),
        ("3.10", {"list_cost_usd": Decimal("4.00"), "contract_id": "c-1"}),
        ("1", {**WRITES, "cache_write_1h_tokens": 500}),
        ("1", {**WRITES, "cache_write_5m_tokens": 500}),
        ("1", {**WRITES, "cache_write_1h_tokens": 100, "cache_write_5m_tokens": 400}),
        ("0.5", {"web_searches": 2, **FEES}),
        (None, {}),
        (None, {"tokens": None}),
        ("0.7", {**no_parts(), "price_status": "reported", "tokens": (1000, 200)}),
        ("0.3", {"kind": "tool", "tool_name": "=search", "provider": "serp", **no_parts()}),
        ("0.25", {"kind": "gpu", "provider": "", "model": "llama", **no_parts()}),
        ("0.125", {"kind": "infra", "provider": "", "model": "", **no_parts()}),
        ("-0.5", {"kind": "adjustment", **no_parts()}),
    ]
    costs: list[Decimal | None] = []
    for number, (cost, columns) in enumerate(cases, 1):
        span = seeder.span(f"{number:032x}", "1" * 16, agent_name="=planner")
        costs.append(seeder.entry(span, cost, **columns)["total_cost_usd"])
    seeder.entry(seeder.span("f" * 32, "2" * 16, at_s=-90_000), "100")
    seeder.insert()
    return sum(filter(None, costs), Decimal(0))


def no_parts() -> dict[str, object]:
    names = ("uncached", "cache_read", "output")
    return {"tokens": None, **dict.fromkeys(f"{name}_cost_usd" for name in names)}


def rows_of(table: pa.Table) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = table.to_pylist()
    return rows


def passes(file: Path, dataset: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(sys, "argv", ["focus-toolkit", "validate", str(file), "--dataset", dataset])
    return toolkit.main() == 0


def test_rows_add_up_to_the_ledger_with_every_token_once(store: Store, seeder: Seeder) -> None:
    cost = plant(seeder)
    rows = rows_of(day_table(store, "default", DAY))
    assert sum(row["BilledCost"] for row in rows) == cost  # type: ignore[misc]
    assert sum(row["ListCost"] for row in rows) == cost + Decimal("0.9")  # type: ignore[misc]
    [told] = store.sql_rows(
        "SELECT sum(uncached_tokens) AS uncached, sum(cache_read_tokens) AS read,"
        " sum(cache_write_tokens) AS written, sum(output_tokens) AS output,"
        " countIf(kind = 'llm') AS calls"
        f" FROM ledger_current WHERE toDate(time) = '{DAY}'"
    )
    tokens: Counter[str] = Counter()
    for row in rows:
        if row["ConsumedUnit"] == "Tokens":
            tokens[str(row["x_TokenClass"])] += int(str(row["ConsumedQuantity"]))
    assert tokens["uncached"] == told["uncached"]
    assert tokens["cache_read"] == told["read"]
    assert tokens["output"] == told["output"]
    assert (tokens["cache_write_5m"], tokens["cache_write_1h"], tokens["cache_write"]) == (500,) * 3
    assert sum(row["x_Calls"] for row in rows) == told["calls"]  # type: ignore[misc]
    assert day_table(store, "other", DAY).num_rows == 0


def test_what_costs_whole_says_what_it_is(store: Store, seeder: Seeder) -> None:
    plant(seeder)
    costs = {
        (row["x_Kind"], row["x_TokenClass"], row["SkuMeter"]): row["BilledCost"]
        for row in rows_of(day_table(store, "default", DAY))
        if row["ConsumedUnit"] is None and row["x_PriceStatus"] != "unpriced"
    }
    assert costs["llm", "model", "Reported Cost"] == Decimal("0.7")
    assert costs["tool", "tool", "Paid tool calls"] == Decimal("0.3")
    assert costs["gpu", "gpu", "GPU time"] == Decimal("0.25")
    assert costs["infra", "infra", "Infrastructure"] == Decimal("0.125")
    assert costs["adjustment", "adjustment", "Adjustment"] == Decimal("-0.5")


def test_fees_are_counted_in_requests_or_in_searches(store: Store, seeder: Seeder) -> None:
    sonar = {"provider": "perplexity", "model": "sonar-pro"}
    of_ten = {"usage_source": "metric", "attempts": 10, "fees_cost_usd": Decimal("0.14")}
    span = seeder.span("1" * 32, "1" * 16)
    seeder.entry(span, "0.03", **sonar, **of_ten, total_cost_usd=Decimal("0.17"))
    seeder.entry(span, "0.03", **sonar, **FEES | {"total_cost_usd": Decimal("0.05")})
    seeder.entry(span, "0.5", web_searches=2, **FEES)
    seeder.entry(span, "0.5")
    seeder.entry(span, None, tokens=None, model="silent")
    seeder.insert()
    rows = rows_of(day_table(store, "default", DAY))
    assert [
        (row["x_Model"], row["x_TokenClass"], row["SkuMeter"], row["PricingQuantity"],
         row["PricingUnit"], row["BilledCost"], row["x_Calls"])
        for row in rows if row["PricingUnit"] != "Tokens"
    ] == [
        ("claude-sonnet-4-5", "web_search", "Web Search Fees", 2, "Searches", Decimal("0.02"), 0),
        ("silent", "none", "Calls Without Tokens", 1, "Requests", 0, 1),
        ("sonar-pro", "request", "Request Fees", 11, "Requests", Decimal("0.16"), 0),
    ]  # fmt: skip
    assert sum(row["BilledCost"] for row in rows) == Decimal("1.24")  # type: ignore[misc]
    assert sum(row["x_Calls"] for row in rows) == 14  # type: ignore[misc]


def test_what_is_no_call_of_a_model_is_counted_in_units_of_its_own(
    store: Store, seeder: Seeder
) -> None:
    for hour in range(24):  # of the day, a service that nobody used
        idle = seeder.span(f"{hour:032x}", "1" * 16, at_s=(hour - 20) * 3_600)
        seeder.entry(idle, "0.4", **service("vdb", "unused"))
    span = seeder.span("e" * 32, "1" * 16)
    for name in ("vdb", "vdb", "index"):  # two traces shared an hour of the same service
        seeder.entry(span, "0.1", **service(name))
    for _ in range(2):
        seeder.entry(span, "-0.5", kind="adjustment", **no_parts())
    for _ in range(3):
        seeder.entry(span, "0.3", kind="tool", tool_name="search", **no_parts())
    seeder.entry(span, "0.5")
    seeder.insert()
    rows = rows_of(day_table(store, "default", DAY))
    assert sum(row["x_Calls"] for row in rows) == 1  # type: ignore[misc]
    assert [
        (row["PricingQuantity"], row["PricingUnit"], row["SkuId"], row["ChargeDescription"],
         row["BilledCost"])
        for row in rows if row["x_Kind"] != "llm"
    ] == [
        (1, "Units", "anthropic/claude-sonnet-4-5/Adjustment", "claude-sonnet-4-5 Adjustment", -1),
        (1, "Hours", "own/index/Infrastructure", "index Infrastructure", Decimal("0.1")),
        (1, "Hours", "own/vdb/Infrastructure", "vdb Infrastructure", Decimal("0.2")),
        (24, "Hours", "own/vdb/Infrastructure", "vdb Infrastructure (not used)", Decimal("9.6")),
        (3, "Requests", "anthropic/claude-sonnet-4-5/Paid tool calls",
         "claude-sonnet-4-5 Paid tool calls", Decimal("0.9")),
    ]  # fmt: skip


def service(name: str, *flags: str) -> dict[str, object]:
    """Columns of an entry of infrastructure."""
    about = {"kind": "infra", "provider": "", "model": "", "service_name": name}
    return {**about, "flags": list(flags), **no_parts()}


def test_list_costs_add_up_without_a_row_for_what_rounding_left(
    store: Store, seeder: Seeder
) -> None:
    span = seeder.span("1" * 32, "1" * 16)
    seeder.entry(span, "3", list_cost_usd=Decimal("3.500000000001"), contract_id="c-1")
    seeder.insert()
    rows = rows_of(day_table(store, "default", DAY))
    assert [row["x_TokenClass"] for row in rows] == ["uncached", "cache_read", "output"]
    assert sum(row["ListCost"] for row in rows) == Decimal("3.500000000001")  # type: ignore[misc]


def test_the_toolkit_accepts_both_datasets_and_their_sums(
    store: Store, seeder: Seeder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(seeder)
    days = [day_table(store, "default", day) for day in Days.of_month(DAY)]
    usage, detail = tmp_path / "usage.csv", tmp_path / "detail.csv"
    write_tables(usage, SCHEMA, days)
    write_tables(detail, DETAIL, [detail_table(DAY, days, NOW_S)])
    assert passes(usage, "cost-and-usage", monkeypatch)
    assert passes(detail, "invoice-detail", monkeypatch)
    with usage.open(newline="") as one, detail.open(newline="") as other:
        lines, sums = list(csv.DictReader(one)), list(csv.DictReader(other))
    assert reconcile_invoice_detail(lines, sums) == []
    assert {row["InvoiceIssueStatus"] for row in sums} == {"Open"}
    assert {row["x_Agent"] for row in lines} == {"'=planner", ""}  # no formula; of the day before
    assert (
        rows_of(detail_table(DAY, days, NOW_S + 40 * 86_400))[0]["InvoiceIssueStatus"] == "Issued"
    )


def test_a_day_is_written_again_only_when_its_money_changed(
    store: Store, seeder: Seeder, tmp_path: Path
) -> None:
    cost = plant(seeder)
    job = FocusExportJob(store, tmp_path, lambda: ["default", "empty"], lambda: LATER_NS, dict)
    folder = tmp_path / "default" / "cost-and-usage"
    assert [file.name for file in job.run_once()] == ["2026-05-27.parquet", "2026-05-28.parquet"]
    assert job.run_once() == []
    seeder.entry(seeder.span("e" * 32, "3" * 16), "2")
    seeder.insert()
    assert job.run_once() == [folder / "2026-05-28.parquet"]
    table = pq.read_table(folder / "2026-05-28.parquet")
    assert sum(row["BilledCost"] for row in rows_of(table)) == cost + 2  # type: ignore[misc]
    (folder / "2026-05-27.parquet").write_bytes(b"cut off")
    assert job.run_once() == [folder / "2026-05-27.parquet"]
    assert list(tmp_path.rglob(".*")) == []
    running = FocusExportJob(
        store, tmp_path / "b", lambda: ["default"], lambda: NOW_S * 10**9, dict
    )
    assert [file.name for file in running.run_once()] == ["2026-05-27.parquet"]


def test_what_was_deleted_leaves_the_files_of_its_days(
    store: Store, seeder: Seeder, tmp_path: Path
) -> None:
    cost = plant(seeder)
    job = FocusExportJob(store, tmp_path, lambda: ["default"], lambda: LATER_NS, dict)
    files = job.run_once()
    for trace_id in (f"{2:032x}", "f" * 32):  # one of several, and all that its day has
        remove(store, f"trace_id = '{trace_id}'")
    assert job.run_once() == files
    assert [billed(file) for file in files] == [0, cost - Decimal("3.10")]
    assert job.run_once() == []
    store.execute("OPTIMIZE TABLE ledger FINAL")
    assert job.run_once() == []


def test_what_retention_removed_stays_in_the_files(
    store: Store, seeder: Seeder, tmp_path: Path
) -> None:
    cost = plant(seeder)
    floors = {"other": 20260528}
    job = FocusExportJob(store, tmp_path, lambda: ["default"], lambda: LATER_NS, lambda: floors)
    files = job.run_once()
    floors["default"] = 20260528
    remove(store, "toDate(time) < '2026-05-28'")
    assert job.run_once() == []
    assert [billed(file) for file in files] == [100, cost]


def remove(store: Store, where: str) -> None:
    store.execute(f"ALTER TABLE ledger DELETE WHERE {where} SETTINGS mutations_sync = 2")


def billed(file: Path) -> Decimal:
    return sum((Decimal(str(row["BilledCost"])) for row in rows_of(pq.read_table(file))), Decimal())


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path: Path) -> None:
    file = tmp_path / "usage.parquet"
    file.write_text("before")

    def tables() -> list[pa.Table]:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_tables(file, SCHEMA, (table for table in tables()))
    assert [one.name for one in tmp_path.iterdir()] == ["usage.parquet"]
    assert file.read_text() == "before"
