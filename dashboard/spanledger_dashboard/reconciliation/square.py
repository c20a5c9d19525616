"""One square of the matrix: a row and a day, with its causes and the cells it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple, cast

import streamlit as st

from spanledger_analytics.reconciliation.report.sums import (
    by_urgency,
    causes_of,
    totals_of,
)
from spanledger_analytics.reconciliation.result import Cell
from spanledger_dashboard import format as fmt
from spanledger_dashboard import links
from spanledger_dashboard.cost.charts import signed_usd
from spanledger_dashboard.findings.table import show_cards
from spanledger_dashboard.reconciliation.data import ROWS
from spanledger_dashboard.reconciliation.tables import show_causes, show_cells
from spanledger_dashboard.text import plain, shortened

CHART_KEY = "matrix"
_NAME_LIMIT = 60
ADDRESS = _DAY, _ROW, _BY = "on", "of", "by"


class Chosen(NamedTuple):
    """A square, as the address names it."""

    day: date
    row: str
    by: str


def choose(places: Sequence[tuple[str, date]], by: str) -> None:
    """Put the square that was clicked into the address; ``places`` are those of the chart."""
    state = cast("Mapping[str, object]", st.session_state.get(CHART_KEY) or {})
    found = clicked(cast("Mapping[str, object]", state.get("selection") or {}), places)
    if found is not None:
        st.query_params.update({_ROW: found[0], _DAY: found[1].isoformat(), _BY: by})


def clicked(
    selection: Mapping[str, object], places: Sequence[tuple[str, date]]
) -> tuple[str, date] | None:
    """Return row and day of the point a selection names; None: it names none of the chart."""
    points = cast("Sequence[Mapping[str, object]]", selection.get("points") or ())
    for point in points:
        place = point.get("point_index")
        if isinstance(place, int) and 0 <= place < len(places):
            return places[place]
    return None


def asked() -> Chosen | None:
    """Return the square that the address names; None: none, or nothing that can be one."""
    try:
        day = date.fromisoformat(st.query_params.get(_DAY) or "")
    except ValueError:
        return None
    row, by = st.query_params.get(_ROW), st.query_params.get(_BY) or ""
    return Chosen(day, row, by if by in ROWS else "Provider") if row is not None else None


def cells_of(cells: Sequence[Cell], chosen: Chosen) -> list[Cell]:
    """Return the cells of a square, the most urgent first."""
    key = ROWS[chosen.by]
    found = [c for c in cells if c.key.day == chosen.day and key(c) == chosen.row]
    return [c for c in by_urgency(found) if c.billed_usd or c.ledger_usd]


def show_square(cells: Sequence[Cell], chosen: Chosen) -> None:
    """Show a square: its sums, why it differs, and its cells, of which a click opens one."""
    day = f"{chosen.day:%b} {chosen.day.day}"
    st.subheader(plain(f"{day}: {shortened(chosen.row, _NAME_LIMIT)}"), anchor=False)
    found = cells_of(cells, chosen)
    if not found:
        st.info(
            "There is no such square in this month: it was compared anew, or the rows are others.",
            icon=":material/search_off:",
        )
        return
    totals = totals_of(found)
    show_cards(
        [
            ("Billed", fmt.usd(totals.billed_usd), "What the provider charged."),
            ("Ledger", fmt.usd(totals.ledger_usd), "What the calls cost by the ledger."),
            ("Difference", signed_usd(totals.variance_usd), "Billed less ledger."),
            ("Unexplained", fmt.usd(totals.unexplained_size_usd),
             "Of the differences, without signs: what no cause accounts for."),
        ]
    )  # fmt: skip
    st.markdown("**Why**")
    show_causes(causes_of(found), key="square-causes")
    st.markdown("**Cells**")
    st.caption("A click on one shows its arithmetic, its causes and the calls behind them.")
    picked = show_cells(found)
    if picked is not None:
        links.open_here("cell", picked.cell_id)
