"""The tables of the Cache page: by agent and model, causes, and advice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_analytics.cache.replaying import Advised
from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.cache.cards import ratio
from spanledger_dashboard.cache.charts import NO_AGENT
from spanledger_dashboard.cache.data import Row, UsageRow, grouped

_TALL_PX = 460
_MANY = 12
CAUSE_NAMES = {
    "model_changed": "Model changed",
    "parameters_changed": "Parameters changed",
    "ttl": "Lifetime passed",
    "tools_reordered": "Tools reordered",
    "tools_changed": "Tools changed",
    "dynamic_text": "Dynamic text",
    "system_changed": "System prompt changed",
    "prompt_changed": "Head of the prompt changed",
    "history_rewritten": "History rewritten",
    "history_compacted": "History compacted",
    "image": "Image or file changed",
    "cold_start": "Concurrent cold start",
    "evicted": "Evicted by the provider",
    "unseen": "Prompts not recorded",
}
DETAIL_NAMES = {
    "timestamp": "timestamp",
    "uuid": "UUID",
    "counter": "counter",
    "user_id": "user id",
    "token": "random token",
}
KIND_NAMES = {
    "tools": "Tools",
    "system": "System prompt",
    "message": "Message",
    "segment": "Segment",
    "": "Whole prompt",
}


def groups_frame(rows: Sequence[UsageRow]) -> pd.DataFrame:
    """Return one row per agent and model, the largest input first."""
    found = grouped(rows, lambda row: (row.agent_name, row.provider, row.model))
    keys = list(found)
    sums = list(found.values())
    return pd.DataFrame(
        {
            "Agent": [agent or NO_AGENT for agent, _, _ in keys],
            "Model": [model or None for _, _, model in keys],
            "Provider": [provider or None for _, provider, _ in keys],
            "Calls": [one.calls for one in sums],
            "Input": [one.input_tokens for one in sums],
            "Hit rate": [_share(one.read_tokens, one.input_tokens) for one in sums],
            "Eligible": [_share(one.read_tokens, one.eligible_tokens) for one in sums],
            "Reads per write": [_float(one.reads_per_write) for one in sums],
            "Pays from": [_float(one.break_even_reads) for one in sums],
            "Net saving": [_float(one.net_usd) for one in sums],
            "Lost": [_float(one.lost_usd) for one in sums],
            "Stability": [_share(one.shared_tokens, one.smaller_tokens) for one in sums],
        }
    )


def show_groups(rows: Sequence[UsageRow]) -> None:
    """Show what caching did for each agent and model."""
    frame = groups_frame(rows)
    shares = dict.fromkeys(("Hit rate", "Eligible", "Stability"), _percent)
    formats = {
        **shares,
        "Calls": tables.count,
        "Input": tables.short_count,
        "Reads per write": _ratio,
        "Pays from": _ratio,
        "Net saving": tables.usd,
        "Lost": tables.usd,
    }
    config: dict[str, ColumnConfig] = {
        "Agent": st.column_config.TextColumn(pinned=True),
        "Input": st.column_config.Column(help="Input tokens."),
        "Hit rate": st.column_config.Column(help="Tokens read from the cache over input tokens."),
        "Eligible": st.column_config.Column(
            help="The same over requests that were long enough to be cached."
        ),
        "Reads per write": st.column_config.Column(help="Tokens read for each token written."),
        "Pays from": st.column_config.Column(
            help="Reads per write from which on caching pays, by the rates of the model."
        ),
        "Net saving": st.column_config.Column(
            help="What reads saved less what writes cost extra; below zero caching costs money."
        ),
        "Lost": st.column_config.Column(help="Paid again although it had been cached."),
        "Stability": st.column_config.Column(
            help="How much of two requests in a row was the same from the start."
        ),
    }
    table(frame, formats, config, key="cache-groups", alt="Agents and models, largest input first")


def causes_frame(causes: Sequence[Row], days: Decimal) -> pd.DataFrame:
    """Return one row per agent, segment and cause, dearest first."""
    return pd.DataFrame(
        {
            "Cause": [cause_name(row) for row in causes],
            "Where": [
                KIND_NAMES.get(str(r["segment_kind"]), str(r["segment_kind"])) for r in causes
            ],
            "Agent": [str(row["agent_name"]) or NO_AGENT for row in causes],
            "Lost per day": [
                None if row["lost_usd"] is None else float(Decimal(str(row["lost_usd"])) / days)
                for row in causes
            ],
            "Lost": [_float(_decimal(row["lost_usd"])) for row in causes],
            "Tokens": [int(str(row["lost_tokens"])) for row in causes],
            "Calls": [int(str(row["calls"])) for row in causes],
        }
    )


def show_causes(causes: Sequence[Row], days: Decimal) -> int | None:
    """Show the causes; return the one a reader picked."""
    formats = {
        "Lost per day": tables.usd,
        "Lost": tables.usd,
        "Tokens": tables.short_count,
        "Calls": tables.count,
    }
    config: dict[str, ColumnConfig] = {
        "Cause": st.column_config.TextColumn(pinned=True),
        "Where": st.column_config.TextColumn(help="The first part of the prompt that differs."),
        "Lost": st.column_config.Column(help="Dollars beyond a cache read, in this time range."),
        "Tokens": st.column_config.Column(help="That had been cached and were paid again."),
    }
    return table(
        causes_frame(causes, days), formats, config, key="cache-causes",
        alt="Causes, dearest first; a click shows examples", is_open=True,
    )  # fmt: skip


def advice_frame(found: Sequence[Advised]) -> pd.DataFrame:
    """Return one row per agent and model: what to do, and what it would save."""
    told = [(one, one.advice) for one in found if one.advice]
    return pd.DataFrame(
        {
            "Agent": [one.agent_name or NO_AGENT for one, _ in told],
            "Model": [one.model or None for one, _ in told],
            "Advice": [advice.sentence for _, advice in told],
            "Would save": [float(advice.saving_usd) for _, advice in told],
            "Present": [float(advice.present.cost_usd) for _, advice in told],
            "Billed": [float(advice.billed_usd) for _, advice in told],
            "Calls": [advice.calls for _, advice in told],
        }
    )


def show_advice(frame: pd.DataFrame) -> None:
    """Show the advice."""
    formats = {
        "Would save": tables.usd,
        "Present": tables.usd,
        "Billed": tables.usd,
        "Calls": tables.count,
    }
    config: dict[str, ColumnConfig] = {
        "Agent": st.column_config.TextColumn(pinned=True),
        "Advice": st.column_config.TextColumn(width="large"),
        "Would save": st.column_config.Column(help="Of the input of these calls, by the replay."),
        "Present": st.column_config.Column(help="Input with the present setting, by the replay."),
        "Billed": st.column_config.Column(help="What the input of these calls did cost."),
        "Calls": st.column_config.Column(help="Replayed: the newest of the time range."),
    }
    table(frame, formats, config, key="cache-advice", alt="Advice for each agent and model")


def settings_frame(found: Sequence[Advised]) -> pd.DataFrame:
    """Return one row per agent, model and setting; the cheapest setting first."""
    rows = [
        {
            "Agent": one.agent_name or NO_AGENT,
            "Model": one.model or None,
            "Setting": option.name + (" (present)" if option == one.advice.present else ""),
            "Input cost": float(option.cost_usd),
            "Against present": float(option.cost_usd - one.advice.present.cost_usd),
        }
        for one in found
        if one.advice
        for option in one.advice.options
    ]
    columns = ("Agent", "Model", "Setting", "Input cost", "Against present")
    return pd.DataFrame(rows, columns=list(columns))


def show_settings(frame: pd.DataFrame) -> None:
    """Show what every setting would have cost."""
    formats = {"Input cost": tables.usd, "Against present": _signed}
    config: dict[str, ColumnConfig] = {
        "Agent": st.column_config.TextColumn(pinned=True),
        "Input cost": st.column_config.Column(help="Of the calls replayed, with this setting."),
        "Against present": st.column_config.Column(help="Below zero: this setting is cheaper."),
    }
    table(frame, formats, config, key="cache-settings", alt="Settings and what they would cost")


def cause_name(row: Row) -> str:
    """Return a cause as people read it."""
    name, detail = str(row["cause"]), str(row["detail"])
    label = CAUSE_NAMES.get(name, name)
    return f"{label}: {DETAIL_NAMES.get(detail, detail)}" if detail else label


def table(
    frame: pd.DataFrame,
    formats: Mapping[str, Callable[[object], str]],
    config: Mapping[str, ColumnConfig],
    *,
    key: str,
    alt: str,
    is_open: bool = False,
    tall_px: int = _TALL_PX,
) -> int | None:
    """Show a table, at most ``tall_px`` high; return the row of the cell a reader clicked."""
    state = st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content" if len(frame) <= _MANY else tall_px,
        column_config=dict(config),
        key=key,
        on_select="rerun" if is_open else "ignore",
        selection_mode="single-cell",
        alt=alt,
    )
    if not is_open or isinstance(state, DeltaGenerator):
        return None
    cells = state.selection.cells
    return cells[0][0] if cells else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(value: object) -> str:
    return f"{float(str(value)):.1%}"


def _ratio(value: object) -> str:
    return ratio(Decimal(str(value)))


def _signed(value: object) -> str:
    amount = Decimal(str(value))
    return ("+" if amount > 0 else "") + fmt.usd(amount)


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
