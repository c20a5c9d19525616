"""Tables of the pages on invoices and mappings, and the files they become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_analytics.invoices.line import InvoiceLine
from spanledger_analytics.invoices.shown import amounts_text, days_text
from spanledger_analytics.invoices.unmapped import Unmapped
from spanledger_dashboard import format as fmt
from spanledger_dashboard.invoices.data import DayCell, MonthRead
from spanledger_dashboard.records import records_table
from spanledger_dashboard.scope import Scope
from spanledger_storage.invoice_state import ImportRow, MappingRow, PullRow, UploadRow

NUMBERS = (
    "Amount", "US dollars", "Lines", "Unmapped", "Quantity", "Invoice", "In USD", "Its lines",
    "Ledger", "Difference", "Allowed",
)  # fmt: skip
"""Columns that hold numbers as texts, exact, and stand on the right like numbers."""
_NS_PER_S = 10**9
_MONEY = pa.decimal128(38, 18)
_USD = pa.decimal128(38, 12)
_DAY = pa.date32()


def on_the_right(
    frame: pd.DataFrame, config: Mapping[str, ColumnConfig] | None = None
) -> dict[str, ColumnConfig]:
    """Return the look of a frame's columns, with those of numbers aligned to the right."""
    found: dict[str, ColumnConfig] = {
        str(name): st.column_config.Column(alignment="right")
        for name in frame.columns
        if name in NUMBERS
    }
    return {**found, **(config or {})}


def imports_frame(rows: Sequence[ImportRow], where: Scope) -> pd.DataFrame:
    """Return imports as people read them."""
    return pd.DataFrame(
        {
            "Imported": [where.local(row.at_ns / _NS_PER_S) for row in rows],
            "Provider": [row.provider.replace(",", ", ") for row in rows],
            "Report": [row.format for row in rows],
            "Days": [days_text(row) for row in rows],
            "Amount": [amounts_text(row.amounts) or None for row in rows],
            "Lines": [fmt.count(row.line_count) for row in rows],
            "Unmapped": [fmt.count(row.unmapped_count) if row.unmapped_count else None
                         for row in rows],
            "File": [row.name for row in rows],
            "By": [row.who for row in rows],
            "Deleted": [None if row.deleted_at_ns is None else f"by {row.deleted_by}"
                        for row in rows],
        }
    )  # fmt: skip


def imports_table(rows: Sequence[ImportRow]) -> pa.Table:
    """Return imports exactly, one row per currency of each."""
    every: list[tuple[ImportRow, str, Decimal | None]] = []
    for row in rows:
        if row.amounts:
            every += [(row, currency, amount) for currency, amount in row.amounts.items()]
        else:
            every.append((row, "", None))
    texts = ("import_id", "provider", "format", "first_day", "last_day", "name", "sha256", "who",
             "deleted_by")  # fmt: skip
    return pa.table(
        {
            **{
                name: pa.array([str(getattr(row, name)) for row, _, _ in every], pa.string())
                for name in texts
            },
            "imported_at": pa.array([row.at_ns for row, _, _ in every], pa.timestamp("ns", "UTC")),
            "lines": pa.array([row.line_count for row, _, _ in every], pa.int64()),
            "unmapped": pa.array([row.unmapped_count for row, _, _ in every], pa.int64()),
            "amount": pa.array([_plain(amount) for _, _, amount in every], pa.string()),
            "currency": pa.array([currency for _, currency, _ in every], pa.string()),
        }
    )


def amounts_frame(read: MonthRead) -> pd.DataFrame:
    """Return what each source adds up to in the month."""
    rows = [
        {
            "Source": one.source,
            "Tells": one.dataset.value,
            "Days": len(one.days),
            "Lines": fmt.count(sum(cell.line_count for cell in one.days.values())),
            "US dollars": fmt.usd(_usd(one.days.values())),
            "Counts": "yes" if _counts(one.days.values()) else "stands back",
        }
        for one in read.sources
    ]
    return pd.DataFrame(rows)


def amounts_table(read: MonthRead) -> pa.Table:
    """Return what each source tells of each day, exactly."""
    return records_table(
        ({"source": one.source, "dataset": one.dataset.value, "day": day}, cell)
        for one in read.sources
        for day, cell in one.days.items()
    )


def lines_frame(lines: Sequence[InvoiceLine]) -> pd.DataFrame:
    """Return lines as people read them."""
    return pd.DataFrame(
        {
            "Line": [line.line_number for line in lines],
            "Day": [f"{line.day}" for line in lines],
            "Class": [line.token_class.value for line in lines],
            "Model": [line.model or None for line in lines],
            "Quantity": [_number(line.quantity) for line in lines],
            "Unit": [line.unit or None for line in lines],
            "Amount": [_number(line.amount) for line in lines],
            "Currency": [line.currency or None for line in lines],
            "US dollars": [fmt.usd_exact(line.amount_usd) for line in lines],
            "Scope": [line.scope for line in lines],
            "Key": [line.api_key for line in lines],
            "Tier": [line.service_tier or line.processing for line in lines],
            "Text": [line.description or None for line in lines],
        }
    )


def lines_table(lines: Iterable[InvoiceLine]) -> pa.Table:
    """Return lines exactly, every field of them."""
    texts = ("scope", "api_key", "user", "model", "reported_model", "processing", "service_tier",
             "context", "geo", "description", "invoice_id", "provider", "unit",
             "currency")  # fmt: skip
    found = [
        {
            "line_number": line.line_number, "day": line.day, "last_day": line.last_day,
            "dataset": line.dataset.value, "token_class": line.token_class.value,
            "quantity": line.quantity, "amount": line.amount, "list_amount": line.list_amount,
            "amount_usd": line.amount_usd, **{name: getattr(line, name) for name in texts},
            "extra": ", ".join(f"{name}={value}" for name, value in line.extra.items()),
        }
        for line in lines
    ]  # fmt: skip
    fields: list[tuple[str, pa.DataType]] = [
        ("line_number", pa.int64()), ("day", _DAY), ("last_day", _DAY), ("dataset", pa.string()),
        ("token_class", pa.string()), ("quantity", _USD), ("amount", _MONEY),
        ("list_amount", _MONEY), ("amount_usd", _USD), *((name, pa.string()) for name in texts),
        ("extra", pa.string()),
    ]  # fmt: skip
    return pa.Table.from_pylist(found, pa.schema(fields))


def pulls_frame(rows: Sequence[PullRow], where: Scope) -> pd.DataFrame:
    """Return how pulls went."""
    return pd.DataFrame(
        {
            "Report": [row.report for row in rows],
            "State": ["✕ Failed" if row.error else "✓ Pulled" for row in rows],
            "Last success": [_local(row.last_success_ns, where) for row in rows],
            "Next": [_local(row.next_try_ns, where) for row in rows],
            "Error": [row.error or None for row in rows],
        }
    )


def uploads_frame(rows: Sequence[UploadRow], where: Scope) -> pd.DataFrame:
    """Return files that were handed in, with what became of them."""
    words = {"waiting": "○ Waiting", "done": "✓ Read", "failed": "✕ Not imported"}
    return pd.DataFrame(
        {
            "Handed in": [_local(row.at_ns, where) for row in rows],
            "File": [row.name for row in rows],
            "State": [words.get(row.state, row.state) for row in rows],
            "Outcome": [row.outcome or None for row in rows],
            "By": [row.who for row in rows],
        }
    )


def unmapped_frame(rows: Sequence[Unmapped]) -> pd.DataFrame:
    """Return the queue as people read it."""
    return pd.DataFrame(
        {
            "Provider": [one.provider for one in rows],
            "Text": [one.text for one in rows],
            "US dollars": [fmt.usd(one.amount_usd) for one in rows],
            "Amount": [None if one.amount is None else f"{_number(one.amount)} {one.currency}"
                       for one in rows],
            "Quantity": [None if one.quantity is None else f"{_number(one.quantity)} {one.unit}"
                         for one in rows],
            "Lines": [fmt.count(one.line_count) for one in rows],
            "Meter": [one.meter_id or None for one in rows],
            "Days": [one.first_day if one.first_day == one.last_day
                     else f"{one.first_day} to {one.last_day}" for one in rows],
        }
    )  # fmt: skip


def unmapped_table(rows: Sequence[Unmapped]) -> pa.Table:
    """Return the queue exactly."""
    return pa.table(
        {
            "provider": pa.array([one.provider for one in rows], pa.string()),
            "text": pa.array([one.text for one in rows], pa.string()),
            "meter_id": pa.array([one.meter_id for one in rows], pa.string()),
            "lines": pa.array([one.line_count for one in rows], pa.int64()),
            "quantity": pa.array([_plain(one.quantity) for one in rows], pa.string()),
            "unit": pa.array([one.unit for one in rows], pa.string()),
            "amount": pa.array([_plain(one.amount) for one in rows], pa.string()),
            "currency": pa.array([one.currency for one in rows], pa.string()),
            "amount_usd": pa.array([_plain(one.amount_usd) for one in rows], pa.string()),
        }
    )


def mappings_frame(rows: Sequence[MappingRow], where: Scope) -> pd.DataFrame:
    """Return mappings, who made them, and who took them back."""
    kinds = {"line": "Text or meter", "scope": "Scope", "api_key": "Key"}
    return pd.DataFrame(
        {
            "Number": [f"{row.id}" for row in rows],
            "Kind": [kinds[row.kind] for row in rows],
            "Provider": [row.provider for row in rows],
            "Text": [row.pattern for row in rows],
            "Stands for": [target_text(row) for row in rows],
            "Note": [row.note or None for row in rows],
            "Made": [_local(row.created_at_ns, where) for row in rows],
            "By": [row.created_by for row in rows],
            "Removed": [_local(row.removed_at_ns, where) for row in rows],
            "Removed by": [row.removed_by or None for row in rows],
        }
    )


def target_text(row: MappingRow) -> str:
    """Return what a mapping says, in words."""
    words = {"token_class": "class", "service_tier": "tier", "factor": "times"}
    return ", ".join(f"{words.get(name, name)} {value}" for name, value in row.target.items())


def _usd(cells: Iterable[DayCell]) -> Decimal | None:
    known = [cell.usd for cell in cells if cell.usd is not None]
    return sum(known, Decimal(0)) if known else None


def _counts(cells: Iterable[DayCell]) -> bool:
    return any(cell.state != "behind" for cell in cells)


def _local(at_ns: int | None, where: Scope) -> object:
    return None if at_ns is None else where.local(at_ns / _NS_PER_S)


def _number(value: Decimal | None) -> str | None:
    if value is None:
        return None
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
