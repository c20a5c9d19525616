"""When a channel is told what: a pure function of what fires, what was told, and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from spanledger_alerts.notification import Severity, Transition
from spanledger_alerts.rules import RANKS

_NS_PER_S = 10**9


@dataclass(frozen=True, slots=True)
class Timing:
    """Of a rule, in seconds: as Alertmanager has them."""

    wait_s: int
    interval_s: int
    repeat_s: int


@dataclass(frozen=True, slots=True)
class Member:
    """An incident that fires.

    Attributes:
        key: ``project/instance/generation``.
        is_muted: silenced or inhibited: not told of as long as that lasts.
        acknowledged_by: who; empty: nobody.
    """

    key: str
    severity: Severity
    is_muted: bool = False
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel knows of an incident."""

    severity: Severity
    is_acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """What one channel was told of one group; times in UTC nanoseconds.

    Attributes:
        run: how often it opened; the messages of one run belong together.
        opened_at_ns: since when something is to be told; None: nothing is.
        sent_at_ns: of the last notification.
        told: incidents the channel knows of, by key; empty: it is closed.
        due_at_ns: when something is to be done though nothing changes; None: never.
    """

    run: int = 0
    opened_at_ns: int | None = None
    sent_at_ns: int | None = None
    told: Mapping[str, Told] = field(default_factory=dict[str, Told])
    due_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done.

    Attributes:
        group: as it is afterwards.
        transition: to be sent now; None: nothing.
        firing: keys to tell of, most severe first; ``ended``: those that ended since.
    """

    group: Group
    transition: Transition | None = None
    firing: Sequence[str] = ()
    ended: Sequence[str] = ()
    is_repeat: bool = False


def group_id(project: str, rule: str, labels: Mapping[str, str]) -> str:
    """Return 16 hex digits of what a group has in common."""
    parts = [project, rule, *(part for pair in sorted(labels.items()) for part in pair)]
    told = "".join(f"{len(part)}:{part}" for part in parts)
    return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def decide(timing: Timing, group: Group, members: Sequence[Member], now_ns: int) -> Decision:
    """Return what to tell a channel of a group now.

    Args:
        timing: how long to wait for others, between notifications, and until it is repeated.
        group: what it was told.
        members: everything of the group that fires for this channel.
        now_ns: UTC nanoseconds.
    """
    if group.told:
        return _Open(timing, group, members, now_ns).decide()
    fresh = [member for member in members if not member.is_muted]
    if not fresh:
        return Decision(replace(group, opened_at_ns=None, due_at_ns=None))
    opened_ns = now_ns if group.opened_at_ns is None else group.opened_at_ns
    ready_ns = opened_ns + timing.wait_s * _NS_PER_S
    if now_ns < ready_ns:
        return Decision(replace(group, opened_at_ns=opened_ns, due_at_ns=ready_ns))
    fresh = _ordered(fresh)
    begun = Group(group.run + 1, opened_ns, now_ns, {one.key: _told(one) for one in fresh})
    return Decision(_due(timing, begun, fresh, False), "trigger", _keys(fresh))


class _Open:
    """A group that its channel knows of."""

    def __init__(
        self, timing: Timing, group: Group, members: Sequence[Member], now_ns: int
    ) -> None:
        self._timing = timing
        self._group = group
        self._members = members
        self._now_ns = now_ns
        by_key = {member.key: member for member in members}
        told = group.told
        self._ended = [key for key in told if key not in by_key]
        self._known = [by_key[key] for key in told if key in by_key]
        self._fresh = [one for one in members if one.key not in told and not one.is_muted]

    def decide(self) -> Decision:
        is_changed = bool(self._ended or self._fresh or self._fell())
        passed_ns = self._now_ns - (self._group.sent_at_ns or 0)
        is_ready = passed_ns >= self._timing.interval_s * _NS_PER_S
        if self._rose() or (is_changed and is_ready):
            return self._resolve() if not self._fresh and not self._known else self._update()
        if self._acknowledged():
            return self._acknowledge(is_changed)
        awake = [one for one in self._known if not one.is_muted and not one.acknowledged_by]
        is_old = passed_ns >= self._timing.repeat_s * _NS_PER_S
        if awake and is_old and not is_changed:
            return replace(self._update(), is_repeat=True)
        return Decision(_due(self._timing, self._group, self._known, is_changed))

    def _rose(self) -> bool:
        """Whether it is worse than the channel knows: that waits for nothing."""
        told = self._group.told
        worst = max(RANKS[one.severity] for one in told.values())
        known = (RANKS[o.severity] > RANKS[told[o.key].severity] for o in self._known)
        awake = [o for o in self._known if not o.is_muted]
        return any(known) and bool(awake) or any(RANKS[o.severity] > worst for o in self._fresh)

    def _fell(self) -> bool:
        told = self._group.told
        return any(RANKS[o.severity] < RANKS[told[o.key].severity] for o in self._known)

    def _acknowledged(self) -> list[Member]:
        told = self._group.told
        return [o for o in self._known if o.acknowledged_by and not told[o.key].is_acknowledged]

    def _resolve(self) -> Decision:
        closed = Group(self._group.run, sent_at_ns=self._now_ns)
        return Decision(closed, "resolve", ended=self._ended)

    def _update(self) -> Decision:
        shown = _ordered([*self._known, *self._fresh])
        told = {one.key: _told(one) for one in shown}
        group = replace(self._group, sent_at_ns=self._now_ns, told=told)
        return Decision(
            _due(self._timing, group, shown, False), "update", _keys(shown), self._ended
        )

    def _acknowledge(self, is_changed: bool) -> Decision:
        """Tell who looks after it; that is no notification that others would wait after."""
        news = self._acknowledged()
        told = {**self._group.told, **{one.key: self._acked(one) for one in news}}
        group = _due(self._timing, replace(self._group, told=told), self._known, is_changed)
        return Decision(group, "acknowledge", _keys(_ordered(news)))

    def _acked(self, member: Member) -> Told:
        return replace(self._group.told[member.key], is_acknowledged=True)


def _told(member: Member) -> Told:
    return Told(member.severity, bool(member.acknowledged_by))


def _ordered(members: Sequence[Member]) -> list[Member]:
    return sorted(members, key=lambda one: -RANKS[one.severity])


def _keys(members: Sequence[Member]) -> list[str]:
    return [one.key for one in members]


def _due(timing: Timing, group: Group, members: Sequence[Member], is_changed: bool) -> Group:
    """Return the group with the time at which it must be looked at again."""
    sent_ns = group.sent_at_ns or 0
    is_awake = any(not one.is_muted and not one.acknowledged_by for one in members)
    due_ns = sent_ns + timing.repeat_s * _NS_PER_S if is_awake else None
    if is_changed:
        due_ns = sent_ns + timing.interval_s * _NS_PER_S
    return replace(group, due_at_ns=due_ns)
