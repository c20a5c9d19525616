"""A day of an organisation: its calls, and what its providers report of them, to the cent."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.reconciliation_store import PROJECT, call, put_calls, put_file
from spanledger_analytics.entries import Entry
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.reconciliation.reading import read
from spanledger_analytics.reconciliation.result import Cause, Cell, Reconciliation
from spanledger_analytics.reconciliation.run import Means, reconciled_days
from spanledger_analytics.tokens import Tokens
from spanledger_storage.store import Store

FILES = Path(__file__).parent.parent / "fixtures" / "finops"
DAY = date(2026, 11, 18)
MORNING_NS = int(datetime(2026, 11, 18, 8, tzinfo=UTC).timestamp()) * 10**9
NOW_NS = MORNING_NS + 86_400 * 10**9
REPORTS = (
    "openai_costs.json",
    "openai_usage_completions.json",
    "openai_usage_embeddings.json",
    "openai_usage_web_search_calls.json",
    "anthropic_cost_report.json",
    "anthropic_usage_report_messages.json",
)


def shared(total: int, calls: int) -> list[int]:
    """A number of tokens over as many calls, as evenly as whole numbers go."""
    return [total * (i + 1) // calls - total * i // calls for i in range(calls)]


def entries() -> Iterator[Entry]:
    """Calls that add up to spans_daily_rollup.csv; streams that were cut tell no output."""
    with (FILES / "spans_daily_rollup.csv").open() as file:
        rows = list(csv.DictReader(file))
    for number, provider in enumerate(("openai", "anthropic")):
        mine = {row["token_type"]: row for row in rows if row["provider"] == provider}
        calls = int(mine["input_uncached"]["requests"])
        told = int(mine["output"]["requests"])
        parts = {
            name: shared(int(mine[name]["quantity"]) if name in mine else 0, calls)
            for name in ("input_uncached", "input_cache_read", "input_cache_write_5m")
        }
        output = shared(int(mine["output"]["quantity"]), told)
        first = mine["output"]
        for i in range(calls):
            uncached, read_, write = (values[i] for values in parts.values())
            tokens = Tokens(
                input=uncached + read_ + write,
                cache_read=read_,
                cache_write=write or None,
                cache_write_5m=write or None,
                output=output[i] if i < told else None,
            )
            yield call(
                1 + number * 10_000 + i,
                MORNING_NS + i * 10**9,
                provider,
                first["model_returned"],
                tokens,
                service_tier=first["service_tier"],
                stream=True,
                dimensions=(
                    ("provider_scope", first["account_scope"]),
                    ("provider_key", first["api_key"]),
                ),
            )


@pytest.fixture
def reconciled(store: Store) -> Reconciliation:
    book = PriceBook.bundled()
    put_calls(store, list(entries()), book, 1)
    for number, name in enumerate(REPORTS):
        assert put_file(store, FILES / name, 10 + number)
    cells = [
        cell
        for _, found in reconciled_days(Means(store, PROJECT, book), DAY, DAY, NOW_NS)
        for cell in found
    ]
    assert read(store, PROJECT, DAY, DAY).cells == sorted(
        cells, key=lambda cell: (cell.key.provider, -abs(cell.variance_usd), cell.cell_id)
    )
    return Reconciliation(PROJECT, DAY, DAY, cells)


def test_every_dollar_of_the_day_is_in_a_cell(reconciled: Reconciliation) -> None:
    billed = {"openai": Decimal(0), "anthropic": Decimal(0)}
    ledger = dict(billed)
    for cell in reconciled.cells:
        billed[cell.key.provider] += cell.billed_usd
        ledger[cell.key.provider] += cell.ledger_usd
        assert sum(share.usd for share in cell.causes) == cell.variance_usd
        assert cell.volume_usd + cell.price_usd == cell.variance_usd
    assert billed == {"openai": Decimal("59.7"), "anthropic": Decimal("64.17")}
    assert ledger == {"openai": Decimal("55.14"), "anthropic": Decimal("46.5")}


def test_the_expected_cells_have_the_expected_causes(reconciled: Reconciliation) -> None:
    expected = json.loads((FILES / "variance_report.json").read_text())["cells"]
    causes = {
        "stream_cancelled_usage_missing": Cause.MISSING_USAGE,
        "tool_charge_not_instrumented": Cause.TOOL_FEES,
        "cache_ttl_mix": Cause.CACHE_LIFETIME,
        "unobserved_traffic_console": Cause.OTHER_TRAFFIC,
        "matched": None,
    }
    for row in expected:
        found = [cell for cell in reconciled.cells if _is_of(cell, row)]
        assert found, row
        for name in ("estimated_usd", "invoiced_usd", "variance_usd"):
            field = {"estimated_usd": "ledger_usd", "invoiced_usd": "billed_usd"}.get(name, name)
            assert sum(getattr(cell, field) for cell in found) == Decimal(row[name]), row
        for effect in ("volume", "price"):
            total = sum(getattr(cell, f"{effect}_usd") for cell in found)
            assert total == Decimal(row[f"{effect}_effect_usd"]), row
        wanted = causes[row["cause"]]
        said = {share.cause for cell in found for share in cell.causes}
        assert said == ({wanted} if wanted else set()), row
        assert all(cell.is_within_tolerance == row["within_tolerance"] for cell in found)


def test_streams_without_usage_are_the_evidence(reconciled: Reconciliation) -> None:
    (share,) = (s for c in reconciled.cells for s in c.causes if s.cause is Cause.MISSING_USAGE)
    assert (share.usd, share.confidence) == (Decimal("0.36"), "high")
    assert share.evidence_count == 40 == len(share.evidence)


def test_what_no_call_stands_against_is_not_said_to_match(reconciled: Reconciliation) -> None:
    found = {
        (cell.key.provider, cell.key.token_class, cell.key.processing): cell.causes[0]
        for cell in reconciled.cells
        if cell.causes and not cell.ledger_usd and cell.key.scope not in (None, "")
    }
    embeddings = found["openai", "uncached", None]
    assert (embeddings.cause, embeddings.usd) == (Cause.OTHER_TRAFFIC, Decimal(1))
    batches = [found["anthropic", name, "batch"] for name in ("uncached", "output")]
    assert [share.cause for share in batches] == [Cause.MISSING_TELEMETRY] * 2
    assert sum(share.usd for share in batches) == Decimal("15.75")


def _is_of(cell: Cell, row: dict[str, str]) -> bool:
    names = {"input_uncached": "uncached", "input_cache_write": "cache_write",
             "tool_web_search": "web_search", "output": "output"}  # fmt: skip
    scope = "" if row["scope"] == "(default)" else row["scope"]
    is_model = row["token_type"] == "tool_web_search" or cell.key.model == row["model"]
    return (
        cell.key.provider == row["provider"]
        and cell.key.scope == scope
        and cell.key.processing in (None, "sync")
        and (row["token_type"] == "all" or cell.key.token_class == names[row["token_type"]])
        and is_model
    ) or (
        row["token_type"] == "tool_web_search"
        and cell.key.token_class == "web_search"
        and cell.key.provider == row["provider"]
    )
