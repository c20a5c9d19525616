"""Where the month leads: of the project and its dearest agents, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import cast

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_analytics.forecasting.month_end import (
    HISTORY_S,
    MonthEnd,
    begun_usd,
    of_hours,
)
from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.anomalies.data import HOUR_S
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.text import plain
from spanledger_storage.budget_windows import window_at
from spanledger_storage.errors import ConfigError
from spanledger_storage.store import Store

MOST_AGENTS = 12
_REST = "All other agents"
_METHODS = {
    "weekday": "days of the same weekday",
    "day": "days of the last weeks",
    "burn": "the last hour alone",
    "": "",
}


def load_outlooks(store: Store, project: str, timezone: str, now_s: int) -> list[MonthEnd]:
    """Read six weeks of hours and return the project, then its agents, the dearest month first.

    Raises:
        StoreError: the store does not answer.
    """
    try:
        window = window_at("month", timezone, None, now_s)
    except ConfigError:  # a zone of the browser's that this machine does not know
        window = window_at("month", "UTC", None, now_s)
    params = {
        "project": project,
        "from_s": min(now_s - HISTORY_S, window.start_s) // HOUR_S * HOUR_S,
        "to_s": now_s // HOUR_S * HOUR_S + HOUR_S,
        "month_s": window.start_s,
        "most": MOST_AGENTS,
    }
    by_name: dict[str | None, dict[int, Decimal]] = {None: {}}
    for row in store.rows("dashboard_agent_hours", params):
        start, usd = cast("int", row["start_s"]), Decimal(str(row["cost_usd"]))
        name = _REST if row["is_rest"] else str(row["agent_name"])
        for key in (None, name):
            hours = by_name.setdefault(key, {})
            hours[start] = hours.get(start, Decimal(0)) + usd
    begun: dict[str | None, Decimal] = {}
    for agent, usd in begun_usd(store, project, window).items():
        for key in (None, agent if agent in by_name else _REST):
            begun[key] = begun.get(key, Decimal(0)) + usd
    found = [
        of_hours(project, name, hours, window, now_s, begun.get(name, Decimal(0)))
        for name, hours in by_name.items()
    ]
    found = [one for one in found if one.spent_usd or one.agent != _REST]
    found.sort(key=lambda one: (one.agent is not None, -one.spent_usd, one.agent or ""))
    return found


def outlook_frame(found: Sequence[MonthEnd]) -> pd.DataFrame:
    """Return one row per outlook, in the order given."""
    return pd.DataFrame(
        {
            "Who": ["Project" if one.agent is None else one.agent or "no agent" for one in found],
            "So far": [float(one.spent_usd) for one in found],
            "Month end": [_float(one.forecast.mid) for one in found],
            "Low": [_float(one.forecast.low) for one in found],
            "High": [_float(one.forecast.high) for one in found],
            "Per hour now": [_float(one.forecast.burn_per_hour) for one in found],
            "From": [_METHODS.get(one.forecast.method) or None for one in found],
        }
    )


def show_outlooks(found: Sequence[MonthEnd]) -> None:
    """Show where the month leads."""
    names = ("So far", "Month end", "Low", "High", "Per hour now")
    money: dict[str, tables.Text] = dict.fromkeys(names, tables.usd)
    config: dict[str, ColumnConfig] = {
        "Who": st.column_config.TextColumn(pinned=True),
        "So far": st.column_config.Column(help="Since the month began, on your clock."),
        "Month end": st.column_config.Column(
            help="Estimate of the whole month: the middle future."
        ),
        "Low": st.column_config.Column(help="One future in ten ends below."),
        "High": st.column_config.Column(help="One future in ten ends above."),
        "From": st.column_config.Column(help="What the days to come are drawn from."),
    }
    table(outlook_frame(found), money, config, key="outlooks", alt="Forecast of the month")
    project = found[0]
    if project.forecast.low is None:
        st.caption("An interval takes three days of history.")
    elif project.forecast.mid is not None:
        st.caption(
            f"The futures of agents are drawn apart, so that their middles need not add up to the "
            f"project's {plain(fmt.usd(project.forecast.mid))}."
        )


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
