"""Every channel, opened on a local server that enforces its provider's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from importlib.util import find_spec
from typing import Protocol

import pytest

from spanledger_alerts.channels import read_channel, read_config
from spanledger_alerts.channels.pagerduty import Config as PagerDutyConfig
from spanledger_alerts.channels.pagerduty import PagerDuty
from spanledger_alerts.notification import Channel
from tests.alerts.channels.mail_server import MailServer, mail_serving
from tests.alerts.channels.providers import (
    PagerDutyRules,
    Provider,
    SlackApiRules,
    SlackWebhookRules,
    Step,
    serving,
    take_all,
)

ROUTING_KEY = "0123456789abcdef0123456789ABCDEF"
LIBRARIES = {"pagerduty": "pagerduty", "slack_bot": "slack_sdk", "slack_webhook": "slack_sdk"}
LIBRARIES["apprise"] = "apprise"


@dataclass
class Opened:
    """A channel, and what stands at its other side.

    Attributes:
        secrets: texts that may be shown nowhere.
        taken: bodies that the other side accepted, as text.
    """

    kind: str
    channel: Channel
    provider: Provider | None = None
    mail: MailServer | None = None
    secrets: Sequence[str] = ()
    rules: object = None
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def taken(self) -> list[str]:
        if self.mail:
            return [read_mail(one) for one in self.mail.taken]
        assert self.provider
        return [one.body.decode("utf-8", "replace") for one in self.provider.taken]

    def next(self, *steps: Step) -> None:
        assert self.provider
        self.provider.script += steps


def read_mail(raw: bytes) -> str:
    """Return what a mail program shows: the subject, and both bodies."""
    mail = message_from_bytes(raw, policy=default)
    texts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    return "\n".join([str(mail["Subject"]), *texts])


class Opener(Protocol):
    """Opens a channel of a kind; unless a test waits for it, it never loses its patience.

    That this machine is busy is no failure of the other side.
    """

    def __call__(self, kind: str, timeout_s: float = 60.0) -> Opened: ...


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def opener() -> Iterator[Opener]:
    with ExitStack() as stack:

        def opened(kind: str, timeout_s: float = 60.0) -> Opened:
            library = LIBRARIES.get(kind)
            if library and find_spec(library) is None:
                pytest.skip(f"{library} is not installed")
            if kind == "email":
                return _email(stack.enter_context(mail_serving()), timeout_s)
            return _OPENERS[kind](stack, timeout_s)

        yield opened


def _email(server: MailServer, timeout_s: float) -> Opened:
    environ = {"PASSWORD": "correct"}
    raw = {
        "kind": "email",
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "username": "ledger",
        "password": "env:PASSWORD",
        "timeout_s": timeout_s,
        "sender": "ledger@example.com",
        "to": ["ops@example.com"],
    }
    channel = read_channel("mail", raw, environ).channel
    return Opened("email", channel, mail=server, secrets=["correct"], environ=environ)


def _pagerduty(stack: ExitStack, timeout_s: float) -> Opened:
    import httpx2

    class ToLocal(httpx2.BaseTransport):
        """The library asks https alone: what it asks goes to the server of the test."""

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            local = httpx2.URL(provider.url)
            request.url = request.url.copy_with(scheme="http", host=local.host, port=local.port)
            with httpx2.HTTPTransport(verify=False) as transport:
                answer = transport.handle_request(request)
                answer.read()
                return answer

    rules = PagerDutyRules()
    provider = stack.enter_context(serving(Provider(rules)))
    environ = {"KEY": ROUTING_KEY}
    raw = {"kind": "pagerduty", "routing_key": "env:KEY", "timeout_s": timeout_s}
    config = read_config("pager", raw, environ)
    assert isinstance(config, PagerDutyConfig)
    channel = PagerDuty(config, ToLocal())
    return Opened("pagerduty", channel, provider, secrets=[ROUTING_KEY], rules=rules)


def _slack_webhook(stack: ExitStack, timeout_s: float) -> Opened:
    provider = stack.enter_context(serving(Provider(SlackWebhookRules())))
    environ = {"URL": provider.url + SlackWebhookRules.PATH}
    raw = {"kind": "slack_webhook", "url": "env:URL", "timeout_s": timeout_s}
    channel = read_channel("slack", raw, environ).channel
    return Opened("slack_webhook", channel, provider, secrets=["SECRETSECRET"])


def _slack_bot(stack: ExitStack, timeout_s: float) -> Opened:
    rules = SlackApiRules()
    provider = stack.enter_context(serving(Provider(rules)))
    rules.url = provider.url
    environ = {"TOKEN": SlackApiRules.TOKEN}
    raw = {
        "kind": "slack_bot",
        "token": "env:TOKEN",
        "channel": "C024BE91L",
        "timeout_s": timeout_s,
        "api_url": f"{provider.url}/api/",
        "has_buttons": True,
    }
    channel = read_channel("slack", raw, environ).channel
    secrets = [SlackApiRules.TOKEN]
    return Opened("slack_bot", channel, provider, secrets=secrets, rules=rules)


def _webhook(stack: ExitStack, timeout_s: float) -> Opened:
    provider = stack.enter_context(serving(Provider(take_all)))
    environ = {
        "URL": f"{provider.url}/hook/SECRETPATH",
        "SECRET": "whsec_c2VjcmV0IG9mIHRoZSBob29r",
        "TOKEN": "bearer-token",
    }
    raw = {
        "kind": "webhook",
        "url": "env:URL",
        "secret": "env:SECRET",
        "token": "env:TOKEN",
        "timeout_s": timeout_s,
    }
    channel = read_channel("hook", raw, environ).channel
    return Opened("webhook", channel, provider, secrets=["SECRETPATH", *environ.values()])


def _apprise(stack: ExitStack, timeout_s: float) -> Opened:
    provider = stack.enter_context(serving(Provider(take_all)))
    address = provider.url.replace("http://", "json://user:APPRISESECRET@")
    raw = {"kind": "apprise", "url": "env:URL", "timeout_s": timeout_s}
    url = f"{address}/?rto={timeout_s}&cto={timeout_s}"
    channel = read_channel("other", raw, {"URL": url}).channel
    return Opened("apprise", channel, provider, secrets=["APPRISESECRET"])


_OPENERS: dict[str, Callable[[ExitStack, float], Opened]] = {
    "apprise": _apprise,
    "pagerduty": _pagerduty,
    "slack_bot": _slack_bot,
    "slack_webhook": _slack_webhook,
    "webhook": _webhook,
}
