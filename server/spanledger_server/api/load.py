"""How much work there is and how fast it is done: what an autoscaler goes by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

from pydantic import BaseModel, Field

from spanledger_analytics.trajectory_status import ABANDONED_AFTER_S
from spanledger_server.api.models import Usd
from spanledger_server.periods import rfc3339
from spanledger_storage.store import Store

DELAY_S = 10
"""Calls are known some seconds after they end: SDKs send every five, and the ledger is derived."""
MOST_NAMES = 50
"""Agents, and models, of an answer: each is a time series."""
_ACTIVE_S = 900
_DAY_S = 86_400
_CALLS_LOOK_BACK_S = 3_600
_SAMPLES_S = 120
_NS_PER_S = 1_000_000_000
_PICODOLLAR = Decimal("0.000000000001")


class Pace(BaseModel):
    """Of calls that ended in the window."""

    calls_per_second: float = Field(description="Of models.")
    failed_calls_per_second: float
    input_tokens_per_second: float
    output_tokens_per_second: float
    tokens_per_second: float
    p50_latency_seconds: float | None = Field(description="Null: no call tells its duration.")
    p95_latency_seconds: float | None
    cost_usd_per_minute: Usd = Field(description="Of what is priced, with paid tools.")
    unpriced_calls: int = Field(description="In the window, whose cost is not known.")


class AgentLoad(Pace):
    """The load of an agent."""

    active_sessions: int = Field(description="With a span that ended in the last 15 minutes.")
    active_traces: int
    open_trajectories: int = Field(description="Open or waiting, not abandoned.")


class ModelLoad(Pace):
    """The load of a model."""

    queue_depth: float | None = Field(description="Requests that wait in inference workers.")
    requests_running: float | None


class ProjectLoad(AgentLoad, ModelLoad):
    """The load of a project."""


class SpoolLoad(BaseModel):
    """What collectors have accepted and not stored yet, of every project."""

    requests: int
    oldest_seconds: float


class Load(BaseModel):
    """What an autoscaler goes by."""

    project: str
    as_of: str
    window_s: int
    window_from: str
    window_to: str = Field(description=f"{DELAY_S} s ago: later calls are not known yet.")
    total: ProjectLoad
    agents: dict[str, AgentLoad] = Field(description="Those asked for, else the busiest.")
    models: dict[str, ModelLoad]
    spool: SpoolLoad | None = Field(
        description="Null: no collector told, or the key is of one project."
    )


Figures = Mapping[str, object]


def read_load(
    store: Store,
    project: str,
    window_s: int,
    agents: Sequence[str],
    models: Sequence[str],
    now_s: int,
) -> Load:
    """Return the load of a project; agents and models that are named are always in it.

    Raises:
        StoreError: the store does not answer.
    """
    to_s = now_s - DELAY_S
    from_s = to_s - window_s
    found = store.rows("api_autoscaling", _params(project, from_s, to_s, now_s, agents, models))
    rows = {(str(row["part"]), str(row["name"])): row for row in found}
    # The busiest: where none is named.
    shown_agents = agents or [name for part, name in rows if part == "agent"]
    shown_models = models or [name for part, name in rows if part == "model"]
    return Load(
        project=project,
        as_of=rfc3339(now_s),
        window_s=window_s,
        window_from=rfc3339(from_s),
        window_to=rfc3339(to_s),
        total=ProjectLoad.model_validate(_all(rows.get(("total", ""), {}), window_s)),
        agents={
            name: AgentLoad.model_validate(_all(rows.get(("agent", name), {}), window_s))
            for name in shown_agents
        },
        models={
            name: ModelLoad.model_validate(_all(rows.get(("model", name), {}), window_s))
            for name in shown_models
        },
        spool=None,
    )


def _params(
    project: str,
    from_s: int,
    to_s: int,
    now_s: int,
    agents: Sequence[str],
    models: Sequence[str],
) -> dict[str, object]:
    return {
        "project": project,
        "from_s": from_s,
        "to_s": to_s,
        "calls_from_s": from_s - _CALLS_LOOK_BACK_S,
        "active_s": now_s - _ACTIVE_S,
        "traces_from_s": now_s - _DAY_S,
        # As long again: one that is not silent may have begun long ago.
        "trajectories_from_s": now_s - 2 * ABANDONED_AFTER_S,
        "silent_s": now_s - ABANDONED_AFTER_S,
        "samples_from_s": now_s - _SAMPLES_S,
        "now_s": now_s,
        "agents": list(agents),
        "models": list(models),
        "at_most": MOST_NAMES,
    }


def _all(row: Figures, window_s: int) -> dict[str, object]:
    """Return every figure of a row; what did not happen is zero, what nobody tells is None."""
    calls, failed = _count(row, "calls"), _count(row, "failed_calls")
    tokens_in, tokens_out = _count(row, "input_tokens"), _count(row, "output_tokens")
    cost = cast("Decimal | None", row.get("cost_usd")) or Decimal(0)
    return {
        "calls_per_second": calls / window_s,
        "failed_calls_per_second": failed / window_s,
        "input_tokens_per_second": tokens_in / window_s,
        "output_tokens_per_second": tokens_out / window_s,
        "tokens_per_second": (tokens_in + tokens_out) / window_s,
        "p50_latency_seconds": _seconds(row.get("p50_ns")),
        "p95_latency_seconds": _seconds(row.get("p95_ns")),
        "cost_usd_per_minute": (cost * 60 / window_s).quantize(_PICODOLLAR),
        "unpriced_calls": _count(row, "unpriced_calls"),
        "active_sessions": _count(row, "active_sessions"),
        "active_traces": _count(row, "active_traces"),
        "open_trajectories": _count(row, "open_trajectories"),
        "queue_depth": row.get("requests_waiting"),
        "requests_running": row.get("requests_running"),
    }


def _count(row: Figures, name: str) -> int:
    return cast("int | None", row.get(name)) or 0


def _seconds(ns: object) -> float | None:
    return None if ns is None else cast("float", ns) / _NS_PER_S
