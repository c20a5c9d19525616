"""Budgets: what is spent, set aside and left, how fast, and where that leads."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from spanledger_dashboard import links, scope
from spanledger_dashboard.access import viewer
from spanledger_dashboard.budgets import charts
from spanledger_dashboard.budgets.detail import show_detail
from spanledger_dashboard.budgets.edit import show_change, show_failure, show_new
from spanledger_dashboard.budgets.figures import Item
from spanledger_dashboard.budgets.tables import show_breaches, show_list
from spanledger_dashboard.connection import OpenBudgets, budgets
from spanledger_dashboard.entities.detail import show_figure
from spanledger_dashboard.failures import explained
from spanledger_dashboard.text import plain, shortened

_REFRESH_S = 10
_PAGE = "app_pages/budgets.py"
_NAME_LIMIT = 80


def _show() -> None:
    found = budgets()
    if found is None:
        st.info(
            "Budgets live in the state database, and this dashboard is not told where that is. "
            "Set SPANLEDGER_STATE_URL for it.",
            icon=":material/database_off:",
        )
        return
    where = scope.current()
    items = _items(found, where)
    show_failure()
    chosen = st.query_params.get("budget")
    if chosen:
        _show_one(found, items, chosen, where)
    elif items:
        if viewer().may_save:
            show_new(found, where.project, where.timezone)
        _all(found)
    else:
        _show_nothing(found, where)


def _items(found: OpenBudgets, where: scope.Scope) -> list[Item]:
    return [Item(*one) for one in found.of(where.project)]


# What changes by itself; forms are outside, so that nothing is taken from whoever writes.
@st.fragment(run_every=_REFRESH_S)
def _all(found: OpenBudgets) -> None:
    with explained():
        where, now_s = scope.current(), scope.now_s()
        items = _items(found, where)
        limited = [item for item in items if item.limit and item.amounts.budget.terms.is_active]
        limited.sort(key=lambda item: -(item.used_ratio or 0))
        if limited:
            is_cut = len(limited) > charts.MOST_BARS
            title = (
                f"The {charts.MOST_BARS} nearest to their limit"
                if is_cut
                else "Spent and set aside, of the limit"
            )
            show_figure(title, charts.bars(limited))
        opened = show_list(items, now_s)
        if opened:
            st.switch_page(_PAGE, query_params={**links.scope_query(), "budget": opened})
        show_breaches(found.breaches(where.project), items, where)


def _show_one(found: OpenBudgets, items: Sequence[Item], chosen: str, where: scope.Scope) -> None:
    item = next((item for item in items if item.id == chosen), None)
    name = item.name if item else "No such budget"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            _PAGE,
            label="All budgets",
            icon=":material/arrow_back:",
            query_params=links.scope_query(),
        )
        st.subheader(plain(shortened(name, _NAME_LIMIT)), anchor=False)
    if item is None:
        st.info("It was removed, or is of another project.", icon=":material/savings:")
        return
    if viewer().may_save:
        show_change(found, where.project, item)
    _one(found, chosen)


@st.fragment(run_every=_REFRESH_S)
def _one(found: OpenBudgets, chosen: str) -> None:
    with explained():
        where = scope.current()
        items = [item for item in _items(found, where) if item.id == chosen]
        for item in items:
            show_detail(item, where, scope.now_s())
        show_breaches(found.breaches(where.project, chosen), items, where)


def _show_nothing(found: OpenBudgets, where: scope.Scope) -> None:
    with st.container(border=True, key="no-budgets"):
        st.subheader("No budgets yet", anchor=False)
        st.markdown(
            f"Nothing limits what project **{plain(where.project)}** spends. A budget counts what "
            "the ledger counts, tells where that leads, and stops agents that ask it:"
        )
        st.code(
            f"spanledger budgets set monthly --project {where.project} --soft 80 --hard 100\n\n"
            'with spanledger.budget(shared=True, mode="raise"):\n    agent.run()',
            language="python",
        )
        if viewer().may_save:
            show_new(found, where.project, where.timezone)


with explained():
    _show()
