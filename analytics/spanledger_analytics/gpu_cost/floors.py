"""From which hour on GPU costs can be known: before it, samples, spans or costs were removed."""

from __future__ import annotations

from spanledger_analytics.retention.policy import Kind, first_second
from spanledger_storage.retention_state import RetentionState


def cost_floors(state: RetentionState) -> dict[str, int]:
    """Return by project the UTC start hour (UNIX seconds) before which hours stay as they are.

    Raises:
        StateError: the state database does not answer.
    """
    found: dict[str, int] = {}
    for kind in (Kind.METRICS, Kind.SPANS, Kind.LEDGER):
        for project, day in state.floors(kind).items():
            found[project] = max(found.get(project, 0), first_second(day))
    return found
