"""The details of a span: what is known of it, and its attributes, narrowed by a text."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import cast

import streamlit as st

from spanledger_dashboard.trace.data import Row

_FACTS = (
    ("Role", "role"),
    ("Kind", "kind"),
    ("Agent", "agent_name"),
    ("Agent version", "agent_version"),
    ("Workflow", "workflow_name"),
    ("Task", "task_id"),
    ("Task outcome", "task_outcome"),
    ("Session", "session_id"),
    ("User", "user_id"),
    ("Provider", "provider"),
    ("Requested model", "request_model"),
    ("Answering model", "response_model"),
    ("Service tier", "service_tier"),
    ("Region", "region"),
    ("Finish reason", "finish_reason"),
    ("Attempts", "attempts"),
    ("Streamed", "stream"),
    ("Temperature", "temperature"),
    ("Top p", "top_p"),
    ("Top k", "top_k"),
    ("Max tokens", "max_tokens"),
    ("Seed", "seed"),
    ("Frequency penalty", "frequency_penalty"),
    ("Presence penalty", "presence_penalty"),
    ("Reasoning level", "reasoning_level"),
    ("Tool", "tool_name"),
    ("Tool call id", "tool_call_id"),
    ("Tool outcome", "tool_outcome"),
    ("Response id", "response_id"),
    ("Request id", "request_id"),
    ("Service", "service_name"),
    ("Service version", "service_version"),
    ("Environment", "environment"),
    ("Instrumentation", "scope_name"),
    ("Instrumentation version", "scope_version"),
    ("Dialect", "dialect"),
    ("Span id", "span_id"),
    ("Parent span id", "parent_span_id"),
    ("Trace state", "trace_state"),
)


def show_facts(span: Row, raw: Row | None, *, is_silent: bool) -> None:
    """Show what is known of a span and what it carried.

    Args:
        span: row of dashboard_span_detail.sql.
        raw: row of dashboard_span_raw.sql; None: the span is gone meanwhile.
        is_silent: it is a call without messages; then say why that may be.
    """
    if is_silent:
        st.info(
            "This call came without messages. Most instrumentations record content only when "
            "asked to, for example with OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true; "
            "a project may also be set to keep none.",
            icon=":material/speaker_notes_off:",
        )
    text = st.text_input(
        "Filter", key="attribute-filter", live=True, type="search",
        placeholder="Filter names and values", label_visibility="collapsed",
    )  # fmt: skip
    wanted = (text or "").strip().lower()
    facts = {label: str(span[c]) for label, c in _FACTS if span[c] not in ("", None)}
    shown = _show_pairs("Span", facts, wanted)
    for title, column in (("Attributes", "attributes"), ("Resource", "resource_attributes")):
        pairs = cast("Mapping[str, str]", raw[column]) if raw else {}
        shown += _show_pairs(title, pairs, wanted)
    if not shown:
        st.caption("Nothing matches. Clear the filter.")


def _show_pairs(title: str, pairs: Mapping[str, str], wanted: str) -> int:
    """Show the pairs that hold a text; return how many."""
    kept = {k: v for k, v in pairs.items() if wanted in k.lower() or wanted in v.lower()}
    if not kept:
        return 0
    st.markdown(f"**{title}**")
    # Streamlit's own table loads nearly a megabyte of code first, and the tree waits for it.
    rows = (
        f'<tr><th scope="row">{_breaking(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in kept.items()
    )
    st.html(f'<table class="pairs">{"".join(rows)}</table>')
    return len(kept)


def _breaking(name: str) -> str:
    """Return a name as HTML whose lines break after dots and underscores."""
    return escape(name).replace(".", ".<wbr>").replace("_", "_<wbr>")
