"""One budget: its figures, its window so far and ahead, and the way to what is behind it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, times
from spanledger_dashboard.budgets import charts
from spanledger_dashboard.budgets.figures import Item, left_text, method_text
from spanledger_dashboard.connection import store
from spanledger_dashboard.entities.detail import show_figure
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain, shortened

_NAME_LIMIT = 60
_COST = "app_pages/cost.py"


def show_detail(item: Item, where: Scope, now_s: int) -> None:
    """Show everything about one budget."""
    terms = item.amounts.budget.terms
    said = [
        f"{item.state}",
        f"for {plain(shortened(item.whose, _NAME_LIMIT))}",
        f"per {plain(' in '.join(filter(None, (item.window, item.timezone))))}",
        *([f"owner {plain(shortened(terms.owner, _NAME_LIMIT))}"] if terms.owner else []),
    ]
    st.markdown(" · ".join(said))
    if terms.note:
        st.caption(plain(terms.note))
    _show_cards(item, where, now_s)
    to_s = now_s // 60 * 60 + 60  # by the minute: the answer is kept for a while
    from_s = item.amounts.window.start_s
    hours = read_hours(where.project, terms.scope, terms.selector, terms.measure, from_s, to_s)
    show_figure("The window so far, and ahead", charts.over_time(item, hours, where, now_s))
    st.caption(method_text(item))
    _show_links(item)


def _show_cards(item: Item, where: Scope, now_s: int) -> None:
    amounts = item.amounts
    low, high = item.foreseen("forecast_low"), item.foreseen("forecast_high")
    interval = f"Between {item.text(low)} and {item.text(high)}. " if low is not None else ""
    at_s = item.exhausts_at_s
    cards = [
        ("Spent", item.text(amounts.spent), _spent_help(item, now_s)),
        ("Set aside", item.text(amounts.reserved), "For calls that run; expires by itself."),
        ("Left", item.text(amounts.room), "Of the hard limit, after what is spent and set aside."),
        ("Per hour", item.text(item.foreseen("burn_per_hour")), "In this hour and the one before."),
        ("Forecast", item.text(item.foreseen("forecast_mid")), interval + method_text(item)),
        (
            "Exhausted",
            fmt.UNKNOWN if at_s is None else left_text(at_s - now_s),
            _exhaustion_help(item, where),
        ),
        ("Refused", fmt.count(amounts.refused), "Requests that did not fit, in this window."),
        (
            "Unasked",
            fmt.count(amounts.passed),
            "Calls that agents let pass because nobody answered in time, in this window.",
        ),
    ]
    with st.grid(len(cards), min_column_width=118, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation)


def _spent_help(item: Item, now_s: int) -> str:
    amounts = item.amounts
    if amounts.ledger_as_of_ns is None:
        return "The ledger was not asked yet in this window."
    return (
        f"{item.text(amounts.in_ledger)} in the ledger, "
        f"{fmt.ago(now_s - amounts.ledger_as_of_ns / 1e9)}; {item.text(amounts.settled)} settled "
        "by agents and not in it yet."
    )


def _exhaustion_help(item: Item, where: Scope) -> str:
    at_s, ratio = item.exhausts_at_s, item.foreseen("exhaustion_ratio")
    told = f"{fmt.percent(ratio, 1)} of the futures reach the hard limit. " if ratio else ""
    if at_s is None:
        return told + "The median future does not reach the hard limit in this window."
    return f"{told}{where.local(at_s):%b %-d, %H:%M}, to the hour; {times.utc(at_s)}."


def _show_links(item: Item) -> None:
    terms = item.amounts.budget.terms
    with st.container(horizontal=True, gap="medium"):
        page = links.PAGES.get(terms.scope)
        if page:
            st.page_link(
                page,
                label=f"The {terms.scope} behind it",
                icon=":material/arrow_forward:",
                query_params=links.entity_query(terms.scope, terms.selector),
            )
        st.page_link(
            _COST,
            label="Cost explorer",
            icon=":material/query_stats:",
            query_params=links.scope_query(),
        )
        st.page_link(
            "app_pages/traces.py",
            label="Traces",
            icon=":material/account_tree:",
            query_params=links.scope_query(),
        )


@st.cache_data(ttl=30, max_entries=50, show_spinner="Reading the ledger …")
def read_hours(
    project: str, scope: str, selector: str, measure: str, from_s: int, to_s: int
) -> Mapping[int, Decimal]:
    """Return what a scope spent in each hour, by the unix second it begins at.

    Raises:
        StoreError: the store does not answer.
    """
    params = {
        "project": project,
        "scope": scope,
        "selector": selector,
        "from_s": from_s,
        "to_s": to_s,
    }
    column = {"usd": "cost_usd"}.get(measure, measure)
    rows = store().rows("dashboard_budget_hours", params)
    return {cast("int", row["hour_s"]): Decimal(str(row[column])) for row in rows}
