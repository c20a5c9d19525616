"""The lists of the Incidents page: filters in the address, tables, files of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope, tables
from spanledger_dashboard.alerts.incidents import SEVERITY_NAMES, STATE_NAMES, Shown
from spanledger_dashboard.alerts.lasting import lasting
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.scope import Scope

Card = tuple[str, str, str]
BOTH, OPEN, RESOLVED = "All", "Open", "Resolved"
_SEVERITIES = ("critical", "warning", "info")
_SUBJECTS = ("agent", "tool", "model", "user", "service", "budget", "gpu", "worker", "session")
_HIDDEN = ("kind", "code", "pattern", "trace", "evaluation")
_MOST_SUBJECTS = 2
_WIDTH_PX = 190
_MONEY = pa.decimal128(38, 12)
_TIME = pa.timestamp("ns", "UTC")
_NS_PER_S = 10**9


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wanted; empty texts narrow nothing."""

    state: str = BOTH
    severity: str = ""
    rule: str = ""
    text: str = ""
    label: str = ""

    def allows(self, one: Shown) -> bool:
        """Return whether an incident is wanted, whatever its state."""
        name, is_pair, value = self.label.partition("=")
        has_label = not is_pair or one.facts.labels.get(name.strip(), "") == value.strip()
        return (
            has_label
            and self.severity in ("", one.severity)
            and self.rule in ("", one.rule_name)
            and (not self.text or one.holds(self.text))
        )


def show_filters(found: Sequence[Shown]) -> Choice:
    """Show the filters with what there is to choose from, and return what is chosen."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        text = st.text_input(
            "Search", key="q", bind="query-params", live=True, type="search",
            placeholder="Search incidents", label_visibility="collapsed", width=_WIDTH_PX,
        )  # fmt: skip
        state = st.segmented_control(
            "State", (BOTH, OPEN, RESOLVED), default=BOTH, required=True, key="state",
            bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
        severity = _choice("severity", "Severity", _SEVERITIES)
        rule = _choice("rule", "Rule", sorted({one.rule_name for one in found}))
        label = _choice("label", "Label", _labels(found))
    return Choice(str(state or BOTH), severity, rule, (text or "").strip(), label)


def cards_of(shown: Sequence[Shown], ended: Sequence[Shown]) -> list[Card]:
    """Return the headline figures: label, text, explanation."""
    firing = [one for one in shown if one.state != "pending"]
    pending = len(shown) - len(firing)
    critical = sum(one.severity == "critical" for one in firing)
    alone = sum(not one.acknowledged_by and not one.is_silenced for one in firing)
    known = [one.usd for one in firing if one.usd is not None]
    return [
        (OPEN, fmt.count(len(firing)), f"That fire now. {fmt.count(pending)} more are pending: "
         "past a threshold, for less than the rule's time."),
        ("Critical", fmt.count(critical), "Of those that fire."),
        ("Nobody on it", fmt.count(alone), "That fire, neither acknowledged nor silenced."),
        ("Silenced", fmt.count(sum(one.is_silenced for one in firing)),
         "That fire, and of which nobody is told."),
        ("Dearest", fmt.usd(max(known, default=None)),
         "The largest amount of one that fires. Incidents may be about the same dollars, so they "
         "are not added up."),
        (RESOLVED, fmt.count(len(ended)), "That ended in the time range."),
    ]  # fmt: skip


def show_cards(cards: Sequence[Card]) -> None:
    """Show label, figure and help of each, in one row."""
    with st.grid(len(cards), min_column_width=130, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation)


def show_open(found: Sequence[Shown], where: Scope, now_s: int) -> int | None:
    """Show what is open; return the row a reader picked."""
    frame = pd.DataFrame(
        {
            "Severity": [SEVERITY_NAMES.get(one.severity, one.severity) for one in found],
            "What": [one.words.title for one in found],
            "About": [about(one) or None for one in found],
            "Since": [where.local(one.started_ns / _NS_PER_S) for one in found],
            "For": [max(0, now_s - one.started_ns // _NS_PER_S) * _NS_PER_S for one in found],
            "Dollars": [_float(one.usd) for one in found],
            "State": [state_text(one) for one in found],
            "Acknowledged by": [one.acknowledged_by or None for one in found],
            "Owner": [one.words.owner or None for one in found],
            "Rule": [one.rule_name for one in found],
        }
    )
    return table(
        frame, {"Dollars": tables.usd, "For": lasting}, _config(),
        key="incidents-open", alt="Open incidents, most severe first; a click opens one",
        is_open=True,
    )  # fmt: skip


def show_ended(found: Sequence[Shown], where: Scope) -> int | None:
    """Show what ended in the time range; return the row a reader picked."""
    frame = pd.DataFrame(
        {
            "Severity": [SEVERITY_NAMES.get(one.severity, one.severity) for one in found],
            "What": [one.words.title for one in found],
            "About": [about(one) or None for one in found],
            "Since": [where.local(one.started_ns / _NS_PER_S) for one in found],
            "Resolved": [where.local((one.ended_ns or 0) / _NS_PER_S) for one in found],
            "Lasted": [max(0, (one.ended_ns or 0) - one.started_ns) for one in found],
            "Dollars": [_float(one.usd) for one in found],
            "Acknowledged by": [one.acknowledged_by or None for one in found],
            "Rule": [one.rule_name for one in found],
        }
    )
    return table(
        frame, {"Dollars": tables.usd, "Lasted": lasting}, _config(),
        key="incidents-ended", alt="Resolved incidents, latest first; a click opens one",
        is_open=True,
    )  # fmt: skip


def about(one: Shown) -> str:
    """Return whom it is about: the labels that name somebody or something, the best known first."""
    labels = one.facts.labels
    named = [labels[name] for name in _SUBJECTS if labels.get(name)]
    rest = [value for name, value in sorted(labels.items()) if name not in _SUBJECTS + _HIDDEN]
    return ", ".join((named or rest)[:_MOST_SUBJECTS])


def state_text(one: Shown) -> str:
    """Return the state of an incident as people read it."""
    words = [STATE_NAMES.get(one.state, one.state)]
    words += ["silenced"] if one.is_silenced else []
    words += ["escalated"] if one.is_escalated and one.is_open else []
    return ", ".join(words)


def incidents_file(found: Sequence[Shown]) -> pa.Table:
    """Return incidents as a table: exact dollars, UTC times."""
    columns: dict[str, tuple[list[object], pa.DataType]] = {
        "incident": ([one.key for one in found], pa.string()),
        "rule": ([one.rule_name for one in found], pa.string()),
        "title": ([one.words.title for one in found], pa.string()),
        "severity": ([one.severity for one in found], pa.string()),
        "state": ([one.state for one in found], pa.string()),
        "is_silenced": ([one.is_silenced for one in found], pa.bool_()),
        "started": ([one.started_ns for one in found], _TIME),
        "resolved": ([one.ended_ns for one in found], _TIME),
        "value": ([_text(one.facts.value if one.is_last else None) for one in found], pa.string()),
        "unit": ([one.rule.unit for one in found], pa.string()),
        "usd": ([one.usd for one in found], _MONEY),
        "acknowledged_by": ([one.acknowledged_by for one in found], pa.string()),
        "owner": ([one.rule.owner for one in found], pa.string()),
        "labels": ([_label_text(one) for one in found], pa.string()),
    }
    arrays = [pa.array(values, kind) for values, kind in columns.values()]
    return pa.table(arrays, names=list(columns))


def _config() -> dict[str, ColumnConfig]:
    moment = "MMM D, HH:mm"
    return {
        "Severity": st.column_config.TextColumn(width=92),
        "What": st.column_config.TextColumn(width=350),
        "About": st.column_config.TextColumn(width=170),
        "Since": scope.moments(moment),
        "Resolved": scope.moments(moment),
        "For": st.column_config.Column(help="How long it lasts already."),
        "Lasted": st.column_config.Column(help="From its beginning to its end."),
        "Dollars": st.column_config.Column(help="What it costs, where that is known."),
    }


def _choice(key: str, label: str, options: Sequence[str]) -> str:
    picked = st.selectbox(
        label, options, index=None, key=key, bind="query-params", placeholder=label,
        label_visibility="collapsed", width=_WIDTH_PX,
        format_func=str.capitalize if key == "severity" else str,
    )  # fmt: skip
    return picked or ""


def _labels(found: Sequence[Shown]) -> list[str]:
    """Return what there is to choose from; labels of one incident alone narrow nothing."""
    return sorted(
        {
            f"{name}={value}"
            for one in found
            for name, value in one.facts.labels.items()
            if name not in ("trace", "pattern")
        }
    )


def _label_text(one: Shown) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(one.facts.labels.items()))


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
