"""Deleting an import: asked for here after a second look, done by the worker, kept on record."""

from __future__ import annotations

import json

import streamlit as st

from spanledger_analytics.invoices.shown import amounts_text, days_text, lines_text
from spanledger_dashboard.access import Denied, viewer
from spanledger_dashboard.failures import explained
from spanledger_dashboard.invoices.opened import OpenInvoices
from spanledger_dashboard.text import plain
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.invoice_state import ImportRow
from spanledger_storage.reconciliation_state import ActionRow

_FAILURE_KEY = "deletion-failure"
_REFRESH_S = 3
_OPEN = ("asked", "running")


def show_delete_button(invoices: OpenInvoices, row: ImportRow) -> None:
    """Show the way to ask for an import to be deleted, to whoever may."""
    asked = _asked(invoices, row)
    is_asked = asked is not None and asked.status in _OPEN
    if row.deleted_at_ns is None and not is_asked and viewer().may_save:
        with st.popover("Delete", icon=":material/delete:", key="delete-import"):
            _show_second_look(invoices, row)


def show_deletion(invoices: OpenInvoices, row: ImportRow) -> None:
    """Show what became of a deletion that was asked for, and whether it was done."""
    if failure := st.session_state.pop(_FAILURE_KEY, None):
        st.error(plain(failure), icon=":material/error:")
    if row.deleted_at_ns is not None:
        st.warning(
            f"Deleted by {plain(row.deleted_by)}: no day counts it.", icon=":material/delete:"
        )
        return
    asked = _asked(invoices, row)
    if asked is not None and asked.status in _OPEN:
        _wait(invoices, row)
    elif asked is not None and asked.status == "failed":
        st.warning(f"It could not be deleted: {plain(asked.said)}", icon=":material/error:")


def _show_second_look(invoices: OpenInvoices, row: ImportRow) -> None:
    money = f", {plain(amounts_text(row.amounts))}" if row.amounts else ""
    st.markdown(
        f"**{lines_text(row.line_count)} of {days_text(row)}{money}** will not count any more. "
        "Each day falls back to the import before it, or has none. Days are compared anew, and "
        "adjustments that are posted follow. The lines stay as history, with your name."
    )
    st.button(
        "Delete this import", type="primary", key="delete-import-now", on_click=_delete,
        args=(invoices, row),
    )  # fmt: skip


def _delete(invoices: OpenInvoices, row: ImportRow) -> None:
    try:
        invoices.delete(row.project, row)
    except (ConfigError, StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)


@st.fragment(run_every=_REFRESH_S)
def _wait(invoices: OpenInvoices, row: ImportRow) -> None:
    """Say that the worker has not done it yet; show the page anew once it has."""
    with explained():
        asked = _asked(invoices, row)
        if asked is None or asked.status not in _OPEN:
            st.rerun()
        st.info(
            f"Deletion was asked for by {plain(asked.who)}; the worker does it within seconds. "
            f"{plain(asked.said)}",
            icon=":material/hourglass_empty:",
        )


def _asked(invoices: OpenInvoices, row: ImportRow) -> ActionRow | None:
    """Return the latest deletion that was asked for of an import."""
    every = invoices.deletions(row.project)
    return next((o for o in every if json.loads(o.what)["import"] == row.import_id), None)
