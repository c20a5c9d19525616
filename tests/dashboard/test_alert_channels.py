"""The Channels page: none, several, failures, secrets that stay hidden, and a test that arrives."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from spanledger_dashboard.access import Viewer
from spanledger_dashboard.alerts.channel_table import leads_to
from spanledger_storage.account_roles import Role
from spanledger_storage.alert_letters import AlertLetters
from tests.dashboard.alerted import (
    AWAY,
    EVIL,
    REFUSED,
    Alerted,
    another,
    labels,
    page,
    press,
    raw,
    rule,
    text,
)

SECRET = "verysecret0123456789"


class Room(BaseHTTPRequestHandler):
    """Takes messages, except under /closed."""

    taken: list[dict[str, object]]

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_closed = self.path.startswith("/closed")
        if not is_closed:
            type(self).taken.append(said)
        self.send_response(400 if is_closed else 200)
        self.end_headers()
        self.wfile.write(b"closed" if is_closed else b"ok")

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def room() -> Iterator[str]:
    Room.taken = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Room)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def write(tmp_path: Path, channels: object) -> None:
    (tmp_path / "alerts" / "channels.yaml").write_text(json.dumps({"channels": channels}))


def test_without_channels_it_says_how_to_make_one(
    alert_app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = text(page(alert_app, "channels"))
    assert "No channels yet" in shown
    assert "routing_key: env:PAGERDUTY_KEY" in shown
    assert "Everything was delivered" in shown
    (tmp_path / "alerts" / "channels.yaml").write_text("channel: x")
    assert "needs `channels:` at the top" in text(page(another(), "channels"))
    monkeypatch.delenv("SPANLEDGER_ALERTS_FOLDER")
    assert "Set SPANLEDGER_ALERTS_FOLDER" in text(page(another(), "channels"))


def test_where_a_channel_leads_is_shown_and_secrets_are_not() -> None:
    said = [
        leads_to({"kind": "webhook", "url": f"https://u:{SECRET}@hooks.example.com/{SECRET}"}),
        leads_to({"kind": "slack_webhook", "url": "env:SLACK_URL"}),
        leads_to({"kind": "slack_bot", "token": SECRET, "channel": "C024BE91L"}),
        leads_to({"kind": "pagerduty", "routing_key": SECRET}),
        leads_to({"kind": "email", "to": ["a@b.c", "d@e.f"], "host": "mx", "password": SECRET}),
        leads_to({"kind": "apprise", "url": f"tgram://{SECRET}"}),
        leads_to({"kind": "none"}),
    ]
    assert said == [
        "hooks.example.com", "env:SLACK_URL", "C024BE91L", "hidden", "a@b.c, d@e.f · mx",
        "hidden", "",
    ]  # fmt: skip


def test_channels_say_how_they_fare_and_a_test_arrives(
    alert_app: AppTest, alert_state: sa.Engine, tmp_path: Path, room: str, now_s: int
) -> None:
    write(tmp_path, {
        "ops": {"kind": "webhook", "url": f"{room}/open?token={SECRET}"},
        "late": {"kind": "webhook", "url": f"{room}/closed", "per_s": 2, "burst": 7},
        "bad": {"kind": "pagerduty", "routing_key": SECRET},
    })  # fmt: skip
    told, start_s = Alerted(alert_state), now_s // 10 * 10 - 600
    told.ops.failures = [AWAY, REFUSED]
    told.say(start_s, planner=20)
    told.say(start_s + 30)
    app = page(alert_app, "channels")
    table = app.dataframe[0].value.set_index("Channel")
    assert table["State"].to_dict() == {
        "bad": "✕ Misconfigured", "late": "○ Nothing sent yet", "ops": "✕ Refuses",
    }  # fmt: skip
    assert table[["Outcome", "Reason", "Refused"]].to_numpy()[-1].tolist() == [
        "✕ Refused", "400 from ops", 1,
    ]  # fmt: skip
    assert table.loc["late", "Speed"] == "2/s, 7 at once"
    lost, failed = (frame.value for frame in app.dataframe[1:3])
    assert lost[["What", "Reason", "Attempts"]].to_numpy().tolist() == [
        ["Cost per hour: $20.00 (agent planner)", "400 from ops", 2],
    ]
    assert failed["Reason"].to_list() == ["400 from ops", "503 from ops"]
    assert "write env:NAME or file:PATH" in text(app)
    sent = "".join(frame.value.to_csv() for frame in app.dataframe) + raw(app)
    assert SECRET not in sent

    picker = app.selectbox(key="test-channel")
    assert picker.options == ["ops", "late"]
    picker.set_value("ops").run()
    press(app, "Send test")
    assert "A test was sent to ops" in text(app)
    assert len(Room.taken) == 2  # the test, and its end
    picker.set_value("late").run()
    press(app, "Send test")
    assert "The test was not taken" in text(app)


def test_what_was_refused_is_tried_again_or_given_up(
    alert_app: AppTest, alert_state: sa.Engine, tmp_path: Path, now_s: int
) -> None:
    write(tmp_path, {"ops": {"kind": "webhook", "url": "https://example.com"}})
    told, start_s = Alerted(alert_state, [rule(group_by=["agent"])]), now_s // 10 * 10 - 600
    told.ops.failures = [REFUSED] * 3
    told.say(start_s, planner=20, writer=30, reader=40)
    app = page(alert_app, "channels")
    lost = app.dataframe[1].value
    assert lost["Outcome"].to_list() == ["✕ Refused"] * 3
    assert "A click on one offers" in text(app)
    key = f"undelivered-{AlertLetters(alert_state).all()[0].row.id}-3"
    app.session_state[key] = {"selection": {"cells": [[1, "Reason"]]}}
    app.run()
    press(app, "Give up")
    assert len(app.dataframe[1].value) == 2
    assert "Give up" not in labels(app)  # nothing is chosen: a second click drops no other
    press(app, "Try all 2 again")
    assert "Everything was delivered, or still waits." in text(app)
    told.say(start_s + 30)
    assert len(told.ops.sent) == 2
    said = [(one.action, one.who) for one in told.state.history("default")]
    assert said.count(("retried", "local")) == 2
    assert said.count(("dropped", "local")) == 1


def test_hostile_names_and_who_may_look(
    alert_app: AppTest, tmp_path: Path, alert_state: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alert_state
    write(tmp_path, {EVIL: {"kind": "webhook", "url": "https://example.com"}, "x": {"kind": EVIL}})
    shown = page(alert_app, "channels")
    assert EVIL in shown.dataframe[0].value["Channel"].to_list()
    assert "<img" not in raw(shown).replace(r"\<img", "")
    viewers = [
        (Viewer("guest", Role.VIEWER, None), True),
        (Viewer("ned", Role.EDITOR, frozenset({"default"})), False),
    ]
    for person, may_look in viewers:
        monkeypatch.setattr(
            "spanledger_dashboard.access.people.later_viewer", lambda person=person: lambda: person
        )
        seen = page(another(), "channels")
        assert bool(seen.dataframe) == may_look
        assert "Send test" not in labels(seen)
        assert ("your account sees some of them" in text(seen)) != may_look
