"""Reconciliation: what was billed against the ledger, why it differs, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from functools import partial

import streamlit as st

from spanledger_analytics.allocation.months import recent_months
from spanledger_analytics.reconciliation.coverage import coverage_by_key, coverage_by_provider
from spanledger_analytics.reconciliation.days import Days, days_of
from spanledger_analytics.reconciliation.report.sums import (
    by_urgency,
    causes_of,
    totals_of,
)
from spanledger_analytics.reconciliation.result import Cause, Cell, Reconciliation
from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, pickers, scope, shell
from spanledger_dashboard.cost.charts import signed_usd
from spanledger_dashboard.downloads import show_downloads, show_titled
from spanledger_dashboard.failures import explained
from spanledger_dashboard.findings.table import show_cards
from spanledger_dashboard.reconciliation import charts, square
from spanledger_dashboard.reconciliation.corrections import (
    show_adjustments,
    show_corrections,
    show_done,
)
from spanledger_dashboard.reconciliation.data import (
    CAUSE_NAMES,
    ROWS,
    load,
    load_corrections,
    load_invoices,
    squares,
)
from spanledger_dashboard.reconciliation.detail import show_cell
from spanledger_dashboard.reconciliation.files import show_dispute_files, show_report_files
from spanledger_dashboard.reconciliation.opened import OpenActions, actions
from spanledger_dashboard.reconciliation.tables import (
    MOST_CELLS,
    cells_table,
    invoices_table,
    show_causes,
    show_cells,
    show_coverage,
    show_invoices,
)
from spanledger_dashboard.records import records_table
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain

_MONTHS = 24
_PAGE = "app_pages/reconciliation.py"
_CHART = {"displayModeBar": False}
_ALL = "All providers"
_BEYOND, _DIFFERING, _EVERY = "Beyond tolerance", "All differences", "Everything"
_ANY_CAUSE = "Any cause"
_BY = "Model"
_KEPT = ("month", "project", "provider", "rows", "cause", "which")


def _body() -> None:
    with explained():
        month = _show_head(scope.now_s())
        where = scope.current()
        result = load(where.project, month, "")
        opened = actions()
        asked = (st.query_params.get("cell") or "").strip().lower()
        chosen = square.asked()
        if asked:
            _show_one(asked, result, where, opened)
        elif chosen is not None:
            _show_back()
            square.show_square(result.cells, chosen)
        elif not result.cells:
            _say_nothing(month, where)
        else:
            _show(result, month, where, opened)


def _show_head(now_s: int) -> Days:
    """Show title and pickers; return the month."""
    months = [month.text for month in recent_months(now_s, UTC, _MONTHS)]
    with shell.page_head("Reconciliation"):
        chosen = st.selectbox(
            "Month",
            months,
            key="month",
            bind="query-params",
            label_visibility="collapsed",
            icon=":material/calendar_month:",
            width=145,
        )
        pickers.refresh_picker(is_of_range=False)
        pickers.project_picker()
        shell.show_help()
    return days_of(str(chosen) if chosen in months else months[0])


def _say_nothing(month: Days, where: Scope) -> None:
    with st.container(border=True, key="no-reconciliation"):
        st.subheader(f"Nothing to reconcile in {month.text}", anchor=False)
        st.markdown(
            f"No provider's report of {month.text} is imported into project "
            f"**{plain(where.project)}**. Import what your providers report; the comparison with "
            "the ledger follows by itself:"
        )
        st.code(
            "spanledger invoices import costs.json usage.json\n"
            f"spanledger reconcile run {month.text}    # or wait for the worker",
            language="bash",
        )
        st.page_link("app_pages/invoices.py", label="Invoices", icon=":material/receipt_long:")


def _show_back() -> None:
    """Show the way back to the month, as it was looked at."""
    kept = {name: value for name in _KEPT if (value := st.query_params.get(name))}
    place = {name: value for name in square.ADDRESS if (value := st.query_params.get(name))}
    icon = ":material/arrow_back:"
    with st.container(horizontal=True, gap="small"):
        st.page_link(_PAGE, label="The whole month", icon=icon, query_params=kept)
        if place and st.query_params.get("cell"):
            st.page_link(_PAGE, label="The day", icon=icon, query_params={**kept, **place})


def _show_one(asked: str, result: Reconciliation, where: Scope, opened: OpenActions | None) -> None:
    _show_back()
    cell = next((one for one in result.cells if one.cell_id == asked), None)
    if cell is None:
        st.info(
            "There is no such cell in this month: it was compared anew, or it is of another month.",
            icon=":material/search_off:",
        )
        return
    show_cell(cell, result, where, opened)


def _show(whole: Reconciliation, month: Days, where: Scope, opened: OpenActions | None) -> None:
    provider = _show_filter(whole, where, opened)
    cells = [cell for cell in whole.cells if provider in ("", cell.key.provider)]
    result = Reconciliation(whole.project, whole.first_day, whole.last_day, cells)
    _show_answer(cells)
    _show_invoices(month, provider, where, opened)
    _show_matrix(result)
    left, right = st.columns([3, 2])
    with left:
        _show_way(cells)
    with right:
        _show_coverage(cells)
    _show_sums(cells)
    _show_cells(cells)
    _show_what_to_do(result, month, provider, where, opened)


def _show_filter(result: Reconciliation, where: Scope, opened: OpenActions | None) -> str:
    """Show the picker of the provider and the downloads; return whose, empty: all."""
    names = sorted({cell.key.provider for cell in result.cells})
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chosen = st.selectbox(
            "Provider",
            [_ALL, *names],
            key="provider",
            bind="query-params",
            label_visibility="collapsed",
            icon=":material/cloud:",
            width=230,
        )
        provider = str(chosen) if chosen in names else ""
        st.space("stretch")
        if opened is not None:
            show_report_files(result, opened.engine, f"{result.first_day:%Y-%m}")
            if provider:
                show_dispute_files(result, opened.engine, provider)
        else:
            st.caption("Corrections and files need SPANLEDGER_STATE_URL.")
    return provider


def _show_answer(cells: Sequence[Cell]) -> None:
    totals = totals_of(cells)
    final = totals.cells_final == totals.cells
    beyond = totals.cells - totals.cells_within_tolerance
    show_cards(
        [
            ("Billed", fmt.usd(totals.billed_usd), "What providers charged, in dollars."),
            ("Ledger", fmt.usd(totals.ledger_usd), "What the calls cost by the ledger."),
            ("Difference", signed_usd(totals.variance_usd), "Billed less ledger."),
            ("Matched", _percent(totals.matched_share),
             "Dollars on which both agree, of all dollars on either side; cell by cell."),
            ("Unexplained", fmt.usd(totals.unexplained_size_usd),
             "Of the differences, without signs: what no cause accounts for."),
        ]
    )  # fmt: skip
    st.caption(
        f"{fmt.count(totals.cells)} cells, {fmt.count(beyond)} beyond tolerance; "
        + ("all days are final." if final else "some days can still change.")
    )


def _show_invoices(month: Days, provider: str, where: Scope, opened: OpenActions | None) -> None:
    """Show invoices as wholes; nothing where none is known."""
    rules = opened.rules(where.project) if opened else None
    found = load_invoices(where.project, month, rules) if rules else []
    shown = [one for one in found if provider in ("", one.provider)]
    if shown:
        show_titled("Invoices against their lines", "invoice-totals",
                    partial(invoices_table, shown),
                    what="Every invoice shown, exact")  # fmt: skip
        show_invoices(shown)


def _percent(share: object) -> str:
    """Return percent, rounded down: 100 % is all of it."""
    return fmt.UNKNOWN if share is None else f"{int(float(str(share)) * 10_000) / 100:.2f}%"


def _show_matrix(result: Reconciliation) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader("Days", anchor=False, width="stretch")
        by = st.segmented_control(
            "Rows", list(ROWS), default=_BY, key="rows", bind="query-params",
            label_visibility="collapsed", required=True,
        )  # fmt: skip
    rows = squares(result.cells, str(by or _BY))
    days = charts.days_of(result.first_day, result.last_day)
    places = charts.matrix_places(rows, days)
    with st.container(border=True):
        st.plotly_chart(
            charts.matrix(rows, days),
            key=square.CHART_KEY,
            config=_CHART,
            on_select=lambda: square.choose(places, str(by or _BY)),
            selection_mode="points",
            alt="Difference by row and day; a click opens one",
        )
    more = len(rows) - charts.MOST_ROWS
    st.caption(
        "Orange +: charged more than the ledger says; blue −: less; ?: part of it is unexplained. "
        "Full colour from 10 % on, grey: within tolerance. A click shows why."
        + (f" {more} more rows have smaller differences." if more > 0 else "")
    )


def _show_way(cells: Sequence[Cell]) -> None:
    st.subheader("From the ledger to the bill", anchor=False)
    causes = causes_of(cells)
    if not causes:
        st.caption("There is no difference.")
        return
    figure, is_near = charts.way(totals_of(cells), causes)
    with st.container(border=True):
        st.plotly_chart(
            figure,
            key="way",
            config=_CHART,
            alt="What each cause adds between the ledger and the bill",
        )
    if is_near:
        st.caption("The axis begins near the sums, so that the steps can be seen.")


def _show_coverage(cells: Sequence[Cell]) -> None:
    st.subheader("Coverage", anchor=False)
    rows = coverage_by_provider(cells, by_day=True)
    if not rows:
        st.caption("No report tells what was used.")
        return
    with st.container(border=True):
        st.plotly_chart(
            charts.coverage(rows), key="coverage", config=_CHART,
            alt="Share of what providers report that is in the ledger, by day",
        )  # fmt: skip


def _show_sums(cells: Sequence[Cell]) -> None:
    """Show the figures behind both charts."""
    if causes := causes_of(cells):
        show_titled("Causes", "causes", partial(records_table, causes),
                    what="What each cause explains, exact")  # fmt: skip
        show_causes(causes, key="causes")
    if rows := coverage_by_key(cells):
        show_titled("Coverage by key", "coverage", partial(records_table, rows),
                    what="What of each key is in the ledger, exact")  # fmt: skip
        show_coverage(rows)


def _show_cells(cells: Sequence[Cell]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader("Cells", anchor=False, width="stretch")
        present = {share.cause for cell in cells for share in cell.causes}
        names = [CAUSE_NAMES[cause] for cause in Cause if cause in present]
        cause = st.selectbox(
            "Cause", [_ANY_CAUSE, *sorted(names)], key="cause", bind="query-params",
            label_visibility="collapsed", width=220,
        )  # fmt: skip
        which = st.segmented_control(
            "Which", [_BEYOND, _DIFFERING, _EVERY], default=_DIFFERING, key="which",
            bind="query-params", label_visibility="collapsed", required=True,
        )  # fmt: skip
        wanted = [cell for cell in by_urgency(cells) if _is_wanted(cell, str(which), str(cause))]
        if wanted:
            show_downloads("cells", partial(cells_table, wanted),
                           what="Every cell that matches, exact")  # fmt: skip
    if not wanted:
        st.caption("No cell matches.")
        return
    picked = show_cells(wanted[:MOST_CELLS])
    if len(wanted) > MOST_CELLS:
        st.caption(f"The first {MOST_CELLS:,} of {len(wanted):,}; the report has all of them.")
    if picked is not None:
        links.open_here("cell", picked.cell_id)


def _is_wanted(cell: Cell, which: str, cause: str) -> bool:
    if cause != _ANY_CAUSE and all(CAUSE_NAMES[s.cause] != cause for s in cell.causes):
        return False
    if which == _BEYOND:
        return not cell.is_within_tolerance
    return which == _EVERY or bool(cell.variance_usd)


def _show_what_to_do(
    result: Reconciliation, month: Days, provider: str, where: Scope, opened: OpenActions | None
) -> None:
    st.subheader("What to do", anchor=False)
    rules = opened.rules(where.project) if opened else None
    show_corrections(load_corrections(where.project, month, provider, rules), where, month, opened)
    if opened is None:
        return
    is_closed = month.is_over(scope.now_s() * 10**9) and all(c.is_final for c in result.cells)
    show_adjustments(where, month, provider, opened, is_closed=is_closed)
    show_done(where, opened)


_body()
