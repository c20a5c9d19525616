"""Which rule an entry meets: the first by position whose conditions all hold; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from spanledger_analytics.allocation.owners import UNALLOCATED, Owner
from spanledger_storage.allocation_rules import RuleRow

FIELDS = {
    "agent": "agent_name",
    "environment": "environment",
    "kind": "kind",
    "model": "model",
    "provider": "provider",
    "service": "service_name",
    "region": "region",
    "requested": "request_model",
    "session": "session_id",
    "task": "task_id",
    "tier": "service_tier",
    "tool": "tool_name",
    "unused": "unused",
    "user": "user_id",
    "version": "agent_version",
    "workflow": "workflow_name",
}
"""What a condition can be about, and its column of the ledger; ``unused`` is gpu or infra for
capacity that nobody used. ``dimension.NAME`` is a dimension."""
HOURLY_FIELDS = frozenset({"agent", "environment", "kind", "model", "provider", "service"})
"""Those that hourly usage knows."""
REDUCED_FIELDS = ("user", "session", "task")
"""Those with too many values to group by: only what patterns tell apart of them is read."""
DIMENSION = "dimension."
FROM_DIMENSION = "dimension:"
EVEN, SPEND, TOKENS, PERCENT = SPLITS = ("even", "spend", "tokens", "percent")

Facts = Mapping[str, str]
"""What is known of entries, by field; empty or missing: nothing."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Shared costs, and how they are split among teams, cost centres or customers.

    Attributes:
        split: one of SPLITS.
        among: an owner field.
        percents: by name of ``among``; they add up to 100. For ``percent`` alone.
    """

    name: str
    split: str
    among: str
    percents: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is evaluated; the period is in UTC seconds, half open.

    Attributes:
        owner: value or ``dimension:NAME`` by owner field; empty where it collects shared costs.
    """

    id: int
    name: str
    conditions: tuple[tuple[str, str], ...]
    owner: tuple[tuple[str, str], ...]
    pool: Pool | None
    from_s: int
    to_s: int | None

    def holds_at(self, unix_s: int) -> bool:
        """Return whether the rule is in force."""
        return self.from_s <= unix_s and (self.to_s is None or unix_s < self.to_s)

    def unmet(self, facts: Facts) -> str:
        """Return the first condition that does not hold, in words; '' when the rule is met."""
        for name, pattern in self.conditions:
            if not matches(pattern, facts.get(name, "")):
                return f"{name} is not {pattern}"
        for _, value in self.owner:
            if value.startswith(FROM_DIMENSION):
                name = value.removeprefix(FROM_DIMENSION)
                if not facts.get(DIMENSION + name):
                    return f"there is no dimension {name}"
        return ""

    def owner_of(self, facts: Facts) -> Owner:
        """Return who bears entries that meet the rule."""
        found = {
            name: facts[DIMENSION + value.removeprefix(FROM_DIMENSION)]
            if value.startswith(FROM_DIMENSION)
            else value
            for name, value in self.owner
        }
        return Owner(**found)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of entries: the rule (None: none is met), who bears them, or where they wait."""

    rule: Rule | None = None
    owner: Owner = UNALLOCATED
    pool: Pool | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of entries the rules look at; everything else need not be read.

    Attributes:
        fields: names of ``FIELDS``.
        dimensions: names of dimensions.
        exact, prefixes: of each field in REDUCED_FIELDS, the values patterns name and the
            beginnings they name, the longest first.
    """

    fields: frozenset[str]
    dimensions: tuple[str, ...]
    exact: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_hourly(self) -> bool:
        """Whether hourly usage knows all of it."""
        return not self.dimensions and self.fields <= HOURLY_FIELDS


def matches(pattern: str, value: str) -> bool:
    """Return whether a value fits: the same, or with the beginning before ``*``; '' never does."""
    if not value:
        return False
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def rules_of(rows: Iterable[RuleRow]) -> list[Rule]:
    """Return rules in the order they are asked in; withdrawn ones are left out."""
    kept = [row for row in rows if row.withdrawn_at_ns is None]
    kept.sort(key=lambda row: (row.position, row.name, row.effective_from_s, row.id))
    return [_rule(row) for row in kept]


def _rule(row: RuleRow) -> Rule:
    percents = tuple(sorted((name, Decimal(text)) for name, text in row.percents.items()))
    return Rule(
        id=row.id,
        name=row.name,
        conditions=tuple(sorted(row.conditions.items())),
        owner=tuple(sorted(row.owner.items())),
        pool=Pool(row.pool, row.split, row.among, percents) if row.pool else None,
        from_s=row.effective_from_s,
        to_s=row.effective_to_s,
    )


def outcome_of(rules: Sequence[Rule], facts: Facts, unix_s: int) -> Outcome:
    """Return what the rules in force make of entries; the first rule that is met decides."""
    for rule in rules:
        if rule.holds_at(unix_s) and not rule.unmet(facts):
            if rule.pool is not None:
                return Outcome(rule, pool=rule.pool)
            return Outcome(rule, rule.owner_of(facts))
    return Outcome()


def wanted_of(rules: Sequence[Rule]) -> Wanted:
    """Return what the rules look at."""
    conditions = [condition for rule in rules for condition in rule.conditions]
    dimensions = {n.removeprefix(DIMENSION) for n, _ in conditions if n.startswith(DIMENSION)}
    dimensions |= {
        value.removeprefix(FROM_DIMENSION)
        for rule in rules
        for _, value in rule.owner
        if value.startswith(FROM_DIMENSION)
    }
    exact: dict[str, tuple[str, ...]] = {}
    prefixes: dict[str, tuple[str, ...]] = {}
    for name in REDUCED_FIELDS:
        patterns = {pattern for about, pattern in conditions if about == name}
        exact[name] = tuple(sorted(p for p in patterns if not p.endswith("*")))
        stems = (p[:-1] for p in patterns if p.endswith("*"))
        prefixes[name] = tuple(sorted(stems, key=lambda stem: (-len(stem), stem)))
    fields = frozenset(name for name, _ in conditions if name in FIELDS)
    return Wanted(fields, tuple(sorted(dimensions)), exact, prefixes)


def changes_within(rules: Sequence[Rule], from_s: int, to_s: int) -> list[int]:
    """Return where stretches begin in which the same rules hold: ``from_s`` first, ascending."""
    ends = {end for rule in rules for end in (rule.from_s, rule.to_s) if end is not None}
    return [from_s, *sorted(end for end in ends if from_s < end < to_s)]
