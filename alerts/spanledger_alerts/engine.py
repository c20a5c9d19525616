"""The engine: evaluates rules on their grid, and decides who is told. Only one is active at a time.

Each step is one rule of one project: read its state, look, decide, write it all in one transaction
under the lease. An engine that dies in between has changed nothing, and the next one does it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

from spanledger_alerts.escalation import escalated
from spanledger_alerts.evidence import add_evidence
from spanledger_alerts.facts import incident_key
from spanledger_alerts.history import History
from spanledger_alerts.inhibition import Labels
from spanledger_alerts.looking import Asked, Looked, Looker
from spanledger_alerts.measures import MEASURES, Sources
from spanledger_alerts.noting import fared, timeline
from spanledger_alerts.rules import Rule, rule_of
from spanledger_alerts.sample import Failure
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
from spanledger_storage.alert_rows import EngineChange, RuleStateRow
from spanledger_storage.alert_state import AlertState, Lease, LeaseLost
from spanledger_storage.errors import StorageError
from spanledger_storage.project_settings import DEFAULT_PROJECT

log = logging.getLogger(__name__)

LEASE = "alerts"
LEASE_NS = 15 * 10**9
_NS_PER_S = 10**9
_RUN_NS = 10 * _NS_PER_S


@dataclass(frozen=True, slots=True)
class Setting:
    """What an engine works with.

    Attributes:
        state: what it remembers.
        sources: where measures read.
        rules: returns the rules as they are now.
        projects: returns the names of the projects.
        channels: returns the names of the channels there are, with those that cannot be read.
        words: puts facts into words.
        base_url: address of the dashboard; empty: links are left out.
        threads: how many rules look at once; 0: one after the other.
        has_all_rules: returns whether every rule can be read: of one that cannot, nothing ends.
        unread: returns the names of channels that cannot be read: what they were told stays. None:
            the names are not known either, so that holds for all.
    """

    state: AlertState
    sources: Sources
    rules: Callable[[], Sequence[Rule]]
    projects: Callable[[], Sequence[str]]
    channels: Callable[[], Sequence[str]]
    words: Words
    base_url: str = ""
    threads: int = 4
    has_all_rules: Callable[[], bool] = lambda: True
    unread: Callable[[], Collection[str] | None] = lambda: ()


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
        self._looker = Looker(setting.sources, setting.threads)
        self._renewed_ns = 0
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
        self._renewed_ns = now_ns
        rules = {rule.name: rule for rule in self._setting.rules()}
        try:
            self._steps(lease, rules, run)
        except LeaseLost:
            run.is_active = False
        return run

    def _steps(self, lease: Lease, rules: dict[str, Rule], run: Run) -> None:
        now_ns = self._now_ns()
        due, active = self._state.due(now_ns), self._state.firing_rules()
        wanted = {
            (project, rule.name): rule
            for project in self._setting.projects()
            for rule in rules.values()
            if rule.enabled and _is_of(rule, project)
        }
        asked = sorted(self._asked(wanted, now_ns), key=lambda one: one.order)
        evaluated = {(one.project, one.rule.name) for one in asked}
        for project, name in sorted(due - evaluated):
            if rule := wanted.get((project, name)):
                self._guarded(project, name, partial(self._flush, lease, project, rule, run))
        has_all_rules = self._setting.has_all_rules()
        for project, name in sorted((active | due) - wanted.keys()):
            if name in rules or has_all_rules:
                self._guarded(project, name, partial(self._end, lease, project, name, run))
        self._evaluate(lease, asked, active | due, run)

    def _asked(self, wanted: Mapping[tuple[str, str], Rule], now_ns: int) -> Iterator[Asked]:
        """Return the rules whose time has come."""
        states = self._state.rule_states()
        for (project, name), rule in wanted.items():
            every_ns = rule.every * _NS_PER_S
            slot_ns = now_ns // every_ns * every_ns
            state = states.get((project, name), RuleStateRow(project, name, 0))
            if state.slot_ns < slot_ns:
                waited = (now_ns - state.slot_ns) / every_ns if state.slot_ns else 1.0
                yield Asked(project, rule, state, slot_ns, waited)

    def _evaluate(
        self, lease: Lease, asked: Sequence[Asked], busy: set[tuple[str, str]], run: Run
    ) -> None:
        """Evaluate what is due; of what is left after some seconds, the next run asks anew.

        Most evaluations change nothing but the time they stand for: these are stored together.
        """
        quiet = EngineChange()
        until_ns = self._now_ns() + _RUN_NS
        try:
            with closing(self._looker.look_all(asked)) as found:
                for looked in found:
                    self._step_or_fail(lease, looked, busy, quiet, run)
                    if self._now_ns() > until_ns:
                        break
        finally:
            if not quiet.is_empty:
                self._state.commit(lease, self._renewed(lease), quiet)

    def _step_or_fail(
        self,
        lease: Lease,
        looked: Looked,
        busy: set[tuple[str, str]],
        quiet: EngineChange,
        run: Run,
    ) -> None:
        """Judge what a rule saw; one that cannot be judged failed, and stops no other."""
        asked = looked.asked
        key = (asked.project, asked.rule.name)
        error = self._guarded(*key, partial(self._step, lease, looked, busy, quiet, run))
        if error is not None:
            failed = replace(looked, outcome=Failure(f"{type(error).__name__}: {error}"[:500]))
            self._guarded(*key, partial(self._step, lease, failed, busy, quiet, run))

    def _guarded(self, project: str, rule: str, act: Callable[[], None]) -> Exception | None:
        """Do something for one rule; return what went wrong with it, which the log says once.

        Raises:
            StorageError: the state database does not answer, or somebody else has the lease.
        """
        try:
            act()
        except StorageError:
            raise
        except Exception as error:
            if (project, rule) not in self._told:
                self._told.add((project, rule))
                log.exception("rule %s in project %s cannot be judged", rule, project)
            return error
        return None

    def _step(
        self,
        lease: Lease,
        looked: Looked,
        busy: set[tuple[str, str]],
        quiet: EngineChange,
        run: Run,
    ) -> None:
        """Judge what one rule of one project saw, and tell what follows."""
        asked, outcome = looked.asked, looked.outcome
        project, rule, state = asked.project, asked.rule, asked.state
        counts = Counts(state.empty, state.errors)
        is_busy = (project, rule.name) in busy
        before = self._instances(project, rule.name) if is_busy else {}
        found = evaluate(rule, outcome, before, counts, asked.slot_ns)
        if found.instances and not is_busy:  # what ended long ago has a number to go on from
            before = self._instances(project, rule.name)
            if before:
                found = evaluate(rule, outcome, before, counts, asked.slot_ns)
        add_evidence(rule, self._setting.sources, project, asked.slot_ns, found)
        run.evaluated += 1
        run.failed += isinstance(outcome, Failure)
        row = fared(state, looked, found)
        if is_busy or found.instances:
            change = EngineChange(rule_states=[row])
            self._write(lease, project, rule, before, found, change, run)
        else:
            quiet.rule_states.append(row)

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
        now_ns = self._renewed(lease)
        acks = self._state.acks(project)
        after = before | found.instances
        for key, one in after.items():
            is_acknowledged = incident_key(project, one) in acks
            after[key] = escalated(rule, one, is_acknowledged, now_ns)
        changed = [one for key, one in after.items() if one != before.get(key)]
        change.instances += [instance_row(project, rule, one) for one in changed]
        change.timeline += timeline(project, rule, found.transitions, before, after, now_ns)
        telling = Telling(project, rule, after, self._around(project, rule, acks, now_ns), now_ns)
        groups, outbox = telling.decide(self._state.groups(project, rule.name))
        change.groups += groups
        change.outbox += outbox
        if not change.is_empty:
            self._state.commit(lease, now_ns, change)
        run.notifications += len(outbox)
        run.transitions += found.transitions

    def _renewed(self, lease: Lease) -> int:
        """Return the time, at which the lease still holds for long enough to write.

        Raises:
            LeaseLost: somebody else took over.
        """
        now_ns = self._now_ns()
        if now_ns - self._renewed_ns >= LEASE_NS // 3:
            if self._state.acquire(LEASE, self._holder, now_ns, LEASE_NS) != lease:
                raise LeaseLost("Another engine evaluates the rules.")
            self._renewed_ns = now_ns
        return now_ns

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
            series=History(rule, self._setting.sources, project, now_ns).of,
            unread=self._setting.unread(),
        )

    def _instances(self, project: str, rule: str) -> dict[str, Instance]:
        return {row.instance_id: instance_of(row) for row in self._state.instances(project, rule)}


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
