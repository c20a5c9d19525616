"""Trace: what one trajectory did, step by step, and what each step cost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import streamlit as st

from spanledger_dashboard import links, scope
from spanledger_dashboard.access import viewer
from spanledger_dashboard.compare.picker import show_compare_picker
from spanledger_dashboard.connection import store
from spanledger_dashboard.failures import explained
from spanledger_dashboard.read_ahead import begin, read_ahead
from spanledger_dashboard.settings import DashboardSettings
from spanledger_dashboard.trace.conversation import Utterance, load_conversation
from spanledger_dashboard.trace.data import (
    Row,
    Trace,
    TraceKey,
    find_trace,
    first_span_id,
    load_summary,
    load_trace,
    sums,
)
from spanledger_dashboard.trace.decision_chain import show_decisions
from spanledger_dashboard.trace.decision_turns import turns_of
from spanledger_dashboard.trace.graph import show_graph
from spanledger_dashboard.trace.header import show_header
from spanledger_dashboard.trace.links import VIEW_KEY
from spanledger_dashboard.trace.marks import GivenMarks
from spanledger_dashboard.trace.marks.found import marks_of
from spanledger_dashboard.trace.parts import Moment, Trajectory, load_parts
from spanledger_dashboard.trace.payload import pack
from spanledger_dashboard.trace.span_detail import show_span
from spanledger_dashboard.trace.steps import Steps, load_steps
from spanledger_dashboard.trace.transcript import show_transcript
from spanledger_dashboard.trace.tree import load_tree
from spanledger_dashboard.trace.view import trace_view

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_FINDING_ID = re.compile(r"[0-9a-f]{32}")
_VIEWS = ("Tree", "Decisions", "Graph", "Transcript")
# A trace is read again after this long, and while it is still growing the page asks by itself.
_FRESH = timedelta(seconds=5)


@st.cache_data(ttl=_FRESH, max_entries=64, show_spinner=False)
def _state(key: TraceKey) -> str:
    """Return something that changes when the trace does; while it grows, with the clock."""
    row = load_summary(store(), key)
    is_settled = row is not None and row["status"] == "closed"
    return f"version {row['version']}" if row and is_settled else f"at {scope.now_s()}"


@st.cache_resource(ttl=timedelta(minutes=1), max_entries=16, show_spinner="Reading the trace …")
def _read(key: TraceKey, state: str, _tree: Future[pa.Table] | None) -> Trace:
    del state  # part of the cache's key: a click reads nothing again that is as it was
    return load_trace(store(), key, _tree)


def _trace(key: TraceKey, tree: Future[pa.Table] | None = None) -> Trace:
    return _read(key, _state(key), tree)


@st.cache_resource(ttl=timedelta(minutes=5), max_entries=16, show_spinner=False)
def _payload(key: TraceKey, selected: str, state: str, _trace: Trace, _marks: GivenMarks) -> bytes:
    del state  # part of the cache's key: what the trace adds up to, and what was found in it
    return pack(_trace, selected=selected, marks=_marks)


@st.cache_data(ttl=timedelta(minutes=1), max_entries=64, show_spinner=False)
def _finding(project: str, finding_id: str) -> Row | None:
    found = store().rows("dashboard_finding", {"project": project, "finding_id": finding_id})
    return found[0] if found else None


@st.cache_resource(ttl=_FRESH, max_entries=16, show_spinner="Reading the steps …")
def _steps(key: TraceKey) -> Steps:
    return load_steps(store(), key)


@st.cache_resource(ttl=timedelta(seconds=30), max_entries=16, show_spinner="Reading who spoke …")
def _conversation(key: TraceKey, state: int, _steps: Steps) -> list[Utterance]:
    del state  # part of the cache's key: how many steps there are
    return load_conversation(store(), key, _steps)


@st.cache_data(ttl=_FRESH, max_entries=64, show_spinner=False)
def _verdicts(key: TraceKey) -> Row:
    return store().rows("dashboard_trace_verdicts", key.params)[0]


@st.cache_data(ttl=timedelta(seconds=30), max_entries=64, show_spinner=False)
def _trajectory(key: TraceKey, session_id: str, start_ns: int, end_ns: int) -> Trajectory:
    at = Moment(scope.now_s(), DashboardSettings.from_environment().abandoned_after_s)
    return load_parts(store(), key, session_id, start_ns, end_ns, at)


def show_page() -> None:
    """Show the page."""
    trace_id = (st.query_params.get("trace_id") or "").strip().lower()
    if not _TRACE_ID.fullmatch(trace_id):
        _show_missing("No trace chosen" if not trace_id else "This is not a trace id", trace_id)
        return
    project = scope.current().project
    tree = _begun_tree(project, trace_id)
    key = _find(trace_id)
    if key is not None:
        read_ahead(lambda: _verdicts(key))
    trace = None if key is None else _trace(key, tree if key.project == project else None)
    if key is None or trace is None or trace.spans.num_rows == 0:
        _show_missing("No such trace", trace_id)
        st.fragment(_await_arrival, run_every=_FRESH)(trace_id)
        return
    scope.follow(key.project)
    total, session = sums(trace), str((trace.summary or {}).get("session_id") or "")
    end_ns = total.start_ns + total.duration_ns
    parts = _trajectory(key, session, total.start_ns, end_ns)
    show_header(trace, total, _verdicts(key), parts, scope.current())
    is_growing = trace.summary is None or trace.summary["status"] == "open"
    st.fragment(_workspace, run_every=_FRESH if is_growing else None)(key)


def _find(trace_id: str) -> TraceKey | None:
    """Return where the trace lies, as far as the reader may look."""
    return find_trace(store(), trace_id, scope.current().project, viewer().projects)


def _begun_tree(project: str, trace_id: str) -> Future[pa.Table] | None:
    """Begin to read the tree while others look where the trace lies, once for every arrival.

    Where the trace lies in another project than people look at, it is of no use.
    """
    if st.session_state.get("begun_tree") == trace_id:
        return None
    st.session_state["begun_tree"] = trace_id
    telemetry = store()
    return begin(lambda: load_tree(telemetry, project, trace_id))


def _show_missing(title: str, trace_id: str) -> None:
    st.page_link(
        "app_pages/traces.py",
        label="Traces",
        icon=":material/arrow_back:",
        query_params=links.scope_query(),
    )
    with st.container(border=True, key="no-trace"):
        st.subheader(title, anchor=False)
        if trace_id:
            st.code(trace_id, language=None)
        st.markdown(
            "Spans appear within seconds of being sent. A trace id has 32 hexadecimal digits; if "
            "this one is right, its spans have not arrived, they are older than what is kept, or "
            "they are in a project that is not open to you."
        )


def _await_arrival(trace_id: str) -> None:
    with explained():
        if _find(trace_id):
            st.rerun()


def _workspace(key: TraceKey) -> None:
    with explained():
        scope.follow(key.project)  # the reader's session or account may have ended meanwhile
        trace = _trace(key)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            view = st.segmented_control(
                "View",
                _VIEWS,
                default="Tree",
                required=True,
                key=VIEW_KEY,
                bind="query-params",
                label_visibility="collapsed",
            )
            st.space("stretch")
            show_compare_picker(key, trace)
        if view == "Tree":
            _show_tree(key, trace)
        else:
            _show_steps(key, view or "Decisions")


def _show_steps(key: TraceKey, view: str) -> None:
    steps = _steps(key)
    if view == "Graph":
        show_graph(steps.all)
        return
    conversation = _conversation(key, len(steps.all), steps)
    if view == "Transcript":
        show_transcript(key, conversation)
    else:
        show_decisions(key, turns_of(steps.all), conversation)


def _show_tree(key: TraceKey, trace: Trace) -> None:
    asked = (st.query_params.get("span_id") or "").strip().lower()
    lit = (st.query_params.get("finding") or "").strip().lower()
    finding = _finding(key.project, lit) if _FINDING_ID.fullmatch(lit) else None
    marks = marks_of(finding, key.trace_id) if finding else {}
    opening = _opening(key.trace_id, asked if _SPAN_ID.fullmatch(asked) else next(iter(marks), ""))
    left, right = st.columns([1.75, 1], gap="small")
    with left:
        found = [one["finding_id"] for one in trace.findings]
        payload = _payload(key, opening.span_id, repr((sums(trace), found, lit)), trace, marks)
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
