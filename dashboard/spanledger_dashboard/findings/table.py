"""The table of findings, and the figures above it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope, tables
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.findings.data import Found
from spanledger_dashboard.findings.said import STATE_NAMES
from spanledger_dashboard.findings.totals import Spans, counted_once
from spanledger_dashboard.records import records_table
from spanledger_dashboard.scope import Scope

Card = tuple[str, str, str]
SEVERITIES = {"critical": "▲ Critical", "warning": "△ Warning", "info": "○ Info"}
_ONCE = " Of findings that share a span, only the dearest counts; unknown amounts are not in it."


def cards_of(found: Sequence[Found], spans: Spans, word: str) -> list[Card]:
    """Return the headline figures: label, text, explanation.

    Args:
        found: what is listed.
        spans: what of them overlaps (``load_overlaps``).
        word: what the listed ones are called, as in "Open".
    """
    waste = [one for one in found if not one.is_surprise]
    anomalies = [one for one in found if one.kind == "cost_anomaly"]
    critical = sum(one.severity == "critical" for one in found)
    going_on = sum(one.is_open for one in found)
    wasted = counted_once(waste, spans, "direct_usd")
    carried = counted_once(waste, spans, "carried_usd")
    avoidable = counted_once(waste, spans, "avoidable_usd")
    largest = max((one.direct_usd for one in anomalies if one.direct_usd is not None), default=None)
    return [
        (word, fmt.count(len(found)), f"{fmt.count(critical)} critical."),
        ("Avoidable", fmt.usd(avoidable),
         "What stopping at the first warning would have saved." + _ONCE),
        ("Wasted", fmt.usd(wasted),
         "What the wasted spans cost, by the ledger. Anomalies, drift and regressions compare "
         "periods and are not in it." + _ONCE),
        ("Carried, estimate", fmt.usd(carried),
         "What later calls paid for carrying the waste along in their prompts." + _ONCE),
        ("Largest anomaly", fmt.usd(largest),
         f"{fmt.count(len(anomalies))} cost anomalies. A project, its agents and its models are "
         "series of the same dollars, so they are not added up."),
        ("Going on", fmt.count(going_on), "What they are about had not ended when last looked at."),
    ]  # fmt: skip


def show_cards(cards: Sequence[Card]) -> None:
    """Show label, figure and help of each, in one row."""
    with st.grid(len(cards), min_column_width=140, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation)


def findings_frame(found: Sequence[Found], where: Scope) -> pd.DataFrame:
    """Return one row per finding, in the order given; times on the reader's clock."""
    return pd.DataFrame(
        {
            "Severity": [SEVERITIES.get(one.severity, one.severity) for one in found],
            "What": [one.title for one in found],
            "Kind": [one.kind_name for one in found],
            "Agent": [one.agent_name or None for one in found],
            "Avoidable": [_float(one.avoidable_usd) for one in found],
            "Wasted": [_float(one.direct_usd) for one in found],
            "Carried": [_float(one.carried_usd) for one in found],
            "Last seen": [where.local(one.last_ns / 1e9) for one in found],
            "First seen": [where.local(one.first_ns / 1e9) for one in found],
            "State": [state_text(one) for one in found],
            "Tool": [one.tool_name or None for one in found],
            "User": [one.user_id or None for one in found],
        }
    )


def found_table(found: Sequence[Found]) -> pa.Table:
    """Return the findings for a file, exactly."""
    return records_table(found, without=("details",), durations=("wasted_ns",))


def show_findings(found: Sequence[Found], where: Scope, *, key: str) -> int | None:
    """Show the findings; return the one a reader picked."""
    money: dict[str, tables.Text] = dict.fromkeys(("Avoidable", "Wasted", "Carried"), tables.usd)
    moment = "MMM D, HH:mm"
    config: dict[str, ColumnConfig] = {
        "Severity": st.column_config.TextColumn(width=90),
        "What": st.column_config.TextColumn(width=350),
        "Avoidable": st.column_config.Column(
            help="What stopping at the first warning would have saved."
        ),
        "Wasted": st.column_config.Column(help="What the wasted spans cost."),
        "Carried": st.column_config.Column(
            help="Estimate: what later calls paid for carrying them along."
        ),
        "Last seen": scope.moments(moment),
        "First seen": scope.moments(moment),
    }
    return table(
        findings_frame(found, where), money, config, key=key,
        alt="Findings, dearest first; a click opens one", is_open=True,
    )  # fmt: skip


def state_text(one: Found) -> str:
    """Return what people say of a finding, in words."""
    said = "Open again" if one.is_back else STATE_NAMES.get(one.state, one.state)
    return f"{said}, muted" if one.is_muted and one.state != "false_alarm" else said


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
