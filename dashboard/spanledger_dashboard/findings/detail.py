"""One finding: why it is said, what it cost, the spans that show it, what people said of it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Literal

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope, tables, times
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.connection import findings, store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.findings.actions import show_actions
from spanledger_dashboard.findings.data import Evidence, Found, Row, load_evidence
from spanledger_dashboard.findings.figures import listings, scalars
from spanledger_dashboard.findings.said import STATE_NAMES
from spanledger_dashboard.findings.table import show_cards, state_text
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain, shortened
from spanledger_storage.finding_state import LogRow

MOST_SPANS = 200
_TITLE_LIMIT = 140
_NAME_LIMIT = 40
_OF_ANOMALIES = frozenset(
    {"dimension", "name", "expected_usd", "actual_usd", "excess_usd", "deviation", "cause", "unit"}
)
_COLORS: dict[str, Literal["red", "orange", "blue"]] = {
    "critical": "red",
    "warning": "orange",
    "info": "blue",
}
_DOES = {**STATE_NAMES, "open": "Reopened", "mute": "Pattern muted", "unmute": "Pattern unmuted"}


def show_detail(where: Scope, one: Found, evidence: Evidence) -> None:
    """Show one finding of the project."""
    _show_head(one, where)
    show_actions(where.project, one)
    show_cards(_cards(one))
    with st.container(border=True, key="finding-why"):
        st.markdown(plain(one.explanation) or "_No explanation is stored._")
        _show_ways(one, evidence)
    shown = _figures_of(one)
    figures = scalars(shown)
    left, right = st.columns([2, 3])
    with left:
        _show_figures(figures)
        _show_history(where, one)
    with right:
        _show_evidence(where, one, evidence)
        for title, frame in listings(shown).items():
            st.markdown(f"**{plain(title)}**")
            st.dataframe(frame, hide_index=True, key=f"finding-{title}", alt=title)


def _figures_of(one: Found) -> dict[str, object]:
    """Return the figures to list; what the Anomalies page draws is left to it."""
    if one.kind != "cost_anomaly":
        return one.figures
    return {name: value for name, value in one.figures.items() if name in _OF_ANOMALIES}


def _show_head(one: Found, where: Scope) -> None:
    st.subheader(plain(shortened(one.title, _TITLE_LIMIT)), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(one.severity.capitalize(), color=_COLORS.get(one.severity, "blue"))
        st.badge(plain(f"{one.kind_name}, {one.code.replace('_', ' ')}"), color="violet")
        st.badge(state_text(one), color="gray")
        if one.is_open:
            st.badge("going on", color="orange", icon=":material/hourglass_top:")
        if not one.is_sure:
            st.badge(
                "not sure", color="gray", icon=":material/help:",
                help="Little history, or an estimate, says so.",
            )  # fmt: skip
        first, last = where.local(one.first_ns / 1e9), where.local(one.last_ns / 1e9)
        st.caption(plain(f"{first:%b %-d, %H:%M:%S} – {last:%b %-d, %H:%M:%S}"),
                   help=times.utc_range(one.first_ns / 1e9, one.last_ns / 1e9))  # fmt: skip


def _cards(one: Found) -> list[tuple[str, str, str]]:
    direct = (
        ("Difference", "From what was expected, or from before.")
        if one.is_surprise
        else ("Wasted", "What the wasted spans cost, by the ledger, each once.")
    )
    return [
        ("Avoidable", fmt.usd(one.avoidable_usd),
         "What stopping at the first warning would have saved."),
        (direct[0], fmt.usd(one.direct_usd), direct[1]),
        ("Carried, estimate", fmt.usd(one.carried_usd),
         "What later calls paid for carrying them along in their prompts."),
        ("Time", fmt.duration(one.wasted_ns or None), "That the wasted spans took."),
        ("Spans", fmt.count(one.evidence_count), "That show it."),
    ]  # fmt: skip


def _show_ways(one: Found, evidence: Evidence) -> None:
    """Show ways to the trace with the spans lit, and to whom the finding is about."""
    with st.container(horizontal=True, gap="medium"):
        trace_id = one.trace_id or (evidence.traces[0] if evidence.traces else "")
        if trace_id:
            st.page_link(
                "app_pages/trace.py",
                label="Open in the trace",
                icon=":material/open_in_new:",
                query_params=trace_query(one, evidence, trace_id),
            )
        if one.kind == "cost_anomaly":
            st.page_link(
                "app_pages/anomalies.py",
                label="On the Anomalies page",
                icon=":material/query_stats:",
                query_params={**links.scope_query(), "anomaly": one.finding_id},
            )
        for entity, name in (
            ("agent", one.agent_name), ("model", one.model), ("tool", one.tool_name),
            ("session", one.session_id), ("user", one.user_id),
        ):  # fmt: skip
            if name:
                st.page_link(
                    links.PAGES[entity],
                    label=f"{entity.capitalize()} {plain(shortened(name, _NAME_LIMIT))}",
                    query_params=links.entity_query(entity, name),
                )


def trace_query(one: Found, evidence: Evidence, trace_id: str) -> dict[str, str]:
    """Return the query of the page of a trace on which the spans of a finding are lit."""
    query = {**links.trace_query(trace_id), "finding": one.finding_id}
    spans = evidence.in_trace(trace_id)
    return {**query, "span_id": spans[0]} if spans else query


def _show_figures(figures: Sequence[tuple[str, str]]) -> None:
    if not figures:
        return
    st.markdown("**Figures**")
    frame = pd.DataFrame(figures, columns=["Figure", "Value"])
    st.dataframe(frame, hide_index=True, key="finding-figures", alt="Figures of the finding")


def _show_history(where: Scope, one: Found) -> None:
    said = findings()
    rows = said.history(where.project, one.finding_id) if said else []
    st.markdown("**History**", help=scope.clock_text())
    found_at = where.local(one.detected_s)
    for row in rows:
        st.markdown(_line(row, where))
    st.markdown(f":gray[{plain(f'{found_at:%b %-d, %H:%M}')}] first found")


def _line(row: LogRow, where: Scope) -> str:
    at = where.local(row.at_ns / 1e9)
    note = f": {plain(row.note)}" if row.note and row.action != "mute" else ""
    return (
        f":gray[{plain(f'{at:%b %-d, %H:%M}')}] {_DOES.get(row.action, plain(row.action))} "
        f"by {plain(row.who)}{note}"
    )


@st.cache_data(ttl=60, max_entries=50, show_spinner="Reading the spans …")
def _spans(project: str, one: Found, shown: Evidence) -> list[Row]:
    return load_evidence(store(), project, one, shown)


def _show_evidence(where: Scope, one: Found, evidence: Evidence) -> None:
    if not evidence.spans:
        return
    shown = Evidence(evidence.traces[:MOST_SPANS], evidence.spans[:MOST_SPANS])
    rows = _spans(where.project, one, shown)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Spans that show it**", width="stretch")
        everything = partial(_table, where.project, one, evidence)
        show_downloads("finding-spans", everything, what="The spans kept, with their cost")
    frame = pd.DataFrame(
        {
            "Start": [where.local(int(str(row["start_ns"])) / 1e9) for row in rows],
            "Span": [str(row["name"]) for row in rows],
            "What": [str(row["tool_name"] or row["model"] or row["role"]) for row in rows],
            "Cost": [_float(row["cost_usd"]) for row in rows],
            "Time": [row["duration_ns"] for row in rows],
            "Status": [str(row["status"]) for row in rows],
        }
    )
    config: dict[str, ColumnConfig] = {
        "Start": scope.moments("MMM D, HH:mm:ss"),
        "Cost": st.column_config.Column(help="Of the span itself, by the ledger."),
    }
    picked = table(
        frame, {"Cost": tables.usd, "Time": tables.duration}, config, key="finding-spans",
        alt="Spans, in order of time; a click opens one in its trace", is_open=True,
    )  # fmt: skip
    if one.evidence_count > len(rows):
        st.caption(
            f"{fmt.count(len(rows))} of {fmt.count(one.evidence_count)} spans; the trace and the "
            "download have more."
        )
    if picked is not None:
        row = rows[picked]
        query = {**links.trace_query(str(row["trace_id"])), "finding": one.finding_id}
        st.switch_page("app_pages/trace.py", query_params={**query, "span_id": str(row["span_id"])})


def _table(project: str, one: Found, evidence: Evidence) -> pa.Table:
    rows = load_evidence(store(), project, one, evidence)
    return pa.Table.from_pylist([dict(row) for row in rows])


def _float(value: object) -> float | None:
    return None if value is None else float(Decimal(str(value)))
