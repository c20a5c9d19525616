"""What the commands on reconciliation work with: the days asked for, the store, the state."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from spanledger_analytics.reconciliation.days import Days, day_at, days_of, month_before
from spanledger_analytics.reconciliation.reading import read
from spanledger_analytics.reconciliation.result import Reconciliation
from spanledger_server.errors import UsageError
from spanledger_server.prices.session import now_ns, open_store
from spanledger_server.state_database import state_reader_of, state_writer_of
from spanledger_server.stores import writer_of
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import Projects
from spanledger_storage.store import Store


@dataclass(frozen=True, slots=True)
class Asked:
    """Which days of which project; ``provider`` is empty for all."""

    project: str
    days: Days
    provider: str

    @classmethod
    def of(cls, project: str, days: str, provider: str) -> Asked:
        """Return what was typed; without days the month before the running one.

        Raises:
            DaysError: the days cannot be read.
        """
        chosen = days_of(days) if days.strip() else month_before(day_at(now_ns()))
        return cls(project, chosen, provider.strip())

    def read(self, store: Store) -> Reconciliation:
        """Return what was compared.

        Raises:
            UsageError: nothing was; says what to do.
        """
        days = self.days
        found = read(store, self.project, days.first, days.last, self.provider or None)
        if not found.cells:
            whose = f" of {self.provider}" if self.provider else ""
            raise UsageError(
                f"Nothing{whose} was reconciled in {days.text} in project {self.project}: import "
                "what the provider reports (`spanledger invoices import FILE`), then run "
                f"`spanledger reconcile run {days.text}`."
            )
        return found


@contextmanager
def opened_readers(
    data: Path, state_url: str, store_url: str
) -> Generator[tuple[Store, StateEngine]]:
    """Open store and state database, to read."""
    state = state_reader_of(data, state_url)
    with open_store(data, store_url) as store:
        yield store, state


@contextmanager
def opened_writers(
    data: Path, state_url: str, store_url: str
) -> Generator[tuple[Store, StateEngine]]:
    """Open store and state database, to write.

    Raises:
        UsageError: no instance runs on the directory, and no address is given.
    """
    state = state_writer_of(data, state_url)
    with closing(Store.connect(writer_of(data.expanduser(), store_url))) as store:
        yield store, state


def demand_project(state: StateEngine, project: str) -> None:
    """Return if there is such a project; raises ConfigError where there is not."""
    Projects(state).get(project)
