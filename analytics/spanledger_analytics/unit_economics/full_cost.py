"""The full cost of completed tasks: their own, and an equal share of what others cost in vain.

Of a group of tasks that ended, those that failed or were abandoned produced nothing, so each
completed task bears an equal part of what they cost. Whole picodollars: what an equal part leaves
over is borne by one each, by the dearest tasks. So the full costs add up to what the group cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from spanledger_analytics.gpu_cost.arithmetic import dollars, picodollars

COMPLETED = "completed"
OWN_PARTS = ("own_inference", "own_tools", "own_gpu", "own_infra", "own_other")
"""Parts of the cost of the attempts that completed a task."""
IN_VAIN = ("retries", "failed", "abandoned")
"""Other attempts at completed tasks; tasks that failed; tasks that were abandoned."""
PARTS = (*OWN_PARTS, *IN_VAIN)

_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks that ended, added up.

    Attributes:
        tasks: also those without an outcome.
        unended: tasks without an outcome; nothing of them is in ``parts``.
        attempts: at tasks that ended.
        parts: dollars by name of ``PARTS``; what is priced.
        median_usd, p95_usd, worst_usd: of completed tasks, with their retries and without what
            other tasks cost; None: none was completed.
        gaps: calls of tasks that ended whose cost is not known, by why.
    """

    name: str
    tasks: int
    completed: int
    failed: int
    abandoned: int
    unended: int
    attempts: int
    parts: Mapping[str, Decimal]
    median_usd: Decimal | None = None
    p95_usd: Decimal | None = None
    worst_usd: Decimal | None = None
    unended_usd: Decimal = Decimal(0)
    gaps: Mapping[str, int] | None = None

    @property
    def ended(self) -> int:
        """Tasks whose end is known."""
        return self.completed + self.failed + self.abandoned

    @property
    def total_usd(self) -> Decimal:
        """What the tasks that ended cost."""
        return sum(self.parts.values(), Decimal(0))

    @property
    def tax_usd(self) -> Decimal:
        """What the tasks cost that ended without being completed."""
        return self.parts["failed"] + self.parts["abandoned"]

    def per_completed(self, amount: Decimal) -> Decimal | None:
        """Return an amount over the completed tasks; None: there is none to bear it."""
        return _EXACT.divide(amount, Decimal(self.completed)) if self.completed else None

    @property
    def usd_per_completed(self) -> Decimal | None:
        """The full cost of a completed task, on average."""
        return self.per_completed(self.total_usd)

    @property
    def attempts_per_completed(self) -> Fraction | None:
        """Attempts it takes to get one task completed, those at other tasks included."""
        return Fraction(self.attempts, self.completed) if self.completed else None

    def full_usd(self, rank: int, own_usd: Decimal) -> Decimal:
        """Return the full cost of a completed task.

        Args:
            rank: its place among the completed tasks of the group, 0 the dearest.
            own_usd: what all attempts at it cost.
        """
        return own_usd + share_of(self.tax_usd, rank, self.completed)


def share_of(amount_usd: Decimal, rank: int, count: int) -> Decimal:
    """Return the part of an amount that the ``rank``-th of ``count`` bears; parts add up to it."""
    each, left = divmod(picodollars(amount_usd), count)
    return dollars(each + (rank < left))


@dataclass(frozen=True, slots=True)
class TaskCost:
    """A task that ended: its state (completed, failed, abandoned) and what all attempts cost."""

    key: str
    state: str
    usd: Decimal


@dataclass(frozen=True, slots=True)
class FullCosts:
    """Dollars by completed task, and what nobody bears because no task was completed."""

    by_task: Mapping[str, Decimal]
    without_completed_usd: Decimal


def full_costs(tasks: Sequence[TaskCost]) -> FullCosts:
    """Return the full costs of the completed tasks of one group.

    Together they are what all of ``tasks`` cost; where none was completed, that stays a line of
    its own.
    """
    completed = sorted(
        (task for task in tasks if task.state == COMPLETED), key=lambda t: (-t.usd, t.key)
    )
    tax = sum((task.usd for task in tasks if task.state != COMPLETED), Decimal(0))
    if not completed:
        return FullCosts({}, tax)
    count = len(completed)
    return FullCosts(
        {t.key: t.usd + share_of(tax, rank, count) for rank, t in enumerate(completed)},
        Decimal(0),
    )
