"""What a project decides about its reconciliation."""

from __future__ import annotations

from spanledger_analytics.reconciliation.pico import to_pico
from spanledger_analytics.reconciliation.tolerance import Tolerance
from spanledger_storage.errors import ConfigError
from spanledger_storage.price_state import StateEngine
from spanledger_storage.project_settings import Reconciliation
from spanledger_storage.projects import Projects

_PER_PERCENT = 10_000  # parts per million


def tolerance_of(state: StateEngine, project: str) -> Tolerance:
    """Return the tolerances a project has set; of one that does not exist, the usual ones.

    Raises:
        StateError: the state database does not answer.
    """
    try:
        settings = Projects(state).get(project).project.settings.reconciliation
    except ConfigError:
        settings = Reconciliation()
    return Tolerance(
        to_pico(settings.cell_usd),
        int(settings.cell_percent * _PER_PERCENT),
        int(settings.day_percent * _PER_PERCENT),
        int(settings.month_percent * _PER_PERCENT),
    )
