"""A webhook: a signed POST with JSON, to whatever listens.

Signed as https://www.standardwebhooks.com says, so that receivers can use its libraries.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import ssl
import time
from functools import cache
from typing import Literal

import httpx
from pydantic import Field

from spanledger_alerts.channels.answers import quiet, refusal, silence
from spanledger_alerts.channels.config import Address, ChannelConfig, SecretText
from spanledger_alerts.channels.webhook_payload import alertmanager, own
from spanledger_alerts.notification import DeliveryError, Notification

_WHO = "The webhook"
_LONGEST_ANSWER_BYTES = 4_096
_PREFIX = "whsec_"
_SHORTEST_SECRET = 6


class Config(ChannelConfig):
    """An address that takes notifications.

    Attributes:
        url: where to; ``env:NAME`` or ``file:PATH`` where it holds a secret.
        secret: what messages are signed with; begins with ``whsec_`` where it is base64.
        token: sent as ``Authorization: Bearer``, where the receiver asks for one.
        format: ``spanledger`` or ``alertmanager``.
        receiver: how Alertmanager's format calls the receiver.
    """

    url: Address
    secret: SecretText | None = None
    token: SecretText | None = None
    format: Literal["spanledger", "alertmanager"] = "spanledger"
    receiver: str = Field(default="spanledger", max_length=200)

    def open(self) -> Webhook:
        """Return the channel."""
        return Webhook(self)


class Webhook:
    """Posts each notification once; redirects are refused, because a signature is for one place."""

    def __init__(self, config: Config) -> None:
        self._config = config
        quiet("httpx")  # it logs every address
        quiet("httpcore")

    def send(self, notification: Notification) -> str:
        """Post a notification; there is no receipt."""
        config = self._config
        url = config.url.read()
        secrets = [one.read() for one in (config.secret, config.token) if one]
        body = self._body(notification)
        headers = self._headers(notification, body)
        try:
            with (
                httpx.Client(timeout=config.timeout_s, verify=_trusted()) as client,
                client.stream("POST", url, content=body, headers=headers) as answer,
            ):
                if answer.is_success:
                    return ""
                said = self._said(answer)
                header = answer.headers.get("retry-after")
                error = refusal(_WHO, answer.status_code, header, said, [*secrets, *_parts(url)])
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise DeliveryError(f"{_WHO} has a wrong address", permanent=True) from None
        except httpx.HTTPError as cause:
            unsent = isinstance(cause, (httpx.ConnectError, httpx.ConnectTimeout))
            raise silence(_WHO, cause, is_sent=not unsent) from None
        raise error

    def _body(self, notification: Notification) -> bytes:
        if self._config.format == "alertmanager":
            said = alertmanager(notification, self._config.receiver)
            text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
            return text.encode("utf-8", "replace")
        return own(notification).model_dump_json().encode()

    def _headers(self, notification: Notification, body: bytes) -> dict[str, str]:
        sent_s = int(time.time())
        headers = {
            "content-type": "application/json",
            "user-agent": "spanledger",
            "webhook-id": notification.id,
            "webhook-timestamp": str(sent_s),
        }
        if self._config.secret:
            secret = self._config.secret.read()
            headers["webhook-signature"] = signature(secret, notification.id, sent_s, body)
        if self._config.token:
            headers["authorization"] = f"Bearer {self._config.token.read()}"
        return headers

    def _said(self, answer: httpx.Response) -> str:
        """Return the beginning of an answer's text; a long one is not read to its end."""
        until = time.monotonic() + self._config.timeout_s
        read = b""
        for part in answer.iter_bytes(1_024):
            read += part
            if len(read) >= _LONGEST_ANSWER_BYTES or time.monotonic() > until:
                break
        return read[:_LONGEST_ANSWER_BYTES].decode("utf-8", "replace")


def _parts(url: str) -> list[str]:
    """Return an address, and what in it may be a secret by itself."""
    parts = (part for part in re.split(r"[/?&=#@:]", url) if len(part) >= _SHORTEST_SECRET)
    return [url, *parts]


@cache
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # takes long to make


def signature(secret: str, message_id: str, sent_s: int, body: bytes) -> str:
    """Return the signature of a message: ``v1,`` and HMAC-SHA256 in base64.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

    Raises:
        DeliveryError: the secret begins with ``whsec_`` and no base64 follows.
    """
    key = secret.encode()
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except ValueError:
            raise DeliveryError("The webhook's secret is no base64", permanent=True) from None
    signed = f"{message_id}.{sent_s}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
