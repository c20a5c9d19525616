"""Channels: where alerts go, whether they arrive, and a way to try."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from spanledger_alerts.channels import send_test
from spanledger_alerts.errors import AlertsError
from spanledger_alerts.notification import DeliveryError
from spanledger_dashboard import scope
from spanledger_dashboard.access import viewer
from spanledger_dashboard.alerts.channel_table import (
    Faring,
    Place,
    channels_file,
    failures_file,
    load_places,
    show_channels,
    show_failures,
)
from spanledger_dashboard.alerts.dead_letters import show_letters
from spanledger_dashboard.alerts.opened import (
    OpenAlerts,
    alert_settings,
    alerts,
    demand_to_change,
    show_no_state,
)
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.failures import explained
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain

_MOST = 500
_NS_PER_S = 10**9
_TESTED_KEY = "channel-tested"
_NONE: dict[str, int] = {"waiting": 0, "oldest_s": 0, "sent": 0, "dead": 0}
_EXAMPLE = """\
channels:
  oncall:
    kind: pagerduty
    routing_key: env:PAGERDUTY_KEY
  team:
    kind: slack_webhook
    url: env:SLACK_URL
"""


def _show() -> None:
    opened = alerts()
    if opened is None:
        show_no_state()
        return
    where = scope.current()
    places = _places()
    found = _faring(opened, places or [])
    if found:
        _show_list(found, where)
    if places is not None and not places:
        _say_none()
    if places and viewer().may_save:
        _show_test(places)
    _show_trouble(opened, places, where)


def _places() -> list[Place] | None:
    """Return the channels; None where this dashboard cannot know them, which is said."""
    file = alert_settings().channels_file
    if file is None:
        st.info(
            "This dashboard is not told where channels are written. Set SPANLEDGER_ALERTS_FOLDER "
            "to the folder with channels.yaml to see where they lead, and to send tests.",
            icon=":material/folder_off:",
        )
        return None
    try:
        return load_places(file)
    except AlertsError as error:
        st.error(plain(error), icon=":material/error:")
        return None


def _faring(opened: OpenAlerts, places: Sequence[Place]) -> list[Faring]:
    health, last = opened.channel_health(scope.now_s() * _NS_PER_S), opened.last_attempts()
    there = {one.name: one for one in places}
    names = sorted(there.keys() | health.keys())
    return [Faring(n, there.get(n), health.get(n, _NONE), last.get(n)) for n in names]


def _show_list(found: Sequence[Faring], where: Scope) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Channels**, of all projects", width="stretch")
        read = partial(channels_file, list(found))
        show_downloads("channels", read, what="The channels with their last delivery")
    show_channels(found, where)
    for one in found:
        if one.place is not None and one.place.mistake:
            st.error(plain(one.place.mistake), icon=":material/error:")


def _show_test(places: Sequence[Place]) -> None:
    ready = [one for one in places if one.channel is not None]
    if not ready:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.selectbox(
            "Channel to test", [one.name for one in ready], key="test-channel", width=260
        )
        is_asked = st.button("Send test", key="send-test", icon=":material/send:")
    if is_asked:
        demand_to_change()
        chosen = next(one for one in ready if one.name == name)
        st.session_state[_TESTED_KEY] = (chosen.name, _test(chosen))
    tested, failure = st.session_state.get(_TESTED_KEY, ("", ""))
    if tested and tested == name:  # kept, because the page looks again by itself
        if failure:
            st.error(f"The test was not taken: {plain(failure)}", icon=":material/error:")
        else:
            st.success(
                f"A test was sent to {plain(tested)}, and its end, so that nothing stays open "
                "there.",
                icon=":material/check:",
            )


def _test(chosen: Place) -> str:
    """Send a test; return why it was not taken, or nothing."""
    assert chosen.channel is not None
    try:
        with st.spinner("Sending …"):
            send_test(chosen.channel.channel, alert_settings().base_url)
    except DeliveryError as error:
        return str(error) or "no reason was given"
    return ""


def _show_trouble(opened: OpenAlerts, places: Sequence[Place] | None, where: Scope) -> None:
    window = where.time_range.window(scope.now_s())
    from_ns, to_ns = window.start_s * _NS_PER_S, window.end_s * _NS_PER_S
    there = None if places is None else {one.name for one in places}
    show_letters(opened, opened.dead_letters(from_ns, to_ns, _MOST), there, where)
    failed = opened.failures(from_ns, to_ns, _MOST)
    if failed:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Failed attempts, in this time range**", width="stretch")
            read = partial(failures_file, failed)
            show_downloads("failed-attempts", read, what=f"The latest {_MOST}, times in UTC")
        show_failures(failed, where)


def _say_none() -> None:
    with st.container(border=True, key="no-channels"):
        st.subheader("No channels yet", anchor=False)
        st.markdown(
            "Incidents are kept, and nobody is told. Write where alerts go into `channels.yaml` of "
            "the alerts folder; the worker reads it within seconds:"
        )
        st.code(_EXAMPLE, language="yaml")
        st.caption("docs/alert-channels.md has every kind: PagerDuty, Slack, webhook, e-mail, …")


with explained():
    _show()
