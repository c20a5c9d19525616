"""What one evaluation of a rule saw of one instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from spanledger_alerts.notification import Severity


@dataclass(frozen=True, slots=True)
class Sample:
    """A row that a rule looked at.

    Attributes:
        labels: which instance.
        value: what thresholds are compared with; None: there is none.
        severity: what a finding says of itself.
        points: how many data points it stands for; None: it does not say.
        baseline: what is usual, in the unit of the value.
        usd: what it costs, exact.
        headline: title of a finding; ``explanation``: of a finding.
        cause: why it is so, found when it began to fire (``evidence.py``).
        trace_ids: up to three that show it.
        starts_ns: when a finding began, UTC nanoseconds; None: with the evaluation.
        identity: what stays the same though labels may change; empty: the labels are it.
    """

    labels: Mapping[str, str]
    value: Decimal | None
    severity: Severity | None = None
    points: int | None = None
    baseline: Decimal | None = None
    usd: Decimal | None = None
    headline: str = ""
    explanation: str = ""
    trace_ids: tuple[str, ...] = ()
    starts_ns: int | None = None
    identity: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """The rule could not be evaluated."""

    reason: str


Outcome = list[Sample] | Failure
