"""Traces: find the trajectory."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope
from spanledger_dashboard.connection import store
from spanledger_dashboard.empty_state import show_no_data
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import has_data, show_freshness
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.trace_list import (
    PAGE_SIZE,
    SORTS,
    Facets,
    TraceFilter,
    TraceTotals,
    load_facets,
    load_page,
    load_totals,
)
from spanledger_dashboard.trace_table import show_table, trace_csv, trace_frame

_CSV_ROWS = 10_000
_REFRESH_S = 5
_STATUSES = ("ok", "error")

Row = dict[str, object]


def _filters(where: Scope, facets: Facets, from_s: int, to_s: int) -> TraceFilter:
    with st.container(horizontal=True, gap="small", key="filters"):
        text = st.text_input(
            "Name or trace id",
            key="q",
            bind="query-params",
            on_change=_to_first_page,
            live=True,
            type="search",
            placeholder="any",
            width=170,
        )
        agent = _choice("Agent", "agent", facets.agents)
        model = _choice("Model", "model", facets.models)
        service = _choice("Service", "service", facets.services)
        status = _choice("Status", "status", _STATUSES, is_closed=True)
        session = _exact("Session", "session")
        user = _exact("User", "user")
        min_cost = st.number_input(
            "Min cost ($)",
            min_value=0.0,
            value=None,
            step=0.1,
            key="min_cost",
            bind="query-params",
            on_change=_to_first_page,
            placeholder="any",
            width=112,
        )
    return TraceFilter(
        project=where.project,
        from_s=from_s,
        to_s=to_s,
        agent=agent,
        model=model,
        service=service,
        user=user,
        session=session,
        status=status,
        min_cost_usd=Decimal(str(min_cost or 0)),
        text=(text or "").strip(),
    )


def _to_first_page() -> None:
    st.session_state["page"] = 1


def _choice(label: str, key: str, options: tuple[str, ...], *, is_closed: bool = False) -> str:
    chosen = st.selectbox(
        label,
        options,
        index=None,
        key=key,
        bind="query-params",
        on_change=_to_first_page,
        # A link may name an agent that did nothing in this time range.
        accept_new_options=not is_closed,
        placeholder="any",
        width=125,
    )
    return chosen or ""


def _exact(label: str, key: str) -> str:
    text = st.text_input(
        label, key=key, bind="query-params", on_change=_to_first_page, placeholder="any", width=105
    )
    return (text or "").strip()


@st.cache_data(ttl=60, max_entries=100, show_spinner=False)
def _facets(where: Scope, from_s: int, to_s: int) -> Facets:
    return load_facets(store(), where.project, from_s, to_s)


@st.cache_data(ttl=15, max_entries=200, show_spinner=False)
def _totals(narrowed: TraceFilter) -> TraceTotals:
    return load_totals(store(), narrowed)


@st.cache_data(ttl=15, max_entries=200, show_spinner=False)
def _page(narrowed: TraceFilter, sort: str, skip: int) -> list[Row]:
    return load_page(store(), narrowed, sort, skip)


def _csv(narrowed: TraceFilter, sort: str) -> bytes:
    return trace_csv(load_page(store(), narrowed, sort, 0, _CSV_ROWS))


def _summary(totals: TraceTotals) -> str:
    parts = [
        f"**{fmt.count(totals.traces)}** trace{'' if totals.traces == 1 else 's'}",
        f"**{fmt.usd(totals.cost_usd)}**",
        f"{fmt.count(totals.failed_traces)} with errors",
    ]
    if totals.unpriced_calls:
        parts.append(f":orange[{fmt.count(totals.unpriced_calls)} calls not priced]")
    return " · ".join(parts).replace("$", r"\$")


def _show() -> None:
    where = scope.current()
    now_s = scope.now_s()
    _freshness_line()
    window = where.time_range.window(now_s)
    from_s, to_s = window.start_s, window.end_s
    narrowed = _filters(where, _facets(where, from_s, to_s), from_s, to_s)
    totals = _totals(narrowed)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(_summary(totals), width="stretch")
        sort = _sort_picker()
        st.download_button(
            "CSV",
            data=lambda: _csv(narrowed, sort),
            file_name="spanledger-traces.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            help=f"The first {_CSV_ROWS:,} traces that match, in this order.",
        )
    if totals.traces:
        _show_page(where, narrowed, sort, totals)
    elif not has_data(where.project, now_s):
        show_no_data(where.project)
        _await_data()
    else:
        st.info(
            "No trace matches. Widen the time range or clear a filter.",
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


def _sort_picker() -> str:
    chosen = st.selectbox(
        "Order",
        list(SORTS),
        key="sort",
        bind="query-params",
        on_change=_to_first_page,
        label_visibility="collapsed",
        width=170,
        icon=":material/sort:",
    )
    return SORTS.get(chosen or "", "newest")


def _show_page(where: Scope, narrowed: TraceFilter, sort: str, totals: TraceTotals) -> None:
    pages = -(-totals.traces // PAGE_SIZE)
    # Below the table on the screen, but the table needs the number.
    table = st.container()
    number = 1
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            number = min(st.pagination(pages, key="page", bind="query-params"), pages)
    rows = _page(narrowed, sort, (number - 1) * PAGE_SIZE)
    with table:
        opened = show_table(trace_frame(rows, where))
    if opened is not None:
        st.switch_page(
            "app_pages/trace.py",
            query_params={"trace_id": cast("str", rows[opened]["trace_id"])},
        )


_show()
