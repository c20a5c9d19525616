"""Forms of the page on mappings: what a text, a scope or a key stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from spanledger_analytics.errors import AnalyticsError
from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.invoices.rules import NOT_MAPPED_TO
from spanledger_analytics.invoices.unmapped import Unmapped
from spanledger_dashboard.access import Denied
from spanledger_dashboard.invoices.opened import OpenInvoices
from spanledger_dashboard.text import plain, shortened
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.invoice_state import MappingRow
from spanledger_storage.invoice_tables import MappingKind

_CLASSES = [one.value for one in TokenClass if one not in NOT_MAPPED_TO]
_PROCESSING = ("", "sync", "batch")
_FAILURE_KEY = "mapping-failure"
_NAME_LIMIT = 50


def show_line_form(invoices: OpenInvoices, project: str, one: Unmapped) -> None:
    """Show the way to say what a text stands for."""
    suggestion = one.suggestion.value if one.suggestion else None
    with st.form(f"mapping-{one.provider}-{one.text}-{one.meter_id}", border=True):
        st.markdown(f"**{plain(shortened(one.text, 200))}** of {plain(one.provider)} is")
        left, middle, right = st.columns(3)
        chosen = left.selectbox(
            "Class", _CLASSES,
            index=_CLASSES.index(suggestion) if suggestion else None,
            placeholder="What it is for",
            help="Suggested by the words of the text." if suggestion else None,
        )  # fmt: skip
        model = middle.text_input("Model", placeholder="As the ledger names it", max_chars=200)
        by = right.selectbox(
            "Goes for", ("This text", "This meter id") if one.meter_id else ("This text",)
        )
        processing = left.selectbox(
            "Processing", _PROCESSING, format_func=lambda v: v or "Not told"
        )
        tier = middle.text_input("Tier", placeholder="Not told", max_chars=60)
        factor = right.text_input("Times", placeholder="1", help="Of its quantities, as in 1000.")
        note = st.text_input("Note", placeholder="Where it is from", max_chars=500)
        if not st.form_submit_button("Map", type="primary"):
            return
        if chosen is None:
            st.error("Choose what it is for.", icon=":material/error:")
            return
        target = {
            "token_class": chosen, "model": model, "processing": processing or "",
            "service_tier": tier, "factor": factor,
        }  # fmt: skip
        pattern = one.meter_id if by == "This meter id" else one.text
        _save(invoices, MappingRow(project, "line", one.provider, pattern, target, note))


def show_scope_form(
    invoices: OpenInvoices,
    project: str,
    named: Sequence[tuple[str, MappingKind, str]],
    projects: Sequence[str],
) -> None:
    """Show the way to say whose a scope or key is."""
    words: Mapping[str, str] = {"scope": "", "api_key": "key "}
    with st.form("mapping-scope", border=False):
        chosen = st.selectbox(
            "Scope or key",
            range(len(named)),
            format_func=lambda i: f"{words[named[i][1]]}{named[i][2]} of {named[i][0]}",
            index=None,
            placeholder="As the provider names it",
        )
        left, right = st.columns(2)
        target = left.selectbox("Project here", projects, index=None, placeholder="This one")
        dimension = right.text_input("Or dimension", placeholder="team=search", max_chars=200)
        note = st.text_input("Note", max_chars=500)
        if not st.form_submit_button("Map", type="primary"):
            return
        if chosen is None:
            st.error("Choose a scope or a key.", icon=":material/error:")
            return
        provider, kind, value = named[chosen]
        said = {"project": target or "", "dimension": dimension}
        _save(invoices, MappingRow(project, kind, provider, value, said, note))


def show_remove(invoices: OpenInvoices, project: str, row: MappingRow) -> None:
    """Show the way to take a mapping back."""
    st.button(
        f"Remove mapping {row.id}",
        icon=":material/delete:",
        key=f"mapping-remove-{row.id}",
        on_click=_remove,
        args=(invoices, project, row.id),
    )


def show_failure() -> None:
    """Show why something could not be removed, once."""
    failure = st.session_state.pop(_FAILURE_KEY, None)
    if failure:
        st.error(plain(failure), icon=":material/error:")


def _save(invoices: OpenInvoices, row: MappingRow) -> None:
    try:
        stored = invoices.map(row)
    except (AnalyticsError, ConfigError, StateError, Denied) as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.toast(f"Mapping of “{plain(shortened(stored.pattern, _NAME_LIMIT))}” is saved.")
    st.rerun()


def _remove(invoices: OpenInvoices, project: str, mapping_id: int) -> None:
    try:
        invoices.unmap(project, mapping_id)
    except (ConfigError, StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
