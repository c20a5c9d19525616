"""Data quality: what keeps the numbers from being complete, and what to do about it."""

from __future__ import annotations

import streamlit as st

from spanledger_analytics.data_quality import Coverage, Period, Report, report
from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope
from spanledger_dashboard.connection import store
from spanledger_dashboard.empty_state import show_no_data, show_nothing_in_range
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import show_freshness
from spanledger_dashboard.quality.findings import show_finding
from spanledger_dashboard.scope import Scope


def _body() -> None:
    with explained():
        where = scope.current()
        now_s = scope.now_s()
        newest = show_freshness(where.project, now_s)
        found = _report(where.project, _period(where, now_s))
        if found.coverage.calls or found.findings:
            _show(found)
        elif newest is None:
            show_no_data(where.project)
        else:
            show_nothing_in_range()


def _period(where: Scope, now_s: int) -> Period:
    window = where.time_range.window(now_s)
    return Period(window.start_s, window.end_s)


@st.cache_data(ttl=120, max_entries=50, show_spinner="Looking through the calls …")
def _report(project: str, period: Period) -> Report:
    return report(store(), project, period)


def _show(found: Report) -> None:
    _show_cards(found.coverage)
    for finding in found.findings:
        show_finding(finding)
    if not found.findings:
        calls = fmt.calls(found.coverage.calls)
        st.success(f"Nothing found; {calls}, all with usage and price.", icon=":material/check:")


def _show_cards(coverage: Coverage) -> None:
    c = coverage
    tokens = c.input_tokens + c.output_tokens
    is_unknown = not tokens and c.calls_with_usage < c.answered_calls
    cards = (
        ("Calls", fmt.count(c.calls), f"{fmt.count(c.answered_calls)} of them were answered."),
        (
            "With usage",
            fmt.percent(c.calls_with_usage, c.answered_calls),
            f"{fmt.count(c.calls_with_usage)} of {fmt.count(c.answered_calls)} answered calls "
            "came with token counts.",
        ),
        (
            "Priced",
            fmt.percent(c.priced_calls, c.calls_with_usage),
            f"{fmt.count(c.priced_calls)} of {fmt.calls(c.calls_with_usage)} with token "
            "counts have a price, or ran on an own inference server.",
        ),
        (
            "Tokens",
            fmt.short_count(None if is_unknown else tokens),
            f"{fmt.count(c.input_tokens)} in, {fmt.count(c.output_tokens)} out.",
        ),
        (
            "Spend on calls",
            fmt.usd(c.spend_usd),
            "Of the calls that are priced. Tools, GPUs and infrastructure are not in it.",
        ),
        ("Not in the spend", fmt.usd(c.at_risk_usd), _at_risk_help(c)),
    )
    with st.grid(len(cards), min_column_width=150, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation)


def _at_risk_help(coverage: Coverage) -> str:
    text = "Estimate of what calls without usage or price have cost."
    if coverage.calls_not_estimated:
        text += f" Not in it, as nothing is known: {fmt.calls(coverage.calls_not_estimated)}."
    return text


_body()
