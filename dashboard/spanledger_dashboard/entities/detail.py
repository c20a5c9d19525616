"""What the detail pages of agents, models and users have in common."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types
import streamlit as st

from spanledger_dashboard import charts, line_charts
from spanledger_dashboard import format as fmt
from spanledger_dashboard.connection import store
from spanledger_dashboard.entities.kinds import (
    AGENTS,
    ERRORS,
    MODELS,
    SERVICES,
    SESSIONS,
    TOOLS,
    USERS,
    VERSIONS,
    Entity,
)
from spanledger_dashboard.entities.listing import read_list, show_rows, show_rows_download
from spanledger_dashboard.entities.page import Detail
from spanledger_dashboard.latency import Latencies, Latency, load_latencies
from spanledger_dashboard.overview.cards import show_cards
from spanledger_dashboard.overview.gaps import show_gaps
from spanledger_dashboard.quick_figures import QuickFigure
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.time_range import Window
from spanledger_dashboard.usage import (
    Only,
    Usage,
    buckets,
    by_agent,
    by_model,
    load_usage,
)

_CHART_CONFIG = {"displayModeBar": False}
# What each kind is broken down by, the most telling first.
_PARTS: Mapping[str, tuple[Entity, ...]] = {
    "agent": (MODELS, VERSIONS, USERS, TOOLS, SESSIONS, SERVICES, ERRORS),
    "model": (AGENTS, USERS, SERVICES, ERRORS),
    "user": (AGENTS, MODELS, SESSIONS, ERRORS),
}


def show_usage(detail: Detail) -> bool:
    """Show cards and charts of what it used; False: nothing in this time range."""
    usage = read_usage(detail.where, detail.window.current_s, detail.only)
    if not usage.rows:
        st.info(
            f"No calls of this {detail.entity.key} in this time range. Choose a longer one above.",
            icon=":material/schedule:",
        )
        return False
    axis = axis_of(detail.where, usage.window)
    show_cards(usage, axis, f"vs {detail.where.time_range.label} before")
    latencies = read_latencies(detail.where, usage.window, detail.only)
    st.caption(latency_line(latencies.total))
    show_gaps(usage)
    is_agent = detail.entity.key == "agent"
    key, of = (by_model, "model") if is_agent else (by_agent, "agent")
    show_figures(
        {
            f"Spend by {of}": charts.spend_by(usage.rows, axis, key),
            "Latency": line_charts.latency_lines(latencies.by_bucket, axis),
            "Calls and errors": charts.calls_and_errors(usage.rows, axis),
            "Tokens by class": charts.tokens_by_class(usage.rows, axis),
        }
    )
    return True


def show_parts(detail: Detail) -> None:
    """Show what it is made of: one list at a time, chosen by the reader and kept in the address."""
    value = detail.entity.value_of(detail.name)
    # Tools are found through the traces of an agent, which needs a name for that.
    of_it = [part for part in _PARTS[detail.entity.key] if value or part is not TOOLS]
    parts = {part.title: part for part in of_it}
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        chosen = st.segmented_control(
            "Broken down by",
            list(parts),
            default=next(iter(parts)),
            required=True,
            key=f"{detail.entity.key}_by",
            bind="query-params",
            label_visibility="collapsed",
        )
        part = parts.get(str(chosen), next(iter(parts.values())))
        wanted = detail.slice(detail.only)
        if part is TOOLS:
            wanted = detail.slice(agent=value)
        show_rows_download(part, wanted)
    listed = read_list(part, wanted, detail.where)
    if listed.found.rows:
        show_rows(part, listed, key=f"part-{part.title}")
    else:
        st.caption(f"No {part.plural} in this time range.")
    if part is SESSIONS:
        st.caption("Of traces that began in this time range, with all they cost.")
    elif part is TOOLS:
        st.caption("Run in traces this agent took part in.")


def show_figures(figures: Mapping[str, go.Figure]) -> None:
    """Show figures in two columns, each with its title."""
    titles = list(figures)
    for pair in (titles[n : n + 2] for n in range(0, len(titles), 2)):
        for column, title in zip(st.columns(2), pair, strict=False):
            with column:
                show_figure(title, figures[title])


def show_figure(title: str, figure: go.Figure) -> None:
    """Show one figure with its title, which is unique on a page."""
    is_quick = isinstance(figure, QuickFigure)
    with st.container(border=True, key=f"figure-{title}" if is_quick else None):
        st.markdown(f"**{title}**")
        draw_figure(title, figure)


@contextmanager
def figure_card(title: str, choices: Iterable[str], key: str) -> Generator[str]:
    """Give room for one of several quick figures, and which of them the reader chose.

    Args:
        title: of them all, unique on the page.
        choices: their names, the first one chosen at first.
        key: under which the address keeps the choice.
    """
    first, *others = choices
    with st.container(border=True, key=f"figure-{title}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{title}**", width="stretch")
            chosen = st.segmented_control(
                title,
                [first, *others],
                default=first,
                required=True,
                key=key,
                bind="query-params",
                label_visibility="collapsed",
            )
        yield chosen or first


def draw_figure(title: str, figure: go.Figure) -> None:
    """Show one figure where the title stands already."""
    theme: Literal["streamlit"] | None = None if isinstance(figure, QuickFigure) else "streamlit"
    st.plotly_chart(figure, key=title, config=_CHART_CONFIG, alt=title, theme=theme)


def latency_line(latency: Latency) -> str:
    """Return the percentiles of calls on one line, as markdown."""
    if not latency.calls:
        return "Latency: no call tells its own duration."
    duration, ttft = latency.duration, latency.ttft
    parts = [
        f"Latency p50 **{fmt.duration(duration.p50_ns)}** · p95 **{fmt.duration(duration.p95_ns)}**"
        f" · p99 **{fmt.duration(duration.p99_ns)}**"
    ]
    if latency.streamed_calls:
        parts.append(
            f"first token p50 **{fmt.duration(ttft.p50_ns)}** · p95 **{fmt.duration(ttft.p95_ns)}**"
            f" · p99 **{fmt.duration(ttft.p99_ns)}**"
        )
    if latency.tokens_per_s is not None:
        parts.append(f"**{latency.tokens_per_s:,.0f}** output tokens per second")
    return "  |  ".join(parts)


def axis_of(where: Scope, window: Window) -> charts.Axis:
    """Return the time axis of a window, on the reader's clock."""
    bucket_s = where.time_range.bucket_s
    starts: Sequence[int] = buckets(window, bucket_s)
    clock = where.clock(window.start_s, window.end_s)
    return charts.Axis(starts, [where.local(s) for s in starts], bucket_s, clock)


@st.cache_resource(ttl=60, max_entries=100, show_spinner="Adding up …")
def read_usage(where: Scope, now_s: int, only: Only | None) -> Usage:
    """Return the usage of a part of a project, kept for a minute.

    Raises:
        StoreError: the store does not answer.
    """
    return load_usage(store(), where.project, where.time_range, now_s, only)


@st.cache_resource(ttl=60, max_entries=100, show_spinner=False)
def read_latencies(where: Scope, window: Window, only: Only | None) -> Latencies:
    """Return how long calls took, kept for a minute.

    Raises:
        StoreError: the store does not answer.
    """
    return load_latencies(store(), where.project, window, where.time_range.bucket_s, only)
