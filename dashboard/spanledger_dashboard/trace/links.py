"""Ways to a span or trace from within the trace page.

A page link to the page it stands on changes the page and not the address, so these are buttons
that write the address themselves.
"""

from __future__ import annotations

import streamlit as st

VIEW_KEY = "view"


def show_trace_link(
    label: str,
    trace_id: str,
    span_id: str = "",
    *,
    key: str,
    icon: str = ":material/arrow_forward:",
    explanation: str | None = None,
    is_open: bool = True,
) -> None:
    """Show a button that opens a span in the tree, or another trace in the view that is shown.

    Args:
        label: safe markdown.
        trace_id: 32 hex digits.
        span_id: 16 hex digits; empty: the trace as a whole.
        key: unique on the page.
        icon: of the button.
        explanation: shown when the pointer rests on it.
        is_open: False shows it as not available.
    """
    is_other = st.query_params.get("trace_id") != trace_id
    pressed = st.button(
        label,
        key=f"go-{key}",
        icon=icon,
        type="tertiary",
        help=explanation,
        disabled=not is_open,
        on_click=_go,
        args=(trace_id, span_id),
    )
    if pressed and is_other:
        st.rerun()  # all of the page, also from within a part of it


def _go(trace_id: str, span_id: str) -> None:
    st.query_params["trace_id"] = trace_id
    if span_id:
        st.query_params["span_id"] = span_id
        st.session_state[VIEW_KEY] = "Tree"
    else:
        st.query_params.pop("span_id", None)
