"""Tasks and sessions of a project: how many ended well, what those cost, who is at work."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from spanledger_dashboard.time_range import Window
from spanledger_storage.store import Store

ACTIVE_S = 15 * 60
_LONGEST_S = 86_400


@dataclass(frozen=True, slots=True)
class Tasks:
    """Tasks that began in a window, counted as on the page Unit economics.

    Attributes:
        ended_tasks: with an outcome, whatever it is.
        ended_cost_usd: what these have cost, failed ones included.
    """

    traces: int
    failed_traces: int
    tasks: int
    ended_tasks: int
    completed_tasks: int
    ended_cost_usd: Decimal

    @property
    def usd_per_completed(self) -> Decimal | None:
        """Cost of all tasks that ended over those completed; None when none was."""
        return self.ended_cost_usd / self.completed_tasks if self.completed_tasks else None


@dataclass(frozen=True, slots=True)
class Active:
    """Who did something in the last quarter of an hour; sessions are 0 when none is reported."""

    sessions: int
    traces: int
    agents: int


def load_tasks(store: Store, project: str, window: Window) -> Tasks:
    """Read how the tasks of a window ended.

    Raises:
        StoreError: the store does not answer.
    """
    row = store.rows(
        "dashboard_tasks",
        {
            "project": project,
            "from_s": window.start_s,
            "to_s": window.end_s,
            "dimension": "",
            "silent_before_s": 0,
        },
    )[0]
    return Tasks(
        traces=cast("int", row["traces"]),
        failed_traces=cast("int", row["failed_traces"]),
        tasks=cast("int", row["tasks"]),
        ended_tasks=cast("int", row["ended_tasks"]),
        completed_tasks=cast("int", row["completed_tasks"]),
        ended_cost_usd=cast("Decimal", row["ended_cost_usd"]),
    )


def load_active(store: Store, project: str, now_s: int) -> Active:
    """Read who is at work; a trace that began more than a day ago is not looked for.

    Raises:
        StoreError: the store does not answer.
    """
    row = store.rows(
        "dashboard_active",
        {"project": project, "from_s": now_s - _LONGEST_S, "active_s": now_s - ACTIVE_S},
    )[0]
    return Active(*(cast("int", row[name]) for name in ("sessions", "traces", "agents")))
