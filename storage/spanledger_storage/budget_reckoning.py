"""What the job of budgets reads and writes: settled calls leave when the ledger counts them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa

from spanledger_storage import budget_amounts
from spanledger_storage.budget_amounts import Amounts
from spanledger_storage.budget_tables import budgets, reading, reservations, states, writing
from spanledger_storage.budget_tables import settlements as table
from spanledger_storage.budget_windows import LONGEST_ROLLING_S
from spanledger_storage.budgets import ZERO

KEPT_NS = 2 * 86_400 * 10**9
"""How long a settled call is looked for in the ledger, and a resent request is known."""
_HOUR_S = 3_600
_QUARTER_S = 900
_EARLIER_S = 300
_BATCH = 500


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A settled call that the ledger is not known to count; ``at_s``: its start, unix seconds."""

    span_key: str
    response_id: str
    at_s: int
    arrived_at_ns: int


@dataclass(frozen=True, slots=True)
class Figure:
    """What the ledger says about one budget.

    Attributes:
        start_s: of the window, unix seconds.
        in_ledger: spent since then, in the unit of the budget's measure.
        forecast: columns of ``budget_states`` to set; None: as they are.
    """

    start_s: int
    in_ledger: Decimal
    forecast: Mapping[str, object] | None = None


class Reckoning:
    """Brings the figures of the ledger into the budgets of a project.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def open_calls(self, project: str, limit: int, before_ns: int | None = None) -> list[OpenCall]:
        """Return settled calls that can be looked for, the newest first; by arrival before one."""
        statement = sa.select(
            table.c.span_key,
            table.c.response_id,
            sa.func.min(table.c.at_s).label("at_s"),
            sa.func.min(table.c.arrived_at_ns).label("arrived_at_ns"),
        ).where(
            table.c.project == project,
            table.c.is_in_ledger.is_(sa.false()),
            sa.or_(table.c.span_key != "", table.c.response_id != ""),
        )
        if before_ns is not None:
            statement = statement.where(table.c.arrived_at_ns < before_ns)
        statement = statement.group_by(table.c.span_key, table.c.response_id)
        newest = sa.literal_column("arrived_at_ns", sa.BigInteger).desc()
        with reading(self._engine) as connection:
            rows = connection.execute(statement.order_by(newest).limit(limit))
            return [OpenCall(*row) for row in rows]

    def apply(
        self, project: str, figures: Mapping[str, Figure], found: Collection[str], now_ns: int
    ) -> list[Amounts]:
        """Write what the ledger says, and let the settled calls it counts leave, in one step.

        Args:
            project: whose budgets.
            figures: by id of the budget.
            found: span keys and response ids that the figures count.
            now_ns: the clock.
        """
        with writing(self._engine) as connection:
            every = sorted(connection.scalars(sa.select(budgets.c.id).where(
                budgets.c.project == project
            )))  # fmt: skip
            changed = budget_amounts.locked(connection, every, now_ns)
            by_id = {amounts.budget.id: amounts for amounts in changed}
            _let_leave(connection, project, by_id, found)
            for amounts in changed:
                figure = figures.get(amounts.budget.id)
                if figure is not None:
                    _take_up(connection, amounts, figure, now_ns)
            budget_amounts.store(connection, changed)
            for amounts in changed:
                _note_breaches(connection, amounts, now_ns)
            return changed

    def forget(self, now_ns: int) -> None:
        """Add up settled calls that nobody looks for any more, and forget what has expired."""
        old = table.c.arrived_at_ns < now_ns - KEPT_NS
        longest_s = now_ns // 10**9 - LONGEST_ROLLING_S - 86_400
        with writing(self._engine) as connection:
            _fold(connection, old)
            connection.execute(sa.delete(table).where(old, table.c.is_in_ledger))
            connection.execute(sa.delete(table).where(table.c.at_s < longest_s))
            expired = reservations.c.expires_at_ns < now_ns - KEPT_NS
            connection.execute(sa.delete(reservations).where(expired))


def _let_leave(
    connection: sa.Connection, project: str, by_id: Mapping[str, Amounts], found: Collection[str]
) -> None:
    keys = sorted(found)
    for start in range(0, len(keys), _BATCH):
        part = keys[start : start + _BATCH]
        open_ones = sa.and_(
            table.c.project == project,
            table.c.is_in_ledger.is_(sa.false()),
            sa.or_(
                sa.and_(table.c.span_key != "", table.c.span_key.in_(part)),
                sa.and_(table.c.response_id != "", table.c.response_id.in_(part)),
            ),
        )
        columns = (table.c.budget_id, table.c.amount, table.c.at_s)
        for budget_id, amount, at_s in connection.execute(sa.select(*columns).where(open_ones)):
            amounts = by_id.get(budget_id)
            if amounts is not None and at_s >= amounts.window_start_s:
                amounts.settled -= amount
        connection.execute(sa.update(table).where(open_ones).values(is_in_ledger=True))


def _take_up(connection: sa.Connection, amounts: Amounts, figure: Figure, now_ns: int) -> None:
    if amounts.budget.terms.period == "rolling":
        if figure.start_s != amounts.window_start_s:
            amounts.window_start_s = figure.start_s
            amounts.settled = budget_amounts.open_sum(connection, amounts.budget.id, figure.start_s)
    elif figure.start_s != amounts.window_start_s:
        return  # a new window began since the ledger was asked
    amounts.in_ledger = figure.in_ledger
    amounts.ledger_as_of_ns = now_ns
    if figure.forecast is not None:
        mine = states.c.budget_id == amounts.budget.id
        connection.execute(sa.update(states).where(mine).values(dict(figure.forecast)))


def _note_breaches(connection: sa.Connection, amounts: Amounts, now_ns: int) -> None:
    terms = amounts.budget.terms
    limits = {"soft": terms.soft_limit, "hard": terms.hard_limit}
    for level, limit in limits.items():
        is_over = terms.is_active and limit is not None and amounts.spent >= limit
        budget_amounts.note_breach(connection, amounts, level, now_ns, is_over=is_over)
    budget_amounts.note_breach(connection, amounts, "refused", now_ns, is_over=False)


def _fold(connection: sa.Connection, old: sa.ColumnElement[bool]) -> None:
    """Put one sum for each budget and quarter of an hour in the place of its old calls.

    Calendar windows begin on quarters in every time zone, so that none changes.
    """
    named = sa.or_(table.c.span_key != "", table.c.response_id != "")
    where = sa.and_(old, table.c.is_in_ledger.is_(sa.false()), named)
    sums: dict[tuple[str, str, int], Decimal] = {}
    for row in connection.execute(sa.select(table).where(where)).mappings():
        key = (row["project"], row["budget_id"], row["at_s"] // _QUARTER_S * _QUARTER_S)
        sums[key] = sums.get(key, ZERO) + row["amount"]
    connection.execute(sa.delete(table).where(where))
    for (project, budget_id, quarter_s), amount in sums.items():
        _add_sum(connection, project, budget_id, quarter_s, amount)


def _add_sum(
    connection: sa.Connection, project: str, budget_id: str, quarter_s: int, amount: Decimal
) -> None:
    # No request has this key: theirs are without spaces.
    key = {"project": project, "request_key": f"quarter {quarter_s}", "budget_id": budget_id}
    mine = sa.and_(*(table.c[name] == value for name, value in key.items()))
    before = cast("Decimal | None", connection.scalar(sa.select(table.c.amount).where(mine)))
    if before is None:
        values: dict[str, Any] = {
            **key,
            "amount": amount,
            "at_s": quarter_s + _QUARTER_S - 1,  # leaves a rolling window late rather than early
            "arrived_at_ns": quarter_s * 10**9,
            "span_key": "",
            "response_id": "",
            "is_in_ledger": False,
        }
        connection.execute(sa.insert(table).values(values))
    else:
        connection.execute(sa.update(table).where(mine).values(amount=before + amount))


def unique_keys(calls: Sequence[OpenCall]) -> tuple[list[tuple[str, str]], set[int]]:
    """Return what to look for in the ledger, as pairs of kind and id, and in which hours.

    An instrumentation's outermost span of a call may begin earlier than ours.
    """
    keys = [("span", call.span_key) for call in calls if call.span_key]
    keys += [("response", call.response_id) for call in calls if call.response_id]
    starts = {call.at_s for call in calls} | {call.at_s - _EARLIER_S for call in calls}
    return sorted(set(keys)), {at_s // _HOUR_S * _HOUR_S for at_s in starts}
