"""An incident as a finding, and back from what is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import cast

from spanledger_analytics.anomalies.cells import HOUR_S, Key
from spanledger_analytics.anomalies.explain import CAUSES, Explanation
from spanledger_analytics.anomalies.incidents import Incident, Known
from spanledger_analytics.anomalies.signals import Code, Signal
from spanledger_analytics.findings.finding import Finding, Json, Severity, SpanRef, Subject
from spanledger_analytics.findings.rows import FindingRow

KIND = "cost_anomaly"
_NS = 10**9
_DAY_S = 24 * HOUR_S
_WARN_USD, _CRITICAL_USD, _CRITICAL_Z_USD, _CRITICAL_Z = 5, 50, 20, 6
_WHAT = {"agent": "Agent", "model": "Model", "service": "Service", "team": "Team", "tool": "Tool"}


def finding(
    incident: Incident, why: Explanation, evidence: Sequence[SpanRef], more: Mapping[str, Json]
) -> Finding:
    """Return what is written of an incident.

    Args:
        incident: of one project.
        why: its explanation.
        evidence: spans of the dearest traces.
        more: details beyond those of the explanation.
    """
    one = incident.signal
    excess = why.change.difference if why.change else None
    is_info = one.code in ("quiet", "calls")
    key = incident.anchor_key
    return Finding(
        kind=KIND,
        code=incident.anchor_code,
        anchor=(key.dimension, key.name, str(incident.anchor_s)),
        severity="info" if is_info else severity(one),
        title=title(one),
        explanation=_explanation(one, why),
        first_seen_ns=one.start_s * _NS,
        last_seen_ns=one.end_s * _NS,
        subject=_subject(one.key, why),
        evidence=tuple(evidence),
        direct_usd=None if one.code == "quiet" else excess,
        avoidable_usd=None if is_info else excess,
        is_open=one.is_open,
        is_sure=one.is_sure,
        details={
            **why.details,
            **more,
            "dimension": one.key.dimension,
            "name": one.key.name,
            "anchor": [key.dimension, key.name, incident.anchor_s],
            "deviation": round(one.z, 2),
            "unit": one.unit,
            "series": [
                {"dimension": other.dimension, "name": other.name}
                for other in sorted(incident.keys)
            ],
        },
    )


def severity(one: Signal) -> Severity:
    """Return how much it matters, by dollars."""
    excess = one.excess_usd
    if not one.is_sure:
        return "warning"
    if excess >= _CRITICAL_USD or (one.z >= _CRITICAL_Z and excess >= _CRITICAL_Z_USD):
        return "critical"
    return "warning" if excess >= _WARN_USD else "info"


def title(one: Signal) -> str:
    """Return one line with the figures."""
    who, lasts = _who(one.key), _lasting(one.end_s - one.start_s)
    actual, excess = f"${one.actual_usd:,.2f}", f"${abs(one.excess_usd):,.2f}"
    if one.code == "quiet":
        return f"{who}: almost no spending for {lasts}, where ${one.expected_usd:,.2f} was expected"
    if one.code == "calls":
        return f"{who}: far more calls than usual for {lasts}"
    if one.code == "creep":
        return f"{who}: cost{_per(one)} grew day by day; {excess} more than before in {lasts}"
    if one.code == "unit_cost":
        return f"{who}: {excess} more in {lasts} because each {one.unit} costs more"
    return f"{who}: {actual} in {lasts}, {excess} more than expected"


def _per(one: Signal) -> str:
    return f" per {one.unit}" if one.unit else ""


def _who(key: Key) -> str:
    return f"{_WHAT[key.dimension]} {key.name}" if key.dimension in _WHAT else "Project"


def _lasting(seconds: int) -> str:
    if seconds < 2 * HOUR_S:
        return f"{max(1, round(seconds / 60))} minutes"
    if seconds < 2 * _DAY_S:
        return f"{round(seconds / HOUR_S)} hours"
    return f"{round(seconds / _DAY_S)} days"


def _explanation(one: Signal, why: Explanation) -> str:
    """Return what happened, why it is said and what to do."""
    if one.code == "quiet":
        return (
            "Calls stopped coming in, or stopped being made. If agents still run, look at the "
            "collector and at what sends to it; if they do not, this is an outage of theirs."
        )
    parts = [
        f"Expected ${one.expected_usd:,.2f} from the same hours of the weeks before, spent "
        f"${one.actual_usd:,.2f}: {one.z:.1f} standard deviations."
    ]
    if why.change and why.cause:
        usd = why.change.parts[why.cause]
        said = CAUSES.get(why.cause, f"costs of {why.cause}")
        parts.append(f"Most of it is {said}: ${usd:,.2f}.")
    path = cast("Sequence[Mapping[str, Json]]", why.details.get("path", ()))
    if path:
        where = ", ".join(f"{place['dimension']} {place['name'] or '(none)'}" for place in path)
        parts.append(f"It lies in {where}.")
    if not one.is_sure:
        parts.append("There are less than two weeks of history: this is a guess.")
    parts.append("If it was meant to be, mark it as expected, and the new level becomes usual.")
    return " ".join(parts)


def _subject(key: Key, why: Explanation) -> Subject:
    named = {key.dimension: key.name}
    for place in cast("Sequence[Mapping[str, Json]]", why.details.get("path", ())):
        named.setdefault(str(place["dimension"]), str(place["name"]))
    return Subject(
        agent_name=named.get("agent", ""),
        model=named.get("model", ""),
        tool_name=named.get("tool", ""),
    )


def from_row(row: FindingRow) -> Finding | None:
    """Return a stored finding as it was written; None: it does not say what it is about.

    Without traces that are no evidence any more: they were deleted.
    """
    details = cast("dict[str, Json]", json.loads(row.details or "{}"))
    anchor = details.get("anchor")
    if not isinstance(anchor, list) or len(anchor) != 3:
        return None
    if "traces" in details:
        there = {trace_id for trace_id, _ in row.evidence}
        traces = cast("Sequence[Mapping[str, Json]]", details["traces"])
        details["traces"] = [one for one in traces if one["trace_id"] in there]
    return Finding(
        kind=row.kind,
        code=row.code,
        anchor=tuple(map(str, anchor)),
        severity=cast("Severity", row.severity),
        title=row.title,
        explanation=row.explanation,
        first_seen_ns=row.first_seen_ns,
        last_seen_ns=row.last_seen_ns,
        subject=Subject(agent_name=row.agent_name, model=row.model, tool_name=row.tool_name),
        evidence=tuple(SpanRef(*one) for one in row.evidence),
        direct_usd=row.direct_usd,
        carried_usd=row.carried_usd,
        avoidable_usd=row.avoidable_usd,
        wasted_ns=row.wasted_ns,
        is_open=bool(row.is_open),
        is_sure=bool(row.is_sure),
        details=details,
    )


def known(one: Finding) -> Known:
    """Return what to remember of a finding."""
    dimension, name, anchor_s = one.anchor
    key = Key(dimension, name)
    series = cast("Sequence[Mapping[str, str]]", one.details.get("series", ()))
    return Known(
        key,
        cast("Code", one.code),
        int(anchor_s),
        one.first_seen_ns // _NS,
        one.last_seen_ns // _NS,
        frozenset({key, *(Key(place["dimension"], place["name"]) for place in series)}),
        float(one.direct_usd or Decimal(0)),
        float(str(one.details.get("expected_usd", 0))),
    )


def closed(one: Finding) -> Finding:
    """Return a finding that no longer goes on."""
    return replace(one, is_open=False)
