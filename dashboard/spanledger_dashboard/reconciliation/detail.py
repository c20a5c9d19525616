"""One cell: both sides, the arithmetic of its difference, causes, the calls that show them."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import streamlit as st

from spanledger_analytics.reconciliation.corrections import suggest
from spanledger_analytics.reconciliation.days import Days
from spanledger_analytics.reconciliation.instrumentations import with_instrumentations
from spanledger_analytics.reconciliation.report.sums import unexplained_usd
from spanledger_analytics.reconciliation.result import Cell, CellKey, Reconciliation
from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, tables
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.connection import store
from spanledger_dashboard.cost.charts import signed_usd
from spanledger_dashboard.findings.table import show_cards
from spanledger_dashboard.reconciliation.corrections import show_corrections
from spanledger_dashboard.reconciliation.data import CAUSE_NAMES, told
from spanledger_dashboard.reconciliation.files import show_dispute_files
from spanledger_dashboard.reconciliation.opened import OpenActions
from spanledger_dashboard.reconciliation.tables import quantity, signed
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import badge_text, plain, shortened

_MILLION = 10**6
_NAME_LIMIT = 60
_DIMENSIONS = (
    ("Project", "scope"),
    ("Key", "api_key"),
    ("Processing", "processing"),
    ("Tier", "service_tier"),
    ("Context", "context"),
    ("Geography", "geo"),
)


def show_cell(cell: Cell, result: Reconciliation, where: Scope, opened: OpenActions | None) -> None:
    """Show one cell of the project."""
    key = cell.key
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(_title(key), anchor=False, width="stretch")
        if opened is not None:
            show_dispute_files(result, opened.engine, key.provider, cell.cell_id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for label, name in _DIMENSIONS:
            value = getattr(key, name)
            if value is not None:
                said = f"{label}: {shortened(told(value), _NAME_LIMIT)}"
                st.badge(badge_text(said), color="gray")
        st.badge("within tolerance" if cell.is_within_tolerance else "beyond tolerance",
                 color="green" if cell.is_within_tolerance else "orange")  # fmt: skip
        st.badge("final" if cell.is_final else "can still change", color="gray")
    show_cards(_cards(cell))
    left, right = st.columns([2, 3])
    with left:
        _show_sides(cell)
    with right:
        _show_causes(cell)
    _show_evidence(cell)
    st.subheader("What to do", anchor=False)
    found = suggest([cell], beside=result.cells)
    found = with_instrumentations(store(), result.project, [cell], found)
    show_corrections(found, where, Days(key.day, key.day), opened)


def _title(key: CellKey) -> str:
    what = (
        f"{key.provider}, {shortened(told(key.model), _NAME_LIMIT)}" if key.model else key.provider
    )
    return plain(f"{key.day:%b} {key.day.day}: {what}, {key.token_class.replace('_', ' ')}")


def _cards(cell: Cell) -> list[tuple[str, str, str]]:
    return [
        ("Billed", fmt.usd(cell.billed_usd), "What the provider charged."),
        ("Ledger", fmt.usd(cell.ledger_usd), "What the calls cost by our prices."),
        ("Difference", signed_usd(cell.variance_usd), "Billed less ledger."),
        ("By quantity", signed_usd(cell.volume_usd), "More or fewer, at the ledger's price."),
        ("By price", signed_usd(cell.price_usd), "The rest: the same at another price."),
        ("Unexplained", signed_usd(unexplained_usd(cell)), "What no cause accounts for."),
    ]


def _show_sides(cell: Cell) -> None:
    st.markdown("**Both sides**")
    rows = [
        ("Ledger", cell.ledger_quantity, cell.ledger_usd),
        ("Usage report", cell.usage_quantity, None),
        ("Bill", cell.billed_quantity, cell.billed_usd),
    ]
    frame = pd.DataFrame(
        {
            "": [name for name, _, _ in rows],
            "Quantity": [quantity(count) for _, count, _ in rows],
            "Per million": [_rate(count, usd) for _, count, usd in rows],
            "USD": [fmt.usd_exact(usd) for _, _, usd in rows],
        }
    )
    st.dataframe(
        frame, hide_index=True, key="cell-sides", alt="Quantities and dollars of each side"
    )
    if cell.ledger_quantity and cell.billed_quantity is not None:
        st.caption(
            plain(
                f"({quantity(cell.billed_quantity)} - {quantity(cell.ledger_quantity)}) at the "
                f"ledger's price is {fmt.usd_exact(cell.volume_usd)}; the price makes the other "
                f"{fmt.usd_exact(cell.price_usd)}. Together {fmt.usd_exact(cell.variance_usd)}."
            )
        )


def _rate(count: Decimal | None, usd: Decimal | None) -> str:
    return fmt.UNKNOWN if not count or usd is None else fmt.usd(usd * _MILLION / count)


def _show_causes(cell: Cell) -> None:
    st.markdown("**Why**")
    if not cell.causes:
        st.caption("No difference.")
        return
    ordered = sorted(cell.causes, key=lambda s: (s.cause != "unexplained", -abs(s.usd)))
    frame = pd.DataFrame(
        {
            "Cause": [CAUSE_NAMES[share.cause] for share in ordered],
            "USD": [float(share.usd) for share in ordered],
            "Confidence": [share.confidence for share in ordered],
            "Calls": [share.evidence_count for share in ordered],
            "Explanation": [share.explanation for share in ordered],
        }
    )
    config = {"Explanation": st.column_config.TextColumn(width="large")}
    table(frame, {"USD": signed, "Calls": tables.count}, config, key="cell-causes",
          alt="Causes, unexplained first")  # fmt: skip


def _show_evidence(cell: Cell) -> None:
    refs = [(share.cause, ref) for share in cell.causes for ref in share.evidence]
    if not refs:
        return
    count = sum(share.evidence_count for share in cell.causes)
    st.markdown(f"**Calls that show it**, {fmt.count(len(refs))} of {fmt.count(count)}")
    frame = pd.DataFrame(
        {
            "Cause": [CAUSE_NAMES[cause] for cause, _ in refs],
            "Trace": [ref.trace_id for _, ref in refs],
            "Request id": [ref.request_id or None for _, ref in refs],
            "Response id": [ref.response_id or None for _, ref in refs],
        }
    )
    picked = table(frame, {}, {}, key="cell-calls", is_open=True,
                   alt="Calls; a click opens one in its trace")  # fmt: skip
    if picked is not None:
        ref = refs[picked][1]
        query = {**links.trace_query(ref.trace_id), "span_id": ref.span_id}
        st.switch_page("app_pages/trace.py", query_params=query)
