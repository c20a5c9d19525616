"""A newcomer's first five minutes: `up`, `demo`, find the runaway, open it, read what it cost."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.process import CHROMIUM, chromium
from tests.instance import Instance, run, wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@pytest.fixture(scope="module")
def demo(instance: Instance) -> Instance:
    """An instance with three hours of the demo fleet in it, all of it priced."""
    done = run("demo", "--data", str(instance.data), "--hours", "3", "--no-live")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: instance.sql("SELECT 1 FROM traces WHERE total_cost_usd > 5"))
    wait_until(
        lambda: instance.sql("SELECT 1 FROM usage_hourly GROUP BY 1 HAVING sum(calls) > 250")
    )
    return instance


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB")
    yield page
    page.close()


def settle(page: Page) -> None:
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length === 0")


def test_the_overview_shows_what_the_fleet_spent(demo: Instance, page: Page) -> None:
    page.goto(f"{demo.dashboard_url}/overview")
    settle(page)
    expect(page.locator("body")).to_contain_text("Spend since midnight")
    expect(page.locator("body")).to_contain_text("harborline-intent-v3")  # has no price, says so
    assert page.locator("[data-testid=stException]").count() == 0


def test_the_runaway_is_found_and_its_cost_is_read(demo: Instance, page: Page) -> None:
    page.goto(f"{demo.dashboard_url}/traces?sort=Most+expensive")
    settle(page)
    box = page.locator("[data-testid=data-grid-canvas]").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 200, box["y"] + 35 + 17)  # the first row; the table is a canvas
    page.wait_for_selector(".tv[data-ready]")
    trace_id = page.url.partition("trace_id=")[2][:32]
    [trace] = demo.sql(
        "SELECT llm_calls, toString(total_cost_usd) AS cost FROM traces FINAL"
        f" WHERE trace_id = '{trace_id}'"
    )
    assert trace["llm_calls"] > 100
    cost = Decimal(trace["cost"])
    expect(page.locator("body")).to_contain_text(f"${cost:.2f}")
    call = page.locator(".tv .row", has_text="chat ").first
    call.click()
    detail = page.locator(".st-key-detail")
    expect(detail.locator("h4")).to_contain_text("chat")
    expect(detail).to_contain_text("$0.0")
    assert "span_id=" in page.url
