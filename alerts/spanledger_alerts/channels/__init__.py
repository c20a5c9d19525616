"""Channels: where notifications go. A kind is a file; people name and configure them in YAML."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import cast

import yaml
from pydantic import ValidationError

from spanledger_alerts.channels.config import ChannelConfig, explained
from spanledger_alerts.errors import ChannelConfigError
from spanledger_alerts.notification import (
    Channel,
    ConfiguredChannel,
    Incident,
    Link,
    Notification,
)
from spanledger_alerts.text import moment, web_address

CHANNELS: Mapping[str, str] = {
    "apprise": "spanledger_alerts.channels.apprise",
    "email": "spanledger_alerts.channels.email",
    "pagerduty": "spanledger_alerts.channels.pagerduty",
    "slack_bot": "spanledger_alerts.channels.slack_bot",
    "slack_webhook": "spanledger_alerts.channels.slack_webhook",
    "webhook": "spanledger_alerts.channels.webhook",
}
"""Name of a kind and the module with its ``Config``."""
_LARGEST_FILE_BYTES = 1 << 20
_LONGEST_NAME = 64
_OPENING = Lock()
"""Opening imports libraries; two threads inside one library, each at another end, fail."""


def load_channels(
    file: Path, environ: Mapping[str, str] | None = None
) -> Mapping[str, ConfiguredChannel]:
    """Return the channels of a file by name; none when there is no file.

    Args:
        file: YAML with ``channels:``, under it names, under these ``kind`` and its settings.
        environ: where ``env:NAME`` looks; None: the environment of the process.

    Raises:
        ChannelConfigError: the file is not as it should be; says where and what is allowed.
    """
    entries = written_channels(file)
    return {name: read_channel(name, raw, environ) for name, raw in entries.items()}


def written_channels(file: Path) -> Mapping[str, Mapping[str, object]]:
    """Return what is written of each channel, by name, unchecked; none when there is no file.

    Raises:
        ChannelConfigError: the file cannot be read, or is none of channels.
    """
    return _entries(file) if file.exists() else {}


def read_channel(
    name: str, raw: Mapping[str, object], environ: Mapping[str, str] | None = None
) -> ConfiguredChannel:
    """Return one channel from what is written of it.

    Raises:
        ChannelConfigError: it is not as it should be.
    """
    config = read_config(name, raw, environ)
    kind = str(raw["kind"])
    try:
        with _OPENING:
            channel = config.open()
    except ImportError as error:
        said = f"Channel {name}: a library that it needs cannot be imported: {error.name}."
        raise ChannelConfigError(said) from None
    return ConfiguredChannel(name, kind, channel, config.per_s, config.burst)


def read_config(
    name: str, raw: Mapping[str, object], environ: Mapping[str, str] | None = None
) -> ChannelConfig:
    """Return the settings of one channel.

    Raises:
        ChannelConfigError: they are not as they should be.
    """
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in CHANNELS:
        raise ChannelConfigError(f"Channel {name}: kind is one of {', '.join(CHANNELS)}.")
    settings = {key: value for key, value in raw.items() if key != "kind"}
    model = cast("type[ChannelConfig]", import_module(CHANNELS[kind]).Config)
    try:
        return model.model_validate(settings, context=os.environ if environ is None else environ)
    except ValidationError as error:
        raise explained(name, error) from None


def send_test(channel: Channel, base_url: str = "", now_ns: int | None = None) -> None:
    """Send a test through a channel, and its end, so that nothing stays open at the other side.

    Args:
        channel: which.
        base_url: where people open the dashboard; empty: the test has no link.
        now_ns: UTC nanoseconds; None: by the clock.

    Raises:
        DeliveryError: it was not taken.
    """
    began_ns = time.time_ns() if now_ns is None else now_ns
    run = uuid.uuid4().hex
    started = Incident(
        key=f"test/{run}/1",
        rule="test",
        labels={"test": "yes"},
        severity="info",
        title="This is a test of the channel",
        lines=(f"Sent by somebody on {moment(began_ns)}. Nothing is wrong.",),
        started_ns=began_ns,
        links=(Link("Open Spanledger", base_url),) if web_address(base_url) else (),
    )
    ended = replace(started, ended_ns=began_ns + 1_000_000_000)
    first = Notification(f"test-{run}-1", "trigger", "test", f"test-{run}", [started])
    receipt = channel.send(first)
    last = replace(first, id=f"test-{run}-2", transition="resolve", incidents=[ended])
    channel.send(replace(last, receipt=receipt))


def _entries(file: Path) -> Mapping[str, Mapping[str, object]]:
    try:
        with file.open("rb") as opened:
            found: object = yaml.safe_load(opened.read(_LARGEST_FILE_BYTES))
    except OSError as error:
        raise ChannelConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)  # the text around it may hold a secret
        line = f" in line {mark.line + 1}" if mark else ""
        raise ChannelConfigError(f"{file} is no YAML{line}.") from None
    except (RecursionError, ValueError):
        raise ChannelConfigError(f"{file} cannot be read as YAML.") from None
    if found is None:
        return {}
    top = cast("dict[object, object]", found) if isinstance(found, dict) else {}
    channels = top.get("channels")
    if set(top) != {"channels"} or not isinstance(channels, dict):
        raise ChannelConfigError(f"{file} needs `channels:` at the top, and nothing else.")
    entries: dict[str, Mapping[str, object]] = {}
    for name, raw in cast("dict[object, object]", channels).items():
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            raise ChannelConfigError(f"{file}: a channel's name is text of up to 64 characters.")
        if not isinstance(raw, dict):
            raise ChannelConfigError(f"Channel {name}: write `kind:` and its settings below it.")
        entries[name] = {
            str(key): value for key, value in cast("dict[object, object]", raw).items()
        }
    return entries
