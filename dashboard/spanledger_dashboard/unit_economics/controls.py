"""What the reader chooses on the page; all of it is in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import streamlit as st

from spanledger_dashboard.text import plain
from spanledger_dashboard.unit_economics.query import FILTERS, GROUPS, OWNER, Filters

_OWNER_LABEL = "Dimension"
_DEFAULT_DIMENSION = "customer"
_FILTER_OF = {
    "agent_name": "agent",
    "agent_version": "version",
    "user_id": "user",
    "model": "model",
    OWNER: "owner",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the pickers hold; ``column`` tells groups apart, ``label`` is what it is called."""

    label: str
    column: str
    dimension: str
    filters: Filters
    counts_silent: bool

    def filter_text(self, name: str) -> str:
        """Return the filter that lets a group through alone; '' where there is none for it."""
        key = _FILTER_OF.get(self.column)
        return f"{key}: {name}" if key else ""


def show(offered: Sequence[str]) -> Choice:
    """Show the pickers; ``offered`` are filters to pick, others can be written."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        label = st.selectbox(
            "By", [*GROUPS, _OWNER_LABEL], key="by", bind="query-params", width=170
        )
        dimension = st.text_input(
            "Dimension",
            _DEFAULT_DIMENSION,
            key="dimension",
            bind="query-params",
            width=150,
            help="Its name, as spans say it: spanledger.dimension.customer is customer.",
        )
        texts = st.multiselect(
            "Only",
            list(dict.fromkeys([*offered, *_chosen()])),
            key="only",
            bind="query-params",
            accept_new_options=True,
            placeholder="everything",
            help="Pick values, or write one: “user: u-17”. Values of one kind are alternatives. "
            f"Kinds: {', '.join(FILTERS)}.",
        )
        counts_silent = st.toggle(
            "Silent tasks are abandoned",
            key="silent",
            bind="query-params",
            help="Tasks without an outcome and without a span for a day count as abandoned, and "
            "completed tasks bear what they cost.",
        )
    column = OWNER if label == _OWNER_LABEL else GROUPS.get(str(label), "agent_name")
    filters, odd = read_filters(texts)
    if odd:
        st.warning(
            f"Not understood: {plain(', '.join(odd))}. Write “kind: value”; kinds are "
            f"{', '.join(FILTERS)}.",
            icon=":material/filter_alt_off:",
        )
    name = f"{dimension.strip()}" if column == OWNER else str(label)
    return Choice(name or _OWNER_LABEL, column, dimension.strip(), filters, counts_silent)


def read_filters(texts: Sequence[str]) -> tuple[Filters, list[str]]:
    """Return filters as written (``agent: planner``), and those that are none."""
    found: dict[str, list[str]] = {}
    odd: list[str] = []
    for text in texts:
        key, colon, value = text.partition(":")
        if colon and key.strip().lower() in FILTERS:
            found.setdefault(key.strip().lower(), []).append(value.strip())
        else:
            odd.append(text)
    return tuple((key, tuple(values)) for key, values in found.items()), odd


def _chosen() -> Sequence[str]:
    return cast("Sequence[str]", st.session_state.get("only") or ())
