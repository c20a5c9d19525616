"""From what fires to what channels are told: groups, silences, inhibition, in one step."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from spanledger_alerts.facts import facts_of, incident_key
from spanledger_alerts.grouping import Decision, Group, Member, Timing, decide, group_id
from spanledger_alerts.inhibition import Labels, is_inhibited
from spanledger_alerts.notification import Facts, Incident, Notification
from spanledger_alerts.rules import Rule
from spanledger_alerts.sample import Sample
from spanledger_alerts.silences import Matcher, is_silenced
from spanledger_alerts.state_machine import LABEL_OF_RULE, Instance
from spanledger_alerts.stored import Payload, group_of, payload_text, told_text
from spanledger_storage.alert_rows import GroupRow, NewOutbox, SilenceRow

Words = Callable[[Facts, str], Incident]
MOST_INCIDENTS = 50
_LOOK_AGAIN_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What besides the rule decides who is told.

    Attributes:
        silences: that hold now.
        firing: labels of what fires, of rules that quiet others, by rule.
        acks: who acknowledged, by incident.
        channels: names of the channels there are, with those that cannot be read.
        words: puts facts into words; ``base_url``: address of the dashboard.
        series: returns the values of an instance before, for a chart.
        unread: names of channels that cannot be read now; None: the names are not known either.
    """

    silences: Sequence[tuple[SilenceRow, Sequence[Matcher]]]
    firing: Mapping[str, Sequence[Labels]]
    acks: Mapping[str, str]
    channels: Sequence[str]
    words: Words
    base_url: str
    series: Callable[[Instance], Sequence[tuple[int, float]]] = lambda _: ()
    unread: Collection[str] | None = ()


class _Place(NamedTuple):
    """One group of one channel."""

    group_id: str
    channel: str


class Telling:
    """One rule of one project at one time."""

    def __init__(
        self,
        project: str,
        rule: Rule,
        instances: Mapping[str, Instance],
        around: Surroundings,
        now_ns: int,
    ) -> None:
        self._project = project
        self._rule = rule
        self._instances = instances
        self._around = around
        self._now_ns = now_ns
        self._labels: dict[str, dict[str, str]] = {}
        self._told_in: dict[str, str] = {}
        self._forgotten: dict[str, Instance] = {}
        self._ids: dict[tuple[tuple[str, str], ...], str] = {}
        self._escalations: set[_Place] = set()

    def decide(self, stored: Iterable[GroupRow]) -> tuple[list[GroupRow], list[NewOutbox]]:
        """Return groups that are not as stored, and what is to be sent."""
        before = {_Place(row.group_id, row.channel): self._known_group(row) for row in stored}
        members = self._members()
        groups: list[GroupRow] = []
        outbox: list[NewOutbox] = []
        for place in sorted(before.keys() | members.keys()):
            group = before.get(place, Group())
            if self._is_unread(place.channel):
                groups += self._held(place, group)
                continue
            timing = self._timing(place)
            decision = decide(timing, group, members.get(place, ()), self._now_ns)
            if decision.group != group:
                groups.append(self._row(place, decision.group))
            if decision.transition:
                outbox.append(self._notification(place, decision))
        return groups, outbox

    def _is_unread(self, channel: str) -> bool:
        unread = self._around.unread
        return unread is None or channel in unread

    def _held(self, place: _Place, group: Group) -> list[GroupRow]:
        """Return a group of a channel that cannot be read, where it is not stored so.

        It stays as it is, or people would be told that what fires has ended. It is looked at
        again soon: what ends meanwhile would not be looked at for the channel's sake later.
        """
        soon_ns = self._now_ns + _LOOK_AGAIN_NS
        is_open = bool(group.told) or group.opened_at_ns is not None
        if not is_open or self._now_ns < (group.due_at_ns or 0) <= soon_ns:
            return []
        return [self._row(place, replace(group, due_at_ns=soon_ns))]

    def _known_group(self, row: GroupRow) -> Group:
        """Return a stored group; note what it has in common, and which incidents it was told of.

        Labels of a finding may become known later than itself. It stays where it was told: else it
        would end there, and begin elsewhere, and people would be called twice.
        """
        group = group_of(row)
        if row.labels is not None:
            self._labels[row.group_id] = json.loads(row.labels)
        self._told_in |= dict.fromkeys(group.told, row.group_id)
        for key in group.told:
            if key.rsplit("/", 2)[1] not in self._instances:
                self._forgotten[key] = self._remains(row, group, key)
        return group

    def _remains(self, row: GroupRow, group: Group, key: str) -> Instance:
        """Return what a channel knows of an incident: its end is told, though its row be gone."""
        _, id_, generation = key.rsplit("/", 2)
        labels = {name: value for name, value in json.loads(row.labels or "{}").items() if value}
        begun_ns = self._now_ns if group.opened_at_ns is None else group.opened_at_ns
        severity, sample = group.told[key].severity, Sample(labels, None)
        return Instance(id_, labels, "inactive", severity, int(generation), begun_ns, sample)

    def _timing(self, place: _Place) -> Timing:
        rule = self._rule
        wait_s = 0 if place in self._escalations else rule.group_wait  # who escalates has waited
        return Timing(wait_s, rule.group_interval, rule.repeat_interval)

    def _members(self) -> dict[_Place, list[Member]]:
        found: dict[_Place, list[Member]] = {}
        firing = [one for one in self._instances.values() if one.is_firing]
        # The dearest first: a message has room for some.
        for instance in sorted(firing, key=lambda one: -(one.sample.usd or 0)):
            member = self._member(instance)
            for place in self._places(instance):
                found.setdefault(place, []).append(member)
        return found

    def _member(self, instance: Instance) -> Member:
        rule, around = self._rule, self._around
        key = incident_key(self._project, instance)
        known = {"rule": rule.name, "severity": instance.severity, "project": self._project}
        is_muted = is_silenced(around.silences, {**instance.labels, **known})
        is_muted = is_muted or is_inhibited(instance.labels, rule.inhibited_by, around.firing)
        return Member(key, instance.severity, is_muted, around.acks.get(key, ""))

    def _places(self, instance: Instance) -> list[_Place]:
        rule = self._rule
        told_in = self._told_in.get(incident_key(self._project, instance))
        found = told_in or self._group_of(instance)
        names = self._known(rule.channels)
        if rule.escalation and instance.escalated_at_ns is not None:
            further = [n for n in self._known(rule.escalation.channels) if n not in names]
            self._escalations |= {_Place(found, name) for name in further}
            names = [*names, *further]
        return [_Place(found, name) for name in names]

    def _group_of(self, instance: Instance) -> str:
        labels = {name: instance.labels.get(name, "") for name in self._rule.group_by}
        if LABEL_OF_RULE in instance.labels:
            labels = dict(instance.labels)  # that a rule fails is a group of its own
        values = tuple(labels.items())
        found = self._ids.get(values, "")
        if not found:
            found = group_id(self._project, self._rule.name, labels)
            self._ids[values] = found
            self._labels[found] = labels
        return found

    def _known(self, names: Sequence[str]) -> list[str]:
        """Return those there are; ``default``, where nobody wrote one, stands for all."""
        there = self._around.channels
        found: list[str] = []
        for name in names:
            found += there if name == "default" and name not in there else [name]
        return [name for name in dict.fromkeys(found) if name in there]

    def _row(self, place: _Place, group: Group) -> GroupRow:
        return GroupRow(
            project=self._project,
            group_id=place.group_id,
            channel=place.channel,
            rule=self._rule.name,
            run=group.run,
            opened_at_ns=group.opened_at_ns,
            sent_at_ns=group.sent_at_ns,
            told=told_text(group),
            due_at_ns=group.due_at_ns,
            labels=json.dumps(self._labels.get(place.group_id, {})),
        )

    def _notification(self, place: _Place, decision: Decision) -> NewOutbox:
        transition = decision.transition
        assert transition is not None
        # Of what ended the channel saw no more than it was shown: the sender knows which.
        shown = [*decision.firing[:MOST_INCIDENTS], *decision.ended[:MOST_INCIDENTS]]
        is_news = transition == "trigger" or decision.is_repeat
        drawn = shown[0] if is_news and shown else ""  # a message has room for one chart
        labels = self._labels.get(place.group_id, {})
        group_key = f"{self._project}/{place.group_id}/{decision.group.run}"
        notification = Notification(
            id="",
            transition=transition,
            group=" / ".join([self._project, self._rule.name, *filter(None, labels.values())]),
            group_key=group_key,
            incidents=[self._incident(key, has_chart=key == drawn) for key in shown],
            left_out=max(0, len(decision.firing) - MOST_INCIDENTS),
            labels=labels,
            is_repeat=decision.is_repeat,
            ended_left_out=max(0, len(decision.ended) - MOST_INCIDENTS),
        )
        return NewOutbox(
            project=self._project,
            rule=self._rule.name,
            channel=place.channel,
            group_id=place.group_id,
            group_key=group_key,
            transition=transition,
            payload=payload_text(Payload(notification, tuple(decision.firing))),
            created_at_ns=self._now_ns,
        )

    def _incident(self, key: str, *, has_chart: bool) -> Incident:
        instance = self._instances.get(key.rsplit("/", 2)[1]) or self._forgotten[key]
        who = self._around.acks.get(key, "")
        series = self._around.series(instance) if has_chart else ()
        facts = facts_of(self._project, self._rule, instance, who, key, self._now_ns, series)
        return self._around.words(facts, self._around.base_url)
