"""Prices of tools and of infrastructure: checked, and changed with a trace.

As with own rates, a change never touches what was: a price that a later one follows is closed, one
that was wrong is withdrawn, and both can still be shown by their id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from spanledger_analytics.errors import PriceError
from spanledger_analytics.price_book.input import Period, checked_name, parse_amount, time_text
from spanledger_analytics.price_book.store import Outcome, end_row
from spanledger_analytics.price_book.tool_list import BASES
from spanledger_storage.price_state import PriceChange
from spanledger_storage.service_price_rows import InfraPriceRow, ToolPriceRow

_MAX_PER = 10**15
_PriceT = TypeVar("_PriceT", ToolPriceRow, InfraPriceRow)


@dataclass(frozen=True, slots=True)
class ServicePriceChanged:
    """What became of a price; ``before`` is what it follows or replaces."""

    outcome: Outcome
    before: ToolPriceRow | InfraPriceRow | None
    after: ToolPriceRow | InfraPriceRow


def set_tool_price(change: PriceChange, row: ToolPriceRow) -> ServicePriceChanged:
    """Store a price of a tool; it follows or replaces the one of the same tool, server, project.

    Raises:
        PriceError: the price cannot be, or overlaps one of the same tool in another way.
    """
    new = checked_tool_price(row)
    same = [
        old
        for old in change.rows(ToolPriceRow)
        if (old.project, old.server.lower(), old.tool.lower())
        == (new.project, new.server.lower(), new.tool.lower())
    ]
    return _set(change, same, new, "tool-prices")


def set_infra_price(change: PriceChange, row: InfraPriceRow) -> ServicePriceChanged:
    """Store what a service costs per hour; it follows or replaces the one of the same service.

    Raises:
        PriceError: the price cannot be, or overlaps one of the same service in another way.
    """
    new = checked_infra_price(row)
    same = [
        old
        for old in change.rows(InfraPriceRow)
        if (old.project, old.service_name) == (new.project, new.service_name)
    ]
    return _set(change, same, new, "infra-prices")


def end_tool_price(change: PriceChange, price_id: int, at_ns: int | None) -> ToolPriceRow:
    """Let a price hold until ``at_ns``, or withdraw it altogether (None); return what it was.

    Raises:
        PriceError: there is no such price, or it already ended by then.
    """
    rows = change.rows(ToolPriceRow, withdrawn=True)
    return end_row(change, rows, price_id, at_ns, "tool-prices list")


def end_infra_price(change: PriceChange, price_id: int, at_ns: int | None) -> InfraPriceRow:
    """Let a price hold until ``at_ns``, or withdraw it altogether (None); return what it was.

    Raises:
        PriceError: there is no such price, or it already ended by then.
    """
    rows = change.rows(InfraPriceRow, withdrawn=True)
    return end_row(change, rows, price_id, at_ns, "infra-prices list")


def checked_tool_price(row: ToolPriceRow) -> ToolPriceRow:
    """Return the price with its names tidied.

    Raises:
        PriceError: a part of it cannot be; the message names the part.
    """
    if row.basis not in BASES:
        raise PriceError(f"A price is per {', '.join(BASES)}, not per {row.basis!r}.")
    if (row.basis == "unit") != bool(row.unit_attribute.strip()):
        raise PriceError("A price per unit needs the attribute that holds the quantity; no other.")
    if not 1 <= row.per <= _MAX_PER or (row.basis == "call" and row.per != 1):
        raise PriceError("The price must be for 1 call, or for 1 to 10^15 units or seconds.")
    tool, server = checked_name(row.tool, "tool"), checked_name(row.server, "server")
    if "*" in tool[:-1]:
        raise PriceError(f"A * can stand only at the end of the tool's name, not as in {tool!r}.")
    if not tool:
        raise PriceError("Name the tool, a prefix with *, or * for every tool of a server.")
    Period(row.effective_from_ns, row.effective_to_ns)
    return replace(
        row,
        project=checked_name(row.project, "project"),
        server=server,
        tool=tool,
        price_usd=parse_amount(f"{row.price_usd:f}", "The price"),
        unit_attribute=checked_name(row.unit_attribute, "attribute"),
        note=checked_name(row.note, "note"),
    )


def checked_infra_price(row: InfraPriceRow) -> InfraPriceRow:
    """Return the price with its names tidied.

    Raises:
        PriceError: a part of it cannot be; the message names the part.
    """
    project, service = (
        checked_name(row.project, "project"),
        checked_name(row.service_name, "service"),
    )
    if not project or not service:
        raise PriceError("Name the project and the service, as its spans do (service.name).")
    Period(row.effective_from_ns, row.effective_to_ns)
    return replace(
        row,
        project=project,
        service_name=service,
        usd_per_hour=parse_amount(f"{row.usd_per_hour:f}", "The price"),
        note=checked_name(row.note, "note"),
    )


def _set(
    change: PriceChange, same: list[_PriceT], new: _PriceT, command: str
) -> ServicePriceChanged:
    """Store ``new`` beside prices of the same thing."""
    period = Period(new.effective_from_ns, new.effective_to_ns)
    overlapping = [
        old for old in same if Period(old.effective_from_ns, old.effective_to_ns).overlaps(period)
    ]
    if not overlapping:
        return ServicePriceChanged("added", None, change.add(new))
    old = overlapping[0]
    is_same_period = Period(old.effective_from_ns, old.effective_to_ns) == period
    if is_same_period and _same_terms(old, new):
        return ServicePriceChanged("unchanged", old, old)
    if is_same_period:
        change.withdraw(old)
        return ServicePriceChanged("replaces", old, change.add(new))
    is_later = old.effective_from_ns < new.effective_from_ns
    if len(overlapping) == 1 and is_later and {old.effective_to_ns, new.effective_to_ns} == {None}:
        change.close(old, new.effective_from_ns)
        return ServicePriceChanged("follows", old, change.add(new))
    raise PriceError(
        f"Price {old.id} already holds from {time_text(old.effective_from_ns)}; end it first: "
        f"`spanledger {command} remove {old.id} --from {time_text(new.effective_from_ns)}`."
    )


def _same_terms(one: _PriceT, other: _PriceT) -> bool:
    return replace(one, id=0, created_at_ns=0, note="") == replace(
        other, id=0, created_at_ns=0, note=""
    )
