"""One incident as one finding: its root, the agents it hit, what retries burnt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from spanledger_analytics.findings.cascades.failures import (
    SHARED,
    Failure,
    Paid,
    SpanRow,
    after_causes,
    agent_of,
    burnt_usd,
    leaves,
)
from spanledger_analytics.findings.cascades.rates import (
    DEFAULTS,
    Episode,
    History,
    Source,
    Thresholds,
)
from spanledger_analytics.findings.finding import Finding, Json, SpanRef, Subject
from spanledger_analytics.findings.spending import told
from spanledger_analytics.intervals import length, union

KIND = "error_cascade"
_S = 10**9
_MOST_NAMES = 20


class Root(NamedTuple):
    """Where an incident began: a tool, a model, or what its failures share downstream."""

    kind: str
    name: str
    score: float

    @property
    def label(self) -> str:
        """What it is called in a sentence."""
        return f"{_LABELS[self.kind]} {self.name}"


_LABELS = {
    "tool": "tool",
    "model": "model",
    "mcp": "MCP server",
    "server": "server",
    "provider": "provider",
    "region": "region",
}


class Known(NamedTuple):
    """An incident that was found before; it keeps its identity while it grows."""

    anchor: tuple[str, ...]
    first_ns: int
    last_ns: int
    sources: frozenset[Source]


class Window(NamedTuple):
    """What was read of the time of one incident."""

    failures: Sequence[Failure]
    spans: Mapping[SpanRef, SpanRow]
    paid: Sequence[Paid]


def detect(
    lasted: Episode,
    window: Window,
    usual: History,
    now_s: int,
    known: Iterable[Known] = (),
    thresholds: Thresholds = DEFAULTS,
) -> Finding | None:
    """Return the finding of an incident; None: no error of it is left where it arose."""
    hit = [one for one in leaves(window.failures, window.spans) if _is_hit(one, lasted.sources)]
    if not hit:
        return None
    root = root_of(after_causes(hit, window.spans))
    before = _same(known, hit, lasted.sources, thresholds)
    anchor = before.anchor if before else (root.kind, root.name, str(hit[0].start_ns))
    agents = Counter(agent_of(one.ref, window.spans, one.agent) for one in hit)
    agents.pop("", None)
    spent, paid = burnt_usd(hit, window.spans, window.paid)
    is_open = now_s - lasted.to_s < thresholds.window_s
    history = sum(usual.calls.get(one, 0) for one in lasted.sources if one.kind != "agent")
    return Finding(
        kind=KIND,
        code="incident",
        anchor=anchor,
        severity="critical" if len(agents) >= thresholds.agents else "warning",
        title=_title(root, hit, agents),
        explanation=_explanation(root, hit, told(spent)),
        first_seen_ns=min(hit[0].start_ns, before.first_ns) if before else hit[0].start_ns,
        last_seen_ns=max(one.end_ns for one in hit),
        subject=_subject(root, hit, agents),
        evidence=_evidence(hit, paid),
        direct_usd=spent,
        avoidable_usd=spent,
        wasted_ns=length(union((one.start_ns, one.end_ns) for one in hit)),
        is_open=is_open,
        is_sure=history >= thresholds.fewest_calls,
        details={
            "anchor": list(anchor),
            "root": {"kind": root.kind, "name": root.name, "score": round(root.score, 3)},
            "agents": dict(agents.most_common(_MOST_NAMES)),
            "sources": sorted([one.kind, one.name] for one in lasted.sources),
            "systemic_p": lasted.p,
            "retries": len(paid),
            **_figures(hit),
        },
    )


def _evidence(hit: Sequence[Failure], paid: Sequence[SpanRef]) -> tuple[SpanRef, ...]:
    """Return the first error of each trace, the other errors, then what was paid for after them.

    What is kept of a large incident names all of its traces, so that pages know what it overlaps.
    """
    first: dict[str, SpanRef] = {}
    for one in hit:
        first.setdefault(one.trace_id, one.ref)
    return tuple(dict.fromkeys([*first.values(), *(one.ref for one in hit), *paid]))


def _figures(hit: Sequence[Failure]) -> dict[str, Json]:
    tools = Counter(one.name for one in hit).most_common(_MOST_NAMES)
    errors = Counter(one.fingerprint for one in hit).most_common(3)
    return {
        "errors": len(hit),
        "traces": len({one.trace_id for one in hit}),
        "tools": dict(tools),
        "fingerprints": [[name, digest, times] for (name, digest), times in errors],
    }


def _title(root: Root, hit: Sequence[Failure], agents: Mapping[str, int]) -> str:
    traces = len({one.trace_id for one in hit})
    return f"Errors of {root.label} hit {_many(len(agents), 'agent')} in {_many(traces, 'trace')}"


def _is_hit(failure: Failure, sources: frozenset[Source]) -> bool:
    return failure.source in sources or Source("agent", failure.agent) in sources


def root_of(failures: Sequence[Failure]) -> Root:
    """Return what most of the failures have in common and what failed before the rest.

    The score of a candidate is its share of the failures times the share of the tools and models
    that failed for the first time no earlier than it did. What several tools share downstream is
    a candidate, too; of equals, it comes first.
    """
    first: dict[Source, int] = {}
    for one in failures:
        first[one.source] = min(first.get(one.source, one.start_ns), one.start_ns)
    groups: dict[tuple[str, str], list[Failure]] = {}
    for one in failures:
        groups.setdefault((one.kind, one.name), []).append(one)
        for shared in SHARED:
            value: str = getattr(one, shared)
            if value and not (shared == "provider" and one.kind == "tool"):
                groups.setdefault((shared, value), []).append(one)
    found: list[tuple[float, int, str, str]] = []
    for (kind, name), members in groups.items():
        if kind in SHARED and len({one.source for one in members}) < 2:
            continue
        began = min(one.start_ns for one in members)
        coverage = len(members) / len(failures)
        precedence = sum(start >= began for start in first.values()) / len(first)
        found.append((coverage * precedence, -_RANK[kind], kind, name))
    score, _, kind, name = max(found)
    return Root(kind, name, score)


_RANK = {kind: place for place, kind in enumerate((*SHARED, "tool", "model"))}


def _same(
    known: Iterable[Known],
    failures: Sequence[Failure],
    sources: frozenset[Source],
    thresholds: Thresholds,
) -> Known | None:
    """Return the known incident that this one goes on with: of one time, something in common."""
    apart = thresholds.window_s * _S
    first, last = failures[0].start_ns, max(one.end_ns for one in failures)
    for one in known:
        is_near = one.first_ns - apart <= last and first <= one.last_ns + apart
        if is_near and one.sources & sources:
            return one
    return None


def _subject(root: Root, hit: Sequence[Failure], agents: Mapping[str, int]) -> Subject:
    return Subject(
        agent_name=next(iter(agents)) if len(agents) == 1 else "",
        model=root.name if root.kind == "model" else "",
        tool_name=root.name if root.kind == "tool" else "",
        trace_id=hit[0].trace_id if len({one.trace_id for one in hit}) == 1 else "",
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _explanation(root: Root, hit: Sequence[Failure], spent: str) -> str:
    tools = len({one.source for one in hit})
    said = Counter(one.fingerprint[0] for one in hit).most_common(1)[0][0]
    where = (
        f"It failed before {_many(tools - 1, 'other tool or model')} did."
        if tools > 1 and root.kind in ("tool", "model")
        else f"{_many(tools, 'tool or model')} failed."
    ).replace("tool or models", "tools or models")
    most = f" Most often: {said}." if said else ""
    return (
        f"{_many(len(hit), 'error')} began at {root.label}, far more than usual. {where}{most} "
        f"After their first error the agents spent {spent} until a failed tool worked again. "
        "Limit retries, and stop agents early while what they depend on is down."
    )
