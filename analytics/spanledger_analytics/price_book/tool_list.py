"""The price list of tools: what one execution costs, exactly.

A price is for calls, for units (an attribute of the span says how many) or for seconds. Among
prices that fit, the closer one wins: the exact name of a tool before a prefix, a longer prefix
before a shorter, a named server before any, a named project before any, the later start before the
earlier. Amounts are rounded half to even to a whole picodollar (10^-12 USD), once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from spanledger_storage.service_price_rows import ToolPriceRow

BASES = ("call", "unit", "second")
PREFIX = "tool:"
"""Before the id of a price in ``ledger.price_id``."""
_PICODOLLARS = 10**12
_NS_PER_S = 10**9
_QUANTITY = re.compile(r"(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,2})?", re.ASCII)
_MAX_QUANTITY = 10**15


class ToolUse(NamedTuple):
    """What the price of an execution depends on.

    ``tools`` are its names, with and without what frameworks put before them; ``quantities`` are
    what its attributes say, as text, by attribute.
    """

    project: str
    servers: frozenset[str]
    tools: frozenset[str]
    time_ns: int
    duration_ns: int
    is_error: bool
    quantities: Mapping[str, str]


class ToolCharge(NamedTuple):
    """What an execution costs; ``picodollars`` None: the quantity is unknown, ``reason`` why."""

    price_id: str
    picodollars: int | None
    reason: str = ""


@dataclass(frozen=True)
class ToolPrices:
    """The price list; ``rows`` holds withdrawn prices, too, because entries may name them."""

    rows: tuple[ToolPriceRow, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything is on the list."""
        return bool(self.rows)

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Attributes that hold quantities."""
        return tuple(sorted({row.unit_attribute for row in self.rows if row.unit_attribute}))

    @cached_property
    def _by_id(self) -> dict[str, ToolPriceRow]:
        return {f"{PREFIX}{row.id}": row for row in self.rows}

    def knows(self, price_id: str) -> bool:
        """Tell whether a price is on the list, withdrawn ones included."""
        return price_id in self._by_id

    def find(self, use: ToolUse, keep: str = "") -> ToolPriceRow | None:
        """Return the price of an execution, None when none is for it.

        ``keep`` is the id of the price it was stored with: that one stays, also when it ended or
        another took its place since, as long as it is for such a call.
        """
        kept = self._by_id.get(keep)
        if kept is not None and _is_for(kept, use):
            return kept
        fitting = [
            row
            for row in self.rows
            if row.withdrawn_at_ns is None and _is_for(row, use) and _holds(row, use.time_ns)
        ]
        return max(fitting, key=_rank, default=None)

    def charge(self, use: ToolUse, keep: str = "") -> ToolCharge | None:
        """Return what an execution costs, None when no price is for it."""
        row = self.find(use, keep)
        return None if row is None else charge(row, use)


def charge(row: ToolPriceRow, use: ToolUse) -> ToolCharge:
    """Return what an execution costs at a price."""
    price_id = f"{PREFIX}{row.id}"
    if use.is_error and not row.bills_errors:
        return ToolCharge(price_id, 0)
    if row.basis == "call":
        amount = Fraction(1)
    elif row.basis == "second":
        amount = Fraction(use.duration_ns, _NS_PER_S)
    else:
        told = quantity(use.quantities.get(row.unit_attribute, ""))
        if told is None:
            return ToolCharge(price_id, None, "missing_quantity")
        amount = told
    return ToolCharge(price_id, round(Fraction(row.price_usd) * _PICODOLLARS * amount / row.per))


def quantity(text: str) -> Fraction | None:
    """Return a count or measure as it was told, None when it is none."""
    if not _QUANTITY.fullmatch(text.strip()):
        return None
    found = Fraction(text.strip())
    return found if found <= _MAX_QUANTITY else None


def _is_for(row: ToolPriceRow, use: ToolUse) -> bool:
    return (
        row.project in ("", use.project)
        and (not row.server or row.server.lower() in use.servers)
        and _names(row.tool, use.tools)
    )


def _holds(row: ToolPriceRow, time_ns: int) -> bool:
    end = row.effective_to_ns
    return row.effective_from_ns <= time_ns and (end is None or time_ns < end)


def _names(pattern: str, tools: Iterable[str]) -> bool:
    name = pattern.lower()
    if name.endswith("*"):
        return any(tool.startswith(name[:-1]) for tool in tools)
    return name in tools


def _rank(row: ToolPriceRow) -> tuple[bool, int, bool, bool, int, int]:
    is_exact = not row.tool.endswith("*")
    return (
        is_exact,
        len(row.tool),
        bool(row.server),
        bool(row.project),
        row.effective_from_ns,
        row.id,
    )
