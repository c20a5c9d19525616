"""The tables of the overview: who costs what, who changed most, how fast models answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, tables
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.entities.kinds import MODELS
from spanledger_dashboard.latency import Latencies
from spanledger_dashboard.overview.movers import Mover
from spanledger_dashboard.time_range import Window
from spanledger_dashboard.usage import Totals

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler
    from streamlit.elements.lib.column_types import ColumnConfig

_TALL_PX = 460
_MANY = 12
_GROUP_FORMATS = {
    "Cost": tables.usd,
    "Calls": tables.count,
    "Tokens": tables.short_count,
    "Errors": lambda v: "" if v == 0 else tables.count(v),
    "Per call": tables.usd,
}
_SPEEDS = ("p50", "p95", "p99", "TTFT p50", "TTFT p95", "TTFT p99")


@dataclass(frozen=True)
class Lists:
    """What the tables of the overview say; each table is made once.

    Attributes:
        nameless: what models without a name are called.
        movers: whose spend changed most; ``models``, ``agents``: sums, the dearest first.
    """

    window: Window
    is_empty: bool
    nameless: frozenset[str]
    movers: Sequence[Mover]
    models: Mapping[str, Totals]
    agents: Mapping[str, Totals]
    latencies: Latencies

    @cached_property
    def model_table(self) -> Styler:
        """What each model cost."""
        return tables.styled(group_frame("Model", self.models), _GROUP_FORMATS)

    @cached_property
    def agent_table(self) -> Styler:
        """What each agent cost."""
        return tables.styled(group_frame("Agent", self.agents), _GROUP_FORMATS)

    @cached_property
    def mover_table(self) -> Styler:
        """Whose spend changed most."""
        formats = {"Change": _signed_usd, "Spend": tables.usd}
        return tables.styled(mover_frame(self.movers), formats)

    @cached_property
    def speed_table(self) -> Styler:
        """How fast each model answers."""
        formats = dict.fromkeys(_SPEEDS, tables.duration) | {"Calls": tables.count}
        return tables.styled(speed_frame(self.latencies), formats)


def show_models(lists: Lists) -> None:
    """Show what each model cost, dearest first; a click opens one."""
    title, models = "Cost by model", list(lists.models)
    _heading(title, lambda: group_table("model", lists.models))
    _linked(lists.model_table, title, lambda row: _target("model", models[row], lists.nameless))


def show_agents(lists: Lists) -> None:
    """Show what each agent cost, dearest first; a click opens one."""
    title, agents = "Cost by agent", list(lists.agents)
    _heading(title, lambda: group_table("agent", lists.agents))
    _linked(lists.agent_table, title, lambda row: ("agent", agents[row]))


def show_movers(lists: Lists, period: str) -> None:
    """Show whose spend changed most; a click opens one."""
    title, movers = "Top movers", lists.movers
    _heading(title, lambda: mover_table(movers))
    if not movers:
        st.caption(f"Nobody's spend changed {period}.")
        return
    _linked(
        lists.mover_table, title,
        lambda row: _target(movers[row].entity, movers[row].name, lists.nameless),
        {
            "What": st.column_config.TextColumn(width=62),
            "Name": st.column_config.TextColumn(width=165),
        },
    )  # fmt: skip
    st.caption(f"Spend {period}; only bars of the charts that are over are compared.")


def show_speeds(lists: Lists) -> None:
    """Show how fast each model answers, most calls first; a click opens one."""
    title, models = "Speed by model", list(lists.latencies.by_model)
    _heading(
        title,
        lambda: speed_table(lists.latencies),
    )
    if not models:
        st.caption("No call of this time range tells its own duration.")
        return
    _linked(lists.speed_table, title, lambda row: ("model", models[row] or MODELS.nameless))


def group_frame(first: str, groups: Mapping[str, Totals]) -> pd.DataFrame:
    """Return one row per name: dollars, calls, tokens, failed calls, dollars per call."""
    return pd.DataFrame(
        {
            first: list(groups),
            "Cost": [_float(t.cost_usd) for t in groups.values()],
            "Calls": [t.calls for t in groups.values()],
            "Tokens": tables.integers([t.tokens for t in groups.values()]),
            "Errors": [t.errors for t in groups.values()],
            "Per call": [
                None if t.cost_usd is None or not t.calls else float(t.cost_usd / t.calls)
                for t in groups.values()
            ],
        }
    )


def group_table(entity: str, groups: Mapping[str, Totals]) -> pa.Table:
    """Return the same for a file, with exact dollars."""
    return pa.table(
        {
            entity: list(groups),
            "total_cost_usd": pa.array(
                [t.cost_usd for t in groups.values()], pa.decimal128(38, 12)
            ),
            "calls": [t.calls for t in groups.values()],
            "errors": [t.errors for t in groups.values()],
            "input_tokens": [t.input_tokens for t in groups.values()],
            "output_tokens": [t.output_tokens for t in groups.values()],
        }
    )


def mover_frame(movers: Sequence[Mover]) -> pd.DataFrame:
    """Return one row per mover, in dollars."""
    return pd.DataFrame(
        {
            "What": [mover.entity.capitalize() for mover in movers],
            "Name": [mover.name for mover in movers],
            "Change": [float(mover.change_usd) for mover in movers],
            "%": [fmt.change(mover.now_usd, mover.before_usd) or "new" for mover in movers],
            "Spend": [float(mover.now_usd) for mover in movers],
        }
    )


def mover_table(movers: Sequence[Mover]) -> pa.Table:
    """Return the same for a file, with exact dollars."""
    money = pa.decimal128(38, 12)
    return pa.table(
        {
            "entity": pa.array([mover.entity for mover in movers], pa.string()),
            "name": pa.array([mover.name for mover in movers], pa.string()),
            "complete_usd": pa.array([mover.now_usd for mover in movers], money),
            "before_usd": pa.array([mover.before_usd for mover in movers], money),
        }
    )


def speed_frame(latencies: Latencies) -> pd.DataFrame:
    """Return percentiles per model, in nanoseconds, of durations and times to the first token."""
    models = latencies.by_model
    columns: dict[str, list[object]] = {
        "Model": [name or "(no model)" for name in models],
        "Calls": [found.calls for found in models.values()],
    }
    for prefix, part in (("", "duration"), ("TTFT ", "ttft")):
        for name in ("p50", "p95", "p99"):
            values = [getattr(getattr(found, part), f"{name}_ns") for found in models.values()]
            columns[f"{prefix}{name}"] = values
    return pd.DataFrame(columns).astype(dict.fromkeys(_SPEEDS, "Int64"))


def speed_table(latencies: Latencies) -> pa.Table:
    """Return the same for a file, with the unit in each name."""
    units = {name: f"{name.lower().replace(' ', '_')}_ns" for name in _SPEEDS}
    units |= {name: f"latency_{name}_ns" for name in _SPEEDS[:3]}
    frame = speed_frame(latencies).rename(columns={"Model": "model", "Calls": "calls", **units})
    return pa.Table.from_pandas(frame, preserve_index=False)


def _heading(title: str, read: Callable[[], pa.Table]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{title}**", width="stretch")
        show_downloads(title.lower().replace(" ", "-"), read, what=f"{title}, this time range.")


def _linked(
    table: Styler,
    title: str,
    target: Callable[[int], tuple[str, str]],
    config: Mapping[str, ColumnConfig] | None = None,
) -> None:
    frame = tables.values_of(table)
    first = {str(frame.columns[0]): st.column_config.TextColumn(width="medium")}
    state = st.dataframe(
        table,
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content" if len(frame) < _MANY else _TALL_PX,
        column_config=config or first,
        key=f"table-{title}",
        on_select="rerun",
        selection_mode="single-cell",
        alt=f"{title}; a click opens one",
    )
    if state.selection.cells:
        links.open_entity(*target(state.selection.cells[0][0]))


def _target(entity: str, name: str, nameless: Collection[str]) -> tuple[str, str]:
    """Return what a click opens: the page of models has one entry for all without a name."""
    is_nameless = entity == MODELS.key and name in nameless
    return entity, MODELS.nameless if is_nameless else name


def _signed_usd(value: object) -> str:
    amount = Decimal(str(value))
    return f"{'+' if amount > 0 else ''}{fmt.usd(amount)}"


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
