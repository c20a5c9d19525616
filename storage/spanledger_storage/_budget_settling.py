"""One batch of settlements, under the lock of every budget it is about."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import sqlalchemy as sa

from spanledger_storage import budget_amounts
from spanledger_storage.budget_amounts import Amounts, ids_of, of_subject
from spanledger_storage.budget_requests import Settle, Settled, Subject
from spanledger_storage.budget_tables import holds, reservations, settlements
from spanledger_storage.budgets import ZERO

_Hold = tuple[str, str]  # reservation, budget
_LATEST_S = 300  # that a clock of a client may be ahead of ours
_EARLIEST_S = 2 * 86_400


class Settling:
    """Settles a batch; ``run`` once."""

    def __init__(
        self, connection: sa.Connection, project: str, requests: Sequence[Settle], now_ns: int
    ) -> None:
        self._connection = connection
        self._project = project
        self._requests = requests
        self._now_ns = now_ns
        self._rows: list[dict[str, object]] = []
        self._by_id: dict[str, Amounts] = {}
        self._holds: dict[_Hold, Decimal] = {}
        self._changed: set[_Hold] = set()
        self._seen: set[tuple[str, str]] = set()

    def run(self) -> Settled:
        """Return how many were counted, counted before, and unknown."""
        known = self._known()
        subjects = [known.get(one.reservation) or one.subject for one in self._requests]
        budgets_of = {s.text(): self._budgets(s) for s in subjects if s is not None}
        every = sorted({one for ids in budgets_of.values() for one in ids})
        locked = budget_amounts.locked(self._connection, every, self._now_ns)
        self._by_id = {amounts.budget.id: amounts for amounts in locked}
        self._read()
        counted = repeated = unknown = 0
        for request, subject in zip(self._requests, subjects, strict=True):
            if subject is None:
                unknown += 1
            elif self._settle(request, budgets_of[subject.text()]):
                counted += 1
            else:
                repeated += 1
        self._write()
        return Settled(counted, repeated, unknown)

    def _known(self) -> dict[str, Subject]:
        """Return whose the reservations of the batch are."""
        ids = {request.reservation for request in self._requests if request.reservation}
        statement = sa.select(reservations.c.id, reservations.c.subject).where(
            reservations.c.project == self._project, reservations.c.id.in_(ids)
        )
        return {row.id: Subject.parse(row.subject) for row in self._connection.execute(statement)}

    def _budgets(self, subject: Subject) -> list[str]:
        return ids_of(self._connection, of_subject(self._project, subject.pairs()))

    def _read(self) -> None:
        """Read what is held and what was counted before: nobody else changes it now."""
        ids = {request.reservation for request in self._requests if request.reservation}
        held = sa.select(holds).where(holds.c.reservation_id.in_(ids))
        for row in self._connection.execute(held):
            self._holds[row.reservation_id, row.budget_id] = row.amount
        keys = {request.key for request in self._requests}
        counted = sa.select(settlements.c.request_key, settlements.c.budget_id).where(
            settlements.c.project == self._project, settlements.c.request_key.in_(keys)
        )
        self._seen = {(row.request_key, row.budget_id) for row in self._connection.execute(counted)}

    def _settle(self, request: Settle, ids: Sequence[str]) -> bool:
        """Count one call in its budgets; return False when it was counted in all of them before."""
        is_new = not ids
        for budget_id in ids:
            amounts = self._by_id.get(budget_id)
            if amounts is None or (request.key, budget_id) in self._seen:
                continue
            self._seen.add((request.key, budget_id))
            is_new = True
            given_back = self._give_back(request, amounts)
            used = request.used.get(amounts.budget.terms.measure)
            self._count(request, amounts, given_back if used is None else used)
        return is_new

    def _give_back(self, request: Settle, amounts: Amounts) -> Decimal:
        """Take the call's part out of its hold; return what was set aside for it."""
        measure = amounts.budget.terms.measure
        hold = (request.reservation, amounts.budget.id)
        held = self._holds.get(hold, ZERO)
        said = held if request.set_aside is None else request.set_aside.get(measure) or ZERO
        if held:
            part = min(held, said)
            self._holds[hold] = held - part
            self._changed.add(hold)
            amounts.reserved -= part
        return said or amounts.largest

    def _count(self, request: Settle, amounts: Amounts, used: Decimal) -> None:
        now_s = self._now_ns // 10**9
        at_s = min(max(request.at_s, now_s - _EARLIEST_S), now_s + _LATEST_S)
        if at_s >= amounts.window_start_s:
            amounts.settled += used
        if request.used.get("llm_calls") != 0:  # a tool's price says nothing about the next call
            amounts.largest = max(amounts.largest, used)
        amounts.passed += request.was_passed
        self._rows.append(
            {
                "project": self._project,
                "request_key": request.key,
                "budget_id": amounts.budget.id,
                "amount": used,
                "at_s": at_s,
                "arrived_at_ns": self._now_ns,
                "span_key": request.span_key,
                "response_id": request.response_id,
                "is_in_ledger": False,
            }
        )

    def _write(self) -> None:
        connection = self._connection
        if self._rows:
            connection.execute(sa.insert(settlements), self._rows)
        for hold in sorted(self._changed):
            mine = (holds.c.reservation_id == hold[0]) & (holds.c.budget_id == hold[1])
            left = self._holds[hold]
            if left:
                connection.execute(sa.update(holds).where(mine).values(amount=left))
            else:
                connection.execute(sa.delete(holds).where(mine))
        budget_amounts.store(connection, self._by_id.values())
