"""One request that becomes too many calls of models, or too many dollars.

What is usual: 5 to 50 calls. Frameworks stop at 10 (OpenAI Agents SDK), 25 (CrewAI), 20 (Strands)
or 10,007 (LangGraph) turns, SWE-agent at $3. A trace that is still open is caught while it burns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from spanledger_analytics.findings.finding import Finding, Severity, Subject
from spanledger_analytics.findings.lanes import Charge, TraceView
from spanledger_analytics.findings.spending import model_calls, told, tool_calls, total

KIND = "amplification"
MAX_CALLS = "max_llm_calls_per_request"
MAX_REQUEST_USD = "max_usd_per_request"
MAX_SESSION_USD = "max_usd_per_session"
MAX_USER_DAY_USD = "max_usd_per_user_day"
"""Names of the limits that a project sets."""
_DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a request has too many calls.

    Attributes:
        soft_calls: nothing is said below.
        soft_times_p99: nor below so many times what 99 of 100 requests of the agent need.
        hard_calls: critical above, unless what is usual for the agent is more.
        critical_times: a limit of dollars exceeded so many times is critical.
    """

    soft_calls: int = 50
    soft_times_p99: float = 3
    hard_calls: int = 200
    critical_times: int = 2


DEFAULTS = Thresholds()


def detect(view: TraceView, thresholds: Thresholds = DEFAULTS) -> list[Finding]:
    """Return a finding for each limit that a trace exceeds."""
    paid = [
        Charge(call.start_ns, call.end_ns, call.ref, call.total_cost_usd)
        for _, call in model_calls(view)
    ]
    calls = len(paid)
    paid += [
        Charge(tool.start_ns, tool.end_ns, tool.ref, tool.cost_usd)
        for _, tool in tool_calls(view)
        if tool.cost_usd is not None
    ]
    found = _too_many(view, paid[:calls], paid, thresholds)
    everything = sorted([*paid, *view.other_costs], key=lambda one: (one.start_ns, one.ref))
    return [*found, *_too_dear(view, everything, thresholds)]


def _too_many(
    view: TraceView, calls: Sequence[Charge], paid: Sequence[Charge], thresholds: Thresholds
) -> list[Finding]:
    soft, hard = caps(view, thresholds)
    if len(calls) <= soft:
        return []
    after_ns = calls[soft].start_ns
    over = list(calls[soft:])
    over += [call for call in paid[len(calls) :] if call.start_ns >= after_ns]
    wasted = total(call.cost_usd for call in over)
    p99 = view.baseline.llm_calls_p99
    return [
        Finding(
            kind=KIND,
            code="calls_per_request",
            anchor=(view.trace_id,),
            severity=_severity(view, len(calls), hard),
            title=f"One request made {len(calls)} calls of models, {soft} are allowed",
            explanation=f"The calls after number {soft} cost {told(wasted)}. {_usual(p99)} "
            "Look at what the agent repeats, or give it a limit of its own: the SDK's budget and "
            "loop guard stop a run before it gets here.",
            first_seen_ns=view.start_ns or calls[0].start_ns,
            last_seen_ns=max(call.end_ns for call in over),
            subject=_subject(view),
            evidence=tuple(call.ref for call in over),
            direct_usd=wasted,
            avoidable_usd=wasted,
            wasted_ns=_union_ns(over),
            is_open=view.is_open,
            details={
                "calls": len(calls),
                "soft_cap": soft,
                "hard_cap": hard,
                "p99": p99,
                "unpriced_calls": sum(call.cost_usd is None for call in over),
            },
        )
    ]


def _usual(p99: float | None) -> str:
    if p99 is None:
        return "What this agent usually needs is not known yet: too few of its requests were seen."
    return f"99 of 100 requests of this agent need {p99:.0f} or fewer."


def _severity(view: TraceView, calls: int, hard: int) -> Severity:
    """Return how bad so many calls are; of an agent that is hardly known, nobody is warned."""
    if calls > hard:
        return "critical"
    is_known = view.baseline.llm_calls_p99 is not None or MAX_CALLS in view.limits
    return "warning" if is_known else "info"


def caps(view: TraceView, thresholds: Thresholds = DEFAULTS) -> tuple[int, int]:
    """Return from how many calls on a request of a trace's agent is reported, and is critical."""
    limit = view.limits.get(MAX_CALLS)
    p99 = view.baseline.llm_calls_p99 or 0
    soft = max(thresholds.soft_calls, int(thresholds.soft_times_p99 * p99))
    if limit is None:
        return soft, max(thresholds.hard_calls, soft)
    return min(soft, int(limit)), int(limit)


class _Limit(NamedTuple):
    """A limit of dollars: what it is for, and what was spent before the trace began."""

    name: str
    code: str
    whose: str
    anchor: Callable[[TraceView], tuple[str, ...]]
    before: Callable[[TraceView], Decimal | None]


_LIMITS = (
    _Limit(
        MAX_REQUEST_USD,
        "usd_per_request",
        "request",
        lambda view: (view.trace_id,),
        lambda view: Decimal(0),
    ),
    _Limit(
        MAX_SESSION_USD,
        "usd_per_session",
        "session",
        lambda view: (view.session_id,) if view.session_id else (),
        lambda view: view.baseline.session_usd,
    ),
    _Limit(
        MAX_USER_DAY_USD,
        "usd_per_user_day",
        "user in one day",
        lambda view: (view.user_id, str(view.start_ns // _DAY_NS)) if view.user_id else (),
        lambda view: view.baseline.user_day_usd,
    ),
)


def _too_dear(view: TraceView, paid: Sequence[Charge], thresholds: Thresholds) -> list[Finding]:
    spent = list(accumulate((call.cost_usd or Decimal(0) for call in paid), initial=Decimal(0)))
    found: list[Finding] = []
    for limit in _LIMITS:
        anchor = limit.anchor(view)
        if limit.name not in view.limits or not anchor:
            continue
        allowed, before = allowed_usd(view.limits[limit.name]), limit.before(view) or Decimal(0)
        # Of a session, the trace that goes beyond the limit tells, and no later one again.
        if not before <= allowed < before + spent[-1]:
            continue
        place = next(n for n, sum_ in enumerate(spent) if before + sum_ > allowed)
        found.append(_dear(view, limit, anchor, allowed, before, paid, place, thresholds))
    return found


def allowed_usd(limit: float) -> Decimal:
    """Return a limit of dollars as it was written."""
    return Decimal(str(limit))


def _dear(
    view: TraceView,
    limit: _Limit,
    anchor: tuple[str, ...],
    allowed: Decimal,
    before: Decimal,
    paid: Sequence[Charge],
    place: int,
    thresholds: Thresholds,
) -> Finding:
    """Return what is said of a limit that the call before ``place`` in order exceeded."""
    crossing, over = paid[place - 1], paid[place:]
    wasted = total(call.cost_usd for call in over) or Decimal(0)
    spent = before + (total(call.cost_usd for call in paid) or Decimal(0))
    severity: Severity = "critical" if spent > thresholds.critical_times * allowed else "warning"
    return Finding(
        kind=KIND,
        code=limit.code,
        anchor=anchor,
        severity=severity,
        title=f"{told(spent)} spent by one {limit.whose}, {told(allowed)} are allowed",
        explanation=f"The limit was exceeded in this trace; what it did after that cost "
        f"{told(wasted)}. A budget in the SDK or the reservation API stops a run at its limit.",
        first_seen_ns=crossing.start_ns,
        last_seen_ns=max(call.end_ns for call in paid[place - 1 :]),
        subject=_subject(view),
        evidence=tuple(call.ref for call in (*over, crossing)),
        direct_usd=wasted,
        avoidable_usd=wasted,
        wasted_ns=_union_ns(over),
        is_open=view.is_open,
        details={
            "limit_usd": str(allowed),
            "spent_usd": str(spent),
            "before_usd": str(before),
            "unpriced_calls": sum(call.cost_usd is None for call in paid),
        },
    )


def _subject(view: TraceView) -> Subject:
    return Subject(
        trace_id=view.trace_id,
        session_id=view.session_id,
        user_id=view.user_id,
        agent_name=view.agent_name,
        agent_version=view.agent_version,
    )


def _union_ns(calls: Sequence[Charge]) -> int:
    """Return the time that calls took, overlaps once."""
    taken, until = 0, 0
    for call in sorted(calls):
        start = max(call.start_ns, until)
        taken += max(0, call.end_ns - start)
        until = max(until, call.end_ns)
    return taken
