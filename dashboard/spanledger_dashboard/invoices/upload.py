"""Handing in a file: it waits in the state database until the worker has imported it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from spanledger_analytics.invoices.formats import FORMATS
from spanledger_dashboard import scope
from spanledger_dashboard.access import Denied
from spanledger_dashboard.downloads import show_titled
from spanledger_dashboard.failures import explained
from spanledger_dashboard.invoices import tables
from spanledger_dashboard.invoices.opened import OpenInvoices
from spanledger_dashboard.records import records_table
from spanledger_dashboard.text import plain
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.invoice_state import MOST_UPLOAD_BYTES

_REFRESH_S = 3
_SHOWN = 8
_BY_CONTENT = "By its content"
_GENERIC = "generic"


def show_upload(invoices: OpenInvoices, project: str) -> None:
    """Show the way to hand a file in."""
    with (
        st.popover("Import a file", icon=":material/upload_file:", key="invoice-upload"),
        st.form("invoice-upload-form", border=False, clear_on_submit=True),
    ):
        file = st.file_uploader(
            "Report of a provider",
            max_upload_size=MOST_UPLOAD_BYTES // 2**20,
            help="CSV, JSON, Parquet, gzip or ZIP. Larger ones and folders: spanledger invoices "
            "import.",
        )
        name = st.selectbox("Format", [_BY_CONTENT, *FORMATS, _GENERIC])
        account = st.text_input(
            "Account", max_chars=128, placeholder="As the file says",
            help="Where you have several accounts at the provider and the file does not tell.",
        )  # fmt: skip
        mapping = st.text_area(
            "Columns", placeholder="columns:\n  day: Date\n  amount: Cost", max_chars=20_000,
            help="Of the format generic alone: YAML that says what the columns are.",
        )  # fmt: skip
        if not st.form_submit_button("Import", type="primary"):
            return
        if file is None:
            st.error("Choose a file first.", icon=":material/error:")
            return
        options = {
            "format": "" if name == _BY_CONTENT else name,
            "account": account.strip(),
            "mapping": mapping if name == _GENERIC else "",
        }
        try:
            row = invoices.hand_in(project, file.name[:200], file.getvalue(), options)
        except (ConfigError, StateError, Denied) as error:
            st.error(plain(error), icon=":material/error:")
            return
    st.toast(f"{plain(row.name)} waits to be imported.")


@st.fragment(run_every=_REFRESH_S)
def show_uploads(invoices: OpenInvoices) -> None:
    """Show what was handed in, and what became of it; it changes by itself."""
    with explained():
        where = scope.current()
        rows = invoices.uploads(where.project)[:_SHOWN]
        if not rows:
            return
        show_titled("Handed in", "uploads", partial(records_table, rows),
                    what="The files shown, times in UTC")  # fmt: skip
        st.dataframe(
            tables.uploads_frame(rows, where),
            hide_index=True,
            key="table-uploads",
            column_config={
                "Handed in": scope.moments("MMM D, HH:mm"),
                "Outcome": st.column_config.TextColumn(width="large"),
            },
            alt="Files handed in, the newest first",
        )
