"""What the page on reconciliation reads, and how cells become its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import streamlit as st

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.invoices.rules import Rules
from spanledger_analytics.reconciliation.correction import Correction
from spanledger_analytics.reconciliation.days import Days
from spanledger_analytics.reconciliation.invoice_totals import InvoiceCheck, check_invoices
from spanledger_analytics.reconciliation.reading import read
from spanledger_analytics.reconciliation.report.sums import grouped, totals_of, unexplained_usd
from spanledger_analytics.reconciliation.result import Cause, Cell, Reconciliation
from spanledger_analytics.reconciliation.suggestions import read_suggestions
from spanledger_dashboard.connection import store

NOT_TOLD = "not told"
NONE = "none"
CAUSE_NAMES: Mapping[Cause, str] = {
    Cause.NOT_REPORTED: "Left out of the report",
    Cause.UNPRICED: "Calls without a price",
    Cause.TAX: "Tax",
    Cause.CREDIT: "Credit",
    Cause.DISCOUNT: "Discount or commitment",
    Cause.CURRENCY: "Currency",
    Cause.TOOL_FEES: "Tool fees",
    Cause.DOUBLE_COUNTED: "Counted twice",
    Cause.DAY_BOUNDARY: "Day boundary",
    Cause.ALIAS: "Model alias",
    Cause.BATCH_OR_TIER: "Batch or service tier",
    Cause.LONG_CONTEXT: "Long context",
    Cause.GEO: "Geography",
    Cause.PEAK_HOURS: "Peak hours",
    Cause.CACHE_LIFETIME: "Cache lifetime",
    Cause.INPUT_CONVENTION: "What input means",
    Cause.MISSING_USAGE: "Calls without usage",
    Cause.HIDDEN_RETRIES: "Hidden retries",
    Cause.HIDDEN_TOKENS: "Hidden tokens",
    Cause.OTHER_TRAFFIC: "Other traffic",
    Cause.MISSING_TELEMETRY: "Missing telemetry",
    Cause.PRICE_BOOK: "Price book",
    Cause.ROUNDING: "Rounding",
    Cause.UNMAPPED: "Unmapped lines",
    Cause.UNEXPLAINED: "Unexplained",
}


@dataclass(frozen=True, slots=True)
class Square:
    """One row and day of the matrix."""

    ledger_usd: Decimal
    billed_usd: Decimal
    unexplained_usd: Decimal
    is_fine: bool
    is_final: bool


@st.cache_resource(ttl=15, max_entries=8, show_spinner="Reading the reconciliation …")
def load(project: str, days: Days, provider: str) -> Reconciliation:
    """Return what was compared; of one provider, or all where it is empty."""
    return read(store(), project, days.first, days.last, provider or None)


@st.cache_resource(ttl=15, max_entries=8, show_spinner="Looking for corrections …")
def load_corrections(
    project: str, days: Days, provider: str, _rules: Rules | None
) -> list[Correction]:
    """Return what to do, the largest first; with the texts nobody has mapped."""
    return read_suggestions(store(), load(project, days, provider), _rules, provider)


@st.cache_resource(ttl=15, max_entries=8, show_spinner="Reading invoices …")
def load_invoices(project: str, month: Days, _rules: Rules) -> list[InvoiceCheck]:
    """Return what the invoices of a month come to, by provider and account."""
    return check_invoices(store(), project, _rules, month.first)


def told(value: str | None) -> str:
    """Return a dimension of a cell in words."""
    return NOT_TOLD if value is None else value or NONE


def _told_of(cell: Cell, value: str | None) -> str:
    is_invoice = cell.key.token_class == TokenClass.INVOICE_TOTAL
    return "invoice as a whole" if is_invoice else told(value)


ROWS: Mapping[str, Callable[[Cell], str]] = {
    "Provider": lambda cell: cell.key.provider,
    "Model": lambda cell: f"{cell.key.provider}: {_told_of(cell, cell.key.model)}",
    "Project": lambda cell: f"{cell.key.provider}: {_told_of(cell, cell.key.scope)}",
    "For": lambda cell: cell.key.token_class.replace("_", " "),
}
"""What rows of the matrix can be."""


def squares(cells: Sequence[Cell], by: str) -> dict[str, dict[date, Square]]:
    """Return the matrix by row and day; rows with the largest difference first.

    Cells without money, such as numbers of requests, are left out.
    """
    key = ROWS.get(by, ROWS["Provider"])
    with_money = [cell for cell in cells if cell.billed_usd or cell.ledger_usd]
    found: dict[str, dict[date, Square]] = {}
    for row, members in grouped(with_money, key).items():
        by_day = grouped(members, lambda cell: cell.key.day)
        found[row] = {day: _square(day_cells) for day, day_cells in by_day.items()}

    def size(row: str) -> Decimal:
        return sum(
            (abs(one.billed_usd - one.ledger_usd) for one in found[row].values()), Decimal(0)
        )

    return {row: found[row] for row in sorted(found, key=lambda row: (-size(row), row))}


def _square(cells: Sequence[Cell]) -> Square:
    totals = totals_of(cells)
    return Square(
        totals.ledger_usd,
        totals.billed_usd,
        sum((unexplained_usd(cell) for cell in cells), Decimal(0)),
        is_fine=all(cell.is_within_tolerance for cell in cells),
        is_final=all(cell.is_final for cell in cells),
    )
