"""Pictures of a running dashboard, light and dark.

    python -m benchmarks.screenshots --url http://127.0.0.1:8501 --out docs/img

Takes every page of the menu, the worst incident, the dearest agent, and the most expensive trace of
the last day in each of its views with one of its calls selected. Meant for an instance that
`make demo` filled.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page

from spanledger_dashboard.navigation import PAGES
from tests.dashboard.process import CHROMIUM, chromium

_THEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
# Pages that say more when asked for something; the others are taken as the menu opens them.
_ASKED = {
    "traces": "?sort=Most+expensive",
    "cost": "?range=24h",
    "unit_economics": "?range=24h",
}
_MORE = {"rule": "rules?rule=loop"}
_VIEW = {"width": 1440, "height": 900}
# Charts and tables draw after the script has ended, without saying when they are done.
_DRAW_MS = 1_500


def main() -> int:
    """Take the pictures; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--url", default="http://127.0.0.1:8501")
    parser.add_argument("--out", type=Path, default=Path("docs/img"))
    parser.add_argument("--wait-s", type=float, default=60, help="for a page, at most")
    options = parser.parse_args()
    if CHROMIUM is None:
        print("chromium is not installed", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for theme in _THEMES:
            _take(browser, options.url, theme, options.out, options.wait_s)
    return 0


def _take(
    browser: Browser, url: str, theme: Literal["light", "dark"], out: Path, wait_s: float
) -> None:
    context = browser.new_context(
        viewport={"width": _VIEW["width"], "height": _VIEW["height"]},
        color_scheme=theme,
        locale="en-US",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    context.set_default_timeout(wait_s * 1_000)
    page = context.new_page()
    for name, path in _pages().items():
        page.goto(f"{url}/{path}")
        _shoot(page, out / f"{name}-{theme}.png")
    page.goto(f"{url}/incidents?state=Open")
    _settle(page)
    if _click_first(page):
        _shoot(page, out / f"incident-{theme}.png")
    page.goto(f"{url}/agents")
    _settle(page)
    if _click_first(page):
        _shoot(page, out / f"agent-{theme}.png")
    page.goto(f"{url}/traces?sort=Most+expensive")
    _settle(page)
    _open_first(page)
    _shoot(page, out / f"trace-{theme}.png")
    for view in ("Decisions", "Graph", "Transcript"):
        page.get_by_text(view, exact=True).first.click()
        _shoot(page, out / f"trace-{view.lower()}-{theme}.png")
    context.close()


def _pages() -> dict[str, str]:
    """Return the address of every page of the menu, by the name of its picture."""
    listed = (name for name, entry in PAGES.items() if entry.is_listed)
    return {name.replace("_", "-"): name + _ASKED.get(name, "") for name in listed} | _MORE


def _open_first(page: Page) -> None:
    """Open the first row of the list and select its first priced call."""
    if not _click_first(page):
        raise SystemExit("the list is empty: fill the instance first (make demo)")
    page.wait_for_selector(".tv[data-ready]")
    page.locator(".tv .row.llm", has_text="$").first.click()


def _click_first(page: Page) -> bool:
    """Click the first row of the first table; False: there is none."""
    canvas = page.locator("[data-testid=data-grid-canvas]").first
    box = canvas.bounding_box() if canvas.count() else None
    if box is None:
        return False
    page.mouse.click(box["x"] + 200, box["y"] + 52)
    return True


def _shoot(page: Page, path: Path) -> None:
    _settle(page)
    page.screenshot(path=path)
    print(path)


def _settle(page: Page) -> None:
    _await_end(page)
    page.wait_for_timeout(_DRAW_MS)
    _await_end(page)  # what ran again by itself meanwhile


def _await_end(page: Page) -> None:
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    for waiting in ("stSkeleton", "stSpinner"):
        page.wait_for_selector(f"[data-testid={waiting}]", state="detached")
    page.wait_for_selector("[data-stale=true]", state="detached")


if __name__ == "__main__":
    sys.exit(main())
