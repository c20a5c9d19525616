"""PagerDuty: one alert for each incident, whatever fails on the way."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from spanledger_alerts.channels import read_channel
from spanledger_alerts.channels.pagerduty_event import dedup_key
from spanledger_alerts.content import incident
from spanledger_alerts.notification import DeliveryError, Incident
from tests.alerts.channels.conftest import Opened, Opener
from tests.alerts.channels.incidents import BASE, BEGAN_NS, facts, notification
from tests.alerts.channels.providers import PagerDutyRules, Step

ENDED_NS = BEGAN_NS + 60 * 10**9


@pytest.fixture
def pager(opener: Opener) -> Opened:
    return opener("pagerduty")


def several(count: int, **changes: object) -> list[Incident]:
    return [incident(facts(number, **changes), BASE) for number in range(1, count + 1)]


def events(pager: Opened) -> list[dict[str, Any]]:
    return [cast(dict[str, Any], json.loads(body)) for body in pager.taken]


def alerts(pager: Opened) -> dict[str, list[str]]:
    assert isinstance(pager.rules, PagerDutyRules)
    return pager.rules.alerts


def test_the_next_attempt_goes_on_behind_what_was_taken(pager: Opened) -> None:
    sent = notification(incidents=several(4))
    pager.next(Step(), Step(), Step(429, {"Retry-After": "3"}))
    with pytest.raises(DeliveryError) as caught:
        pager.channel.send(sent)
    assert caught.value.retry_after_s == 3
    assert caught.value.is_doubtful  # two are known there: they have to be resolved some day
    # Somebody resolves one by hand in between: a second trigger would page for it again.
    alerts(pager)["spanledger/shop/0000000000000001/3"][-1] = "resolve"
    pager.channel.send(replace(sent, receipt=caught.value.receipt))
    assert [e["dedup_key"][-3] for e in events(pager)] == ["1", "2", "3", "4"]
    assert [len(states) for states in alerts(pager).values()] == [1, 1, 1, 1]


def test_a_receipt_of_another_notification_holds_nothing_back(pager: Opened) -> None:
    receipt = pager.channel.send(notification(incidents=several(2)))
    ended = several(2, ended_ns=ENDED_NS)
    pager.channel.send(notification("resolve", ended, receipt=receipt))
    assert {states[-1] for states in alerts(pager).values()} == {"resolve"}


def test_an_update_triggers_what_fires_and_resolves_what_ended(pager: Opened) -> None:
    pager.channel.send(notification(incidents=several(2)))
    mixed = [several(2, severity="warning")[0], several(2, ended_ns=ENDED_NS)[1]]
    pager.channel.send(notification("update", mixed))
    assert [e["event_action"] for e in events(pager)] == [
        "trigger",
        "trigger",
        "trigger",
        "resolve",
    ]
    assert events(pager)[2]["payload"]["severity"] == "warning"


def test_an_event_carries_what_people_filter_and_open(pager: Opened) -> None:
    pager.channel.send(notification())
    (event,) = events(pager)
    assert event["dedup_key"] == "spanledger/shop/0000000000000001/3"
    payload = event["payload"]
    assert payload["component"] == "researcher-1"
    assert payload["class"] == "cost-per-hour"
    assert payload["source"] == "spanledger/shop"
    assert payload["timestamp"] == "2025-11-21T13:00:00.000Z"
    assert payload["custom_details"]["cost"] == "$12.40"
    assert [link["text"] for link in event["links"]][-1] == "Runbook"


def test_details_that_are_too_large_are_left_out(pager: Opened) -> None:
    labels = {f"label-{number}": "é" * 4_000 for number in range(140)}
    pager.channel.send(notification(incidents=several(1, labels=labels)))
    (event,) = events(pager)
    assert "too large" in event["payload"]["custom_details"]["left_out"]
    assert len(pager.taken[0]) < 512_000


def test_a_key_that_would_be_too_long_is_hashed() -> None:
    short = incident(facts(), BASE)
    long = replace(short, key=f"{'p' * 240}/{'0' * 16}/1")
    assert len(dedup_key(long.key)) <= 255
    assert dedup_key(long.key) == dedup_key(replace(long).key)
    assert dedup_key(long.key) != dedup_key(long.key[:-1] + "2")


def test_what_is_no_key_is_refused_without_being_sent() -> None:
    raw = {"kind": "pagerduty", "routing_key": "env:K"}
    channel = read_channel("p", raw, {"K": "not-a-key"}).channel
    with pytest.raises(DeliveryError) as caught:
        channel.send(notification())
    assert caught.value.permanent
    assert "not-a-key" not in str(caught.value)
