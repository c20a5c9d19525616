"""Whose spend changed most against the period before; only what is over is compared."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from spanledger_dashboard.hourly import is_answered_hourly
from spanledger_dashboard.time_range import Window
from spanledger_dashboard.usage import Key, Usage, by_agent, by_model, grouped
from spanledger_storage.store import Store

MAX_MOVERS = 6


@dataclass(frozen=True, slots=True)
class Mover:
    """One agent, model or user.

    Attributes:
        entity: ``agent``, ``model`` or ``user``.
        now_usd: spent in the buckets that are over; ``before_usd``: in the same a period earlier.
    """

    entity: str
    name: str
    now_usd: Decimal
    before_usd: Decimal

    @property
    def change_usd(self) -> Decimal:
        """Dollars more than before; less is negative."""
        return self.now_usd - self.before_usd


def top_movers(usage: Usage, users: list[Mover]) -> list[Mover]:
    """Return agents, models and users by how much their spend changed, largest first."""
    found = [*_of("agent", usage, by_agent), *_of("model", usage, by_model), *users]
    ranked = sorted(found, key=lambda m: (-abs(m.change_usd), m.entity, m.name))
    return [mover for mover in ranked if mover.change_usd][:MAX_MOVERS]


def load_user_movers(store: Store, project: str, window: Window) -> list[Mover]:
    """Read the users whose spend changed most; calls without a user are no user.

    Raises:
        StoreError: the store does not answer.
    """
    edges = (window.start_s, window.current_s, window.end_s)
    is_hourly = is_answered_hourly(("user_id",), *edges, by_user=True)
    rows = store.rows(
        "dashboard_spend_change_by_user" if is_hourly else "dashboard_spend_change",
        {
            "project": project,
            "entity": "user_id",
            "from_s": window.start_s,
            "current_s": window.current_s,
            "before_s": window.start_s - window.length_s,
            "page_size": MAX_MOVERS,
        },
    )
    return [
        Mover(
            "user",
            str(row["name"]),
            cast("Decimal", row["complete_usd"]),
            cast("Decimal", row["before_usd"]),
        )
        for row in rows
    ]


def _of(entity: str, usage: Usage, key: Key) -> list[Mover]:
    now, before = grouped(usage.complete_parts, key), grouped(usage.before_parts, key)
    zero = Decimal(0)
    return [
        Mover(
            entity,
            name,
            now[name].total_cost_usd if name in now else zero,
            before[name].total_cost_usd if name in before else zero,
        )
        for name in {**now, **before}
    ]
