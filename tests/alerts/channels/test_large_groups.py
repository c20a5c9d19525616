"""Groups larger than a message: each incident is opened and ended once, and the rest is counted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from spanledger_alerts.telling import MOST_INCIDENTS
from tests.alerts.channels.conftest import Opened, Opener
from tests.alerts.channels.providers import PagerDutyRules, SlackApiRules, Step
from tests.alerts.stage import Recorder, Stage, rule


def stage_of(opened: Opened, tmp_path: Path) -> Stage:
    quick = rule(group_interval="10s", warn=5)
    return Stage(tmp_path / "state.db", quick, channels={"ops": cast("Recorder", opened.channel)})


def said(first: int, last: int, value: float) -> dict[str, float | None]:
    return {f"a{number:03}": value for number in range(first, last)}


def sent(pager: Opened) -> Counter[tuple[str, str]]:
    """How often each key was told what."""
    events = [json.loads(body) for body in pager.taken]
    return Counter((event["event_action"], event["dedup_key"]) for event in events)


def is_open(pager: Opened) -> list[str]:
    assert isinstance(pager.rules, PagerDutyRules)
    return [key for key, states in pager.rules.alerts.items() if states[-1] != "resolve"]


@pytest.mark.parametrize("count", [60, 500])
def test_each_page_of_a_large_group_is_opened_once_and_ended_once(
    opener: Opener, tmp_path: Path, count: int
) -> None:
    pager = opener("pagerduty")
    stage = stage_of(pager, tmp_path)
    stage.tick(**said(0, count, 12))
    assert len(is_open(pager)) == MOST_INCIDENTS + 1  # one for all that is not listed
    stage.pass_s(60)
    stage.tick(**said(0, 5, 1))  # others take their place
    stage.pass_s(20)
    assert len(is_open(pager)) == MOST_INCIDENTS + 1
    pager.next(*[Step()] * 20, Step(503))
    stage.tick(**said(5, count, 1))
    stage.pass_s(30)
    assert is_open(pager) == []
    told = sent(pager)
    assert set(told.values()) == {1}
    opened = {key for action, key in told if action == "trigger"}
    assert opened == {key for action, key in told if action == "resolve"}
    assert len(opened) == MOST_INCIDENTS + 5 + 1


def test_what_was_pushed_aside_by_worse_ends_too(opener: Opener, tmp_path: Path) -> None:
    pager = opener("pagerduty")
    stage = stage_of(pager, tmp_path)
    stage.tick(**said(0, 50, 6))
    stage.tick(**said(50, 110, 12))
    assert len(is_open(pager)) == 101
    stage.tick(**said(0, 50, 1))
    assert len(is_open(pager)) == 51
    stage.tick(**said(50, 100, 1))  # ten are left: no event stands for others any more
    assert len(is_open(pager)) == 10
    stage.tick(**said(100, 110, 1))
    assert is_open(pager) == []
    assert set(sent(pager).values()) == {1}


def test_a_message_about_a_large_group_is_one_and_ends_as_one(
    opener: Opener, tmp_path: Path
) -> None:
    slack = opener("slack_bot")
    stage = stage_of(slack, tmp_path)
    stage.tick(**said(0, 60, 6))
    stage.tick(**said(60, 500, 12))
    slack.next(Step(503), Step(), Step(503))
    stage.tick(**said(0, 60, 1))
    stage.pass_s(20, step_s=2)
    assert isinstance(slack.rules, SlackApiRules)
    first = next(iter(slack.rules.messages.values()))
    assert "440 of default / made; 60 resolved" in first["text"]
    stage.tick(**said(60, 500, 1))
    stage.pass_s(20)
    first, *replies = slack.rules.messages.values()
    assert "Resolved: 440 of default / made" in first["text"]
    assert all("thread_ts" in one for one in replies)
    assert len(replies) == 3
