"""What axe-core finds on a page, as people with assistive technology or weak eyes would."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # no types
from playwright.sync_api import Page

# Markup that is Streamlit's own, the same on every page of every application.
_STREAMLITS = (
    "[data-testid=stSidebarNav]",
    "[data-testid=stMetricChart]",
    "[data-testid=stDataFrame]",
    "[data-testid=stMainMenu]",
    "[data-testid=stToolbar]",
    "[data-testid=stCode]",  # its colours of words
    ".js-plotly-plot",
)
_OPTIONS = {"runOnly": ["wcag2a", "wcag2aa"], "resultTypes": ["violations"]}
# What is made anew, also by the automatic refresh, is pale for a moment.
_NEVER_PALE = "[data-stale] { opacity: 1 !important; transition: none !important; }"
_FADE_MS = 300  # what fades in has too little contrast meanwhile


def findings(page: Page) -> list[str]:
    """Return serious and critical findings, a line each: the rule, why, and what it is about."""
    page.add_style_tag(content=_NEVER_PALE)
    page.wait_for_timeout(_FADE_MS)
    context = {"exclude": [[selector] for selector in _STREAMLITS]}
    answer: dict[str, Any] = Axe().run(page, context, _OPTIONS).response
    return [
        f"{violation['id']} ({violation['impact']}): {_why(node)}{node['html'][:160]}"
        for violation in answer["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"][:3]
    ]


def _why(node: dict[str, Any]) -> str:
    """Return the colours of a finding about contrast, nothing for others."""
    data = next((check["data"] for check in node["any"]), None)
    if not isinstance(data, dict) or "contrastRatio" not in data:
        return ""
    return f"{data['fgColor']} on {data['bgColor']} is {data['contrastRatio']}: "
