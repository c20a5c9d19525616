"""The pages: what they are called, where they live, which the menu shows, and to whom."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import streamlit as st

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

    from spanledger_dashboard.access import Viewer

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One page.

    Attributes:
        file: below the package.
        section: heading in the menu, one of ``SECTIONS``.
        is_listed: False for pages that only links lead to.
        has_range: True when the page shows a time range; then the shell shows title, range and
            project above it. A page without one begins with a heading of its own.
        needs_all_projects: True for pages on more than one project; others do not get them.
    """

    file: str
    title: str
    url_path: str
    section: str
    icon: str
    is_listed: bool = True
    has_range: bool = True
    needs_all_projects: bool = False

    def is_open_to(self, person: Viewer) -> bool:
        """Return whether somebody may open the page."""
        return person.sees_everything or not self.needs_all_projects


SECTIONS = ("", "Alerts", "Findings", "Debug", "Cost", "Infrastructure", "Data")
"""In the order of the menu; the first has no heading."""

PAGES = {
    p.url_path: p
    for p in (
        PageEntry("app_pages/overview.py", "Overview", "overview", "", ":material/monitoring:"),
        PageEntry(
            "app_pages/incidents.py", "Incidents", "incidents", "Alerts", ":material/crisis_alert:"
        ),
        PageEntry("app_pages/rules.py", "Rules", "rules", "Alerts", ":material/rule:"),
        PageEntry(
            "app_pages/silences.py",
            "Silences",
            "silences",
            "Alerts",
            ":material/notifications_paused:",
        ),
        PageEntry(
            "app_pages/channels.py",
            "Channels",
            "channels",
            "Alerts",
            ":material/send:",
            needs_all_projects=True,
        ),
        PageEntry("app_pages/findings.py", "Findings", "findings", "Findings", ":material/flag:"),
        PageEntry("app_pages/loops.py", "Loops", "loops", "Findings", ":material/loop:"),
        PageEntry(
            "app_pages/anomalies.py", "Anomalies", "anomalies", "Findings", ":material/ssid_chart:"
        ),
        PageEntry("app_pages/drift.py", "Drift", "drift", "Findings", ":material/compare:"),
        PageEntry("app_pages/traces.py", "Traces", "traces", "Debug", ":material/account_tree:"),
        PageEntry(
            "app_pages/trace.py",
            "Trace",
            "trace",
            "Debug",
            ":material/timeline:",
            is_listed=False,
            has_range=False,
        ),
        PageEntry(
            "app_pages/compare.py",
            "Compare",
            "compare",
            "Debug",
            ":material/compare_arrows:",
            is_listed=False,
            has_range=False,
        ),
        PageEntry("app_pages/sessions.py", "Sessions", "sessions", "Debug", ":material/forum:"),
        PageEntry("app_pages/agents.py", "Agents", "agents", "Debug", ":material/smart_toy:"),
        PageEntry("app_pages/users.py", "Users", "users", "Debug", ":material/group:"),
        PageEntry("app_pages/models.py", "Models", "models", "Debug", ":material/neurology:"),
        PageEntry("app_pages/tools.py", "Tools", "tools", "Debug", ":material/build:"),
        PageEntry("app_pages/cost.py", "Cost explorer", "cost", "Cost", ":material/query_stats:"),
        PageEntry(
            "app_pages/unit_economics.py",
            "Unit economics",
            "unit_economics",
            "Cost",
            ":material/task_alt:",
        ),
        PageEntry("app_pages/cache.py", "Cache", "cache", "Cost", ":material/cached:"),
        PageEntry("app_pages/budgets.py", "Budgets", "budgets", "Cost", ":material/savings:"),
        PageEntry("app_pages/routing.py", "Routing", "routing", "Cost", ":material/alt_route:"),
        PageEntry(
            "app_pages/allocation.py",
            "Allocation",
            "allocation",
            "Cost",
            ":material/account_balance:",
            has_range=False,
        ),
        PageEntry(
            "app_pages/reconciliation.py",
            "Reconciliation",
            "reconciliation",
            "Cost",
            ":material/balance:",
            has_range=False,
        ),
        PageEntry(
            "app_pages/invoices.py",
            "Invoices",
            "invoices",
            "Cost",
            ":material/receipt_long:",
            has_range=False,
        ),
        PageEntry(
            "app_pages/mappings.py",
            "Mappings",
            "mappings",
            "Cost",
            ":material/join_inner:",
            has_range=False,
        ),
        PageEntry(
            "app_pages/data_quality.py",
            "Data quality",
            "data_quality",
            "Cost",
            ":material/fact_check:",
        ),
        PageEntry(
            "app_pages/prices.py",
            "Prices",
            "prices",
            "Cost",
            ":material/sell:",
            has_range=False,
            needs_all_projects=True,
        ),
        PageEntry(
            "app_pages/gpus.py", "GPUs", "gpus", "Infrastructure", ":material/developer_board:"
        ),
        PageEntry(
            "app_pages/gpu_cost.py", "GPU cost", "gpu_cost", "Infrastructure", ":material/paid:"
        ),
        PageEntry(
            "app_pages/sql.py",
            "SQL",
            "sql",
            "Data",
            ":material/database:",
            needs_all_projects=True,
        ),
    )
}

_START = "overview"
_ROOT = "start"


def build(person: Viewer) -> StreamlitPage:
    """Put the menu on the screen and return the page to run."""
    sections: dict[str, list[StreamlitPage]] = {name: [] for name in SECTIONS}
    for entry in PAGES.values():
        pages = sections[entry.section]
        is_listed = entry.is_listed and entry.is_open_to(person)
        if entry.url_path == _START:
            # A start page answers at "/" alone and blocks its own name; links may use that too.
            pages.append(copy(_page(entry, _ROOT, is_listed)))
            pages.append(copy(_page(entry, entry.url_path, is_listed=False)))
        else:
            pages.append(copy(_page(entry, entry.url_path, is_listed)))
    listed = {name: pages for name, pages in sections.items() if pages}
    # Beside who is signed in, Streamlit would show ten and hide the open page among the others.
    return st.navigation(listed, expanded=True)


def entry_of(page: StreamlitPage) -> PageEntry:
    """Return the entry a page was made from."""
    return PAGES[page.url_path or _START]


@cache
def _page(entry: PageEntry, url_path: str, is_listed: bool) -> StreamlitPage:
    """Return a page to copy: making one looks its file up, and every rerun has them all."""
    visibility: Literal["visible", "hidden"] = "visible" if is_listed else "hidden"
    return st.Page(
        entry.file,
        title=entry.title,
        url_path=url_path,
        icon=entry.icon,
        default=url_path == _ROOT,
        visibility=visibility,
    )
