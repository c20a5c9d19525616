"""Who else is told when nobody acknowledged in time."""

from __future__ import annotations

from dataclasses import replace

from spanledger_alerts.rules import Rule
from spanledger_alerts.state_machine import Instance

_NS_PER_S = 10**9


def escalated(rule: Rule, instance: Instance, is_acknowledged: bool, t_ns: int) -> Instance:
    """Return an instance as it is after looking whether it has to go to further channels.

    Once it has, it stays so until it ends, also when somebody acknowledges it.
    """
    if rule.escalation is None or not instance.is_firing or instance.escalated_at_ns is not None:
        return instance
    fired_ns = t_ns if instance.fired_at_ns is None else instance.fired_at_ns
    if is_acknowledged or t_ns - fired_ns < rule.escalation.after * _NS_PER_S:
        return instance
    return replace(instance, escalated_at_ns=t_ns)
