"""PagerDuty, Events API v2: one event for each incident, by a key that is the same to its end.

https://developer.pagerduty.com/docs/events-api-v2-overview
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import ssl
import time
from collections.abc import Mapping
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Literal, cast

from spanledger_alerts.channels.answers import quiet, refusal, silence
from spanledger_alerts.channels.config import ChannelConfig, SecretText
from spanledger_alerts.channels.receipt import read_receipt, write_receipt
from spanledger_alerts.notification import DeliveryError, Incident, Notification
from spanledger_alerts.text import iso, one_line

if TYPE_CHECKING:
    import httpx2
    from pagerduty import EventsApiV2Client

_WHO = "PagerDuty"
_ADDRESSES = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
# https://developer.pagerduty.com/docs/events-api-v2/trigger-events
_LONGEST_SUMMARY = 1_024
_LONGEST_KEY = 255
_LARGEST_EVENT_BYTES = 512_000
_LONGEST_DETAIL = 4_000
_MOST_TIMEOUTS = 6  # that all events of a notification may take together
_ROUTING_KEY = re.compile(r"[0-9A-Za-z]{32}")
_COMPONENTS = ("agent", "tool", "model", "service", "worker", "gpu", "budget", "user", "session")

Action = Literal["trigger", "acknowledge", "resolve"]


class Config(ChannelConfig):
    """A service's integration of type Events API v2.

    Attributes:
        routing_key: its integration key.
        region: ``us`` or ``eu``: where the account is.
    """

    routing_key: SecretText
    region: Literal["us", "eu"] = "us"

    def open(self) -> PagerDuty:
        """Return the channel."""
        return PagerDuty(self)


class PagerDuty:
    """Sends an event for every incident of a notification, each once.

    An event that was taken is remembered in the receipt: when a later one of the same notification
    fails, the next attempt goes on behind it.
    """

    def __init__(self, config: Config, transport: httpx2.BaseTransport | None = None) -> None:
        self._config = config
        self._transport = transport
        quiet("httpx2")

    def send(self, notification: Notification) -> str:
        """Send an event for each incident; return which were taken."""
        secret = self._config.routing_key.read()
        if not _ROUTING_KEY.fullmatch(secret):
            raise DeliveryError(
                f"{self._config.routing_key.source} is no integration key: 32 letters and digits",
                permanent=True,
            )
        taken = _taken(notification)
        until = time.monotonic() + _MOST_TIMEOUTS * self._config.timeout_s
        try:
            with self._client(secret) as client:
                for incident in notification.incidents:
                    key = dedup_key(incident)
                    if key not in taken:
                        _demand(time.monotonic() < until)
                        self._enqueue(client, notification, incident, secret)
                        taken.append(key)
        except DeliveryError as error:
            error.receipt = _receipt(notification, taken)
            error.is_doubtful |= bool(taken)  # PagerDuty knows of some
            raise
        return _receipt(notification, taken)

    def _client(self, secret: str) -> EventsApiV2Client:
        from pagerduty import EventsApiV2Client  # takes long to import

        client = EventsApiV2Client(
            secret,
            base_url=_ADDRESSES[self._config.region],
            transport=self._transport,
            verify=_trusted(),
        )
        # The outbox tries again: no attempt of the library's own. With a count of attempts that is
        # exceeded from the start it returns 429 too, which it would else repeat without end.
        client.retry = {429: 1}
        client.max_http_attempts = -1
        client.max_network_attempts = 0
        client.timeout = ceil(self._config.timeout_s)
        client.log = quiet("spanledger_alerts.pagerduty", logging.CRITICAL)
        return client

    def _enqueue(
        self,
        client: EventsApiV2Client,
        notification: Notification,
        incident: Incident,
        secret: str,
    ) -> None:
        import httpx2
        from pagerduty import Error

        act = action(notification, incident)
        properties = _trigger(notification, incident) if act == "trigger" else {}
        try:
            client.send_event(act, dedup_key=dedup_key(incident), **properties)
        except Error as error:
            answer = error.response
            if answer is None:
                reason = error.__cause__ or error
                unsent = isinstance(reason, (httpx2.ConnectError, httpx2.ConnectTimeout))
                raise silence(_WHO, reason, is_sent=not unsent) from None
            if answer.is_success:  # an answer that is not PagerDuty's
                raise DeliveryError(
                    f"{_WHO} gave an answer without a key", permanent=False, is_doubtful=True
                ) from None
            header = answer.headers.get("Retry-After")
            said = _reason(answer.text)
            raise refusal(_WHO, answer.status_code, header, said, [secret]) from None


@cache
def _trusted() -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context()  # takes long to make


def _demand(is_in_time: bool) -> None:
    """Stop before whoever sends takes the attempt for lost; the next one goes on behind it."""
    if not is_in_time:
        raise DeliveryError(f"{_WHO} is slow: the rest follows", permanent=False)


def dedup_key(incident: Incident) -> str:
    """Return the key that holds an incident's events together; hashed where it is too long."""
    key = f"spanledger/{incident.key}"
    if len(key) <= _LONGEST_KEY:
        return key
    return f"spanledger/sha256:{hashlib.sha256(incident.key.encode()).hexdigest()}"


def action(notification: Notification, incident: Incident) -> Action:
    """Return what is to happen to one incident."""
    if incident.ended_ns is not None or notification.transition == "resolve":
        return "resolve"
    return "acknowledge" if notification.transition == "acknowledge" else "trigger"


def _trigger(notification: Notification, incident: Incident) -> dict[str, object]:
    """Return what a trigger has beside action and key, within the size that is taken."""
    payload: dict[str, object] = {
        "summary": one_line(incident.title, _LONGEST_SUMMARY) or incident.rule,
        "source": _source(incident),
        "severity": incident.severity,  # the words are PagerDuty's own
        "timestamp": iso(incident.started_ns),
        "component": _component(incident),
        "group": one_line(notification.group, 255),
        "class": one_line(incident.rule, 255),
        "custom_details": _details(incident),
    }
    event: dict[str, object] = {"payload": payload, "client": "Spanledger"}
    if incident.links:
        event["client_url"] = incident.links[0].url
        event["links"] = [{"href": o.url, "text": one_line(o.text, 100)} for o in incident.links]
    if len(json.dumps(event)) > _LARGEST_EVENT_BYTES - 2 * _LONGEST_SUMMARY:
        payload["custom_details"] = {"left_out": "The details were too large for PagerDuty."}
    return event


def _source(incident: Incident) -> str:
    project = incident.key.partition("/")[0]
    return f"spanledger/{one_line(project, 200)}"


def _component(incident: Incident) -> str:
    """Return whom it is about: the first label that names somebody, else the rule."""
    named = (incident.labels.get(name, "") for name in _COMPONENTS)
    return one_line(next(filter(None, named), "") or incident.rule, 255)


def _details(incident: Incident) -> dict[str, object]:
    said = {
        "value": incident.value,
        "threshold": incident.threshold,
        "cost": incident.usd,
        "owner": incident.owner,
    }
    return {
        "what": [one_line(line, 1_000) for line in incident.lines],
        "labels": {
            one_line(name, 200): one_line(value, _LONGEST_DETAIL)
            for name, value in incident.labels.items()
        },
        **{name: value for name, value in said.items() if value},
    }


def _reason(body: str) -> str:
    """Return what PagerDuty says is wrong: ``message`` and ``errors`` of its answer."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(found, Mapping):
        return ""
    answer = cast("Mapping[str, object]", found)
    errors = answer.get("errors")
    listed = cast("list[object]", errors) if isinstance(errors, list) else []
    return "; ".join(str(one) for one in (answer.get("message"), *listed) if one)


def _taken(notification: Notification) -> list[str]:
    """Return keys that an earlier attempt at the same notification had taken."""
    kept = read_receipt(notification.receipt)
    if kept.get("id") != notification.id:
        return []
    return kept.get("taken", "").split()


def _receipt(notification: Notification, taken: list[str]) -> str:
    return write_receipt(id=notification.id, taken="\n".join(taken))
