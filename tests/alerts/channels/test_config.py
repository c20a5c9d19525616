"""What people write of channels: by name and kind, with secrets that are nowhere shown."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from spanledger_alerts.channels import CHANNELS, load_channels, read_channel, read_config
from spanledger_alerts.channels.config import ChannelConfig
from spanledger_alerts.channels.webhook import Config as WebhookConfig
from spanledger_alerts.errors import ChannelConfigError
from spanledger_alerts.notification import DeliveryError
from tests.alerts.channels.incidents import notification

SECRET = "https://hooks.slack.com/services/T0/B0/VERYSECRET"


def refusal(raw: dict[str, object], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ChannelConfigError) as caught:
        read_channel("oncall", raw, environ or {})
    return str(caught.value)


def test_a_file_names_channels(tmp_path: Path) -> None:
    file = tmp_path / "channels.yaml"
    file.write_text(
        "channels:\n"
        "  oncall: {kind: pagerduty, routing_key: env:KEY, per_s: 2, burst: 20}\n"
        "  team: {kind: slack_webhook, url: env:URL}\n"
    )
    found = load_channels(file, {"KEY": "k" * 32, "URL": SECRET})
    assert [(one.name, one.kind, one.per_s) for one in found.values()] == [
        ("oncall", "pagerduty", 2),
        ("team", "slack_webhook", 1),
    ]
    assert "VERYSECRET" not in repr(found)
    assert load_channels(tmp_path / "none.yaml") == {}


@pytest.mark.parametrize("kind", sorted(CHANNELS))
def test_every_kind_says_what_it_needs(kind: str) -> None:
    said = refusal({"kind": kind, "colour": "red"})
    assert said.startswith("Channel oncall: ")
    assert "Field required" in said
    assert "colour: Extra inputs are not permitted" in said


def test_a_kind_that_does_not_exist_names_those_that_do() -> None:
    for name in CHANNELS:
        assert name in refusal({"kind": "pigeon"})


def test_a_secret_as_text_is_refused_and_not_repeated() -> None:
    for raw in (
        {"kind": "pagerduty", "routing_key": "VERYSECRET"},
        {"kind": "webhook", "url": "https://example.com", "secret": "VERYSECRET"},
        {"kind": "webhook", "url": "VERYSECRET"},
        {"kind": "slack_bot", "token": "VERYSECRET", "channel": "VERYSECRET"},
        {"kind": "apprise", "url": "ntfy://VERYSECRET"},
    ):
        said = refusal(raw)  # type: ignore[arg-type]
        assert "VERYSECRET" not in said
    assert "write env:NAME or file:PATH" in refusal({"kind": "pagerduty", "routing_key": "x"})


def test_a_secret_that_is_not_there_is_named() -> None:
    assert "env:NOT_SET holds no secret" in refusal({"kind": "slack_webhook", "url": "env:NOT_SET"})
    assert "file:/nowhere holds no secret" in refusal(
        {"kind": "pagerduty", "routing_key": "file:/nowhere"}
    )
    two = {"K": "one\ntwo"}
    assert "one line" in refusal({"kind": "pagerduty", "routing_key": "env:K"}, two)


def test_a_file_can_be_replaced_while_it_is_used(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("first\n")
    raw = {"kind": "webhook", "url": "https://example.com/x", "secret": f"file:{file}"}
    config = read_config("hook", raw, {})
    assert isinstance(config, WebhookConfig)
    assert config.secret
    assert config.secret.read() == "first"
    file.write_text("second\n")
    assert config.secret.read() == "second"
    file.unlink()
    with pytest.raises(DeliveryError) as caught:
        config.open().send(notification())
    assert not caught.value.permanent
    assert "first" not in repr(config)


@pytest.mark.parametrize(
    ("raw", "library"),
    [
        ({"kind": "pagerduty", "routing_key": "env:SECRET"}, "pagerduty"),
        ({"kind": "slack_bot", "token": "env:SECRET", "channel": "C024BE91L"}, "slack_sdk"),
        ({"kind": "slack_webhook", "url": "https://hooks.example.com/"}, "slack_sdk.webhook"),
        ({"kind": "apprise", "url": "env:SECRET"}, "apprise"),
    ],
)
def test_reading_a_channel_imports_what_sending_needs(raw: dict[str, str], library: str) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed")
    code = (
        "import sys; from spanledger_alerts.channels import read_channel; "
        f"before = {library!r} in sys.modules; read_channel('a', {raw!r}, {{'SECRET': 'x'}}); "
        f"print(before, {library!r} in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_channels_are_opened_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Barrier(2)
    alone: list[bool] = []

    def opened(config: WebhookConfig) -> object:
        try:
            meeting.wait(timeout=0.1)
        except BrokenBarrierError:
            alone.append(True)
            meeting.reset()
        return config

    monkeypatch.setattr(WebhookConfig, "open", opened)
    raw = {"kind": "webhook", "url": "https://example.com/"}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: read_channel(name, raw), ["a", "b"]))
    assert alone == [True, True]


def test_a_library_that_cannot_be_imported_is_a_mistake_of_its_channel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "slack_sdk", None)
    said = refusal({"kind": "slack_bot", "token": "env:T", "channel": "C024BE91L"}, {"T": "x"})
    assert said == "Channel oncall: a library that it needs cannot be imported: slack_sdk."


@pytest.mark.parametrize(
    "text",
    [
        "channels: [VERYSECRET]",
        "oncall: {kind: webhook, url: VERYSECRET}",
        "channels: {oncall: VERYSECRET}",
        "channels: {a: {kind: webhook, secret: VERYSECRET",
        "!!python/object/apply:os.system [VERYSECRET]",
        "channels: {1: {kind: VERYSECRET}}",
    ],
)
def test_a_file_that_is_wrong_is_explained_without_its_text(tmp_path: Path, text: str) -> None:
    file = tmp_path / "channels.yaml"
    file.write_text(text)
    with pytest.raises(ChannelConfigError) as caught:
        load_channels(file, {})
    assert "VERYSECRET" not in str(caught.value)


def test_every_kind_is_described_in_the_docs() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "alert-channels.md").read_text()
    for name in CHANNELS:
        assert f"`{name}`" in docs
        module = __import__(CHANNELS[name], fromlist=["Config"])
        model: type[ChannelConfig] = module.Config
        for setting in model.model_fields:
            assert f"`{setting}`" in docs, (name, setting)
