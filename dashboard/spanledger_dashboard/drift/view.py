"""The parts of the Drift page: cards, verdicts by day, the checks, what one of them compared."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_analytics.drift.judge import (
    DRIFT,
    EXPECTED,
    NO_DRIFT,
    OTHER_VERSIONS,
    TOO_LITTLE,
    DriftLimits,
)
from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.drift import charts
from spanledger_dashboard.drift.charts import VERDICTS, day_text
from spanledger_dashboard.drift.data import ORDER, Check, Shift, first_days, worst
from spanledger_dashboard.entities.detail import show_figure
from spanledger_dashboard.findings.figures import number_text
from spanledger_dashboard.text import plain, shortened

Card = tuple[str, str, str]
NO_AGENT = "no agent"
_TOP = 3
_NAME_LIMIT = 40
_LIMITS = DriftLimits()
_SEEN_FIRST = {DRIFT: 0, EXPECTED: 1, NO_DRIFT: 2, TOO_LITTLE: 3}


def cards_of(checks: Sequence[Check]) -> list[Card]:
    """Return the headline figures: label, text, explanation."""
    told = [check for check in checks if check.verdict != TOO_LITTLE]
    agents = {check.agent_name for check in checks}
    drifted = {(c.agent_name, c.day_s) for c in checks if c.verdict == DRIFT}
    untold = agents - {check.agent_name for check in told}
    versions = first_days(checks)
    return [
        ("Agents", fmt.count(len(agents)), "That were looked at in these days."),
        ("Drifted", fmt.count(len({agent for agent, _ in drifted})),
         f"Agents that did otherwise with the same version, on {fmt.count(len(drifted))} days of "
         "an agent together."),
        ("New versions", fmt.count(len(versions)),
         "A new version may behave otherwise: that is noted, and no alarm."),
        ("Without enough data", fmt.count(len(untold)),
         f"Agents of which no feature had {_LIMITS.actions} actions of {_LIMITS.trajectories} "
         "trajectories on a day and before it."),
        ("Checks", fmt.count(len(told)),
         f"Features compared; {fmt.count(len(checks) - len(told))} more lacked data."),
    ]  # fmt: skip


def show_cards(cards: Sequence[Card]) -> None:
    """Show label, figure and help of each, in one row."""
    with st.grid(len(cards), min_column_width=140, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation)


def agents_by_need(checks: Sequence[Check]) -> list[str]:
    """Return the agents, those that drifted on most days first."""
    names = sorted({check.agent_name for check in checks})
    days = {
        name: len({c.day_s for c in checks if c.agent_name == name and c.verdict == DRIFT})
        for name in names
    }
    return sorted(names, key=lambda name: (-days[name], name))


def show_agents(checks: Sequence[Check], days: Sequence[int]) -> None:
    """Show one row per agent: the verdict that matters most of each day."""
    rows = agents_by_need(checks)
    versions = first_days(checks)
    cells: dict[tuple[str, int], tuple[str, str]] = {}
    for name in rows:
        for day in days:
            mine = [c for c in checks if c.agent_name == name and c.day_s == day]
            if mine:
                new = [v for (agent, v), d in versions.items() if (agent, d) == (name, day)]
                cells[name or NO_AGENT, day] = worst(mine), _said_of_day(name, day, mine, new)
    shown = [name or NO_AGENT for name in rows]
    show_figure("Verdicts by agent and day", charts.matrix(shown, days, cells))
    _show_legend()


def show_features(checks: Sequence[Check], agent: str, days: Sequence[int]) -> None:
    """Show one row per feature of an agent, and which versions were new on which day."""
    mine = [check for check in checks if check.agent_name == agent]
    features = sorted({c.feature for c in mine}, key=lambda name: (ORDER.get(name, 99), name))
    titles = {check.feature: check.title for check in mine}
    cells: dict[tuple[str, int], tuple[str, str]] = {}
    for feature in features:
        for day in days:
            found = [c for c in mine if (c.feature, c.day_s) == (feature, day)]
            if found:
                said = "; ".join(_said(check) for check in found)
                cells[titles[feature], day] = worst(found), said
    figure = charts.matrix([titles[f] for f in features], days, cells)
    show_figure(f"Verdicts of {plain(shortened(agent or NO_AGENT, _NAME_LIMIT))}", figure)
    _show_legend()
    new = sorted((day, v) for (name, v), day in first_days(mine).items() if name == agent)
    if new:
        said = ", ".join(f"{plain(version or 'none')} on {day_text(day)}" for day, version in new)
        st.caption(f":material/new_releases: New versions: {said}.")


def checks_frame(checks: Sequence[Check]) -> pd.DataFrame:
    """Return one row per check, in the order given."""
    return pd.DataFrame(
        {
            "Day": [day_text(check.day_s) for check in checks],
            "Verdict": [_verdict(check) for check in checks],
            "Agent": [check.agent_name or NO_AGENT for check in checks],
            "Version": [check.agent_version or None for check in checks],
            "Feature": [check.title for check in checks],
            "Effect": [check.effect for check in checks],
            "PSI": [check.psi for check in checks],
            "p": [check.p_value for check in checks],
            "Trajectories": [check.trajectories for check in checks],
            "Before": [check.reference_trajectories for check in checks],
            "Actions": [check.actions for check in checks],
            "Compared with": [
                "other versions" if check.compared_with == OTHER_VERSIONS else "same version"
                if check.compared_with else None for check in checks
            ],
        }
    )  # fmt: skip


def ordered(checks: Sequence[Check]) -> list[Check]:
    """Return the checks that say most first: by verdict, the newest, the largest effect."""
    return sorted(
        checks,
        key=lambda c: (
            _SEEN_FIRST.get(c.verdict, 9), -c.day_s, -abs(c.effect or 0.0), c.agent_name, c.feature,
        ),
    )  # fmt: skip


def show_checks(checks: Sequence[Check]) -> int | None:
    """Show the checks; return the one a reader picked."""
    formats = {
        "Effect": lambda value: f"{float(str(value)):+.2f}",
        "PSI": lambda value: f"{float(str(value)):+.2f}",
        "p": lambda value: f"{float(str(value)):.2g}",
        **dict.fromkeys(("Trajectories", "Before", "Actions"), tables.count),
    }
    config: dict[str, ColumnConfig] = {
        "Effect": st.column_config.Column(
            help="Jensen-Shannon distance of shares, or Cliff's delta of numbers."
        ),
        "PSI": st.column_config.Column(help="Population stability index, less what noise gives."),
        "p": st.column_config.Column(
            help="Of 999 permutations of whole trajectories, or by ranks."
        ),
        "Before": st.column_config.Column(help="Trajectories of the 14 days before."),
        "Actions": st.column_config.Column(help="What was counted on the day."),
    }
    return table(
        checks_frame(checks), formats, config, key="drift-checks",
        alt="Checks, drift first; a click shows what was compared", is_open=True,
    )  # fmt: skip


def show_shift(check: Check, shift: Shift) -> None:
    """Show what a check compared: shares of actions, or quantiles of a number."""
    name = plain(shortened(check.agent_name or NO_AGENT, _NAME_LIMIT))
    version = f" {plain(check.agent_version)}" if check.agent_version else ""
    with st.container(border=True, key="drift-shift"):
        st.markdown(
            f"**{plain(check.title)}** · {name}{version} · {day_text(check.day_s)} · "
            f"{plain(_verdict(check))}"
        )
        if shift.shares:
            st.markdown(_top(shift))
            st.plotly_chart(
                charts.shift_bars(shift), key="drift-shares", config={"displayModeBar": False},
                alt="Share of each action before and on the day",
            )  # fmt: skip
        elif shift.before and shift.now:
            _show_quantiles(shift)
        else:
            st.caption(_lacking(check))


def _top(shift: Shift) -> str:
    """Return the actions that changed most, as markdown."""
    most = sorted(shift.shares, key=lambda share: -abs(share.psi))[:_TOP]
    return "Changed most: " + ", ".join(
        f"{plain(shortened(s.name or '(none)', _NAME_LIMIT))} {s.before:.1%} → {s.now:.1%}"
        for s in most
    )


def _show_quantiles(shift: Shift) -> None:
    before, now = shift.before or {}, shift.now or {}
    names = list(before)
    frame = pd.DataFrame(
        {
            "": names,
            "Before": [_number(before[name]) for name in names],
            "On the day": [_number(now[name]) if name in now else None for name in names],
        }
    )
    st.dataframe(frame, hide_index=True, key="drift-quantiles", alt="Quantiles before and now")


def _number(value: float) -> str:
    return number_text(Decimal(repr(value)))


def _lacking(check: Check) -> str:
    return (
        f"Not enough data: {fmt.count(check.actions)} actions of "
        f"{fmt.count(check.trajectories)} trajectories on the day, "
        f"{fmt.count(check.reference_actions)} of {fmt.count(check.reference_trajectories)} "
        "before. "
        f"It takes {_LIMITS.actions} of {_LIMITS.trajectories} on both sides."
    )


def _show_legend() -> None:
    parts = [f"{sign or '■'} {words.lower()}" for words, _, sign in VERDICTS.values()]
    st.caption(f"{' · '.join(parts)}. Empty: the agent did nothing. Days are UTC, and looked at "
               "once they are over.")  # fmt: skip


def _said_of_day(name: str, day: int, mine: Sequence[Check], new: Sequence[str]) -> str:
    odd = [c.title.lower() for c in mine if c.verdict in (DRIFT, EXPECTED)]
    parts = [f"{name or NO_AGENT}, {day_text(day)}: {VERDICTS[worst(mine)][0].lower()}"]
    parts += [f"({', '.join(odd[:_TOP])})"] if odd else []
    parts += [f"new version {', '.join(new)}"] if new else []
    return " ".join(parts)


def _said(check: Check) -> str:
    effect = "" if check.effect is None else f", effect {check.effect:+.2f}"
    version = f" {check.agent_version}" if check.agent_version else ""
    return f"{day_text(check.day_s)}{version}: {VERDICTS[check.verdict][0].lower()}{effect}"


def _verdict(check: Check) -> str:
    words, _, sign = VERDICTS.get(check.verdict, VERDICTS[TOO_LITTLE])
    return f"{sign} {words}".strip()
