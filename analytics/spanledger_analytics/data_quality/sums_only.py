"""Traces whose tokens are known only as a sum (rule R1b), or only from metrics."""

from __future__ import annotations

from spanledger_analytics.data_quality import grouping
from spanledger_analytics.data_quality.evidence import CallKind, Evidence
from spanledger_analytics.data_quality.model import Finding, Group, Severity

_DETAILS = {
    "aggregate": "only the sum on an agent's span",
    "metric": "only a metric, without calls",
}
_FIXES = {
    "aggregate": (
        "Add the instrumentation of the provider's SDK, so that each call has a span: a sum hides "
        "context tiers and failed calls, and some frameworks sum wrongly."
    ),
    "metric": "Export traces beside the metrics (OTEL_TRACES_EXPORTER=otlp).",
}


def check(evidence: Evidence) -> Finding | None:
    """Return the finding, None when every cost stands on single calls."""
    kinds = [kind for kind in evidence.calls if kind.usage_source in _DETAILS]
    return grouping.finding(
        "sums_only",
        "Usage known only as a sum",
        Severity.warning,
        [_group(kind) for kind in kinds],
        usd_label="resting on sums",
        usd_means="The part of the spend that rests on such sums.",
        fix="Add the instrumentation of the provider's SDK, so that each call has a span.",
        unit="sum",
    )


def _group(kind: CallKind) -> Group:
    return grouping.of_calls(
        kind,
        usd=kind.cost_usd if kind.price_status == "priced" else None,
        detail=_DETAILS[kind.usage_source],
        fix=_FIXES[kind.usage_source],
    )
