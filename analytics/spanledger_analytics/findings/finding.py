"""What a detector says: one finding, its price and the spans that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Literal, NamedTuple

Severity = Literal["info", "warning", "critical"]
Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]

MOST_EVIDENCE = 1_000
"""Spans kept of one finding."""


class SpanRef(NamedTuple):
    """A span, by its ids in hex."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom and what a finding is about; empty: does not apply, or not known."""

    trace_id: str = ""
    session_id: str = ""
    user_id: str = ""
    agent_name: str = ""
    agent_version: str = ""
    model: str = ""
    tool_name: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that wastes money or is not as it was.

    Attributes:
        kind: what it is: ``loop``, ``silent_failure``, ``error_cascade``, ``context_bloat``,
            ``latency_growth``, ``amplification``, ``cost_anomaly``, ``drift``, ``regression``.
        code: which rule found it, such as ``cycle``.
        anchor: what stays the same when it grows and is found again: ids of a lane and its first
            span, a series and the start of its bucket.
        severity: how much it matters; only ``warning`` and ``critical`` ask for somebody.
        title: one line, with figures.
        explanation: what happened, why it is said, what to do about it.
        first_seen_ns: UTC nanoseconds of the first span, or start of the first bucket.
        last_seen_ns: end of the last.
        subject: whom and what it is about.
        evidence: spans that show it, in order; what was wasted first of all.
        direct_usd: what the wasted spans cost, each span once; None: unknown.
        carried_usd: estimate of what later calls paid for carrying them along.
        avoidable_usd: what stopping at the first warning would have saved.
        wasted_ns: time that the wasted spans took, overlaps once.
        is_open: whether it was still going on.
        is_sure: False where little history or an estimate says so.
        details: figures of the kind, for pages and alerts.
    """

    kind: str
    code: str
    anchor: tuple[str, ...]
    severity: Severity
    title: str
    explanation: str
    first_seen_ns: int
    last_seen_ns: int
    subject: Subject = Subject()
    evidence: tuple[SpanRef, ...] = ()
    direct_usd: Decimal | None = None
    carried_usd: Decimal | None = None
    avoidable_usd: Decimal | None = None
    wasted_ns: int = 0
    is_open: bool = False
    is_sure: bool = True
    details: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @property
    def finding_id(self) -> str:
        """32 hex digits of kind, code and anchor: the same whenever it is found again."""
        return finding_id(self.kind, self.code, *self.anchor)

    @property
    def pattern(self) -> str:
        """What findings of one cause share, readable: a false alarm mutes it."""
        subject = self.subject
        parts = (self.kind, self.code, subject.agent_name, subject.tool_name)
        return " / ".join(part for part in parts if part)


def finding_id(kind: str, code: str, *anchor: str) -> str:
    """Return the id of the finding of an anchor: 32 hex digits."""
    told = "".join(f"{len(part)}:{part}" for part in (kind, code, *anchor))
    return blake2b(told.encode(), digest_size=16).hexdigest()
