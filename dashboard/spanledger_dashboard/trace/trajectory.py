"""What the head of a trace says of its trajectory: its state, how it spent its time."""

from __future__ import annotations

from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.text import badge_text, shortened
from spanledger_dashboard.trace.data import Row
from spanledger_dashboard.trace.parts import Trajectory

_NAME_LIMIT = 40


def show_trajectory(trajectory: Trajectory) -> None:
    """Show state and times; nothing where the trace is all there is, and it never waited."""
    row = trajectory.summary
    if row is None:
        return
    _show_status(row)
    if len(cast("list[str]", row["trace_ids"])) > 1 or row["waiting_ns"]:
        st.markdown(
            f":gray[{' · '.join(_times(row))}]",
            width="content",
            help="Of the whole trajectory: time in which something ran, in which it only waited, "
            "and in which nothing was recorded.",
        )


def _show_status(row: Row) -> None:
    if row["status"] == "waiting":
        whom = badge_text(shortened(str(row["waits_for"] or "something"), _NAME_LIMIT))
        st.badge(
            f"waits for {'a person' if row['waits_for'] == 'human' else whom}",
            color="yellow",
            icon=":material/front_hand:",
            help="It paused, and nothing has gone on since.",
        )
    elif row["status"] == "abandoned":
        st.badge(
            "abandoned",
            color="gray",
            icon=":material/hourglass_disabled:",
            help="It neither ended nor went on for days. What comes still counts.",
        )


def _times(row: Row) -> list[str]:
    waiting, human = cast("int", row["waiting_ns"]), cast("int", row["waiting_human_ns"])
    found = [f"{fmt.duration(cast('int', row['active_ns']))} active"]
    if human:
        found.append(f"{fmt.duration(human)} waiting for a person")
    if waiting > human:
        found.append(f"{fmt.duration(waiting - human)} waiting")
    if row["idle_ns"]:
        found.append(f"{fmt.duration(cast('int', row['idle_ns']))} idle")
    return found
