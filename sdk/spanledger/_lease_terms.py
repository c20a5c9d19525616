"""What a lease is about: whose a call is, what it needs, what was set aside, what it exceeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from time import time
from typing import Any, NamedTuple

from opentelemetry import baggage
from opentelemetry.context import Context

from spanledger._attributes import DIMENSION_PREFIX, TASK_ID
from spanledger._context import SESSION_ID, USER_ID, agent_of
from spanledger._prices import PICODOLLARS

_LONGEST_NAME = 512  # characters that the server takes
_MOST_TAGS = 64  # that the server takes


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


def subject_of(base: Context, model: str) -> dict[str, object]:
    """Return whose a call is, as the server takes it; names that it does not are left out."""
    carried: Mapping[str, object] = baggage.get_all(base)
    named = {
        "agent": agent_of(base),
        "session": str(carried.get(SESSION_ID, "")),
        "user": str(carried.get(USER_ID, "")),
        "task": str(carried.get(TASK_ID, "")),
        "model": str(model),
    }
    tags = {
        key[len(DIMENSION_PREFIX) :]: str(value)
        for key, value in carried.items()
        if key.startswith(DIMENSION_PREFIX)
    }
    return {
        **{key: value if _is_name(value) else "" for key, value in named.items()},
        "tags": {key: value for key, value in tags.items() if _is_name(key) and _is_name(value)},
    }


def _is_name(text: str) -> bool:
    if len(text) > _LONGEST_NAME or "\0" in text:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:  # half a character, as of a name of a file
        return False


def reduced(subject: Mapping[str, object], scopes: frozenset[str] | None) -> dict[str, object]:
    """Return the part of a subject that any budget asks for; all of it before the first answer."""
    given = subject["tags"]
    known: Mapping[str, str] = given if isinstance(given, dict) else {}
    found = {key: value for key, value in subject.items() if key != "tags" and value}
    tags = known.items()
    if scopes is not None:
        found = {key: value for key, value in found.items() if key in scopes}
        tags = {key: value for key, value in tags if f"tag:{key}" in scopes}.items()
    return {**found, "tags": dict(islice(tags, _MOST_TAGS))}
