"""The right half of the trace page: one span in full. Reads only what its open tab shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.connection import store
from spanledger_dashboard.read_ahead import begin
from spanledger_dashboard.text import code, plain, shortened
from spanledger_dashboard.trace.data import (
    Row,
    TraceKey,
    load_messages,
    load_raw,
    load_span,
    load_span_entries,
)
from spanledger_dashboard.trace.links import show_trace_link
from spanledger_dashboard.trace.message_parts import parse_message
from spanledger_dashboard.trace.provider_request import Message, as_curl
from spanledger_dashboard.trace.span_cost import cost_text, show_costs, show_merged
from spanledger_dashboard.trace.span_export import as_json, as_otlp
from spanledger_dashboard.trace.span_facts import show_facts
from spanledger_dashboard.trace.span_messages import show_block, show_messages, wanted_hashes
from spanledger_dashboard.trace.span_sources import show_sources

_NAME_LIMIT = 120
_FRESH = timedelta(seconds=5)
_CALL_ROLES = ("llm", "embedding")
_COUNTED_ROLES = (*_CALL_ROLES, "agent", "workflow", "tool")


# Another tab, or another run of the page, shows the same span: what it says is not read again.


@st.cache_data(ttl=_FRESH, max_entries=32, show_spinner=False)
def _span(key: TraceKey, span_id: str) -> Row | None:
    return load_span(store(), key, span_id)


@st.cache_data(ttl=_FRESH, max_entries=32, show_spinner=False)
def _raw(key: TraceKey, span_id: str) -> Row | None:
    return load_raw(store(), key, span_id)


@st.cache_data(ttl=_FRESH, max_entries=64, show_spinner=False)
def _entries(key: TraceKey, span_id: str, *, is_call: bool) -> list[Row]:
    return load_span_entries(store(), key, span_id, is_call=is_call)


def show_span(key: TraceKey, span_id: str) -> None:
    """Show one span: what it did, said, cost, and everything it carries.

    Raises:
        StoreError: the store does not answer.
        StateError: the state database does not answer.
    """
    # Most spans that people open were counted; the others waste a question that costs no time.
    own = begin(partial(_entries, key, span_id, is_call=False))
    span = _span(key, span_id)
    if span is None:
        st.info(f"Span {code(span_id)} has not arrived.", icon=":material/hourglass_empty:")
        return
    is_counted = span["role"] in _COUNTED_ROLES or span["kind"] == "log"
    is_call = span["role"] in _CALL_ROLES
    entries = own.result() if is_counted else []
    if is_call and not entries:
        entries = _entries(key, span_id, is_call=True)
    with st.container(key=f"span-{span_id}"):
        _show_head(span, entries)
    _show_error(span)
    sections = _sections(key, span, entries)
    # Another set of tabs begins at its first: what was open on a tool says nothing about a call.
    tabs = st.tabs(list(sections), key=f"tabs-{'-'.join(sections)}", on_change="rerun")
    for tab, show in zip(tabs, sections.values(), strict=True):
        if tab.open:
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
        show_merged(first, "head")


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
        found["Cost"] = lambda: show_costs(entries, lambda entry: show_sources(key, entry))
    found["Details"] = lambda: show_facts(
        span, _raw(key, str(span["span_id"])), is_silent=_is_silent(span)
    )
    if span["event_names"]:
        found["Events"] = lambda: _show_events(span)
    if span["link_trace_ids"]:
        found["Links"] = lambda: _show_links(span)
    found["Copy"] = lambda: _show_copies(key, span)
    return found


def _is_silent(span: Row) -> bool:
    """Return whether a call says nothing: most often because content is not recorded."""
    return span["role"] == "llm" and not span["input_hashes"] and not span["output_hashes"]


def _show_conversation(key: TraceKey, span: Row) -> None:
    asked, answered = _texts(span, "input_hashes"), _texts(span, "output_hashes")
    all_key = f"all-messages-{span['span_id']}"
    is_complete = bool(st.session_state.get(all_key))
    shown = wanted_hashes(asked, is_complete=is_complete)
    contents = load_messages(store(), key.project, [*shown, *answered])
    if len(asked) > len(shown) or is_complete:
        more = len(asked) - len(wanted_hashes(asked, is_complete=False))
        st.checkbox(f"Show the {fmt.count(more)} earlier messages too", key=all_key)
    show_messages(shown, contents)
    if answered:
        st.markdown(":small[:gray[Answer]]")
        show_messages(answered, contents)


def _show_tool(span: Row) -> None:
    for label, column in (("Arguments", "tool_arguments"), ("Result", "tool_result")):
        if span[column]:
            st.markdown(f"**{label}**")
            show_block(str(span[column]))


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
    for number, (trace_id, span_id, attributes) in enumerate(ids):
        show_trace_link(
            f"Trace {plain(trace_id)}, span {plain(span_id)}",
            trace_id,
            span_id,
            key=f"link-{number}",
            icon=":material/link:",
        )
        if attributes:
            st.json(attributes, expanded=True)


def _show_copies(key: TraceKey, span: Row) -> None:
    raw = _raw(key, str(span["span_id"]))
    asked, answered = _texts(span, "input_hashes"), _texts(span, "output_hashes")
    contents = load_messages(store(), key.project, [*asked, *answered])
    inputs, outputs = _messages(asked, contents), _messages(answered, contents)
    forms: dict[str, tuple[Callable[[], str], str, str]] = {
        "JSON": (lambda: as_json(span, raw, inputs, outputs), "json", "The span as stored."),
        "OTLP": (
            lambda: as_otlp(key.trace_id, span, raw, inputs, outputs),
            "json",
            "An export request in OTLP JSON: POST it to /v1/traces of any collector.",
        ),
    }
    if span["role"] in _CALL_ROLES:
        forms = {
            "cURL": (
                lambda: as_curl(span, inputs),
                "bash",
                "The request made again from model, messages and parameters. The key is read "
                "from your environment.",
            ),
            **forms,
        }
    chosen = st.segmented_control(
        "Form", list(forms), default=next(iter(forms)), required=True, key=f"copy-{len(forms)}",
        label_visibility="collapsed",
    )  # fmt: skip
    write, language, explanation = forms[chosen or "JSON"]
    st.caption(explanation)
    if asked and not inputs and chosen == "cURL":
        st.caption("Its messages are no longer stored, so the request has none.")
    st.code(write(), language=language, height=480, wrap_lines=chosen == "cURL")


def _messages(hashes: Sequence[str], contents: dict[str, str]) -> list[Message]:
    return [parse_message(contents[h]) for h in hashes if h in contents]


def _texts(span: Row, column: str) -> list[str]:
    return cast("list[str]", span[column])


def _maps(span: Row, column: str) -> list[dict[str, str]]:
    return cast("list[dict[str, str]]", span[column])
