"""What a budget has spent and set aside, as it is while its row is locked."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from spanledger_storage.budget_tables import breaches, budgets, holds, settlements, states
from spanledger_storage.budget_windows import Window
from spanledger_storage.budgets import ZERO, Budget, budget_of

_QUIET_NS = 3_600 * 10**9
_STATE_COLUMNS = [column for column in states.c if column.name != "budget_id"]


@dataclass(slots=True)
class Amounts:
    """The figures of one budget, in the unit of its measure.

    Attributes:
        in_ledger: spent in the window, as the ledger said at ``ledger_as_of_ns``.
        settled: spent in the window and not in the ledger yet.
        reserved: set aside by reservations that have not expired.
        largest: what one settled call took at most, of this window; of a rolling one: ever.
        refused: requests of this window that did not fit.
        passed: calls of this window that clients let pass because nobody answered.
    """

    budget: Budget
    window: Window
    in_ledger: Decimal
    settled: Decimal
    reserved: Decimal
    largest: Decimal
    refused: int
    passed: int
    ledger_as_of_ns: int | None
    window_start_s: int

    @property
    def spent(self) -> Decimal:
        """In the ledger or settled: each call once."""
        return self.in_ledger + self.settled

    @property
    def room(self) -> Decimal | None:
        """Return what may still be set aside; below zero: over the limit. None: no hard limit."""
        limit = self.budget.terms.hard_limit
        return None if limit is None else limit - self.spent - self.reserved

    @property
    def level(self) -> str:
        """Return ``hard``, ``soft``, or empty: the limit that spending has reached."""
        terms = self.budget.terms
        if terms.hard_limit is not None and self.spent >= terms.hard_limit:
            return "hard"
        if terms.soft_limit is not None and self.spent >= terms.soft_limit:
            return "soft"
        return ""


Forecasts = Mapping[Any, Any]
"""By name of the column: the other columns of ``budget_states``: what the job foresees."""


def read(
    connection: sa.Connection, where: sa.ColumnElement[bool], now_ns: int
) -> list[tuple[Amounts, Forecasts]]:
    """Return the figures of budgets as they are now, without changing anything, by name."""
    statement = sa.select(budgets, *_STATE_COLUMNS).join_from(
        budgets, states, budgets.c.id == states.c.budget_id
    )
    rows = connection.execute(statement.where(where).order_by(budgets.c.name)).mappings().all()
    found = [_amounts(row, now_ns) for row in rows]
    _leave_out_expired(connection, found, now_ns)
    for amounts in found:
        _roll(connection, amounts)
    return [(amounts, row) for amounts, row in zip(found, rows, strict=True)]


def locked(connection: sa.Connection, ids: Collection[str], now_ns: int) -> list[Amounts]:
    """Lock budgets until the change ends; return their figures, without what has expired."""
    statement = (
        sa.select(budgets, *_STATE_COLUMNS)
        .join_from(budgets, states, budgets.c.id == states.c.budget_id)
        .where(budgets.c.id.in_(ids))
        .order_by(budgets.c.id)  # always the same, so that no two wait for each other
        .with_for_update(of=states)
    )
    found = [_amounts(row, now_ns) for row in connection.execute(statement).mappings()]
    if _leave_out_expired(connection, found, now_ns):
        expired = holds.c.budget_id.in_([a.budget.id for a in found])
        connection.execute(sa.delete(holds).where(expired, holds.c.expires_at_ns <= now_ns))
    for amounts in found:
        _roll(connection, amounts)
    return found


def store(connection: sa.Connection, changed: Iterable[Amounts]) -> None:
    """Write figures back."""
    values = [
        {
            "id": amounts.budget.id,
            "window_start_s": amounts.window_start_s,
            "ledger_amount": amounts.in_ledger,
            "settled_amount": amounts.settled,
            "reserved_amount": amounts.reserved,
            "largest_amount": amounts.largest,
            "refused": amounts.refused,
            "passed": amounts.passed,
            "ledger_as_of_ns": amounts.ledger_as_of_ns,
        }
        for amounts in changed
    ]
    if values:
        names = [name for name in values[0] if name != "id"]
        statement = sa.update(states).where(states.c.budget_id == sa.bindparam("id"))
        connection.execute(statement.values({n: sa.bindparam(n) for n in names}), values)


def note_breach(
    connection: sa.Connection, amounts: Amounts, level: str, now_ns: int, *, is_over: bool
) -> None:
    """Begin, go on with or end the breach of a level.

    One of ``refused`` counts a refusal more where it is over, and ends when there was none for
    an hour; others end when the limit is no longer reached. All end with a calendar window.
    """
    budget = amounts.budget
    ours = (breaches.c.budget_id == budget.id) & (breaches.c.level == level)
    open_ones = sa.select(breaches).where(ours, breaches.c.ended_at_ns.is_(None))
    row = connection.execute(open_ones).mappings().first()
    if row is not None and _is_of_another_window(row, amounts):
        end_s = max(row["began_at_ns"], amounts.window_start_s * 10**9)
        _change(connection, row["id"], ended_at_ns=min(now_ns, end_s))
        row = None
    limit = budget.terms.soft_limit if level == "soft" else budget.terms.hard_limit
    refusals = 1 if level == "refused" else 0
    if row is None and is_over and limit is not None:
        values = {
            "id": secrets.token_hex(8),
            "budget_id": budget.id,
            "project": budget.project,
            "budget_name": budget.terms.name,
            "level": level,
            "window_start_s": amounts.window_start_s,
            "began_at_ns": now_ns,
            "last_at_ns": now_ns,
            "ended_at_ns": None,
            "limit_amount": limit,
            "peak_amount": amounts.spent,
            "count": refusals,
        }
        connection.execute(sa.insert(breaches).values(values))
    elif row is not None and is_over:
        peak = max(row["peak_amount"], amounts.spent)
        count = row["count"] + refusals
        if refusals or peak != row["peak_amount"]:
            _change(connection, row["id"], peak_amount=peak, count=count, last_at_ns=now_ns)
    elif row is not None and (level != "refused" or now_ns - row["last_at_ns"] > _QUIET_NS):
        _change(connection, row["id"], ended_at_ns=now_ns)


def _change(connection: sa.Connection, breach_id: str, **values: object) -> None:
    connection.execute(sa.update(breaches).where(breaches.c.id == breach_id).values(values))


def _is_of_another_window(row: sa.RowMapping, amounts: Amounts) -> bool:
    is_rolling = amounts.budget.terms.period == "rolling"
    return not is_rolling and int(row["window_start_s"]) != amounts.window_start_s


def _amounts(row: sa.RowMapping, now_ns: int) -> Amounts:
    budget = budget_of(row)
    return Amounts(
        budget=budget,
        window=budget.terms.window(now_ns // 10**9),
        in_ledger=row["ledger_amount"],
        settled=row["settled_amount"],
        reserved=row["reserved_amount"],
        largest=row["largest_amount"],
        refused=row["refused"],
        passed=row["passed"],
        ledger_as_of_ns=row["ledger_as_of_ns"],
        window_start_s=row["window_start_s"],
    )


def _leave_out_expired(connection: sa.Connection, found: list[Amounts], now_ns: int) -> bool:
    """Take what has expired out of what is set aside; return whether there was any."""
    statement = sa.select(holds.c.budget_id, holds.c.amount).where(
        holds.c.budget_id.in_([a.budget.id for a in found]), holds.c.expires_at_ns <= now_ns
    )
    expired: dict[str, Decimal] = {}
    for budget_id, amount in connection.execute(statement):
        expired[budget_id] = expired.get(budget_id, ZERO) + amount
    for amounts in found:
        amounts.reserved -= expired.get(amounts.budget.id, ZERO)
    return bool(expired)


def _roll(connection: sa.Connection, amounts: Amounts) -> None:
    """Begin a new calendar window: nothing is spent in it but what was settled in it.

    Only forwards: the clocks of two machines do not agree to the second. A rolling window moves
    with the ledger's figure, which its job brings, as does a window that a wrong clock began.
    """
    start_s = amounts.window.start_s
    is_rolling = amounts.budget.terms.period == "rolling"
    if start_s > amounts.window_start_s and not (is_rolling and amounts.window_start_s):
        begin_window(connection, amounts, start_s)


def begin_window(connection: sa.Connection, amounts: Amounts, start_s: int) -> None:
    """Begin a calendar window, ``start_s`` in unix seconds, as if the ledger was not asked yet."""
    amounts.window_start_s = start_s
    amounts.settled = open_sum(connection, amounts.budget.id, start_s)
    amounts.in_ledger, amounts.ledger_as_of_ns = ZERO, None
    amounts.refused = amounts.passed = 0
    amounts.largest = ZERO


def open_sum(connection: sa.Connection, budget_id: str, from_s: int) -> Decimal:
    """Return the sum of what was settled from an instant on and is not in the ledger."""
    statement = sa.select(settlements.c.amount).where(
        settlements.c.budget_id == budget_id,
        settlements.c.is_in_ledger.is_(sa.false()),
        settlements.c.at_s >= from_s,
    )
    return sum(connection.scalars(statement), ZERO)


def of_subject(project: str, pairs: Collection[tuple[str, str]]) -> sa.ColumnElement[bool]:
    """Return the condition for the active budgets whose scope is among these."""
    return sa.and_(
        budgets.c.project == project,
        budgets.c.is_active,
        sa.tuple_(budgets.c.scope, budgets.c.selector).in_(list(pairs)),
    )


def counted_by(
    connection: sa.Connection, project: str, pairs: Collection[tuple[str, str]]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the ids of the active budgets of these scopes, and every scope that one asks for."""
    columns = (budgets.c.id, budgets.c.scope, budgets.c.selector)
    active = (budgets.c.project == project) & budgets.c.is_active
    wanted, ids, scopes = set(pairs), list[str](), set[str]()
    for row in connection.execute(sa.select(*columns).where(active)):
        if (row.scope, row.selector) in wanted:
            ids.append(row.id)
        key = {"team": "team", "tag": row.selector.partition("=")[0]}.get(row.scope)
        scopes.add(row.scope if key is None else f"tag:{key}")
    return sorted(ids), tuple(sorted(scopes - {"project"}))


def ids_of(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[str]:
    """Return the ids of the budgets of a condition, sorted."""
    return list(connection.scalars(sa.select(budgets.c.id).where(where).order_by(budgets.c.id)))
