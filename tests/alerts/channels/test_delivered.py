"""Engine, queue and sender with real channels: what arrives when the other side fails half way."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from spanledger_alerts import dead_letters
from spanledger_storage.alert_letters import AlertLetters
from spanledger_storage.alert_tables import outbox
from tests.alerts.channels.conftest import Opened, Opener
from tests.alerts.channels.providers import PagerDutyRules, SlackApiRules, Step
from tests.alerts.stage import Recorder, Stage, rule


def stage_of(opened: Opened, tmp_path: Path) -> Stage:
    quick = rule(group_interval="10s")
    return Stage(tmp_path / "state.db", quick, channels={"ops": cast("Recorder", opened.channel)})


def states(pager: Opened) -> list[list[str]]:
    assert isinstance(pager.rules, PagerDutyRules)
    return list(pager.rules.alerts.values())


def test_a_page_that_failed_half_way_opens_each_incident_once(
    opener: Opener, tmp_path: Path
) -> None:
    pager = opener("pagerduty")
    stage = stage_of(pager, tmp_path)
    pager.next(Step(), Step(), Step(503))
    stage.tick(a=12, b=12, c=12, d=12)
    assert states(pager) == [["trigger"]] * 2
    stage.pass_s(30, step_s=2)
    assert states(pager) == [["trigger"]] * 4
    actions = [json.loads(body)["event_action"] for body in pager.taken]
    assert actions == ["trigger"] * 4
    stage.tick(a=1, b=1, c=1, d=1)
    stage.pass_s(30)
    assert states(pager) == [["resolve"]] * 4


@pytest.mark.parametrize(
    "step", [Step(503), Step(is_reset=True), Step(is_taken_first=True, is_reset=True)]
)
def test_what_ended_before_the_rest_was_sent_is_resolved(
    opener: Opener, tmp_path: Path, step: Step
) -> None:
    pager = opener("pagerduty")
    stage = stage_of(pager, tmp_path)
    pager.next(Step(), step, *[Step(503)] * 2)
    stage.tick(a=12, b=12)
    stage.tick(a=1, b=1)
    stage.pass_s(60, step_s=5)
    assert {one[-1] for one in states(pager)} == {"resolve"}
    assert all(len(one) == 1 for one in states(pager))


@pytest.mark.parametrize("is_told_between", [True, False])
def test_an_acknowledgement_told_with_an_update_arrives(
    opener: Opener, tmp_path: Path, is_told_between: bool
) -> None:
    pager = opener("pagerduty")
    stage = stage_of(pager, tmp_path)
    if is_told_between:  # a is open at PagerDuty before somebody looks after it
        stage.tick(a=12)
    pager.next(*[Step(503)] * (2 if is_told_between else 3))
    stage.tick(a=12, b=12)
    [a] = [o for o in stage.state.instances("default") if '"a"' in o.labels]
    key = f"default/{a.instance_id}/1"
    assert stage.state.acknowledge("default", "made", key, "ann", stage.now_ns)
    stage.pass_s(30)
    events = [json.loads(body) for body in pager.taken]
    of_a = [e["event_action"] for e in events if e["dedup_key"] == f"spanledger/{key}"]
    assert of_a == ["trigger", "acknowledge"]
    assert sorted(states(pager)) == [["acknowledge"], ["trigger"]]
    stage.tick(c=12)  # who looks after it is known there: nothing is said twice
    stage.pass_s(30)
    stage.tick(a=1, b=1, c=1)
    stage.pass_s(30)
    actions = [json.loads(body)["event_action"] for body in pager.taken]
    assert sorted(actions) == ["acknowledge", *["resolve"] * 3, *["trigger"] * 3]
    assert {one[-1] for one in states(pager)} == {"resolve"}


def test_an_acknowledgement_at_the_time_of_an_update_arrives(
    opener: Opener, tmp_path: Path
) -> None:
    pager = opener("pagerduty")
    stage = stage_of(pager, tmp_path)
    stage.tick(a=12)
    [a] = stage.state.instances("default")
    stage.say(b=12)
    key = f"default/{a.instance_id}/1"
    assert stage.state.acknowledge("default", "made", key, "ann", stage.now_ns)
    stage.pass_s(20)
    assert [row["transition"] for row in stage.rows(outbox)] == ["trigger", "update"]
    assert sorted(states(pager)) == [["acknowledge"], ["trigger"]]


def test_an_acknowledgement_that_failed_behind_its_trigger_is_sent_again(
    opener: Opener, tmp_path: Path
) -> None:
    pager = opener("pagerduty")
    stage = stage_of(pager, tmp_path)
    pager.next(Step(503), Step(503), Step(), Step(503))
    stage.tick(a=12)
    [a] = stage.state.instances("default")
    key = f"default/{a.instance_id}/1"
    assert stage.state.acknowledge("default", "made", key, "ann", stage.now_ns)
    stage.pass_s(60, step_s=5)
    actions = [json.loads(body)["event_action"] for body in pager.taken]
    assert actions == ["trigger", "acknowledge"]


def test_a_slack_message_follows_its_group_through_failures(opener: Opener, tmp_path: Path) -> None:
    slack = opener("slack_bot")
    stage = stage_of(slack, tmp_path)
    stage.tick(a=12)
    slack.next(Step(), Step(503))
    stage.tick(b=12)
    stage.pass_s(20, step_s=2)
    stage.tick(a=1, b=1)
    stage.pass_s(20)
    assert isinstance(slack.rules, SlackApiRules)
    first, *replies = slack.rules.messages.values()
    assert "Resolved" in first["text"]
    assert all("thread_ts" in one for one in replies)
    assert len(replies) == 2
    assert slack.provider
    called = [one.path.removeprefix("/api/chat.") for one in slack.provider.taken]
    assert called == ["postMessage", "update", "postMessage", "update", "postMessage"]


def retry_all(stage: Stage) -> list[str]:
    letters = AlertLetters(stage.state_engine)
    return [dead_letters.retry(letters, one.row.id, "ann", stage.now_ns) for one in letters.all()]


def test_a_page_that_is_tried_again_opens_each_incident_once(
    opener: Opener, tmp_path: Path
) -> None:
    pager = opener("pagerduty")
    stage = stage_of(pager, tmp_path)
    pager.next(Step(), Step(400, {}, b'{"message": "no"}'))
    stage.tick(a=12, b=12)
    assert isinstance(pager.rules, PagerDutyRules)
    [first] = pager.rules.alerts
    pager.rules.alerts[first][-1] = "resolve"  # somebody did so by hand: it may not page again
    assert retry_all(stage) == ["waiting"]
    stage.pass_s(10)
    assert list(pager.rules.alerts.values()) == [["resolve"], ["trigger"]]
    stage.tick(a=1, b=1)
    stage.pass_s(10)
    assert {states[-1] for states in pager.rules.alerts.values()} == {"resolve"}
    sent = Counter((e["event_action"], e["dedup_key"]) for e in map(json.loads, pager.taken))
    assert set(sent.values()) == {1}


def test_slack_names_the_incident_in_what_is_tried_again(opener: Opener, tmp_path: Path) -> None:
    slack = opener("slack_bot")
    stage = stage_of(slack, tmp_path)
    slack.next(Step(200, {}, b'{"ok": false, "error": "channel_is_archived"}'))
    stage.tick(a=12)
    key = f"default/{stage.state.instances('default')[0].instance_id}/1"
    assert retry_all(stage) == ["waiting"]
    stage.pass_s(20)
    assert isinstance(slack.rules, SlackApiRules)
    [message] = slack.rules.messages.values()
    assert key in json.dumps(message)
