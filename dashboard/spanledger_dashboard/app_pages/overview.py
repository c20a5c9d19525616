"""Overview: what is spent, on what, and is anything wrong?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from spanledger_dashboard import charts, scope, tables
from spanledger_dashboard import format as fmt
from spanledger_dashboard.cards import show_cards
from spanledger_dashboard.connection import store
from spanledger_dashboard.empty_state import show_no_data, show_nothing_in_range
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import show_freshness
from spanledger_dashboard.gaps import show_gaps
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.usage import Key, Usage, buckets, by_agent, by_model, grouped, load_usage

_REFRESH_S = 15
_CHART_CONFIG = {"displayModeBar": False}
_FORMATS = {
    "Cost": tables.usd,
    "Calls": tables.count,
    "Tokens": tables.short_count,
    "Errors": tables.count,
    "Per call": tables.usd,
}


@st.fragment(run_every=_REFRESH_S)
def _body() -> None:
    with explained():
        where = scope.current()
        now_s = scope.now_s()
        newest = show_freshness(where.project, now_s)
        usage = _usage(where, now_s)
        if usage.rows:
            _show(where, usage)
        elif newest is None:
            show_no_data(where.project)
        else:
            show_nothing_in_range()


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def _usage(where: Scope, now_s: int) -> Usage:
    return load_usage(store(), where.project, where.time_range, now_s)


def _show(where: Scope, usage: Usage) -> None:
    bucket_s = where.time_range.bucket_s
    starts = buckets(usage.window, bucket_s)
    axis = charts.Axis(starts, [where.local(s) for s in starts], bucket_s)
    show_cards(usage, axis, f"vs {where.time_range.label} before")
    show_gaps(usage)
    figures = {
        "Spend by model": charts.spend_by(usage.rows, axis, by_model),
        "Spend by agent": charts.spend_by(usage.rows, axis, by_agent),
        "Tokens by class": charts.tokens_by_class(usage.rows, axis),
        "Calls and errors": charts.calls_and_errors(usage.rows, axis),
    }
    for column, title in zip([*st.columns(2), *st.columns(2)], figures, strict=True):
        with column, st.container(border=True):
            st.markdown(f"**{title}**")
            st.plotly_chart(figures[title], key=title, config=_CHART_CONFIG, alt=title)
    left, right = st.columns(2)
    with left:
        _table("Cost by model", "Model", usage, by_model)
    with right:
        _table("Cost by agent", "Agent", usage, by_agent)


def _table(title: str, first: str, usage: Usage, key: Key) -> None:
    groups = grouped(usage.rows, key)
    st.markdown(f"**{title}**")
    frame = pd.DataFrame(
        {
            first: list(groups),
            "Cost": [None if t.cost_usd is None else float(t.cost_usd) for t in groups.values()],
            "Calls": [t.calls for t in groups.values()],
            "Tokens": [t.tokens for t in groups.values()],
            "Errors": [t.errors for t in groups.values()],
            "Per call": [
                None if t.cost_usd is None else float(t.cost_usd / t.calls) for t in groups.values()
            ],
        }
    )
    st.dataframe(
        tables.styled(frame, _FORMATS),
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content" if len(frame) < 12 else 460,
        column_config={first: st.column_config.TextColumn(width="medium")},
        alt=title,
    )


_body()
