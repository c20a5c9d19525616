"""One import: what it says, its lines, and what else was imported for its days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial

import pandas as pd
import pyarrow as pa
import streamlit as st

from spanledger_analytics.invoices.import_reading import lines_of_import
from spanledger_analytics.invoices.reading import SourceDay, sources
from spanledger_analytics.invoices.shown import amounts_text, days_text, lines_text
from spanledger_dashboard import format as fmt
from spanledger_dashboard import times
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads, show_titled
from spanledger_dashboard.invoices import tables
from spanledger_dashboard.invoices.deletion import show_delete_button, show_deletion
from spanledger_dashboard.invoices.opened import OpenInvoices
from spanledger_dashboard.records import records_table
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain
from spanledger_storage.invoice_state import ImportRow

_LINES = 500
_MOST_LINES = 1_000_000
_ID = 12


def show_import(
    where: Scope, row: ImportRow, every: Sequence[ImportRow], invoices: OpenInvoices
) -> None:
    """Show an import of the chosen project."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(f"Import {row.import_id[:_ID]}", anchor=False, width="stretch")
        show_delete_button(invoices, row)
    st.markdown(
        f"{plain(row.name)} · {plain(row.format)} · {plain(row.provider)} · {days_text(row)} · "
        f"imported {where.local(row.at_ns / 1e9):%Y-%m-%d %H:%M} by {plain(row.who)}",
        help=times.utc(row.at_ns / 1e9),
    )
    show_deletion(invoices, row)
    _show_state(row)
    with st.grid(4, min_column_width=150, gap="small"):
        for label, text in (
            ("Amount", plain(amounts_text(row.amounts)) or fmt.UNKNOWN),
            ("Lines", fmt.count(row.line_count)),
            ("Unmapped", fmt.count(row.unmapped_count)),
            ("Rows left out", fmt.count(row.skipped_count)),
        ):
            st.metric(label, text, border=True)
    _show_lines(row)
    _show_history(row, every)


def _show_state(row: ImportRow) -> None:
    if row.unconverted_count:
        st.warning(
            f"Without an exchange rate when it was imported: {lines_text(row.unconverted_count)}. "
            "A rate given later counts too.",
            icon=":material/currency_exchange:",
        )


def _show_lines(row: ImportRow) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader("Lines", anchor=False)
        show_downloads(
            f"invoice-{row.import_id[:_ID]}",
            partial(_all_lines, row),
            what="Every line of the import as it was read, exact",
            project=row.project,
        )
    with st.spinner("Reading the lines …"):
        lines = list(lines_of_import(store(), row, _LINES))
    if not lines:
        st.caption("It has no lines: on its days nothing was used or charged.")
        return
    frame = tables.lines_frame(lines)
    st.dataframe(
        frame,
        hide_index=True,
        column_config=tables.on_the_right(frame),
        placeholder=fmt.UNKNOWN,
        height="content" if len(lines) <= 15 else 460,
        key="table-invoice-lines",
        alt="Lines of the import",
    )
    if row.line_count > len(lines):
        st.caption(f"The first {fmt.count(len(lines))} of {fmt.count(row.line_count)} lines.")


def _all_lines(row: ImportRow) -> pa.Table:
    return tables.lines_table(lines_of_import(store(), row, _MOST_LINES))


def _show_history(row: ImportRow, every: Sequence[ImportRow]) -> None:
    if not row.first_day:
        st.subheader("Its days", anchor=False)
        return
    first, last = date.fromisoformat(row.first_day), date.fromisoformat(row.last_day)
    counting = sources(store(), row.project, first, last, totals=True)
    told = {(f"{one.day}", one.source): one for one in counting}
    found = [
        _history_row(day, source, told.get((day, source)), row, every)
        for source, days in row.days.items()
        for day in days
    ]
    show_titled("Its days", f"days-{row.import_id[:_ID]}", partial(records_table, found),
                what="Each day, and which import counts for it")  # fmt: skip
    st.dataframe(
        pd.DataFrame(found),
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content" if len(found) <= 12 else 400,
        key="table-invoice-days",
        alt="Days of the import, and which import counts for each",
    )


def _history_row(
    day: str, source: str, told: SourceDay | None, row: ImportRow, every: Sequence[ImportRow]
) -> dict[str, object]:
    others = [one for one in every if day in one.days.get(source, {})]
    counts = told.import_id[:_ID] if told else "none"
    return {
        "Day": day,
        "Source": source,
        "Counts": "this one" if told and told.import_id == row.import_id else counts,
        "Stands back behind": told.stands_back_behind or None if told else None,
        "Final": "yes" if told and told.is_final else "no",
        "Imports": ", ".join(one.import_id[:_ID] for one in others),
    }
