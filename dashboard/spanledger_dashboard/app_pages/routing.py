"""Routing: which model does which kind of task, how well, and what another would cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from spanledger_analytics.routing.counterfactual import Model
from spanledger_analytics.routing.routes import Fit, Route, baseline_of, fit_of
from spanledger_dashboard import scope
from spanledger_dashboard.downloads import show_downloads, show_titled
from spanledger_dashboard.empty_state import show_no_data, show_nothing_in_range
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import has_data
from spanledger_dashboard.records import records_table
from spanledger_dashboard.routing import view
from spanledger_dashboard.routing.data import Period, Routes, compare, load
from spanledger_dashboard.routing.tables import NO_NAME, routes_file
from spanledger_dashboard.text import plain

_ALL = "All classes"
_HOUR_S = 3_600
_MOST_MODELS = 12
_SEPARATOR = " / "


def _body() -> None:
    with explained():
        view.follow_click()
        where, now_s = scope.current(), scope.now_s()
        window = where.time_range.window(now_s)
        price_s = min(window.end_s, now_s) // _HOUR_S * _HOUR_S
        period = Period(where.project, window.start_s, window.end_s, price_s)
        found = load(period)
        if found.routes:
            _show(period, found, f"{where.local(price_s):%b %-d, %H:%M}")
        elif has_data(where.project, now_s):
            show_nothing_in_range()
        else:
            show_no_data(where.project)


def _show(period: Period, found: Routes, when: str) -> None:
    chosen = _class_picker(found.routes)
    shown = [r for r in found.routes if chosen is None or r.task_class == chosen]
    fits = _fits(found.routes)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.subheader("Routes", anchor=False)
        show_downloads(
            "routes", partial(routes_file, shown, fits), what="The routes shown, sums exact"
        )
    view.show_routes(shown, fits, view.what_is_left_out(found))
    heading = st.container(horizontal=True, horizontal_alignment="distribute")
    heading.subheader("The same tokens at other prices", anchor=False)
    task_class = chosen if chosen is not None else _dearest_class(found.routes)
    models = _models(found.routes, task_class)
    if models:
        compared = compare(period, task_class, models)
        if compared.calls:
            with heading:
                show_downloads(
                    "estimates",
                    partial(records_table, compared.estimates),
                    what="What the same tokens would cost at each price, exact",
                )
        view.show_estimates(compared, task_class, when)
    cascades = [c for c in found.cascades if chosen is None or c.task_class == chosen]
    if cascades:
        show_titled("Cheap first, then dear", "cascades", partial(records_table, cascades),
                    what="Every cascade shown, sums exact")  # fmt: skip
    else:
        st.subheader("Cheap first, then dear", anchor=False)
    view.show_cascades(cascades)


def _class_picker(routes: Sequence[Route]) -> str | None:
    """Return the class that is chosen; None: all."""
    names = list(dict.fromkeys(route.task_class for route in routes))
    labels = {name or NO_NAME: name for name in names}
    chosen = st.selectbox(
        "Class of task",
        [_ALL, *labels],
        key="class",
        bind="query-params",
        width=380,
        help="Agent and workflow, or what the dimension task_class says.",
    )
    return labels.get(str(chosen))


def _fits(routes: Sequence[Route]) -> dict[tuple[str, str], Fit]:
    of_class: dict[str, list[Route]] = {}
    for route in routes:
        of_class.setdefault(route.task_class, []).append(route)
    baselines = {name: baseline_of(found) for name, found in of_class.items()}
    return {
        (route.task_class, route.model): fit_of(route, baselines[route.task_class])
        for route in routes
    }


def _dearest_class(routes: Sequence[Route]) -> str:
    return max(routes, key=lambda route: (route.calls_usd, route.call_count)).task_class


def _models(routes: Sequence[Route], task_class: str) -> tuple[Model, ...]:
    """Let the reader choose models to compare with; those that were called are offered."""
    called = sorted(
        (one for route in routes for one in route.calls if one.model),
        key=lambda one: (one.task_class != task_class, -one.total_cost_usd),
    )
    names = list(dict.fromkeys(f"{one.provider}{_SEPARATOR}{one.model}" for one in called))
    chosen = st.multiselect(
        "Models",
        names,
        default=names[:_MOST_MODELS],
        key=f"models-{task_class}",
        accept_new_options=True,
        help="Pick models that were called, or write one: “openai / gpt-4o”.",
    )
    odd = [name for name in chosen if _SEPARATOR.strip() not in name]
    if odd:
        st.warning(
            f"Not understood: {plain(', '.join(odd))}. Write “provider / model”.",
            icon=":material/help:",
        )
    pairs = (name.partition(_SEPARATOR.strip()) for name in chosen if name not in odd)
    return tuple(dict.fromkeys(Model(p.strip(), m.strip()) for p, _, m in pairs if m.strip()))


_body()
