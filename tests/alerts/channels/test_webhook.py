"""The webhook: signed, described by its schema, and readable as Alertmanager's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from spanledger_alerts.channels import read_channel
from spanledger_alerts.channels.webhook_payload import WebhookMessage
from spanledger_alerts.content import incident
from spanledger_alerts.notification import DeliveryError
from tests.alerts.channels.conftest import Opener
from tests.alerts.channels.incidents import BASE, BEGAN_NS, facts, hostile, notification
from tests.alerts.channels.providers import Provider, Step, serving, take_all

SCHEMA = Path(__file__).parents[3] / "docs" / "alerts-webhook.schema.json"


def test_the_published_schema_is_that_of_the_messages() -> None:
    published = json.loads(SCHEMA.read_text())
    made = WebhookMessage.model_json_schema()
    assert {k: v for k, v in published.items() if not k.startswith("$") or k == "$defs"} == made
    Draft202012Validator.check_schema(published)


@pytest.mark.parametrize("transition", ["trigger", "update", "acknowledge", "resolve", "hostile"])
def test_every_message_is_as_the_schema_says(opener: Opener, transition: str) -> None:
    opened = opener("webhook")
    sent = hostile() if transition == "hostile" else notification(transition)  # type: ignore[arg-type]
    opened.channel.send(sent)
    message = json.loads(opened.taken[0])
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(message)
    assert message["incidents"][0]["key"] == "shop/0000000000000001/3"


def test_the_signature_is_that_of_standard_webhooks(opener: Opener) -> None:
    opened = opener("webhook")
    opened.channel.send(notification())
    assert opened.provider
    (request,) = opened.provider.taken
    sent_s = request.headers["webhook-timestamp"]
    signed = b".".join([b"n-1-trigger", sent_s.encode(), request.body])
    made = hmac.digest(b"secret of the hook", signed, hashlib.sha256)
    assert request.headers["webhook-signature"] == "v1," + base64.b64encode(made).decode()
    assert request.headers["authorization"] == "Bearer bearer-token"


def test_a_redirect_is_no_delivery(opener: Opener) -> None:
    opened = opener("webhook")
    opened.next(Step(302, {"Location": "http://127.0.0.1:1/"}))
    with pytest.raises(DeliveryError, match="answered 302") as caught:
        opened.channel.send(notification())
    assert caught.value.permanent


def test_alertmanager_receivers_understand_it() -> None:
    """Fields and types as Alertmanager's own: template.Data and template.Alert in template.go."""
    with ExitStack() as stack:
        provider = stack.enter_context(serving(Provider(take_all)))
        raw = {"kind": "webhook", "url": f"{provider.url}/x", "format": "alertmanager"}
        channel = read_channel("hook", raw, {}).channel
        firing = incident(facts(1), BASE)
        ended = incident(facts(2, ended_ns=BEGAN_NS + 10**9), BASE)
        channel.send(notification("update", [firing, ended]))
        channel.send(hostile())
        told = provider.taken[0].json
    assert "webhook-signature" not in provider.taken[0].headers
    assert (told["version"], told["status"], told["receiver"]) == ("4", "firing", "spanledger")
    assert told["groupKey"] == "shop/cost-per-hour/7"
    assert told["truncatedAlerts"] == 0
    assert told["commonLabels"] == {"alertname": "cost-per-hour", "agent": "researcher-1"}
    first, second = told["alerts"]
    assert first["labels"]["alertname"] == "cost-per-hour"
    assert first["labels"]["severity"] == "critical"
    assert (first["status"], first["endsAt"]) == ("firing", "0001-01-01T00:00:00Z")
    assert (second["status"], second["endsAt"]) == ("resolved", "2025-11-21T13:00:01.000Z")
    assert first["startsAt"] == "2025-11-21T13:00:00.000Z"
    assert first["annotations"]["runbook_url"] == "https://wiki.example.com/cost"
    assert len({one["fingerprint"] for one in told["alerts"]}) == 2
    assert all(isinstance(v, str) for one in told["alerts"] for v in one["labels"].values())
