"""Compare: two trajectories side by side, step by step, and where they part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import streamlit as st

from spanledger_analytics.golden.alignment import (
    DiffRow,
    DiffStep,
    Side,
    compare,
    first_divergence,
)
from spanledger_analytics.golden.content import golden_side
from spanledger_dashboard import format as fmt
from spanledger_dashboard import pickers, scope, shell, times
from spanledger_dashboard.access import viewer
from spanledger_dashboard.compare.diff_table import (
    diff_arrow,
    show_diff_table,
    signed_count,
    signed_duration,
    signed_usd,
    step_text,
)
from spanledger_dashboard.compare.golden import side_of
from spanledger_dashboard.compare.picker import TRACE_ID, show_choices
from spanledger_dashboard.connection import saved_views, store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.failures import explained
from spanledger_dashboard.text import code, plain, shortened
from spanledger_dashboard.trace.data import Trace, TraceKey, find_trace, load_trace
from spanledger_dashboard.trace.steps import load_steps

_FRESH = timedelta(seconds=15)
_NAME_LIMIT = 70


@st.cache_resource(ttl=_FRESH, max_entries=8, show_spinner="Reading the trace …")
def _trace(key: TraceKey) -> Trace:
    return load_trace(store(), key)


@st.cache_resource(ttl=_FRESH, max_entries=8, show_spinner="Reading the steps …")
def _side(key: TraceKey) -> Side:
    return side_of(_trace(key), load_steps(store(), key))


@st.cache_resource(ttl=_FRESH, max_entries=8, show_spinner="Aligning the steps …")
def _rows(state: str, _a: Side, _b: Side) -> list[DiffRow]:
    del state  # part of the cache's key: which two, and what they add up to
    return compare(_a.steps, _b.steps)


def _state(side: Side) -> str:
    return f"{side.trace_id} {side.is_golden} {len(side.steps)} {side.start_ns} {side.totals}"


def _show() -> None:
    with shell.page_head("Compare"):
        pickers.refresh_picker(is_of_range=False)
        shell.show_help()
    st.caption("Two trajectories, their steps aligned: what differs, and what that costs.")
    asked = {name: (st.query_params.get(name) or "").strip() for name in ("a", "b", "golden")}
    a = _find(asked["a"])
    if a is None:
        _show_missing("A", asked["a"])
        return
    scope.follow(a.project)
    b = _golden(a, asked["golden"]) if asked["golden"] else _stored(asked["b"])
    if b is None:
        if asked["golden"] or asked["b"]:
            _show_missing("B", asked["golden"] or asked["b"])
        with st.container(border=True, key="choices"):
            st.markdown(f"**Compare {code(a.trace_id)} with**")
            show_choices(a, _trace(a), _link)
        return
    one = _side(a)
    _show_sides(one, b, a.project, asked)
    rows = _rows(_state(one) + _state(b), one, b)
    _show_divergence(rows)
    st.fragment(_show_steps)(rows, one, b)


def _find(trace_id: str) -> TraceKey | None:
    """Return where a trace lies, as far as the reader may look."""
    wanted = trace_id.lower()
    if not TRACE_ID.fullmatch(wanted):
        return None
    key = find_trace(store(), wanted, scope.current().project, viewer().projects)
    return key if key is not None and _trace(key).spans.num_rows else None


def _stored(trace_id: str) -> Side | None:
    key = _find(trace_id)
    return None if key is None else _side(key)


def _golden(key: TraceKey, name: str) -> Side | None:
    views = saved_views()
    found = views.of("golden", key.project) if views else ()
    content = next((view.content for view in found if view.name == name), None)
    if content is None:
        return None
    try:
        return golden_side(content)
    except ValueError as error:
        st.error(plain(error), icon=":material/broken_image:")
        return None


def _show_missing(side: str, asked: str) -> None:
    with st.container(border=True, key=f"missing-{side.lower()}"):
        if asked:
            st.subheader(f"{side} is not here", anchor=False)
            st.code(asked, language=None)
            st.markdown(
                "No span of this trace is stored, nothing golden has this name, or it is in a "
                "project that is not open to you."
            )
        else:
            st.subheader("Nothing to compare yet", anchor=False)
            st.markdown(
                "Open a trace and choose **Compare** there, or pick two traces in the list. Two "
                "runs are aligned step by step, with what differs in dollars, tokens and time."
            )
            st.page_link("app_pages/traces.py", label="Traces", icon=":material/account_tree:")


def _show_sides(a: Side, b: Side, project: str, asked: dict[str, str]) -> None:
    left, middle, right = st.columns([1, 0.17, 1], gap="small", vertical_alignment="center")
    with left, st.container(border=True, key="side-a"):
        _show_side("A", a)
    if not b.is_golden:
        with middle:
            st.button(
                "Swap",
                key="swap",
                icon=":material/swap_horiz:",
                type="tertiary",
                on_click=_go,
                args=({"project": project, "a": asked["b"], "b": asked["a"]},),
            )
    with right, st.container(border=True, key="side-b"):
        _show_side("B", b)
    _show_totals(a, b)


def _link(label: str, query: Mapping[str, str]) -> None:
    """Show one way to a comparison; a page link would not change the address of its own page."""
    key = "compare-" + (query.get("b") or query.get("golden") or "")
    st.button(
        label,
        key=key,
        icon=":material/compare_arrows:",
        type="tertiary",
        on_click=_go,
        args=(query,),
    )


def _go(query: Mapping[str, str]) -> None:
    st.query_params.from_dict(dict(query))


def _show_side(letter: str, side: Side) -> None:
    started = scope.current().local(side.start_ns / 1e9).strftime("%b %-d, %H:%M:%S")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(letter, color="blue" if letter == "B" else "orange")
        st.markdown(f"**{plain(shortened(side.name, _NAME_LIMIT))}**", width="content")
        if side.is_golden:
            st.badge("golden", color="yellow", icon=":material/star:")
        st.markdown(f":gray[{plain(started)}]", width="stretch", text_alignment="right",
                    help=times.utc(side.start_ns / 1e9))  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(code(side.trace_id), width="stretch")
        st.page_link(
            "app_pages/trace.py",
            label="Open",
            icon=":material/arrow_forward:",
            query_params={"trace_id": side.trace_id},
        )


def _show_totals(a: Side, b: Side) -> None:
    x, y = a.totals, b.totals
    costs = x.cost_usd, y.cost_usd
    cost = None if costs[0] is None or costs[1] is None else costs[1] - costs[0]
    cards = (
        ("Cost", fmt.usd(x.cost_usd), fmt.usd(y.cost_usd), signed_usd(cost)),
        (
            "Tokens",
            fmt.short_count(x.tokens),
            fmt.short_count(y.tokens),
            signed_count(y.tokens - x.tokens),
        ),
        (
            "Duration",
            fmt.duration(x.duration_ns),
            fmt.duration(y.duration_ns),
            signed_duration(y.duration_ns - x.duration_ns),
        ),
        (
            "LLM calls",
            fmt.count(x.llm_calls),
            fmt.count(y.llm_calls),
            signed_count(y.llm_calls - x.llm_calls),
        ),
        ("Spans", fmt.count(x.spans), fmt.count(y.spans), signed_count(y.spans - x.spans)),
        ("Failed", fmt.count(x.errors), fmt.count(y.errors), signed_count(y.errors - x.errors)),
    )
    with st.grid(len(cards), min_column_width=165, gap="small"):
        for label, of_a, of_b, change in cards:
            with st.container(border=True, gap=None):
                st.markdown(f":small[:gray[{label}]]")
                st.markdown(f"{plain(of_a)} → **{plain(of_b)}**")
                st.markdown(f":small[:gray[{plain(change) if change != '=' else 'the same'}]]")


def _show_divergence(rows: Sequence[DiffRow]) -> None:
    if not rows:
        st.info("Neither has steps: no model, tool or agent was at work.", icon=":material/info:")
        return
    first = first_divergence(rows)
    if first is None:
        other = sum(row.state == "answer" for row in rows)
        words = f"; {fmt.count(other)} answers differ in their words" if other else ""
        st.success(f"Both take the same steps{words}.", icon=":material/check:")
        return
    row = rows[first]
    texts = {
        "arguments": f"both run {_name(row.a)}, with other arguments",
        "outcome": f"{_name(row.a)} fails in {'A' if row.a and row.a.has_failed else 'B'} alone",
        "other": f"A goes on with {_name(row.a)}, B with {_name(row.b)}",
        "only a": f"only A runs {_name(row.a)}",
        "only b": f"only B runs {_name(row.b)}",
    }
    st.warning(
        f"**First difference at step {fmt.count(first + 1)}**: {texts[row.state]}.",
        icon=":material/call_split:",
    )


def _name(step: DiffStep | None) -> str:
    return "" if step is None else plain(shortened(step.what, 60))


def _show_steps(rows: Sequence[DiffRow], a: Side, b: Side) -> None:
    with explained():
        first = first_divergence(rows)
        with st.container(horizontal=True, vertical_alignment="center"):
            same = sum(not row.is_divergent for row in rows)
            st.markdown(
                f"**{fmt.count(len(rows))}** steps aligned, {fmt.count(same)} of them alike",
                width="stretch",
            )
            is_short = st.toggle("Differences only", key="differences", bind="query-params")
            show_downloads(
                "comparison", lambda: diff_arrow(rows), what="Every step of both, aligned."
            )
        shown = [(n, row) for n, row in enumerate(rows) if row.is_divergent or not is_short]
        if not shown:
            st.caption("No step differs.")
            return
        picked = show_diff_table(shown, first)
        if picked is not None:
            _show_links(picked, a, b)


def _show_links(row: DiffRow, a: Side, b: Side) -> None:
    with st.container(horizontal=True, gap="medium", key="picked"):
        for letter, side, step in (("A", a, row.a), ("B", b, row.b)):
            if step is not None:
                st.page_link(
                    "app_pages/trace.py",
                    label=f"{letter}: {plain(step_text(step))}",
                    icon=":material/arrow_forward:",
                    query_params={"trace_id": side.trace_id, "span_id": step.span_id},
                )


with explained():
    _show()
