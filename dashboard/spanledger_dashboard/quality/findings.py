"""One finding of the data-quality report on the screen: what, how much, where, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Literal
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from spanledger_analytics.data_quality import Example, Finding, Group, Severity
from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.records import records_table
from spanledger_dashboard.text import code, plain

_MAX_ROWS = 200
_MAX_FIXES = 8
_MAX_SCOPES = 2
_VISIBLE_ROWS = 10
_Color = Literal["red", "orange", "blue"]
_BADGES: dict[Severity, tuple[str, _Color]] = {
    Severity.error: ("Incomplete", "red"),
    Severity.warning: ("Doubtful", "orange"),
    Severity.info: ("Handled", "blue"),
}
_FORMATS = {
    "Count": tables.count,
    "Dollars": tables.usd,
    "Reported": tables.usd,
    "Computed": tables.usd,
    "Tokens": tables.short_count,
}


def show_finding(finding: Finding) -> None:
    """Show a finding as a box of its own."""
    with st.container(border=True, key=f"finding-{finding.check}"):
        label, color = _BADGES[finding.severity]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(label, color=color)
            st.markdown(f"**{plain(finding.title)}** · {_amount(finding)}", width="stretch")
        st.markdown("\n".join(_fixes(finding)))
        _table(finding)
        small_print = _small_print(finding)
        if small_print:
            st.caption(plain(small_print))


def group_frame(groups: Sequence[Group]) -> pd.DataFrame:
    """Return the table of groups; columns that no group fills are left out."""
    frame = pd.DataFrame(
        {
            "Level": [_BADGES[g.severity][0] if g.severity else "" for g in groups],
            "Service": [g.service_name for g in groups],
            "Instrumentation": [", ".join(s.removesuffix("@") for s in g.scopes) for g in groups],
            "Model": [g.model for g in groups],
            "Agent": [g.agent_name for g in groups],
            "Count": [g.count for g in groups],
            "Dollars": [_float(g.usd) for g in groups],
            "Reported": [_float(g.reported_usd) for g in groups],
            "Computed": [_float(g.computed_usd) for g in groups],
            "Trace": [trace_link(g.examples[0]) if g.examples else None for g in groups],
            "What": [g.detail for g in groups],
            "Tokens": pd.array([_tokens(g) for g in groups], dtype="Int64"),
        }
    )
    is_used = [frame[name].notna().any() and (frame[name] != "").any() for name in frame.columns]
    return frame.loc[:, is_used]


def trace_link(example: Example) -> str:
    """Return the address of an example's trace."""
    query = {"trace_id": example.trace_id, "span_id": example.span_id}
    return "/trace?" + urlencode({name: value for name, value in query.items() if value})


def _table(finding: Finding) -> None:
    read = partial(records_table, finding.groups)
    show_downloads(f"groups-{finding.check}", read, what="Every group of it, exact")
    frame = group_frame(finding.groups[:_MAX_ROWS])
    column = st.column_config
    st.dataframe(
        tables.styled(frame, {n: f for n, f in _FORMATS.items() if n in frame.columns}),
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content" if len(frame) <= _VISIBLE_ROWS else 390,
        column_config={
            "Level": column.TextColumn(width=90),
            "Service": column.TextColumn(width=180),
            "Instrumentation": column.TextColumn(width=330),
            "Model": column.TextColumn(width=180),
            "Agent": column.TextColumn(width=110),
            "Count": column.Column(width=62),
            "Dollars": column.Column(width=84),
            "Trace": column.LinkColumn(width=60, display_text="open"),
            "What": column.TextColumn(width=400),
        },
        key=f"groups-{finding.check}",
        alt=f"{finding.title}: where",
    )


def _amount(finding: Finding) -> str:
    unit = finding.unit if finding.count == 1 else f"{finding.unit}s"
    cases = f"{fmt.count(finding.count)} {unit}"
    if finding.usd is None:
        return cases
    return f"{cases} · {plain(f'{fmt.usd(finding.usd)} {finding.usd_label}')}"


def _fixes(finding: Finding) -> list[str]:
    """Return as markdown what to do, and where; the worst and largest groups first."""
    scopes: dict[str, dict[str, None]] = {}
    for group in finding.groups:
        # A whole sentence tells more than a table's cell shows.
        effect = f"{group.detail} " if group.detail.endswith(".") else ""
        names = (scope.rpartition("@")[0] for scope in group.scopes)
        scopes.setdefault(effect + group.fix, {}).update(dict.fromkeys(names))
    lines = [f"- {_named(list(found))}{_with_code(fix)}" for fix, found in scopes.items()]
    if len(lines) > _MAX_FIXES:
        rest = len(lines) - _MAX_FIXES
        lines[_MAX_FIXES:] = [f"- {rest} more: `spanledger data-quality` lists them all."]
    return lines


def _named(scopes: list[str]) -> str:
    if not scopes:
        return ""
    more = f" and {len(scopes) - _MAX_SCOPES} more" if len(scopes) > _MAX_SCOPES else ""
    return f"**{plain(', '.join(scopes[:_MAX_SCOPES]))}**{more}: "


def _small_print(finding: Finding) -> str:
    """Return what the dollars of the table are, where it has any, and what it leaves out."""
    sentences: list[str] = []
    if any(group.usd is not None for group in finding.groups[:_MAX_ROWS]):
        sentences.append(f"Dollars: {finding.usd_means}")
    left_out = len(finding.groups) - _MAX_ROWS
    if left_out > 0:
        sentences.append(f"{fmt.count(left_out)} smaller groups are not shown.")
    return " ".join(sentences)


def _with_code(sentence: str) -> str:
    """Return a sentence for markdown; what stands between backticks is code."""
    parts = sentence.split("`")
    return "".join(code(p) if i % 2 and p else plain(p) for i, p in enumerate(parts))


def _tokens(group: Group) -> int | None:
    counts = [n for n in (group.input_tokens, group.output_tokens) if n is not None]
    return sum(counts) if counts else None


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
