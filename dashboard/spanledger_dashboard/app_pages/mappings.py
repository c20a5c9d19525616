"""Mappings: texts of invoices that wait, the dearest first, and what others stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import cast

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_analytics.invoices.unmapped import Unmapped, counted_params, read_unmapped
from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, pickers, scope, shell
from spanledger_dashboard.access import viewer
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads, show_titled
from spanledger_dashboard.failures import explained
from spanledger_dashboard.invoices import tables
from spanledger_dashboard.invoices.mapping_forms import (
    show_failure,
    show_line_form,
    show_remove,
    show_scope_form,
)
from spanledger_dashboard.invoices.opened import OpenInvoices, invoices
from spanledger_dashboard.invoices.scopes import scopes_of
from spanledger_dashboard.records import records_table
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain
from spanledger_storage.invoice_state import MappingRow
from spanledger_storage.invoice_tables import MappingKind

_FIRST, _LAST = date(2015, 1, 1), date(2099, 12, 31)
_TABLE_PX = 420


def _body() -> None:
    with explained():
        with shell.page_head("Mappings"):
            pickers.refresh_picker(is_of_range=False)
            pickers.project_picker()
            shell.show_help()
        found = invoices()
        if found is None:
            st.info(
                "Mappings are not known here: this dashboard is not told where the state database "
                "is. Set SPANLEDGER_STATE_URL for it.",
                icon=":material/database_off:",
            )
            return
        st.caption(
            "Mappings are applied when lines are read, so a new one helps imports that are already "
            "here, and removing it takes all of that back."
        )
        show_failure()
        where = scope.current()
        _show_queue(found, where)
        _show_scopes(found, where)
        _show_mappings(found, where)


def _show_queue(found: OpenInvoices, where: Scope) -> None:
    rules = found.rules(where.project)
    with st.spinner("Looking for texts that wait …"):
        waiting = read_unmapped(store(), where.project, _FIRST, _LAST, rules)
    if not waiting:
        _say_none_waits(found, where)
        return
    known = [one.amount_usd for one in waiting if one.amount_usd is not None]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader("Unmapped", anchor=False)
        show_downloads(
            "unmapped", partial(tables.unmapped_table, waiting), what="Every text that waits, exact"
        )
    st.markdown(
        f"**{plain(fmt.usd(sum(known, Decimal(0))))}** in {fmt.count(len(waiting))} texts wait for "
        "a mapping; they count as billed all the same."
    )
    picked = _pick(tables.unmapped_frame(waiting), "unmapped", "Texts that wait, the dearest first")
    if picked is not None and viewer().may_save:
        show_line_form(found, where.project, waiting[picked])
    elif viewer().may_save:
        st.caption("Pick a row to say what it stands for.")
    _say_alike(waiting)


def _say_none_waits(found: OpenInvoices, where: Scope) -> None:
    if any(one.deleted_at_ns is None for one in found.imports(where.project)):
        st.info("Every line is understood.", icon=":material/check_circle:")
        return
    with st.container(border=True, key="nothing-imported"):
        st.subheader("Nothing was imported yet", anchor=False)
        st.markdown(
            f"Project **{plain(where.project)}** has no provider's report or invoice. Import one: "
            "what its lines say and nobody knows yet is listed here."
        )
        st.code("spanledger invoices import FILE\nspanledger invoices pull openai", language="bash")
        st.page_link(
            "app_pages/invoices.py",
            label="Invoices",
            icon=":material/receipt_long:",
            query_params=links.scope_query(),
        )


def _say_alike(waiting: Sequence[Unmapped]) -> None:
    if len(waiting) > 1:
        st.caption(
            "For many alike, a text that ends with * stands for any end: spanledger invoices "
            "mappings add."
        )


def _show_scopes(found: OpenInvoices, where: Scope) -> None:
    with st.spinner("Adding up scopes and keys …"):
        params = counted_params(store(), where.project, _FIRST, _LAST)
        rows = scopes_of(store().rows("invoice_scopes", params), found.rules(where.project).rates)
    if not rows:
        return
    show_titled(
        "Scopes and keys", "scopes", partial(records_table, rows), what="Every scope and key, exact"
    )
    targets: dict[tuple[str, str, str], str] = {
        (row.kind, row.provider, row.pattern): tables.target_text(row)
        for row in found.mappings(where.project)
        if row.kind != "line" and row.removed_at_ns is None
    }
    frame = pd.DataFrame(
        {
            "Provider": [row.provider for row in rows],
            "Kind": ["Key" if row.kind == "api_key" else "Scope" for row in rows],
            "Name": [row.value for row in rows],
            "US dollars": [fmt.usd(row.usd) for row in rows],
            "Lines": [fmt.count(row.lines) for row in rows],
            "Belongs to": [targets.get((row.kind, row.provider, row.value)) for row in rows],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        column_config=tables.on_the_right(frame),
        height="content" if len(frame) <= 10 else _TABLE_PX,
        key="table-scopes",
        alt="Scopes and keys of providers, the dearest first",
    )
    st.caption("Lines of a scope that belongs to another project count there, and no longer here.")
    if viewer().may_save:
        named: list[tuple[str, MappingKind, str]] = [
            (row.provider, cast("MappingKind", row.kind), row.value) for row in rows
        ]
        with st.popover("Say whose it is", icon=":material/add:", key="scope-new"):
            show_scope_form(found, where.project, named, scope.project_names(viewer()))


def _show_mappings(found: OpenInvoices, where: Scope) -> None:
    every = found.mappings(where.project)
    if not every:
        st.subheader("Mappings", anchor=False)
        st.caption("There are none yet. Every change is kept here, with who made it.")
        return
    show_titled(
        "Mappings", "mappings", partial(records_table, every, without=("project",)),
        what="Every mapping, those removed too, times in UTC",
    )  # fmt: skip
    with_removed = st.toggle("With those removed", key="removed", bind="query-params")
    rows: list[MappingRow] = [
        row for row in reversed(every) if with_removed or row.removed_at_ns is None
    ]
    if not rows:
        st.caption("None holds any more.")
        return
    moments = {name: scope.moments("MMM D YYYY, HH:mm") for name in ("Made", "Removed")}
    frame = tables.mappings_frame(rows, where)
    picked = _pick(frame, "mappings", "Mappings, the newest first", moments)
    if picked is not None and viewer().may_save and rows[picked].removed_at_ns is None:
        show_remove(found, where.project, rows[picked])


def _pick(
    frame: pd.DataFrame, key: str, alt: str, config: Mapping[str, ColumnConfig] | None = None
) -> int | None:
    """Show a table; return the place of the row that is picked."""
    event = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        placeholder=fmt.UNKNOWN,
        column_config=tables.on_the_right(frame, config),
        height="content" if len(frame) <= 10 else _TABLE_PX,
        key=f"table-{key}",
        alt=alt,
    )
    rows = event["selection"]["rows"]
    return rows[0] if rows and rows[0] < len(frame) else None


_body()
