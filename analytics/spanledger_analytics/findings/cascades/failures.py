"""Errors of calls, each counted where it arose: not again in everything above it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import NamedTuple

from spanledger_analytics.findings.cascades.rates import Source
from spanledger_analytics.findings.finding import SpanRef

SHARED = ("mcp", "server", "provider", "region")
"""What failures may share downstream, from the most to the least telling."""
_CHANGING = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|0x[0-9a-f]+|[0-9a-f]{12,}|\d+(?:\.\d+)?"
    r"|\"[^\"]*\"|'[^']*'|/\S+",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z_][\w.:-]{0,63}", re.ASCII)
_LONGEST = 120
_TRACE_ID = 32
_LONGEST_CHAIN = 8


class Failure(NamedTuple):
    """A call of a tool or model that failed; field names are the columns of ``cascade_errors``."""

    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    kind: str
    name: str
    agent: str
    call_id: str = ""
    error_type: str = ""
    message: str = ""
    mcp: str = ""
    server: str = ""
    provider: str = ""
    region: str = ""

    @property
    def ref(self) -> SpanRef:
        """Its span."""
        return SpanRef(self.trace_id, self.span_id)

    @property
    def source(self) -> Source:
        """What failed."""
        return Source(self.kind, self.name)

    @property
    def fingerprint(self) -> tuple[str, str]:
        """What the error is called, and a hash of its type and message without what differs.

        A message is not quoted, unless it is one word: findings may outlive it.
        """
        said = normalised(self.message)
        digest = blake2b(f"{self.error_type}\0{said}".encode(), digest_size=4).hexdigest()
        return self.error_type or (said if _WORD.fullmatch(said) else ""), digest


class SpanRow(NamedTuple):
    """A span of a trace with failures; field names are the columns of ``cascade_spans``."""

    trace_id: str
    span_id: str
    parent_span_id: str
    agent: str
    name: str
    start_ns: int
    worked: int
    linked: str = ""


class Paid(NamedTuple):
    """An entry of the ledger; field names are the columns of ``cascade_costs``."""

    trace_id: str
    span_id: str
    agent: str
    start_ns: int
    cost_usd: Decimal | None


def normalised(message: str) -> str:
    """Return an error's message with a star for numbers, ids, quotes and paths, on one line."""
    return " ".join(_CHANGING.sub("*", message).split())[:_LONGEST]


def leaves(failures: Iterable[Failure], spans: Mapping[SpanRef, SpanRow]) -> list[Failure]:
    """Return the failures below which nothing failed, each call once, by start.

    An error that its caller passes on, or wraps, is one error; an instrumentation that told of a
    call again, with its id, tells nothing new.
    """
    found = sorted(failures, key=lambda one: (one.start_ns, one.ref))
    failed = {one.ref: one for one in found}
    passed_on: set[SpanRef] = set()
    for one in found:
        for above in ancestors(one.ref, spans):
            if above in failed:
                passed_on.add(above)
    kept: dict[tuple[str, str], Failure] = {}
    for one in found:
        if one.ref not in passed_on:
            kept.setdefault((one.trace_id, one.call_id or one.span_id), one)
    return list(kept.values())


def after_causes(failures: Sequence[Failure], spans: Mapping[SpanRef, SpanRow]) -> list[Failure]:
    """Return the failures, none of a trace before those of the traces that it links to.

    Clocks of different hosts disagree; a span link says what came first.
    """
    first: dict[str, int] = {}
    for one in failures:
        first[one.trace_id] = min(first.get(one.trace_id, one.start_ns), one.start_ns)
    causes: dict[str, set[str]] = {}
    for row in spans.values():
        led = {link[:_TRACE_ID] for link in row.linked.split()}
        causes.setdefault(row.trace_id, set()).update(led & first.keys() - {row.trace_id})

    floor = dict(first)
    for _ in range(_LONGEST_CHAIN):  # of traces; links in a circle say nothing, and end here
        floor = {
            trace: max([began, *(floor[cause] + 1 for cause in causes.get(trace, ()))])
            for trace, began in floor.items()
        }
    return [one._replace(start_ns=max(one.start_ns, floor[one.trace_id])) for one in failures]


def ancestors(ref: SpanRef, spans: Mapping[SpanRef, SpanRow]) -> list[SpanRef]:
    """Return the spans above one, the nearest first, as far as they are known."""
    found: list[SpanRef] = []
    seen = {ref}
    row = spans.get(ref)
    while row is not None and row.parent_span_id:
        above = SpanRef(row.trace_id, row.parent_span_id)
        if above in seen:  # parents that form a circle
            break
        seen.add(above)
        found.append(above)
        row = spans.get(above)
    return found


def agent_of(ref: SpanRef, spans: Mapping[SpanRef, SpanRow], otherwise: str) -> str:
    """Return whose call a span is: the nearest agent named at or above it."""
    for one in (ref, *ancestors(ref, spans)):
        row = spans.get(one)
        if row is not None and row.agent:
            return row.agent
    return otherwise


def burnt_usd(
    failures: Sequence[Failure], spans: Mapping[SpanRef, SpanRow], paid: Iterable[Paid]
) -> tuple[Decimal | None, list[SpanRef]]:
    """Return what agents spent after their first error, and the calls, each once.

    An agent's calls in a trace count from its first error until a tool that had failed works
    again. None: of none of these calls is a price known; no such calls cost nothing.
    """
    outer = {one.trace_id: one.agent for one in failures}
    first: dict[tuple[str, str], int] = {}
    last: dict[tuple[str, str], int] = {}
    tools: dict[tuple[str, str], set[str]] = {}
    for one in failures:
        lane = one.trace_id, agent_of(one.ref, spans, one.agent)
        first[lane] = min(first.get(lane, one.start_ns), one.start_ns)
        last[lane] = max(last.get(lane, one.start_ns), one.start_ns)
        tools.setdefault(lane, set()).add(one.name)
    recovered: dict[tuple[str, str], int] = {}
    for row in spans.values():
        if row.worked:
            ref = SpanRef(row.trace_id, row.span_id)
            lane = row.trace_id, agent_of(ref, spans, outer.get(row.trace_id, ""))
            if lane in last and row.name in tools[lane] and row.start_ns > last[lane]:
                recovered[lane] = min(recovered.get(lane, row.start_ns), row.start_ns)
    costs: dict[SpanRef, Decimal | None] = {}
    for entry in paid:
        ref = SpanRef(entry.trace_id, entry.span_id)
        named = entry.agent or outer.get(entry.trace_id, "")
        lane = entry.trace_id, agent_of(ref, spans, named)
        is_after = lane in first and entry.start_ns > first[lane]
        if is_after and entry.start_ns < recovered.get(lane, entry.start_ns + 1):
            costs[ref] = entry.cost_usd
    known = [cost for cost in costs.values() if cost is not None]
    total = sum(known, Decimal(0)) if known or not costs else None
    return total, list(costs)
