"""What loops cost, by agent, tool and rule: tables and figures of the Loops page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import pandas as pd
import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.charts import Axis, dollar_format
from spanledger_dashboard.findings.data import Found
from spanledger_dashboard.findings.totals import Amount, summed
from spanledger_dashboard.gpus.charts import Line, Unit, stacked

Card = tuple[str, str, str]
NO_AGENT, NO_TOOL = "no agent", "no tool"
CODE_NAMES = {
    "exact": "Same call, same result",
    "cycle": "Steps in a circle",
    "error_retry": "The same failing call",
    "same_call": "Polling",
    "near": "Nearly the same calls",
    "monologue": "The same answer again",
    "chant": "An answer that repeats itself",
    "handoff": "Hand-offs in a circle",
    "recursion": "Recursion",
    "stagnation": "Few new steps",
}
"""Rules by their names in the store."""


@dataclass(frozen=True, slots=True)
class Loops:
    """The loops of a time range.

    Attributes:
        all: every one, the dearest first.
        counted: by amount, those of them whose dollars can be added up (``totals.apart``).
        spend_usd: what the project spent in the range.
        agents_usd: what each agent did.
    """

    all: Sequence[Found]
    counted: Mapping[Amount, Sequence[Found]]
    spend_usd: Decimal
    agents_usd: Mapping[str, Decimal]


def cards_of(loops: Loops, days: Decimal) -> list[Card]:
    """Return the headline figures: label, text, explanation."""
    wasted, avoidable = _sum(loops, "direct_usd"), _sum(loops, "avoidable_usd")
    per_day = None if wasted is None else wasted / days
    going_on = sum(one.is_open for one in loops.all)
    unpriced = sum(one.direct_usd is None for one in loops.all)
    missing = f" {fmt.count(unpriced)} loops have no known price." if unpriced else ""
    return [
        ("Loops", fmt.count(len(loops.all)), "What nobody called a false alarm or expected."),
        ("Wasted", fmt.usd(wasted), "What the repeated spans cost, each span once." + missing),
        ("Wasted per day", fmt.usd(per_day), "Over the part of the range that is over."),
        ("Share of spend", fmt.percent(wasted, loops.spend_usd),
         f"Of {fmt.usd(loops.spend_usd)} that the project spent in this range."),
        ("Avoidable", fmt.usd(avoidable), "What stopping at the first warning would have saved."),
        ("Going on", fmt.count(going_on), "Their agents had not stopped when last looked at."),
    ]  # fmt: skip


def groups_frame(loops: Loops) -> pd.DataFrame:
    """Return one row per agent and tool, the dearest first."""
    names = {(one.agent_name, one.tool_name) for one in loops.all}
    rows: list[dict[str, object]] = []
    for agent, tool in names:
        is_mine = partial(_is_of, agent, tool)
        mine = [one for one in loops.all if is_mine(one)]
        wasted = _sum(loops, "direct_usd", is_mine)
        spent = loops.agents_usd.get(agent)
        rows.append(
            {
                "Agent": agent or NO_AGENT,
                "Tool": tool or NO_TOOL,
                "Loops": len(mine),
                "Wasted": _float(wasted),
                "Of its spend": float(wasted / spent) if wasted is not None and spent else None,
                "Avoidable": _float(_sum(loops, "avoidable_usd", is_mine)),
                "Carried": _float(_sum(loops, "carried_usd", is_mine)),
                "Time": sum(one.wasted_ns for one in mine),
                "Kinds": ", ".join(sorted({code_name(one.code) for one in mine})),
            }
        )
    columns = ("Agent", "Tool", "Loops", "Wasted", "Of its spend", "Avoidable", "Carried", "Time",
               "Kinds")  # fmt: skip
    rows.sort(
        key=lambda row: (-float(str(row["Wasted"] or 0)), str(row["Agent"]), str(row["Tool"]))
    )
    return pd.DataFrame(rows, columns=list(columns))


def show_groups(frame: pd.DataFrame) -> int | None:
    """Show agents and tools; return the row a reader picked."""
    formats: dict[str, Callable[[object], str]] = {
        **dict.fromkeys(("Wasted", "Avoidable", "Carried"), tables.usd),
        "Loops": tables.count,
        "Of its spend": lambda value: f"{float(str(value)):.1%}",
        "Time": tables.duration,
    }
    config: dict[str, ColumnConfig] = {
        "Agent": st.column_config.TextColumn(pinned=True),
        "Of its spend": st.column_config.Column(help="Wasted, over what the agent spent."),
        "Carried": st.column_config.Column(
            help="Estimate: what later calls paid for carrying the repeats along."
        ),
        "Time": st.column_config.Column(help="That the repeats took; loops at once count twice."),
        "Kinds": st.column_config.TextColumn(width="medium"),
    }
    return table(
        frame, formats, config, key="loop-groups",
        alt="Agents and tools, most wasted first; a click lists their loops", is_open=True,
    )  # fmt: skip


def kinds_frame(loops: Loops) -> pd.DataFrame:
    """Return one row per rule, the dearest first."""
    rows: list[dict[str, object]] = []
    for code in {one.code for one in loops.all}:
        is_mine = partial(_is_by, code)
        wasted = _sum(loops, "direct_usd", is_mine)
        count = sum(map(is_mine, loops.all))
        rows.append({"Kind": code_name(code), "Loops": count, "Wasted": _float(wasted)})
    rows.sort(key=lambda row: (-float(str(row["Wasted"] or 0)), str(row["Kind"])))
    return pd.DataFrame(rows, columns=["Kind", "Loops", "Wasted"])


def show_kinds(frame: pd.DataFrame) -> None:
    """Show which rules found how many."""
    formats = {"Loops": tables.count, "Wasted": tables.usd}
    table(frame, formats, {}, key="loop-kinds", alt="Kinds of loops, most wasted first")


def wasted_bars(loops: Loops, axis: Axis, name: Callable[[Found], str]) -> go.Figure:
    """Return dollars wasted per bucket, stacked by a name; loops count where they began."""
    last = len(axis.starts_s) - 1
    lines: dict[str, dict[int, float]] = {}
    for one in loops.counted["direct_usd"]:
        place = (one.first_ns // 10**9 - axis.starts_s[0]) // axis.bucket_s
        start = axis.starts_s[min(max(0, place), last)]
        values = lines.setdefault(name(one), {})
        values[start] = values.get(start, 0.0) + float(one.direct_usd or 0)
    peak = max((sum(v.get(s, 0.0) for v in lines.values()) for s in axis.starts_s), default=0.0)
    unit = Unit(dollar_format(peak), ",.4~f", prefix="$")
    return stacked([Line(key, values) for key, values in lines.items()], axis, unit)


def code_name(code: str) -> str:
    """Return a rule as people read it."""
    return CODE_NAMES.get(code, code.replace("_", " ").capitalize())


def _sum(
    loops: Loops, amount: Amount, is_meant: Callable[[Found], bool] = lambda one: True
) -> Decimal | None:
    return summed([one for one in loops.counted[amount] if is_meant(one)], amount)


def _is_of(agent: str, tool: str, one: Found) -> bool:
    return (one.agent_name, one.tool_name) == (agent, tool)


def _is_by(code: str, one: Found) -> bool:
    return one.code == code


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
