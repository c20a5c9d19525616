"""One incident: what happened, how much, why, where to look, who was told."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import streamlit as st

from spanledger_alerts.text import figure, web_address
from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, navigation, scope, tables, times
from spanledger_dashboard.alerts.actions import show_actions
from spanledger_dashboard.alerts.incident_table import show_cards, state_text
from spanledger_dashboard.alerts.incidents import Shown
from spanledger_dashboard.alerts.lasting import lasting
from spanledger_dashboard.alerts.opened import OpenAlerts
from spanledger_dashboard.alerts.timeline import load_timeline, show_timeline, timeline_file
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import badge_text, plain, shortened

Row = dict[str, object]
_TITLE_LIMIT = 160
_NAME_LIMIT = 60
_MOST_OTHERS = 50
_WEEK_S = 7 * 86_400
_NS_PER_S = 10**9
_COLORS: dict[str, Literal["red", "orange", "blue"]] = {
    "critical": "red",
    "warning": "orange",
    "info": "blue",
}
_OPS = {">=": "from", ">": "above", "<=": "down to", "<": "below"}


def show_incident(
    opened: OpenAlerts, where: Scope, one: Shown, others: Sequence[Shown], now_s: int
) -> None:
    """Show everything about one incident; ``others``: what is open of its rule."""
    _show_head(one, where)
    show_actions(opened, where.project, one)
    show_cards(_cards(one, where, now_s))
    _show_why(one, where)
    left, right = st.columns([6, 5], gap="large")
    with left:
        _show_traces(one, where, now_s)
        _show_labels(one)
        _show_group(one, [o for o in others if o.group == one.group and o.key != one.key], where)
    with right:
        moments = load_timeline(opened, where.project, one)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Timeline**", width="stretch", help=scope.clock_text())
            read = partial(timeline_file, moments, one.key)
            show_downloads("incident-timeline", read, what="All that happened, times in UTC")
        with st.container(key="alert-timeline", gap="xsmall"):
            show_timeline(moments, where)
    _show_neighbours(one)


def _show_head(one: Shown, where: Scope) -> None:
    st.subheader(plain(shortened(one.words.title, _TITLE_LIMIT)), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(one.severity.capitalize(), color=_COLORS.get(one.severity, "blue"))
        state: Literal["red", "green", "gray"] = "green" if not one.is_open else "red"
        st.badge(state_text(one), color="gray" if one.state == "pending" else state)
        if one.acknowledged_by:
            st.badge(
                f"acknowledged by {badge_text(shortened(one.acknowledged_by, _NAME_LIMIT))}",
                color="blue", icon=":material/visibility:",
            )  # fmt: skip
        if one.words.owner:
            st.badge(f"owner {badge_text(one.words.owner)}", color="gray", icon=":material/person:")
        since = where.local(one.started_ns / _NS_PER_S)
        until = where.local(one.ended_ns / _NS_PER_S) if one.ended_ns else None
        said = f"{since:%b %-d, %H:%M:%S}" + (f" – {until:%b %-d, %H:%M:%S}" if until else "")
        in_utc = " to ".join(_utc(at_ns) for at_ns in (one.started_ns, one.ended_ns) if at_ns)
        st.caption(plain(f"{'' if until else 'since '}{said}"), help=in_utc)


def _cards(one: Shown, where: Scope, now_s: int) -> list[tuple[str, str, str]]:
    """Return figures with label and help; those that a rule has none of are left out."""
    facts, unit = one.facts, one.facts.unit
    until_ns = one.ended_ns if one.ended_ns is not None else now_s * _NS_PER_S
    value, usual = (facts.value, facts.baseline) if one.is_last else (None, None)
    gone = "" if one.is_last else " Only that of the latest incident of an instance is kept."
    cost = "What it costs" if one.is_open else "The most that it cost"
    measured = [
        ("Value" if one.is_open else "Last value", value, f"Measured last.{gone}"),
        ("At its worst", facts.worst, "Farthest beyond the threshold while it lasted."),
        (f"Alerts {_OPS.get(facts.op, 'from')}", facts.threshold, "The threshold that it passed."),
        ("Usual", usual, "What it is compared with."),
    ]
    cards = [(name, figure(n, unit), said) for name, n, said in measured if n is not None]
    lasts = "Lasts" if one.is_open else "Lasted"
    return [
        *cards,
        ("Dollars", fmt.usd(one.usd), f"{cost}, by the ledger."),
        (lasts, lasting(max(0, until_ns - one.started_ns)), "Since its beginning."),
        (
            "Fired",
            _moment(one.fired_ns, where),
            f"When the rule first saw it for long enough. {_utc(one.fired_ns)}",
        ),
    ]


def _utc(at_ns: int | None) -> str:
    return "" if at_ns is None else times.utc(at_ns / _NS_PER_S)


def _moment(at_ns: int | None, where: Scope) -> str:
    return fmt.UNKNOWN if at_ns is None else f"{where.local(at_ns / _NS_PER_S):%b %-d, %H:%M}"


def _show_why(one: Shown, where: Scope) -> None:
    facts = one.facts
    with st.container(border=True, key="alert-why"):
        if facts.description:
            st.markdown(plain(facts.description))
        if facts.explanation and one.is_last:
            word = "Error" if facts.cause == "error" else "Likely cause"
            st.markdown(f"**{word}:** {plain(facts.explanation)}")
        elif not facts.description:
            st.markdown(plain(f"{facts.title}.") if facts.title else "")
        with st.container(horizontal=True, gap="medium"):
            _show_ways(one, where)


def _show_ways(one: Shown, where: Scope) -> None:
    if one.rule.finding and one.identity:
        st.page_link(
            "app_pages/findings.py", label="The finding", icon=":material/flag:",
            query_params={**links.scope_query(), "finding": one.identity},
        )  # fmt: skip
    view = urlsplit(one.facts.view)
    page = navigation.PAGES.get(view.path.strip("/"))
    if page is not None:
        query = {name: value for name, value in parse_qsl(view.query) if name != "project"}
        st.page_link(
            page.file, label=page.title, icon=page.icon,
            query_params={**links.scope_query(), **query},
        )  # fmt: skip
    for entity in ("agent", "model", "tool", "user", "session"):
        name = one.facts.labels.get(entity, "")
        if name:
            st.page_link(
                links.PAGES[entity],
                label=f"{entity.capitalize()} {plain(shortened(name, _NAME_LIMIT))}",
                query_params=links.entity_query(entity, name),
            )
    st.page_link(
        "app_pages/rules.py", label="The rule", icon=":material/rule:",
        query_params={**links.scope_query(), "rule": one.rule_name},
    )  # fmt: skip
    if web_address(one.rule.runbook):
        st.link_button("Runbook", one.rule.runbook, icon=":material/menu_book:", type="tertiary")


def _show_traces(one: Shown, where: Scope, now_s: int) -> None:
    st.markdown("**Traces that show it**")
    ids = list(one.facts.trace_ids) if one.is_last else []
    if not ids:
        st.caption("The rule names none." if one.is_last else "No longer known.")
        return
    from_s = max(0, one.started_ns // _NS_PER_S - _WEEK_S)
    rows = _traces(where.project, tuple(ids), from_s, now_s // 3_600 * 3_600 + 3_600)
    known = {str(row["trace_id"]): row for row in rows}
    frame = pd.DataFrame(
        {
            "Trace": [str(known[i]["name"]) if i in known else i for i in ids],
            "Agent": [str(known[i]["agent_name"]) or None if i in known else None for i in ids],
            "Start": [_start(known.get(i), where) for i in ids],
            "Cost": [_float(known.get(i)) for i in ids],
            "Time": pd.array([_number(known.get(i), "duration_ns") for i in ids], dtype="Int64"),
            "Errors": pd.array([_number(known.get(i), "error_count") for i in ids], dtype="Int64"),
        }
    )
    picked = table(
        frame,
        {"Cost": tables.usd, "Time": tables.duration, "Spans": tables.count,
         "Errors": tables.count},
        {"Start": scope.moments("MMM D, HH:mm:ss")},
        key="alert-traces", alt="Traces, most telling first; a click opens one", is_open=True,
    )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        for number, trace_id in enumerate(ids, 1):
            st.page_link(
                "app_pages/trace.py", label=f"Trace {number}", icon=":material/open_in_new:",
                query_params=_trace_query(one, trace_id),
            )  # fmt: skip
    if picked is not None:
        st.switch_page("app_pages/trace.py", query_params=_trace_query(one, ids[picked]))


def _trace_query(one: Shown, trace_id: str) -> dict[str, str]:
    query = links.trace_query(trace_id)
    return {**query, "finding": one.identity} if one.rule.finding and one.identity else query


@st.cache_data(ttl=60, max_entries=50, show_spinner="Reading the traces …")
def _traces(project: str, ids: tuple[str, ...], from_s: int, to_s: int) -> list[Row]:
    params = {"project": project, "trace_ids": list(ids), "from_s": from_s, "to_s": to_s}
    return [dict(row) for row in store().rows("dashboard_alert_traces", params)]


def _start(row: Row | None, where: Scope) -> object:
    return None if row is None else where.local(int(str(row["start_ns"])) / _NS_PER_S)


def _number(row: Row | None, name: str) -> int | None:
    return None if row is None else int(str(row[name]))


def _float(row: Row | None) -> float | None:
    value = None if row is None else row["cost_usd"]
    return None if value is None else float(str(value))


def _show_labels(one: Shown) -> None:
    labels: Sequence[tuple[str, str]] = sorted(one.facts.labels.items())
    if not labels:
        return
    st.markdown("**Labels**")
    frame = pd.DataFrame(labels, columns=["Label", "Value"])
    st.dataframe(frame, hide_index=True, key="alert-labels", alt="Labels of the incident")


def _show_group(one: Shown, others: Sequence[Shown], where: Scope) -> None:
    """Show what else is open of the group that is told together."""
    if not others:
        return
    st.markdown(f"**Told together with it**: {len(others):,} more open")
    shown = others[:_MOST_OTHERS]
    frame = pd.DataFrame(
        {
            "What": [other.words.title for other in shown],
            "Since": [where.local(other.started_ns / _NS_PER_S) for other in shown],
            "Dollars": [None if other.usd is None else float(other.usd) for other in shown],
            "State": [state_text(other) for other in shown],
        }
    )
    config = {
        "What": st.column_config.TextColumn(width=300),
        "Since": scope.moments("MMM D, HH:mm"),
    }
    picked = table(
        frame, {"Dollars": tables.usd}, config, key=f"alert-group-{one.name}",
        alt="Incidents of the same group; a click opens one", is_open=True,
    )  # fmt: skip
    if picked is not None:
        links.open_here("incident", shown[picked].name)


def _show_neighbours(one: Shown) -> None:
    """Show ways to other incidents: of the rule, and the one before of the same labels."""
    instance_id, _, number = one.name.partition("/")
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        st.caption(plain(one.key))
        st.page_link(
            "app_pages/incidents.py", label="Others of the rule", icon=":material/list:",
            query_params={**links.scope_query(), "rule": one.rule_name},
        )  # fmt: skip
        if number.isdigit() and int(number) > 1:
            st.page_link(
                "app_pages/incidents.py", label="The one before", icon=":material/history:",
                query_params={
                    **links.scope_query(), "incident": f"{instance_id}/{int(number) - 1}",
                },
            )  # fmt: skip
