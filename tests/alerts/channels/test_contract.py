"""What holds for every channel, on a server that enforces its provider's rules."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from spanledger_alerts.channels import CHANNELS, send_test
from spanledger_alerts.content import incident
from spanledger_alerts.notification import Channel, DeliveryError
from tests.alerts.channels.conftest import Opened, Opener
from tests.alerts.channels.incidents import BASE, facts, hostile, notification
from tests.alerts.channels.providers import Step
from tests.instance import wait_until

# Apprise imports what Python 3.13 no longer has, where it is there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
every_channel = pytest.mark.parametrize("kind", sorted(CHANNELS))
over_http = pytest.mark.parametrize("kind", sorted(set(CHANNELS) - {"email"}))
_REFUSALS = {
    "slack_bot": Step(200, {}, b'{"ok": false, "error": "channel_not_found"}'),
    "slack_webhook": Step(410, {}, b"channel_is_archived"),
}
_REFUSED = Step(400, {}, b'{"message": "Event object is invalid", "errors": ["no summary"]}')


def failed(opened: Opened) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        opened.channel.send(notification())
    return caught.value


@every_channel
def test_a_trigger_an_update_and_a_resolve_are_each_sent_once(kind: str, opener: Opener) -> None:
    opened = opener(kind)
    receipt = ""
    for number, transition in enumerate(("trigger", "update", "acknowledge", "resolve")):
        sent = notification(transition, receipt=receipt, number=number)  # type: ignore[arg-type]
        receipt = opened.channel.send(sent)
    assert "12.40" in opened.taken[0]
    assert "resolve" in opened.taken[-1].lower()
    # The bot changes its message and says so in the thread; the chart takes three requests.
    assert len(opened.taken) == (1 + 3 + 3 * 2 if kind == "slack_bot" else 4)


@every_channel
def test_what_happened_and_where_to_look_is_in_the_message(kind: str, opener: Opener) -> None:
    opened = opener(kind)
    opened.channel.send(notification())
    said = opened.taken[0].replace("=\n", "").replace("=3D", "=").replace("&amp;", "&")
    for wanted in ("researcher-1", "2025-11-21", "$3.10", "repeats search 41 times"):
        assert wanted in said
    links = ("/trace?trace_id=aaaa", "wiki.example.com/cost", "from=1763726400&to=1763730060")
    for wanted in (*links, "trace_id=cccc"):
        assert kind == "webhook" or wanted in said.replace("\\u0026", "&")
    assert "trace_id=dddd" not in said


@over_http
def test_a_permanent_refusal_says_why(kind: str, opener: Opener) -> None:
    opened = opener(kind)
    opened.next(_REFUSALS.get(kind, _REFUSED))
    error = failed(opened)
    if kind == "apprise":  # it says only that it failed
        assert not error.permanent
        return
    assert error.permanent
    assert not error.is_doubtful
    assert "channel_" in str(error) or "no summary" in str(error)
    assert len(opened.provider.seen) == 1  # type: ignore[union-attr]


@over_http
def test_a_limit_of_rate_is_waited_for_by_whoever_sends(kind: str, opener: Opener) -> None:
    opened = opener(kind)
    opened.next(Step(429, {"Retry-After": "7"}, b'{"ok": false, "error": "ratelimited"}'))
    error = failed(opened)
    assert not error.permanent
    if kind != "apprise":
        assert error.retry_after_s == 7
        assert not error.is_doubtful
    assert len(opened.provider.seen) == 1  # type: ignore[union-attr]


@over_http
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_server_is_tried_again_later(kind: str, opener: Opener, status: int) -> None:
    opened = opener(kind)
    opened.next(Step(status, {}, b"oops"))
    error = failed(opened)
    assert not error.permanent
    if kind != "apprise":
        assert error.is_doubtful == (status in (502, 504))
    assert len(opened.provider.seen) == 1  # type: ignore[union-attr]
    opened.channel.send(notification())
    assert opened.taken


@over_http
@pytest.mark.parametrize("step", [Step(is_slow=True), Step(is_reset=True)], ids=["slow", "reset"])
def test_without_an_answer_it_is_doubtful(kind: str, opener: Opener, step: Step) -> None:
    opened = opener(kind, timeout_s=0.3 if step.is_slow else 60.0)
    opened.next(step)
    error = failed(opened)
    assert not error.permanent
    assert error.is_doubtful
    provider = opened.provider
    assert provider
    assert not provider.is_outwaited
    wait_until(lambda: bool(provider.seen))  # it may still read what nobody waits for
    assert len(provider.seen) == 1


@over_http
def test_nobody_there_is_not_doubtful(kind: str, opener: Opener) -> None:
    opened = opener(kind)
    provider = opened.provider
    assert provider
    provider.url = "http://127.0.0.1:9"  # of PagerDuty
    channel = opened.channel
    if kind != "pagerduty":
        channel = _moved(opened)
    with pytest.raises(DeliveryError) as caught:
        channel.send(notification())
    assert not caught.value.permanent
    assert caught.value.is_doubtful == (kind == "apprise")


def _moved(opened: Opened) -> Channel:
    from spanledger_alerts.channels import read_channel

    environ = {"A": "http://127.0.0.1:9/x", "T": "token", "J": "json://127.0.0.1:9"}
    raw: dict[str, dict[str, object]] = {
        "apprise": {"url": "env:J"},
        "slack_bot": {"token": "env:T", "channel": "C024BE91L", "api_url": "http://127.0.0.1:9/"},
        "slack_webhook": {"url": "env:A"},
        "webhook": {"url": "env:A"},
    }
    return read_channel("x", {"kind": opened.kind, **raw[opened.kind]}, environ).channel


@over_http
def test_a_repeated_message_after_a_doubtful_one_can_be_told(kind: str, opener: Opener) -> None:
    opened = opener(kind)
    opened.next(Step(is_taken_first=True, is_reset=True))
    sent = notification(incidents=[incident(facts(series=()), BASE)])
    with pytest.raises(DeliveryError) as caught:
        opened.channel.send(sent)
    assert caught.value.is_doubtful
    opened.channel.send(replace(sent, receipt=caught.value.receipt))
    assert len(opened.taken) == 2
    marks = {"pagerduty": "dedup_key", "webhook": "n-1-trigger", "apprise": "shop / cost-per-hour"}
    mark = marks.get(kind, "shop/0000000000000001/3")
    assert all(mark in one for one in opened.taken)
    if kind == "pagerduty":
        states = opened.rules.alerts  # type: ignore[attr-defined]
        assert states == {"spanledger/shop/0000000000000001/3": ["trigger"]}
    if kind == "webhook":
        ids = {one.headers["webhook-id"] for one in opened.provider.taken}  # type: ignore[union-attr]
        assert ids == {"n-1-trigger"}


@every_channel
def test_hostile_text_breaks_no_rule(kind: str, opener: Opener) -> None:
    opened = opener(kind)
    opened.channel.send(hostile())
    assert opened.taken
    for body in opened.taken:
        assert len(body) < 600_000
        if kind != "webhook":  # there telemetry is data, and stays as it is
            assert "@here" not in body
        if kind in ("email", "apprise"):
            assert "\x1b" not in body
            assert "\u202e" not in body


@every_channel
def test_secrets_are_shown_nowhere(
    kind: str, opener: Opener, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        opened = opener(kind)
        said = [repr(opened.channel), repr(getattr(opened.channel, "_config", ""))]
        opened.channel.send(notification())
        if opened.provider:
            echo = json.dumps({"message": " ".join(opened.secrets)}).encode()
            opened.next(Step(400, {}, echo), Step(503, {}, echo), Step(is_reset=True))
            said += [repr(failed(opened)) + str(failed(opened).__cause__) for _ in range(1)]
            said += [str(failed(opened))]
        elif opened.mail:
            opened.mail.password = "another"
            said += [str(failed(opened))]
    said += [caplog.text, *capsys.readouterr()]
    for secret in opened.secrets:
        assert all(secret not in one for one in said)


@every_channel
def test_a_test_is_sent_and_leaves_nothing_open(kind: str, opener: Opener) -> None:
    opened = opener(kind)
    send_test(opened.channel, BASE)
    assert "test of the channel" in opened.taken[0]
    if kind == "pagerduty":
        (states,) = opened.rules.alerts.values()  # type: ignore[attr-defined]
        assert states == ["resolve"]
