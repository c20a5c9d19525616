"""Slack by a bot's token: one message per group that is kept up to date, its story in the thread.

Scopes: ``chat:write``; ``files:write`` for charts. https://docs.slack.dev/reference/methods
"""

from __future__ import annotations

import logging
import re
from importlib import import_module
from math import ceil
from typing import TYPE_CHECKING

from pydantic import Field

from spanledger_alerts.channels.answers import quiet, refusal
from spanledger_alerts.channels.chart import charted_of, png
from spanledger_alerts.channels.config import ChannelConfig, SecretText
from spanledger_alerts.channels.headline import headline
from spanledger_alerts.channels.receipt import read_receipt, write_receipt
from spanledger_alerts.channels.slack_answers import FAILURES, WHO, no_answer
from spanledger_alerts.channels.slack_message import escaped, message
from spanledger_alerts.notification import DeliveryError, Notification
from spanledger_alerts.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk import WebClient
    from slack_sdk.web import SlackResponse

_REASON = re.compile(r"[a-z][a-z_]{2,60}")
_AGAIN = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "service_unavailable", "request_timeout"}
)
# "It's possible some aspect of the operation succeeded": chat.postMessage, errors.
_DOUBTFUL = frozenset({"fatal_error", "internal_error"})
# The message cannot be changed any more: a new one takes its place.
_GONE = frozenset(
    {"message_not_found", "cant_update_message", "edit_window_closed", "update_failed"}
)
_RANKS = {"": 0, "info": 1, "warning": 2, "critical": 3}


class Config(ChannelConfig):
    """A bot in a workspace of Slack.

    Attributes:
        token: begins with ``xoxb-``.
        channel: id of the channel, such as ``C024BE91L``; the bot has to be in it.
        has_buttons: messages can be clicked to acknowledge or silence; the API has to hear of it.
        has_charts: a chart is put into the thread of a new message.
        api_url: of Slack; another for GovSlack.
    """

    token: SecretText
    channel: str = Field(pattern=r"^[CGD][A-Z0-9]{2,30}$")
    has_buttons: bool = False
    has_charts: bool = True
    api_url: str = Field(default="https://slack.com/api/", pattern=r"^https?://[^\s]+/$")

    def open(self) -> SlackBot:
        """Return the channel."""
        import_module("slack_sdk")
        return SlackBot(self)


class SlackBot:
    """Posts a message, changes it when something changes, and says so in its thread."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def send(self, notification: Notification) -> str:
        """Post or change the group's message; return where it stands.

        What was done already at an earlier attempt stands in the receipt and is not done again.
        """
        client = self._client()
        kept = read_receipt(notification.receipt)
        ts = kept.get("ts", "")
        if ts and kept.get("changed") != notification.id:
            ts = self._change(client, notification, ts)
        if not ts:
            return self._post(client, notification)
        before = kept.get("severity", "")
        try:
            self._tell(client, notification, ts, before)
        except DeliveryError as error:
            error.receipt = write_receipt(ts=ts, changed=notification.id, severity=before)
            error.is_doubtful = True  # the message is changed already
            raise
        return write_receipt(ts=ts, severity=_severity(notification))

    def _client(self) -> WebClient:
        from slack_sdk import WebClient  # takes long to import

        return WebClient(
            token=self._config.token.read(),
            base_url=self._config.api_url,
            timeout=ceil(self._config.timeout_s),
            logger=quiet("spanledger_alerts.slack", logging.CRITICAL),
            retry_handlers=[],  # the outbox tries again
        )

    def _post(self, client: WebClient, notification: Notification) -> str:
        posted = message(notification, has_buttons=self._config.has_buttons)
        answer = _asked(
            lambda: client.chat_postMessage(
                channel=self._config.channel,
                text=posted.text,
                blocks=[dict(block) for block in posted.blocks],
                unfurl_links=False,
                unfurl_media=False,
                parse="none",
                metadata=_metadata(notification),
            )
        )
        ts = str(answer.get("ts") or "")
        if ts and self._config.has_charts:
            self._draw(client, notification, ts)
        return write_receipt(ts=ts, severity=_severity(notification))

    def _change(self, client: WebClient, notification: Notification, ts: str) -> str:
        """Change the message; return its id, or nothing where it cannot be changed any more."""
        posted = message(notification, has_buttons=self._config.has_buttons)
        try:
            _asked(
                lambda: client.chat_update(
                    channel=self._config.channel,
                    ts=ts,
                    text=posted.text,
                    blocks=[dict(block) for block in posted.blocks],
                    parse="none",
                    metadata=_metadata(notification),
                )
            )
        except _Refused as refused:
            if refused.reason in _GONE:
                return ""
            raise
        return ts

    def _tell(self, client: WebClient, notification: Notification, ts: str, before: str) -> None:
        """Say in the thread what changed; in the channel too, when it is worse or goes on."""
        said = headline(notification)
        now = _severity(notification)
        is_worse = _RANKS[now] > _RANKS.get(before, 0) and bool(before)
        prefix = "Still so. " if notification.is_repeat else ""
        _asked(
            lambda: client.chat_postMessage(
                channel=self._config.channel,
                thread_ts=ts,
                text=escaped(f"{prefix}{one_line(said, 1_000)}"),
                reply_broadcast=is_worse or notification.is_repeat,
                mrkdwn=False,
                parse="none",
                unfurl_links=False,
                unfurl_media=False,
                metadata=_metadata(notification),
            )
        )

    def _draw(self, client: WebClient, notification: Notification, ts: str) -> None:
        """Put a chart into the thread; a message without one is still delivered."""
        from slack_sdk.errors import SlackClientError

        charted = charted_of(notification)
        if charted is None:
            return
        try:
            client.files_upload_v2(
                content=png(charted.series, charted.limit),
                filename="chart.png",
                title="Value over time",
                alt_txt="Chart of the value over time",
                channel=self._config.channel,
                thread_ts=ts,
            )
        except (SlackClientError, *FAILURES):
            quiet("spanledger_alerts.slack", logging.CRITICAL).debug("no chart")


class _Refused(DeliveryError):
    """Slack said no, and why."""

    def __init__(self, reason: str, status: int, retry_after: str | None) -> None:
        about = refusal(WHO, status, retry_after, reason)
        again = reason in _AGAIN or (status != 200 and not about.permanent)
        super().__init__(
            f"{WHO} refused: {reason or status}",
            permanent=not again and reason not in _DOUBTFUL,
            retry_after_s=about.retry_after_s,
            is_doubtful=reason in _DOUBTFUL or about.is_doubtful,
        )
        self.reason = reason


def _asked(ask: Callable[[], SlackResponse]) -> SlackResponse:
    """Return the answer to one request.

    Raises:
        DeliveryError: Slack refused, or did not answer.
    """
    from slack_sdk.errors import SlackApiError, SlackClientError

    try:
        return ask()
    except SlackApiError as error:
        raise _refused(error.response) from None
    except SlackClientError:
        raise DeliveryError(f"{WHO} cannot be asked this way", permanent=True) from None
    except FAILURES as error:
        raise no_answer(error) from None


def _refused(answer: SlackResponse | dict[str, object]) -> _Refused:
    if isinstance(answer, dict):  # the library found no JSON in it
        return _Refused("", 502, None)
    found = answer.data if isinstance(answer.data, dict) else {}
    reason = str(found.get("error", ""))
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return _Refused(
        reason if _REASON.fullmatch(reason) else "",
        answer.status_code,
        headers.get("retry-after"),
    )


def _metadata(notification: Notification) -> dict[str, object]:
    """Return what tells programs which notification a message is of.

    https://docs.slack.dev/messaging/message-metadata
    """
    return {
        "event_type": "spanledger_notification",
        "event_payload": {"id": notification.id, "group_key": notification.group_key},
    }


def _severity(notification: Notification) -> str:
    firing = (one for one in notification.incidents if one.ended_ns is None)
    return max((one.severity for one in firing), key=lambda s: _RANKS[s], default="")
