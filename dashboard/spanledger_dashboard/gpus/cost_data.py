"""What the GPU cost page reads: lines, GPUs, workers and trajectories of a project and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from spanledger_analytics.gpu_cost.economics import WorkerCost
from spanledger_dashboard.gpus.data import Ask, Row
from spanledger_storage.store import Store

TRAJECTORIES = 50
LINE_NAMES: Mapping[str, str] = {
    "attributed": "Attributed",
    "priced": "Token-priced",
    "overhead": "Overhead",
    "warm_up": "Warm-up",
    "idle": "Idle",
    "kept": "Kept",
}
"""How people read the lines, in the order they are stacked."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Everything the page shows of a range.

    ``steps`` are by line and bucket start; ``gpu_hours`` were paid for: of a divided GPU its own,
    not those of each instance.
    """

    steps: Mapping[str, Mapping[int, Decimal]]
    gpus: tuple[Row, ...]
    workers: tuple[WorkerCost, ...]
    trajectories: tuple[Row, ...]
    seen: tuple[Row, ...]
    today: Decimal
    gpu_hours: Decimal

    @property
    def total(self) -> Decimal:
        """All of it, USD."""
        return sum((self.of(line) for line in self.steps), Decimal(0))

    def of(self, line: str) -> Decimal:
        """Return what went to a line, USD."""
        return sum(self.steps.get(line, {}).values(), Decimal(0))

    @property
    def unpriced(self) -> tuple[Row, ...]:
        """GPUs that were seen and have no price."""
        return tuple(row for row in self.seen if not row["is_priced"])


def load(store: Store, ask: Ask, day_start_s: int) -> Costs:
    """Read all of it; ``day_start_s``: when today began for the reader, unix seconds.

    Raises:
        StoreError: the store does not answer.
    """
    params = ask.params()
    steps: dict[str, dict[int, Decimal]] = {}
    for row in store.rows("dashboard_gpu_cost_steps", {**params, "bucket_s": ask.bucket_s}):
        at = int(cast("int", row["bucket_s"]))
        steps.setdefault(str(row["line"]), {})[at] = cast("Decimal", row["cost_usd"])
    today = store.rows(
        "dashboard_gpu_cost_steps",
        {
            "project": ask.project,
            "from_s": day_start_s,
            "to_s": day_start_s + 2 * 86_400,
            "bucket_s": 2 * 86_400,
        },
    )
    [paid] = store.rows("dashboard_gpu_cost_seconds", params)
    return Costs(
        steps=steps,
        gpus=tuple(store.rows("dashboard_gpu_cost_gpus", params)),
        workers=tuple(
            WorkerCost(**{name: row[name] for name in WorkerCost._fields})  # type: ignore[arg-type]  # the statement's columns are its fields
            for row in store.rows("dashboard_gpu_cost_workers", params)
        ),
        trajectories=tuple(
            store.rows("dashboard_gpu_cost_trajectories", {**params, "top": TRAJECTORIES})
        ),
        seen=tuple(store.rows("dashboard_gpu_cost_unpriced", params)),
        today=sum((cast("Decimal", row["cost_usd"]) for row in today), Decimal(0)),
        gpu_hours=Decimal(int(cast("int", paid["seconds"]))) / 3_600,
    )
