"""What clients ask of budgets, and what they are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from spanledger_storage.budget_amounts import Amounts
from spanledger_storage.budgets import Measure

Wanted = Mapping[Measure, Decimal | None]
"""An amount of each measure; None: the client does not know."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose call it is; empty: nobody said. ``tags`` are dimensions, ``team`` among them."""

    agent: str = ""
    session: str = ""
    user: str = ""
    task: str = ""
    model: str = ""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def pairs(self) -> list[tuple[str, str]]:
        """Return scope and selector of every budget that the call counts in."""
        named = {
            "agent": self.agent,
            "session": self.session,
            "user": self.user,
            "task": self.task,
            "model": self.model,
            "team": self.tags.get("team", ""),
        }
        found = [("project", ""), *((scope, value) for scope, value in named.items() if value)]
        return [*found, *(("tag", f"{key}={value}") for key, value in self.tags.items())]

    def text(self) -> str:
        """Return it as JSON."""
        values = {name: getattr(self, name) for name in _NAMES if getattr(self, name)}
        return json.dumps({**values, "tags": dict(self.tags)}, sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Subject:
        """Return what ``text`` wrote."""
        found = cast("dict[str, Any]", json.loads(text))
        return cls(**found)


_NAMES = ("agent", "session", "user", "task", "model")


@dataclass(frozen=True, slots=True)
class Reserve:
    """A request to set something aside.

    Attributes:
        key: the same in a request that is sent again.
        needed: less is refused; for an unknown amount stands the largest call of the window, of at
            most a tenth of the hard limit, else a hundredth of the limit.
        wanted: as much as this is granted where it is at most a tenth of what is left.
        ttl_s: seconds until it expires.
        is_strict: False: it is granted over the limit, too, and told of.
    """

    key: str
    subject: Subject
    needed: Wanted
    wanted: Wanted
    ttl_s: int
    is_strict: bool = True


@dataclass(frozen=True, slots=True)
class Reserved:
    """The answer.

    Attributes:
        reservation: its id; empty: nothing was set aside, because nothing fits or nothing is
            limited.
        granted: by measure that is limited.
        expires_at_ns: UTC nanoseconds; 0 without a reservation.
        over: ids of the budgets that it does not fit in.
        budgets: that count these calls, with what is set aside now.
        scopes: that any active budget of the project asks for, as in ``agent`` and
            ``tag:customer``: calls that are alike in these count alike.
    """

    is_granted: bool
    reservation: str
    granted: Mapping[Measure, Decimal]
    expires_at_ns: int
    over: tuple[str, ...]
    budgets: tuple[Amounts, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settle:
    """What one call used.

    Attributes:
        key: the same in a request that is sent again.
        reservation: what it was set aside in; empty: nothing was, and ``subject`` says whose it is.
        set_aside: the part of the reservation that the call no longer needs; None: all of it.
        used: unknown: as much as was set aside for it.
        at_s: start of the call, unix seconds.
        span_key: trace and span id, 48 hex digits; ``response_id``: the provider's. By either the
            call is found in the ledger.
        was_passed: the client let it pass because nobody answered in time.
    """

    key: str
    reservation: str
    subject: Subject | None
    set_aside: Wanted | None
    used: Wanted
    at_s: int
    span_key: str = ""
    response_id: str = ""
    was_passed: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """How many were counted, had been counted before, or belong to no reservation we know."""

    counted: int
    repeated: int
    unknown: int
