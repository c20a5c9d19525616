"""Reserve, settle, release: each one transaction, under the lock of the budgets it is about.

Spent is what the ledger counts and, until the ledger counts it, what was settled. Set aside is
what open reservations hold. A request that would take both over a hard limit is refused. Resent
requests are known by their keys, for two days.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

import sqlalchemy as sa

from spanledger_storage import budget_amounts
from spanledger_storage._budget_settling import Settling
from spanledger_storage.budget_amounts import Amounts, Forecasts, counted_by, of_subject
from spanledger_storage.budget_requests import Reserve, Reserved, Settle, Settled, Subject
from spanledger_storage.budget_tables import budgets, holds, reading, reservations, writing
from spanledger_storage.budgets import ZERO, Measure

LONGEST_TTL_S = 3_600
_SHARE = 10  # of what is left, that one reservation may have beyond what it needs: a tenth
_UNKNOWN_SHARE = 100  # of a limit, for a call of which nothing is known: a hundredth
_MOST_SHARE = 10  # of a hard limit, that is expected of one call: one large call locks nobody out
_STEPS = {"usd": Decimal("1e-12"), "tokens": Decimal(1), "llm_calls": Decimal(1)}
_DIGITS = Context(prec=40)  # the largest limit has 18 of them, and 12 decimals


class BudgetAccounts:
    """Keeps what is set aside and settled.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def reserve(self, project: str, request: Reserve, now_ns: int) -> Reserved:
        """Set aside in every budget of the subject, or in none; sent again: the same answer."""
        with reading(self._engine) as connection:
            ids, scopes = counted_by(connection, project, request.subject.pairs())
        if not ids:
            return Reserved(True, "", {}, 0, (), (), scopes)
        with writing(self._engine) as connection:
            amounts = budget_amounts.locked(connection, ids, now_ns)
            known = _known(connection, project, request.key)
            if known is not None:
                budget_amounts.store(connection, amounts)  # what has expired is out of them
                granted, expires_at_ns = _decimals(known.granted), int(known.expires_at_ns)
                return Reserved(True, known.id, granted, expires_at_ns, (), (*amounts,), scopes)
            needed = _needed(amounts, request)
            asks = [_asked(one, request, needed) for one in amounts]
            over = tuple(ask.amounts.budget.id for ask in asks if ask.is_over)
            if over and request.is_strict:
                _refuse(connection, amounts, over, now_ns)
                return Reserved(False, "", {}, 0, over, (*amounts,), scopes)
            granted = _granted(asks)
            made = _set_aside(connection, project, request, amounts, granted, now_ns)
            return Reserved(True, *made, over, (*amounts,), scopes)

    def settle(self, project: str, requests: Sequence[Settle], now_ns: int) -> Settled:
        """Put what calls used in the place of what was set aside for them; each call once.

        A reservation that has expired has nothing to give back, and its calls count all the same.
        """
        with writing(self._engine) as connection:
            return Settling(connection, project, requests, now_ns).run()

    def release(self, project: str, ids: Collection[str], now_ns: int) -> int:
        """Give back what is left of reservations; return how many still held something."""
        held = holds.c.reservation_id.in_(ids)
        ours = sa.select(reservations.c.id).where(
            reservations.c.project == project, reservations.c.id.in_(ids)
        )
        open_ones = sa.select(holds).where(held, holds.c.reservation_id.in_(ours))
        with writing(self._engine) as connection:
            found = sorted({row.budget_id for row in connection.execute(open_ones)})
            by_id = {a.budget.id: a for a in budget_amounts.locked(connection, found, now_ns)}
            rows = connection.execute(open_ones).all()  # again: nobody changes them any more
            for row in rows:
                if row.budget_id in by_id:
                    by_id[row.budget_id].reserved -= row.amount
            budget_amounts.store(connection, by_id.values())
            connection.execute(sa.delete(holds).where(held, holds.c.reservation_id.in_(ours)))
            return len({row.reservation_id for row in rows})

    def state(
        self, project: str, now_ns: int, subject: Subject | None = None, budget_id: str = ""
    ) -> list[tuple[Amounts, Forecasts]]:
        """Return figures of budgets by name: a project's, one, or a subject's active ones."""
        where: sa.ColumnElement[bool] = budgets.c.project == project
        if subject is not None:
            where = of_subject(project, subject.pairs())
        if budget_id:
            where = where & (budgets.c.id == budget_id)
        with reading(self._engine) as connection:
            return budget_amounts.read(connection, where, now_ns)


class _Ask(NamedTuple):
    """What a request asks of one budget, in the unit of its measure."""

    amounts: Amounts
    wanted: Decimal
    is_over: bool


def _needed(found: Sequence[Amounts], request: Reserve) -> dict[Measure, Decimal]:
    """Return what is asked of each measure; of an unknown one, the least that a budget expects."""
    needed: dict[Measure, Decimal] = {}
    measures: set[Measure] = {amounts.budget.terms.measure for amounts in found}
    for measure in measures:
        said = request.needed.get(measure)
        if said is None:
            mine = [a for a in found if a.budget.terms.measure == measure]
            said = min(_expected(a) for a in [a for a in mine if a.largest] or mine)
        needed[measure] = said
    return needed


def _expected(amounts: Amounts) -> Decimal:
    """Return what the next call may take: never nothing, so that nothing fits into a full budget.

    As much as the largest of this window; else one call, or a hundredth of the limit.
    """
    terms = amounts.budget.terms
    step = _STEPS[terms.measure]
    found = amounts.largest
    if not found and terms.measure != "llm_calls":
        limit = terms.soft_limit if terms.hard_limit is None else terms.hard_limit
        found = _share(limit or ZERO, _UNKNOWN_SHARE, step)
    if terms.hard_limit is not None:
        found = min(found, _share(terms.hard_limit, _MOST_SHARE, step))
    return max(found, step)


def _share(amount: Decimal, share: int, step: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    return (amount / share).quantize(step, rounding, _DIGITS)


def _asked(amounts: Amounts, request: Reserve, of_measure: Mapping[Measure, Decimal]) -> _Ask:
    terms = amounts.budget.terms
    needed = of_measure[terms.measure]
    wanted = max(needed, request.wanted.get(terms.measure) or ZERO)
    room = amounts.room
    if room is None:
        return _Ask(amounts, wanted, is_over=False)
    share = _share(room, _SHARE, _STEPS[terms.measure], ROUND_DOWN)
    return _Ask(amounts, max(needed, min(wanted, share)), is_over=needed > room)


def _granted(asks: Sequence[_Ask]) -> dict[Measure, Decimal]:
    """Return what is set aside of each measure: what every budget of it has room for."""
    granted: dict[Measure, Decimal] = {}
    for ask in asks:
        measure = ask.amounts.budget.terms.measure
        granted[measure] = min(granted.get(measure, ask.wanted), ask.wanted)
    return granted


def _refuse(
    connection: sa.Connection, found: Sequence[Amounts], over: Collection[str], now_ns: int
) -> None:
    for amounts in found:
        if amounts.budget.id in over:
            amounts.refused += 1
            budget_amounts.note_breach(connection, amounts, "refused", now_ns, is_over=True)
    budget_amounts.store(connection, found)


def _set_aside(
    connection: sa.Connection,
    project: str,
    request: Reserve,
    found: Sequence[Amounts],
    granted: Mapping[Measure, Decimal],
    now_ns: int,
) -> tuple[str, Mapping[Measure, Decimal], int]:
    """Write a reservation and its holds; return its id, what it holds and until when."""
    reservation = secrets.token_hex(16)
    expires_at_ns = now_ns + min(request.ttl_s, LONGEST_TTL_S) * 10**9
    row = {
        "id": reservation,
        "project": project,
        "request_key": request.key,
        "subject": request.subject.text(),
        "granted": json.dumps({measure: f"{amount:f}" for measure, amount in granted.items()}),
        "created_at_ns": now_ns,
        "expires_at_ns": expires_at_ns,
    }
    connection.execute(sa.insert(reservations).values(row))
    values: list[dict[str, object]] = []
    for amounts in found:
        amount = granted[amounts.budget.terms.measure]
        amounts.reserved += amount
        hold = {"reservation_id": reservation, "budget_id": amounts.budget.id}
        values.append({**hold, "amount": amount, "expires_at_ns": expires_at_ns})
    connection.execute(sa.insert(holds), values)
    budget_amounts.store(connection, found)
    return reservation, granted, expires_at_ns


def _known(connection: sa.Connection, project: str, key: str) -> sa.Row[tuple[object, ...]] | None:
    """Return the reservation that a request made before."""
    statement = sa.select(reservations).where(
        reservations.c.project == project, reservations.c.request_key == key
    )
    return connection.execute(statement).first()


def _decimals(text: str) -> dict[Measure, Decimal]:
    return {measure: Decimal(amount) for measure, amount in json.loads(text).items()}
