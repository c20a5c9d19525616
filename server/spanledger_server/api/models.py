"""What the API answers. Dollars are decimal strings, exact; times are RFC 3339 in UTC."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from urllib.parse import urlencode

from pydantic import BaseModel, Field, PlainSerializer

from spanledger_analytics import data_quality
from spanledger_analytics.data_quality import Severity
from spanledger_server.periods import rfc3339

# Without an exponent: a zero of the store would else be written 0E-12.
Usd = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount:f}", return_type=str, when_used="json-unless-none"),
    Field(examples=["12.345000000000"]),
]


class Problem(BaseModel):
    """An error, as in RFC 9457 (media type application/problem+json)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="One sentence: what is wrong and what to do.")


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Period(BaseModel):
    """Half open: ``to`` is not part of it."""

    from_: str = Field(alias="from", examples=["2026-11-20T00:00:00Z"])
    to: str = Field(examples=["2026-11-21T00:00:00Z"])

    @classmethod
    def of(cls, period: data_quality.Period) -> Period:
        """Return it as answered."""
        return cls.model_validate({"from": rfc3339(period.from_s), "to": rfc3339(period.to_s)})


class Example(BaseModel):
    """A call or a trace to look at."""

    trace_id: str
    span_id: str = Field(description="Empty: the trace as a whole.")
    link: str = Field(description="Path in the dashboard.")

    @classmethod
    def of(cls, example: data_quality.Example) -> Example:
        """Return it as answered."""
        query = {"trace_id": example.trace_id, "span_id": example.span_id}
        link = "/trace?" + urlencode({name: value for name, value in query.items() if value})
        return cls(trace_id=example.trace_id, span_id=example.span_id, link=link)


class Group(BaseModel):
    """One kind of case behind a finding."""

    service_name: str
    scopes: list[str] = Field(description="Instrumentation scopes, each as name@version.")
    provider: str
    model: str
    agent_name: str
    count: int
    usd: Usd | None = Field(description="Dollars at risk; null: unknown.")
    detail: str
    fix: str
    input_tokens: int | None
    output_tokens: int | None
    reported_usd: Usd | None
    computed_usd: Usd | None
    severity: Severity | None = Field(description="Where it differs between groups.")
    examples: list[Example]

    @classmethod
    def of(cls, group: data_quality.Group) -> Group:
        """Return it as answered."""
        return cls(
            service_name=group.service_name,
            scopes=list(group.scopes),
            provider=group.provider,
            model=group.model,
            agent_name=group.agent_name,
            count=group.count,
            usd=group.usd,
            detail=group.detail,
            fix=group.fix,
            input_tokens=group.input_tokens,
            output_tokens=group.output_tokens,
            reported_usd=group.reported_usd,
            computed_usd=group.computed_usd,
            severity=group.severity,
            examples=[Example.of(example) for example in group.examples],
        )


class Finding(BaseModel):
    """What one check found."""

    check: str
    title: str
    severity: Severity
    count: int
    unit: str = Field(description="What is counted.")
    usd: Usd | None = Field(description="Dollars at risk, the sum of what is known.")
    usd_label: str
    usd_means: str
    fix: str
    groups_total: int
    groups: list[Group] = Field(description="The largest; all of them at /data-quality/{check}.")

    @classmethod
    def of(cls, finding: data_quality.Finding, max_groups: int | None = None) -> Finding:
        """Return it as answered, with at most so many groups."""
        return cls(
            check=finding.check,
            title=finding.title,
            severity=finding.severity,
            count=finding.count,
            unit=finding.unit,
            usd=finding.usd,
            usd_label=finding.usd_label,
            usd_means=finding.usd_means,
            fix=finding.fix,
            groups_total=len(finding.groups),
            groups=[Group.of(group) for group in finding.groups[:max_groups]],
        )


class Coverage(BaseModel, from_attributes=True):
    """How complete the sums of the period are."""

    calls: int
    answered_calls: int = Field(description="Without calls that failed and reported no tokens.")
    calls_with_usage: int
    priced_calls: int
    input_tokens: int
    output_tokens: int
    spend_usd: Usd
    at_risk_usd: Usd | None = Field(description="Estimate of what the spend lacks.")
    calls_not_estimated: int


class Report(BaseModel):
    """The data-quality report of a project's period, the worst finding first."""

    project: str
    period: Period
    coverage: Coverage
    findings: list[Finding]

    @classmethod
    def of(cls, report: data_quality.Report, max_groups: int | None = None) -> Report:
        """Return it as answered, with at most so many groups per finding."""
        return cls(
            project=report.project,
            period=Period.of(report.period),
            coverage=Coverage.model_validate(report.coverage),
            findings=[Finding.of(finding, max_groups) for finding in report.findings],
        )


class CheckReport(BaseModel):
    """What one check found, with all groups; null: nothing."""

    project: str
    period: Period
    check: str
    finding: Finding | None

    @classmethod
    def of(cls, report: data_quality.Report, check: str) -> CheckReport:
        """Return one check's part of a report."""
        found = next((f for f in report.findings if f.check == check), None)
        return cls(
            project=report.project,
            period=Period.of(report.period),
            check=check,
            finding=None if found is None else Finding.of(found),
        )
