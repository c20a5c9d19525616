"""Findings of what drifted: one per agent, version and day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from spanledger_analytics.drift.categories import Categorical
from spanledger_analytics.drift.features import Sample, Trajectory
from spanledger_analytics.drift.judge import DRIFT, EXPECTED, OTHER_VERSIONS, Check
from spanledger_analytics.drift.reading import DAY_S
from spanledger_analytics.drift.rows import effect_of
from spanledger_analytics.findings.finding import Finding, Json, Severity, SpanRef, Subject

KIND = "drift"
BEHAVIOUR, NEW_VERSION, WORSE_VERSION = "behaviour", "new_version", "worse_version"
_TOP = 3
_MOST_EXAMPLES = 10
_NS_PER_S = 10**9


def findings_of(day: int, checks: Sequence[Check], samples: Sequence[Sample]) -> list[Finding]:
    """Return what to say of a day: a drift asks for somebody, a new version does not.

    A new version whose outcomes are worse than those of the versions before asks for somebody too.
    """
    by_agent = {(sample.agent_name, sample.agent_version): sample for sample in samples}
    found: list[Finding] = []
    for key, of_agent in groupby(checks, key=lambda c: (c.agent_name, c.agent_version)):
        told = [check for check in of_agent if check.verdict in (DRIFT, EXPECTED)]
        if told:
            found.append(_finding(day, told, by_agent[key]))
    return found


def sentence_of(check: Check) -> str:
    """Return one line on what changed in a feature: the three actions that changed most."""
    result, title = check.result, check.feature.title
    if isinstance(result, Categorical):
        parts = [
            f"{term.name} {term.before:.1%} → {term.now:.1%} ({term.psi:+.2f})"
            for term in result.terms[:_TOP]
        ]
        return f"{title} (distance {result.js_distance:.2f}): {', '.join(parts)}"
    if result is None:
        return f"{title}: not enough data"
    return (
        f"{title} (Cliff's delta {result.delta:+.2f}): median {result.before[1]:.4g} → "
        f"{result.now[1]:.4g}, mean {result.before[3]:.4g} → {result.now[3]:.4g}"
    )


def _finding(day: int, told: Sequence[Check], sample: Sample) -> Finding:
    drifted = [check for check in told if check.verdict == DRIFT]
    shown = sorted(drifted or told, key=lambda check: -abs(effect_of(check) or 0.0))
    agent = sample.agent_name
    code, severity = _code(drifted, told)
    titles = ", ".join(check.feature.title for check in shown[:_TOP])
    title = {
        BEHAVIOUR: f"{agent} behaves differently: {titles}",
        WORSE_VERSION: f"{agent} {sample.agent_version} does worse than before: {titles}",
        NEW_VERSION: f"{agent} {sample.agent_version} is new and behaves differently: {titles}",
    }[code]
    return Finding(
        kind=KIND,
        code=code,
        anchor=(agent, sample.agent_version, str(day)),
        severity=severity,
        title=title,
        explanation=_explanation(code, shown),
        first_seen_ns=day * DAY_S * _NS_PER_S,
        last_seen_ns=(day + 1) * DAY_S * _NS_PER_S,
        subject=Subject(agent_name=agent, agent_version=sample.agent_version),
        evidence=tuple(_examples(shown[0], sample.now)),
        details={
            "trajectories": len(sample.now),
            "reference_trajectories": shown[0].reference_trajectories,
            "compared_with": shown[0].compared_with,
            "features": [_details(check) for check in shown],
        },
    )


def _code(drifted: Sequence[Check], told: Sequence[Check]) -> tuple[str, Severity]:
    if not drifted:
        return NEW_VERSION, "info"
    if told[0].compared_with == OTHER_VERSIONS:
        return WORSE_VERSION, "warning"
    return BEHAVIOUR, "info" if all(check.is_better for check in drifted) else "warning"


def _explanation(code: str, shown: Sequence[Check]) -> str:
    before = (
        "the other versions of the 14 days before"
        if shown[0].compared_with == OTHER_VERSIONS
        else "the 14 days before"
    )
    advice = {
        BEHAVIOUR: "The version is the same, so look at what it depends on: the model behind an "
        "alias, prompts and tools that are not versioned, the requests themselves.",
        WORSE_VERSION: "Compare trajectories of both versions before it is rolled out further.",
        NEW_VERSION: "A new version may do that; this is a note, not an alarm.",
    }[code]
    lines = "; ".join(sentence_of(check) for check in shown)
    return f"Compared with {before}: {lines}. {advice}"


def _details(check: Check) -> dict[str, Json]:
    result = check.result
    found: dict[str, Json] = {
        "feature": check.feature.name,
        "effect": effect_of(check),
        "p_value": result.p_value if result else None,
        "q_value": check.q_value,
        "says": sentence_of(check),
    }
    return found


def _examples(check: Check, now: Iterable[Trajectory]) -> list[SpanRef]:
    """Return roots of trajectories that show the change best."""
    name, result = check.feature.name, check.result
    if isinstance(result, Categorical):
        risen = next((t.name for t in result.terms if t.now > t.before), "")
        weighted = [(float(one.counts[name][risen]), one) for one in now if name in one.counts]
    else:
        sign = 1 if result and result.delta > 0 else -1
        weighted = [(sign * one.numbers[name], one) for one in now if name in one.numbers]
    weighted.sort(key=lambda pair: (-pair[0], pair[1].example))
    return [
        SpanRef(*one.example)
        for weight, one in weighted[:_MOST_EXAMPLES]
        if weight and all(one.example)
    ]
