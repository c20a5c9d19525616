"""Data quality: what keeps a project's numbers from being complete, and what to do about it.

One file per check, all of one shape: ``check(evidence) -> Finding | None``. A new one is a file,
a line in ``CHECKS`` and its tests.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from typing import cast

from spanledger_analytics.data_quality import grouping, known_faults
from spanledger_analytics.data_quality.evidence import CallKind, Evidence, read_evidence
from spanledger_analytics.data_quality.model import (
    Coverage,
    Example,
    Finding,
    Group,
    Period,
    Report,
    Severity,
)
from spanledger_storage.store import Store

__all__ = [
    "CHECKS",
    "Coverage",
    "Example",
    "Finding",
    "Group",
    "Period",
    "Report",
    "Severity",
    "examine",
    "report",
]

CHECKS = {
    name: f"{__name__}.{name}"
    for name in (
        "missing_usage",
        "unpriced_models",
        "known_faults",
        "conflicts",
        "sums_only",
        "reported_cost",
        "bad_input",
        "double_instrumentation",
    )
}

_Check = Callable[[Evidence], Finding | None]


def report(store: Store, project: str, period: Period) -> Report:
    """Return the report of a project's period; reads only.

    Raises:
        StoreError: the store does not answer.
    """
    evidence = read_evidence(store, project, period, known_faults.span_scopes())
    return examine(evidence, project, period)


def examine(evidence: Evidence, project: str, period: Period) -> Report:
    """Return what the evidence shows; pure."""
    checks = [cast("_Check", import_module(path).check) for path in CHECKS.values()]
    found = [finding for check in checks if (finding := check(evidence))]
    # Sorting keeps the order of the checks within a severity.
    found.sort(key=lambda finding: finding.severity.rank)
    return Report(project, period, _coverage(evidence), tuple(found))


def _coverage(evidence: Evidence) -> Coverage:
    calls = evidence.calls
    lacking = [(k, _lacking_usd(k, evidence)) for k in calls if k.is_missing_usage or k.is_unpriced]
    return Coverage(
        calls=sum(k.calls for k in calls),
        answered_calls=sum(k.calls for k in calls if k.has_usage or not k.is_failed),
        calls_with_usage=sum(k.calls for k in calls if k.has_usage),
        priced_calls=sum(k.calls for k in calls if k.has_usage and not k.is_unpriced),
        input_tokens=sum(k.input_tokens for k in calls),
        output_tokens=sum(k.output_tokens for k in calls),
        spend_usd=grouping.total(k.cost_usd for k in calls) or grouping.ZERO,
        at_risk_usd=grouping.total(usd for _, usd in lacking) if lacking else grouping.ZERO,
        calls_not_estimated=sum(_not_estimated(k, usd) for k, usd in lacking),
    )


def _lacking_usd(kind: CallKind, evidence: Evidence) -> Decimal | None:
    """Return an estimate of what calls without a cost have cost, None without one."""
    if kind.is_unpriced:
        return kind.claimed_usd if kind.claimed_calls else None
    return evidence.medians.estimate(kind)


def _not_estimated(kind: CallKind, usd: Decimal | None) -> int:
    if kind.is_unpriced:
        return kind.calls - kind.claimed_calls  # a claim is about one call, none of the others
    return kind.calls if usd is None else 0
