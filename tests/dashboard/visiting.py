"""A dashboard in its own process, a real browser, and what a page must not do meanwhile."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from spanledger_storage.engine import Engine
from tests.conftest import fresh_store
from tests.dashboard.process import CHROMIUM, chromium, start_dashboard, store_url
from tests.dashboard.seed import Seeder

# Streamlit asks for these below the page's own path first, then at the root.
KNOWN_404 = ("/_stcore/health", "/_stcore/host-config")
TRACE, HOSTILE = "ab" * 16, "cd" * 16
SHOP, SHOP_TRACE = "shop", "ef" * 16
ROOT, CALL, TOOL, TWIN = (f"{n:016x}" for n in range(1, 5))
EVIL = '<img src=x onerror="window.hacked=1"><script>hacked=1</script> [a](javascript:hacked) **b**'

IN_A_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@dataclass
class Visit:
    """A page, and everything it did that it should not have."""

    page: Page
    base: str
    problems: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        self.page.wait_for_function(
            "document.querySelectorAll('[data-testid=stSkeleton]').length === 0"
        )

    def _console(self, message: ConsoleMessage) -> None:
        if message.type != "error" or message.location["url"].endswith(KNOWN_404):
            return
        self.problems.append(f"console: {message.text} ({message.location['url']})")

    def _request(self, request: Request) -> None:
        if not request.url.startswith(
            (self.base, "data:", "blob:", self.base.replace("http", "ws"))
        ):
            self.problems.append(f"request: {request.url}")


@contextlib.contextmanager
def dashboard_of(url: str, folder: Path) -> Iterator[str]:
    """The address of a dashboard that ends well, and that nothing failed in."""
    output = folder / "dashboard.log"
    dashboard = start_dashboard(url, output)
    try:
        yield dashboard.base
    finally:
        dashboard.process.send_signal(signal.SIGTERM)
        status = dashboard.process.wait(5)
    assert status == 0
    assert "Traceback" not in output.read_text()


@pytest.fixture
def own_dashboard(store_url: str, tmp_path: Path) -> Iterator[str]:
    with dashboard_of(store_url, tmp_path) as base:
        yield base


@pytest.fixture(scope="module")
def dashboard_with_traces(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """One for the tests of a file that only look."""
    with fresh_store(engine) as store:
        plant_traces(Seeder(store, int(time.time())))
        with dashboard_of(store_url(store.settings), tmp_path_factory.mktemp("traces")) as base:
            yield base


@pytest.fixture
def base(own_dashboard: str) -> str:
    return own_dashboard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Where pages of a file are opened: what Streamlit loads is read and compiled once."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        locale="en-GB",
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
    )
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext, base: str) -> Iterator[Visit]:
    visit = Visit(context.new_page(), base)
    visit.watch()
    yield visit
    assert visit.page.evaluate("window.hacked") is None
    visit.page.evaluate("localStorage.clear()")  # what the next one finds is as new
    visit.page.close()
    context.clear_cookies()
    assert not visit.problems, visit.problems


@pytest.fixture
def traces(seed: Seeder) -> None:
    plant_traces(seed)


def plant_traces(seed: Seeder) -> None:
    """Insert a trace as it should be, and one whose every text is hostile."""
    seed.span(TRACE, ROOT, name="invoke support", role="agent", agent_name="support", duration_s=9)
    question = seed.message("user", {"type": "text", "content": EVIL})
    call = seed.span(
        TRACE, CALL, ROOT, name="chat sonnet", at_s=-58, duration_s=3, input_tokens=1000,
        output_tokens=200, input_messages=[question],
    )  # fmt: skip
    seed.entry(call, "0.0125")
    seed.span(TRACE, TWIN, CALL, name="proxy", at_s=-58)
    seed.span(TRACE, TOOL, ROOT, name="execute_tool sql", role="tool", status="error", at_s=-55)
    seed.trace(TRACE, user_id="u1")
    hostile = seed.span(
        HOSTILE, ROOT, name=EVIL, role="agent", agent_name=EVIL, at_s=-90, status="error",
        status_message=EVIL, tool_arguments=EVIL, input_messages=[question],
        attributes=[(EVIL, EVIL)],
        **{"events.time": [1], "events.name": ["exception"],
           "events.attributes": [[("exception.type", EVIL), ("exception.message", EVIL)]]},
    )  # fmt: skip
    seed.entry(hostile, None, model=EVIL)
    seed.trace(HOSTILE, user_id=EVIL, session_id=EVIL)
    seed.usage(model=EVIL, agent_name=EVIL, unpriced_calls=10)
    seed.usage(total_cost_usd=Decimal("0.0125"))  # what the ledger says
    seed.span(SHOP_TRACE, ROOT, name="another project", project=SHOP)
    seed.trace(SHOP_TRACE)
    seed.usage(project=SHOP)
    seed.insert()
