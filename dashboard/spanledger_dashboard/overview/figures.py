"""The figures of the overview: what today and the month cost, and whether anything is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links
from spanledger_dashboard.latency import Latency, Percentiles
from spanledger_dashboard.overview.cards import CARDS, change_of, is_no_change
from spanledger_dashboard.overview.day_spend import DaySpend
from spanledger_dashboard.overview.tasks import ACTIVE_S, Active, Tasks
from spanledger_dashboard.usage import Usage

_PER_ROW = 6
_OUTCOME_HINT = (
    "Set the attribute spanledger.task.outcome on the root span to completed, failed, escalated "
    "or abandoned, and this says what a completed task costs."
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One card.

    Attributes:
        change: against an earlier time; None: no such figure.
        note: stands beside the change, or alone.
        good: whether more is better ("normal"), worse ("inverse") or neither ("off").
        page: file of the page that tells more; ``page_name``: what it is called.
    """

    label: str
    text: str
    note: str
    help: str
    page: str
    page_name: str
    change: str | None = None
    good: Literal["normal", "inverse", "off"] = "off"


def show_figures(figures: Sequence[Figure]) -> None:
    """Show the cards; each is a link."""
    query = links.scope_query()
    with st.grid(_PER_ROW, min_column_width=165, gap="small"):
        for figure in figures:
            is_flat = is_no_change(figure.change)
            slug = figure.label.lower().replace(" ", "-")
            with st.container(key=f"card-{slug}", gap=None, height="stretch"):
                st.metric(
                    figure.label,
                    figure.text,
                    figure.change,
                    delta_color="off" if is_flat else figure.good,
                    delta_arrow="off" if is_flat else "auto",
                    delta_description=figure.note,
                    border=True,
                    height="stretch",
                    help=figure.help,
                )
                st.page_link(
                    figure.page, label=f"{figure.label}: {figure.page_name}", query_params=query
                )


def money_figures(day: DaySpend, usage: Usage, tasks: Tasks, period: str) -> list[Figure]:
    """Return the cards about money: today, the month, the range, a completed task."""
    return [
        _today(day),
        _month(day),
        _used("Spend", usage, period, "app_pages/agents.py", "agents"),
        _per_task(tasks),
        _used("Tokens", usage, period, "app_pages/models.py", "models"),
        _used("Cache hit rate", usage, period, "app_pages/models.py", "models"),
    ]


def health_figures(
    usage: Usage, latency: Latency, active: Active, tasks: Tasks, period: str
) -> list[Figure]:
    """Return the cards about health: calls, errors, how fast, who is at work."""
    return [
        _used("LLM calls", usage, period, "app_pages/agents.py", "agents"),
        _used("Error rate", usage, period, "app_pages/agents.py", "agents"),
        _speed("Latency p95", latency.duration, latency.calls, "Duration of calls"),
        _speed("TTFT p95", latency.ttft, latency.streamed_calls, "Time to the first token"),
        _active(active),
        Figure(
            "Traces",
            fmt.count(tasks.traces) if tasks.traces < 100_000 else fmt.short_count(tasks.traces),
            f"{fmt.percent(tasks.failed_traces, tasks.traces)} with errors"
            if tasks.traces
            else "none began",
            f"{fmt.count(tasks.failed_traces)} of {fmt.count(tasks.traces)} traces that began in "
            "this time range have a failed span.",
            "app_pages/traces.py",
            "all traces",
        ),
    ]


def _today(day: DaySpend) -> Figure:
    change = fmt.change(day.today_usd, day.yesterday_usd)
    return Figure(
        "Today",
        fmt.usd(day.today_usd),
        "vs yesterday" if change else "no spend yesterday",
        "Since midnight on your clock. Until this time of day it was "
        f"{fmt.usd(day.yesterday_usd)} yesterday, and {fmt.usd(day.last_week_usd)} on the same "
        "weekday last week: the chart below shows all three.",
        "app_pages/agents.py",
        "agents",
        change=change,
        good="inverse",
    )


def _month(day: DaySpend) -> Figure:
    ahead = day.month_end.forecast
    if ahead.low is None or ahead.mid is None or ahead.high is None:
        note, how = "estimate after three days", "An estimate takes three days of history."
    else:
        note = f"≈ {fmt.usd(ahead.mid)} by month end"
        how = (
            "Estimate for the whole month from days of the last six weeks, the same as on "
            f"Anomalies: eight futures in ten end between {fmt.usd(ahead.low)} and "
            f"{fmt.usd(ahead.high)}."
        )
    return Figure(
        "Month to date",
        fmt.usd(day.month_usd),
        note,
        f"Since the first of the month on your clock. {how}",
        "app_pages/models.py",
        "models",
    )


def _per_task(tasks: Tasks) -> Figure:
    per_task = tasks.usd_per_completed
    if not tasks.ended_tasks:
        note, how = "no outcome reported", _OUTCOME_HINT
    else:
        note = (
            f"{fmt.percent(tasks.completed_tasks, tasks.ended_tasks)} of "
            f"{fmt.short_count(tasks.ended_tasks)} completed"
        )
        how = (
            f"{fmt.usd(tasks.ended_cost_usd)} for {fmt.count(tasks.ended_tasks)} tasks that ended, "
            f"failed ones included, over the {fmt.count(tasks.completed_tasks)} completed. "
            f"{fmt.count(tasks.tasks - tasks.ended_tasks)} tasks without an outcome are left out."
        )
    return Figure(
        "Per completed task",
        fmt.usd(per_task),
        note,
        how,
        "app_pages/unit_economics.py",
        "unit economics",
    )


def _used(label: str, usage: Usage, period: str, page: str, page_name: str) -> Figure:
    card = next(card for card in CARDS if card.label == label)
    change = change_of(card, usage)
    return Figure(
        label,
        card.text(usage.totals),
        period if change else "nothing earlier to compare",
        f"{card.help(usage.totals)} The change compares bars of the charts that are over.",
        page,
        page_name,
        change=change,
        good=card.good,
    )


def _speed(label: str, found: Percentiles, calls: int, what: str) -> Figure:
    note = (
        f"p50 {fmt.duration(found.p50_ns)}, p99 {fmt.duration(found.p99_ns)}"
        if calls
        else "no call tells it"
    )
    return Figure(
        label,
        fmt.duration(found.p95_ns),
        note,
        f"{what}: 95 of 100 stay below this. Told by {fmt.calls(calls)}.",
        "app_pages/models.py",
        "models",
    )


def _active(active: Active) -> Figure:
    minutes = ACTIVE_S // 60
    traces = f"{fmt.count(active.traces)} trace{'' if active.traces == 1 else 's'}"
    return Figure(
        "Active sessions",
        fmt.count(active.sessions) if active.sessions or not active.traces else fmt.UNKNOWN,
        f"{traces} in {minutes} min",
        f"Sessions with a span that ended in the last {minutes} minutes, whatever the time range. "
        "Spans tell theirs as session.id or gen_ai.conversation.id.",
        "app_pages/sessions.py",
        "sessions",
    )
