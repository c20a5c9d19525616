"""What to compare a trace with: another one, one of the same name, or a golden one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import streamlit as st

from spanledger_analytics.golden.content import golden_content
from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope
from spanledger_dashboard.access import Denied, viewer
from spanledger_dashboard.compare.golden import side_of
from spanledger_dashboard.connection import saved_views, store
from spanledger_dashboard.text import plain, shortened
from spanledger_dashboard.trace.data import Row, Trace, TraceKey, sums
from spanledger_dashboard.trace.steps import load_steps
from spanledger_storage.errors import StateError, StoreError
from spanledger_storage.saved_views import NAME_LIMIT, SavedViews

PAGE = "app_pages/compare.py"
Link = Callable[[str, Mapping[str, str]], None]

TRACE_ID = re.compile(r"[0-9a-f]{32}")
_AROUND_S = 14 * 86_400
_NAME_LIMIT = 48
_NAME_KEY = "golden-name"
_SAID_KEY = "golden-said"


def show_compare_picker(key: TraceKey, trace: Trace) -> None:
    """Show one small menu with everything a trace can be compared with."""
    menu = st.popover("Compare", icon=":material/compare_arrows:", on_change="rerun", key="compare")
    if menu.open:
        with menu:
            show_choices(key, trace, _page_link)
            show_save_golden(key, trace)


def show_choices(key: TraceKey, trace: Trace, link: Link) -> None:
    """Show ways to the comparison with this trace as A.

    Args:
        key: of the trace.
        trace: itself.
        link: shows one way: its label, and the query of the page of comparisons.

    Raises:
        StoreError: the store does not answer.
    """
    other = st.text_input("Another trace", key="compare-with", placeholder="Trace id, 32 digits")
    wanted = (other or "").strip().lower()
    if TRACE_ID.fullmatch(wanted):
        link(f"Compare with {wanted}", _query(key, b=wanted))
    elif wanted:
        st.caption("A trace id has 32 hexadecimal digits.")
    similar = _similar(key, trace)
    if similar:
        st.markdown(":small[:gray[Other runs of the same name]]")
        for row in similar:
            link(_similar_label(row), _query(key, b=str(row["trace_id"])))
    names = golden_names(key.project)
    if names:
        st.markdown(":small[:gray[Golden trajectories]]")
        for name in names:
            link(plain(shortened(name, _NAME_LIMIT)), _query(key, golden=name))
    if not similar and not names:
        st.caption("No other run of this name in the two weeks around it.")


def show_save_golden(key: TraceKey, trace: Trace) -> None:
    """Show a field to save a trace as golden; nothing where that is not possible or allowed."""
    views = saved_views()
    if views is None or not viewer().may_save:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input(
            "Save this one as golden", key=_NAME_KEY, max_chars=NAME_LIMIT, placeholder="Name",
            width=220,
        )  # fmt: skip
        st.button("Save", key="golden-save", on_click=_save, args=(views, key, trace))
    if said := st.session_state.pop(_SAID_KEY, None):
        st.caption(plain(said))


def golden_names(project: str) -> list[str]:
    """Return the names of the golden trajectories of a project; empty without a state database."""
    views = saved_views()
    try:
        return [view.name for view in views.of("golden", project)] if views else []
    except StateError:
        return []  # the comparison with other traces works without


def _save(views: SavedViews, key: TraceKey, trace: Trace) -> None:
    name = str(st.session_state.get(_NAME_KEY) or "")
    try:
        scope.follow(key.project)  # it may have been closed to the reader meanwhile
        if not viewer().may_save:
            return
        content = golden_content(side_of(trace, load_steps(store(), key)))
        views.save("golden", key.project, name, content, who=viewer().name)
    except (ValueError, StateError, StoreError, Denied) as error:
        st.session_state[_SAID_KEY] = str(error)
        return
    st.session_state[_NAME_KEY] = ""
    st.session_state[_SAID_KEY] = "Saved. It stays when its spans are no longer kept."


def _similar(key: TraceKey, trace: Trace) -> Sequence[Row]:
    summary = trace.summary
    if summary is None:
        return ()
    start_s = sums(trace).start_ns // 10**9
    return store().rows(
        "dashboard_similar_traces",
        {
            "project": key.project,
            "trace_id": key.trace_id,
            "name": summary["name"],
            "from_s": start_s - _AROUND_S,
            "to_s": start_s + _AROUND_S,
            "around_ms": start_s * 1_000,
        },
    )


def _similar_label(row: Row) -> str:
    started = scope.current().local(cast("int", row["start_ms"]) / 1000)
    errors = cast("int", row["error_count"])
    facts = [
        started.strftime("%b %-d, %H:%M:%S"),
        fmt.usd(cast("None", row["total_cost_usd"])),
        fmt.duration(cast("int", row["duration_ns"])),
        f"{fmt.count(errors)} failed" if errors else "",
    ]
    return plain(" · ".join(fact for fact in facts if fact))


def _query(key: TraceKey, **other: str) -> dict[str, str]:
    return {"project": key.project, "a": key.trace_id, **other}


def _page_link(label: str, query: Mapping[str, str]) -> None:
    st.page_link(PAGE, label=label, icon=":material/compare_arrows:", query_params=query)
