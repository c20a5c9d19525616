"""What the pages about money and machines show of a project: a mark in every text of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from spanledger_analytics.allocation.changes import set_rule
from spanledger_analytics.reconciliation.run import reconcile
from spanledger_storage.allocation_rules import AllocationRules, RuleRow
from spanledger_storage.budgets import Budgets, BudgetTerms
from spanledger_storage.invoice_state import InvoiceState, MappingRow, PullRow
from spanledger_storage.store import Store
from tests.invoicing import import_path

_COSTS = """start_time,end_time,amount_value,amount_currency,line_item,project_id,organization_id
{day},{after},1.25,usd,"{mark} text","{mark}-scope",org-a
{day},{after},2.50,usd,"gpt-4o-2024-08-06, output","{mark}-scope",org-a
"""


GPU = "GPU-77"


def plant(store: Store, state: sa.Engine, project: str, mark: str, folder: Path) -> dict[str, str]:
    """Give a project a budget, a rule, an invoice with mapping and pull, a GPU, and losses.

    Returns what addresses call them.
    """
    now_ns = time.time_ns()
    terms = BudgetTerms(f"{mark} budget", "project", "", "usd", "month", hard_limit=Decimal(10),
                        owner=mark)  # fmt: skip
    budget = Budgets(state).create(project, terms, mark, now_ns)
    with AllocationRules(state).change(mark, now_ns) as change:
        owner = {"team": f"{mark}-team"}
        set_rule(change, RuleRow(project, "theirs", 500, 0, {"agent": "nobody"}, owner, note=mark))
    cell = plant_invoice(store, state, project, mark, folder)
    plant_gpu(store, project, mark, now_ns // 10**9)
    plant_cache(store, project, mark, now_ns // 10**9)
    [made] = InvoiceState(state).imports(project)
    return {"budget": budget.id, "import": made.import_id, "cell": cell, "gpu": GPU}


def plant_invoice(store: Store, state: sa.Engine, project: str, mark: str, folder: Path) -> str:
    """Import a report of today, of which a text waits for a mapping; return the dearest cell."""
    now_ns = time.time_ns()
    today = datetime.now(UTC).date()
    day = int(datetime(today.year, today.month, today.day, tzinfo=UTC).timestamp())
    path = folder / f"{project}-costs.csv"
    quoted = mark.replace('"', '""')
    path.write_text(_COSTS.format(day=day, after=day + 86_400, mark=quoted))
    import_path(store, state, path, project=project, now_ns=now_ns)
    found = InvoiceState(state)
    found.add_mapping(
        MappingRow(project, "line", "openai", f"{mark} other", {"token_class": "tool"}, mark, mark)
    )
    found.keep_pull(PullRow(project, f"{mark}-report", now_ns, None, now_ns, 1, f"{mark} failed"))
    return reconcile(store, state, project, today, today, now_ns).cells[0].cell_id


def plant_gpu(store: Store, project: str, mark: str, now_s: int) -> None:
    """A GPU that ran and what it cost."""
    about = {"gpu": GPU, "host": f"{mark}-host", "gpu_index": "0", "model": "NVIDIA H200"}
    _put(store, "gpu_minutes", project, "minute",
         [{**about, "minute": (now_s - 600) // 60 * 60, "samples": 1, "version": 1}])  # fmt: skip
    cost: dict[str, object] = {
        "line": "idle", "seconds": 300, "price_id": "gpu/3", "method": "running", "version": 1,
        "cost_usd": Decimal("0.25"), "start": (now_s - 900) // 300 * 300,
    }  # fmt: skip
    _put(store, "gpu_attribution", project, "start", [{**about, **cost}])


def plant_cache(store: Store, project: str, mark: str, now_s: int) -> None:
    """A call whose prompt was paid again."""
    call: dict[str, object] = {
        "time": now_s - 600, "entry_id": f"{mark}-entry", "trace_id": "cc" * 16,
        "agent_name": f"{mark}-agent", "provider": f"{mark}-provider", "model": f"{mark}-model",
        "input_tokens": 5_000, "segments": 3, "cause": "dynamic_text", "lost_tokens": 4_000,
        "version": 1,
    }  # fmt: skip
    _put(store, "cache_calls", project, "time", [call])


def _put(
    store: Store, name: str, project: str, time_column: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    kinds: dict[str, Any] = {
        time_column: pa.timestamp("s", "UTC"), "cost_usd": pa.decimal128(38, 12),
    }  # fmt: skip
    columns: dict[str, Any] = {n: pa.array([row[n] for row in rows], kinds.get(n)) for n in rows[0]}
    store.insert(
        name, pa.table({"project": [project] * len(rows), **columns}), token=f"{project}-{name}"
    )
