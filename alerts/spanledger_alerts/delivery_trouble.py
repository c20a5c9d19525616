"""An alert that a channel does not work, told on another one."""

from __future__ import annotations

from collections.abc import Sequence

from spanledger_alerts.grouping import group_id
from spanledger_alerts.notification import Incident, Notification, Transition
from spanledger_alerts.stored import Payload, payload_of, payload_text
from spanledger_storage.alert_outbox import AlertOutbox, OutboxRow
from spanledger_storage.alert_rows import NewOutbox
from spanledger_storage.project_settings import DEFAULT_PROJECT

RULE = "alert-delivery"
_REASON_LIMIT = 300


def trouble(
    outbox: AlertOutbox,
    channel: str,
    row: OutboxRow,
    reason: str,
    channels: Sequence[str],
    now_ns: int,
) -> list[NewOutbox]:
    """Return what to tell on another channel when one refused a notification for good.

    Nothing while it is told already, where there is no other channel, and when what was refused was
    such an alert itself.
    """
    others = [name for name in channels if name != channel]
    if row.rule == RULE or not others or _open(outbox, channel) is not None:
        return []
    identity = _group(channel)
    incident = Incident(
        key=f"{DEFAULT_PROJECT}/{identity}/{now_ns // 10**9}",
        rule=RULE,
        labels={"channel": channel},
        severity="critical",
        title=f"Channel {channel} refuses alerts",
        lines=[
            f"It refused a notification of rule {row.rule}: {reason[:_REASON_LIMIT]}",
            "Trying again does not help: the channel's settings have to be put right.",
        ],
        started_ns=now_ns,
    )
    key = f"{DEFAULT_PROJECT}/{identity}/{now_ns // 10**9}"
    return [_new(others[0], "trigger", key, incident, now_ns)]


def ended_trouble(outbox: AlertOutbox, channel: str, now_ns: int) -> list[NewOutbox]:
    """Return what ends such an alert, when its channel takes notifications again."""
    row = _open(outbox, channel)
    if row is None:
        return []
    [told] = payload_of(row.payload).notification.incidents
    ended = Incident(
        key=told.key,
        rule=RULE,
        labels=told.labels,
        severity=told.severity,
        title=f"Channel {channel} works again",
        lines=["A notification was taken."],
        started_ns=told.started_ns,
        ended_ns=now_ns,
    )
    return [_new(row.channel, "resolve", row.group_key, ended, now_ns)]


def _open(outbox: AlertOutbox, channel: str) -> OutboxRow | None:
    row = outbox.newest_of_group(_group(channel))
    is_open = row is not None and row.transition == "trigger"
    return row if is_open and row is not None and row.status in _LIVE else None


_LIVE = ("waiting", "sending", "sent")


def _group(channel: str) -> str:
    return group_id(DEFAULT_PROJECT, RULE, {"channel": channel})


def _new(
    channel: str, transition: Transition, key: str, incident: Incident, now_ns: int
) -> NewOutbox:
    told = Notification(
        id="",
        transition=transition,
        group=f"{DEFAULT_PROJECT} / {RULE}",
        group_key=key,
        incidents=[incident],
        labels=incident.labels,
    )
    firing = () if transition == "resolve" else (incident.key,)
    return NewOutbox(
        project=DEFAULT_PROJECT,
        rule=RULE,
        channel=channel,
        group_id=key.split("/")[1],
        group_key=key,
        transition=transition,
        payload=payload_text(Payload(told, firing)),
        created_at_ns=now_ns,
    )
