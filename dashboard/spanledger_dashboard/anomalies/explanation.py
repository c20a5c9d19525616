"""Why an anomaly cost what it did: a waterfall that adds up, who it was, and what happened then."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import cast

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, tables, times
from spanledger_dashboard.anomalies.data import rows
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.cost.charts import waterfall
from spanledger_dashboard.findings.data import Found
from spanledger_dashboard.findings.figures import number_text, words
from spanledger_dashboard.findings.table import SEVERITIES
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain, shortened

_NAME_LIMIT = 48
_MOST_LINES = 8
_SMALLEST = 10_000  # a part that is less than this share of all is too small to be seen
FACTOR_NAMES = {
    "tasks": "Traces",
    "attempts": "Attempts per task",
    "calls": "Calls per trace",
    "prompts": "Prompt length",
    "answers": "Answer length",
    "models": "Model mix",
    "cache": "Cache use",
    "prices": "Prices",
    "rest": "Other costs",
}
"""Factors of a change by their names in the store."""


def show_explanation(one: Found, where: Scope) -> None:
    """Show one anomaly: its figures, the way from expected to actual, the drivers, the evidence."""
    figures = one.figures
    with st.container(border=True, key="anomaly"):
        _show_head(one, where)
        st.markdown(plain(one.explanation))
        left, right = st.columns([5, 6], gap="medium")
        with left:
            _show_waterfall(figures)
            _show_per_unit(figures)
        with right:
            _show_drivers(figures)
            _show_traces(figures)
            _show_happened(figures, where)


def steps_of(figures: Mapping[str, object]) -> list[tuple[str, Decimal]]:
    """Return words and dollars of the steps from expected to actual; none where not known."""
    found: list[tuple[str, Decimal]] = []
    for row in rows(figures, "waterfall"):
        usd = money(row.get("usd"))
        if usd is not None:
            name = str(row.get("factor") or "")
            found.append((FACTOR_NAMES.get(name, name.replace("_", " ").capitalize()), usd))
    return found


def money(value: object) -> Decimal | None:
    """Return dollars as the store's figures tell them; None where they tell none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _show_head(one: Found, where: Scope) -> None:
    first, last = where.local(one.first_ns / 1e9), where.local(one.last_ns / 1e9)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        severity = SEVERITIES.get(one.severity, one.severity)
        st.markdown(f"**{plain(severity)} · {plain(one.title)}**", width="stretch")
        if one.is_open:
            st.badge("going on", color="orange", icon=":material/hourglass_top:")
        st.page_link(
            "app_pages/findings.py",
            label="Finding",
            icon=":material/flag:",
            query_params={**links.scope_query(), "finding": one.finding_id},
        )
    st.caption(plain(f"{first:%b %-d, %H:%M} – {last:%b %-d, %H:%M}"),
               help=times.utc_range(one.first_ns / 1e9, one.last_ns / 1e9))  # fmt: skip


def _show_waterfall(figures: Mapping[str, object]) -> None:
    expected, actual = (money(figures.get(name)) for name in ("expected_usd", "actual_usd"))
    steps = steps_of(figures)
    if expected is None or actual is None:
        st.caption("What was expected is not known.")
        return
    if not steps:
        st.caption(
            f"Expected {plain(fmt.usd(expected))}, spent {plain(fmt.usd(actual))}: there is no "
            "comparable time before to explain it with."
        )
        return
    moved = sum((abs(usd) for _, usd in steps), Decimal(0))
    seen = [(name, usd) for name, usd in steps if abs(usd) * _SMALLEST >= moved]
    st.plotly_chart(
        waterfall(expected, actual, seen, ("Expected", "Spent")),
        key="anomaly-waterfall",
        config={"displayModeBar": False},
        alt="From what was expected to what was spent, by reason",
    )
    left_over = actual - expected - sum((usd for _, usd in steps), Decimal(0))
    exact = "the parts add up exactly" if not left_over else f"{fmt.usd(left_over)} are left over"
    st.caption(
        plain(
            f"Comparable times before, scaled to what was expected, against what was spent. Each "
            f"part is a Shapley value; {exact}."
        )
    )


def _show_per_unit(figures: Mapping[str, object]) -> None:
    found = figures.get("per_unit")
    if not isinstance(found, dict):
        return
    pairs = cast("dict[str, object]", found)
    lines: list[tuple[str, str, str]] = []
    for name, value in pairs.items():
        pair = cast("list[object]", value) if isinstance(value, list) else []
        if len(pair) == 2 and any(one is not None for one in pair):
            before, now = (_unit(name, one) for one in pair)
            lines.append((words(name.replace("usd_", "dollars_")), before, now))
    if lines:
        frame = pd.DataFrame(lines, columns=["", "Before", "Now"])
        st.dataframe(frame, hide_index=True, key="anomaly-units", alt="Figures before and now")


def _unit(name: str, value: object) -> str:
    number = money(value)
    if number is None:
        return fmt.UNKNOWN
    if name.startswith("usd_"):
        return fmt.usd(number)
    return fmt.percent(number, 1) if name.endswith("_ratio") else number_text(number)


def _show_drivers(figures: Mapping[str, object]) -> None:
    path = rows(figures, "path")
    if path:
        steps = [
            f"{plain(str(row.get('dimension')))} **{plain(_name(row.get('name')))}** "
            f"({fmt.percent(money(row.get('share')), 1)})"
            for row in path
        ]
        st.markdown(f"Most of it: {' → '.join(steps)}")
    frame = drivers_frame(figures)
    if not frame.empty:
        formats = {"Expected": tables.usd, "Spent": tables.usd, "Share": _percent}
        config: dict[str, ColumnConfig] = {
            "Share": st.column_config.Column(help="Of all that moved the way the whole did."),
        }
        st.markdown("**Drivers**")
        table(frame, formats, config, key="anomaly-drivers", alt="Who moved, by dimension")


def drivers_frame(figures: Mapping[str, object]) -> pd.DataFrame:
    """Return one row per dimension and name that explains the change, the best dimension first."""
    found = [
        {
            "By": str(one.get("dimension")).capitalize(),
            "Who": _name(part.get("name")),
            "Expected": _float(part.get("expected_usd")),
            "Spent": _float(part.get("actual_usd")),
            "Share": _float(part.get("share")),
        }
        for one in rows(figures, "dimensions")
        for part in rows(one, "elements")
    ]
    return pd.DataFrame(found, columns=["By", "Who", "Expected", "Spent", "Share"])


def _show_traces(figures: Mapping[str, object]) -> None:
    found = [row for row in rows(figures, "traces") if row.get("trace_id")]  # others were deleted
    if not found:
        return
    frame = pd.DataFrame(
        {
            "Trace": [str(row.get("trace_id") or "") for row in found],
            "Agent": [str(row.get("agent") or "") or None for row in found],
            "Cost": [_float(row.get("usd")) for row in found],
            "Above usual": [_float(row.get("excess_usd")) for row in found],
        }
    )
    st.markdown("**Traces that cost most above usual**")
    picked = table(
        frame, {"Cost": tables.usd, "Above usual": tables.usd}, {}, key="anomaly-traces",
        alt="Traces; a click opens one", is_open=True,
    )  # fmt: skip
    if picked is not None:
        links.open_trace(str(frame.iloc[picked]["Trace"]))


def _show_happened(figures: Mapping[str, object], where: Scope) -> None:
    """Show what else was so at that time: loops, new versions, changed prices."""
    lines = [
        *(
            f":material/new_releases: {_who(row)} **{plain(_name(row.get('version')))}** since "
            f"{plain(_at(row.get('since'), where))}"
            for row in rows(figures, "versions")[:_MOST_LINES]
        ),
        *(
            f":material/sell: {_price_change(row)}, {plain(_at(row.get('at'), where))}"
            for row in rows(figures, "prices")[:_MOST_LINES]
        ),
    ]
    found = rows(figures, "loops")[:_MOST_LINES]
    if lines or found:
        st.markdown("**At the same time**")
        for row in found:
            _show_way(row)
        for line in lines:
            st.markdown(line)
    own = (figures.get("dimension"), figures.get("name"))
    shown = [
        one for one in rows(figures, "series") if (one.get("dimension"), one.get("name")) != own
    ]
    others = [_series(row) for row in shown[:_MOST_LINES]]
    if others:
        st.caption(f"Shows in {', '.join(others)} too.")


def _show_way(row: Mapping[str, object]) -> None:
    """Show a way to a finding of the same time."""
    st.page_link(
        "app_pages/findings.py",
        label=f"{plain(str(row.get('title')))} · {plain(fmt.usd(money(row.get('usd'))))}",
        icon=":material/flag:",
        query_params={**links.scope_query(), "finding": str(row.get("finding_id") or "")},
    )


def _series(row: Mapping[str, object]) -> str:
    name = str(row.get("name") or "")
    dimension = plain(str(row.get("dimension")))
    return f"{dimension} {plain(shortened(name, _NAME_LIMIT))}" if name else f"the {dimension}"


def _who(row: Mapping[str, object]) -> str:
    names = [str(row.get(key) or "") for key in ("agent", "service")]
    return plain(shortened(next((name for name in names if name), "unknown"), _NAME_LIMIT))


def _price_change(row: Mapping[str, object]) -> str:
    """Return what was done to which price, and whose it is where the entry of the log tells."""
    done = " ".join(str(row.get(key) or "") for key in ("action", "object")).strip()
    whose = (row.get("provider"), row.get("model") or row.get("tool") or row.get("name"))
    names = " ".join(shortened(str(name), _NAME_LIMIT) for name in whose if name)
    return f"{plain(done)} **{plain(names)}**" if names else plain(done)


def _at(value: object, where: Scope) -> str:
    """Return a moment (unix seconds, or a text of its own) on the reader's clock."""
    number = money(value)
    if number is None or not 0 < number < 4_102_444_800:
        return str(value or "then")
    return f"{where.local(float(number)):%b %-d, %H:%M}"


def _name(value: object) -> str:
    return shortened(str(value or ""), _NAME_LIMIT) or "(none)"


def _percent(value: object) -> str:
    return f"{float(str(value)):.0%}"


def _float(value: object) -> float | None:
    number = money(value)
    return None if number is None else float(number)
