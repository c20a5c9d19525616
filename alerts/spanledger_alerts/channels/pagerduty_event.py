"""What PagerDuty is sent: events for incidents, within its limits.

https://developer.pagerduty.com/docs/events-api-v2/trigger-events
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from spanledger_alerts.channels.chart import address
from spanledger_alerts.content import VIEW
from spanledger_alerts.notification import Incident, Notification
from spanledger_alerts.rules import RANKS
from spanledger_alerts.text import iso, one_line

_LONGEST_SUMMARY = 1_024
_LONGEST_KEY = 255
_LARGEST_EVENT_BYTES = 512_000
_LONGEST_DETAIL = 4_000
_COMPONENTS = ("agent", "tool", "model", "service", "worker", "gpu", "budget", "user", "session")

Action = Literal["trigger", "acknowledge", "resolve"]


@dataclass(frozen=True, slots=True)
class Event:
    """What is sent at once; ``properties`` are what a trigger has beside action and key."""

    action: Action
    key: str
    properties: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def mark(self) -> str:
        """What it is called among those of its notification; a key may have two of them."""
        return f"acknowledge:{self.key}" if self.action == "acknowledge" else self.key


def events(
    notification: Notification, *, has_digest: bool = False, chart_url: str = ""
) -> Iterator[Event]:
    """Return the events of a notification: what PagerDuty has already as it is has none.

    What somebody looks after is acknowledged once it is open there: PagerDuty drops an
    acknowledgement of what is not.
    https://developer.pagerduty.com/docs/send-alert-event#event-action

    Args:
        notification: what happened.
        has_digest: the event for what is not listed is open at PagerDuty.
        chart_url: an address that draws ``{chart}``; empty: events have no pictures.
    """
    known, acknowledged = set(notification.known), set(notification.acknowledged)
    for incident in notification.incidents:
        act = action(notification, incident)
        key = dedup_key(incident.key)
        if act != "trigger":
            yield Event(act, key)
            continue
        if incident.key not in known:
            yield Event(act, key, _trigger(notification, incident, chart_url))
        if incident.key in acknowledged:
            yield Event("acknowledge", key)
    wanted = has_digest_after(notification, has_digest)
    key = dedup_key(f"{notification.group_key}/more")
    if wanted and not has_digest:
        yield Event("trigger", key, _digest(notification))
    elif has_digest and not wanted:
        yield Event("resolve", key)


def dedup_key(key: str) -> str:
    """Return the key that holds an incident's events together; hashed where it is too long."""
    whole = f"spanledger/{key}"
    if len(whole) <= _LONGEST_KEY:
        return whole
    return f"spanledger/sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def has_digest_after(notification: Notification, has_digest: bool) -> bool:
    """Return whether an event for what is not listed has to be open afterwards."""
    if notification.transition == "acknowledge":
        return has_digest
    return notification.transition != "resolve" and notification.left_out > 0


def action(notification: Notification, incident: Incident) -> Action:
    """Return what is to happen to one incident."""
    if incident.ended_ns is not None or notification.transition == "resolve":
        return "resolve"
    return "acknowledge" if notification.transition == "acknowledge" else "trigger"


def _digest(notification: Notification) -> dict[str, object]:
    """Return a trigger for all that fires and is not listed; none is worse than the last listed."""
    listed = [one for one in notification.incidents if one.ended_ns is None]
    last = min(listed, key=lambda one: RANKS[one.severity])
    count, group = notification.left_out, notification.group
    further = replace(
        last,
        labels=notification.labels,
        title=f"{count} more of {group}",
        lines=[f"{count} further incidents fire; one event is sent for all of them."],
        value="",
        threshold="",
        usd="",
        links=[one for one in last.links if one.text == VIEW],
    )
    return _trigger(notification, further)


def _trigger(
    notification: Notification, incident: Incident, chart_url: str = ""
) -> dict[str, object]:
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
    if chart_url and len(incident.series) > 1:
        event["images"] = [{"src": address(chart_url, incident), "alt": "Value over time"}]
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
