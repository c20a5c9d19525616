"""How often agents report success after a tool failed: a rate to watch, by agent and day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from spanledger_analytics._rows import columns_of
from spanledger_storage.store import Store


class SilentRate(NamedTuple):
    """One agent on one UTC day; field names are the columns of ``findings_silent_by_day``.

    ``silent`` of ``traces`` closed traces have a silent failure, ``certain`` one that is sure;
    ``direct_usd``: None where no price is known.
    """

    day: date
    agent: str
    traces: int
    silent: int
    certain: int
    direct_usd: Decimal | None

    @property
    def rate(self) -> float:
        """Return the share of the traces with a silent failure, sure or not."""
        return self.silent / self.traces if self.traces else 0.0


def silent_rates(store: Store, project: str, from_s: int, to_s: int) -> list[SilentRate]:
    """Return a row for each UTC day and outermost agent with closed traces, by day and agent.

    Raises:
        StoreError: the store refused or did not answer.
    """
    params: dict[str, object] = {"project": project, "from_s": from_s, "to_s": to_s}
    table = store.arrow("findings_silent_by_day", params)
    return [SilentRate._make(row) for row in columns_of(table, SilentRate._fields)]
