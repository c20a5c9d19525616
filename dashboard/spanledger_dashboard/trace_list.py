"""The list of trajectories: filters, order, pages."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import cast

from spanledger_storage.store import Store

PAGE_SIZE = 50
# As shown and in the address: as dashboard_traces.sql knows it.
SORTS = {
    "Newest": "newest",
    "Most expensive": "cost",
    "Slowest": "duration",
    "Most tokens": "tokens",
    "Most spans": "spans",
    "Most errors": "errors",
}


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """What the list is narrowed to; empty and zero narrow nothing.

    Attributes:
        from_s: unix seconds; trajectories that started then or later.
        to_s: unix seconds; and before then.
        status: "ok" or "error": at least one span failed.
        text: part of the name, or the first digits of the trace id.
    """

    project: str
    from_s: int
    to_s: int
    agent: str = ""
    model: str = ""
    service: str = ""
    user: str = ""
    session: str = ""
    status: str = ""
    min_cost_usd: Decimal = Decimal(0)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Facets:
    """Names the list can be narrowed to."""

    agents: tuple[str, ...]
    models: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TraceTotals:
    """What all matching trajectories sum up to; ``cost_usd`` None: nothing is priced."""

    traces: int
    failed_traces: int
    cost_usd: Decimal | None
    unpriced_calls: int


def load_page(
    store: Store, narrowed: TraceFilter, sort: str, skip: int, page_size: int = PAGE_SIZE
) -> list[dict[str, object]]:
    """Read one page; columns as in dashboard_traces.sql, one row per trajectory."""
    return store.rows(
        "dashboard_traces",
        {**asdict(narrowed), "sort": sort, "skip": skip, "page_size": page_size},
    )


def load_totals(store: Store, narrowed: TraceFilter) -> TraceTotals:
    """Read what all matching trajectories sum up to."""
    row = store.rows("dashboard_traces_total", asdict(narrowed))[0]
    return TraceTotals(
        traces=cast("int", row["traces"]),
        failed_traces=cast("int", row["failed_traces"]),
        cost_usd=cast("Decimal | None", row["total_cost_usd"]),
        unpriced_calls=cast("int", row["unpriced_calls"]),
    )


def load_facets(store: Store, project: str, from_s: int, to_s: int) -> Facets:
    """Read the names trajectories of a project carry in a time range."""
    row = store.rows(
        "dashboard_trace_facets", {"project": project, "from_s": from_s, "to_s": to_s}
    )[0]
    agents, models, services = (
        tuple(cast("list[str]", row[c])) for c in ("agents", "models", "services")
    )
    return Facets(agents, models, services)
