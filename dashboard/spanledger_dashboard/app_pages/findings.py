"""Findings: what wastes money or is not as it was, by dollars, with the spans that show it."""

from __future__ import annotations

import re
from functools import partial

import pyarrow as pa
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.empty_state import show_no_data
from spanledger_dashboard.failures import explained
from spanledger_dashboard.findings.data import (
    MOST,
    Evidence,
    Findings,
    Found,
    load_finding,
    load_findings,
    load_overlaps,
)
from spanledger_dashboard.findings.detail import show_detail
from spanledger_dashboard.findings.filters import Choice, narrowed, show_filters, show_muted_switch
from spanledger_dashboard.findings.said import as_said
from spanledger_dashboard.findings.table import cards_of, show_cards, show_findings
from spanledger_dashboard.findings.totals import Spans
from spanledger_dashboard.freshness import has_data
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain
from spanledger_dashboard.time_range import Window

_PAGE = "app_pages/findings.py"
_FINDING_ID = re.compile(r"[0-9a-f]{32}")


@st.cache_data(ttl=15, max_entries=50, show_spinner="Reading the findings …")
def _findings(project: str, window: Window) -> Findings:
    return load_findings(store(), project, window)


@st.cache_data(ttl=60, max_entries=50, show_spinner="Adding up …")
def _overlaps(project: str, window: Window) -> Spans:
    return load_overlaps(store(), project, window)


@st.cache_data(ttl=15, max_entries=50, show_spinner="Reading the finding …")
def _finding(project: str, finding_id: str) -> tuple[Found, Evidence] | None:
    return load_finding(store(), project, finding_id)


def _show() -> None:
    where = scope.current()
    asked = (st.query_params.get("finding") or "").strip().lower()
    if asked:
        _show_one(where, asked)
    else:
        _show_list(where)


def _show_one(where: Scope, asked: str) -> None:
    st.page_link(
        _PAGE, label="All findings", icon=":material/arrow_back:", query_params=links.scope_query()
    )
    found = _finding(where.project, asked) if _FINDING_ID.fullmatch(asked) else None
    if found is None:
        st.info(
            "There is no such finding in this project: its spans are gone, or what they show is "
            "no longer so.",
            icon=":material/search_off:",
        )
        return
    [one] = as_said([found[0]], where.project)
    show_detail(where, one, found[1])


def _show_list(where: Scope) -> None:
    now_s = scope.now_s()
    window = where.time_range.window(now_s)
    read = _findings(where.project, window)
    if not read.found:
        _say_none(where, now_s)
        return
    found = as_said(read.found, where.project)
    choice = show_filters(found)
    shown, muted = narrowed(found, choice)
    show_cards(cards_of(shown, _overlaps(where.project, window), choice.state))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(_summary(shown, read, choice), width="stretch")
        show_muted_switch(muted)
        params: dict[str, object] = {
            "project": where.project,
            "from_s": window.start_s,
            "to_s": window.end_s,
            "kinds": [],
            "most": MOST,
        }
        show_downloads(
            "findings", partial(_table, params),
            what=f"All findings of the time range, at most {MOST:,}, exact dollars",
        )  # fmt: skip
    if not shown:
        st.caption(_nothing(choice, muted))
        return
    picked = show_findings(shown, where, key="findings")
    if picked is not None:
        links.open_here("finding", shown[picked].finding_id)


def _summary(shown: list[Found], read: Findings, choice: Choice) -> str:
    word = "" if choice.state == "All" else f" {choice.state.lower()}"
    text = f"**{fmt.count(len(shown))}**{word} finding{'' if len(shown) == 1 else 's'}"
    if read.matches > len(read.found):
        dearest = f"the dearest {fmt.count(len(read.found))} of {fmt.count(read.matches)}"
        return f"{text}, of {dearest} in this time range"
    return text


def _nothing(choice: Choice, muted: int) -> str:
    if muted and not choice.shows_muted:
        return "Everything that matches is muted."
    if choice == Choice():
        return "Nothing open in this time range. Closed shows what was resolved."
    return "Nothing matches. Take a filter away."


def _say_none(where: Scope, now_s: int) -> None:
    if not has_data(where.project, now_s):
        show_no_data(where.project)
        return
    st.info(
        f"Nothing was found in project {plain(where.project)} in this time range. Loops, silent "
        "failures, cascades, growing contexts, anomalies and drift appear here within a minute "
        "of their spans.",
        icon=":material/check_circle:",
    )


def _table(params: dict[str, object]) -> pa.Table:
    return store().arrow("dashboard_findings", params)


with explained():
    _show()
