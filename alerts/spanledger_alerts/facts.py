"""What there is to say of an instance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from spanledger_alerts.notification import Cause, Facts
from spanledger_alerts.rules import Rule
from spanledger_alerts.state_machine import Instance

_MINUTE_NS = 60 * 10**9
_BEFORE_NS = 3_600 * 10**9
_PLACEHOLDER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_.]*)\}")


def incident_key(project: str, instance: Instance) -> str:
    """Return what an incident is called, from trigger to resolve."""
    return f"{project}/{instance.instance_id}/{instance.generation}"


def facts_of(
    project: str,
    rule: Rule,
    instance: Instance,
    acknowledged_by: str,
    key: str,
    now_ns: int,
    series: Sequence[tuple[int, float]] = (),
) -> Facts:
    """Return the facts of an incident.

    Args:
        project: whose.
        rule: of the instance.
        instance: as it is now.
        acknowledged_by: who looks after it; empty: nobody.
        key: of the incident: of an earlier generation it has ended.
        now_ns: UTC nanoseconds.
        series: (UNIX seconds, value) of a chart.
    """
    sample = instance.sample
    is_over = not instance.is_firing or key != incident_key(project, instance)
    ended_ns = (instance.resolved_at_ns or now_ns) if is_over else None
    started_ns = sample.starts_ns or instance.active_at_ns
    # Of a finding the value is its dollars, which are told as such.
    has_value = not (rule.finding and rule.lowest is None)
    return Facts(
        key=key,
        project=project,
        rule=rule.name,
        title=rule.title,
        description=rule.description,
        labels=instance.labels,
        severity=instance.severity,
        cause=_cause(rule, instance),
        unit=rule.unit,
        value=sample.value if has_value else None,
        worst=instance.worst_value if has_value and is_over else None,
        op=rule.op,
        threshold=rule.threshold(instance.severity),
        baseline=sample.baseline,
        usd=(instance.worst_usd or sample.usd) if is_over else sample.usd,
        headline=sample.headline,
        explanation=" ".join(filter(None, (sample.explanation, sample.cause))),
        trace_ids=sample.trace_ids,
        view=_view(project, rule, instance, started_ns, ended_ns or now_ns),
        runbook=rule.runbook,
        owner=rule.owner,
        started_ns=started_ns,
        ended_ns=ended_ns,
        acknowledged_by=acknowledged_by,
        series=series,
    )


def _cause(rule: Rule, instance: Instance) -> Cause:
    said = instance.labels.get("evaluation", "") if len(instance.labels) == 1 else ""
    if said == "error":
        return "error"
    if said == "no data":
        return "no_data"
    return "finding" if rule.finding else "value"


def _view(project: str, rule: Rule, instance: Instance, from_ns: int, to_ns: int) -> str:
    """Return the rule's view with labels, ``{project}``, ``{from}`` and ``{to}`` filled in."""
    values = {
        **instance.labels,
        "project": project,
        "from": str((from_ns - _BEFORE_NS) // _MINUTE_NS * 60),
        "to": str(-(-to_ns // _MINUTE_NS) * 60),
    }

    def filled(found: re.Match[str]) -> str:
        return quote(values.get(found[1], "").encode("utf-8", "replace"), safe="")

    return _PLACEHOLDER.sub(filled, rule.view)
