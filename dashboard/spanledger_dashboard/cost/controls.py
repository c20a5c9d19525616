"""The pickers of the cost explorer. All of them are in the address, so every chart is a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spanledger_dashboard import pickers, scope
from spanledger_dashboard.cost import filters as cost_filters
from spanledger_dashboard.cost.drill import FILTER_KEY
from spanledger_dashboard.cost.measures import DIMENSIONS, MEASURES, Measure
from spanledger_dashboard.cost.periods import AUTO, COMPARISONS, GRAINS, TOTAL
from spanledger_dashboard.cost.query import Filters
from spanledger_dashboard.text import plain, shortened
from spanledger_dashboard.time_range import RANGES

BARS, LINES, TREEMAP, TABLE = "Bars", "Lines", "Treemap", "Table"
_NOTHING = "nothing"
_TOPS = (5, 8, 15, 30, 100)
_DEFAULT_TOP = 8
_SHOWN_LENGTH = 40
_FROM_KEY = "vs_from"
_KEYS = ("measure", "group", "group2", "every", "show", "top", FILTER_KEY, "vs")
_MEASURES = {m.label: m for m in MEASURES.values()}
_DIMENSIONS = {d.label: d.key for d in DIMENSIONS.values()}


@dataclass(frozen=True, slots=True)
class View:
    """What the pickers hold.

    Attributes:
        by: up to two different dimensions.
        grain: a choice of ``cost_periods.grain_of``.
        shown: one of BARS, LINES, TREEMAP, TABLE.
        compare: a value of ``cost_periods.COMPARISONS``; empty: nothing.
        compare_from: first day of a period of one's own.
    """

    measure: Measure
    by: tuple[str, ...]
    grain: str
    shown: str
    top: int
    filters: Filters
    compare: str
    compare_from: date | None


def show(values: Sequence[tuple[str, str]]) -> tuple[View, DeltaGenerator]:
    """Show the pickers; return what they hold, and where buttons go.

    Args:
        values: (dimension, value) pairs that are offered as filters.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="cost-what"):
        measure = _MEASURES[_choice("Measure", "measure", list(_MEASURES), 205)]
        first = _choice("By", "group", [*_DIMENSIONS, _NOTHING], 140)
        second = _choice("And by", "group2", [_NOTHING, *_DIMENSIONS], 140)
        grain = _choice("Per", "every", [AUTO, *GRAINS, TOTAL], 110)
        top = int(_choice("Named", "top", [str(n) for n in _TOPS], 80, _TOPS.index(_DEFAULT_TOP)))
        st.space("stretch")
        shown = _shape_picker(measure)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="cost-which"):
        texts = _filter_picker(values)
        compare = COMPARISONS.get(_choice("Compare with", "vs", [_NOTHING, *COMPARISONS], 165), "")
        compare_from = _first_day() if compare == "custom" else None
        actions = st.container(horizontal=True, width="content", gap="small", key="cost-actions")
    filters, odd = cost_filters.read(texts)
    if odd:
        _say_odd(odd)
    keys = [_DIMENSIONS[label] for label in (first, second) if label in _DIMENSIONS]
    by = tuple(dict.fromkeys(keys))
    return View(measure, by, grain, shown, top, filters, compare, compare_from), actions


def content() -> dict[str, object]:
    """Return what has to be saved to show the chart again."""
    found: dict[str, object] = {key: st.session_state.get(key) for key in _KEYS}
    day = st.session_state.get(_FROM_KEY)
    found[_FROM_KEY] = day.isoformat() if isinstance(day, date) else None
    found["range"] = scope.current().range_key
    return found


def apply(saved: Mapping[str, object]) -> None:
    """Show a saved chart, from a callback. What no longer exists falls to its default."""
    for key in _KEYS:
        if saved.get(key) is None:
            st.session_state.pop(key, None)
        else:
            st.session_state[key] = saved[key]
    try:
        st.session_state[_FROM_KEY] = date.fromisoformat(str(saved.get(_FROM_KEY)))
    except ValueError:
        st.session_state.pop(_FROM_KEY, None)
    if str(saved.get("range")) in RANGES:
        pickers.choose_range(str(saved["range"]))


def _choice(label: str, key: str, options: Sequence[str], width: int, index: int = 0) -> str:
    if st.session_state.get(key) not in (*options, None):
        del st.session_state[key]  # saved by a version that had more of them
    chosen = st.selectbox(label, options, index=index, key=key, bind="query-params", width=width)
    return chosen or options[index]


def _shape_picker(measure: Measure) -> str:
    options = [BARS, LINES, TREEMAP, TABLE] if measure.is_additive else [BARS, LINES, TABLE]
    if st.session_state.get("show") not in (*options, None):
        del st.session_state["show"]
    chosen = st.segmented_control(
        "Shown as", options, default=BARS, required=True, key="show", bind="query-params"
    )
    return chosen or BARS


def _filter_picker(values: Sequence[tuple[str, str]]) -> list[str]:
    chosen = cast("Sequence[str]", st.session_state.get(FILTER_KEY) or ())
    offered = [cost_filters.written(d, value) for d, value in values]
    return st.multiselect(
        "Only",
        list(dict.fromkeys([*offered, *chosen])),
        key=FILTER_KEY,
        bind="query-params",
        accept_new_options=True,
        placeholder="everything",
        help="Pick values, or write one: “user: u-17”. Values of one kind are alternatives. "
        f"Kinds: {', '.join(DIMENSIONS)}.",
    )


def _first_day() -> date | None:
    day = st.date_input("Starting", None, key=_FROM_KEY, bind="query-params", width=130)
    return day if isinstance(day, date) else None


def _say_odd(texts: Sequence[str]) -> None:
    shown = ", ".join(f"“{plain(shortened(text, _SHOWN_LENGTH))}”" for text in texts[:3])
    st.warning(
        f"{shown} narrows nothing. A filter is a kind and a value, like “model: gpt-4o”; kinds "
        f"are {', '.join(DIMENSIONS)}.",
        icon=":material/filter_alt_off:",
    )
