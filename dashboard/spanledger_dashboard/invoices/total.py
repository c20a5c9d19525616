"""Saying what a month's invoice comes to: it waits like a file that is handed in."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.formats.invoice_totals import checked_text
from spanledger_dashboard.access import Denied
from spanledger_dashboard.invoices.opened import OpenInvoices
from spanledger_dashboard.text import plain
from spanledger_storage.errors import ConfigError, StateError


def show_total(invoices: OpenInvoices, project: str, month: str, providers: Sequence[str]) -> None:
    """Show the way to say what the invoice of a month comes to; ``providers`` are those known."""
    with (
        st.popover("Invoice total", icon=":material/receipt:", key="invoice-total"),
        st.form("invoice-total-form", border=False, clear_on_submit=True),
    ):
        st.caption(
            f"What the invoice of {month} comes to, tax included. It is compared with the sum of "
            "its lines and with the ledger. Of several invoices give their sum."
        )
        provider = st.selectbox(
            "Provider", list(providers), index=None, accept_new_options=True,
            placeholder="As the ledger names it",
        )  # fmt: skip
        amount = st.text_input("Amount", placeholder="1234.56", max_chars=40)
        currency = st.text_input("Currency", value="USD", max_chars=3)
        account = st.text_input("Account", placeholder="All of them", max_chars=128)
        invoice_id = st.text_input("Number of the invoice", max_chars=200)
        if not st.form_submit_button("Keep", type="primary"):
            return
        row = {
            "provider": str(provider or ""), "month": month, "amount": amount,
            "currency": currency, "account": account, "invoice_id": invoice_id,
        }  # fmt: skip
        try:
            name, content = checked_text(row)
            invoices.hand_in(project, name, content, {"format": "invoice-totals"})
        except (InvoiceError, ConfigError, StateError, Denied) as error:
            st.error(plain(error), icon=":material/error:")
            return
    st.toast(f"The invoice of {plain(str(provider))} waits to be read.")
