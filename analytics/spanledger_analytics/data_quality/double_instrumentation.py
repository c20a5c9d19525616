"""Calls that several instrumentations report: counted once, but billed twice by a plain sum."""

from __future__ import annotations

from dataclasses import replace

from spanledger_analytics.data_quality import grouping, instrumentations
from spanledger_analytics.data_quality.evidence import CallKind, Evidence
from spanledger_analytics.data_quality.model import Finding, Group, Severity


def check(evidence: Evidence) -> Finding | None:
    """Return the finding, None when every call is reported by one instrumentation."""
    kinds = [kind for kind in evidence.calls if _is_double(kind)]
    return grouping.finding(
        "double_instrumentation",
        "Calls reported several times",
        Severity.info,
        [_group(kind) for kind in kinds],
        usd_label="not billed twice",
        usd_means=(
            "Avoided: what a sum over spans would bill too much, each further view of a call at "
            "the call's own price."
        ),
        fix="Nothing is lost, each call is counted once; switch one scope off to send less.",
    )


def _is_double(kind: CallKind) -> bool:
    return "double_instrumented" in kind.flags or (
        len(kind.scopes) > 1 and kind.usage_views > kind.calls
    )


def _group(kind: CallKind) -> Group:
    group = grouping.of_calls(
        kind,
        usd=kind.excess_usd if kind.price_status == "priced" else None,
        fix=instrumentations.off_switch(kind.scopes),
    )
    # Which agents and models meet both instrumentations does not matter to them.
    return replace(group, agent_name="", model="", provider="")
