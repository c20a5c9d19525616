"""Making, changing and removing budgets, for those who may."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import cast

import streamlit as st

from spanledger_dashboard.access import Denied
from spanledger_dashboard.budgets.figures import Item
from spanledger_dashboard.connection import OpenBudgets
from spanledger_dashboard.text import plain, shortened
from spanledger_storage.budget_windows import PERIODS
from spanledger_storage.budgets import MEASURES, SCOPES, BudgetTerms
from spanledger_storage.errors import ConfigError, StateError

_NEW = BudgetTerms("", "project", "", "usd", "month")
_MEASURES = {"usd": "US dollars", "tokens": "Tokens", "llm_calls": "Calls of models"}
_PERIODS = {"rolling": "Rolling", "day": "Day", "week": "Week", "month": "Month"}
_NAME_LIMIT = 40
_HOUR_S = 3_600
# Commas in any other place may be the decimal comma: 12,50 is not 1250, and 0,500 is not 500.
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?", re.ASCII)
_ASKED_KEY = "budget-asked"


def show_new(budgets: OpenBudgets, project: str, timezone: str) -> None:
    """Show the way to a new budget."""
    with st.popover("New budget", icon=":material/add:", key="budget-new"):
        terms = replace(_NEW, timezone=timezone)
        _form("new", terms, lambda given: budgets.create(project, given), "Make")


def show_change(budgets: OpenBudgets, project: str, item: Item) -> None:
    """Show the ways to change and to remove a budget."""
    with st.container(horizontal=True, gap="small"):
        with st.popover("Change", icon=":material/edit:", key="budget-change"):
            terms = item.amounts.budget.terms
            _form(item.id, terms, lambda given: budgets.change(project, item.id, given), "Save")
        if st.session_state.get(_ASKED_KEY) == item.id:
            st.button(
                "Remove it for everybody",
                key="budget-sure",
                icon=":material/delete_forever:",
                on_click=_remove,
                args=(budgets, project, item),
            )
        else:
            st.button(
                "Remove",
                key="budget-remove",
                icon=":material/delete:",
                on_click=_ask,
                args=(item.id,),
            )


def _form(key: str, terms: BudgetTerms, save: Callable[[BudgetTerms], object], verb: str) -> None:
    """Show the terms of a budget to write; what cannot be is told, and nothing is lost."""
    with st.form(f"budget-form-{key}", border=False):
        name = st.text_input("Name", terms.name, max_chars=128)
        left, right = st.columns(2)
        scope = left.selectbox("For", SCOPES, SCOPES.index(terms.scope))
        selector = right.text_input(
            "Which", terms.selector, max_chars=512, placeholder="Name or id",
            help="Nothing for the whole project; of a tag key=value, as in customer=acme.",
        )  # fmt: skip
        measure = left.selectbox(
            "Limits", MEASURES, MEASURES.index(terms.measure), format_func=lambda m: _MEASURES[m]
        )
        period = right.selectbox(
            "Per", PERIODS, PERIODS.index(terms.period), format_func=lambda p: _PERIODS[p]
        )
        hours = left.number_input(
            "Hours", min_value=1, max_value=2_208, help="Of a rolling window.",
            value=max(1, (terms.rolling_s or 86_400) // _HOUR_S),
        )  # fmt: skip
        timezone = right.text_input("Time zone", terms.timezone, help="Of day, week and month.")
        soft = left.text_input("Soft limit", _typed(terms.soft_limit), placeholder="None")
        hard = right.text_input("Hard limit", _typed(terms.hard_limit), placeholder="None")
        owner = st.text_input("Owner", terms.owner, max_chars=128, placeholder="Who is asked")
        note = st.text_input("Note", terms.note, max_chars=2_000, placeholder="What it is for")
        is_active = st.checkbox("It holds", terms.is_active)
        if not st.form_submit_button(verb, type="primary"):
            return
        try:
            given = BudgetTerms(
                name=name,
                scope=scope,
                selector=selector.strip(),
                measure=measure,
                period=period,
                rolling_s=_rolling_s(terms, int(hours)),
                timezone=timezone.strip(),
                soft_limit=_amount(soft, "soft"),
                hard_limit=_amount(hard, "hard"),
                owner=owner.strip(),
                note=note.strip(),
                is_active=is_active,
            )
            save(given)
        except (ConfigError, StateError, Denied) as error:
            st.error(plain(error), icon=":material/error:")
            return
    st.toast(f"Budget “{plain(shortened(given.name, _NAME_LIMIT))}” is saved.")
    st.rerun(scope="app")


def _rolling_s(terms: BudgetTerms, hours: int) -> int:
    """Return the seconds of a window; one that is not made of hours stays as it was."""
    known_s = terms.rolling_s or 0
    return known_s if max(1, known_s // _HOUR_S) == hours and known_s else hours * _HOUR_S


def _typed(limit: Decimal | None) -> str:
    return "" if limit is None else f"{limit.normalize():f}"


def _amount(text: str, name: str) -> Decimal | None:
    cleaned = text.strip().removeprefix("$").strip()
    if not cleaned:
        return None
    if _THOUSANDS.fullmatch(cleaned):
        cleaned = cleaned.replace(",", "")
    try:
        return Decimal(cleaned)
    except InvalidOperation:
        raise ConfigError(
            f"The {name} limit is a number such as 1234.50, not {text[:40]!r}."
        ) from None


def _ask(budget_id: str) -> None:
    st.session_state[_ASKED_KEY] = budget_id


def _remove(budgets: OpenBudgets, project: str, item: Item) -> None:
    st.session_state.pop(_ASKED_KEY, None)
    try:
        budgets.remove(project, item.id)
    except (ConfigError, StateError, Denied) as error:
        st.session_state["budget-failure"] = str(error)
        return
    st.query_params.pop("budget", None)
    st.toast(f"Budget “{plain(shortened(item.name, _NAME_LIMIT))}” is removed.")


def show_failure() -> None:
    """Show why something could not be removed, once."""
    failure = cast("str | None", st.session_state.pop("budget-failure", None))
    if failure:
        st.error(plain(failure), icon=":material/error:")
