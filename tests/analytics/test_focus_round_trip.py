"""An export in FOCUS, imported as if a provider had sent it, agrees with the ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from spanledger_analytics.focus.files import write_tables
from spanledger_analytics.focus.rows import SCHEMA, day_table
from spanledger_analytics.invoices.deliveries import find
from spanledger_analytics.invoices.import_run import Asked, import_delivery
from spanledger_analytics.reconciliation.run import reconcile
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder

DAY = date(2026, 5, 28)
NOW_S = int(datetime(2026, 5, 28, 20, tzinfo=UTC).timestamp())
LATER_NS = (NOW_S + 86_400) * 10**9


def plant(store: Store) -> Decimal:
    """Calls of several providers, tiers and kinds; returns what they cost."""
    writes: dict[str, object] = {
        "input_tokens": 1500,
        "cache_write_tokens": 500,
        "cache_write_cost_usd": Decimal("0.25"),
        "total_cost_usd": Decimal("1.25"),
    }
    fees: dict[str, object] = {"fees_cost_usd": Decimal("0.02"), "total_cost_usd": Decimal("0.52")}
    whole: dict[str, object] = {
        "tokens": None,
        **dict.fromkeys(f"{name}_cost_usd" for name in ("uncached", "cache_read", "output")),
    }
    cases: list[tuple[str | None, dict[str, object]]] = [
        ("0.000000000010", {}),
        ("3.10", {"list_cost_usd": Decimal("4.00"), "contract_id": "c-1", "region": "us"}),
        ("1", {**writes, "cache_write_1h_tokens": 500}),
        ("1", {**writes, "cache_write_1h_tokens": 100, "cache_write_5m_tokens": 400}),
        ("2", {"provider": "openai", "model": "gpt-4o-2024-08-06", "service_tier": "batch"}),
        ("4", {"provider": "openai", "model": "gpt-4o-2024-08-06", "service_tier": "default"}),
        ("0.5", {"web_searches": 2, **fees}),
        ("0.5", fees),  # of a request
        ("0.5", {"provider": "perplexity", "model": "sonar-pro", **fees}),
        (None, {}),
        (None, {"tokens": None, "provider": "mistral_ai", "model": "silent"}),
        ("0.7", {**whole, "price_status": "reported", "provider": "openrouter"}),
        ("0.3", {**whole, "kind": "tool", "tool_name": "search", "provider": "serp"}),
        ("0.25", {**whole, "kind": "gpu", "provider": "", "model": "llama"}),
        ("0.125", {**whole, "kind": "infra", "provider": "", "model": ""}),
    ]
    seeder = Seeder(store, NOW_S)
    costs: list[Decimal | None] = []
    for number, (cost, columns) in enumerate(cases, 1):
        span = seeder.span(f"{number:032x}", "1" * 16, agent_name="planner")
        costs.append(seeder.entry(span, cost, **columns)["total_cost_usd"])
    seeder.insert()
    store.execute(
        "INSERT INTO gpu_attribution (project, start, gpu, line, cost_usd, version)"
        f" VALUES ('default', toDateTime({NOW_S}, 'UTC'), 'gpu-1', 'idle', 0.4, 1)"
    )
    costs.append(Decimal("0.4"))
    return sum(filter(None, costs), Decimal(0))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_our_own_export_reconciles_to_zero(
    store: Store, state: StateEngine, tmp_path: Path, ending: str
) -> None:
    cost = plant(store)
    file = tmp_path / f"export.{ending}"
    write_tables(file, SCHEMA, [day_table(store, "default", DAY)])
    [delivery] = find(file).deliveries
    outcome = import_delivery(store, state, delivery, Asked("default", "ann"), LATER_NS)
    assert outcome.state == "imported"
    found = reconcile(store, state, "default", DAY, DAY, LATER_NS)
    assert sum(cell.billed_usd for cell in found.cells) == cost
    assert [cell for cell in found.cells if cell.variance_usd or cell.causes] == []
    # What a call cost as a whole has no quantity in the ledger.
    told = [cell for cell in found.cells if cell.key.token_class != "model"]
    assert [cell for cell in told if cell.billed_quantity != cell.ledger_quantity] == []
    assert {cell.key.provider for cell in found.cells} >= {"anthropic", "openai", "serp"}
