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
_LONGEST_LATE_NS = 3 * 86_400 * 10**9  # that a call arrives after it began, and a day
_MOST_APART_S = 300  # that the clocks of two machines are
_BATCH = 500

Place = tuple[str, str, str]
"""Scope, selector and measure of a budget: ``("agent", "planner", "usd")``."""


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

    def open_calls(
        self,
        project: str,
        limit: int,
        *,
        from_ns: int = 0,
        before_ns: int | None = None,
        after: OpenCall | None = None,
    ) -> list[OpenCall]:
        """Return settled calls that can be looked for, in the order of their arrival.

        Args:
            project: whose.
            limit: the most to return.
            from_ns: arrived then or later.
            before_ns: arrived earlier than this; None: until now.
            after: the last one of the page before.
        """
        order = (table.c.arrived_at_ns, table.c.span_key, table.c.response_id, table.c.at_s)
        statement = sa.select(table.c.span_key, table.c.response_id, table.c.at_s, order[0]).where(
            _open_ones(project),
            sa.or_(table.c.span_key != "", table.c.response_id != ""),
            table.c.arrived_at_ns >= max(from_ns, after.arrived_at_ns if after else 0),
        )
        if before_ns is not None:
            statement = statement.where(table.c.arrived_at_ns < before_ns)
        if after is not None:
            last = (after.arrived_at_ns, after.span_key, after.response_id, after.at_s)
            statement = statement.where(sa.tuple_(*order) > sa.tuple_(*last))
        with reading(self._engine) as connection:
            rows = connection.execute(statement.distinct().order_by(*order).limit(limit))
            return [OpenCall(*row) for row in rows]

    def apply(
        self,
        project: str,
        figures: Mapping[str, Figure],
        found: Mapping[OpenCall, Collection[Place]],
        now_ns: int,
    ) -> list[Amounts]:
        """Write what the ledger says, and let the settled calls it counts leave, in one step.

        Args:
            project: whose budgets.
            figures: by id of the budget.
            found: open calls that the figures count, and where the ledger knows their amount; in
                budgets of other scopes and measures they stay settled.
            now_ns: the clock.
        """
        with writing(self._engine) as connection:
            every = sorted(connection.scalars(sa.select(budgets.c.id).where(
                budgets.c.project == project
            )))  # fmt: skip
            changed = budget_amounts.locked(connection, every, now_ns)
            taken_up: dict[str, Amounts] = {}
            for amounts in changed:
                figure = figures.get(amounts.budget.id)
                if figure is not None and _take_up(connection, amounts, figure, now_ns):
                    taken_up[amounts.budget.id] = amounts
            _let_leave(connection, project, taken_up, found)
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
            # By their arrival, which an index knows.
            arrived = table.c.arrived_at_ns < longest_s * 10**9 + _LONGEST_LATE_NS
            connection.execute(sa.delete(table).where(arrived, table.c.at_s < longest_s))
            expired = reservations.c.expires_at_ns < now_ns - KEPT_NS
            connection.execute(sa.delete(reservations).where(expired))


def _open_ones(project: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.project == project, table.c.is_in_ledger.is_(sa.false()))


def _let_leave(
    connection: sa.Connection,
    project: str,
    by_id: Mapping[str, Amounts],
    found: Mapping[OpenCall, Collection[Place]],
) -> None:
    """Take found calls out of what is settled, in the budgets that count them in the ledger."""
    calls = sorted(found, key=lambda call: call.arrived_at_ns)
    leaving: list[dict[str, object]] = []
    for start in range(0, len(calls), _BATCH):
        part = calls[start : start + _BATCH]
        places: dict[tuple[str, str], set[Place]] = {}
        for call in part:
            places.setdefault((call.span_key, call.response_id), set()).update(found[call])
        for row in connection.execute(_rows_of(project, part)):
            amounts = by_id.get(row.budget_id)
            if amounts is None or _place(amounts) not in places.get(
                (row.span_key, row.response_id), ()
            ):
                continue
            if row.at_s >= amounts.window_start_s:
                amounts.settled -= row.amount
            leaving.append({"key": row.request_key, "budget": row.budget_id})
    if leaving:
        mine = sa.and_(
            table.c.project == project,
            table.c.request_key == sa.bindparam("key"),
            table.c.budget_id == sa.bindparam("budget"),
        )
        connection.execute(sa.update(table).where(mine).values(is_in_ledger=True), leaving)


def _rows_of(project: str, calls: Sequence[OpenCall]) -> sa.Select[Any]:
    """Return the statement for what is settled of calls, which are sorted by arrival."""
    columns = ("request_key", "budget_id", "amount", "at_s", "span_key", "response_id")
    spans = {call.span_key for call in calls if call.span_key}
    responses = {call.response_id for call in calls if not call.span_key}
    return sa.select(*(table.c[name] for name in columns)).where(
        _open_ones(project),
        table.c.arrived_at_ns.between(calls[0].arrived_at_ns, calls[-1].arrived_at_ns),
        sa.or_(table.c.span_key.in_(spans), table.c.response_id.in_(responses)),
    )


def _place(amounts: Amounts) -> Place:
    terms = amounts.budget.terms
    return terms.scope, terms.selector, terms.measure


def _take_up(connection: sa.Connection, amounts: Amounts, figure: Figure, now_ns: int) -> bool:
    """Set what is in the ledger; return False when a new window began since it was asked.

    A calendar window that is still to come was begun by a clock that was wrong. It gives way to
    the one of now here alone, where what the ledger counts in that comes with it.
    """
    if amounts.budget.terms.period == "rolling":
        if figure.start_s != amounts.window_start_s:
            amounts.window_start_s = figure.start_s
            amounts.settled = budget_amounts.open_sum(connection, amounts.budget.id, figure.start_s)
    elif figure.start_s != amounts.window_start_s:
        is_to_come = amounts.window_start_s > now_ns // 10**9 + _MOST_APART_S
        if not is_to_come or figure.start_s != amounts.window.start_s:
            return False
        budget_amounts.begin_window(connection, amounts, figure.start_s)
    amounts.in_ledger = figure.in_ledger
    amounts.ledger_as_of_ns = now_ns
    if figure.forecast is not None:
        mine = states.c.budget_id == amounts.budget.id
        connection.execute(sa.update(states).where(mine).values(dict(figure.forecast)))
    return True


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
