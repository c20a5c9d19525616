"""What the page on routing shows: routes, the same tokens at other prices, cascades."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from spanledger_analytics.routing.cascades import Cascade
from spanledger_analytics.routing.routes import FEW, Route
from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.routing import charts
from spanledger_dashboard.routing import tables as routing_tables
from spanledger_dashboard.routing.data import Compared, Routes
from spanledger_dashboard.routing.tables import Fits
from spanledger_dashboard.text import plain, shortened

_CHART = {"displayModeBar": False}
_TABLE_HEIGHT_PX = 460
_MOST_CASCADES = 12
_NAME_LIMIT = 60
_OPEN_KEY = "routing-open"


def show_routes(found: Sequence[Route], fits: Fits, left_out: str = "") -> None:
    """Show routes as a table; a click leads to their traces."""
    frame, formats = routing_tables.routes(found, fits)
    if left_out:
        st.caption(left_out)
    event = st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="routes",
        height="content" if len(frame) < 13 else _TABLE_HEIGHT_PX,
        placeholder=fmt.UNKNOWN,
        column_config={
            "Per call": st.column_config.Column(width=104),
            "Success": st.column_config.Column(help="Completed, of the attempts that ended."),
            "Per completed": st.column_config.Column(
                help="What all attempts of the route cost, tools and GPUs too, over those that "
                "completed a task."
            ),
            "Against baseline": st.column_config.Column(
                help="Success minus that of the model with most attempts in the class, with an "
                "interval of 95% (Newcombe). Not worse: surely by less than 3 percentage points. "
                f"With fewer than {FEW} attempts that ended, nothing is said."
            ),
            "Escalated": st.column_config.Column(help="Handed over: outcome escalated."),
            "On stronger": st.column_config.Column(
                help="The next attempt at the same task went to a dearer model."
            ),
            "Attempt p50": st.column_config.Column(help="Active time, without waiting."),
        },
        alt="Routes; pick a row to go to its traces",
    )
    rows = event["selection"]["rows"]
    if rows and rows[0] < len(found):
        _show_way(found[rows[0]])


def what_is_left_out(found: Routes) -> str:
    """Return how many of the routes are told; '': all of them."""
    if len(found.routes) == found.total:
        return ""
    return (
        f"{fmt.count(len(found.routes))} of {fmt.count(found.total)} routes: those with most "
        "attempts, then the dearest."
    )


def _show_way(route: Route) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="route"):
        name = shortened(f"{route.task_class or routing_tables.NO_NAME}, {route.model}", 90)
        st.markdown(f"**{plain(name)}**", width="stretch")
        query = {"model": route.model}
        if route.attempts.agent_name:
            query["agent"] = route.attempts.agent_name
        st.button(
            "Traces of this agent and model",
            icon=":material/account_tree:",
            on_click=_open,
            args=(query,),
        )


def _open(query: dict[str, str]) -> None:
    st.session_state[_OPEN_KEY] = query


def follow_click() -> None:
    """Go to the traces somebody asked for with the last click; call it first on the page."""
    query = st.session_state.pop(_OPEN_KEY, None)
    if query:
        bounds = {key: st.query_params[key] for key in ("from", "to") if key in st.query_params}
        st.switch_page("app_pages/traces.py", query_params={**bounds, **query})


def show_estimates(compared: Compared, task_class: str, when: str) -> None:
    """Show what the same tokens would have cost at other models' prices."""
    if not compared.calls:
        st.caption("No call of this class has both known tokens and a known price.")
        return
    name = shortened(task_class or routing_tables.NO_NAME, _NAME_LIMIT)
    st.markdown(
        f"**{plain(name)}**: {plain(fmt.short_count(compared.calls))} "
        f"{'call' if compared.calls == 1 else 'calls'} with "
        f"{plain(fmt.short_count(compared.tokens))} tokens cost "
        f"**{plain(fmt.usd(compared.paid_usd))}**. At the prices of {plain(when)}, the same tokens "
        "would cost:"
    )
    ranked = sorted(compared.estimates, key=lambda e: (e.usd is None, e.usd or 0, e.model.model))
    frame, formats = routing_tables.estimates(compared, ranked)
    st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        key="estimates",
        height="content" if len(frame) < 13 else _TABLE_HEIGHT_PX,
        placeholder=fmt.UNKNOWN,
        alt="Models by what the same tokens would cost",
    )
    st.caption(
        "An estimate, not a forecast: the tokens are those that were counted. Another model cuts "
        "the same text into other tokens, often 10 to 30% more or fewer, may answer longer or "
        "shorter, and needs other retries. Cached tokens are priced as cached. Own rates and "
        "contracts are in it; a dash: no price for some of the tokens."
    )


def show_cascades(found: Sequence[Cascade]) -> None:
    """Show cascades against what breaks even."""
    if not found:
        st.caption(
            "No task was tried again at a dearer model in this time range. Attempts at one task "
            "share a task id."
        )
        return
    with st.container(border=True):
        st.plotly_chart(
            charts.cascades(found[:_MOST_CASCADES]),
            key="cascades-chart",
            config=_CHART,
            alt="Share of attempts that went on to a dearer model, against what breaks even",
        )
        st.caption(
            "Trying the cheaper model first pays while the share that goes on stays left of the "
            "mark: p < 1 − c₁ / c₂, with c the mean cost of an attempt. Lines are intervals of 95%."
        )
    frame, formats = routing_tables.cascades(found)
    st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        key="cascades",
        height="content" if len(frame) < 13 else _TABLE_HEIGHT_PX,
        placeholder=fmt.UNKNOWN,
        alt="Cascades",
    )
