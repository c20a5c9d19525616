"""``spanledger data-quality``: what keeps the numbers from being complete."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, Data, Output, StoreUrl
from spanledger_server.output import Format

if TYPE_CHECKING:
    from spanledger_analytics.data_quality import Coverage, Finding, Group, Report

_GROUPS = 10
_COLUMNS = (
    "check",
    "severity",
    "service_name",
    "scopes",
    "provider",
    "model",
    "agent_name",
    "count",
    "unit",
    "usd",
    "detail",
    "fix",
    "input_tokens",
    "output_tokens",
    "reported_usd",
    "computed_usd",
    "trace_id",
    "span_id",
)
_SHOWN = ("count", "usd", "service_name", "scopes", "model", "detail", "trace_id")


def data_quality(
    project: Annotated[str, typer.Option(help="The project.")] = "default",
    start: Annotated[
        str, typer.Option("--from", help="Date or RFC 3339 time; default: a day before the end.")
    ] = "",
    end: Annotated[
        str, typer.Option("--to", help="Date or RFC 3339 time, not included; default: now.")
    ] = "",
    output: Output = Format.table,
    fail_on: Annotated[
        str,
        typer.Option(
            help="Exit with 1 when a finding is at least this severe: error, warning, info."
        ),
    ] = "",
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
) -> None:
    """Say which calls lack usage or a price, who reports them wrongly, and how to mend it."""
    from spanledger_analytics.data_quality import Severity, report
    from spanledger_server.errors import UsageError
    from spanledger_server.periods import parse_period
    from spanledger_server.prices.session import open_store

    if fail_on and fail_on not in list(Severity):
        raise UsageError(f"--fail-on must be {', '.join(Severity)}, not {fail_on!r}.")
    period = parse_period(start, end, int(time.time()))
    with open_store(data, store_url) as store:
        found = report(store, project, period)
    _print(found, output)
    worst = min((finding.severity.rank for finding in found.findings), default=None)
    if fail_on and worst is not None and worst <= Severity(fail_on).rank:
        raise typer.Exit(1)


def _print(report: Report, output: Format) -> None:
    if output is Format.json:
        from spanledger_server.api.models import Report as Answer

        print(Answer.of(report).model_dump_json(indent=2, by_alias=True))
    elif output is Format.csv:
        from spanledger_server.rows import print_rows

        rows = [_row(finding, g) for finding in report.findings for g in finding.groups]
        print_rows(_COLUMNS, rows, output)
    else:
        print("\n".join(_lines(report)))


def _lines(report: Report) -> list[str]:
    from spanledger_server.periods import rfc3339

    period = report.period
    head = f"{report.project}, {rfc3339(period.from_s)} to {rfc3339(period.to_s)}"
    lines = [head, *_coverage_lines(report.coverage)]
    for finding in report.findings:
        lines += ["", *_finding_lines(finding)]
    if not report.findings:
        lines.append(_clean_sentence(report.coverage))
    return lines


def _clean_sentence(coverage: Coverage) -> str:
    """Return what to say when nothing was found."""
    if not coverage.calls:
        return "Nothing found; there are no calls in this period."
    calls = "1 call" if coverage.calls == 1 else f"{coverage.calls:,} calls"
    return f"Nothing found; {calls}, all with usage and price."


def _coverage_lines(coverage: Coverage) -> list[str]:
    c = coverage
    at_risk = "unknown" if c.at_risk_usd is None else f"${c.at_risk_usd:,f}"
    return [
        f"  calls       {c.calls:,} ({c.answered_calls:,} answered)",
        f"  with usage  {c.calls_with_usage:,}",
        f"  priced      {c.priced_calls:,}",
        f"  tokens      {c.input_tokens:,} in, {c.output_tokens:,} out",
        f"  spend       ${c.spend_usd:,f}",
        f"  not in it   {at_risk} (estimate; {c.calls_not_estimated:,} calls without one)",
    ]


def _finding_lines(finding: Finding) -> list[str]:
    from spanledger_server.rows import table_text

    unit = finding.unit if finding.count == 1 else f"{finding.unit}s"
    usd = "" if finding.usd is None else f", ${finding.usd:,f} {finding.usd_label}"
    rows = [_row(finding, group) for group in finding.groups[:_GROUPS]]
    lines = [
        f"{finding.severity.upper()}  {finding.title}: {finding.count:,} {unit}{usd}",
        f"  {finding.usd_means}",
        *(f"  {line}" for line in table_text(_SHOWN, rows).splitlines()),
        *(f"  - {fix}" for fix in dict.fromkeys(g.fix for g in finding.groups[:_GROUPS])),
    ]
    if len(finding.groups) > _GROUPS:
        lines.append(f"  {len(finding.groups) - _GROUPS:,} more groups: --format csv has them all.")
    return lines


def _row(finding: Finding, group: Group) -> dict[str, object]:
    example = group.examples[0] if group.examples else None
    return {
        "check": finding.check,
        "severity": str(group.severity or finding.severity),
        "service_name": group.service_name,
        "scopes": ", ".join(group.scopes),
        "provider": group.provider,
        "model": group.model,
        "agent_name": group.agent_name,
        "count": group.count,
        "unit": finding.unit,
        "usd": group.usd,
        "detail": group.detail,
        "fix": group.fix,
        "input_tokens": group.input_tokens,
        "output_tokens": group.output_tokens,
        "reported_usd": group.reported_usd,
        "computed_usd": group.computed_usd,
        "trace_id": example.trace_id if example else "",
        "span_id": example.span_id if example else "",
    }
