"""States, groups and notifications as rows of the state database, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from pydantic import TypeAdapter

from spanledger_alerts.grouping import Group, Told
from spanledger_alerts.notification import Incident, Notification, Severity
from spanledger_alerts.sample import Sample
from spanledger_alerts.state_machine import Instance, State
from spanledger_storage.alert_rows import GroupRow, InstanceRow

if TYPE_CHECKING:
    from spanledger_alerts.rules import Rule


@dataclass(frozen=True, slots=True)
class Payload:
    """What the outbox keeps of a notification.

    Attributes:
        notification: in words; without id and receipt, which the sender knows.
        firing: keys of all that fire, those that are left out among them.
        kept: what the channel was shown before and still fires, though this does not list it:
            more severe ones took its place. Known when it is sent.
    """

    notification: Notification
    firing: tuple[str, ...]
    kept: tuple[Incident, ...] = ()


_SAMPLE = TypeAdapter(Sample)
_PAYLOAD = TypeAdapter(Payload)


def payload_text(payload: Payload) -> str:
    """Return a payload as JSON."""
    return _PAYLOAD.dump_json(payload).decode()


def payload_of(text: str) -> Payload:
    """Return what ``payload_text`` wrote."""
    return _PAYLOAD.validate_json(text)


def instance_row(project: str, rule: Rule, instance: Instance) -> InstanceRow:
    """Return an instance as it is stored."""
    return InstanceRow(
        project=project,
        instance_id=instance.instance_id,
        rule=rule.name,
        labels=json.dumps(dict(instance.labels)),
        state=instance.state,
        severity=instance.severity,
        generation=instance.generation,
        active_at_ns=instance.active_at_ns,
        fired_at_ns=instance.fired_at_ns,
        resolved_at_ns=instance.resolved_at_ns,
        recovering_since_ns=instance.recovering_since_ns,
        lower_since_ns=instance.lower_since_ns,
        missing_since_ns=instance.missing_since_ns,
        escalated_at_ns=instance.escalated_at_ns,
        sample=_SAMPLE.dump_json(instance.sample).decode(),
        worst_value=_text(instance.worst_value),
        worst_usd=_text(instance.worst_usd),
    )


def instance_of(row: InstanceRow) -> Instance:
    """Return a stored instance."""
    return Instance(
        instance_id=row.instance_id,
        labels=cast("Mapping[str, str]", json.loads(row.labels)),
        state=cast("State", row.state),
        severity=cast("Severity", row.severity),
        generation=row.generation,
        active_at_ns=row.active_at_ns,
        sample=_SAMPLE.validate_json(row.sample),
        worst_value=_decimal(row.worst_value),
        worst_usd=_decimal(row.worst_usd),
        fired_at_ns=row.fired_at_ns,
        resolved_at_ns=row.resolved_at_ns,
        recovering_since_ns=row.recovering_since_ns,
        lower_since_ns=row.lower_since_ns,
        missing_since_ns=row.missing_since_ns,
        escalated_at_ns=row.escalated_at_ns,
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def group_of(row: GroupRow) -> Group:
    """Return a stored group."""
    told = {
        key: Told(cast("Severity", severity), bool(is_acknowledged))
        for key, (severity, is_acknowledged) in json.loads(row.told).items()
    }
    return Group(row.run, row.opened_at_ns, row.sent_at_ns, told, row.due_at_ns)


def told_text(group: Group) -> str:
    """Return what a channel was told, as it is stored."""
    return json.dumps({k: [one.severity, one.is_acknowledged] for k, one in group.told.items()})
