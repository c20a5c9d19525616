"""Unit economics: what a completed task costs, what it is made of, and why that changed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pyarrow as pa
import streamlit as st

from spanledger_analytics.unit_economics.full_cost import Group
from spanledger_dashboard import scope
from spanledger_dashboard.connection import store
from spanledger_dashboard.cost.periods import AUTO, bucket_starts, grain_of
from spanledger_dashboard.cost.query import Stretch, load_values
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.empty_state import show_no_data, show_nothing_in_range
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import has_data
from spanledger_dashboard.read_ahead import read_ahead
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.unit_economics import controls, view
from spanledger_dashboard.unit_economics.change import Explained, load_explained
from spanledger_dashboard.unit_economics.charts import Times
from spanledger_dashboard.unit_economics.controls import Choice
from spanledger_dashboard.unit_economics.query import (
    DAY_S,
    EVERYTHING,
    Ask,
    groups_table,
    load_groups,
    load_spread,
    worst_table,
)

_GROUPS = 100
_WORST = 50
_DOWNLOAD_ROWS = 10_000
_STATES = {"All": "", "Completed": "completed", "Failed": "failed", "Abandoned": "abandoned"}


@st.cache_data(ttl=60, max_entries=200, show_spinner=False)
def _groups(
    ask: Ask, entity: str, page_size: int, starts: tuple[int, ...] = ()
) -> list[tuple[int, Group, int]]:
    return load_groups(store(), ask, entity, page_size, starts)


@st.cache_data(ttl=60, max_entries=100, show_spinner=False)
def _spread(ask: Ask) -> list[tuple[int, int]]:
    return load_spread(store(), ask)


@st.cache_data(ttl=60, max_entries=100, show_spinner=False)
def _worst(ask: Ask, state: str) -> pa.Table:
    return worst_table(store(), ask, state, _WORST)


@st.cache_data(ttl=300, max_entries=100, show_spinner="Explaining the difference …")
def _explained(now: Ask, before: Ask) -> Explained | None:
    groups = [_groups(ask, EVERYTHING, 1) for ask in (now, before)]
    found = [rows[0][1] for rows in groups if rows]
    return load_explained(store(), (now, before), found)


@st.cache_data(ttl=300, max_entries=100, show_spinner=False)
def _values(project: str, stretch: Stretch) -> list[tuple[str, str]]:
    return load_values(store(), project, stretch)


def show_page() -> None:
    """Show the page."""
    with explained():
        where, now_s = scope.current(), scope.now_s()
        window = where.time_range.window(now_s)
        stretch = Stretch(window.start_s, window.end_s)
        choice = controls.show(_offered(where.project, stretch))
        ask = Ask(
            project=where.project,
            from_s=stretch.start_s,
            to_s=stretch.end_s,
            dimension=choice.dimension,
            silent_before_s=(now_s - DAY_S) // 3_600 * 3_600 if choice.counts_silent else 0,
            filters=choice.filters,
        )
        _begin(where, ask, choice)
        with st.spinner("Adding up tasks …"):
            whole = _groups(ask, EVERYTHING, 1)
        if not whole:
            _say_empty(where, ask, now_s)
        elif not whole[0][1].ended:
            view.show_no_outcomes(whole[0][1].tasks)
        else:
            _show(where, ask, choice, whole[0][1])


def _begin(where: Scope, ask: Ask, choice: Choice) -> None:
    """Ask the store at once for what the page needs from top to bottom."""
    starts = _starts(where, ask)
    read_ahead(
        lambda: _groups(ask, EVERYTHING, 1),
        lambda: _groups(_before(ask), EVERYTHING, 1),
        lambda: _groups(ask, EVERYTHING, len(starts), starts),
        lambda: _spread(ask),
        lambda: _groups(ask, choice.column, _GROUPS),
        lambda: _worst(ask, _shown_state()),
    )


def _before(ask: Ask) -> Ask:
    return replace(ask, from_s=2 * ask.from_s - ask.to_s, to_s=ask.from_s)


def _starts(where: Scope, ask: Ask) -> tuple[int, ...]:
    stretch = Stretch(ask.from_s, ask.to_s)
    return bucket_starts(stretch, grain_of(AUTO, stretch), scope.zone(where.timezone))


def _shown_state() -> str:
    return _STATES.get(str(st.session_state.get("end", "")), "")


def _offered(project: str, stretch: Stretch) -> list[str]:
    """Return filters to pick: the agents and models that cost most."""
    found = _values(project, stretch)
    return [f"{kind}: {name}" for kind, name in found if kind in ("agent", "model") and name]


def _say_empty(where: Scope, ask: Ask, now_s: int) -> None:
    if ask.filters:
        st.info(
            "No task matches these filters in this time range. Take one away, or choose a longer "
            "range.",
            icon=":material/search_off:",
        )
    elif has_data(where.project, now_s):
        show_nothing_in_range()
    else:
        show_no_data(where.project)


def _show(where: Scope, ask: Ask, choice: Choice, whole: Group) -> None:
    before = _before(ask)
    past = _groups(before, EVERYTHING, 1)
    period = f"vs {where.time_range.label} before"
    view.show_cards(view.cards(whole, past[0][1] if past else None, period))
    view.show_left_out(whole)
    view.show_composition(whole)
    left, right = st.columns([3, 2])
    with left:
        _show_trend(where, ask)
    with right:
        view.show_spread(_spread(ask))
    _show_groups(ask, choice)
    if st.toggle(
        "Explain the change",
        key="why",
        bind="query-params",
        help="Against the period before. It looks at every call of both periods.",
    ):
        _show_change(where, ask, before)
    _show_worst(where, ask, whole)


def _show_trend(where: Scope, ask: Ask) -> None:
    grain = grain_of(AUTO, Stretch(ask.from_s, ask.to_s))
    starts = _starts(where, ask)
    found = {start: group for start, group, _ in _groups(ask, EVERYTHING, len(starts), starts)}
    times = Times(
        [where.local(start) for start in starts],
        where.local(ask.to_s),
        grain.about_s if grain else DAY_S,
        where.clock(ask.from_s, ask.to_s),
    )
    view.show_trend([found.get(start) for start in starts], times)


def _show_groups(ask: Ask, choice: Choice) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.subheader(f"By {choice.label.lower()}", anchor=False)
        show_downloads(
            "unit-economics",
            partial(groups_table, store(), ask, choice.column, _DOWNLOAD_ROWS),
            what="What is shown, by name, with all sums exact",
        )
    found = _groups(ask, choice.column, _GROUPS)
    view.show_groups([group for _, group, _ in found], found[0][2] if found else 0, choice)


def _show_change(where: Scope, now: Ask, before: Ask) -> None:
    texts: list[str] = []
    for ask in (now, before):
        first, last = where.local(ask.from_s), where.local(ask.to_s)
        texts.append(f"{first:%b %-d, %H:%M} – {last:%b %-d, %H:%M}")
    view.show_change(_explained(now, before), f"{texts[0]}, against {texts[1]}.")


def _show_worst(where: Scope, ask: Ask, whole: Group) -> None:
    st.subheader("Dearest tasks", anchor=False)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        chosen = st.segmented_control(
            "End",
            list(_STATES),
            default="All",
            required=True,
            key="end",
            bind="query-params",
            label_visibility="collapsed",
        )
        state = _STATES.get(str(chosen), "")
        show_downloads(
            "tasks",
            partial(worst_table, store(), ask, state, _DOWNLOAD_ROWS),
            what=f"The {_DOWNLOAD_ROWS:,} dearest of these tasks, amounts exact",
        )
    with st.spinner("Looking for the dearest tasks …"):
        worst = _worst(ask, state)
    view.show_worst(worst, whole, where)
