"""Trace: what one trajectory did, step by step, and what each step cost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope
from spanledger_dashboard.connection import store
from spanledger_dashboard.failures import explained
from spanledger_dashboard.span_detail import show_span
from spanledger_dashboard.text import code, plain, shortened
from spanledger_dashboard.trace_data import (
    Trace,
    TraceKey,
    TraceSums,
    find_trace,
    first_span_id,
    load_trace,
    sums,
)
from spanledger_dashboard.trace_payload import pack
from spanledger_dashboard.trace_view import trace_view

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_NAME_LIMIT = 90
# A trace is read again after this long, and while it is still growing the page asks by itself.
_FRESH = timedelta(seconds=5)


@st.cache_resource(ttl=_FRESH, max_entries=16, show_spinner=False)
def _trace(key: TraceKey) -> Trace:
    return load_trace(store(), key)


@st.cache_resource(ttl=timedelta(minutes=5), max_entries=16, show_spinner=False)
def _payload(key: TraceKey, selected: str, state: str, _trace: Trace) -> bytes:
    del state  # part of the cache's key: what the trace adds up to
    return pack(_trace, selected=selected)


def _show() -> None:
    trace_id = (st.query_params.get("trace_id") or "").strip().lower()
    if not _TRACE_ID.fullmatch(trace_id):
        _show_missing("No trace chosen" if not trace_id else "This is not a trace id", trace_id)
        return
    key = find_trace(store(), trace_id, scope.current().project)
    trace = None if key is None else _trace(key)
    if key is None or trace is None or trace.spans.num_rows == 0:
        _show_missing("No such trace", trace_id)
        st.fragment(_await_arrival, run_every=_FRESH)(trace_id)
        return
    _show_header(trace, sums(trace))
    is_growing = trace.summary is None or trace.summary["status"] == "open"
    st.fragment(_workspace, run_every=_FRESH if is_growing else None)(key)


def _show_missing(title: str, trace_id: str) -> None:
    st.page_link("app_pages/traces.py", label="Traces", icon=":material/arrow_back:")
    with st.container(border=True, key="no-trace"):
        st.subheader(title, anchor=False)
        if trace_id:
            st.code(trace_id, language=None)
        st.markdown(
            "Spans appear within seconds of being sent. A trace id has 32 hexadecimal digits; if "
            "this one is right, its spans have not arrived, or they are older than what is kept."
        )


def _await_arrival(trace_id: str) -> None:
    with explained():
        if find_trace(store(), trace_id, scope.current().project):
            st.rerun()


def _show_header(trace: Trace, total: TraceSums) -> None:
    summary = trace.summary or {}
    name = str(summary.get("name") or _root_text(trace, "name") or "(no name)")
    agent = str(summary.get("agent_name") or _root_text(trace, "agent_name"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link("app_pages/traces.py", label="Traces", icon=":material/arrow_back:")
        st.markdown(f"### {plain(shortened(name, _NAME_LIMIT))}", width="content", anchors=False)
        if agent:
            st.badge(plain(agent), color="violet", icon=":material/smart_toy:")
        if total.errors:
            st.badge(f"{fmt.count(total.errors)} failed", color="red", icon=":material/error:")
        else:
            st.badge("no errors", color="green", icon=":material/check:")
        if summary.get("status") != "closed":
            st.badge("still open", color="orange", icon=":material/hourglass_top:")
        if summary.get("outcome"):
            st.badge(plain(summary["outcome"]), color="gray")
        st.markdown(code(trace.key.trace_id), width="stretch", text_alignment="right")
    st.markdown(" &nbsp;·&nbsp; ".join(_facts(trace, total)))


def _facts(trace: Trace, total: TraceSums) -> list[str]:
    summary = trace.summary or {}
    facts = [
        f"**{plain(fmt.usd(total.cost_usd))}**",
        f"**{fmt.duration(total.duration_ns)}**",
        f"**{fmt.count(total.spans)}** span{'' if total.spans == 1 else 's'}",
        f"**{fmt.count(total.llm_calls)}** LLM call{'' if total.llm_calls == 1 else 's'}",
        f"**{plain(fmt.short_count(total.tokens))}** tokens",
    ]
    for number, words in (
        (total.unpriced_calls, "not priced"),
        (total.calls_without_usage, "without token counts"),
    ):
        if number:
            facts.append(f":orange[{fmt.count(number)} call{'' if number == 1 else 's'} {words}]")
    for label, column in (("session", "session_id"), ("user", "user_id")):
        if summary.get(column):
            facts.append(f":gray[{label}] {code(shortened(str(summary[column]), 40))}")
    started = scope.current().local(total.start_ns / 1e9)
    facts.append(f":gray[{plain(started.strftime('%b %-d, %H:%M:%S'))}]")
    return facts


def _root_text(trace: Trace, column: str) -> str:
    span_id = first_span_id(trace)
    at = trace.spans["span_id"].to_pylist().index(span_id)
    return str(trace.spans[column][at].as_py())


def _workspace(key: TraceKey) -> None:
    with explained():
        trace = _trace(key)
        asked = (st.query_params.get("span_id") or "").strip().lower()
        opening = _opening(key.trace_id, asked if _SPAN_ID.fullmatch(asked) else "")
        left, right = st.columns([1.75, 1], gap="small")
        with left:
            payload = _payload(key, opening.span_id, repr(sums(trace)), trace)
            opening.selected = trace_view(payload, key=opening.tree_key) or ""
        with right, st.container(border=True, key="detail"):
            show_span(key, opening.selected or opening.span_id or first_span_id(trace))


@dataclass(slots=True)
class _Opening:
    """One arrival at a trace: the span its link named, and the one selected since."""

    span_id: str
    tree_key: str
    selected: str = ""


def _opening(trace_id: str, asked: str) -> _Opening:
    """Return the arrival this run belongs to.

    The tree writes the selected span into the address itself. Only a span that is neither that
    one nor the arrival's own is a new wish: then the tree starts anew with it.
    """
    known = cast("dict[str, _Opening]", st.session_state.setdefault("openings", {}))
    opening = known.get(trace_id)
    tree = cast("dict[str, str]", st.session_state.get(opening.tree_key, {}) if opening else {})
    if opening is None or asked not in {
        "",
        opening.span_id,
        opening.selected,
        tree.get("selected"),
    }:
        opening = _Opening(asked, f"tree-{trace_id}-{asked}")
        known[trace_id] = opening
    return opening


_show()
