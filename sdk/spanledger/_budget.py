"""Budgets: limits on money, calls, tokens and time that hold while calls run side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal, get_args

from opentelemetry import baggage, context
from opentelemetry.context import Context
from opentelemetry.trace import Span

from spanledger._accounts import (
    HINTS,
    Account,
    Accounts,
    Amount,
    BudgetEvent,
    BudgetUse,
    Charge,
    Limits,
    LocalAccounts,
    tell,
    usd_of,
    use_of,
)
from spanledger._attributes import TASK_ID
from spanledger._context import SESSION_ID, USER_ID, agent_of
from spanledger._errors import BudgetExceeded, LimitReached, told
from spanledger._guards import Guard, GuardBlock, ModelCall, ToolCall, check_choice, with_guard
from spanledger._prices import PICODOLLARS, rate_of
from spanledger._usage import Usage

if TYPE_CHECKING:
    from spanledger._shared_budget import SharedGuard

Scope = Literal["run", "agent", "session", "user", "task"]
Mode = Literal["observe", "raise"]
_SCOPE_KEYS = {"session": SESSION_ID, "user": USER_ID, "task": TASK_ID}
_UNKNOWN_SHARE = 10  # of a limit, set aside for a call of which nothing is known: a tenth


__all__ = ["Budget", "BudgetEvent", "BudgetUse", "Mode", "RunningBudget", "Scope", "budget"]


class Budget(GuardBlock["RunningBudget"]):
    """A limit on what happens inside its ``with`` block; see ``budget``.

    One object may be entered many times, also at once. Entered with the scope ``run`` each block
    has an account of its own; with another scope, blocks share the account of the same session,
    user, task or agent.
    """

    def __init__(
        self,
        name: str,
        scope: Scope,
        limits: Limits,
        mode: Mode,
        on_limit: Callable[[BudgetEvent], object] | None,
        accounts: Accounts,
        *,
        is_shared: bool = False,
    ) -> None:
        self.name = name
        self.scope: Scope = scope
        self.limits = limits
        self.mode: Mode = mode
        self.on_limit = on_limit
        self.accounts = accounts
        self.is_shared = is_shared
        self._runs = itertools.count(1)

    def __enter__(self) -> RunningBudget:
        return self._entered()[0]

    def _entered(self) -> tuple[RunningBudget, SharedGuard | None]:
        base = context.get_current()
        running = RunningBudget(self, f"run {next(self._runs)}" if self.scope == "run" else "")
        guarded = with_guard(running, base)
        shared = self._shared_guard() if self.is_shared else None
        if shared is not None:
            guarded = with_guard(shared, guarded)
        running.token = context.attach(guarded)
        return running, shared

    async def __aenter__(self) -> RunningBudget:
        running, shared = self._entered()
        if shared is not None:
            try:
                await shared.prepare(context.get_current())
            except Exception as error:
                told("asking for a budget", error)
        return running

    def _shared_guard(self) -> SharedGuard:
        # Loaded here: it brings an HTTP client, which is not for those who share nothing.
        from spanledger._budget_desk import desk
        from spanledger._shared_budget import SharedGuard

        return SharedGuard(desk(), is_strict=self.mode == "raise", on_limit=self.on_limit)


@dataclass(slots=True)
class _Ticket:
    account: Account
    reserved: Charge


class RunningBudget(Guard):
    """A budget in its block: sees every call inside, of whatever instrumentation."""

    __slots__ = ("_largest", "_of_run", "budget")

    def __init__(self, budget: Budget, run: str) -> None:
        super().__init__(budget)
        self.budget = budget
        self._of_run = budget.accounts.account(run) if run else None
        self._largest = Charge()

    def use(self) -> BudgetUse:
        """Return what the budget has seen; of the current session, user, task or agent."""
        _, account = self._account(context.get_current())
        return use_of(account)

    def before_model(self, call: ModelCall, base: Context) -> object:
        """Set aside what a call may cost.

        Raises:
            BudgetExceeded: it does not fit, and the budget was told to raise.
        """
        key, account = self._account(base)
        return self._admit(key, account, self._estimate(call))

    def after_model(
        self, ticket: object, call: ModelCall, usage: Usage | None, *, is_sent: bool
    ) -> None:
        """Put what a call used in the place of what was set aside for it."""
        if not isinstance(ticket, _Ticket):
            return
        actual = Charge()
        if is_sent:
            actual = ticket.reserved if usage is None else self._actual(call, usage)
            largest = self._largest
            if actual.usd_pd > largest.usd_pd or actual.tokens > largest.tokens:
                usd_pd = max(largest.usd_pd, actual.usd_pd)
                self._largest = Charge(usd_pd, 1, max(largest.tokens, actual.tokens))
        ticket.account.settle(ticket.reserved, actual)

    def made(self, call: ModelCall, base: Context, usage: Usage | None) -> None:
        """Count what a call used for which nothing was set aside."""
        self._account(base)[1].settle(Charge(), self._actual(call, usage or Usage()))

    def before_tool(self, call: ToolCall) -> None:
        """Count the price of a call, and see whether there is anything left.

        Raises:
            BudgetExceeded: it does not fit, and the budget was told to raise.
        """
        if call.is_admitted:
            return
        key, account = self._account(context.get_current())
        if not call.usd:
            self._admit(key, account, Charge())
            return
        charge = Charge(usd_pd=int(call.usd * PICODOLLARS))
        self._admit(key, account, charge)
        account.settle(charge, charge)  # a call has its price whatever it answers

    def spent(self, usd: Decimal, span: Span | None = None) -> None:
        """Count what a tool cost, and tell of limits on money it met.

        It is spent, so that nothing is stopped here; the next call is.
        """
        key, account = self._account(context.get_current())
        charge, limits = Charge(usd_pd=int(usd * PICODOLLARS)), self.budget.limits
        if usd < 0:
            account.settle(Charge(), charge)
            return
        money = Limits(limits.usd_pd, None, None, None, limits.soft_ratio)
        verdict = account.reserve(charge, money, is_strict=False)
        account.settle(charge, charge)
        for amount in verdict.soft:
            self._tell(key, account, amount, "soft")
        for amount in verdict.hard:
            self._tell(key, account, amount, "hard")

    def _admit(self, key: str, account: Account, charge: Charge) -> _Ticket:
        budget = self.budget
        is_strict = budget.mode == "raise"
        verdict = account.reserve(charge, budget.limits, is_strict=is_strict)
        is_reserved = not (verdict.hard and is_strict)
        try:
            for amount in verdict.soft:
                self._tell(key, account, amount, "soft")
            for amount in verdict.hard:
                event = self._tell(key, account, amount, "hard")
                if is_strict:
                    raise BudgetExceeded(event)
        except LimitReached:
            if is_reserved:
                account.settle(charge, Charge())
            raise
        return _Ticket(account, charge)

    def _account(self, base: Context) -> tuple[str, Account]:
        if self._of_run is not None:
            return "", self._of_run
        key = _key_of(self.budget.scope, base)
        return key, self.budget.accounts.account(key)

    def _estimate(self, call: ModelCall) -> Charge:
        """Return what a call may use: by its own limits, else by the largest call so far."""
        limits, largest = self.budget.limits, self._largest
        tokens = largest.tokens or (limits.tokens or 0) // _UNKNOWN_SHARE
        usd_pd = largest.usd_pd or (limits.usd_pd or 0) // _UNKNOWN_SHARE
        if call.max_output_tokens is not None and call.input_tokens is not None:
            usage = Usage(call.input_tokens, call.max_output_tokens)
            tokens = call.input_tokens + call.max_output_tokens
            rate = rate_of(call) if limits.usd_pd is not None else None
            usd_pd = usd_pd if rate is None else rate.cost_pd(usage)
        return Charge(
            0 if limits.usd_pd is None else usd_pd,
            1,
            0 if limits.tokens is None else tokens,
        )

    def _actual(self, call: ModelCall, usage: Usage) -> Charge:
        is_priced = self.budget.limits.usd_pd is not None or self.budget.is_shared
        rate = rate_of(call) if is_priced else None
        tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        return Charge(0 if rate is None else rate.cost_pd(usage), 1, tokens)

    def _tell(
        self, key: str, account: Account, amount: Amount, level: Literal["soft", "hard"]
    ) -> BudgetEvent:
        budget = self.budget
        limit = _limit(budget.limits, amount)
        event = BudgetEvent(budget.name, key, amount, level, limit, use_of(account), HINTS[amount])
        tell(event, budget.on_limit)
        return event


def _key_of(scope: Scope, base: Context) -> str:
    if scope == "agent":
        return agent_of(base)
    return str(baggage.get_baggage(_SCOPE_KEYS[scope], base) or "")


def _limit(limits: Limits, amount: Amount) -> Decimal | float:
    if amount == "usd":
        return usd_of(limits.usd_pd or 0)
    found: float | None = getattr(limits, amount)
    return 0 if found is None else found


def budget(
    *,
    usd: Decimal | float | str | None = None,
    llm_calls: int | None = None,
    tokens: int | None = None,
    seconds: float | None = None,
    scope: Scope = "run",
    soft: float = 0.8,
    mode: Mode = "observe",
    on_limit: Callable[[BudgetEvent], object] | None = None,
    name: str = "budget",
    accounts: Accounts | None = None,
    shared: bool = False,
) -> Budget:
    """Return a budget for the calls inside its block.

    ::

        with spanledger.budget(usd="2.00", llm_calls=50, mode="raise"):
            agent.run(...)

    Each call of a model sets aside what it may cost before it is sent, and settles afterwards
    with what it did cost. What is set aside is the price of the call's own limits
    (``llm_call(input_tokens=…, max_output_tokens=…)``), else of the largest call so far, else a
    tenth of the limit; only what a call costs beyond that can go over.

    Args:
        usd: hard limit in US dollars, at list prices; needs the extra ``prices``.
        llm_calls: hard limit on calls of models.
        tokens: hard limit on input and output tokens together.
        seconds: hard limit on the time since the first call.
        scope: whose budget: of one ``run`` of the block, or of the current ``agent``,
            ``session``, ``user`` or ``task`` in this process.
        soft: share of each limit at which ``on_limit`` hears of it first.
        mode: ``observe`` tells; ``raise`` stops a call that does not fit.
        on_limit: hears of every limit that is met.
        name: told in events.
        accounts: where amounts are kept; default: in this process.
        shared: hold the calls also to the budgets that the server keeps for all processes; then
            no limit is needed here. Fails open: who gets no answer in time passes.

    Raises:
        ValueError: a limit is negative or no number, nothing is limited, or ``scope`` or ``mode``
            is not one of its words.
    """
    check_choice("scope", scope, get_args(Scope))
    check_choice("mode", mode, get_args(Mode))
    usd_pd = _picodollars(usd)
    given = {"llm_calls": llm_calls, "tokens": tokens, "seconds": seconds}
    for measure, limit in given.items():
        _check_limit(measure, limit)
    _check_limit("soft", soft)
    is_limited = usd_pd is not None or any(limit is not None for limit in given.values())
    if not (is_limited or shared) or not 0 < soft <= 1:
        raise ValueError("a budget needs a limit of 0 or more, and a soft share above 0, up to 1")
    limits = Limits(usd_pd, llm_calls, tokens, seconds, soft)
    return Budget(
        name, scope, limits, mode, on_limit, accounts or LocalAccounts(), is_shared=shared
    )


def _check_limit(name: str, given: float | None) -> None:
    """Check that a limit is a number of 0 or more, or not given.

    Raises:
        ValueError: it is not.
    """
    try:
        is_number = given is None or (math.isfinite(given) and given >= 0)
    except TypeError:  # no number at all
        is_number = False
    if not is_number:
        raise ValueError(f"{name} must be a number of 0 or more, not {given!r}")


def _picodollars(usd: Decimal | float | str | None) -> int | None:
    """Return a limit in US dollars as picodollars; ``None``: it is not given.

    Raises:
        ValueError: it is no amount of dollars.
    """
    if usd is None:
        return None
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"usd must be a limit of 0 or more, such as '2.50', not {usd!r}")
    return int(amount * PICODOLLARS)
