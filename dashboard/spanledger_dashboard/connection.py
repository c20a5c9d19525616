"""The connections that all sessions of this process share: the store, the state database."""

from __future__ import annotations

import time
from collections.abc import Mapping

import streamlit as st

from spanledger_analytics.findings.muting import Said
from spanledger_dashboard.access import Denied, Viewer, viewer
from spanledger_dashboard.settings import DashboardSettings
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.budget_amounts import Amounts, Forecasts
from spanledger_storage.budgets import Breach, Budget, Budgets, BudgetTerms
from spanledger_storage.finding_state import FindingStates, LogRow
from spanledger_storage.price_state import StateEngine
from spanledger_storage.saved_views import Kind, SavedView, SavedViews
from spanledger_storage.state import open_state_reader, open_state_writer
from spanledger_storage.store import Store, StoreSettings

# A page that takes longer than this is broken for its reader, whatever the answer is.
_TIMEOUT_S = 30


def store() -> Store:
    """Return the connection, opening it the first time.

    Raises:
        StoreError: the store does not answer.
        SettingsError: no store is set.
    """
    return _open(DashboardSettings.from_environment().store_url)


def state() -> StateEngine | None:
    """Return the state database, to read; None where the dashboard is not told of one.

    Raises:
        ConfigError: the address cannot be read.
        SettingsError: no store is set.
    """
    url = DashboardSettings.from_environment().state_url
    return _open_state(url) if url else None


def saved_views() -> SavedViews | None:
    """Return what people saved, to read and write as the reader of the page may.

    None without a state database. Its methods raise Denied for a project that is not open to the
    reader, and, when something is saved or removed, for readers who may only look; SignedOut once
    the session has ended.

    Raises:
        ConfigError: the address cannot be read.
        SettingsError: no store is set.
    """
    url = DashboardSettings.from_environment().state_url
    return _OpenViews(_open_state_to_save(url)) if url else None


def budgets() -> OpenBudgets | None:
    """Return the budgets, to read and write as the reader of the page may; see ``saved_views``.

    Raises:
        ConfigError: the address cannot be read.
        SettingsError: no store is set.
    """
    url = DashboardSettings.from_environment().state_url
    return OpenBudgets(_open_state_to_save(url)) if url else None


def findings() -> OpenFindings | None:
    """Return what people say of findings, to read and write as the reader may; see ``saved_views``.

    Raises:
        ConfigError: the address cannot be read.
        SettingsError: no store is set.
    """
    url = DashboardSettings.from_environment().state_url
    return OpenFindings(_open_state_to_save(url)) if url else None


def state_to_save() -> StateEngine | None:
    """Return the state database, to write what people say; whoever calls asks who may.

    None where the dashboard is not told of one.

    Raises:
        ConfigError: the address cannot be read.
        SettingsError: no store is set.
    """
    url = DashboardSettings.from_environment().state_url
    return _open_state_to_save(url) if url else None


class OpenBudgets:
    """Budgets, as far as they are open to the reader, who is asked for at every call.

    Methods raise Denied for a project that is not open to the reader, and for changes by readers
    who may only look; SignedOut once the session has ended; StateError when the database does not
    answer.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._budgets = Budgets(engine)
        self._accounts = BudgetAccounts(engine)

    def of(self, project: str) -> list[tuple[Amounts, Forecasts]]:
        """Return the budgets of a project with their figures, by name."""
        _demand(project)
        return self._accounts.state(project, time.time_ns())

    def breaches(self, project: str, budget_id: str = "") -> list[Breach]:
        """Return the newest breaches, newest first."""
        _demand(project)
        return self._budgets.breaches(project, budget_id)

    def create(self, project: str, terms: BudgetTerms) -> Budget:
        """Make a budget; raises ConfigError where the terms cannot be."""
        _demand_to_save(project)
        return self._budgets.create(project, terms, viewer().name, time.time_ns())

    def change(self, project: str, budget_id: str, terms: BudgetTerms) -> Budget:
        """Give a budget other terms; raises ConfigError where they cannot be."""
        _demand_to_save(project)
        return self._budgets.change(project, budget_id, terms, viewer().name, time.time_ns())

    def remove(self, project: str, budget_id: str) -> Budget:
        """Remove a budget; raises ConfigError when it is gone."""
        _demand_to_save(project)
        return self._budgets.remove(project, budget_id, time.time_ns())


class OpenFindings:
    """What people say of findings, as far as it is open to the reader, as ``OpenBudgets``."""

    def __init__(self, engine: StateEngine) -> None:
        self._states = FindingStates(engine)

    def of(self, project: str) -> Said:
        """Return what was said of the findings of a project, as it holds now."""
        _demand(project)
        return Said.read(self._states, project, time.time_ns())

    def history(self, project: str, finding_id: str) -> list[LogRow]:
        """Return what was said of a finding, the latest first."""
        _demand(project)
        return self._states.history(project, finding_id)

    def say(self, project: str, finding_id: str, pattern: str, state: str, note: str) -> None:
        """Put a finding into a state; raises ConfigError where the note is too long."""
        _demand_to_save(project)
        self._states.say(
            project, finding_id, state,
            pattern=pattern, who=viewer().name, now_ns=time.time_ns(), note=note,
        )  # fmt: skip

    def unmute(self, project: str, pattern: str) -> None:
        """Show findings of a pattern again."""
        _demand_to_save(project)
        self._states.unmute(project, pattern, who=viewer().name, now_ns=time.time_ns())


class _OpenViews(SavedViews):
    """What is saved, as far as it is open to the reader.

    Who that is is asked at every call: a button keeps this from one run of its page to the next.
    """

    def of(self, kind: Kind, project: str) -> list[SavedView]:
        _demand(project)
        return super().of(kind, project)

    def save(
        self, kind: Kind, project: str, name: str, content: Mapping[str, object], *, who: str
    ) -> None:
        _demand_to_save(project)
        super().save(kind, project, name, content, who=who)

    def remove(self, kind: Kind, project: str, name: str) -> bool:
        _demand_to_save(project)
        return super().remove(kind, project, name)


def _demand(project: str) -> Viewer:
    person = viewer()
    if not person.may_see(project):
        raise Denied(f"Project {project} is not open to you, or it does not exist.")
    return person


def _demand_to_save(project: str) -> None:
    if not _demand(project).may_save:
        raise Denied("Your account may look, not save. An editor or admin can save this.")


@st.cache_resource(show_spinner=False, max_entries=4, on_release=StateEngine.dispose)
def _open_state_to_save(url: str) -> StateEngine:
    return open_state_writer(url)


@st.cache_resource(show_spinner=False, max_entries=4, on_release=StateEngine.dispose)
def _open_state(url: str) -> StateEngine:
    return open_state_reader(url)


@st.cache_resource(show_spinner=False, max_entries=4, on_release=Store.close)
def _open(url: str) -> Store:
    return Store.connect(StoreSettings.from_url(url), timeout_s=_TIMEOUT_S)
