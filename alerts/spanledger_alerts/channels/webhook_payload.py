"""What a webhook is sent: Spanledger's own format, and that of Alertmanager.

The models are the published schema (docs/alerts-webhook.md): fields are added, never changed or
taken away, within one ``version``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from spanledger_alerts.notification import Incident, Notification, Severity, Transition
from spanledger_alerts.text import iso

_LONGEST_NAME, _LONGEST_LABEL, _LONGEST_TEXT = 200, 2_000, 10_000
_NEVER = "0001-01-01T00:00:00Z"  # how Alertmanager says that an alert has not ended


def _whole(value: object) -> object:
    """Return text of a bounded length, without halves of characters, which JSON cannot carry."""
    if isinstance(value, str):
        return value[:_LONGEST_TEXT].encode("utf-8", "replace").decode()
    return value


Text = Annotated[str, BeforeValidator(_whole)]


class WebhookLink(BaseModel):
    """A place to look."""

    text: Text
    url: Text


class WebhookIncident(BaseModel):
    """One instance of a rule that fires, or fired."""

    key: str = Field(description="The same from trigger to resolve, another for the next incident")
    status: Literal["firing", "resolved"]
    rule: Text
    severity: Severity
    labels: dict[Text, Text] = Field(description="Which instance; telemetry, so do not trust it")
    title: Text
    lines: list[Text] = Field(description="What happened, compared with what, the likely cause")
    value: str = Field(description="With its unit, such as $12.40; empty: there is none")
    threshold: str
    cost: str = Field(description="What it cost, such as $12.40; empty: not known")
    owner: Text
    acknowledged_by: Text
    started_at: str = Field(description="RFC 3339, UTC")
    ended_at: str | None = Field(description="RFC 3339, UTC; null while it fires")
    links: list[WebhookLink]


class WebhookMessage(BaseModel):
    """A notification: incidents of one group that changed together."""

    model_config = ConfigDict(title="Spanledger alert")

    version: Literal["1"] = "1"
    id: str = Field(description="The same at every attempt: whoever got it once ignores it later")
    transition: Transition
    group: Text = Field(description="What the incidents have in common")
    group_key: str = Field(description="The same for all messages about the group's current run")
    is_repeat: bool = Field(description="Nothing changed, but it still fires")
    labels: dict[Text, Text] = Field(description="Labels that all incidents share")
    incidents: list[WebhookIncident] = Field(description="Most severe first")
    left_out: int = Field(ge=0, description="Further incidents that fire and are not listed")
    ended_left_out: int = Field(ge=0, description="Further incidents that ended, not listed")


def own(notification: Notification) -> WebhookMessage:
    """Return a notification in the product's own format."""
    return WebhookMessage(
        id=notification.id,
        transition=notification.transition,
        group=notification.group,
        group_key=notification.group_key,
        is_repeat=notification.is_repeat,
        labels=_labels(notification.labels),
        incidents=[_incident(one) for one in notification.incidents],
        left_out=notification.left_out,
        ended_left_out=notification.ended_left_out,
    )


def alertmanager(notification: Notification, receiver: str) -> dict[str, object]:
    """Return a notification as version 4 of Alertmanager's webhook.

    https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """
    alerts = [_alert(one) for one in notification.incidents]
    is_firing = any(one["status"] == "firing" for one in alerts)
    rules = {one.rule for one in notification.incidents}
    shared = {"alertname": next(iter(rules))} if len(rules) == 1 else {}
    shared |= _labels(notification.labels)
    first = notification.incidents[0].links if notification.incidents else ()
    return {
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": notification.left_out + notification.ended_left_out,
        "status": "firing" if is_firing and notification.transition != "resolve" else "resolved",
        "receiver": receiver,
        "groupLabels": shared,
        "commonLabels": shared,
        "commonAnnotations": {},
        "externalURL": "/".join(first[0].url.split("/")[:3]) if first else "",
        "alerts": alerts,
    }


def _incident(incident: Incident) -> WebhookIncident:
    return WebhookIncident(
        key=incident.key,
        status="firing" if incident.ended_ns is None else "resolved",
        rule=incident.rule,
        severity=incident.severity,
        labels=_labels(incident.labels),
        title=incident.title,
        lines=list(incident.lines),
        value=incident.value,
        threshold=incident.threshold,
        cost=incident.usd,
        owner=incident.owner,
        acknowledged_by=incident.acknowledged_by,
        started_at=iso(incident.started_ns),
        ended_at=None if incident.ended_ns is None else iso(incident.ended_ns),
        links=[WebhookLink(text=one.text, url=one.url) for one in incident.links],
    )


def _alert(incident: Incident) -> dict[str, object]:
    links = {one.text.lower().replace(" ", "_"): one.url for one in incident.links}
    return {
        "status": "firing" if incident.ended_ns is None else "resolved",
        "labels": {
            **_labels(incident.labels),
            "alertname": incident.rule,
            "severity": incident.severity,
            "project": incident.key.partition("/")[0],
        },
        "annotations": {
            "summary": incident.title,
            "description": "\n".join(incident.lines),
            "value": incident.value,
            "cost": incident.usd,
            **({"runbook_url": links["runbook"]} if "runbook" in links else {}),
        },
        "startsAt": iso(incident.started_ns),
        "endsAt": _NEVER if incident.ended_ns is None else iso(incident.ended_ns),
        "generatorURL": incident.links[0].url if incident.links else "",
        "fingerprint": hashlib.sha256(incident.key.encode()).hexdigest()[:16],
    }


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels as they are, but no longer than any name is."""
    return {name[:_LONGEST_NAME]: value[:_LONGEST_LABEL] for name, value in labels.items()}
