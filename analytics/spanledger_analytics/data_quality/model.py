"""What the data-quality report says, as plain rows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters, the worst first.

    error: the sums lack something, or hold something nobody used. warning: they rest on a
    correction or on a guess of the instrumentation. info: handled; nothing is lost.
    """

    error = "error"
    warning = "warning"
    info = "info"

    @property
    def rank(self) -> int:
        """Place in the order of the members; 0 is the worst."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Period:
    """Unix seconds, half open."""

    from_s: int
    to_s: int


@dataclass(frozen=True, slots=True)
class Example:
    """A call to look at; ``span_id`` is empty when the trace as a whole is meant."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Group:
    """One kind of case behind a finding.

    Attributes:
        scopes: instrumentation scopes that reported it, as name@version.
        count: how many cases.
        usd: dollars at risk; None: unknown.
        detail: what exactly is the matter; empty when the title says all.
        fix: what to do about it, one sentence.
        reported_usd: what the instrumentation claims; computed_usd: what the ledger says.
        severity: where the groups of a finding differ in it.
    """

    service_name: str
    scopes: tuple[str, ...]
    count: int
    usd: Decimal | None
    fix: str
    examples: tuple[Example, ...]
    provider: str = ""
    model: str = ""
    agent_name: str = ""
    detail: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    reported_usd: Decimal | None = None
    computed_usd: Decimal | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: the check's name, a key of ``CHECKS``.
        count: how many cases; ``unit`` says of what.
        usd: dollars at risk, the sum of what is known; None: unknown.
        usd_label: what those dollars are, in a word or two behind the figure.
        usd_means: how they were found.
        fix: what to do, one sentence.
        groups: the worst first, then most dollars, then most cases.
    """

    check: str
    title: str
    severity: Severity
    count: int
    unit: str
    usd: Decimal | None
    usd_label: str
    usd_means: str
    fix: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How complete the sums of a period are.

    Attributes:
        calls: model calls and embeddings, each once.
        answered_calls: without those that failed and reported no tokens.
        calls_with_usage: whose tokens are known.
        priced_calls: of those, whose cost is known, or that ran on an own inference server.
        spend_usd: sum of what is priced.
        at_risk_usd: estimate of what the sum lacks; None when calls lack and no estimate exists.
        calls_not_estimated: calls without a cost that the estimate leaves out.
    """

    calls: int
    answered_calls: int
    calls_with_usage: int
    priced_calls: int
    input_tokens: int
    output_tokens: int
    spend_usd: Decimal
    at_risk_usd: Decimal | None
    calls_not_estimated: int


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of a project in a period, the worst first."""

    project: str
    period: Period
    coverage: Coverage
    findings: tuple[Finding, ...]
