"""The costs of a period given to owners: one pass over grouped sums, never over entries; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spanledger_analytics.allocation.matching import Facts, Outcome, Pool, Rule, outcome_of
from spanledger_analytics.allocation.owners import UNALLOCATED, Owner
from spanledger_analytics.allocation.splitting import Weight, split

SOURCES = LEDGER, GPU_UNUSED = ("ledger", "gpu_unused")
"""Where a sum is from: entries of the ledger, or GPU time that no entry pays for."""
COST_CLASSES = ("uncached", "cache_read", "cache_write", "output", "fees")
TOKEN_CLASSES = COST_CLASSES[:4]


class Sums(NamedTuple):
    """Sums over entries; money in picodollars, of what is priced. Counts as in hourly usage.

    ``cost_parts`` and ``token_parts`` are by COST_CLASSES and TOKEN_CLASSES, empty where they were
    not read; so is ``list_picodollars`` (None).
    """

    picodollars: int = 0
    calls: int = 0
    tokens: int = 0
    unpriced_calls: int = 0
    calls_without_usage: int = 0
    self_hosted_calls: int = 0
    list_picodollars: int | None = None
    cost_parts: tuple[int, ...] = ()
    token_parts: tuple[int, ...] = ()


class Group(NamedTuple):
    """Entries that no rule tells apart: since when (UTC seconds, a stretch), and their sums."""

    since_s: int
    facts: Facts
    sums: Sums
    source: str = LEDGER


class TaskGroup(NamedTuple):
    """Tasks that no rule tells apart."""

    since_s: int
    facts: Facts
    tasks: int
    completed: int


class Line(NamedTuple):
    """Entries with what became of them; ``owner`` is nobody where they wait in a pool."""

    owner: Owner
    pool: str
    rule: str
    group: Group


@dataclass(slots=True)
class Split:
    """A pool with what it collected and where that went; ``parts`` add up to ``picodollars``."""

    pool: Pool
    picodollars: int = 0
    parts: Mapping[Owner, int] = field(default_factory=dict)


@dataclass(slots=True)
class Tasks:
    """Numbers of tasks that began in the period."""

    tasks: int = 0
    completed: int = 0


@dataclass(frozen=True, slots=True)
class Allocation:
    """The costs of a period with their owners.

    What ``lines`` without a pool cost and the parts of ``splits`` add up to the sum of all groups.
    """

    lines: Sequence[Line]
    splits: Sequence[Split]
    tasks: Mapping[Owner, Tasks]

    @property
    def direct(self) -> dict[Owner, int]:
        """Picodollars by owner, without shares; nobody is among them."""
        found: dict[Owner, int] = {}
        for line in self.lines:
            if not line.pool:
                found[line.owner] = found.get(line.owner, 0) + line.group.sums.picodollars
        return found

    @property
    def shared(self) -> dict[Owner, int]:
        """Picodollars by owner of shares alone."""
        found: dict[Owner, int] = {}
        for one in self.splits:
            for owner, part in one.parts.items():
                found[owner] = found.get(owner, 0) + part
        return found

    @property
    def picodollars(self) -> int:
        """What everything cost."""
        return sum(line.group.sums.picodollars for line in self.lines)

    def of_source(self, source: str) -> int:
        """Return the picodollars of one of SOURCES."""
        return sum(
            line.group.sums.picodollars for line in self.lines if line.group.source == source
        )


def allocate(
    groups: Iterable[Group], rules: Sequence[Rule], tasks: Iterable[TaskGroup] = ()
) -> Allocation:
    """Return who bears what: rules first, then pools split by what owners cost directly."""
    judge = _Judge(rules)
    lines: list[Line] = []
    pools: dict[Pool, Split] = {}
    weights: dict[Owner, Weight] = {}
    for group in groups:
        found = judge(group.facts, group.since_s)
        name, sums = found.rule.name if found.rule else "", group.sums
        lines.append(Line(found.owner, found.pool.name if found.pool else "", name, group))
        if found.pool is not None:
            pools.setdefault(found.pool, Split(found.pool)).picodollars += sums.picodollars
        elif found.owner != UNALLOCATED:
            before = weights.get(found.owner, Weight())
            weights[found.owner] = Weight(
                before.picodollars + sums.picodollars, before.tokens + sums.tokens
            )
    for one in pools.values():
        one.parts = split(one.picodollars, one.pool, weights)
    splits = sorted(pools.values(), key=lambda one: (-one.picodollars, one.pool.name))
    return Allocation(lines, splits, _tasks(tasks, judge))


def _tasks(groups: Iterable[TaskGroup], judge: _Judge) -> dict[Owner, Tasks]:
    found: dict[Owner, Tasks] = {}
    for group in groups:
        one = found.setdefault(judge(group.facts, group.since_s).owner, Tasks())
        one.tasks += group.tasks
        one.completed += group.completed
    return found


class _Judge:
    """Asks the rules once for each distinct set of facts that they can tell apart."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._known: dict[tuple[int, frozenset[tuple[str, str]]], Outcome] = {}

    def __call__(self, facts: Facts, since_s: int) -> Outcome:
        key = since_s, frozenset(facts.items())
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = outcome_of(self._rules, facts, since_s)
        return found
