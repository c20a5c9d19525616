"""Spending to the end of the month, with an interval: of a project, and of its agents.

The forecast is that of budgets (``budgets/forecast.py``), over the month as a window without a
limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from spanledger_analytics.budgets.forecast import HOUR_S, Forecast, forecast
from spanledger_storage.budget_windows import Window, window_at
from spanledger_storage.store import Store

HISTORY_S = 42 * 86_400
MOST_AGENTS = 50
ZERO = Decimal(0)
Hours = Mapping[int, Decimal]
"""US dollars by the unix second an hour begins at."""


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """Where the spending of one month leads.

    Attributes:
        agent: whose; None: of the whole project.
        window: the month; unix seconds.
        spent_usd: in the month so far, of what is priced.
        forecast: of the month's end; its amounts are dollars.
    """

    agent: str | None
    window: Window
    spent_usd: Decimal
    forecast: Forecast


def month_end(store: Store, project: str, now_s: int, timezone: str = "UTC") -> list[MonthEnd]:
    """Return the forecast of a project, then of the agents that spent most, at most fifty.

    Args:
        store: the telemetry store.
        project: whose spending.
        now_s: the clock, unix seconds.
        timezone: whose month it is.

    Raises:
        StoreError: the store refused or did not answer.
        ConfigError: there is no such time zone.
    """
    window = window_at("month", timezone, None, now_s)
    params = {
        "project": project,
        "from_s": min(window.start_s, now_s - HISTORY_S) // HOUR_S * HOUR_S,
        "to_s": now_s // HOUR_S * HOUR_S + HOUR_S,
    }
    total: dict[int, Decimal] = {}
    agents: dict[str, dict[int, Decimal]] = {}
    for row in store.rows("forecast_hours", params):
        hour, usd = int(str(row["start_s"])), Decimal(str(row["cost_usd"]))
        total[hour] = total.get(hour, ZERO) + usd
        agents.setdefault(str(row["agent"]), {})[hour] = usd
    begun = begun_usd(store, project, window)
    found = [of_hours(project, None, total, window, now_s, sum(begun.values(), ZERO))]
    named = [
        of_hours(project, agent, hours, window, now_s, begun.get(agent, ZERO))
        for agent, hours in agents.items()
    ]
    named.sort(key=lambda one: (-one.spent_usd, one.agent or ""))
    return found + named[:MOST_AGENTS]


def begun_usd(store: Store, project: str, window: Window) -> dict[str, Decimal]:
    """Return what each agent spent in the hour that a month begins in, since it began, in dollars.

    Empty where the month begins on an hour: in most time zones.

    Raises:
        StoreError: the store refused or did not answer.
    """
    first = -(-window.start_s // HOUR_S) * HOUR_S
    if first == window.start_s:
        return {}
    params = {"project": project, "from_s": window.start_s, "to_s": first}
    rows = store.rows("forecast_begun", params)
    return {str(row["agent"]): Decimal(str(row["cost_usd"])) for row in rows}


def of_hours(
    project: str,
    agent: str | None,
    hours: Hours,
    window: Window,
    now_s: int,
    begun_usd: Decimal = ZERO,
) -> MonthEnd:
    """Return the forecast of what was spent by hour; pure: the same wherever it is told.

    Args:
        project: whose spending.
        agent: the one whose hours these are; None: of the whole project; '': of calls without
            one, which have no month's end before three days of them are known.
        hours: dollars by hour, six weeks of them, with the one that runs.
        window: the month.
        now_s: the clock.
        begun_usd: of the hour that the month begins in, what was spent since it began; 0 where it
            begins on an hour.
    """
    first = -(-window.start_s // HOUR_S) * HOUR_S
    spent = sum((usd for hour, usd in hours.items() if first <= hour <= now_s), begun_usd)
    seed = project if agent is None else f"{project} {agent}"
    told = forecast(hours, spent, None, window, now_s, is_rolling=False, seed=seed)
    if agent == "" and told.method == "burn":
        # Calls have no agent until the first span of their trace has come: they leave for the
        # agent it names, so that their last hour does not go on.
        told = replace(told, mid=None, method="")
    return MonthEnd(agent, window, spent, told)
