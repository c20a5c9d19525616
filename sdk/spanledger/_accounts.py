"""What a budget has spent and set aside, and what it tells of itself and of limits it meets."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from time import monotonic
from typing import Literal, NamedTuple, Protocol

from opentelemetry import trace

from spanledger._errors import LimitReached, told
from spanledger._prices import PICODOLLARS

Amount = Literal["usd", "llm_calls", "tokens", "seconds"]
_MOST_ACCOUNTS = 10_000
_USD_STEP = Decimal("1e-12")
HINTS: dict[Amount, tuple[str, ...]] = {
    "usd": ("cheaper_model", "fewer_steps", "ask_human"),
    "tokens": ("shorter_context", "fewer_steps", "ask_human"),
    "llm_calls": ("fewer_steps", "ask_human"),
    "seconds": ("fewer_steps", "ask_human"),
}


class Charge(NamedTuple):
    """Money in picodollars, calls and tokens of one call."""

    usd_pd: int = 0
    llm_calls: int = 0
    tokens: int = 0

    def plus(self, other: Charge, times: int = 1) -> Charge:
        """Return the sum with another charge; ``times=-1``: the difference."""
        return Charge(
            self.usd_pd + times * other.usd_pd,
            self.llm_calls + times * other.llm_calls,
            self.tokens + times * other.tokens,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard limits; ``None``: none. The soft limit is a share of each."""

    usd_pd: int | None
    llm_calls: int | None
    tokens: int | None
    seconds: float | None
    soft_ratio: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reservation found: which amounts are over which limit, and whether it holds."""

    hard: tuple[Amount, ...]
    soft: tuple[Amount, ...]


_FITS = Verdict((), ())


class Account(Protocol):
    """Where the charges of one key are kept."""

    def reserve(self, charge: Charge, limits: Limits, *, is_strict: bool) -> Verdict:
        """Set a charge aside; with ``is_strict`` not if it would go over a hard limit."""
        ...

    def settle(self, reserved: Charge, actual: Charge) -> None:
        """Put what was used in the place of what was set aside."""
        ...

    def used(self) -> tuple[Charge, Charge, float]:
        """Return what is settled, what is set aside, and the seconds since the first call."""
        ...


class Accounts(Protocol):
    """Where accounts come from: this process, or a server that several processes share."""

    def account(self, key: str) -> Account:
        """Return the account of a key, a new one for a new key."""
        ...


class LocalAccount:
    """An account in this process; safe to use from threads."""

    __slots__ = ("_clock_s", "_lock", "_reserved", "_settled", "_since_s", "_told")

    def __init__(self, clock_s: Callable[[], float] = monotonic) -> None:
        self._clock_s = clock_s
        self._since_s = clock_s()
        # Entered again where a dropped stream is collected, which settles, while this is held.
        self._lock = threading.RLock()
        self._settled = Charge()
        self._reserved = Charge()
        self._told: set[Amount] = set()

    def reserve(self, charge: Charge, limits: Limits, *, is_strict: bool) -> Verdict:
        """Set a charge aside, in one step with the question whether it fits."""
        with self._lock:
            settled, reserved = self._settled, self._reserved.plus(charge)
            after: list[tuple[Amount, float, float | None]] = [
                ("usd", settled.usd_pd + reserved.usd_pd, limits.usd_pd),
                ("llm_calls", settled.llm_calls + reserved.llm_calls, limits.llm_calls),
                ("tokens", settled.tokens + reserved.tokens, limits.tokens),
                ("seconds", self._clock_s() - self._since_s, limits.seconds),
            ]
            verdict = self._judged(after, limits.soft_ratio)
            if not (verdict.hard and is_strict):
                self._reserved = reserved
        return verdict

    def _judged(
        self, after: list[tuple[Amount, float, float | None]], soft_ratio: float
    ) -> Verdict:
        hard: list[Amount] = []
        soft: list[Amount] = []
        for name, amount, limit in after:
            if limit is None:
                continue
            if amount > limit:
                hard.append(name)
            elif amount >= limit * soft_ratio and name not in self._told:
                self._told.add(name)
                soft.append(name)
        return Verdict(tuple(hard), tuple(soft)) if hard or soft else _FITS

    def settle(self, reserved: Charge, actual: Charge) -> None:
        """Put what was used in the place of what was set aside."""
        with self._lock:
            self._reserved = self._reserved.plus(reserved, -1)
            self._settled = self._settled.plus(actual)

    def used(self) -> tuple[Charge, Charge, float]:
        """Return what is settled, what is set aside, and the seconds since the first call."""
        with self._lock:
            return self._settled, self._reserved, self._clock_s() - self._since_s


class LocalAccounts:
    """Accounts of this process; of too many keys the one not used longest is forgotten."""

    def __init__(self, clock_s: Callable[[], float] = monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._accounts: OrderedDict[str, LocalAccount] = OrderedDict()

    def account(self, key: str) -> LocalAccount:
        """Return the account of a key, a new one for a new key."""
        with self._lock:
            found = self._accounts.get(key)
            if found is None:
                found = self._accounts[key] = LocalAccount(self._clock_s)
                if len(self._accounts) > _MOST_ACCOUNTS:
                    self._accounts.popitem(last=False)
            else:
                self._accounts.move_to_end(key)
            return found


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
