"""What to do: corrections with their buttons, adjustments of a month, and what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from spanledger_analytics.reconciliation.correction import Correction, Way
from spanledger_analytics.reconciliation.days import Days
from spanledger_dashboard.access import Denied, viewer
from spanledger_dashboard.cost.charts import signed_usd
from spanledger_dashboard.reconciliation.data import CAUSE_NAMES
from spanledger_dashboard.reconciliation.opened import OpenActions, may_change
from spanledger_dashboard.reconciliation.tables import show_log
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.reconciliation_state import ActionRow

_MOST = 6
_FAILURE_KEY = "reconciliation-failure"
_SOON = "The worker does it within seconds."
_WAYS: Mapping[Way, str] = {
    "apply": "One click",
    "apply_with_value": "One click, with a value",
    "adjust": "Post adjustments",
    "dispute": "Dispute pack",
    "by_hand": "By hand",
}
"""How a correction is done."""


def show_corrections(
    found: Sequence[Correction], where: Scope, days: Days, opened: OpenActions | None
) -> None:
    """Show the largest corrections; the rest in a fold."""
    if failure := st.session_state.pop(_FAILURE_KEY, None):
        st.error(plain(failure), icon=":material/error:")
    if not found:
        st.caption("Nothing to correct.")
    for one in found[:_MOST]:
        _show_one(one, where, days, opened)
    if len(found) > _MOST:
        with st.expander(f"{len(found) - _MOST} more"):
            for one in found[_MOST : _MOST * 5]:
                _show_one(one, where, days, opened)


def _show_one(one: Correction, where: Scope, days: Days, opened: OpenActions | None) -> None:
    with st.container(border=True, key=f"correction-{one.correction_id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(one.title)}**", width="stretch")
            st.badge(_WAYS[one.way], color="green" if one.is_applicable else "gray")
            st.badge(CAUSE_NAMES[one.cause], color="violet")
            st.markdown(plain(signed_usd(one.usd)), width="content")
        st.caption(plain(one.advice))
        if one.command:
            st.code(one.command, language="bash")
        if opened is not None and one.is_applicable and may_change(one.what.get("kind", "")):
            _show_button(one, where, days, opened)


def _show_button(one: Correction, where: Scope, days: Days, opened: OpenActions) -> None:
    key = f"value-{one.correction_id}"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if one.asks:
            st.text_input(
                one.asks.capitalize(), value=one.example, key=key, max_chars=200, width=330
            )
        st.button(
            "Apply",
            key=f"apply-{one.correction_id}",
            icon=":material/done:",
            help="Stores it, prices the calls again that it is for, and compares the days anew.",
            on_click=_apply,
            args=(opened, where.project, days, one, key),
        )


def _apply(opened: OpenActions, project: str, days: Days, one: Correction, key: str) -> None:
    value = str(st.session_state.get(key) or "").strip()
    if one.asks and not value:
        st.session_state[_FAILURE_KEY] = f"{one.title}: give {one.asks}."
        return
    try:
        opened.apply(project, days, one, value)
    except (ConfigError, StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
        return
    st.toast(_SOON)


def show_adjustments(
    where: Scope, month: Days, provider: str, opened: OpenActions, *, is_closed: bool
) -> None:
    """Show whether a month's differences are in the ledger, with the button that changes it."""
    posted = [p for p in opened.postings(where.project) if p.month == month.text]
    is_posted = any(p.provider == provider for p in posted)
    is_within = any(not p.provider for p in posted)
    whose = plain(provider or "all providers")
    with st.container(border=True, key="adjustments"):
        if is_posted:
            st.markdown(
                f":material/check_circle: Adjustments of {month.text}, {whose}, are in the ledger: "
                "showback equals the bill. They follow it when it changes."
            )
        elif is_within:
            st.markdown(
                f":material/check_circle: Adjustments of {month.text} are in the ledger for all "
                "providers."
            )
            return
        else:
            st.markdown(
                f"Post what differs in {month.text}, {whose}, to the ledger, so that showback and "
                "allocation equal the bill: one adjustment for each cell and cause."
            )
        if viewer().may_save:
            _show_posting(where, month, provider, opened, is_posted=is_posted, is_closed=is_closed)


def _show_posting(
    where: Scope, month: Days, provider: str, opened: OpenActions, *, is_posted: bool,
    is_closed: bool,
) -> None:  # fmt: skip
    is_sure = True
    if not (is_posted or is_closed):
        is_sure = st.checkbox(
            "Also while days can still change", key="post-open",
            help="The month is not over, or the provider may change it. Adjustments follow.",
        )  # fmt: skip
    st.button(
        "Take adjustments back" if is_posted else "Post adjustments",
        key="post-adjustments",
        icon=":material/undo:" if is_posted else ":material/post_add:",
        disabled=not is_sure,
        on_click=_post,
        args=(opened, where.project, month, provider, is_posted),
    )


def _post(opened: OpenActions, project: str, month: Days, provider: str, remove: bool) -> None:
    try:
        opened.post(project, month, provider, remove=remove)
    except (ConfigError, StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
        return
    st.toast(_SOON)


def show_done(where: Scope, opened: OpenActions) -> None:
    """Show what was done, with a button to take back what can be."""
    rows = opened.log(where.project)
    if not rows:
        return
    st.subheader("Done so far", anchor=False)
    show_log(rows, where)
    back = {row.reverses for row in rows if row.kind == "reverse" and row.status != "failed"}
    open_ = [r for r in rows if r.kind == "apply" and r.status == "done" and r.id not in back]
    if not open_ or not viewer().may_save:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox(
            "Take back", open_, format_func=_name, key="take-back", width=420
        )  # fmt: skip
        st.button(
            "Take back", key="take-back-now", icon=":material/undo:",
            on_click=_reverse, args=(opened, where.project, chosen),
        )  # fmt: skip


def _name(row: ActionRow) -> str:
    return f"{row.id}: {row.title}"


def _reverse(opened: OpenActions, project: str, row: ActionRow | None) -> None:
    if row is None:
        return
    try:
        opened.reverse(project, row)
    except (ConfigError, StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
        return
    st.toast(_SOON)
