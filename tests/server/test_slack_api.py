"""Clicks in Slack: believed when Slack signed them, done once, for the incidents of the message."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from spanledger_alerts.channels.slack_message import ACKNOWLEDGE, OPEN, SILENCE, message
from spanledger_alerts.content import incident
from spanledger_collector.access.keys import KeyRing
from spanledger_server.api.access import SLACK_PATH
from spanledger_server.api.app import create_app
from spanledger_server.api.slack import slack_router
from spanledger_storage.alert_rows import EngineChange, InstanceRow
from spanledger_storage.alert_state import AlertState
from spanledger_storage.projects import Keys, Projects
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import StoreSettings
from tests.alerts.channels.incidents import BASE, facts, notification

pytest.importorskip("slack_sdk", reason="slack-sdk is not installed")
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
ANSWER_URL = "https://hooks.slack.com/actions/T0/1/abc"
FIRST = "shop/0000000000000001/3"


@pytest.fixture
def engine_state(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def state(engine_state: sa.Engine) -> AlertState:
    """Two firing instances of the rule that differ by agent."""
    state = AlertState(engine_state)
    lease = state.acquire("engine", "test", 1, 10**18)
    assert lease
    rows = [
        InstanceRow(
            project="shop",
            instance_id=f"{number:016x}",
            rule="cost-per-hour",
            labels=json.dumps({"agent": f"researcher-{number}", "team": "search"}),
            state="firing",
            severity="critical",
            generation=3,
            active_at_ns=1,
            fired_at_ns=1,
            resolved_at_ns=None,
            recovering_since_ns=None,
            lower_since_ns=None,
            missing_since_ns=None,
            escalated_at_ns=None,
            sample="{}",
        )
        for number in (1, 2)
    ]
    state.commit(lease, 2, EngineChange(instances=rows))
    return state


Told = list[tuple[str, str]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def slack(state: AlertState, told: Told) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(slack_router(state, SECRET, lambda url, text: told.append((url, text))))
    with TestClient(app) as client:
        yield client


def value(count: int = 1) -> str:
    incidents = [incident(facts(number), BASE) for number in range(1, count + 1)]
    made = message(notification(incidents=incidents), has_buttons=True)
    blocks = cast(list[dict[str, Any]], made.blocks)
    (actions,) = [one for one in blocks if one["type"] == "actions"]
    return str(actions["elements"][0]["value"])


def body(action_id: str, said: str = "", **changes: object) -> bytes:
    payload = {
        "type": "block_actions",
        "user": {"id": "U123", "username": "ana\n<!channel>"},
        "actions": [{"action_id": action_id, "value": said}],
        "response_url": ANSWER_URL,
        **changes,
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def click(client: TestClient, sent: bytes, *, age_s: int = 0, secret: str = SECRET) -> int:
    """Return the status; signed as Slack's documentation describes it."""
    when = str(int(time.time()) - age_s)
    made = hmac.new(secret.encode(), f"v0:{when}:".encode() + sent, hashlib.sha256).hexdigest()
    headers = {
        "x-slack-request-timestamp": when,
        "x-slack-signature": f"v0={made}",
        "content-type": "application/x-www-form-urlencoded",
    }
    return client.post(SLACK_PATH, content=sent, headers=headers).status_code


def test_a_click_acknowledges_once(slack: TestClient, state: AlertState, told: Told) -> None:
    assert click(slack, body(ACKNOWLEDGE, value())) == 200
    assert click(slack, body(ACKNOWLEDGE, value())) == 200
    assert state.acks("shop") == {FIRST: "ana <!channel> (U123, Slack)"}
    assert told == [
        (ANSWER_URL, "Acknowledged."),
        (ANSWER_URL, "Somebody looks after it already."),
    ]


def test_a_click_silences_what_the_message_is_about(slack: TestClient, state: AlertState) -> None:
    before_ns = time.time_ns()
    assert click(slack, body(SILENCE, value())) == 200
    (silence,) = state.silences("shop", now_ns=before_ns)
    assert silence.matchers == (
        ("rule", "=", "cost-per-hour"),
        ("agent", "=", "researcher-1"),
        ("team", "=", "search"),
    )
    assert silence.ends_at_ns - silence.starts_at_ns == 3_600 * 10**9
    assert silence.starts_at_ns >= before_ns
    assert (silence.author, silence.reason) == ("ana <!channel> (U123, Slack)", "Silenced in Slack")


def test_a_group_is_silenced_by_what_its_incidents_share(
    slack: TestClient, state: AlertState
) -> None:
    assert click(slack, body(SILENCE, value(2))) == 200
    (silence,) = state.silences("shop", now_ns=0)
    assert silence.matchers == (("rule", "=", "cost-per-hour"), ("team", "=", "search"))


def test_what_no_longer_is_there_is_said(slack: TestClient, state: AlertState, told: Told) -> None:
    gone = {"project": "shop", "rule": "cost-per-hour", "incidents": ["shop/ffff/1"]}
    assert click(slack, body(SILENCE, json.dumps(gone))) == 200
    assert told == [(ANSWER_URL, "There is nothing left to silence.")]
    assert not state.silences("shop", now_ns=0)


@pytest.mark.parametrize("age_s", [301, -600])
def test_an_old_or_early_request_is_refused(slack: TestClient, age_s: int) -> None:
    assert click(slack, body(ACKNOWLEDGE, value()), age_s=age_s) == 401


def test_what_slack_did_not_sign_does_nothing(slack: TestClient, state: AlertState) -> None:
    sent = body(ACKNOWLEDGE, value())
    assert click(slack, sent, secret="guessed") == 401
    now = str(int(time.time()))
    stamp, sign = "x-slack-request-timestamp", "x-slack-signature"
    for headers in ({}, {stamp: now}, {stamp: "soon", sign: "v0=1"}, {stamp: now, sign: "v0=\xe9"}):
        raw = [(name.encode(), text.encode("latin-1")) for name, text in headers.items()]
        assert slack.post(SLACK_PATH, content=sent, headers=raw).status_code == 401
    assert slack.post(SLACK_PATH, content=b"x" * 300_000).status_code == 413
    assert not state.acks("shop")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"payload=",
        b"payload=[]",
        b"payload=%7B%7D",
        body(ACKNOWLEDGE, "not json"),
        body(ACKNOWLEDGE, '{"project": "shop", "rule": "r", "incidents": []}'),
        body(ACKNOWLEDGE, '{"project": "shop", "rule": "r", "incidents": ["a"], "more": 1}'),
        body(ACKNOWLEDGE, "{}", user=None),
        body(ACKNOWLEDGE, "{}", actions=[1]),
    ],
)
def test_what_is_no_click_is_refused(slack: TestClient, sent: bytes) -> None:
    assert click(slack, sent) == 400


def test_a_link_and_an_answer_elsewhere_mean_nothing(slack: TestClient, told: Told) -> None:
    assert click(slack, body(OPEN)) == 200
    elsewhere = body(ACKNOWLEDGE, value(), response_url="https://hooks.slack.com.evil.example/")
    assert click(slack, elsewhere) == 200
    assert not told


def test_incidents_of_another_project_are_left_alone(slack: TestClient, state: AlertState) -> None:
    mixed = {"project": "shop", "rule": "r", "incidents": ["other/1/1", FIRST]}
    assert click(slack, body(ACKNOWLEDGE, json.dumps(mixed))) == 200
    assert set(state.acks("shop")) == {FIRST}
    assert not state.acks("other")


def test_the_api_takes_clicks_without_a_key_and_only_with_a_secret(
    engine_state: sa.Engine, state: AlertState
) -> None:
    store = StoreSettings.from_url("clickhouse://127.0.0.1:1/nowhere")
    ring = KeyRing(Projects(engine_state), Keys(engine_state))
    ring.load()
    for secret, expected in ((SECRET, 200), ("", 404)):
        app = create_app(store, ring, state=engine_state, slack_secret=secret)
        with TestClient(app) as client:
            assert click(client, body(OPEN)) == expected
            assert client.get("/api/v1/budgets").status_code == 401
