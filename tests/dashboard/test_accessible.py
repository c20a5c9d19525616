"""Every page, light and dark, read by axe-core as people with assistive technology would."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # no types
from playwright.sync_api import Browser

from spanledger_dashboard.navigation import PAGES
from tests.dashboard.visiting import CALL, HOSTILE, IN_A_BROWSER, TRACE, Visit

pytestmark = [*IN_A_BROWSER, pytest.mark.endurance]

_PARAMETERS = {
    "trace": f"?trace_id={TRACE}&span_id={CALL}",
    "compare": f"?a={TRACE}&b={HOSTILE}",
}
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
# Contrast is that of the theme and of Streamlit's own mixtures; test_colors.py looks at the theme.
_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa"],
    "resultTypes": ["violations"],
    "rules": {"color-contrast": {"enabled": False}},
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.usefixtures("traces")
def test_no_page_has_serious_findings(
    browser: Browser, base: str, theme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme=theme, reduced_motion="reduce"
    )
    visit = Visit(context.new_page(), base)
    found: list[str] = []
    for name in PAGES:
        visit.open(f"/{name}{_PARAMETERS.get(name, '')}")
        visit.page.wait_for_timeout(300)  # what fades in has too little contrast meanwhile
        found += [f"{name}: {said}" for said in _findings(visit)]
    context.close()
    assert found == []


def _findings(visit: Visit) -> list[str]:
    context = {"exclude": [[selector] for selector in _STREAMLITS]}
    answer: dict[str, Any] = Axe().run(visit.page, context, _OPTIONS).response
    return [
        f"{violation['id']} ({violation['impact']}): {node['html'][:160]}"
        for violation in answer["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"][:3]
    ]
