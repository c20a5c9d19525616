"""What ``spanledger reconcile`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from spanledger_analytics.invoices.shown import amounts_text
from spanledger_analytics.price_book.input import time_text
from spanledger_analytics.reconciliation.coverage import coverage_by_day, coverage_by_key
from spanledger_analytics.reconciliation.dispute import dispute_cell
from spanledger_analytics.reconciliation.invoice_totals import InvoiceCheck
from spanledger_analytics.reconciliation.report.build import read_invoices, report_cell
from spanledger_analytics.reconciliation.report.sums import (
    by_provider,
    by_urgency,
    causes_of,
    totals_of,
    unexplained_usd,
)
from spanledger_analytics.reconciliation.result import Cell, Reconciliation
from spanledger_server.output import Format
from spanledger_server.reconcile_session import Asked, demand_project
from spanledger_server.rows import print_rows
from spanledger_storage.price_state import StateEngine
from spanledger_storage.reconciliation_state import ReconciliationState
from spanledger_storage.store import Store

_KEY = ("day", "provider", "scope", "api_key", "model", "token_class", "service_tier")
_CELL = (
    *("cell", *_KEY, "ledger_usd", "billed_usd", "difference_usd", "unexplained_usd"),
    *("is_within_tolerance", "why"),
)
_PROVIDER = (
    *("provider", "billed_usd", "ledger_usd", "difference_usd", "matched_percent"),
    *("unexplained_usd", "cells"),
)
_CAUSE = ("cause", "usd", "size_usd", "high_usd", "medium_usd", "low_usd", "cells", "calls")
_INVOICE = (
    *("provider", "account", "invoice", "invoice_usd", "lines_usd", "ledger_usd"),
    *("difference_usd", "is_within_tolerance", "why"),
)
_COVERAGE = (
    *("day", "provider", "scope", "api_key", "measure", "observed", "reported", "beyond"),
    "covered_percent",
)
_LOG = ("id", "asked_at", "who", "kind", "days", "provider", "title", "status", "said")
_SHORT_ID = 12
_MOST_ROWS = 100  # of a table; the other formats have all
_DIGITS = Decimal("0.0001")  # of dollars in a table; the other formats have all


def print_summary(found: Reconciliation, output: Format) -> None:
    """Print the answer by provider, and in a table what is left to do."""
    rows: list[dict[str, object]] = [
        {
            "provider": row.provider,
            "billed_usd": row.billed_usd,
            "ledger_usd": row.ledger_usd,
            "difference_usd": row.variance_usd,
            "matched_percent": _percent(row.matched_share),
            "unexplained_usd": row.unexplained_size_usd,
            "cells": row.cells,
        }
        for row in by_provider(found.cells)
    ]
    print_dollars(_PROVIDER, rows, output, "No provider's report is imported for these days.")
    if output is Format.table and rows:
        totals = totals_of(found.cells)
        beyond = totals.cells - totals.cells_within_tolerance
        final = "final" if totals.cells_final == totals.cells else "not final yet"
        print(
            f"\n{totals.cells:,} cells, {beyond:,} beyond tolerance; unexplained "
            f"{totals.unexplained_size_usd.quantize(_DIGITS):,f} USD; {final}."
        )


def print_cells(store: Store, asked: Asked, output: Format, *, only_beyond: bool) -> None:
    """Print cells, unexplained first."""
    cells = by_urgency(asked.read(store).cells)
    if only_beyond:
        cells = [cell for cell in cells if not cell.is_within_tolerance]
    shown = cells[:_MOST_ROWS] if output is Format.table else cells
    print_dollars(_CELL, [_cell_fields(cell) for cell in shown], output, "All within tolerance.")
    if len(shown) < len(cells):
        print(f"and {len(cells) - len(shown):,} more; --format csv has them all.")


def print_cell(store: Store, asked: Asked, cell_id: str, output: Format) -> None:
    """Print one cell with its causes and the calls that show them.

    Raises:
        DisputeError: there is none, or several begin so.
    """
    cell, _ = dispute_cell(asked.read(store), cell_id)
    if output is Format.json:
        print(report_cell(cell).model_dump_json(indent=1))
        return
    told = report_cell(cell).model_dump(exclude={"causes"})
    rows = [{"field": n, "value": _plain(v)} for n, v in told.items() if v is not None]
    print_dollars(("field", "value"), rows, output)
    causes: list[dict[str, object]] = [
        {
            "cause": str(share.cause), "usd": share.usd, "confidence": share.confidence,
            "calls": share.evidence_count, "explanation": share.explanation,
        }
        for share in cell.causes
    ]  # fmt: skip
    print()
    columns = ("cause", "usd", "confidence", "calls", "explanation")
    print_dollars(columns, causes, output, "No difference.")
    calls = [
        {"cause": str(share.cause), "trace_id": ref.trace_id, "span_id": ref.span_id,
         "request_id": ref.request_id}
        for share in cell.causes for ref in share.evidence
    ]  # fmt: skip
    if calls:
        print()
        print_dollars(("cause", "trace_id", "span_id", "request_id"), calls[:_MOST_ROWS], output)


def print_causes(store: Store, asked: Asked, output: Format) -> None:
    """Print what each cause explains."""
    rows = [
        {name: _plain(getattr(row, name)) for name in _CAUSE}
        for row in causes_of(asked.read(store).cells)
    ]
    print_dollars(_CAUSE, rows, output, "No difference.")
    if output is Format.table and rows:
        print(
            "\nusd is net: + the provider charged more. size_usd has no signs; high, medium and "
            "low are how much of it is how sure."
        )


def print_invoices(store: Store, state: StateEngine, found: Reconciliation) -> None:
    """Print in a table what invoices come to against their lines; nothing where there are none."""
    rows: list[dict[str, object]] = [
        {
            "provider": one.provider,
            "account": one.account,
            "invoice": amounts_text({one.currency: one.amount}),
            "invoice_usd": one.amount_usd,
            "lines_usd": one.lines_usd,
            "ledger_usd": one.ledger_usd,
            "difference_usd": one.variance_usd,
            "is_within_tolerance": _agrees(one),
            "why": ", ".join(_named(one.cell)) if one.cell else "",
        }
        for one in read_invoices(store, state, found)
    ]
    if rows:
        print("\nInvoices against their lines:\n")
        print_dollars(_INVOICE, rows, Format.table)


def print_dollars(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, object]],
    output: Format,
    empty: str = "Nothing.",
) -> None:
    """Print rows, dollars of a table to a hundredth of a cent."""
    if output is Format.table:
        rows = [{name: _short(name, value) for name, value in row.items()} for row in rows]
    print_rows(columns, rows, output, empty)


def _short(name: str, value: object) -> object:
    if isinstance(value, Decimal) and name.endswith("usd"):
        return value.quantize(_DIGITS)
    return value


def _agrees(one: InvoiceCheck) -> str:
    if one.variance_usd is None:
        return f"no exchange rate of {one.currency}"
    return "yes" if one.is_within_tolerance else "no"


def print_coverage(store: Store, asked: Asked, output: Format, *, by_day: bool) -> None:
    """Print how much of what was used is in the ledger."""
    cells = asked.read(store).cells
    rows: list[dict[str, object]] = [
        {
            "day": None if row.day is None else row.day.isoformat(),
            "provider": row.provider,
            "scope": row.scope,
            "api_key": row.api_key,
            "measure": row.measure,
            "observed": _number(row.observed),
            "reported": _number(row.reported),
            "beyond": _number(row.beyond),
            "covered_percent": _percent(row.share),
        }
        for row in (coverage_by_day(cells) if by_day else coverage_by_key(cells))
    ]
    print_dollars(_COVERAGE, rows, output, "No report tells what was used.")


def print_log(state: StateEngine, project: str, output: Format) -> None:
    """Print the actions of a project; raises ConfigError when there is no such project."""
    demand_project(state, project)
    rows: list[dict[str, object]] = [
        {
            "id": row.id,
            "asked_at": time_text(row.asked_at_ns),
            "who": row.who,
            "kind": row.kind,
            "days": f"{row.first_day}..{row.last_day}",
            "provider": row.provider,
            "title": row.title,
            "status": row.status,
            "said": row.said,
        }
        for row in ReconciliationState(state).log(project)
    ]
    print_dollars(_LOG, rows, output, "Nobody has done anything yet.")


def _cell_fields(cell: Cell) -> Mapping[str, object]:
    key = cell.key
    return {
        **{name: _plain(getattr(key, name)) for name in _KEY},
        "cell": cell.cell_id[:_SHORT_ID],
        "ledger_usd": cell.ledger_usd,
        "billed_usd": cell.billed_usd,
        "difference_usd": cell.variance_usd,
        "unexplained_usd": unexplained_usd(cell),
        "is_within_tolerance": "yes" if cell.is_within_tolerance else "no",
        "why": ", ".join(_named(cell)),
    }


def _named(cell: Cell) -> Sequence[str]:
    return [share.cause.replace("_", " ") for share in cell.causes]


def _plain(value: object) -> object:
    """Return a value as tables take it: numbers and unknown as they are, others as text."""
    is_number = isinstance(value, Decimal | int) and not isinstance(value, bool)
    return value if value is None or is_number else str(value)


def _number(value: Decimal) -> Decimal:
    return value.to_integral_value() if value == value.to_integral_value() else value


def _percent(share: Decimal | None) -> Decimal | None:
    return None if share is None else round(share * 100, 2)
