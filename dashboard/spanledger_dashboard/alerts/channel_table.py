"""Channels as the page shows them: where each leads, and how deliveries fare. Never a secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_alerts.channels import read_channel, written_channels
from spanledger_alerts.errors import AlertsError
from spanledger_alerts.notification import ConfiguredChannel
from spanledger_alerts.text import web_address
from spanledger_dashboard import scope, tables
from spanledger_dashboard.alerts.lasting import lasting
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.scope import Scope
from spanledger_storage.alert_reading import AttemptRow

_NS_PER_S = 10**9
_TIME = pa.timestamp("ns", "UTC")
# What says where a channel leads; of these, addresses are cut to their host, references stay.
_SHOWN = {
    "apprise": ("url",),
    "email": ("to", "host"),
    "pagerduty": ("region", "routing_key"),
    "slack_bot": ("channel",),
    "slack_webhook": ("url",),
    "webhook": ("url", "format"),
}
_SECRET = frozenset({"url", "routing_key"})
OUTCOMES = {
    "sent": "✓ Taken",
    "failed": "△ Not taken, tried again",
    "dead": "✕ Refused",
    "expired": "✕ Given up",
}
_BACKLOG_S = 60


@dataclass(frozen=True, slots=True)
class Place:
    """A channel that is written down.

    Attributes:
        leads_to: where, without secrets.
        channel: ready to send; None: ``mistake`` says why it is not.
    """

    name: str
    kind: str
    leads_to: str
    channel: ConfiguredChannel | None
    mistake: str = ""


@dataclass(frozen=True, slots=True)
class Faring:
    """How deliveries of a channel fare: ``figures`` as ``AlertOutbox.health``, the last attempt."""

    name: str
    place: Place | None
    figures: Mapping[str, int]
    last: tuple[int, str, str] | None

    @property
    def state(self) -> str:
        """Whether it works, in words."""
        if self.place is None:
            return "✕ Not configured"
        if self.place.mistake:
            return "✕ Misconfigured"
        if self.last is not None and self.last[1] == "dead":
            return "✕ Refuses"
        if self.last is not None and self.last[1] == "failed":
            return "△ Tried again"
        if self.figures.get("waiting", 0) and self.figures.get("oldest_s", 0) > _BACKLOG_S:
            return "△ Overloaded"
        return "✓ Works" if self.last is not None else "○ Nothing sent yet"


def load_places(file: Path) -> list[Place]:
    """Return the channels of a file, each checked by itself.

    Raises:
        AlertsError: the file cannot be read.
    """
    return [_place(name, raw) for name, raw in written_channels(file).items()]


def _place(name: str, raw: Mapping[str, object]) -> Place:
    kind = str(raw.get("kind") or "")
    try:
        channel = read_channel(name, raw)
    except AlertsError as error:
        return Place(name, kind if kind in _SHOWN else "unknown", leads_to(raw), None, str(error))
    return Place(name, kind, leads_to(raw), channel)


def leads_to(raw: Mapping[str, object]) -> str:
    """Return where a channel leads: hosts, names, references; what may be a secret stays hidden."""
    parts: list[str] = []
    for name in _SHOWN.get(str(raw.get("kind") or ""), ()):
        value = raw.get(name)
        if isinstance(value, list):
            parts.append(", ".join(str(one) for one in value))
        elif isinstance(value, str) and name in _SECRET:
            parts.append(_reference(value))
        elif isinstance(value, str | int):
            parts.append(str(value))
    return " · ".join(part for part in parts if part)


def _reference(value: str) -> str:
    if value.startswith(("env:", "file:")):
        return value
    if not web_address(value):
        return "hidden"
    return urlsplit(value).netloc.rpartition("@")[2] or "hidden"


def show_channels(found: Sequence[Faring], where: Scope) -> None:
    """Show the channels with how they fare."""
    frame = pd.DataFrame(
        {
            "Channel": [one.name for one in found],
            "State": [one.state for one in found],
            "Kind": [one.place.kind if one.place else None for one in found],
            "Leads to": [one.place.leads_to if one.place else None for one in found],
            "Last": [_local(one.last[0] if one.last else None, where) for one in found],
            "Outcome": [OUTCOMES.get(one.last[1], one.last[1]) if one.last else None
                        for one in found],
            "Reason": [(one.last[2] or None) if one.last else None for one in found],
            "Waits": [one.figures.get("waiting", 0) for one in found],
            "Oldest": pd.array([_oldest_ns(one) for one in found], dtype="Int64"),
            "Taken": [one.figures.get("sent", 0) for one in found],
            "Refused": [one.figures.get("dead", 0) for one in found],
            "Speed": [_speed(one.place) for one in found],
        }
    )  # fmt: skip
    config: dict[str, ColumnConfig] = {
        "Channel": st.column_config.TextColumn(width=120),
        "State": st.column_config.TextColumn(width=100),
        "Leads to": st.column_config.TextColumn(
            width=150, help="Hosts, names and where secrets are kept; never a secret."
        ),
        "Last": scope.moments("MMM D, HH:mm:ss", width=120),
        "Reason": st.column_config.TextColumn(width=190),
        "Waits": st.column_config.Column(help="Notifications in the queue."),
        "Taken": st.column_config.Column(help="In the last 24 hours."),
        "Refused": st.column_config.Column(help="For good, in the last 24 hours."),
        "Oldest": st.column_config.Column(help="How long the oldest of them waits."),
        "Speed": st.column_config.TextColumn(
            help="Notifications a second, and at once. What waits longer is told in one message."
        ),
    }
    formats = dict.fromkeys(("Waits", "Taken", "Refused"), tables.count)
    table(
        frame, {**formats, "Oldest": lasting}, config, key="channels",
        alt="Channels with their last delivery",
    )  # fmt: skip


def show_failures(found: Sequence[AttemptRow], where: Scope) -> None:
    """Show attempts that failed."""
    frame = pd.DataFrame(
        {
            "Time": [_local(one.at_ns, where) for one in found],
            "Channel": [one.channel for one in found],
            "Outcome": [OUTCOMES.get(one.outcome, one.outcome) for one in found],
            "Reason": [one.reason or None for one in found],
        }
    )
    config: dict[str, ColumnConfig] = {
        "Time": scope.moments("MMM D, HH:mm:ss"),
        "Reason": st.column_config.TextColumn(width=560),
    }
    table(frame, {}, config, key="failures", alt="Failed attempts, the latest first")


def channels_file(found: Sequence[Faring]) -> pa.Table:
    """Return the channels as a table; times in UTC."""
    text, number = pa.string(), pa.int64()
    columns: dict[str, tuple[list[object], pa.DataType]] = {
        "channel": ([one.name for one in found], text),
        "state": ([one.state for one in found], text),
        "kind": ([one.place.kind if one.place else "" for one in found], text),
        "leads_to": ([one.place.leads_to if one.place else "" for one in found], text),
        "last": ([one.last[0] if one.last else None for one in found], _TIME),
        "outcome": ([one.last[1] if one.last else "" for one in found], text),
        "reason": ([one.last[2] if one.last else "" for one in found], text),
        **{name: ([one.figures.get(name, 0) for one in found], number)
           for name in ("waiting", "oldest_s", "sent", "dead")},
    }  # fmt: skip
    arrays = [pa.array(values, kind) for values, kind in columns.values()]
    return pa.table(arrays, names=list(columns))


def failures_file(found: Sequence[AttemptRow]) -> pa.Table:
    """Return failed attempts as a table; times in UTC."""
    return pa.table(
        {
            "at": pa.array([one.at_ns for one in found], _TIME),
            "channel": pa.array([one.channel for one in found], pa.string()),
            "outcome": pa.array([one.outcome for one in found], pa.string()),
            "reason": pa.array([one.reason for one in found], pa.string()),
        }
    )


def _local(at_ns: int | None, where: Scope) -> object:
    return None if at_ns is None else where.local(at_ns / _NS_PER_S)


def _oldest_ns(one: Faring) -> int | None:
    return one.figures.get("oldest_s", 0) * _NS_PER_S if one.figures.get("waiting") else None


def _speed(place: Place | None) -> str | None:
    if place is None or place.channel is None:
        return None
    return f"{place.channel.per_s:g}/s, {place.channel.burst:,} at once"
