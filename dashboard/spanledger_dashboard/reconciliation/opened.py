"""What is done about reconciliations, as far as it is open to the reader."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from spanledger_analytics.invoices.rules import Rules, rules_of
from spanledger_analytics.reconciliation.correction import Correction
from spanledger_analytics.reconciliation.days import Days
from spanledger_dashboard.access import Denied, viewer
from spanledger_dashboard.connection import state_to_save
from spanledger_storage.price_state import StateEngine
from spanledger_storage.reconciliation_state import (
    ActionKind,
    ActionRow,
    PostingRow,
    ReconciliationState,
)

_OF_EVERYBODY = frozenset({"rate", "contract", "exchange_rate"})


def actions() -> OpenActions | None:
    """Return what is done; None where the dashboard is not told of a state database.

    Raises:
        ConfigError: its address cannot be read.
        SettingsError: no store is set.
    """
    engine = state_to_save()
    return OpenActions(engine) if engine else None


class OpenActions:
    """Actions and postings; who asks is looked at in every call.

    The dashboard only asks: the worker runs what waits. Methods raise Denied for a project that is
    not open to the reader, and for changes by readers who may only look; SignedOut once the session
    has ended; StateError when the database does not answer.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._state = ReconciliationState(engine)

    @property
    def engine(self) -> StateEngine:
        """The state database, to read reports and prices from."""
        return self._engine

    def log(self, project: str) -> list[ActionRow]:
        """Return the actions of a project, the latest first."""
        _demand(project)
        return self._state.log(project, limit=100)

    def postings(self, project: str) -> list[PostingRow]:
        """Return the months that are posted."""
        _demand(project)
        return self._state.postings(project)

    def rules(self, project: str) -> Rules:
        """Return what is applied to lines when they are read."""
        _demand(project)
        return rules_of(self._engine, project)

    def apply(self, project: str, days: Days, one: Correction, value: str) -> ActionRow:
        """Ask for a correction to be applied; ``value`` is what it asks for."""
        who = _demand_to_change(project, one.what.get("kind", ""))
        what = one.stored(value)
        target = what.get("value", "") if what.get("target") == "project" else ""
        if target:  # traffic may not be given to where whoever gives it may not look
            _demand(target)
        return self._ask(project, days, "apply", one.provider, one.title, who, what)

    def reverse(self, project: str, row: ActionRow) -> ActionRow:
        """Ask for an action to be taken back."""
        who = _demand_to_change(project, str(json.loads(row.what or "{}").get("kind", "")))
        return self._state.ask(
            ActionRow(
                project, "reverse", row.first_day, row.last_day, row.provider,
                f"Take back: {row.title}", who, time.time_ns(), reverses=row.id,
            )
        )  # fmt: skip

    def post(self, project: str, month: Days, provider: str, *, remove: bool) -> ActionRow:
        """Ask for adjustments of a month to be posted, or taken out."""
        who = _demand_to_save(project)
        does = "Take back" if remove else "Post"
        title = f"{does} adjustments of {month.text}, {provider or 'all providers'}"
        kind: ActionKind = "unpost" if remove else "post"
        return self._ask(project, month, kind, provider, title, who, {})

    def _ask(
        self, project: str, days: Days, kind: ActionKind, provider: str, title: str, who: str,
        what: Mapping[str, str],
    ) -> ActionRow:  # fmt: skip
        return self._state.ask(
            ActionRow(
                project=project,
                kind=kind,
                first_day=days.first.isoformat(),
                last_day=days.last.isoformat(),
                provider=provider,
                title=title,
                who=who,
                asked_at_ns=time.time_ns(),
                what=json.dumps(dict(what), ensure_ascii=False, sort_keys=True),
            )
        )


def may_change(kind: str) -> bool:
    """Return whether the reader may store a correction of a kind: prices are of every project."""
    person = viewer()
    return person.may_save and (kind not in _OF_EVERYBODY or person.sees_everything)


def _demand_to_change(project: str, kind: str) -> str:
    name = _demand_to_save(project)
    if not may_change(kind):
        raise Denied(
            "Prices hold for every project: somebody who sees all of them can change this."
        )
    return name


def _demand(project: str) -> str:
    person = viewer()
    if not person.may_see(project):
        raise Denied(f"Project {project} is not open to you, or it does not exist.")
    return person.name


def _demand_to_save(project: str) -> str:
    name = _demand(project)
    if not viewer().may_save:
        raise Denied("Your account may look, not save. An editor or admin can save this.")
    return name
