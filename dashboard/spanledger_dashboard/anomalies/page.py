"""Anomalies: spending against what was expected, why it differed, and where the month leads."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import numpy as np
import streamlit as st

from spanledger_analytics.forecasting.month_end import MonthEnd
from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope
from spanledger_dashboard.anomalies import charts
from spanledger_dashboard.anomalies.data import (
    DAY_S,
    HISTORY_S,
    Band,
    Series,
    band_of,
    is_of,
    load_hours,
)
from spanledger_dashboard.anomalies.explanation import show_explanation
from spanledger_dashboard.anomalies.forecast import load_outlooks, show_outlooks
from spanledger_dashboard.connection import store
from spanledger_dashboard.cost.query import Stretch, load_values
from spanledger_dashboard.downloads import show_titled
from spanledger_dashboard.empty_state import show_no_data, show_nothing_in_range
from spanledger_dashboard.entities.detail import show_figure
from spanledger_dashboard.failures import explained
from spanledger_dashboard.findings.data import Findings, Found, load_finding, load_findings
from spanledger_dashboard.findings.said import as_said
from spanledger_dashboard.findings.table import found_table, show_cards, show_findings
from spanledger_dashboard.freshness import has_data
from spanledger_dashboard.records import records_table
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain, shortened
from spanledger_dashboard.time_range import Window

_KINDS = ("cost_anomaly",)
_LONG_S = 14 * DAY_S
_NAME_LIMIT = 60


@st.cache_data(ttl=15, max_entries=50, show_spinner="Reading the anomalies …")
def _found(project: str, window: Window) -> Findings:
    return load_findings(store(), project, window, _KINDS)


@st.cache_data(ttl=60, max_entries=50, show_spinner="Reading the anomaly …")
def _asked(project: str, finding_id: str) -> Found | None:
    found = load_finding(store(), project, finding_id)
    return found[0] if found else None


@st.cache_data(ttl=120, max_entries=100, show_spinner="Reading what was spent …")
def _band(project: str, series: Series, window: Window, now_s: int, is_daily: bool) -> Band:
    first_s = window.start_s - HISTORY_S
    hours, heard = load_hours(store(), project, series, first_s, window.end_s)
    return band_of(hours, heard, window.start_s, window.end_s, now_s, is_daily=is_daily)


@st.cache_data(ttl=300, max_entries=100, show_spinner=False)
def _names(project: str, stretch: Stretch) -> list[tuple[str, str]]:
    return load_values(store(), project, stretch)


@st.cache_data(ttl=600, max_entries=50, show_spinner="Drawing futures …")
def _outlooks(project: str, timezone: str, hour_s: int, now_s: int) -> list[MonthEnd]:
    del hour_s  # part of the cache's key
    return load_outlooks(store(), project, timezone, now_s)


def _show() -> None:
    where, now_s = scope.current(), scope.now_s()
    window = where.time_range.window(now_s)
    if not has_data(where.project, now_s) and not _found(where.project, window).found:
        show_no_data(where.project)
        return
    series, is_daily = _show_pickers(where, window)
    found = as_said(_found(where.project, window).found, where.project)
    shown = [one for one in found if not one.is_muted and one.state != "false_alarm"]
    # What shows in an agent or a model is an anomaly of the project.
    of_series = [one for one in shown if series == Series() or is_of(one, series)]
    minute_s = now_s // 60 * 60
    band = _band(where.project, series, window, minute_s, is_daily)
    if np.isnan(band.actual).all():
        show_nothing_in_range()
    else:
        amounts = _amounts(band)
        show_cards(_cards(amounts, of_series, shown))
        _say_compared(amounts)
        step = "day" if is_daily else "hour"
        title = f"Spend per {step} of {shortened(series.said, _NAME_LIMIT)}"
        show_figure(plain(title), charts.spend_with_band(band, of_series, where))
        _say_history(band)
    _show_found(where, shown, of_series, series)
    outlooks = _outlooks(where.project, where.timezone, now_s // 3_600, minute_s)
    show_titled("Where the month leads", "outlooks", partial(records_table, outlooks),
                what="The forecast of the month, exact", is_small=True)  # fmt: skip
    show_outlooks(outlooks)


def _show_pickers(where: Scope, window: Window) -> tuple[Series, bool]:
    stretch = Stretch(window.start_s - HISTORY_S, window.end_s)
    names = [Series()] + [
        Series(dimension, name)
        for dimension, name in _names(where.project, stretch)
        if dimension in ("agent", "model", "service") and name
    ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = st.selectbox(
            "Series",
            [one.label for one in names],
            key="series",
            bind="query-params",
            label_visibility="collapsed",
            width=320,
        )
        grain = st.segmented_control(
            "Per",
            ["Hour", "Day"],
            default="Day" if window.length_s > _LONG_S else "Hour",
            required=True,
            key="per",
            bind="query-params",
            label_visibility="collapsed",
        )
    return Series.of(str(label)), grain == "Day"


@dataclass(frozen=True, slots=True)
class _Amounts:
    """Dollars of the steps shown: all of them, and of those that have an expectation."""

    spent: Decimal
    compared: Decimal | None
    expected: Decimal | None


def _amounts(band: Band) -> _Amounts:
    over = [
        n for n, start in enumerate(band.starts_s)
        if start != band.running_s and not np.isnan(band.expected[n])
    ]  # fmt: skip
    return _Amounts(
        spent=Decimal(repr(float(np.nansum(band.actual)))),
        compared=Decimal(repr(float(np.nansum(band.actual[over])))) if over else None,
        expected=Decimal(repr(float(np.nansum(band.expected[over])))) if over else None,
    )


def _cards(
    amounts: _Amounts, of_series: list[Found], shown: list[Found]
) -> list[tuple[str, str, str]]:
    compared, expected = amounts.compared, amounts.expected
    extra = None if compared is None or expected is None else compared - expected
    excess = [one.direct_usd for one in of_series if one.direct_usd is not None]
    return [
        ("Spent", fmt.usd(amounts.spent), "In the steps shown, the running one included."),
        ("Expected", fmt.usd(expected),
         "Of steps that are over and whose history was long enough; a forecast one step ahead."),
        ("Difference", fmt.usd(extra), "Spent less expected, of the same steps."),
        ("Anomalies", fmt.count(len(of_series)),
         f"That show in this series; {fmt.count(len(shown))} in the project."),
        ("Largest", fmt.usd(max(excess, default=None)), "Dollars above what was expected."),
        ("Going on", fmt.count(sum(one.is_open for one in of_series)), "Not over yet."),
    ]  # fmt: skip


def _say_compared(amounts: _Amounts) -> None:
    """Say what the difference is of, where that is not all that was spent."""
    compared, expected = amounts.compared, amounts.expected
    if compared is None or expected is None or fmt.usd(compared) == fmt.usd(amounts.spent):
        return
    st.caption(
        plain(
            f"{fmt.usd(compared)} of what was spent is in steps that have an expectation; the "
            f"difference is that less {fmt.usd(expected)}."
        )
    )


def _say_history(band: Band) -> None:
    if np.isnan(band.high).all():
        st.caption(
            "There is too little history for a band: it takes a week of hours or two of days."
        )


def _show_found(where: Scope, shown: list[Found], of_series: list[Found], series: Series) -> None:
    asked_id = (st.query_params.get("anomaly") or "").strip().lower()
    is_all = series == Series() or not of_series
    listed = shown if is_all else of_series
    asked = _asked(where.project, asked_id) if asked_id else None
    if not listed and asked is None:
        st.caption(
            ":green[:material/check_circle:] Nothing in this time range was out of the ordinary."
        )
        return
    if listed:
        name = "the project" if is_all else plain(shortened(series.said, _NAME_LIMIT))
        show_titled(f"Anomalies of {name}", "anomalies", partial(found_table, listed),
                    what="The anomalies listed, exact", is_small=True)  # fmt: skip
        picked = show_findings(listed, where, key="anomalies")
        if picked is not None:
            asked = listed[picked]
    show_explanation(asked or listed[0], where)


def show_page() -> None:
    """Show the page."""
    with explained():
        _show()
