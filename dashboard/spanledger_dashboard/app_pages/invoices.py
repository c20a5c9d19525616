"""Invoices: what providers billed, day by day, what is missing, and how it got here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

import streamlit as st

from spanledger_analytics.allocation.months import Month, recent_months
from spanledger_analytics.invoices.shown import amounts_text
from spanledger_analytics.invoices.unmapped import Unmapped, read_unmapped
from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, pickers, scope, shell
from spanledger_dashboard.access import viewer
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads, show_titled
from spanledger_dashboard.failures import explained
from spanledger_dashboard.invoices import figures, tables
from spanledger_dashboard.invoices.data import MonthRead, load_month, ranges_text
from spanledger_dashboard.invoices.detail import show_import
from spanledger_dashboard.invoices.opened import OpenInvoices, invoices
from spanledger_dashboard.invoices.total import show_total
from spanledger_dashboard.invoices.upload import show_upload, show_uploads
from spanledger_dashboard.records import records_table
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain
from spanledger_storage.invoice_state import ImportRow, PullRow

_MONTHS = 24
_PAGE = "app_pages/invoices.py"
_ID = re.compile(r"[0-9a-f]{32}")


def _body() -> None:
    with explained():
        asked = (st.query_params.get("import") or "").lower()
        month = _show_head(scope.now_s())
        found = invoices()
        if found is None:
            st.info(
                "Imports are not known here: this dashboard is not told where the state database "
                "is. Set SPANLEDGER_STATE_URL for it.",
                icon=":material/database_off:",
            )
            return
        where = scope.current()
        every = found.imports(where.project)
        if asked:
            _show_one(where, asked, found, every)
        else:
            _show_all(where, month, found, every)


def _show_head(now_s: int) -> Month:
    months = {month.text: month for month in recent_months(now_s, UTC, _MONTHS)}
    with shell.page_head("Invoices"):
        chosen = st.selectbox(
            "Month",
            list(months),
            key="month",
            bind="query-params",
            label_visibility="collapsed",
            icon=":material/calendar_month:",
            width=145,
        )
        pickers.refresh_picker(is_of_range=False)
        pickers.project_picker()
        shell.show_help()
    return months.get(str(chosen), next(iter(months.values())))


def _show_one(where: Scope, asked: str, found: OpenInvoices, every: Sequence[ImportRow]) -> None:
    kept = {name: value for name in ("month", "project") if (value := st.query_params.get(name))}
    st.page_link(_PAGE, label="All imports", icon=":material/arrow_back:", query_params=kept)
    row = next((one for one in every if one.import_id == asked), None)
    if row is None or not _ID.fullmatch(asked):
        st.info("There is no such import in this project.", icon=":material/search_off:")
        return
    show_import(where, row, every, found)


def _show_all(where: Scope, month: Month, found: OpenInvoices, every: Sequence[ImportRow]) -> None:
    first, last = _days(month)
    rules = found.rules(where.project)
    with st.spinner("Reading the month …"):
        read = load_month(store(), where.project, first, last, rules.rates)
        waiting = read_unmapped(store(), where.project, first, last, rules)
    pulls = found.pulls(where.project)
    if viewer().may_save:
        with st.container(horizontal=True, gap="small"):
            show_upload(found, where.project)
            providers = sorted({one.provider for one in read.sources})
            show_total(found, where.project, month.text, providers)
    _show_cards(read, waiting, pulls, month)
    if read.sources:
        _show_calendar(read, first, last)
    else:
        _show_empty(month, every)
    rows = [one for one in every if _touches(one, first, last)]
    picked = _show_imports(rows, where, month)
    show_uploads(found)
    _show_pulls(pulls, where)
    if picked is not None:
        links.open_here("import", rows[picked].import_id)


def _days(month: Month) -> tuple[date, date]:
    first = datetime.fromtimestamp(month.start_s, UTC).date()
    return first, datetime.fromtimestamp(month.end_s - 1, UTC).date()


def _show_cards(
    read: MonthRead, waiting: Sequence[Unmapped], pulls: Sequence[PullRow], month: Month
) -> None:
    total = sum(read.billed_usd.values(), Decimal(0)) if read.billed_usd else None
    unknown = amounts_text(dict(sorted(read.unknown.items())))
    unmapped = [one.amount_usd for one in waiting if one.amount_usd is not None]
    failed = [row for row in pulls if row.error]
    cards = (
        ("Billed", fmt.usd(total), f"and {unknown} without an exchange rate" if unknown else "",
         f"What reports of costs add up to in {month.text}; of reports that tell the same, one "
         "counts."),
        ("Providers", fmt.count(len({one.provider for one in read.sources})), "", ""),
        ("Waits for a mapping", fmt.usd(sum(unmapped, Decimal(0)) if waiting else Decimal(0)),
         f"{fmt.count(len(waiting))} texts" if waiting else "",
         "It counts as billed all the same."),
        ("Pulls that fail", fmt.count(len(failed)) if pulls else fmt.UNKNOWN, "",
         "Of the reports that are fetched by themselves."),
    )  # fmt: skip
    with st.grid(len(cards), min_column_width=165, gap="small"):
        for label, text, note, explanation in cards:
            st.metric(
                label, text, None, delta_description=plain(note) or None, border=True,
                height="stretch", help=plain(explanation) or None,
            )  # fmt: skip


def _show_calendar(read: MonthRead, first: date, last: date) -> None:
    with st.container(border=True):
        st.plotly_chart(
            figures.calendar(read, first, last),
            key="invoice-calendar",
            config={"displayModeBar": False},
            alt="Sources by day: whether a report is there, counts, and is final",
        )
        st.caption(figures.legend())
    _show_missing(read, first, last)
    show_titled("Sources", f"sources-{first:%Y-%m}", partial(tables.amounts_table, read),
                what="What each source tells of each day, exact", is_small=True)  # fmt: skip
    frame = tables.amounts_frame(read)
    st.dataframe(
        frame,
        hide_index=True,
        column_config=tables.on_the_right(frame),
        placeholder=fmt.UNKNOWN,
        height="content" if len(read.sources) < 12 else 420,
        key="table-invoice-sources",
        alt="What each source tells of the month",
    )


def _show_missing(read: MonthRead, first: date, last: date) -> None:
    """Say for which days that are over a source tells nothing."""
    yesterday = datetime.fromtimestamp(scope.now_s(), UTC).date() - timedelta(days=1)
    missing = [
        f"{plain(one.source)}: {ranges_text(days)}"
        for one in read.sources
        if len(one.days) > 1 and (days := one.missing(first, min(last, yesterday)))
    ]
    if missing:
        with st.expander(
            f"{len(missing)} sources tell nothing of some days", icon=":material/event_busy:"
        ):
            st.markdown("\n".join(f"- {text}" for text in missing))
            st.caption(
                "A file names only days with charges, so a day without may be in order; a pulled "
                "report names every day."
            )


def _show_empty(month: Month, every: Sequence[ImportRow]) -> None:
    if every:
        st.info(f"Nothing was imported for {month.text}.", icon=":material/calendar_month:")
        return
    here = "Hand in a provider’s report here, or" if viewer().may_save else "A report is imported"
    st.info(
        f"Nothing was imported yet. {here} where the product runs:",
        icon=":material/receipt_long:",
    )
    st.code("spanledger invoices import FILE\nspanledger invoices pull openai", language="bash")


def _touches(row: ImportRow, first: date, last: date) -> bool:
    return any(f"{first}" <= day <= f"{last}" for days in row.days.values() for day in days)


def _show_imports(rows: Sequence[ImportRow], where: Scope, month: Month) -> int | None:
    if not rows:
        return None
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader("Imports", anchor=False)
        show_downloads(
            f"imports-{month.text}", partial(tables.imports_table, rows), what="Every import shown"
        )
    frame = tables.imports_frame(rows, where)
    event = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        placeholder=fmt.UNKNOWN,
        height="content" if len(rows) <= 12 else 440,
        key="table-imports",
        column_config=tables.on_the_right(frame, {"Imported": scope.moments("MMM D, HH:mm")}),
        alt="Imports, the newest first; pick one to see its lines",
    )
    picked = event["selection"]["rows"]
    return picked[0] if picked and picked[0] < len(rows) else None


def _show_pulls(pulls: Sequence[PullRow], where: Scope) -> None:
    if not pulls:
        st.subheader("Pulls", anchor=False)
        st.caption(
            "No report is fetched by itself. Set the key of a provider where the worker runs, as "
            "in SPANLEDGER_OPENAI_ADMIN_KEY; docs/invoices.md lists them."
        )
        return
    show_titled("Pulls", "pulls", partial(records_table, pulls),
                what="How each report was fetched, times in UTC")  # fmt: skip
    st.dataframe(
        tables.pulls_frame(pulls, where),
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        key="table-pulls",
        column_config={
            "Last success": scope.moments("MMM D, HH:mm"),
            "Next": scope.moments("MMM D, HH:mm"),
            "Error": st.column_config.TextColumn(width="large"),
        },
        alt="Reports that are fetched by themselves",
    )


_body()
