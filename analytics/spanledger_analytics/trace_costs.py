"""What the cost of a trace is made of: its ledger entries by kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from spanledger_analytics.entries import MODEL_KINDS, Entry

COST_KINDS: tuple[str, ...] = ("inference", "tool", "gpu", "infra")
"""Parts of a trace's cost that have a column; what is left of the total has other kinds."""


def cost_parts(entries: Iterable[Entry]) -> dict[str, Decimal]:
    """Return dollars by part; entries without a price add nothing."""
    parts: dict[str, Decimal] = dict.fromkeys(COST_KINDS, Decimal(0))
    for entry in entries:
        kind = "inference" if entry.kind in MODEL_KINDS else entry.kind
        if kind in parts and entry.total_cost_usd is not None:
            parts[kind] += entry.total_cost_usd
    return parts


def main_model(entries: Iterable[Entry]) -> str:
    """Return the model that cost most, among equals the one called most; '' without any."""
    weights: defaultdict[str, tuple[Decimal, int]] = defaultdict(lambda: (Decimal(0), 0))
    for entry in entries:
        if entry.model and entry.kind in MODEL_KINDS:
            cost, calls = weights[entry.model]
            weights[entry.model] = cost + (entry.total_cost_usd or 0), calls + 1
    return max(sorted(weights), key=lambda model: weights[model], default="")
