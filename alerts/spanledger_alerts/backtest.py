"""A rule over history: the engine's own function of time, at times that are over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from spanledger_alerts.errors import AlertsError
from spanledger_alerts.looking import look
from spanledger_alerts.measures import MEASURES, Sources
from spanledger_alerts.notification import Severity
from spanledger_alerts.rules import RANKS, Rule
from spanledger_alerts.sample import Outcome
from spanledger_alerts.state_machine import Counts, Instance, evaluate
from spanledger_storage.errors import StoreError

_NS_PER_S = 10**9
_MOST_EVALUATIONS = 2_000


@dataclass(frozen=True, slots=True)
class WouldFire:
    """An incident that would have been; severity, value and dollars are the worst that it was."""

    labels: Mapping[str, str]
    severity: Severity
    value: Decimal | None
    usd: Decimal | None
    fired_at_ns: int
    ended_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a rule would have done.

    Attributes:
        incidents: in order.
        evaluations: how often it was evaluated.
        step_s: seconds between two: more than the rule says where the period is long.
    """

    incidents: list[WouldFire]
    evaluations: int
    step_s: int


def backtest(rule: Rule, sources: Sources, project: str, from_ns: int, to_ns: int) -> Backtest:
    """Return when a rule would have fired.

    Args:
        rule: evaluated on its grid; at most 2,000 times, so over a long period more seldom.
        sources: where it reads: what is known today of that time, late data among it.
        project: whose.
        from_ns: UTC nanoseconds.
        to_ns: first moment after the period.

    Raises:
        AlertsError: what it looks at has no history, or it cannot be evaluated.
        StorageError: the store does not answer.
    """
    if rule.measure and not MEASURES[rule.measure].has_history:
        raise AlertsError(f"{rule.name}: {rule.measure} is only known as it is now.")
    passed_s = max(0, to_ns - from_ns) // _NS_PER_S
    step_s = rule.every * max(1, -(-passed_s // (rule.every * _MOST_EVALUATIONS)))
    step_ns = step_s * _NS_PER_S
    before: dict[str, Instance] = {}
    counts = Counts()
    found: dict[tuple[str, int], WouldFire] = {}
    slots = range(-(-from_ns // step_ns) * step_ns, to_ns, step_ns)
    for slot_ns in slots:
        outcome = _looked(rule, sources, project, slot_ns)
        evaluated = evaluate(rule, outcome, before, counts, slot_ns)
        before |= evaluated.instances
        counts = evaluated.counts
        for one in evaluated.transitions:
            key = (one.instance.instance_id, one.instance.generation)
            found[key] = _noted(found.get(key), one.instance, slot_ns)
    for left in before.values():
        if left.is_firing:
            key = (left.instance_id, left.generation)
            found[key] = _noted(found.get(key), left, to_ns)
    return Backtest(list(found.values()), len(slots), step_s)


def _looked(rule: Rule, sources: Sources, project: str, slot_ns: int) -> Outcome:
    try:
        return look(rule, sources, project, slot_ns)
    except StoreError as error:
        if not error.code:
            raise
        raise AlertsError(f"{rule.name}: {error}") from error
    except ValueError as error:
        raise AlertsError(f"{rule.name}: {error}") from error


def _noted(known: WouldFire | None, instance: Instance, slot_ns: int) -> WouldFire:
    value, usd = instance.worst_value, instance.worst_usd
    if known is None:
        return WouldFire(instance.labels, instance.severity, value, usd, slot_ns)
    worst = max(known.severity, instance.severity, key=RANKS.__getitem__)
    return replace(known, severity=worst, value=value, usd=usd, ended_at_ns=instance.resolved_at_ns)
