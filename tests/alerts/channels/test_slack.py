"""Slack: one message that follows its group, and no text that becomes anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_alerts.channels.chart import png
from spanledger_alerts.channels.slack_message import message
from spanledger_alerts.content import incident
from spanledger_alerts.notification import DeliveryError, Notification
from tests.alerts.channels.conftest import Opened, Opener
from tests.alerts.channels.incidents import BASE, facts, hostile, notification
from tests.alerts.channels.providers import SlackApiRules, Step, block_errors


@pytest.fixture
def bot(opener: Opener) -> Opened:
    return opener("slack_bot")


def rules(bot: Opened) -> SlackApiRules:
    assert isinstance(bot.rules, SlackApiRules)
    return bot.rules


def plain(severity: str = "warning") -> Notification:
    return notification(incidents=[incident(facts(series=(), severity=severity), BASE)])


def blocks_of(sent: Notification) -> list[dict[str, Any]]:
    made = message(sent, has_buttons=True)
    return cast(list[dict[str, Any]], json.loads(json.dumps(made.blocks)))


def test_the_message_of_a_group_is_changed_and_its_thread_says_so(bot: Opened) -> None:
    receipt = bot.channel.send(plain())
    bot.channel.send(notification("resolve", receipt=receipt))
    first, reply = rules(bot).messages.values()
    assert "Resolved" in first["text"]
    assert reply["thread_ts"] == json.loads(receipt)["ts"]
    assert not reply["reply_broadcast"]


def test_worse_news_and_repeats_reach_the_channel_too(bot: Opened) -> None:
    receipt = bot.channel.send(plain())
    worse = replace(plain("critical"), id="n-2", transition="update", receipt=receipt)
    receipt = bot.channel.send(worse)
    again = replace(worse, id="n-3", receipt=receipt)
    receipt = bot.channel.send(again)
    bot.channel.send(replace(again, id="n-4", receipt=receipt, is_repeat=True))
    replies = [m["reply_broadcast"] for m in rules(bot).messages.values() if "thread_ts" in m]
    assert replies == [True, False, True]


def test_a_message_that_is_gone_is_posted_anew(bot: Opened) -> None:
    receipt = bot.channel.send(plain())
    rules(bot).messages.clear()
    later = bot.channel.send(replace(plain(), id="n-2", transition="update", receipt=receipt))
    assert json.loads(later)["ts"] in rules(bot).messages


def test_an_attempt_that_failed_half_way_changes_the_message_once(bot: Opened) -> None:
    receipt = bot.channel.send(plain())
    bot.next(Step(), Step(503))
    update = replace(plain(), id="n-2", transition="update", receipt=receipt)
    with pytest.raises(DeliveryError) as caught:
        bot.channel.send(update)
    assert caught.value.is_doubtful
    bot.channel.send(replace(update, receipt=caught.value.receipt))
    assert bot.provider
    called = [one.path.removeprefix("/api/") for one in bot.provider.taken]
    assert called == ["chat.postMessage", "chat.update", "chat.postMessage"]


def test_a_chart_is_put_into_the_thread(bot: Opened) -> None:
    bot.channel.send(notification())
    (picture,) = rules(bot).files
    assert picture.startswith(b"\x89PNG")


def test_a_message_is_delivered_where_files_may_not_be(bot: Opened) -> None:
    rules(bot).may_upload = False
    assert "ts" in json.loads(bot.channel.send(notification()))
    assert not rules(bot).files


def test_buttons_name_the_incidents_they_are_about() -> None:
    many = [incident(facts(number), BASE) for number in range(1, 200)]
    (actions,) = [b for b in blocks_of(notification(incidents=many)) if b["type"] == "actions"]
    meant = json.loads(actions["elements"][0]["value"])
    assert (meant["project"], meant["rule"]) == ("shop", "cost-per-hour")
    assert len(meant["incidents"]) > 30
    assert meant["incidents"][0] == "shop/0000000000000001/3"
    resolved = blocks_of(notification("resolve"))
    assert not [b for b in resolved if b["type"] == "actions"]


def test_what_has_no_room_is_counted() -> None:
    many = [incident(facts(number), BASE) for number in range(1, 51)]
    sent = replace(notification(incidents=many), left_out=7)
    blocks = blocks_of(sent)
    shown = len([b for b in blocks if b["type"] == "section"])
    assert f"+{57 - shown} more" in json.dumps(blocks)
    assert block_errors(blocks, "x") == []


def test_no_hostile_text_becomes_markup() -> None:
    made = message(hostile(), has_buttons=True)
    assert block_errors(blocks_of(hostile()), made.text) == []


NASTY = st.text(
    alphabet=st.one_of(st.sampled_from("<>&|@!*_`~:\n\r\t\0\u202e\u2028here"), st.characters()),
    max_size=400,
)


@settings(max_examples=60, deadline=None)
@given(NASTY, NASTY, NASTY, st.integers(1, 12))
def test_no_text_at_all_becomes_markup(one: str, two: str, three: str, count: int) -> None:
    given_facts = [
        facts(number, labels={two: one}, headline=three, explanation=two, owner=one)
        for number in range(1, count + 1)
    ]
    incidents = [incident(one_facts, BASE) for one_facts in given_facts]
    sent = replace(notification(incidents=incidents), group=three or "x")
    assert block_errors(blocks_of(sent), message(sent).text) == []


def test_a_chart_needs_no_spread_of_values() -> None:
    for series in ([(0, 1.0), (1, 1.0)], [(0, 0.0), (0, 0.0)], [(5, -2.0), (1, 3.5)]):
        assert png(series).startswith(b"\x89PNG")
