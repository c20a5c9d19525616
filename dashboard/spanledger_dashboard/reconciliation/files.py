"""Files of the page: the report, and packs for a dispute."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from spanledger_analytics.reconciliation.dispute import open_dispute
from spanledger_analytics.reconciliation.dispute_files import MEDIA_TYPES as DISPUTE_TYPES
from spanledger_analytics.reconciliation.dispute_files import dispute_parts
from spanledger_analytics.reconciliation.report.build import read_report, rfc3339
from spanledger_analytics.reconciliation.report.files import ENDINGS, MEDIA_TYPES, report_file
from spanledger_analytics.reconciliation.result import Reconciliation
from spanledger_dashboard.access.media import check_later
from spanledger_dashboard.connection import store
from spanledger_storage.price_state import StateEngine

_LABELS = {"markdown": "Markdown", "csv": "CSV", "xlsx": "XLSX", "json": "JSON"}
_PACKS = {
    "csv": "CSV, every call",
    "html": "HTML, to print",
    "json": "JSON, every call",
    "zip": "ZIP, all of these",
}
File = tuple[str, str, str, Callable[[], bytes]]
"""Label, ending, media type, and what makes it."""


def show_report_files(result: Reconciliation, engine: StateEngine, name: str) -> None:
    """Show a menu with the report in every format; made when somebody asks for it."""

    def make(form: str) -> bytes:
        report = read_report(store(), engine, result, time.time_ns())
        return report_file(report, form)

    items: list[File] = [
        (label, ENDINGS[form], MEDIA_TYPES[form], partial(make, form))
        for form, label in _LABELS.items()
    ]
    what = "The report: answer, causes, coverage, inputs, every cell. All exact"
    _show(result.project, f"reconciliation-{name}", items, "Report", what)


def show_dispute_files(
    result: Reconciliation, engine: StateEngine, provider: str, cell_id: str = ""
) -> None:
    """Show a menu with the pack for a dispute, of a cell or of all of a provider."""

    def make(form: str) -> bytes:
        dispute = open_dispute(store(), engine, result, provider, cell_id)
        return b"".join(dispute_parts(dispute, form, rfc3339(time.time_ns())))

    items: list[File] = [
        (label, form, DISPUTE_TYPES[form], partial(make, form)) for form, label in _PACKS.items()
    ]
    what = "Every call with its ids, our arithmetic and their lines; contents left out"
    name = f"dispute-{provider}-{cell_id[:12] or result.first_day.isoformat()}"
    _show(result.project, name, items, "Dispute pack", what)


def _show(project: str, name: str, items: Sequence[File], label: str, what: str) -> None:
    check = check_later(project)

    def checked(make: Callable[[], bytes]) -> bytes:
        check()  # the page may have been shown long before
        return make()

    safe = "".join(c if c.isalnum() or c in "-." else "-" for c in name)
    with st.popover(label, icon=":material/download:", help=what, key=f"files-{safe}"):
        st.caption(what)
        for title, ending, mime, make in items:
            st.download_button(
                title,
                data=partial(checked, make),
                file_name=f"spanledger-{safe}.{ending}",
                mime=mime,
                on_click="ignore",
                width="stretch",
                key=f"file-{safe}-{ending}",
            )
