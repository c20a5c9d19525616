"""The list of rules, with how each fares in the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_alerts.rules import Rule
from spanledger_alerts.state_machine import FIRING
from spanledger_alerts.text import figure
from spanledger_dashboard import scope, tables
from spanledger_dashboard.alerts.lasting import lasting
from spanledger_dashboard.alerts.rule_book import Entry
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.scope import Scope
from spanledger_storage.alert_reading import FiredRow
from spanledger_storage.alert_rows import InstanceRow, RuleStateRow

_NS_PER_S = 10**9
_TALL_PX = 35 * 27  # all built-in rules at once
_TIME = pa.timestamp("ns", "UTC")
_OPS = {">=": "from", ">": "above", "<=": "down to", "<": "below"}
FAILED, FIRES, PENDING, WELL = "Fails", "Fires", "Pending", "All is well"
NEVER, OFF = "Not run yet", "Switched off"
_ORDER = (FIRES, FAILED, PENDING, NEVER, WELL, OFF)


@dataclass(frozen=True, slots=True)
class Fared:
    """How a rule fares in a project.

    Attributes:
        state: of ``_ORDER``.
        firing: how many instances fire.
        row: of its last evaluation; None: there was none.
        fired: in the time range; None: it did not.
    """

    entry: Entry
    state: str
    firing: int
    row: RuleStateRow | None
    fired: FiredRow | None

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.entry.rule


def fared(
    entries: Sequence[Entry],
    rows: Mapping[str, RuleStateRow],
    instances: Sequence[InstanceRow],
    fired: Mapping[str, FiredRow],
) -> list[Fared]:
    """Return how rules fare, those that fire first, then by name."""
    firing: dict[str, int] = {}
    pending: set[str] = set()
    for one in instances:
        if one.state in FIRING:
            firing[one.rule] = firing.get(one.rule, 0) + 1
        elif one.state == "pending":
            pending.add(one.rule)
    found = [
        Fared(
            entry,
            _state(entry, rows.get(entry.name), firing.get(entry.name, 0), entry.name in pending),
            firing.get(entry.name, 0),
            rows.get(entry.name),
            fired.get(entry.name),
        )
        for entry in entries
    ]
    return sorted(found, key=lambda one: (_ORDER.index(one.state), one.entry.name))


def _state(entry: Entry, row: RuleStateRow | None, firing: int, is_pending: bool) -> str:
    if not entry.rule.enabled:
        return OFF
    if firing:
        return FIRES
    if row is not None and row.last_error:
        return FAILED
    if is_pending:
        return PENDING
    return NEVER if row is None else WELL


def show_rules(found: Sequence[Fared], where: Scope) -> int | None:
    """Show the rules; return the row a reader picked."""
    frame = pd.DataFrame(
        {
            "Rule": [one.rule.title for one in found],
            "Name": [one.entry.name for one in found],
            "State": [state_text(one) for one in found],
            "Fired": [one.fired.times if one.fired else 0 for one in found],
            "Last fired": [
                _local(one.fired.last_ns if one.fired else None, where) for one in found
            ],
            "Alerts": [thresholds(one.rule) for one in found],
            "Every": [one.rule.every * _NS_PER_S for one in found],
            "Evaluated": [_local(one.row.slot_ns if one.row else None, where) for one in found],
            "Rows": pd.array(
                [one.row.samples if one.row else None for one in found], dtype="Int64"
            ),
            "Source": [one.entry.source for one in found],
            "Owner": [one.rule.owner or None for one in found],
        }
    )
    moment = "MMM D, HH:mm"
    config: dict[str, ColumnConfig] = {
        "Rule": st.column_config.TextColumn(width=250),
        "Name": st.column_config.TextColumn(width=130),
        "State": st.column_config.TextColumn(width=105),
        "Fired": st.column_config.Column(help="Incidents that began in the time range."),
        "Last fired": scope.moments(moment, explanation="In the time range."),
        "Alerts": st.column_config.TextColumn(width=225),
        "Evaluated": scope.moments(moment),
        "Rows": st.column_config.Column(help="What the last evaluation looked at."),
        "Source": st.column_config.TextColumn(help="Built in, a file of the folder, or made here."),
    }
    return table(
        frame, {"Fired": tables.count, "Every": lasting, "Rows": tables.count}, config,
        key="rules", alt="Rules, those that fire first; a click opens one", is_open=True,
        tall_px=_TALL_PX,
    )  # fmt: skip


def state_text(one: Fared) -> str:
    """Return the state of a rule as people read it."""
    if one.state == FIRES:
        return f"▲ {FIRES} ({one.firing:,})" if one.firing > 1 else f"▲ {FIRES}"
    marks = {FAILED: "✕ ", PENDING: "△ ", WELL: "✓ "}
    return f"{marks.get(one.state, '')}{one.state}"


def thresholds(rule: Rule) -> str:
    """Return what a rule fires at, with its unit."""
    word = _OPS[rule.op]
    given = [(name, value) for name, value in (("warns", rule.warn), ("critical", rule.critical))
             if value is not None]  # fmt: skip
    if not given:
        return f"findings, {rule.severity} at most"
    return ", ".join(f"{name} {word} {figure(Decimal(value), rule.unit)}" for name, value in given)


def rules_file(found: Sequence[Fared]) -> pa.Table:
    """Return the rules as a table; times in UTC."""
    columns: dict[str, tuple[list[object], pa.DataType]] = {
        "rule": ([one.entry.name for one in found], pa.string()),
        "title": ([one.rule.title for one in found], pa.string()),
        "source": ([one.entry.source for one in found], pa.string()),
        "state": ([one.state for one in found], pa.string()),
        "firing": ([one.firing for one in found], pa.int64()),
        "fired_in_range": ([one.fired.times if one.fired else 0 for one in found], pa.int64()),
        "last_fired": ([one.fired.last_ns if one.fired else None for one in found], _TIME),
        "evaluated": ([one.row.slot_ns if one.row else None for one in found], _TIME),
        "rows": ([one.row.samples if one.row else None for one in found], pa.int64()),
        "last_error": ([one.row.last_error if one.row else "" for one in found], pa.string()),
        "warn": ([_number(one.rule.warn) for one in found], pa.string()),
        "critical": ([_number(one.rule.critical) for one in found], pa.string()),
        "unit": ([one.rule.unit for one in found], pa.string()),
        "every_s": ([one.rule.every for one in found], pa.int64()),
        "for_s": ([one.rule.for_s for one in found], pa.int64()),
        "owner": ([one.rule.owner for one in found], pa.string()),
    }
    arrays = [pa.array(values, kind) for values, kind in columns.values()]
    return pa.table(arrays, names=list(columns))


def _local(at_ns: int | None, where: Scope) -> object:
    return None if at_ns is None else where.local(at_ns / _NS_PER_S)


def _number(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
