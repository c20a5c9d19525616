"""The Silences page: none, one, windows, what would match, ending early; and who may."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from spanledger_alerts.errors import AlertsError
from spanledger_dashboard.access import Viewer
from spanledger_dashboard.alerts.silence_new import Impossible, row_of
from spanledger_dashboard.alerts.silence_table import matchers_text, state_of
from spanledger_dashboard.scope import Scope
from spanledger_storage.account_roles import Role
from spanledger_storage.alert_rows import SilenceRow
from tests.dashboard.alerted import EVIL, Alerted, S, another, labels, page, press, raw, text

BERLIN = Scope("default", "24h", "Europe/Berlin")
NOON = 1_800_014_400  # 2027-01-15 12:00 UTC


def silence(now_s: int, **columns: Any) -> SilenceRow:
    made = row_of(BERLIN, "agent=planner", "2h", "Once", None, "a release", now_s * S)
    return replace(made, **columns)


def test_what_is_typed_becomes_a_silence_on_the_readers_clock() -> None:
    start = datetime.fromisoformat("2027-01-16T09:00")  # as a picker gives it, without zone
    typed = " rule=loop \n\nagent =~ work.*\n"
    made = row_of(BERLIN, typed, "30m", "Daily", start, " nights ", NOON * S)
    assert made.matchers == (("rule", "=", "loop"), ("agent", "=~", "work.*"))
    assert (made.starts_at_ns // S, made.ends_at_ns // S) == (NOON + 72_000, NOON + 73_800)
    assert (made.repeats, made.timezone, made.reason) == ("daily", "Europe/Berlin", "nights")
    for typed, lasts, repeats in (
        ("", "2h", "Once"), ("rule=loop", "soon", "Once"), ("rule=loop", "0", "Once"),
        ("rule=loop", "1d", "Daily"), ("rule=loop", "367d", "Once"),
    ):  # fmt: skip
        with pytest.raises(Impossible):
            row_of(BERLIN, typed, lasts, repeats, None, "", NOON * S)
    with pytest.raises(Impossible, match="over already"):
        row_of(BERLIN, "rule=loop", "1h", "Once", start.replace(day=14), "", NOON * S)
    with pytest.raises(AlertsError):
        row_of(BERLIN, "rule", "1h", "Once", None, "", NOON * S)


@given(st.integers(-400_000, 400_000), st.sampled_from(["", "daily", "weekly"]))
def test_a_silence_is_in_one_state(seconds: int, repeats: str) -> None:
    made = silence(NOON, repeats=repeats)
    state = state_of(made, (NOON + seconds) * S)
    passed_s = seconds % {"": 10**9, "daily": 86_400, "weekly": 604_800}[repeats]
    if seconds < 0:
        assert state == "Pending"
    elif passed_s < 7_200:
        assert state == "Holds"
    else:
        assert state == ("Between windows" if repeats else "Over")
    assert state_of(silence(NOON, lifted_at_ns=NOON * S), (NOON + seconds) * S) == "Ended"


def test_people_look_what_matches_silence_and_end_it(
    alert_app: AppTest, alert_state: sa.Engine, now_s: int
) -> None:
    told = Alerted(alert_state)
    told.say(now_s // 10 * 10 - 60, planner=20, writer=30)
    app = page(alert_app, "silences")
    assert "Everything that fires in project default is told" in text(app).replace("**", "")
    app.text_area(key="silence-matchers").input("agent=~plan.*\nseverity=critical")
    press(app, "What does it match?")
    assert "It matches 1 open incident" in text(app)
    assert "Cost per hour: $20.00 (agent planner)" in text(app)
    press(app, "Silence")
    assert "Say why" in text(app)
    app.text_input(key="silence-reason").input("a release")
    press(app, "Silence")
    [made] = told.state.silences("default", now_ns=now_s * S)
    assert (made.author, matchers_text(made)) == ("local", "agent=~plan.*, severity=critical")
    [row] = app.dataframe[0].value.to_dict("records")
    assert (row["State"], row["Incidents"], row["Reason"]) == ("● Holds", 1, "a release")

    app.session_state["silences-live"] = {"selection": {"cells": [[0, "State"]]}}
    app.run()
    press(app, "End it now")
    [ended] = told.state.silences("default", with_past=True)
    assert ended.lifted_by == "local"
    shown = page(another(), "silences")
    [row] = shown.dataframe[0].value.to_dict("records")
    assert (row["State"], row["Ended by"]) == ("Ended", "local")


def test_many_hostile_ones_and_who_may_only_look(
    alert_app: AppTest, alert_state: sa.Engine, now_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Alerted(alert_state).state
    for number in range(30):
        kept.silence(silence(now_s - number, author=EVIL, reason=EVIL))
    kept.silence(silence(now_s, project="other", reason="theirs"))
    kept.silence(silence(now_s + 900))
    kept.silence(silence(now_s - 10_000, matchers=(("user", "=", EVIL),)))
    guest = Viewer("guest", Role.VIEWER, frozenset({"default"}))
    monkeypatch.setattr("spanledger_dashboard.access.people.later_viewer", lambda: lambda: guest)
    shown = page(alert_app, "silences")
    live, past = (frame.value for frame in shown.dataframe)
    assert live["State"].value_counts().to_dict() == {"● Holds": 30, "○ Pending": 1}
    assert past["Matches"].to_list() == [f"user={EVIL}"]
    assert "theirs" not in live["Reason"].to_list()
    assert "Silence" not in labels(shown)
    assert "<img" not in raw(shown)
