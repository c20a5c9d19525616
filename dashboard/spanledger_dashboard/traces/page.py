"""Traces: find the trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, navigation, pickers, scope
from spanledger_dashboard.charts import Axis
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.empty_state import show_no_data
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import has_data, show_freshness
from spanledger_dashboard.read_ahead import read_ahead
from spanledger_dashboard.saved_views_ui import show_saved
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.time_range import Window
from spanledger_dashboard.traces import filters as trace_filters
from spanledger_dashboard.traces import histogram as trace_histogram
from spanledger_dashboard.traces import search as trace_search
from spanledger_dashboard.traces.listing import (
    EXPORT_LIMIT,
    SORTS,
    Facets,
    Place,
    SpanFacets,
    TraceBucket,
    TraceFilter,
    TracePage,
    TraceTotals,
    load_export,
    load_facets,
    load_histogram,
    load_page,
    load_span_facets,
    totals,
)
from spanledger_dashboard.traces.search import Found
from spanledger_dashboard.traces.table import COLUMNS, DEFAULT_COLUMNS, show_table, trace_frame

_REFRESH_S = 5
_CHART_KEY = "traces-chart"
# Clocks of senders go wrong; what is this late is still read.
_CLOCK_SKEW_S = 3_600

Content = dict[str, object]


@st.cache_data(ttl=60, max_entries=100, show_spinner=False)
def _facets(project: str, from_s: int, to_s: int) -> Facets:
    return load_facets(store(), project, from_s, to_s)


@st.cache_data(ttl=300, max_entries=100, show_spinner=False)
def _span_facets(project: str, from_s: int, to_s: int) -> SpanFacets:
    return load_span_facets(store(), project, from_s, to_s)


@st.cache_data(ttl=60, max_entries=50, show_spinner="Reading messages …")
def _found(project: str, from_s: int, to_s: int, needle: str) -> Found:
    return trace_search.search(store(), project, from_s, to_s, needle)


@st.cache_data(ttl=15, max_entries=200, show_spinner="Reading traces …")
def _histogram(narrowed: TraceFilter, bucket_s: int) -> list[TraceBucket]:
    return load_histogram(store(), narrowed, bucket_s)


@st.cache_data(ttl=15, max_entries=200, show_spinner=False)
def _page(narrowed: TraceFilter, sort: str, place: Place) -> TracePage:
    return load_page(store(), narrowed, sort, place)


def show_page() -> None:
    """Show the page."""
    where = scope.current()
    now_s = scope.now_s()
    _freshness_line()
    window = where.time_range.window(now_s)
    read_ahead(
        lambda: _facets(where.project, window.start_s, window.end_s),
        lambda: _span_facets(where.project, window.start_s, window.end_s),
    )
    narrowed, found = _narrowed(where, window, now_s)
    sort = SORTS.get(str(st.session_state.get("sort")), "newest")
    place = Place.read(st.query_params.get("after", ""), st.query_params.get("before", ""))
    read_ahead(lambda: _page(narrowed, sort, place))
    trace_filters.show_chips()
    if found is not None:
        _say_limit(where, found)
    buckets = _histogram(narrowed, where.time_range.bucket_s)
    summed = totals(buckets)
    compare, measure = _heading(summed, narrowed, sort)
    if summed.traces:
        _show_histogram(where, window, buckets, measure)
        _show_page(where, _page(narrowed, sort, place), compare)
    elif not has_data(where.project, now_s):
        show_no_data(where.project)
        _await_data()
    else:
        st.info(
            "No trace matches. Widen the time range or take a filter away.",
            icon=":material/search_off:",
        )


@st.fragment(run_every=_REFRESH_S)
def _freshness_line() -> None:
    with explained():
        show_freshness(scope.current().project, scope.now_s())


@st.fragment(run_every=_REFRESH_S)
def _await_data() -> None:
    with explained():
        if has_data(scope.current().project, scope.now_s()):
            st.rerun()


def _narrowed(where: Scope, window: Window, now_s: int) -> tuple[TraceFilter, Found | None]:
    """Show the row of filters; return what it says, and what a search for text found."""
    from_s, to_s = window.start_s, window.end_s
    facets = _facets(where.project, from_s, to_s)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="search"):
        trace_filters.show_searches()
        trace_filters.show_filters(facets, _span_facets(where.project, from_s, to_s))
        show_saved("traces", where.project, _content, _apply)
        st.space("stretch")
        _sort_picker()
    # Traces that are over bound what has to be read of their spans.
    is_over = to_s < now_s
    spans_to_s = max(to_s, facets.last_end_s + 1) if is_over else to_s + _CLOCK_SKEW_S
    needle = trace_filters.text_searched()
    found = _found(where.project, from_s, spans_to_s, needle) if needle else None
    return trace_filters.chosen(where.project, from_s, to_s, spans_to_s, found), found


def _sort_picker() -> None:
    st.selectbox(
        "Order",
        list(SORTS),
        key="sort",
        bind="query-params",
        on_change=trace_filters.to_first_page,
        label_visibility="collapsed",
        width=170,
        icon=":material/sort:",
    )


def _say_limit(where: Scope, found: Found) -> None:
    """Tell when a search did not look at everything."""
    back_to = f"{where.local(found.searched_from_s):%b %-d, %H:%M}"
    if found.limit == "time":
        st.warning(
            f"The search for text ended after {trace_search.BUDGET_S} s. What is older than "
            f"{back_to} was not searched; a shorter time range can be searched completely.",
            icon=":material/timer:",
        )
    elif found.limit == "traces":
        st.warning(
            f"The search for text ended at the newest {trace_search.AT_MOST:,} traces. The list "
            f"and its sums are of these; what is older than {back_to} was not searched.",
            icon=":material/filter_list:",
        )


def _heading(summed: TraceTotals, narrowed: TraceFilter, sort: str) -> tuple[DeltaGenerator, str]:
    """Show the sums and the actions; return where the one on two traces goes, and the measure."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="heading"):
        st.markdown(_summary(summed), width="stretch")
        compare = st.container(width="content")
        measure = st.segmented_control(
            "Bars",
            trace_histogram.MEASURES,
            default=trace_histogram.TRACES,
            required=True,
            key="bars",
            bind="query-params",
            label_visibility="collapsed",
        )
        with st.popover("", icon=":material/view_column:", help="Columns", key="columns-menu"):
            st.multiselect(
                "Columns",
                COLUMNS,
                default=DEFAULT_COLUMNS,
                key="columns",
                bind="query-params",
                width=360,
            )
        show_downloads(
            "traces",
            lambda: load_export(store(), narrowed, sort),
            what=f"All traces that match, in this order; at most {EXPORT_LIMIT:,}",
        )
    return compare, measure or trace_histogram.TRACES


def _summary(summed: TraceTotals) -> str:
    parts = [
        f"**{fmt.count(summed.traces)}** trace{'' if summed.traces == 1 else 's'}",
        f"**{fmt.usd(summed.cost_usd)}**",
        f"{fmt.count(summed.failed_traces)} with errors",
    ]
    if summed.unpriced_calls:
        calls = "call" if summed.unpriced_calls == 1 else "calls"
        parts.append(f":orange[{fmt.count(summed.unpriced_calls)} {calls} not priced]")
    return " · ".join(parts).replace("$", r"\$")


def _show_histogram(
    where: Scope, window: Window, buckets: Sequence[TraceBucket], measure: str
) -> None:
    bucket_s = where.time_range.bucket_s
    starts = range(window.start_s, window.end_s, bucket_s)
    clock = where.clock(window.start_s, window.end_s)
    axis = Axis(starts, [where.local(start) for start in starts], bucket_s, clock)
    st.plotly_chart(
        _figure(buckets, axis, measure),
        key=_CHART_KEY,
        on_select=lambda: _choose_time(axis),
        selection_mode=("points", "box"),
        config={"displayModeBar": False},
        alt="Matching traces over time; drag across the bars to choose a time range",
    )


def _figure(buckets: Sequence[TraceBucket], axis: Axis, measure: str) -> go.Figure:
    return trace_histogram.figure(buckets, axis, measure)


def _choose_time(axis: Axis) -> None:
    state = cast("Mapping[str, Mapping[str, object]]", st.session_state.get(_CHART_KEY) or {})
    chosen = trace_histogram.brushed(state.get("selection", {}), axis)
    if chosen is not None:
        pickers.choose_bounds(*chosen)
        trace_filters.to_first_page()


def _show_page(where: Scope, page: TracePage, compare: DeltaGenerator) -> None:
    ids = [str(row["trace_id"]) for row in page.rows]
    columns = [c for c in COLUMNS if c in (st.session_state.get("columns") or DEFAULT_COLUMNS)]
    picked = show_table(trace_frame(page.rows, where, columns), ids)
    _turns(page)
    with compare:
        _compare_button([ids[number] for number in picked.ticked])
    if picked.opened is not None:
        links.open_trace(ids[picked.opened])


def _turns(page: TracePage) -> None:
    """Show the way to the pages above and below."""
    if page.before is None and page.after is None:
        return
    with st.container(horizontal=True, horizontal_alignment="center", gap="small", key="turns"):
        for label, icon, name, place in (
            ("First", "first_page", "", page.before and ""),
            ("Previous", "chevron_left", "before", page.before),
            ("Next", "chevron_right", "after", page.after),
        ):
            st.button(
                label,
                key=f"turn-{label}",
                icon=f":material/{icon}:",
                icon_position="right" if label == "Next" else "left",
                disabled=place is None,
                on_click=_turn,
                args=(name, place or ""),
            )


def _turn(name: str, place: str) -> None:
    trace_filters.to_first_page()
    if name:
        st.query_params[name] = place


def _compare_button(ids: Sequence[str]) -> None:
    """Show the action on two traces, once some are picked."""
    if "compare" not in navigation.PAGES or not ids:
        return
    is_pair = len(ids) == 2
    if st.button(
        "Compare",
        icon=":material/compare_arrows:",
        disabled=not is_pair,
        help="Side by side" if is_pair else "Pick two traces at the left edge of the table",
    ):
        project = {k: v for k, v in links.scope_query().items() if k == "project"}
        pair = {"a": ids[0], "b": ids[1]}
        st.switch_page(navigation.PAGES["compare"].file, query_params={**project, **pair})


def _content() -> Content:
    state = st.session_state
    return {
        "filters": trace_filters.content(),
        "sort": state.get("sort"),
        "columns": list(state.get("columns") or DEFAULT_COLUMNS),
        "bars": state.get("bars"),
    }


def _apply(saved: Content) -> None:
    filters, columns = saved.get("filters"), saved.get("columns")
    trace_filters.apply(cast("Content", filters) if isinstance(filters, dict) else {})
    listed = cast("list[object]", columns) if isinstance(columns, list) else []
    st.session_state["columns"] = [c for c in listed if c in COLUMNS] or list(DEFAULT_COLUMNS)
    sort, bars = saved.get("sort"), saved.get("bars")
    st.session_state["sort"] = sort if sort in SORTS else next(iter(SORTS))
    st.session_state["bars"] = bars if bars in trace_histogram.MEASURES else trace_histogram.TRACES
