"""From a bar, a tile or a row of the cost explorer to the traces behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import streamlit as st

from spanledger_dashboard import pickers, times
from spanledger_dashboard.cost import filters as cost_filters
from spanledger_dashboard.cost.measures import DIMENSIONS
from spanledger_dashboard.cost.periods import bucket_end
from spanledger_dashboard.cost.query import Answer, Question, Slice
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain, shortened

FILTER_KEY = "only"
_OPEN_KEY = "cost-open-traces"
_NAME_LIMIT = 60


@dataclass(frozen=True, slots=True)
class Clicked:
    """What somebody picked; ``slice`` None: everything; ``start_s`` None: over the whole time."""

    slice: Slice | None
    start_s: int | None = None


def clicked_bar(event: object, answer: Answer) -> Clicked | None:
    """Return the bar or point picked in a chart over time: series are slices, points are bars."""
    points = _selection(event).get("points")
    if not points:
        return None
    point = cast("Sequence[Mapping[str, int]]", points)[0]
    place, bar = point.get("curve_number", -1), point.get("point_index", -1)
    if not (0 <= place < len(answer.slices) and 0 <= bar < len(answer.starts)):
        return None
    return Clicked(answer.slices[place], answer.starts[bar])


def clicked_name(event: object, answer: Answer) -> Clicked | None:
    """Return the bar picked in a chart of names: points are slices."""
    points = _selection(event).get("points")
    if not points:
        return None
    place = cast("Sequence[Mapping[str, int]]", points)[0].get("point_index", -1)
    return Clicked(answer.slices[place]) if 0 <= place < len(answer.slices) else None


def clicked_tile(event: object, tiles: Sequence[Slice]) -> Clicked | None:
    """Return the tile picked in a treemap; ``tiles`` in the order they were given in."""
    for group in cast("Sequence[Mapping[str, object]]", _selection(event).get("selected") or ()):
        for index in cast("Sequence[int]", group.get("data_indices") or ()):
            # The root of the tree is element 0.
            if 1 <= index <= len(tiles):
                return Clicked(tiles[index - 1])
    return None


def clicked_row(event: object, slices: Sequence[Slice]) -> Clicked | None:
    """Return the row picked in a table of names, whose last row is everything."""
    rows = cast("Sequence[int]", _selection(event).get("rows") or ())
    if not rows or rows[0] > len(slices):
        return None
    return Clicked(slices[rows[0]] if rows[0] < len(slices) else None)


def show_drill(
    where: Scope, question: Question, answer: Answer, clicked: Clicked, key: str
) -> None:
    """Show what was picked, the way to its traces, and the way to look at nothing else."""
    one = clicked.slice
    from_s, to_s = _bounds(question, clicked.start_s)
    starts = answer.starts if clicked.start_s is None else [clicked.start_s]
    value = question.measure.value(answer.sums([one] if one else answer.slices, starts))
    name = answer.label(one) if one else "Everything"
    first, last = where.local(from_s), where.local(to_s)
    names: Sequence[str] = () if one is None or one.is_rest else one.names
    with st.container(border=True, gap=None, key=f"drill-{key}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{plain(shortened(name, _NAME_LIMIT))}** · "
                f"{plain(question.measure.text(value))} · "
                f"{first:%b %-d, %H:%M} – {last:%b %-d, %H:%M}",
                width="stretch",
                help=times.utc_range(from_s, to_s),
            )
            if names:
                st.button(
                    "Only this",
                    icon=":material/filter_alt:",
                    key=f"only-{key}",
                    on_click=_narrow,
                    args=(question.by, names),
                )
            st.button(
                "Traces behind it",
                icon=":material/account_tree:",
                key=f"traces-{key}",
                on_click=_open_traces,
                args=(traces_query(question, names, from_s, to_s), from_s, to_s),
            )
        limits = _limits(question, names)
        if limits or (one and one.is_rest):
            lost = [*limits, *(["the names that are not shown"] if one and one.is_rest else [])]
            st.caption(f"The list of traces cannot be narrowed by {', '.join(lost)}.")
        elif names:
            st.caption("Traces are listed whole, with whatever else they used.")


def follow_click() -> None:
    """Go to the traces somebody asked for with the last click; call it first on the page."""
    query = st.session_state.pop(_OPEN_KEY, None)
    if query:
        st.switch_page("app_pages/traces.py", query_params=query)


def _open_traces(query: Mapping[str, str], from_s: int, to_s: int) -> None:
    # The range picker holds this session's time, whatever an address says; with another time the
    # page would draw another chart, in which nothing is picked.
    pickers.choose_bounds(from_s, to_s)
    st.session_state[_OPEN_KEY] = query


def traces_query(
    question: Question, names: Sequence[str], from_s: int, to_s: int
) -> dict[str, str]:
    """Return the query of the trace list for names (empty: all) and a stretch of time.

    Project and kind of range are not in it: the pickers above every page hold them.
    """
    by = question.by if names else ()
    narrowed = cost_filters.traces_query(question.filters, by, names)
    return {"from": str(from_s), "to": str(to_s), **narrowed}


def _limits(question: Question, names: Sequence[str]) -> list[str]:
    """Return what the trace list cannot be narrowed by."""
    by = dict(zip(question.by, names, strict=True)) if names else {}
    narrowing: dict[str, tuple[str, ...]] = {
        key: values for key, values in question.filters if key not in by
    }
    narrowing |= {key: (name,) for key, name in by.items()}
    return [
        DIMENSIONS[key].label.lower()
        for key, values in narrowing.items()
        if len(values) != 1 or values == ("",) or not DIMENSIONS[key].traces_key
    ]


def _bounds(question: Question, start_s: int | None) -> tuple[int, int]:
    whole = question.stretch
    if start_s is None:
        return whole.start_s, whole.end_s
    end_s = bucket_end(question.starts, start_s, whole)
    return max(start_s, whole.start_s), end_s


def _narrow(by: Sequence[str], names: Sequence[str]) -> None:
    texts = cast("Sequence[str]", st.session_state.get(FILTER_KEY) or ())
    st.session_state[FILTER_KEY] = cost_filters.narrowed(texts, by, names)


def _selection(event: object) -> Mapping[str, object]:
    if not isinstance(event, Mapping):
        return {}
    return cast("Mapping[str, Mapping[str, object]]", event).get("selection") or {}
