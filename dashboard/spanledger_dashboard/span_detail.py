"""The right half of the trace page: one span in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import pandas as pd
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.connection import store
from spanledger_dashboard.span_cost import cost_text, show_costs, show_merged
from spanledger_dashboard.span_messages import show_block, show_messages, wanted_hashes
from spanledger_dashboard.text import plain, shortened
from spanledger_dashboard.trace_data import (
    Row,
    TraceKey,
    load_messages,
    load_span,
    load_span_entries,
)

_NAME_LIMIT = 120
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
    ("Max tokens", "max_tokens"),
    ("Seed", "seed"),
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


def show_span(key: TraceKey, span_id: str) -> None:
    """Show one span: what it did, said, cost, and everything it carries.

    Raises:
        StoreError: the store does not answer.
    """
    span = load_span(store(), key, span_id)
    if span is None:
        st.info(f"Span `{plain(span_id)}` has not arrived.", icon=":material/hourglass_empty:")
        return
    entries = load_span_entries(store(), key, span_id)
    with st.container(key=f"span-{span_id}"):
        _show_head(span, entries)
    _show_error(span)
    sections = _sections(key, span, entries)
    # Another set of tabs begins at its first: what was open on a tool says nothing about a call.
    tabs = st.tabs(list(sections), key=f"tabs-{'-'.join(sections)}")
    for tab, show in zip(tabs, sections.values(), strict=True):
        with tab:
            show()


def _show_head(span: Row, entries: Sequence[Row]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"#### {plain(shortened(str(span['name']) or '(no name)', _NAME_LIMIT))}",
            width="content",
            anchors=False,
        )
        st.badge(plain(span["role"]), color="gray")
        if span["status"] == "error":
            st.badge("error", color="red", icon=":material/error:")
    first = entries[0] if entries else None
    usage = first if first is not None and first["is_primary"] else span
    with st.container(horizontal=True, gap="medium"):
        _figure("Duration", fmt.duration(cast("int", span["duration_ns"])))
        if span["ttft_ns"] is not None:
            _figure("First token", fmt.duration(cast("int", span["ttft_ns"])))
        if first is not None or span["input_tokens"] is not None:
            tokens = [
                fmt.short_count(cast("int | None", usage[c]))
                for c in ("input_tokens", "output_tokens")
            ]
            _figure("Tokens in / out", " / ".join(tokens))
            _figure("Cost", cost_text(first))
    if first is not None and not first["is_primary"]:
        show_merged(first)


def _figure(label: str, value: str) -> None:
    st.markdown(f":small[:gray[{label}]]  \n**{plain(value)}**", width="content")


def _show_error(span: Row) -> None:
    exceptions = [
        attributes
        for name, attributes in zip(
            _texts(span, "event_names"), _maps(span, "event_attributes"), strict=True
        )
        if name == "exception"
    ]
    if span["status"] == "error":
        what = " · ".join(str(span[c]) for c in ("error_type", "status_message") if span[c])
        st.error(
            plain(what[:2_000]) or "This span failed without a message.", icon=":material/error:"
        )
    for attributes in exceptions:
        kind = attributes.get("exception.type", "exception")
        with st.expander(
            f"Exception: {plain(shortened(kind, _NAME_LIMIT))}", icon=":material/bug_report:"
        ):
            st.text(attributes.get("exception.message", ""))
            if attributes.get("exception.stacktrace"):
                st.code(attributes["exception.stacktrace"], language=None, wrap_lines=True)


def _sections(key: TraceKey, span: Row, entries: Sequence[Row]) -> dict[str, Callable[[], None]]:
    """Return what there is to show, by the name of its tab; what is absent has no tab."""
    found: dict[str, Callable[[], None]] = {}
    if span["input_hashes"] or span["output_hashes"]:
        found["Messages"] = lambda: _show_conversation(key, span)
    if span["tool_arguments"] or span["tool_result"]:
        found["Tool"] = lambda: _show_tool(span)
    if entries:
        found["Cost"] = lambda: show_costs(entries)
    found["Details"] = lambda: _show_details(span)
    if span["event_names"]:
        found["Events"] = lambda: _show_events(span)
    if span["link_trace_ids"]:
        found["Links"] = lambda: _show_links(span)
    return found


def _show_conversation(key: TraceKey, span: Row) -> None:
    asked, answered = _texts(span, "input_hashes"), _texts(span, "output_hashes")
    all_key = f"all-messages-{span['span_id']}"
    is_complete = bool(st.session_state.get(all_key))
    shown = wanted_hashes(asked, is_complete=is_complete)
    contents = load_messages(store(), key.project, [*shown, *answered])
    if len(shown) < len(asked):
        st.checkbox(f"Show the {len(asked) - len(shown)} earlier messages too", key=all_key)
    show_messages(shown, contents)
    if answered:
        st.markdown(":small[:gray[Answer]]")
        show_messages(answered, contents)


def _show_tool(span: Row) -> None:
    for label, column in (("Arguments", "tool_arguments"), ("Result", "tool_result")):
        if span[column]:
            st.markdown(f"**{label}**")
            show_block(str(span[column]))


def _show_details(span: Row) -> None:
    facts = {label: str(span[column]) for label, column in _FACTS if span[column] not in ("", None)}
    _show_pairs("Span", facts)
    _show_pairs("Attributes", cast("Mapping[str, str]", span["attributes"]))
    _show_pairs("Resource", cast("Mapping[str, str]", span["resource_attributes"]))


def _show_pairs(title: str, pairs: Mapping[str, str]) -> None:
    if not pairs:
        return
    st.markdown(f"**{title}**")
    frame = pd.DataFrame({"Name": list(pairs), "Value": list(pairs.values())})
    column = st.column_config.TextColumn
    st.dataframe(
        frame,
        hide_index=True,
        height="content" if len(frame) <= 40 else 800,
        column_config={"Name": column(width="medium"), "Value": column(width="large")},
        alt=title,
    )


def _show_events(span: Row) -> None:
    times = cast("list[int]", span["event_times_ns"])
    start_ns = cast("int", span["start_ns"])
    for at, name, attributes in zip(
        times, _texts(span, "event_names"), _maps(span, "event_attributes"), strict=True
    ):
        offset = f"+{fmt.duration(at - start_ns)}" if at >= start_ns else "before the span"
        st.markdown(f"**{plain(shortened(name, _NAME_LIMIT))}** :gray[{plain(offset)}]")
        if attributes:
            st.json(attributes, expanded=True)


def _show_links(span: Row) -> None:
    ids = zip(
        _texts(span, "link_trace_ids"),
        _texts(span, "link_span_ids"),
        _maps(span, "link_attributes"),
        strict=True,
    )
    for trace_id, span_id, attributes in ids:
        st.page_link(
            "app_pages/trace.py",
            label=f"Trace {plain(trace_id)}, span {plain(span_id)}",
            icon=":material/link:",
            query_params={"trace_id": trace_id, "span_id": span_id},
        )
        if attributes:
            st.json(attributes, expanded=True)


def _texts(span: Row, column: str) -> list[str]:
    return cast("list[str]", span[column])


def _maps(span: Row, column: str) -> list[dict[str, str]]:
    return cast("list[dict[str, str]]", span[column])
