"""Slack by an incoming webhook: a message for each notification; it cannot be changed later.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import logging
import re
from importlib import import_module
from math import ceil

from spanledger_alerts.channels.answers import quiet, refusal
from spanledger_alerts.channels.config import Address, ChannelConfig
from spanledger_alerts.channels.slack_answers import FAILURES, WHO, no_answer
from spanledger_alerts.channels.slack_message import message
from spanledger_alerts.notification import DeliveryError, Notification

_REASON = re.compile(r"[a-z][a-z_]{2,60}")


class Config(ChannelConfig):
    """An incoming webhook of a Slack app.

    Attributes:
        url: its address, which is a secret: whoever has it may post.
    """

    url: Address

    def open(self) -> SlackWebhook:
        """Return the channel."""
        import_module("slack_sdk.webhook")
        return SlackWebhook(self)


class SlackWebhook:
    """Posts a message."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def send(self, notification: Notification) -> str:
        """Post a message; there is no receipt."""
        from slack_sdk.webhook import WebhookClient  # takes long to import

        url = self._config.url.read()
        client = WebhookClient(
            url,
            timeout=ceil(self._config.timeout_s),
            logger=quiet("spanledger_alerts.slack", logging.CRITICAL),
            retry_handlers=[],  # the outbox tries again
        )
        posted = message(notification)
        try:
            answer = client.send(
                text=posted.text,
                blocks=[dict(block) for block in posted.blocks],
                unfurl_links=False,
                unfurl_media=False,
            )
        except FAILURES as error:
            raise no_answer(error) from None
        if answer.status_code != 200:
            header = {name.lower(): value for name, value in answer.headers.items()}
            found = _REASON.fullmatch(answer.body.strip())
            said = found.group() if found else ""
            raise refusal(WHO, answer.status_code, header.get("retry-after"), said) from None
        if answer.body.strip() != "ok":
            raise DeliveryError(f"{WHO} did not answer ok", permanent=False, is_doubtful=True)
        return ""
