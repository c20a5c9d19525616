"""Incidents as the pages show them: what the engine remembers, in the words of notifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from spanledger_alerts.content import incident as in_words
from spanledger_alerts.facts import facts_of
from spanledger_alerts.notification import Facts, Incident, Severity
from spanledger_alerts.rules import RANKS, Rule
from spanledger_alerts.sample import Sample
from spanledger_alerts.sampling import SEVERITIES
from spanledger_alerts.silences import Matcher, active_silences, is_silenced
from spanledger_alerts.state_machine import Instance
from spanledger_alerts.stored import instance_of
from spanledger_dashboard.alerts.opened import OpenAlerts
from spanledger_dashboard.alerts.rule_book import RuleBook
from spanledger_storage.alert_rows import InstanceRow, SilenceRow, TimelineRow

MOST_ENDED = 1_000
OPEN_STATES = ("pending", "firing", "recovering", "no_data", "error")
STATE_NAMES = {
    "pending": "Pending",
    "firing": "Firing",
    "recovering": "Recovering",
    "no_data": "No data",
    "error": "Rule failed",
    "resolved": "Resolved",
}
SEVERITY_NAMES = {"critical": "▲ Critical", "warning": "△ Warning", "info": "○ Info"}
Silences = Sequence[tuple[SilenceRow, Sequence[Matcher]]]


@dataclass(frozen=True)
class Shown:
    """An incident.

    Attributes:
        key: ``project/instance/number``.
        rule: by its name, or what stands for it where it is gone.
        state: of ``STATE_NAMES``.
        facts: what the engine knows; figures are those of the last evaluation.
        is_last: no later incident of the same instance began: else its figures are not known.
        ended_ns: UTC nanoseconds; None: it is open.
        acknowledged_by: who; empty: nobody.
        is_silenced: nobody is told of it now.
        is_escalated: further channels were told.
        fired_ns: when it fired, UTC nanoseconds; None: it is pending.
        identity: of the finding it stands for; empty: it stands for none.
    """

    key: str
    rule_name: str
    rule: Rule
    state: str
    severity: str
    facts: Facts
    started_ns: int
    ended_ns: int | None
    acknowledged_by: str = ""
    is_last: bool = True
    is_silenced: bool = False
    is_escalated: bool = False
    fired_ns: int | None = None
    identity: str = ""

    @cached_property
    def words(self) -> Incident:
        """What channels are told of it. Made when asked for: of thousands few are shown."""
        return in_words(self.facts)

    @property
    def usd(self) -> Decimal | None:
        """What it costs; None: not known."""
        return self.facts.usd

    @property
    def group(self) -> tuple[str, ...]:
        """What those that are told together have in common: rule, and labels it groups by."""
        return (self.rule_name, *(self.facts.labels.get(n, "") for n in self.rule.group_by))

    @property
    def is_open(self) -> bool:
        """Whether it fires or is about to."""
        return self.ended_ns is None

    @property
    def name(self) -> str:
        """What addresses call it: ``instance/number``."""
        return "/".join(self.key.rsplit("/", 2)[1:])

    def holds(self, text: str) -> bool:
        """Return whether a text of it holds another, in any case."""
        wanted = text.casefold()
        said = (self.words.title, self.rule_name, self.words.owner, *self.facts.labels.values(),
                *self.words.lines, self.key)  # fmt: skip
        return any(wanted in one.casefold() for one in said)


def load_open(
    alerts: OpenAlerts, project: str, book: RuleBook, now_ns: int, rule: str = ""
) -> list[Shown]:
    """Return what is open, the most severe first, of these the dearest, then the latest.

    Raises:
        StateError: the state database does not answer.
    """
    rows = alerts.instances(project, rule, states=OPEN_STATES)
    acks = alerts.acks(project)
    silences = active_silences(alerts.silences(project, with_past=False, now_ns=now_ns), now_ns)
    found = [_of_row(row, project, book, acks, silences, now_ns) for row in rows]
    return sorted(found, key=_order)


def load_ended(
    alerts: OpenAlerts, project: str, book: RuleBook, from_ns: int, to_ns: int
) -> list[Shown]:
    """Return what ended in a time, the latest end first, at most ``MOST_ENDED``.

    Raises:
        StateError: the state database does not answer.
    """
    changes = alerts.ended(project, from_ns, to_ns, MOST_ENDED)
    ids = [key.rsplit("/", 2)[1] for key in changes if key.count("/") >= 2]
    rows = alerts.instances_of(project, ids)
    return [_of_changes(key, rows, project, book, said, to_ns) for key, said in changes.items()]


def load_one(
    alerts: OpenAlerts, project: str, book: RuleBook, name: str, now_ns: int
) -> Shown | None:
    """Return an incident by ``instance/number``; without number the last one. None: there is none.

    Raises:
        StateError: the state database does not answer.
    """
    instance_id, _, number = name.partition("/")
    row = alerts.instances_of(project, [instance_id]).get(instance_id)
    if row is not None and row.state in OPEN_STATES and number in ("", str(_number(row))):
        silences = active_silences(alerts.silences(project, with_past=False, now_ns=now_ns), now_ns)
        return _of_row(row, project, book, alerts.acks(project), silences, now_ns)
    if not number and row is not None:
        number = str(row.generation)
    key = f"{project}/{instance_id}/{number}"
    said = [one for one in alerts.history(project, key) if one.action in _CHANGES]
    if not said:
        return None
    known = {} if row is None else {instance_id: row}
    return _of_changes(key, known, project, book, said, now_ns)


_CHANGES = frozenset({"fired", "rose", "fell", "resolved", "acknowledged", "escalated"})


def _of_row(
    row: InstanceRow,
    project: str,
    book: RuleBook,
    acks: Mapping[str, str],
    silences: Silences,
    now_ns: int,
) -> Shown:
    rule, one = book.rule(row.rule), instance_of(row)
    key = f"{project}/{row.instance_id}/{_number(row)}"
    by = acks.get(key, "")
    facts = replace(_facts(project, book, row.rule, one, by, key, now_ns), ended_ns=None)
    return Shown(
        key=key,
        rule_name=row.rule,
        rule=rule,
        state=one.state,
        severity=one.severity,
        facts=facts,
        started_ns=facts.started_ns,
        ended_ns=None,
        acknowledged_by=by,
        is_silenced=is_silenced(
            silences, silence_labels(project, row.rule, one.labels, one.severity)
        ),
        is_escalated=one.escalated_at_ns is not None,
        fired_ns=None if one.state == "pending" else one.fired_at_ns,
        identity=one.sample.identity,
    )


def _facts(
    project: str, book: RuleBook, name: str, one: Instance, by: str, key: str, now_ns: int
) -> Facts:
    facts = facts_of(project, book.rule(name), one, by, key, now_ns)
    # What stands for a rule that is not known here says nothing of the value and its unit.
    return facts if name in book.entries else replace(facts, rule=name, value=one.sample.value)


def _number(row: InstanceRow) -> int:
    """Return the number of what is open; what is pending will have the next one."""
    return row.generation + (row.state == "pending")


def silence_labels(
    project: str, rule: str, labels: Mapping[str, str], severity: str
) -> dict[str, str]:
    """Return what matchers of silences are compared with: labels, rule, severity, project."""
    return {**labels, "rule": rule, "severity": severity, "project": project}


def _of_changes(
    key: str,
    rows: Mapping[str, InstanceRow],
    project: str,
    book: RuleBook,
    said: Sequence[TimelineRow],
    now_ns: int,
) -> Shown:
    """Return an incident that ended, from what was noted of it."""
    _, instance_id, number = key.rsplit("/", 2)
    row = rows.get(instance_id)
    rule = book.rule(said[0].rule)
    began_ns = next((one.at_ns for one in said if one.action == "fired"), said[0].at_ns)
    ended_ns = next((one.at_ns for one in reversed(said) if one.action == "resolved"), None)
    severity = _worst([one.note for one in said if one.action in ("fired", "rose")])
    by = next((one.who for one in said if one.action == "acknowledged"), "")
    # Of an instance that came near to firing since, figures are those of that time.
    is_last = row is not None and str(row.generation) == number and row.resolved_at_ns is not None
    one = _instance(instance_id, row, is_last, severity, began_ns, ended_ns)
    told = next((one.usd for one in reversed(said) if one.usd is not None), None)
    if told is not None:
        one = replace(one, worst_usd=Decimal(told))
    facts = _facts(project, book, said[0].rule, one, by, key, ended_ns or now_ns)
    return Shown(
        key=key,
        rule_name=said[0].rule,
        rule=rule,
        state="resolved",
        severity=severity,
        facts=facts,
        started_ns=facts.started_ns,
        ended_ns=ended_ns or now_ns,
        acknowledged_by=by,
        is_last=is_last,
        is_escalated=any(one.action == "escalated" for one in said),
        fired_ns=began_ns,
        identity=one.sample.identity,
    )


def _instance(
    instance_id: str,
    row: InstanceRow | None,
    is_last: bool,
    severity: Severity,
    began_ns: int,
    ended_ns: int | None,
) -> Instance:
    known = None if row is None else instance_of(row)
    if known is not None and is_last:
        return known
    labels = {} if known is None else known.labels
    return Instance(
        instance_id, labels, "inactive", severity, 0, began_ns, Sample(labels, None),
        resolved_at_ns=ended_ns,
    )  # fmt: skip


def _worst(severities: Sequence[str]) -> Severity:
    known: list[Severity] = [one for one in SEVERITIES if severities.count(one)]  # in order
    return known[-1] if known else "warning"


def _order(one: Shown) -> tuple[bool, int, Decimal, int]:
    rank = RANKS[one.facts.severity]
    return one.state == "pending", -rank, -(one.usd or Decimal(0)), -one.started_ns
