"""What a lease is about: what a call needs, what was set aside for it, what it does not fit in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from time import time
from typing import Any, NamedTuple

from spanledger._prices import PICODOLLARS


class Need(NamedTuple):
    """What a call may use: picodollars, tokens, calls; None: not known."""

    usd: int | None
    tokens: int | None
    llm_calls: int


@dataclass(slots=True)
class Lease:
    """One reservation: what is left of it by measure that is limited, and the calls it covers."""

    id: str
    granted: Mapping[str, int]
    left: dict[str, int]
    use_until_s: float
    began_s: float
    in_flight: int = 0
    is_retired: bool = False
    used_at_s: float = 0.0

    @property
    def is_low(self) -> bool:
        """Whether more than half of it is used up."""
        return any(2 * left < self.granted[measure] for measure, left in self.left.items())


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget of the server that a call does not fit in, or whose soft limit it is over."""

    id: str
    name: str
    selector: str
    measure: str
    level: str
    limit: Decimal
    spent: Decimal


@dataclass(slots=True)
class Taken:
    """What a call may do.

    Attributes:
        lease: what it was taken from; None: nothing is limited, or nobody answered.
        parts: by measure, what was taken.
        over: budgets it does not fit in; ``soft``: those with a soft limit that is reached.
        was_passed: nobody answered in time.
        is_free: nothing is limited.
    """

    lease: Lease | None = None
    parts: dict[str, int] = field(default_factory=dict[str, int])
    over: tuple[Limit, ...] = ()
    soft: tuple[Limit, ...] = ()
    was_passed: bool = False
    is_free: bool = False
    started_at_s: float = field(default_factory=time)


def text_of(measure: str, amount: int) -> str:
    """Return an amount as the server reads it: dollars, or a whole number."""
    return f"{Decimal(amount) / PICODOLLARS:f}" if measure == "usd" else str(amount)


def amount_of(measure: str, text: str) -> int:
    """Return an amount of the server: picodollars, or a whole number."""
    return int(Decimal(text) * PICODOLLARS) if measure == "usd" else int(Decimal(text))


def limit_of(found: Mapping[str, Any]) -> Limit:
    """Return a budget as the server's answer tells of it."""
    limit = found["hard_limit"] if found["hard_limit"] is not None else found["soft_limit"]
    return Limit(
        id=str(found["id"]),
        name=str(found["name"]),
        selector=str(found["selector"]),
        measure=str(found["measure"]),
        level=str(found["level"]),
        limit=Decimal(limit),
        spent=Decimal(found["spent"]),
    )


def is_as_large(need: Need, refused: Need) -> bool:
    """Return whether a call is known to need no less than one that was refused."""
    return all(
        theirs is None if mine is None else theirs is not None and mine >= theirs
        for mine, theirs in zip(need, refused, strict=True)
    )
