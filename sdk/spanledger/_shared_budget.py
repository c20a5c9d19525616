"""Shared budgets: calls of this process held to the budgets that the server keeps for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, get_current_span

from spanledger._accounts import HINTS, Amount, BudgetEvent, BudgetUse, tell
from spanledger._budget_desk import Desk
from spanledger._budget_server import Limit, Need, Taken, subject_of
from spanledger._errors import BudgetExceeded
from spanledger._guards import Guard, ModelCall, ToolCall
from spanledger._leases import Line
from spanledger._prices import PICODOLLARS, rate_of
from spanledger._usage import Usage

_NOTHING = Need(0, 0, 0)
_MOST_TOOLS = 1_000


@dataclass(slots=True)
class _Ticket:
    line: Line
    taken: Taken


class SharedGuard(Guard):
    """Asks the server's budgets before each call, and tells them after it.

    Args:
        desk: what keeps this process's leases.
        is_strict: whether a call that does not fit is stopped.
        on_limit: hears of every limit that is met.
    """

    def __init__(
        self, desk: Desk, *, is_strict: bool, on_limit: Callable[[BudgetEvent], object] | None
    ) -> None:
        super().__init__()
        self._desk = desk
        self._is_strict = is_strict
        self._on_limit = on_limit
        self._told: set[str] = set()
        self._tools: dict[int, dict[str, object]] = {}

    async def prepare(self, base: Context) -> None:
        """Wait, without blocking the event loop, for a first lease."""
        line = self._desk.line(subject_of(base, ""), is_strict=self._is_strict)
        await line.prepare(Need(None, None, 1))

    async def ready(self, call: ModelCall, base: Context) -> None:
        """Take what a call may use, without blocking the event loop."""
        line = self._desk.line(subject_of(base, call.model), is_strict=self._is_strict)
        taken = await line.take_when_told(_need(call))
        call.asked = {**(call.asked or {}), id(self): _Ticket(line, taken)}

    def give_up(self, call: ModelCall) -> None:
        """Give back what was taken for a call that is not made."""
        ticket = (call.asked or {}).pop(id(self), None)
        if isinstance(ticket, _Ticket):
            self._unused(ticket.line, ticket.taken)

    def before_model(self, call: ModelCall, base: Context) -> object:
        """Take what a call may use.

        Raises:
            BudgetExceeded: it does not fit, and the guard was told to raise.
        """
        asked = (call.asked or {}).pop(id(self), None)
        if isinstance(asked, _Ticket):
            return self._admitted(asked)
        line = self._desk.line(subject_of(base, call.model), is_strict=self._is_strict)
        return self._admitted(_Ticket(line, line.take(_need(call))))

    def after_model(
        self, ticket: object, call: ModelCall, usage: Usage | None, *, is_sent: bool
    ) -> None:
        """Tell the server what a call used."""
        if not isinstance(ticket, _Ticket):
            return
        used = _used(call, usage) if is_sent else _NOTHING
        self._desk.settle(ticket.line, ticket.taken, used, call.span if is_sent else None)

    def made(self, call: ModelCall, base: Context, usage: Usage | None) -> None:
        """Tell the server what a call used for which nothing was set aside."""
        line = self._desk.line(subject_of(base, call.model), is_strict=self._is_strict)
        self._desk.settle(line, Taken(), _used(call, usage), call.span)

    def before_tool(self, call: ToolCall) -> None:
        """Count the price of a call.

        Raises:
            BudgetExceeded: it does not fit, and the guard was told to raise.
        """
        if call.is_admitted or not call.usd:
            return
        line = self._desk.line(subject_of(get_current(), ""), is_strict=self._is_strict)
        need = Need(int(call.usd * PICODOLLARS), 0, 0)
        ticket = self._admitted(_Ticket(line, line.take(need)))
        span = call.span or get_current_span()
        told = self._desk.settle(line, ticket.taken, need, span)
        if told is not None:
            if len(self._tools) >= _MOST_TOOLS:
                self._tools.clear()
            self._tools[span.get_span_context().span_id] = told

    def spent(self, usd: Decimal, span: Span | None = None) -> None:
        """Tell what a tool cost beyond what was counted; it is spent, so nothing is stopped.

        Below zero it takes back what the server was not told yet; the ledger says the rest.
        """
        own = span or get_current_span()
        if usd < 0:
            self._desk.undo(self._tools.pop(own.get_span_context().span_id, None))
            return
        line = self._desk.line(subject_of(get_current(), ""), is_strict=self._is_strict)
        self._desk.settle(line, Taken(), Need(int(usd * PICODOLLARS), 0, 0), own)

    def _unused(self, line: Line, taken: Taken) -> None:
        self._desk.settle(line, taken, _NOTHING, None)

    def _admitted(self, ticket: _Ticket) -> _Ticket:
        taken = ticket.taken
        self._desk.note(taken)
        try:
            for limit in taken.soft:
                self._tell(limit, "soft")
            for limit in taken.over:
                event = self._tell(limit, "hard")
                if self._is_strict:
                    raise BudgetExceeded(event)
        except BaseException:
            self._unused(ticket.line, taken)
            raise
        return ticket

    def _tell(self, limit: Limit, level: str) -> BudgetEvent:
        amount = cast("Amount", limit.measure)
        is_soft = level == "soft"
        spent = limit.spent
        event = BudgetEvent(
            budget=limit.name,
            key=limit.selector,
            amount=amount,
            level="soft" if is_soft else "hard",
            limit=limit.limit,
            use=BudgetUse(
                usd=spent if amount == "usd" else Decimal(0),
                reserved_usd=Decimal(0),
                llm_calls=int(spent) if amount == "llm_calls" else 0,
                tokens=int(spent) if amount == "tokens" else 0,
                seconds=0.0,
            ),
            hints=HINTS[amount],
        )
        if is_soft:
            if limit.id in self._told:
                return event
            self._told.add(limit.id)
        tell(event, self._on_limit)
        return event


def _need(call: ModelCall) -> Need:
    """Return what a call may use by its own limits; unknown: as the largest so far."""
    if call.max_output_tokens is None or call.input_tokens is None:
        return Need(None, None, 1)
    return _used(call, Usage(max(0, call.input_tokens), max(0, call.max_output_tokens)))


def _used(call: ModelCall, usage: Usage | None) -> Need:
    """Return what a usage comes to; never below zero, which the server would not take."""
    if usage is None:
        return Need(None, None, 1)
    rate = rate_of(call)
    tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    usd_pd = None if rate is None else max(0, rate.cost_pd(usage))
    return Need(usd_pd, max(0, tokens), 1)
