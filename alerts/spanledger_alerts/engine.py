"""The engine: evaluates rules on their grid, and decides who is told. Only one is active at a time.

Each step is one rule of one project: read its state, look, decide, write it all in one transaction
under the lease. An engine that dies in between has changed nothing, and the next one does it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from spanledger_alerts.escalation import escalated
from spanledger_alerts.facts import incident_key
from spanledger_alerts.inhibition import Labels
from spanledger_alerts.measures import MEASURES, Sources, read_findings
from spanledger_alerts.rules import Rule, rule_of
from spanledger_alerts.sample import Failure, Outcome
from spanledger_alerts.sampling import samples_of, store_time
from spanledger_alerts.silences import active_silences
from spanledger_alerts.state_machine import (
    FIRING,
    Counts,
    Evaluated,
    Instance,
    Transition,
    evaluate,
    resolve_all,
)
from spanledger_alerts.stored import instance_of, instance_row
from spanledger_alerts.telling import Surroundings, Telling, Words
from spanledger_storage.alert_rows import EngineChange, RuleStateRow, TimelineRow
from spanledger_storage.alert_state import AlertState, Lease, LeaseLost
from spanledger_storage.errors import StorageError, StoreError
from spanledger_storage.project_settings import DEFAULT_PROJECT

log = logging.getLogger(__name__)

LEASE = "alerts"
LEASE_NS = 15 * 10**9
_NS_PER_S = 10**9
_REASON_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Setting:
    """What an engine works with.

    Attributes:
        state: what it remembers.
        sources: where measures read.
        rules: returns the rules as they are now.
        projects: returns the names of the projects.
        channels: returns the names of the channels there are.
        words: puts facts into words.
        base_url: address of the dashboard; empty: links are left out.
    """

    state: AlertState
    sources: Sources
    rules: Callable[[], Sequence[Rule]]
    projects: Callable[[], Sequence[str]]
    channels: Callable[[], Sequence[str]]
    words: Words
    base_url: str = ""


@dataclass(slots=True)
class Run:
    """What one run did; ``is_active`` is False while another engine holds the lease."""

    is_active: bool = True
    evaluated: int = 0
    failed: int = 0
    notifications: int = 0
    transitions: list[Transition] = field(default_factory=list[Transition])


class Engine:
    """Evaluates and decides.

    Args:
        setting: what it works with.
        holder: who it is, such as host and process id.
        now_ns: the clock, UTC nanoseconds.
    """

    def __init__(self, setting: Setting, holder: str, now_ns: Callable[[], int]) -> None:
        self._setting = setting
        self._state = setting.state
        self._holder = holder
        self._now_ns = now_ns
        self._told: set[tuple[str, str]] = set()

    def run_once(self) -> Run:
        """Do what is due, unless another engine is active.

        Raises:
            StorageError: the store or the state database does not answer; the next run goes on.
        """
        run = Run()
        now_ns = self._now_ns()
        lease = self._state.acquire(LEASE, self._holder, now_ns, LEASE_NS)
        if lease is None:
            return Run(is_active=False)
        rules = {rule.name: rule for rule in self._setting.rules() if rule.enabled}
        try:
            self._steps(lease, rules, run)
        except LeaseLost:
            run.is_active = False
        return run

    def _steps(self, lease: Lease, rules: dict[str, Rule], run: Run) -> None:
        now_ns = self._now_ns()
        states = self._state.rule_states()
        due = self._state.due(now_ns)
        wanted = [
            (project, rule)
            for project in self._setting.projects()
            for rule in sorted(rules.values(), key=lambda rule: rule.every)
            if _is_of(rule, project)
        ]
        for project, rule in wanted:
            slot_ns = now_ns // (rule.every * _NS_PER_S) * rule.every * _NS_PER_S
            state = states.get((project, rule.name), RuleStateRow(project, rule.name, 0))
            if state.slot_ns < slot_ns:
                self._step(lease, rule, state, slot_ns, run)
            elif (project, rule.name) in due:
                self._flush(lease, project, rule, run)
        known = {(project, rule.name) for project, rule in wanted}
        for project, name in sorted((self._state.firing_rules() | due) - known):
            self._end(lease, project, name, run)

    def _step(self, lease: Lease, rule: Rule, state: RuleStateRow, slot_ns: int, run: Run) -> None:
        """Evaluate one rule of one project at a time of its grid, and tell what follows."""
        project = state.project
        started = time.perf_counter_ns()
        outcome = self._look(rule, project, slot_ns)
        before = self._instances(project, rule.name)
        counts = Counts(state.empty, state.errors)
        found = evaluate(rule, outcome, before, counts, slot_ns)
        error = outcome.reason if isinstance(outcome, Failure) else ""
        change = EngineChange()
        change.rule_states.append(
            replace(
                state,
                slot_ns=slot_ns,
                empty=found.counts.empty,
                errors=found.counts.errors,
                last_error=error[:_REASON_LIMIT],
                samples=0 if isinstance(outcome, Failure) else len(outcome),
                left_out=found.left_out,
                duration_ns=time.perf_counter_ns() - started,
            )
        )
        run.evaluated += 1
        run.failed += bool(error)
        self._write(lease, project, rule, before, found, change, run)

    def _flush(self, lease: Lease, project: str, rule: Rule, run: Run) -> None:
        """Tell what has waited long enough."""
        before = self._instances(project, rule.name)
        self._write(lease, project, rule, before, Evaluated(), EngineChange(), run)

    def _end(self, lease: Lease, project: str, name: str, run: Run) -> None:
        """End what fires of a rule that is gone, or no longer about the project."""
        before = self._instances(project, name)
        found = resolve_all(before, self._now_ns())
        self._write(lease, project, _gone(name), before, found, EngineChange(), run)

    def _write(
        self,
        lease: Lease,
        project: str,
        rule: Rule,
        before: dict[str, Instance],
        found: Evaluated,
        change: EngineChange,
        run: Run,
    ) -> None:
        now_ns = self._now_ns()
        renewed = self._state.acquire(LEASE, self._holder, now_ns, LEASE_NS)
        if renewed != lease:
            raise LeaseLost("Another engine evaluates the rules.")
        acks = self._state.acks(project)
        after = before | found.instances
        for key, one in after.items():
            is_acknowledged = incident_key(project, one) in acks
            after[key] = escalated(rule, one, is_acknowledged, now_ns)
        changed = [one for key, one in after.items() if one != before.get(key)]
        change.instances += [instance_row(project, rule, one) for one in changed]
        change.timeline += _timeline(project, rule, found.transitions, before, after, now_ns)
        telling = Telling(project, rule, after, self._around(project, rule, acks, now_ns), now_ns)
        groups, outbox = telling.decide(self._state.groups(project, rule.name))
        change.groups += groups
        change.outbox += outbox
        if not change.is_empty:
            self._state.commit(lease, now_ns, change)
        run.notifications += len(outbox)
        run.transitions += found.transitions

    def _around(self, project: str, rule: Rule, acks: dict[str, str], now_ns: int) -> Surroundings:
        firing: dict[str, list[Labels]] = {}
        for one in rule.inhibited_by:
            rows = self._state.instances(project, one.rule, FIRING)
            firing[one.rule] = [instance_of(row).labels for row in rows]
        return Surroundings(
            silences=active_silences(self._state.silences(project, now_ns=now_ns), now_ns),
            firing=firing,
            acks=acks,
            channels=self._setting.channels(),
            words=self._setting.words,
            base_url=self._setting.base_url,
        )

    def _instances(self, project: str, rule: str) -> dict[str, Instance]:
        return {row.instance_id: instance_of(row) for row in self._state.instances(project, rule)}

    def _look(self, rule: Rule, project: str, slot_ns: int) -> Outcome:
        """Return what a rule sees; a rule that fails stops no other."""
        try:
            return look(rule, self._setting.sources, project, slot_ns)
        except StoreError as error:
            if not error.code:
                raise  # nobody answers: that is no fault of the rule
            reason = f"{type(error).__name__}: {error}"
        except StorageError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if (project, rule.name) not in self._told:
                self._told.add((project, rule.name))
                log.warning("rule %s failed in project %s: %s", rule.name, project, reason)
        return Failure(reason[:_REASON_LIMIT])


def look(rule: Rule, sources: Sources, project: str, slot_ns: int) -> Outcome:
    """Return the samples of a rule at a time of its grid.

    Raises:
        StorageError: the store or the state database refuses, or does not answer.
        ValueError: a statement has no column ``value``.
    """
    t_ns = slot_ns - rule.delay * _NS_PER_S
    if rule.finding:
        return read_findings(sources, project, t_ns, rule.finding)
    if rule.measure:
        measure = MEASURES[rule.measure]
        return measure.read(sources, project, t_ns, {**measure.params, **rule.params})
    rows = sources.store.sql_rows(rule.sql, {"project": project, "t": store_time(t_ns)})
    return samples_of(rows)


def _is_of(rule: Rule, project: str) -> bool:
    if rule.measure and MEASURES[rule.measure].is_of_instance:
        return project == DEFAULT_PROJECT
    return not rule.projects or project in rule.projects


def _gone(name: str) -> Rule:
    """Return what stands for a rule that is no longer there, to say that its incidents ended."""
    return rule_of(
        {"name": name, "title": "The rule is gone", "finding": ["loop"], "group_interval": "5s"},
        name,
    )


def _timeline(
    project: str,
    rule: Rule,
    transitions: Sequence[Transition],
    before: dict[str, Instance],
    after: dict[str, Instance],
    now_ns: int,
) -> list[TimelineRow]:
    rows = [
        TimelineRow(
            project,
            rule.name,
            incident_key(project, one.instance),
            now_ns,
            one.change,
            note=one.instance.severity,
        )
        for one in transitions
    ]
    for key, one in after.items():
        was = before.get(key)
        if one.escalated_at_ns is not None and (was is None or was.escalated_at_ns is None):
            note = ", ".join(rule.escalation.channels) if rule.escalation else ""
            incident = incident_key(project, one)
            rows.append(TimelineRow(project, rule.name, incident, now_ns, "escalated", note=note))
    return rows
