"""Known faults of instrumentations (``faults.py``), where their symptom is seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from spanledger_analytics.data_quality import grouping, instrumentations
from spanledger_analytics.data_quality.evidence import CallKind, Evidence, ScopeKind
from spanledger_analytics.data_quality.faults import FAULTS, Fault
from spanledger_analytics.data_quality.model import Example, Finding, Group, Severity

_CALL_SYMPTOMS: Mapping[str, Callable[[CallKind], int]] = {
    "calls": lambda k: k.calls,
    "without_usage": lambda k: k.calls if k.is_missing_usage else 0,
    "streams_with_usage": lambda k: k.calls if k.stream and k.has_usage else 0,
    "streams_without_usage": lambda k: k.calls if k.stream and k.is_missing_usage else 0,
    "broken_streams": lambda k: k.calls if k.stream and k.is_failed else 0,
    "sums": lambda k: k.calls if k.usage_source == "aggregate" else 0,
    "estimates": lambda k: k.calls if "estimated_usage" in k.flags else 0,
    "no_cache_read": lambda k: k.no_cache_read,
    "no_cache_write": lambda k: k.no_cache_write,
    "no_reasoning": lambda k: k.no_reasoning,
    "own_ids": lambda k: k.own_ids,
}
_SPAN_SYMPTOMS: Mapping[str, Callable[[ScopeKind], tuple[int, tuple[Example, ...]]]] = {
    "zero_failures": lambda k: (k.zero_failures, k.zero_failure_examples),
    "zero_costs": lambda k: (k.zero_costs, k.zero_cost_examples),
    "blind_traces": lambda k: (k.blind_traces, k.blind_examples),
}
# The symptoms that mean that calls, and with them dollars, are missing.
_LOSES_CALLS = frozenset({"without_usage", "streams_without_usage"})


def span_scopes() -> set[str]:
    """Return the patterns of the scopes whose faults show only on spans."""
    return {scope for fault in FAULTS if fault.symptom in _SPAN_SYMPTOMS for scope in fault.scopes}


def check(evidence: Evidence) -> Finding | None:
    """Return the finding, None when no known fault is seen."""
    found = [group for fault in FAULTS for group in _groups(fault, evidence)]
    seen = [group.severity for group in found if group.severity]
    return grouping.finding(
        "known_faults",
        "Known faults of instrumentations",
        min(seen, key=lambda severity: severity.rank, default=Severity.info),
        found,
        usd_label="not counted (estimate)",
        usd_means=(
            "Estimate for calls whose usage is lost (also under calls without token counts); the "
            "other faults change a cost by an amount nobody knows."
        ),
        fix="Update or replace the instrumentation, as said beside each.",
        unit="case",
    )


def _groups(fault: Fault, evidence: Evidence) -> Iterable[Group]:
    of_calls = _CALL_SYMPTOMS.get(fault.symptom)
    if of_calls is not None:
        for kind in evidence.calls:
            scopes = _at_fault(fault, kind.scopes)
            if (scopes or not fault.scopes) and of_calls(kind):
                yield _call_group(fault, kind, scopes or kind.scopes, of_calls(kind), evidence)
        return
    of_spans = _SPAN_SYMPTOMS[fault.symptom]
    for spans in evidence.scopes:
        count, examples = of_spans(spans)
        scopes = _at_fault(fault, (f"{spans.scope_name}@{spans.scope_version}",))
        if scopes and count:
            yield Group(
                service_name=spans.service_name,
                scopes=scopes,
                count=count,
                usd=None,
                fix=fault.fix,
                examples=examples,
                detail=fault.effect,
                severity=fault.severity,
            )


def _call_group(
    fault: Fault, kind: CallKind, scopes: tuple[str, ...], count: int, evidence: Evidence
) -> Group:
    usd = evidence.medians.estimate(kind) if fault.symptom in _LOSES_CALLS else None
    group = grouping.of_calls(kind, usd=usd, count=count, detail=fault.effect, fix=fault.fix)
    # A fault is the instrumentation's, whatever agent and model it meets.
    return replace(
        group,
        scopes=scopes,
        agent_name="",
        model="",
        provider="",
        input_tokens=None,
        output_tokens=None,
        severity=fault.severity,
    )


def _at_fault(fault: Fault, scopes: Iterable[str]) -> tuple[str, ...]:
    """Return those of the scopes (name@version) that have the fault."""
    return tuple(
        scope
        for scope in scopes
        for name, version in (instrumentations.split(scope),)
        if any(instrumentations.matches(name, pattern) for pattern in fault.scopes)
        and (not fault.below or _numbers(version) < _numbers(fault.below))
    )


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: (2, 4) of 2.4b0; nothing when it is unknown."""
    found = re.match(r"v?(\d{1,9}(?:\.\d{1,9})*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()
