"""Calls that were answered, and of which nobody says how many tokens they took (rule R8)."""

from __future__ import annotations

from spanledger_analytics.data_quality import grouping, instrumentations
from spanledger_analytics.data_quality.evidence import CallKind, Evidence
from spanledger_analytics.data_quality.model import Finding, Group, Severity


def check(evidence: Evidence) -> Finding | None:
    """Return the finding, None when every answered call has tokens."""
    kinds = [kind for kind in evidence.calls if kind.is_missing_usage]
    return grouping.finding(
        "missing_usage",
        "Calls without token counts",
        Severity.error,
        [_group(kind, evidence) for kind in kinds],
        usd_label="not counted (estimate)",
        usd_means=(
            "Estimate: the number of calls times the median cost of the priced calls of the same "
            "model and agent in the period, else of the same model."
        ),
        fix=(
            "Make the client ask for the usage (OpenAI streams: stream_options.include_usage), or "
            "add an instrumentation that reports it."
        ),
    )


def _group(kind: CallKind, evidence: Evidence) -> Group:
    return grouping.of_calls(
        kind,
        usd=evidence.medians.estimate(kind),
        detail="streamed" if kind.stream else "",
        fix=instrumentations.usage_advice(kind.scopes, is_stream=bool(kind.stream)),
    )
