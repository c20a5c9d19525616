"""Prices of tools and of infrastructure: listed and changed."""

from __future__ import annotations

from dataclasses import dataclass

from spanledger_analytics.price_book.input import parse_amount, parse_time, time_text
from spanledger_analytics.price_book.service_prices import (
    ServicePriceChanged,
    end_infra_price,
    end_tool_price,
    set_infra_price,
    set_tool_price,
)
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.changes import advise_reprice, say_ended
from spanledger_server.prices.session import moment, now_ns, user
from spanledger_server.rows import print_rows
from spanledger_storage.price_state import PriceState
from spanledger_storage.service_price_rows import InfraPriceRow, ToolPriceRow

_TOOL_COLUMNS = (
    "id",
    "tool",
    "server",
    "project",
    "price_usd",
    "for",
    "failed_calls",
    "from",
    "to",
    "note",
    "status",
)
_INFRA_COLUMNS = ("id", "project", "service", "usd_per_hour", "from", "to", "note", "status")
_OUTCOMES = {
    "added": "added",
    "follows": "added after an older one, which ends there",
    "replaces": "corrected",
    "unchanged": "unchanged",
}


@dataclass(frozen=True, slots=True)
class ToolTerms:
    """A price of a tool as typed."""

    tool: str
    price: str
    server: str
    project: str
    per_unit: str
    is_per_second: bool
    per: int
    are_errors_free: bool
    start: str
    end: str
    note: str


@dataclass(frozen=True, slots=True)
class InfraTerms:
    """A price of a service as typed."""

    service: str
    price: str
    project: str
    start: str
    end: str
    note: str


def print_tool_prices(state: PriceState, output: Format, *, withdrawn: bool) -> None:
    """Print the prices of tools, by name and date."""
    found = state.tool_prices(withdrawn=withdrawn)
    found.sort(key=lambda row: (row.tool, row.server, row.project, row.effective_from_ns, row.id))
    rows = [
        {
            "id": row.id,
            "tool": row.tool,
            "server": row.server,
            "project": row.project,
            "price_usd": row.price_usd,
            "for": unit_text(row),
            "failed_calls": "billed" if row.bills_errors else "free",
            **_period(row),
        }
        for row in found
    ]
    nothing = "No prices of tools. Set one: spanledger tool-prices set search 0.005"
    print_rows(_TOOL_COLUMNS, rows, output, nothing)


def unit_text(row: ToolPriceRow) -> str:
    """Return what a price of a tool is for, in words."""
    if row.basis == "call":
        return "call"
    count = "" if row.per == 1 else f"{row.per:,} "
    if row.basis == "second":
        return f"{count}second{'' if row.per == 1 else 's'}"
    return f"{count}{row.unit_attribute}"


def set_tool(state: PriceState, terms: ToolTerms, by: str) -> None:
    """Store a price of a tool and print what became of it.

    Raises:
        UsageError: options contradict each other.
        PriceError: the price cannot be.
    """
    if terms.per_unit and terms.is_per_second:
        raise UsageError("Give one of --per-unit and --per-second.")
    basis = "unit" if terms.per_unit else "second" if terms.is_per_second else "call"
    row = ToolPriceRow(
        project=terms.project,
        server=terms.server,
        tool=terms.tool,
        price_usd=parse_amount(terms.price, "The price"),
        basis=basis,
        unit_attribute=terms.per_unit,
        per=terms.per,
        bills_errors=not terms.are_errors_free,
        effective_from_ns=moment(terms.start, "--from"),
        effective_to_ns=parse_time(terms.end, "--to") if terms.end else None,
        note=terms.note,
    )
    with state.change(user(by), now_ns()) as change:
        changed = set_tool_price(change, row)
    stored = changed.after
    assert isinstance(stored, ToolPriceRow)
    _say(changed, f"{stored.tool}: {stored.price_usd:f} USD per {unit_text(stored)}")
    if changed.outcome != "unchanged":
        advise_reprice(stored.effective_from_ns, stored.effective_to_ns)


def remove_tool(state: PriceState, price_id: int, start: str, entirely: bool, by: str) -> None:
    """Let a price of a tool end, or withdraw it.

    Raises:
        PriceError: there is no such price, or it already ended.
    """
    at_ns = None if entirely else moment(start, "--from")
    with state.change(user(by), now_ns()) as change:
        row = end_tool_price(change, price_id, at_ns)
    say_ended(f"Price {row.id} of {row.tool}", row, at_ns)
    advise_reprice(max(row.effective_from_ns, at_ns or 0), row.effective_to_ns)


def print_infra_prices(state: PriceState, output: Format, *, withdrawn: bool) -> None:
    """Print what services cost per hour, by project, service and date."""
    found = state.infra_prices(withdrawn=withdrawn)
    found.sort(key=lambda row: (row.project, row.service_name, row.effective_from_ns, row.id))
    rows = [
        {
            "id": row.id,
            "project": row.project,
            "service": row.service_name,
            "usd_per_hour": row.usd_per_hour,
            **_period(row),
        }
        for row in found
    ]
    nothing = "No prices of infrastructure. Set one: spanledger infra-prices set vector-db 0.40"
    print_rows(_INFRA_COLUMNS, rows, output, nothing)


def set_infra(state: PriceState, terms: InfraTerms, by: str) -> None:
    """Store what a service costs per hour and print what became of it.

    Raises:
        PriceError: the price cannot be.
    """
    row = InfraPriceRow(
        project=terms.project,
        service_name=terms.service,
        usd_per_hour=parse_amount(terms.price, "The price"),
        effective_from_ns=moment(terms.start, "--from"),
        effective_to_ns=parse_time(terms.end, "--to") if terms.end else None,
        note=terms.note,
    )
    with state.change(user(by), now_ns()) as change:
        changed = set_infra_price(change, row)
    stored = changed.after
    assert isinstance(stored, InfraPriceRow)
    _say(changed, f"{stored.service_name}: {stored.usd_per_hour:f} USD per hour")
    if changed.outcome != "unchanged":
        _say_shared_anew(stored.effective_from_ns)


def remove_infra(state: PriceState, price_id: int, start: str, entirely: bool, by: str) -> None:
    """Let a price of a service end, or withdraw it.

    Raises:
        PriceError: there is no such price, or it already ended.
    """
    at_ns = None if entirely else moment(start, "--from")
    with state.change(user(by), now_ns()) as change:
        row = end_infra_price(change, price_id, at_ns)
    say_ended(f"Price {row.id} of {row.service_name}", row, at_ns)
    _say_shared_anew(max(row.effective_from_ns, at_ns or 0))


def _say_shared_anew(from_ns: int) -> None:
    if from_ns < now_ns():
        print(f"The worker shares the hours from {time_text(from_ns)} on anew.")


def _say(changed: ServicePriceChanged, what: str) -> None:
    row = changed.after
    end = f" to {time_text(row.effective_to_ns)}" if row.effective_to_ns else ""
    print(
        f"{what} from {time_text(row.effective_from_ns)}{end}: "
        f"{_OUTCOMES[changed.outcome]} (price {row.id})."
    )


def _period(row: ToolPriceRow | InfraPriceRow) -> dict[str, object]:
    return {
        "from": time_text(row.effective_from_ns),
        "to": None if row.effective_to_ns is None else time_text(row.effective_to_ns),
        "note": row.note,
        "status": "withdrawn" if row.withdrawn_at_ns else "",
    }
