"""What alerts remember, row by row: as the engine, the outbox and people write it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RuleStateRow:
    """How a rule fared in a project; ``slot_ns`` is the time it was evaluated for.

    ``evaluations``, ``failures`` and ``spent_ns`` are of all time, the others of the last one.
    """

    project: str
    rule: str
    slot_ns: int
    empty: int = 0
    errors: int = 0
    last_error: str = ""
    samples: int = 0
    left_out: int = 0
    duration_ns: int = 0
    evaluations: int = 0
    failures: int = 0
    spent_ns: int = 0


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """An instance as stored; ``labels`` and ``sample`` are JSON, the worst is decimal text."""

    project: str
    instance_id: str
    rule: str
    labels: str
    state: str
    severity: str
    generation: int
    active_at_ns: int
    fired_at_ns: int | None
    resolved_at_ns: int | None
    recovering_since_ns: int | None
    lower_since_ns: int | None
    missing_since_ns: int | None
    escalated_at_ns: int | None
    sample: str
    worst_value: str | None = None
    worst_usd: str | None = None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group of a channel as stored; ``told`` and ``labels`` are JSON."""

    project: str
    group_id: str
    channel: str
    rule: str
    run: int
    opened_at_ns: int | None
    sent_at_ns: int | None
    told: str
    due_at_ns: int | None
    labels: str | None = None


@dataclass(frozen=True, slots=True)
class NewOutbox:
    """A notification to be sent; ``payload`` is JSON."""

    project: str
    rule: str
    channel: str
    group_id: str
    group_key: str
    transition: str
    payload: str
    created_at_ns: int


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """Something that happened to an incident; ``who`` is empty for the engine.

    Of an end ``usd`` is the most that the incident cost, decimal text; None: not known.
    """

    project: str
    rule: str
    incident: str
    at_ns: int
    action: str
    who: str = ""
    note: str = ""
    usd: str | None = None


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """A silence or maintenance window; times in UTC nanoseconds.

    Attributes:
        matchers: (label, op, value); all must hold.
        repeats: empty: once; ``daily`` or ``weekly`` by the clock of ``timezone``.
        lifted_at_ns: when somebody ended it; None: nobody did.
    """

    id: str
    project: str
    matchers: tuple[tuple[str, str, str], ...]
    starts_at_ns: int
    ends_at_ns: int
    repeats: str
    timezone: str
    author: str
    reason: str
    created_at_ns: int
    lifted_at_ns: int | None = None
    lifted_by: str = ""


@dataclass(slots=True)
class EngineChange:
    """What one step of the engine writes, all of it or nothing."""

    rule_states: list[RuleStateRow] = field(default_factory=list[RuleStateRow])
    instances: list[InstanceRow] = field(default_factory=list[InstanceRow])
    groups: list[GroupRow] = field(default_factory=list[GroupRow])
    outbox: list[NewOutbox] = field(default_factory=list[NewOutbox])
    timeline: list[TimelineRow] = field(default_factory=list[TimelineRow])

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (
            self.rule_states or self.instances or self.groups or self.outbox or self.timeline
        )
