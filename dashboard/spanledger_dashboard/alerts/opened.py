"""Alerts, as far as they are open to the reader, who is asked for at every call."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from spanledger_alerts import dead_letters
from spanledger_alerts.settings import AlertSettings
from spanledger_dashboard.access import Denied, Viewer, viewer
from spanledger_dashboard.connection import state_to_save
from spanledger_storage.alert_letters import AlertLetters, Letter, Outcome
from spanledger_storage.alert_outbox import AlertOutbox, OutboxRow
from spanledger_storage.alert_reading import AlertReading, AttemptRow, FiredRow
from spanledger_storage.alert_rows import InstanceRow, RuleStateRow, SilenceRow, TimelineRow
from spanledger_storage.alert_rules import AlertRules, RuleChange, StoredRule
from spanledger_storage.alert_state import AlertState
from spanledger_storage.price_state import StateEngine

NOTE_LIMIT = 2_000


def alert_settings() -> AlertSettings:
    """Return where rules and channels are, as far as this dashboard is told.

    Raises:
        ConfigError: one of the settings cannot be.
    """
    return AlertSettings.of(os.environ)


def alerts() -> OpenAlerts | None:
    """Return alerts, to read and write as the reader may; None without a state database.

    Raises:
        ConfigError: the address cannot be read.
        SettingsError: no store is set.
    """
    engine = state_to_save()
    return None if engine is None else OpenAlerts(engine)


def show_no_state() -> None:
    """Say what is missing where the dashboard is told of no state database."""
    st.info(
        "Alerts live in the state database, and this dashboard is not told where that is. Set "
        "SPANLEDGER_STATE_URL for it.",
        icon=":material/database_off:",
    )


class OpenAlerts:
    """What alerts remember.

    Methods raise Denied for a project that is not open to the reader, and for changes by readers
    who may only look; SignedOut once the session has ended; StateError when the database does not
    answer. Rules and channels are those of all projects: whoever changes or tests them sees all.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._state = AlertState(engine)
        self._outbox = AlertOutbox(engine)
        self._reading = AlertReading(engine)
        self._rules = AlertRules(engine)
        self._letters = AlertLetters(engine)

    def instances(
        self, project: str, rule: str = "", states: tuple[str, ...] = ()
    ) -> list[InstanceRow]:
        """Return instances: of one rule, in some states, or all."""
        _demand(project)
        return self._state.instances(project, rule, states)

    def instances_of(self, project: str, ids: list[str]) -> dict[str, InstanceRow]:
        """Return the instances of these ids, those that are known."""
        _demand(project)
        return self._reading.instances(project, ids)

    def acks(self, project: str) -> dict[str, str]:
        """Return who acknowledged, by incident."""
        _demand(project)
        return self._state.acks(project)

    def history(self, project: str, incident: str) -> list[TimelineRow]:
        """Return what happened to an incident, in order."""
        _demand(project)
        return self._state.history(project, incident=incident)[::-1]

    def ended(
        self, project: str, from_ns: int, to_ns: int, limit: int
    ) -> dict[str, list[TimelineRow]]:
        """Return incidents that ended in a time with their changes, the latest end first."""
        _demand(project)
        return self._reading.ended(project, from_ns, to_ns, limit)

    def fired(self, project: str, from_ns: int, to_ns: int) -> dict[str, FiredRow]:
        """Return how often each rule fired in a time."""
        _demand(project)
        return self._reading.fired(project, from_ns, to_ns)

    def deliveries(
        self, project: str, rule: str, from_ns: int, to_ns: int, limit: int
    ) -> list[OutboxRow]:
        """Return notifications of a rule that were made in a time, the latest first."""
        _demand(project)
        return self._reading.deliveries(project, rule, from_ns, to_ns, limit)

    def attempts(self, project: str, rows: list[OutboxRow]) -> list[AttemptRow]:
        """Return the attempts to send notifications of a project."""
        _demand(project)
        return self._reading.attempts([row.id for row in rows if row.project == project])

    def acknowledge(self, project: str, rule: str, incident: str, note: str) -> bool:
        """Note that the reader looks after an incident; False: somebody does already."""
        person = _demand_to_save(project)
        return self._state.acknowledge(
            project, rule, incident, person.name, time.time_ns(), note[:NOTE_LIMIT]
        )

    def silences(self, project: str, *, with_past: bool, now_ns: int) -> list[SilenceRow]:
        """Return silences, the newest first."""
        _demand(project)
        return self._state.silences(project, with_past=with_past, now_ns=now_ns)

    def silence(self, row: SilenceRow) -> SilenceRow:
        """Add a silence in the name of the reader."""
        person = _demand_to_save(row.project)
        reason = row.reason[:NOTE_LIMIT]
        return self._state.silence(replace(row, author=person.name, reason=reason))

    def lift(self, project: str, silence_id: str) -> bool:
        """End a silence; False: there is none that holds."""
        person = _demand_to_save(project)
        return self._state.lift(project, silence_id, person.name, time.time_ns())

    def rule_states(self, project: str) -> dict[str, RuleStateRow]:
        """Return how rules fared in a project, by rule."""
        _demand(project)
        found = self._state.rule_states()
        return {rule: row for (whose, rule), row in found.items() if whose == project}

    def evaluated_until_ns(self, name: str) -> int | None:
        """Return until when an engine holds the lease; None: none ever did."""
        viewer()
        held = self._state.held(name)
        return None if held is None else held[1]

    def stored_rules(self) -> dict[str, StoredRule]:
        """Return the rules that people keep in the dashboard, by name."""
        viewer()
        return self._rules.all()

    def rule_log(self, name: str) -> list[RuleChange]:
        """Return who changed a rule of the dashboard, the latest first."""
        _demand_everything()
        return self._rules.log(name)

    def put_rule(self, name: str, text: str) -> None:
        """Keep a rule, which was checked before."""
        person = _demand_to_change()
        self._rules.put(name, text, person.name, time.time_ns())

    def drop_rule(self, name: str) -> bool:
        """Forget a rule; False: there is none."""
        person = _demand_to_change()
        return self._rules.drop(name, person.name, time.time_ns())

    def channel_health(self, now_ns: int) -> Mapping[str, Mapping[str, int]]:
        """Return by channel what waits and what came of it, as ``AlertOutbox.health``."""
        _demand_everything()
        return self._outbox.health(now_ns)

    def last_attempts(self) -> Mapping[str, tuple[int, str, str]]:
        """Return of each channel the last attempt: UTC nanoseconds, outcome, reason."""
        _demand_everything()
        return self._outbox.last_attempts()

    def dead_letters(self, from_ns: int, to_ns: int, limit: int) -> list[Letter]:
        """Return what left the queues of all channels without being taken, the latest first."""
        _demand_everything()
        return self._letters.ended(from_ns, to_ns, limit)

    def retry_letter(self, letter_id: int) -> Outcome:
        """Have a dead letter tried again, in the name of the reader."""
        person = _demand_to_change()
        return dead_letters.retry(self._letters, letter_id, person.name, time.time_ns())

    def drop_letter(self, letter_id: int) -> Outcome:
        """Give a dead letter up, in the name of the reader."""
        person = _demand_to_change()
        return dead_letters.drop(self._letters, letter_id, person.name, time.time_ns())

    def failures(self, from_ns: int, to_ns: int, limit: int) -> list[AttemptRow]:
        """Return the attempts that failed, of all channels, the latest first."""
        _demand_everything()
        return self._reading.failures(from_ns, to_ns, limit)


def may_change_rules() -> bool:
    """Return whether the reader may change rules and test channels: those are of all projects."""
    person = viewer()
    return person.sees_everything and person.may_save


def demand_to_change() -> Viewer:
    """Return the reader.

    Raises:
        Denied: they may not change rules or test channels.
    """
    return _demand_to_change()


def _demand(project: str) -> Viewer:
    person = viewer()
    if not person.may_see(project):
        raise Denied(f"Project {project} is not open to you, or it does not exist.")
    return person


def _demand_to_save(project: str) -> Viewer:
    person = _demand(project)
    if not person.may_save:
        raise Denied("Your account may look, not save. An editor or admin can do this.")
    return person


def _demand_everything() -> Viewer:
    person = viewer()
    if not person.sees_everything:
        raise Denied("This is about all projects; your account sees some of them.")
    return person


def _demand_to_change() -> Viewer:
    person = _demand_everything()
    if not person.may_save:
        raise Denied("Your account may look, not save. An editor or admin can do this.")
    return person
