"""What an evaluation leaves behind: how the rule fared, and what happened to its incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spanledger_alerts.facts import incident_key
from spanledger_alerts.looking import Looked
from spanledger_alerts.rules import Rule
from spanledger_alerts.sample import Failure
from spanledger_alerts.state_machine import Evaluated, Instance, Transition
from spanledger_storage.alert_rows import RuleStateRow, TimelineRow


def fared(state: RuleStateRow, looked: Looked, found: Evaluated) -> RuleStateRow:
    """Return how a rule fares after an evaluation."""
    outcome = looked.outcome
    is_failure = isinstance(outcome, Failure)
    return replace(
        state,
        slot_ns=looked.asked.slot_ns,
        empty=found.counts.empty,
        errors=found.counts.errors,
        last_error=outcome.reason if isinstance(outcome, Failure) else "",
        samples=0 if isinstance(outcome, Failure) else len(outcome),
        left_out=found.left_out,
        duration_ns=looked.took_ns,
        evaluations=state.evaluations + 1,
        failures=state.failures + is_failure,
        spent_ns=state.spent_ns + looked.took_ns,
    )


def _usd(ended: Transition) -> str | None:
    worst = ended.instance.worst_usd
    return None if worst is None else str(worst)


def timeline(
    project: str,
    rule: Rule,
    transitions: Sequence[Transition],
    before: dict[str, Instance],
    after: dict[str, Instance],
    now_ns: int,
) -> list[TimelineRow]:
    """Return what happened to incidents, the escalations among it, at a time."""
    rows = [
        TimelineRow(
            project,
            rule.name,
            incident_key(project, one.instance),
            now_ns,
            one.change,
            note=one.instance.severity,
            usd=_usd(one) if one.change == "resolved" else None,
        )
        for one in transitions
    ]
    for key, one in after.items():
        was = before.get(key)
        if one.escalated_at_ns is not None and (was is None or was.escalated_at_ns is None):
            note = ", ".join(rule.escalation.channels) if rule.escalation else ""
            incident = incident_key(project, one)
            rows.append(TimelineRow(project, rule.name, incident, now_ns, "escalated", note=note))
    return rows
