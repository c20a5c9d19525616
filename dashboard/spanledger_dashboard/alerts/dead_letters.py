"""Dead letters on the Channels page: what was never delivered, tried again or given up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_alerts.stored import payload_of
from spanledger_dashboard import scope, tables
from spanledger_dashboard.access import Denied
from spanledger_dashboard.alerts.channel_table import OUTCOMES
from spanledger_dashboard.alerts.opened import OpenAlerts, may_change_rules
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain, shortened
from spanledger_storage.alert_letters import Letter, Outcome
from spanledger_storage.alert_outbox import OutboxRow
from spanledger_storage.errors import StateError

_NS_PER_S = 10**9
_FAILURE_KEY = "letter-failure"
_NAME_LIMIT = 60
_TIME = pa.timestamp("ns", "UTC")
_SAID: dict[Outcome, str] = {
    "waiting": "It waits to be sent.",
    "dropped": "It is given up.",
    "told": "A later message told it.",
    "closed": "Somebody saw to it already.",
}


def show_letters(
    opened: OpenAlerts, found: Sequence[Letter], there: Collection[str] | None, where: Scope
) -> None:
    """Show dead letters, with what may be done about them to those who may.

    Args:
        opened: alerts.
        found: the letters.
        there: names of the channels; None: not known here.
        where: whose clock.
    """
    if failure := st.session_state.pop(_FAILURE_KEY, None):
        st.error(plain(failure), icon=":material/error:")
    left = [one for one in found if _can_retry(one, there)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Never delivered, in this time range**", width="stretch")
        if left and may_change_rules():
            st.button(
                f"Try all {len(left):,} again" if len(left) > 1 else "Try it again",
                key="letters-retry", icon=":material/replay:",
                help="Each channel is told how things are now, of each incident once.",
                on_click=_each, args=(opened.retry_letter, [one.row.id for one in left]),
            )  # fmt: skip
        if found:
            read = partial(letters_file, found)
            show_downloads("undelivered", read, what=f"The latest {len(found):,}, times in UTC")
    if not found:
        st.caption("Everything was delivered, or still waits.")
        return
    st.caption(
        "Refused for good, or not taken in a day. Put right what the reason says, then have them "
        "tried again."
    )
    # A list that changed is another table: else a click would go on choosing whatever is there.
    picked = _show(found, where, key=f"undelivered-{found[0].row.id}-{len(found)}")
    if may_change_rules():
        _offer(opened, None if picked is None else found[picked], there)


def letters_file(found: Sequence[Letter]) -> pa.Table:
    """Return dead letters as a table; times in UTC."""
    rows = [one.row for one in found]
    text = {
        "project": [row.project for row in rows],
        "rule": [row.rule for row in rows],
        "channel": [row.channel for row in rows],
        "transition": [row.transition for row in rows],
        "status": [row.status for row in rows],
        "reason": [row.last_error for row in rows],
    }
    return pa.table(
        {
            "id": pa.array([row.id for row in rows], pa.int64()),
            "ended": pa.array([row.ended_at_ns for row in rows], _TIME),
            "made": pa.array([row.created_at_ns for row in rows], _TIME),
            **{name: pa.array(values, pa.string()) for name, values in text.items()},
            "attempts": pa.array([row.attempts for row in rows], pa.int64()),
            "is_told_since": pa.array([one.is_told for one in found], pa.bool_()),
        }
    )


def _can_retry(one: Letter, there: Collection[str] | None) -> bool:
    return not one.is_told and (there is None or one.row.channel in there)


def _show(found: Sequence[Letter], where: Scope, key: str) -> int | None:
    rows = [one.row for one in found]
    frame = pd.DataFrame(
        {
            "Ended": [where.local((row.ended_at_ns or 0) / _NS_PER_S) for row in rows],
            "Channel": [row.channel for row in rows],
            "What": [_what(row) for row in rows],
            "Project": [row.project for row in rows],
            "Told": [row.transition for row in rows],
            "Outcome": [OUTCOMES.get(row.status, row.status) for row in rows],
            "Since": ["Told by a later one" if one.is_told else None for one in found],
            "Reason": [row.last_error or None for row in rows],
            "Attempts": [row.attempts for row in rows],
        }
    )
    config: dict[str, ColumnConfig] = {
        "Ended": scope.moments("MMM D, HH:mm:ss", width=120),
        "Channel": st.column_config.TextColumn(width=90),
        "What": st.column_config.TextColumn(width=270),
        "Since": st.column_config.TextColumn(help="What became of it afterwards."),
        "Reason": st.column_config.TextColumn(width=230),
    }
    return table(
        frame, {"Attempts": tables.count}, config, key=key,
        alt="Notifications that were never delivered, the latest first; a click chooses one",
        is_open=may_change_rules(),
    )  # fmt: skip


def _what(row: OutboxRow) -> str:
    """Return what a notification tells of: its first incident, and how many more."""
    try:
        told = payload_of(row.payload).notification
    except ValueError:  # of another version
        return row.rule
    more = len(told.incidents) - 1 + told.left_out + told.ended_left_out
    title = told.incidents[0].title if told.incidents else row.rule
    return f"{title}, and {more:,} more" if more > 0 else title


def _offer(opened: OpenAlerts, one: Letter | None, there: Collection[str] | None) -> None:
    """Offer what may be done about the letter that was chosen."""
    if one is None:
        st.caption("A click on one offers to try it again, or to give it up.")
        return
    row = one.row
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(plain(f"{shortened(_what(row), _NAME_LIMIT)}, to {row.channel}"))
        if _can_retry(one, there):
            st.button(
                "Try again", key="letter-retry", icon=":material/replay:",
                on_click=_each, args=(opened.retry_letter, [row.id]),
            )  # fmt: skip
        st.button(
            "Give up", key="letter-drop", icon=":material/delete:",
            help="Nobody is told, and what the channel has open stays open there.",
            on_click=_each, args=(opened.drop_letter, [row.id]),
        )  # fmt: skip
    if one.is_told:
        st.caption("A later message told what it tells: nothing is left to send.")
    elif not _can_retry(one, there):
        st.caption("Its channel is not configured any more: nothing can be sent there.")


def _each(act: Callable[[int], Outcome], ids: Sequence[int]) -> None:
    outcomes: list[Outcome] = []
    try:
        for letter_id in ids:
            outcomes.append(act(letter_id))
    except (StateError, Denied) as error:
        st.session_state[_FAILURE_KEY] = str(error)
        return
    for outcome, said in _SAID.items():
        if times := outcomes.count(outcome):
            st.toast(said if len(ids) == 1 else f"{times:,}: {said}")
