"""The showback report: who bears what in a month, against the month before; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from spanledger_analytics.allocation.allocate import Allocation, Line
from spanledger_analytics.allocation.owners import OWNER_FIELDS, UNALLOCATED, Owner
from spanledger_analytics.gpu_cost.arithmetic import dollars

BY_OWNER = "owner"
REPORT_BY = (*OWNER_FIELDS, BY_OWNER)
"""What rows of the report are: one owner field, or all of them together."""


@dataclass(slots=True)
class OwnerRow:
    """What one owner bears; money in picodollars, of what is priced.

    The counts of what pools collect stand in the line of what nobody bears: their money is split,
    and a call is not.

    Attributes:
        name: of the owner; empty where the owner has others but not this name.
        is_unallocated: it is the line of what nobody bears.
        before_picodollars: direct and shared in the period before; None: there was none.
    """

    name: str
    is_unallocated: bool = False
    direct_picodollars: int = 0
    shared_picodollars: int = 0
    before_picodollars: int | None = None
    calls: int = 0
    tokens: int = 0
    tasks: int = 0
    completed: int = 0
    unpriced_calls: int = 0
    calls_without_usage: int = 0

    @property
    def picodollars(self) -> int:
        """Direct and shared."""
        return self.direct_picodollars + self.shared_picodollars

    @property
    def direct_usd(self) -> Decimal:
        """Direct, in dollars."""
        return dollars(self.direct_picodollars)

    @property
    def shared_usd(self) -> Decimal:
        """The shares, in dollars."""
        return dollars(self.shared_picodollars)

    @property
    def total_usd(self) -> Decimal:
        """Direct and shared, in dollars."""
        return dollars(self.picodollars)

    @property
    def before_usd(self) -> Decimal | None:
        """The total of the period before, in dollars."""
        return None if self.before_picodollars is None else dollars(self.before_picodollars)


@dataclass(frozen=True, slots=True)
class Report:
    """Owners, the dearest first; the line of what nobody bears is always the last.

    Attributes:
        by: one of REPORT_BY.
        ledger_usd: sum of the ledger in the period.
        gpu_unused_usd: GPU time no entry pays for, beside the ledger.
    """

    by: str
    rows: Sequence[OwnerRow]
    ledger_usd: Decimal
    gpu_unused_usd: Decimal
    pools_usd: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def total_usd(self) -> Decimal:
        """What all rows bear: the ledger and unused GPU time, to the picodollar."""
        return sum((row.total_usd for row in self.rows), Decimal(0))

    @property
    def unallocated(self) -> OwnerRow:
        """The line of what nobody bears."""
        return self.rows[-1]


def name_of(owner: Owner, by: str) -> str:
    """Return what an owner is called in a report by one of REPORT_BY."""
    return owner.label if by == BY_OWNER else str(getattr(owner, by))


def report_of(now: Allocation, before: Allocation | None, by: str) -> Report:
    """Return the report of a period; ``before`` None: nothing to compare with."""
    rows: dict[tuple[bool, str], OwnerRow] = {}
    _row(rows, UNALLOCATED, by)
    for line in now.lines:
        _add(_row(rows, line.owner, by), line)
    for owner, part in now.shared.items():
        _row(rows, owner, by).shared_picodollars += part
    for owner, tasks in now.tasks.items():
        row = _row(rows, owner, by)
        row.tasks += tasks.tasks
        row.completed += tasks.completed
    if before is not None:
        _compare(rows, before, by)
    pools: dict[str, int] = {}
    for one in now.splits:
        pools[one.pool.name] = pools.get(one.pool.name, 0) + one.picodollars
    return Report(
        by=by,
        rows=sorted(rows.values(), key=_rank),
        ledger_usd=dollars(now.of_source("ledger")),
        gpu_unused_usd=dollars(now.of_source("gpu_unused")),
        pools_usd={name: dollars(amount) for name, amount in pools.items()},
    )


def _row(rows: dict[tuple[bool, str], OwnerRow], owner: Owner, by: str) -> OwnerRow:
    is_unallocated = owner == UNALLOCATED
    key = is_unallocated, name_of(owner, by)
    if key not in rows:
        rows[key] = OwnerRow(key[1], is_unallocated)
    return rows[key]


def _add(row: OwnerRow, line: Line) -> None:
    sums = line.group.sums
    if not line.pool:  # else its money is in the shares
        row.direct_picodollars += sums.picodollars
    row.calls += sums.calls
    row.tokens += sums.tokens
    row.unpriced_calls += sums.unpriced_calls
    row.calls_without_usage += sums.calls_without_usage


def _compare(rows: dict[tuple[bool, str], OwnerRow], before: Allocation, by: str) -> None:
    for owner, amount in (*before.direct.items(), *before.shared.items()):
        row = _row(rows, owner, by)
        row.before_picodollars = (row.before_picodollars or 0) + amount
    for row in rows.values():
        row.before_picodollars = row.before_picodollars or 0


def _rank(row: OwnerRow) -> tuple[bool, int, str]:
    return row.is_unallocated, -row.picodollars, row.name


@dataclass(slots=True)
class Part:
    """A part of what an owner bears directly, by model or by agent."""

    name: str
    picodollars: int = 0
    calls: int = 0
    tokens: int = 0

    @property
    def usd(self) -> Decimal:
        """In dollars."""
        return dollars(self.picodollars)


def parts_of(lines: Iterable[Line], fact: str) -> list[Part]:
    """Return direct costs by a fact such as ``model`` or ``agent``, the dearest first."""
    found: dict[str, Part] = {}
    for line in lines:
        name = line.group.facts.get(fact, "")
        part = found.setdefault(name, Part(name))
        part.picodollars += line.group.sums.picodollars
        part.calls += line.group.sums.calls
        part.tokens += line.group.sums.tokens
    return sorted(found.values(), key=lambda part: (-part.picodollars, part.name))


def lines_of(allocation: Allocation, row: OwnerRow, by: str) -> list[Line]:
    """Return the lines an owner bears directly."""
    return [
        line
        for line in allocation.lines
        if not line.pool
        and (line.owner == UNALLOCATED) == row.is_unallocated
        and name_of(line.owner, by) == row.name
    ]


def shares_of(allocation: Allocation, row: OwnerRow, by: str) -> dict[str, int]:
    """Return what an owner bears of each pool, picodollars by its name."""
    found: dict[str, int] = {}
    for one in allocation.splits:
        for owner, part in one.parts.items():
            is_same = (owner == UNALLOCATED) == row.is_unallocated
            if is_same and name_of(owner, by) == row.name:
                found[one.pool.name] = found.get(one.pool.name, 0) + part
    return found
