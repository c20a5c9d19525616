"""The ledger and usage over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Query

from spanledger_analytics.data_quality import Period
from spanledger_server.api.listings import Filters, add_listing, make_router
from spanledger_server.api.money_rows import Entry, Usage
from spanledger_server.api.questions import DimensionPairs, Hex32, Text, dimension_filters
from spanledger_server.api.resources import HOUR_S, Resource
from spanledger_server.errors import UsageError
from spanledger_storage.store import Store

LEDGER = Resource("ledger", "api_ledger", Entry, "time", ("entry_id",), ("ledger", "time"))
USAGE = Resource("usage", "api_usage_hourly", Usage, "time", ("key",), splits="hash")
Kind = Annotated[Literal["", "llm", "embedding", "tool", "gpu", "infra", "adjustment"], Query()]
Dimension = Literal[
    "kind", "provider", "model", "agent", "service", "environment", "version", "workflow",
    "session", "user", "task", "tool", "tier", "region", "price_status",
]  # fmt: skip
_COLUMNS = {
    "agent": "agent_name",
    "service": "service_name",
    "version": "agent_version",
    "workflow": "workflow_name",
    "session": "session_id",
    "user": "user_id",
    "task": "task_id",
    "tool": "tool_name",
    "tier": "service_tier",
}
_HOURLY = frozenset({"kind", "provider", "model", "agent", "service", "environment"})
_OWN = "dimension."
_NARROWED_IN_LEDGER = ("session", "user", "task", "tool", "workflow", "dimension")


@dataclass
class LedgerFilters(Filters):
    """Filters of entries of the ledger."""

    entry: Hex32 = ""
    trace: Hex32 = ""
    session: Text = ""
    user: Text = ""
    task: Text = ""
    agent: Text = ""
    model: Text = ""
    provider: Text = ""
    service: Text = ""
    environment: Text = ""
    workflow: Text = ""
    tool: Text = ""
    kind: Kind = ""
    status: Annotated[Literal["", "ok", "error"], Query()] = ""
    price_status: Annotated[
        Literal["", "priced", "unpriced", "reported", "self_hosted"], Query()
    ] = ""
    dimension: DimensionPairs = None

    def params(self) -> dict[str, object]:
        """Return the filters as the statement takes them."""
        return {
            **Filters.params(self),
            "entry": self.entry.lower(),
            "trace": self.trace.lower(),
            **dimension_filters(self.dimension),
        }


@dataclass
class UsageFilters(Filters):
    """How usage is summed up, and what it is narrowed to."""

    grain: Annotated[
        Literal["hour", "day", "month", "total"], Query(description="Length of a bucket, in UTC.")
    ] = "day"
    by: Annotated[
        str,
        Query(
            max_length=512,
            pattern=r"^[^\x00]*$",
            description=f"What to tell apart, with commas: {', '.join(get_args(Dimension))}, or "
            f"`{_OWN}NAME` for a dimension of one's own.",
            examples=["agent,model"],
        ),
    ] = ""
    kind: Kind = ""
    provider: Text = ""
    model: Text = ""
    agent: Text = ""
    service: Text = ""
    environment: Text = ""
    session: Text = ""
    user: Text = ""
    task: Text = ""
    tool: Text = ""
    workflow: Text = ""
    dimension: DimensionPairs = None

    def params(self) -> dict[str, object]:
        """Return the filters as both statements take them.

        Raises:
            UsageError: there is nothing of that name to tell apart.
        """
        by, own = self._asked()
        given = Filters.params(self)
        return {**given, "by": by, "by_dimensions": own, **dimension_filters(self.dimension)}

    def columns(self) -> tuple[str, ...]:
        """Return the columns to answer: those of the dimensions asked for, and the sums."""
        by, own = self._asked()
        shown = {_COLUMNS.get(name, name) for name in by} | ({"dimensions"} if own else set())
        every = {_COLUMNS.get(name, name) for name in get_args(Dimension)} | {"dimensions"}
        return tuple(name for name in Usage.model_fields if name in shown or name not in every)

    def statement(self, resource: Resource) -> Resource:
        """Return the hourly usage where it knows all that is asked for, else the ledger."""
        by, own = self._asked()
        is_finer = own or set(by) - _HOURLY or any(getattr(self, n) for n in _NARROWED_IN_LEDGER)
        return replace(resource, statement="api_usage_ledger") if is_finer else resource

    def period(self, period: Period) -> Period:
        """Return the period in whole hours around the one that was asked for."""
        end_s = -(-period.to_s // HOUR_S) * HOUR_S
        return Period(period.from_s // HOUR_S * HOUR_S, min(end_s, 2**32 - 1))

    def _asked(self) -> tuple[list[str], list[str]]:
        """Return the dimensions to tell apart: those of ours, and those of one's own."""
        names = list(dict.fromkeys(name.strip() for name in self.by.split(",") if name.strip()))
        own = [name.removeprefix(_OWN) for name in names if name.startswith(_OWN)]
        by = [name for name in names if not name.startswith(_OWN)]
        for name in by:
            if name not in get_args(Dimension):
                raise UsageError(
                    f"by={name[:80]!r} cannot be told apart; there are "
                    f"{', '.join(get_args(Dimension))} and {_OWN}NAME."
                )
        if "" in own or len(own) > 8:
            raise UsageError(f"Name a dimension after {_OWN!r}, and not more than eight.")
        return by, own


def money_router(store: Callable[[], Store]) -> APIRouter:
    """Return the routes; ``store`` returns the open store, or raises StoreError."""
    router = make_router("ledger and usage")
    add_listing(router, store, LEDGER, LedgerFilters)
    add_listing(router, store, USAGE, UsageFilters)
    return router
