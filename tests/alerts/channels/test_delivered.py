"""Engine, queue and sender with real channels: what arrives when the other side fails half way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

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
