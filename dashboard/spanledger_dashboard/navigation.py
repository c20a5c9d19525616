"""The pages: what they are called, where they live, and which the menu shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import streamlit as st

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One page.

    Attributes:
        file: below the package.
        section: heading in the menu.
        is_listed: False for pages that only links lead to.
        has_range: True when the page shows a time range.
    """

    file: str
    title: str
    url_path: str
    section: str
    icon: str
    is_listed: bool = True
    has_range: bool = True


PAGES = {
    p.url_path: p
    for p in (
        PageEntry("app_pages/overview.py", "Overview", "overview", "Cost", ":material/monitoring:"),
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
        ),
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
    )
}

_START = "overview"
_ROOT = "start"


def build() -> StreamlitPage:
    """Put the menu on the screen and return the page to run."""
    sections: dict[str, list[StreamlitPage]] = {}
    for entry in PAGES.values():
        pages = sections.setdefault(entry.section, [])
        if entry.url_path == _START:
            # A start page answers at "/" alone and blocks its own name; links may use that too.
            pages.append(_page(entry, _ROOT, entry.is_listed))
            pages.append(_page(entry, entry.url_path, is_listed=False))
        else:
            pages.append(_page(entry, entry.url_path, entry.is_listed))
    return st.navigation(sections)


def entry_of(page: StreamlitPage) -> PageEntry:
    """Return the entry a page was made from."""
    return PAGES[page.url_path or _START]


def _page(entry: PageEntry, url_path: str, is_listed: bool) -> StreamlitPage:
    visibility: Literal["visible", "hidden"] = "visible" if is_listed else "hidden"
    return st.Page(
        entry.file,
        title=entry.title,
        url_path=url_path,
        icon=entry.icon,
        default=url_path == _ROOT,
        visibility=visibility,
    )
