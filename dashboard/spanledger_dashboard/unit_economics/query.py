"""What the page asks the store, and the answers as the analytics take them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import pyarrow as pa

from spanledger_analytics.change.decomposition import (
    INPUT_CLASSES,
    OUTPUT_CLASS,
    UNEXPLAINED,
    ModelUse,
    Period,
)
from spanledger_analytics.unit_economics.full_cost import Group
from spanledger_storage.store import Store

Row = Mapping[str, object]
Filters = tuple[tuple[str, tuple[str, ...]], ...]

DAY_S = 86_400
EVERYTHING = "project"
"""The column by which all tasks are one group."""
GROUPS = {
    "Agent": "agent_name",
    "Agent version": "agent_version",
    "User": "user_id",
    "Model": "model",
    "Route": "route",
    "Workflow": "workflow_name",
    "Environment": "environment",
}
"""What tasks are told apart by, besides dimensions; their columns."""
OWNER = "owner"
"""The column of the chosen dimension."""
FILTERS = ("agent", "version", "user", "model", "owner")
GAPS = ("unpriced_calls", "calls_without_usage")
PER_DECADE = 6
_OTHER_KINDS = {"tool": "tools", "gpu": "gpu", "infra": "infra"}
_MODEL_KINDS = ("llm", "embedding")


@dataclass(frozen=True, slots=True)
class Ask:
    """Which tasks. Hashable, so cached functions can take it.

    Attributes:
        from_s, to_s: unix seconds, half open, of the start of tasks.
        dimension: name of the dimension that tells owners.
        silent_before_s: a task without an outcome and without a span since then counts as
            abandoned; 0: none does.
        filters: (one of FILTERS, values let through).
    """

    project: str
    from_s: int
    to_s: int
    dimension: str = ""
    silent_before_s: int = 0
    filters: Filters = ()

    def parameters(self) -> dict[str, object]:
        """Return it as parameters of the statements."""
        chosen = dict(self.filters)
        return {
            "project": self.project,
            "from_s": self.from_s,
            "to_s": self.to_s,
            "dimension": self.dimension,
            "silent_before_s": self.silent_before_s,
            **{name: list(chosen.get(name, ())) for name in FILTERS},
        }


def load_groups(
    store: Store, ask: Ask, entity: str, page_size: int, starts: Sequence[int] = ()
) -> list[tuple[int, Group, int]]:
    """Return (start of the bucket, group, number of groups), those that cost most first.

    Raises:
        StoreError: the store does not answer.
    """
    parameters = {
        **ask.parameters(),
        "entity": entity,
        "page_size": page_size,
        "starts": list(starts or [ask.from_s]),
    }
    rows = store.rows("unit_economics_groups", parameters)
    return [(_int(row["bucket_s"]), _group(row), _int(row["groups"])) for row in rows]


def _group(row: Row) -> Group:
    parts = {
        **{name: _usd(row[name]) for name in row if name.startswith("own_")},
        "retries": _usd(row["retries"]),
        "failed": _usd(row["failed_usd"]),
        "abandoned": _usd(row["abandoned_usd"]),
    }
    counts = ("tasks", "completed", "failed", "abandoned", "unended", "attempts")
    return Group(
        name=str(row["name"]),
        **{name: _int(row[name]) for name in counts},
        parts=parts,
        median_usd=cast("Decimal | None", row["p50"]),
        p95_usd=cast("Decimal | None", row["p95"]),
        worst_usd=cast("Decimal | None", row["worst"]),
        unended_usd=_usd(row["unended_usd"]),
        gaps={name: _int(row[name]) for name in GAPS},
    )


def worst_table(store: Store, ask: Ask, state: str, page_size: int) -> pa.Table:
    """Return the dearest tasks that ended, as unit_economics_worst gives them.

    Raises:
        StoreError: the store does not answer.
    """
    parameters = {**ask.parameters(), "state": state, "page_size": page_size}
    return store.arrow("unit_economics_worst", parameters)


def groups_table(store: Store, ask: Ask, entity: str, page_size: int) -> pa.Table:
    """Return groups as unit_economics_groups gives them, amounts exact.

    Raises:
        StoreError: the store does not answer.
    """
    parameters = {**ask.parameters(), "entity": entity, "page_size": page_size}
    return store.arrow("unit_economics_groups", {**parameters, "starts": [ask.from_s]})


def load_spread(store: Store, ask: Ask) -> list[tuple[int, int]]:
    """Return (place of the bar, completed tasks in it), PER_DECADE bars from $1 to $10.

    Raises:
        StoreError: the store does not answer.
    """
    rows = store.rows("unit_economics_spread", {**ask.parameters(), "per_decade": PER_DECADE})
    return [(_int(row["place"]), _int(row["tasks"])) for row in rows]


def load_period(store: Store, ask: Ask, group: Group) -> Period:
    """Return what the cost of the tasks that ended is made of; ``group`` are all of them.

    Raises:
        StoreError: the store does not answer.
    """
    return period_of(store.rows("unit_economics_parts", ask.parameters()), group)


def period_of(rows: Sequence[Row], group: Group) -> Period:
    """Return a period whose tasks are the completed ones; pure."""
    models: dict[Hashable, ModelUse] = {}
    other: defaultdict[str, Decimal] = defaultdict(Decimal)
    calls = 0
    for row in rows:
        total = _usd(row["total_cost_usd"])
        if row["kind"] not in _MODEL_KINDS:
            other[_OTHER_KINDS.get(str(row["kind"]), UNEXPLAINED)] += total
            continue
        kinds = (*INPUT_CLASSES, OUTPUT_CLASS)
        costs = {kind: _usd(row[f"{kind}_cost_usd"]) for kind in kinds}
        tokens = {kind: _int(row[f"{kind}_tokens"]) for kind in kinds}
        models[row["kind"], row["provider"], row["model"]] = ModelUse(tokens, costs)
        fees = _usd(row["fees_cost_usd"])
        other["fees"] += fees
        other[UNEXPLAINED] += total - sum(costs.values(), fees)
        calls += _int(row["calls"])
    return Period(
        calls=calls,
        models=models,
        tasks=group.completed,
        attempts=group.attempts,
        other_usd=dict(other),
    )


def _int(value: object) -> int:
    return cast("int", value)


def _usd(value: object) -> Decimal:
    return cast("Decimal", value)
