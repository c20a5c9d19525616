"""What a budget tells of itself, and of the limits it meets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from opentelemetry import trace

from spanledger._accounts import Account, Amount
from spanledger._errors import LimitReached
from spanledger._failures import told
from spanledger._prices import PICODOLLARS

_USD_STEP = Decimal("1e-12")
HINTS: dict[Amount, tuple[str, ...]] = {
    "usd": ("cheaper_model", "fewer_steps", "ask_human"),
    "tokens": ("shorter_context", "fewer_steps", "ask_human"),
    "llm_calls": ("fewer_steps", "ask_human"),
    "seconds": ("fewer_steps", "ask_human"),
}


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What a budget has seen so far.

    Attributes:
        usd: of settled calls, at list prices.
        reserved_usd: set aside for calls that run.
        llm_calls: settled and running.
        tokens: input and output of settled calls.
        seconds: since the budget began.
    """

    usd: Decimal
    reserved_usd: Decimal
    llm_calls: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """A budget is at a limit.

    Attributes:
        budget: its name.
        key: whose: id of the session, user or task, or name of the agent; empty for ``run``.
        amount: which of the limits.
        level: ``soft``, once; ``hard`` for each call that would go over.
        limit: the hard limit, in the amount's own unit.
        use: what was used before the call; with the amount where ``Work.cost`` told of it. Of a
            shared budget, only what it limits is told; the rest is 0.
        hints: what an agent could do: ``cheaper_model``, ``fewer_steps``, ``shorter_context``,
            ``ask_human``.
    """

    budget: str
    key: str
    amount: Amount
    level: Literal["soft", "hard"]
    limit: Decimal | float
    use: BudgetUse
    hints: tuple[str, ...]

    def __str__(self) -> str:
        whose = f" of {self.key}" if self.key else ""
        return f"budget {self.budget}{whose}: {self.level} limit of {self.limit} {self.amount}"


def tell(event: BudgetEvent, on_limit: Callable[[BudgetEvent], object] | None) -> None:
    """Record an event on the current span, and let the callback hear of it.

    Raises:
        LimitReached: the callback decided to stop the program.
    """
    trace.get_current_span().add_event(
        "spanledger.budget",
        {
            "spanledger.budget.name": event.budget,
            "spanledger.budget.amount": event.amount,
            "spanledger.budget.level": event.level,
            "spanledger.budget.limit": str(event.limit),
        },
    )
    if on_limit is None:
        return
    try:
        on_limit(event)
    except LimitReached:
        raise
    except Exception as error:
        told(f"callback of the budget {event.budget}", error)


def usd_of(picodollars: int) -> Decimal:
    """Return US dollars, with twelve decimals."""
    return (Decimal(picodollars) / PICODOLLARS).quantize(_USD_STEP)


def use_of(account: Account) -> BudgetUse:
    """Return what an account has seen."""
    settled, reserved, seconds = account.used()
    return BudgetUse(
        usd_of(settled.usd_pd),
        usd_of(reserved.usd_pd),
        settled.llm_calls + reserved.llm_calls,
        settled.tokens,
        seconds,
    )
