"""What the list of findings is narrowed to. Every filter is bound to the address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.findings.data import KIND_NAMES, Found

_WIDTH_PX = 140
STATES: Mapping[str, frozenset[str]] = {
    "Open": frozenset({"open", "acknowledged"}),
    "Closed": frozenset({"resolved", "expected", "false_alarm"}),
    "All": frozenset(),
}
"""By the words of the filter; nothing: all of them."""
_SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wanted; empty texts narrow nothing."""

    text: str = ""
    kind: str = ""
    severity: str = ""
    state: str = "Open"
    agent: str = ""
    tool: str = ""
    user: str = ""
    shows_muted: bool = False

    def allows(self, one: Found) -> bool:
        """Return whether a finding is wanted, muted or not."""
        states = STATES.get(self.state, STATES["Open"])
        exact = (
            (self.kind, one.kind),
            (self.severity, one.severity),
            (self.agent, one.agent_name),
            (self.tool, one.tool_name),
            (self.user, one.user_id),
        )
        return (
            (not states or one.state in states)
            and all(not wanted or wanted == value for wanted, value in exact)
            and (not self.text or one.holds(self.text))
        )


def narrowed(found: Sequence[Found], choice: Choice) -> tuple[list[Found], int]:
    """Return the findings that are wanted, and how many of them are muted, shown or not."""
    wanted = [one for one in found if choice.allows(one)]
    muted = sum(one.is_muted for one in wanted)
    return [one for one in wanted if choice.shows_muted or not one.is_muted], muted


def show_filters(found: Sequence[Found]) -> Choice:
    """Show the filters with what there is to choose from, and return what is chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = st.text_input(
            "Search",
            key="q",
            bind="query-params",
            live=True,
            type="search",
            placeholder="Search findings",
            label_visibility="collapsed",
            width=180,
        )
        state = st.segmented_control(
            "State",
            list(STATES),
            default="Open",
            required=True,
            key="state",
            bind="query-params",
            label_visibility="collapsed",
        )
        kinds = _present(found, lambda one: one.kind)
        kind = _choice("kind", "Kind", kinds, lambda name: KIND_NAMES.get(name, name))
        severity = _choice("severity", "Severity", _SEVERITIES, str.capitalize)
        agent = _choice("agent", "Agent", _present(found, lambda one: one.agent_name))
        tool = _choice("tool", "Tool", _present(found, lambda one: one.tool_name))
        user = _choice("user", "User", _present(found, lambda one: one.user_id))
    shows_muted = bool(st.session_state.get("muted", st.query_params.get("muted") == "true"))
    return Choice(
        (text or "").strip(), kind, severity, str(state or "Open"), agent, tool, user, shows_muted
    )


def show_muted_switch(muted: int) -> None:
    """Show how many are muted, and the switch that shows them; nothing where none is."""
    if not muted and not st.session_state.get("muted"):
        return
    st.toggle(
        f"Show {fmt.count(muted)} muted",
        key="muted",
        bind="query-params",
        help="Findings of a cause that somebody called a false alarm.",
    )


def _choice(key: str, label: str, options: Sequence[str], shown: Callable[[str], str] = str) -> str:
    picked = st.selectbox(
        label,
        options,
        index=None,
        key=key,
        bind="query-params",
        format_func=shown,
        placeholder=label,
        label_visibility="collapsed",
        width=_WIDTH_PX,
    )
    return picked or ""


def _present(found: Sequence[Found], value: Callable[[Found], str]) -> list[str]:
    return sorted({value(one) for one in found} - {""})
