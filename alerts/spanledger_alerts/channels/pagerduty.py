"""PagerDuty, Events API v2: one event for each incident, by a key that is the same to its end.

https://developer.pagerduty.com/docs/events-api-v2-overview
"""

from __future__ import annotations

import json
import logging
import re
import ssl
import time
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from math import ceil
from typing import TYPE_CHECKING, Literal, cast

from pydantic import Field

from spanledger_alerts.channels.answers import quiet, refusal, silence
from spanledger_alerts.channels.config import ChannelConfig, SecretText
from spanledger_alerts.channels.pagerduty_event import Event, events, has_digest_after
from spanledger_alerts.channels.receipt import read_receipt, write_receipt
from spanledger_alerts.notification import DeliveryError, Notification

if TYPE_CHECKING:
    import httpx2
    from pagerduty import EventsApiV2Client

_WHO = "PagerDuty"
_ADDRESSES = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
_MOST_TIMEOUTS = 6  # that all events of a notification may take together
_ROUTING_KEY = re.compile(r"[0-9A-Za-z]{32}")


class Config(ChannelConfig):
    """A service's integration of type Events API v2.

    Attributes:
        routing_key: its integration key.
        region: ``us`` or ``eu``: where the account is.
        chart_url: what draws charts, with ``{chart}`` where it is given one; PagerDuty's people
            must reach it. None: events have no pictures.
    """

    routing_key: SecretText
    region: Literal["us", "eu"] = "us"
    chart_url: str | None = Field(
        default=None, max_length=500, pattern=r"^https://\S*\{chart\}\S*$"
    )

    def open(self) -> PagerDuty:
        """Return the channel."""
        import_module("pagerduty")
        return PagerDuty(self)


class PagerDuty:
    """Sends an event for every incident of a notification, and one for those it does not list.

    An event that was taken is remembered in the receipt: when a later one of the same notification
    fails, the next attempt goes on behind it. What PagerDuty has already is not triggered again
    while it is as severe as it was.
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
        kept = read_receipt(notification.receipt)
        taken = kept.get("taken", "").split() if kept.get("id") == notification.id else []
        before, has_digest = len(taken), bool(kept.get("digest"))
        until = time.monotonic() + _MOST_TIMEOUTS * self._config.timeout_s
        try:
            with self._client(secret) as client:
                chart_url = self._config.chart_url or ""
                for event in events(notification, has_digest=has_digest, chart_url=chart_url):
                    if event.mark not in taken:
                        # The first goes in any case: an attempt that sends none would never end.
                        _demand(len(taken) == before or time.monotonic() < until)
                        self._enqueue(client, event, secret)
                        taken.append(event.mark)
        except DeliveryError as error:
            error.receipt = _receipt(notification, taken, has_digest)
            error.is_doubtful |= bool(taken)  # PagerDuty knows of some
            raise
        return _receipt(notification, taken, has_digest_after(notification, has_digest))

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

    def _enqueue(self, client: EventsApiV2Client, event: Event, secret: str) -> None:
        import httpx2
        from pagerduty import Error

        try:
            client.send_event(event.action, dedup_key=event.key, **event.properties)
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


def _receipt(notification: Notification, taken: list[str], has_digest: bool) -> str:
    digest = "open" if has_digest else ""
    return write_receipt(id=notification.id, taken="\n".join(taken), digest=digest)
