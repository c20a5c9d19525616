"""Making a silence or a maintenance window, with what it would keep quiet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import streamlit as st

from spanledger_alerts.errors import AlertsError
from spanledger_alerts.rules import seconds_of
from spanledger_alerts.silences import Matcher, matcher_of
from spanledger_dashboard.access import Denied
from spanledger_dashboard.alerts.incidents import Shown
from spanledger_dashboard.alerts.opened import NOTE_LIMIT, OpenAlerts
from spanledger_dashboard.alerts.silence_table import matched
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain, shortened
from spanledger_storage.alert_rows import SilenceRow
from spanledger_storage.errors import StateError

_REPEATS = {"Once": ("", 0), "Daily": ("daily", 86_400), "Weekly": ("weekly", 7 * 86_400)}
_MOST_S = 366 * 86_400
_MOST_SHOWN = 5
_TITLE_LIMIT = 90
_NS_PER_S = 10**9
_ASKED_KEY = "silence-asked"


class Impossible(Exception):
    """A silence as typed cannot be; says why."""


def show_new(opened: OpenAlerts, where: Scope, found: Sequence[Shown]) -> None:
    """Show the way to a new silence; ``found``: the open incidents."""
    with st.popover("New silence", icon=":material/add:", key="silence-new"):
        with st.form("silence-form", border=False):
            typed_all = _asked(where)
            with st.container(horizontal=True, gap="small"):
                is_preview = st.form_submit_button("What does it match?")
                is_made = st.form_submit_button("Silence", type="primary")
        if is_preview or is_made:
            # Kept, because the page looks again by itself while somebody reads what was found.
            st.session_state[_ASKED_KEY] = typed_all
        if st.session_state.get(_ASKED_KEY) != typed_all:
            return
        try:
            row = row_of(where, *typed_all, time.time_ns())
            if not is_made:
                _show_matches(row, found, where.project)
                return
            if not row.reason:
                raise Impossible("Say why: others will want to know.")
            opened.silence(row)
        except (Impossible, AlertsError, StateError, Denied) as error:
            st.error(plain(error), icon=":material/error:")
            return
    st.session_state.pop(_ASKED_KEY, None)
    st.toast("Silenced.")
    st.rerun()


def _asked(where: Scope) -> tuple[str, str, str, datetime | None, str]:
    """Return what is typed: matchers, how long, how often, since when, why."""
    typed = st.text_area(
        "Matches", key="silence-matchers", height=110, max_chars=4_000,
        placeholder="rule=gpu-idle\nagent=~worker-.*",
        help="One matcher a line, all must hold: label=value, label!=value, or =~ and !~ "
        "with a regular expression for the whole value. Labels are those of incidents, "
        "and rule, severity.",
    )  # fmt: skip
    left, right = st.columns(2)
    lasts = left.text_input("For", "2h", key="silence-for", help="30m, 2h or 7d.")
    repeats = right.selectbox("Repeats", list(_REPEATS), key="silence-repeats")
    start = st.datetime_input(
        "From", None, key="silence-from", step=timedelta(minutes=5),
        help=f"Nothing: now. Times in {where.timezone}.",
    )  # fmt: skip
    reason = st.text_input("Reason", key="silence-reason", max_chars=NOTE_LIMIT)
    return typed, lasts, str(repeats), start, reason


def row_of(
    where: Scope,
    typed: str,
    lasts: str,
    repeats: str,
    start: datetime | None,
    reason: str,
    now_ns: int,
) -> SilenceRow:
    """Return a silence as it is typed, by ``_REPEATS`` and the clock of the reader.

    Raises:
        AlertsError: a matcher is none.
        Impossible: there is no matcher, or the times cannot be.
    """
    matchers = [matcher_of(line.strip()) for line in typed.splitlines() if line.strip()]
    if not matchers:
        raise Impossible("Write at least one matcher: what is silenced?")
    try:
        length_s = seconds_of(lasts.strip())
    except ValueError as error:
        raise Impossible(f"For: {error}.") from None
    assert isinstance(length_s, int)
    word, period_s = _REPEATS[repeats]
    if not 0 < length_s <= _MOST_S or (period_s and length_s >= period_s):
        raise Impossible("It lasts longer than nothing, and shorter than what it repeats in.")
    starts_ns = now_ns if start is None else where.unix_s(start) * _NS_PER_S
    if not word and starts_ns + length_s * _NS_PER_S <= now_ns:
        raise Impossible("It would be over already.")
    return SilenceRow(
        id="",
        project=where.project,
        matchers=tuple((one.label, one.op, one.value) for one in matchers),
        starts_at_ns=starts_ns,
        ends_at_ns=starts_ns + length_s * _NS_PER_S,
        repeats=word,
        timezone=where.timezone,
        author="",
        reason=reason.strip(),
        created_at_ns=now_ns,
    )


def _show_matches(row: SilenceRow, found: Sequence[Shown], project: str) -> None:
    hits = matched([Matcher(*parts) for parts in row.matchers], found, project)
    if not hits:
        st.info("It matches no open incident; it will keep quiet those that begin.")
        return
    names = [f"- {plain(shortened(one.words.title, _TITLE_LIMIT))}" for one in hits[:_MOST_SHOWN]]
    more = len(hits) - _MOST_SHOWN
    names += [f"- and {more:,} more"] if more > 0 else []
    count = "1 open incident" if len(hits) == 1 else f"{len(hits):,} open incidents"
    st.info(f"It matches {count}:\n\n" + "\n".join(names))
