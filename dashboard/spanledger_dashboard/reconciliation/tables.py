"""The tables of the page: cells, coverage by key, what was done."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_analytics.invoices.shown import amounts_text
from spanledger_analytics.reconciliation.coverage import Coverage
from spanledger_analytics.reconciliation.invoice_totals import InvoiceCheck
from spanledger_analytics.reconciliation.report.model import CauseTotal
from spanledger_analytics.reconciliation.report.sums import unexplained_usd
from spanledger_analytics.reconciliation.result import Cell
from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope, tables
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.cost.charts import signed_usd
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.invoices.tables import on_the_right
from spanledger_dashboard.reconciliation.data import CAUSE_NAMES
from spanledger_dashboard.records import records_table
from spanledger_dashboard.scope import Scope
from spanledger_storage.reconciliation_state import ActionRow

MOST_CELLS = 1_000
_STATUS = {"asked": "Waiting", "running": "Running", "done": "Done", "failed": "Failed"}
_AGREES = {
    (True, False): "✓ yes",
    (False, False): "✕ no",
    (False, True): "no exchange rate",
}
_CAUSE_HELP = {
    "Net": "Dollars the provider charged more (+) or less (−) than the ledger says, for this "
    "reason. All reasons add up to the difference.",
    "Size": "The same without signs: what is too much in one cell does not hide what is too little "
    "in another. Sure, likely and not sure add up to it.",
    "Sure": "Of the size: two facts that do not depend on each other say so.",
    "Likely": "Of the size: one fact says so.",
    "Not sure": "Of the size: a share that nobody can tell exactly.",
    "Calls": "In the ledger, that show it.",
}
_DOES = {
    "apply": "Apply",
    "reverse": "Take back",
    "post": "Post",
    "unpost": "Take out",
    "delete": "Delete",
}


def show_cells(cells: Sequence[Cell]) -> Cell | None:
    """Show cells in the order given; return the one a reader picked."""
    frame = pd.DataFrame(
        {
            "Day": [cell.key.day for cell in cells],
            "Provider": [cell.key.provider for cell in cells],
            "Project": [_told(cell.key.scope) for cell in cells],
            "Key": [_told(cell.key.api_key) for cell in cells],
            "Model": [_told(cell.key.model) for cell in cells],
            "For": [cell.key.token_class.replace("_", " ") for cell in cells],
            "Billed": [float(cell.billed_usd) for cell in cells],
            "Ledger": [float(cell.ledger_usd) for cell in cells],
            "Difference": [float(cell.variance_usd) for cell in cells],
            "Unexplained": [float(unexplained_usd(cell)) or None for cell in cells],
            "Why": [_why(cell) for cell in cells],
            "Tolerance": ["within" if cell.is_within_tolerance else "beyond" for cell in cells],
        }
    )
    money: dict[str, tables.Text] = dict.fromkeys(("Billed", "Ledger"), tables.usd)
    formats = {**money, "Difference": signed, "Unexplained": signed}
    config: dict[str, ColumnConfig] = {
        "Day": st.column_config.DateColumn(format="MMM D"),
        "Project": st.column_config.Column(help="Project or workspace of the provider."),
        "Difference": st.column_config.Column(help="Billed less ledger."),
        "Why": st.column_config.TextColumn(width="medium"),
    }
    picked = table(
        frame, formats, config, key="reconciliation-cells", is_open=True,
        alt="Cells, unexplained differences first; a click opens one",
    )  # fmt: skip
    return None if picked is None else cells[picked]


def cells_table(cells: Sequence[Cell]) -> pa.Table:
    """Return cells for a file, exactly; causes with their dollars, which add up."""
    return records_table(
        (cell, {"variance_usd": cell.variance_usd, "causes": _exact_causes(cell)}) for cell in cells
    )


def _exact_causes(cell: Cell) -> dict[str, Decimal]:
    return {share.cause.value: share.usd for share in cell.causes}


def show_causes(rows: Sequence[CauseTotal], *, key: str) -> None:
    """Show what each cause explains, and how sure that is."""
    if not rows:
        st.caption("There is no difference.")
        return
    frame = pd.DataFrame(
        {
            "Cause": [CAUSE_NAMES[row.cause] for row in rows],
            "Net": [float(row.usd) for row in rows],
            "Size": [float(row.size_usd) for row in rows],
            "Sure": [float(row.high_usd) or None for row in rows],
            "Likely": [float(row.medium_usd) or None for row in rows],
            "Not sure": [float(row.low_usd) or None for row in rows],
            "Cells": [row.cells for row in rows],
            "Calls": [row.calls for row in rows],
        }
    )
    money = dict.fromkeys(("Size", "Sure", "Likely", "Not sure"), tables.usd)
    formats: dict[str, tables.Text] = {"Net": signed, **money, "Calls": tables.count}
    config: dict[str, ColumnConfig] = {
        name: st.column_config.Column(help=text) for name, text in _CAUSE_HELP.items()
    }
    table(frame, formats, config, key=key, alt="Causes, unexplained first")


def show_invoices(rows: Sequence[InvoiceCheck]) -> None:
    """Show what invoices come to, against the sum of their lines and the ledger."""
    frame = pd.DataFrame(
        {
            "Provider": [one.provider for one in rows],
            "Account": [one.account or None for one in rows],
            "Invoice": [amounts_text({one.currency: one.amount}) for one in rows],
            "In USD": [fmt.usd(one.amount_usd) for one in rows],
            "Its lines": [fmt.usd(one.lines_usd) for one in rows],
            "Ledger": [fmt.usd(one.ledger_usd) for one in rows],
            "Difference": [_signed_or_unknown(one.variance_usd) for one in rows],
            "Allowed": [fmt.usd(one.limit_usd) for one in rows],
            "Agrees": [_AGREES[one.is_within_tolerance, one.variance_usd is None] for one in rows],
            "Why": [_why(one.cell) if one.cell else None for one in rows],
        }
    )
    config: dict[str, ColumnConfig] = {
        "Its lines": st.column_config.Column(help="Of the reports that count, whole month, USD."),
        "Ledger": st.column_config.Column(
            help="The whole month, USD; – where it tells no accounts."
        ),
        "Difference": st.column_config.Column(
            help="Invoice less its lines, and less what the ledger says of days without a report."
        ),
        "Allowed": st.column_config.Column(
            alignment="right",
            help="By FOCUS 1.4 an invoice may differ from its lines by a dollar, or by half a cent "
            "times the root of their number.",
        ),
    }
    st.dataframe(
        frame, hide_index=True, key="table-invoice-totals", placeholder=fmt.UNKNOWN,
        height="content", column_config=on_the_right(frame, config),
        alt="Invoices against the sum of their lines",
    )  # fmt: skip


def invoices_table(rows: Sequence[InvoiceCheck]) -> pa.Table:
    """Return invoices for a file, exactly."""
    return records_table(
        ((one, {"variance_usd": one.variance_usd}) for one in rows), without=("cell",)
    )


def show_coverage(rows: Sequence[Coverage]) -> None:
    """Show coverage by key, the least covered first."""
    ordered = sorted(rows, key=lambda row: (row.share is None, row.share or 0, row.provider))
    frame = pd.DataFrame(
        {
            "Provider": [row.provider for row in ordered],
            "Project": [_told(row.scope) for row in ordered],
            "Key": [_told(row.api_key) for row in ordered],
            "Coverage": [None if row.share is None else float(row.share) for row in ordered],
            "In the ledger": [float(row.observed) for row in ordered],
            "Reported": [float(row.reported) for row in ordered],
            "Beyond": [float(row.beyond) or None for row in ordered],
            "Counted": [row.measure for row in ordered],
        }
    )
    formats: dict[str, tables.Text] = {
        "Coverage": _percent,
        **dict.fromkeys(("In the ledger", "Reported", "Beyond"), _amount),
    }
    config: dict[str, ColumnConfig] = {
        "Beyond": st.column_config.Column(
            help="In the ledger, and not reported: calls counted twice, or of another key."
        ),
        "Counted": st.column_config.Column(
            help="Requests; tokens where a report tells none; dollars where it tells no quantity."
        ),
    }
    table(frame, formats, config, key="coverage-keys", alt="Coverage by key, the least first")


def show_log(rows: Sequence[ActionRow], where: Scope) -> None:
    """Show who did what, the latest first."""
    frame = pd.DataFrame(
        {
            "When": [where.local(row.asked_at_ns / 1e9) for row in rows],
            "Who": [row.who for row in rows],
            "What": [f"{_DOES[row.kind]}: {row.title}" for row in rows],
            "State": [_STATUS[row.status] for row in rows],
            "Outcome": [row.said or None for row in rows],
        }
    )
    config: dict[str, ColumnConfig] = {
        "When": scope.moments("MMM D, HH:mm"),
        "What": st.column_config.TextColumn(width="large"),
        "Outcome": st.column_config.TextColumn(width="large"),
    }
    everything = partial(records_table, rows, without=("project", "what", "made"))
    show_downloads("reconciliation-log", everything, what="Every action, times in UTC")
    table(frame, {}, config, key="reconciliation-log", alt="What was done, the latest first")


def signed(value: object) -> str:
    """Format a dollar cell with its sign; unknown ones are left to the table."""
    return signed_usd(Decimal(str(value)))


def quantity(value: Decimal | None) -> str:
    """Return a quantity with separators, as exact as it is."""
    return fmt.UNKNOWN if value is None else f"{value.normalize():,f}"


def _signed_or_unknown(value: Decimal | None) -> str:
    return fmt.UNKNOWN if value is None else signed_usd(value)


def _amount(value: object) -> str:
    return f"{Decimal(str(value)).normalize():,f}"


def _percent(value: object) -> str:
    return f"{int(float(str(value)) * 1000) / 10:.1f}%"


def _told(value: str | None) -> str | None:
    return None if value is None else value or "none"


def _why(cell: Cell) -> str | None:
    return ", ".join(CAUSE_NAMES[share.cause] for share in cell.causes) or None
