"""Every page, light and dark, read by axe-core; in one session, because a start takes longest."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from spanledger_dashboard.navigation import PAGES
from tests.dashboard.accessible import findings
from tests.dashboard.visiting import CALL, HOSTILE, IN_A_BROWSER, TRACE, Visit

pytestmark = [*IN_A_BROWSER, pytest.mark.endurance, pytest.mark.timeout(900)]

_PARAMETERS = {
    "trace": f"?trace_id={TRACE}&span_id={CALL}",
    "compare": f"?a={TRACE}&b={HOSTILE}",
}
_ADDRESSES = {"overview": ""}  # the page that the root answers with


@pytest.mark.usefixtures("traces")
def test_no_page_has_serious_findings(browser: Browser, base: str) -> None:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    visit = Visit(context.new_page(), base)
    visit.open("/overview")
    found: list[str] = []
    for name in PAGES:
        if name in _PARAMETERS:
            visit.open(f"/{name}{_PARAMETERS[name]}")
        else:
            link = f"[data-testid=stSidebarNavLink][href='{base}/{_ADDRESSES.get(name, name)}']"
            visit.page.click(link)
            visit.page.wait_for_selector(f"{link}[aria-current=page]")
            visit.settle()
        for theme in ("light", "dark"):
            visit.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            found += [f"{name}, {theme}: {said}" for said in findings(visit.page)]
        visit.page.emulate_media(color_scheme="light", reduced_motion="reduce")
    context.close()
    assert found == []
