"""The dashboard as its own process, in a real browser, on a real engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.conftest import fresh_store
from tests.dashboard.process import start_dashboard, store_url
from tests.dashboard.seed import Seeder
from tests.dashboard.visiting import (
    CALL,
    EVIL,
    HOSTILE,
    IN_A_BROWSER,
    SHOP,
    SHOP_TRACE,
    TOOL,
    TRACE,
    Visit,
    dashboard_of,
    plant_traces,
)
from tests.fault_proxy import fault_proxy
from tests.ports import free_port
from tests.variants import first

pytestmark = IN_A_BROWSER
MORE_PATHS = [pytest.param("/traces", marks=pytest.mark.endurance)]


# Tests here only look: they share a dashboard with traces, and one without any.


@pytest.fixture(scope="module")
def dashboard_without_data(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("empty")
    with fresh_store(engine) as store, dashboard_of(store_url(store.settings), folder) as base:
        yield base


@pytest.fixture
def traces() -> None:
    """Marks a test that needs them."""


@pytest.fixture
def base(request: pytest.FixtureRequest) -> str:
    wants_traces = "traces" in request.fixturenames
    return str(
        request.getfixturevalue(
            "dashboard_with_traces" if wants_traces else "dashboard_without_data"
        )
    )


@pytest.mark.usefixtures("traces")
def test_from_the_list_to_the_cost_of_one_call(visit: Visit) -> None:
    page = visit.page
    visit.open("/traces")
    box = page.locator("[data-testid=data-grid-canvas]").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 200, box["y"] + 35 + 17)  # first row: the table is a canvas
    page.wait_for_selector(".tv[data-ready='4']")
    assert f"trace_id={TRACE}" in page.url
    page.locator(".tv .row", has_text="chat sonnet").click()
    detail = page.locator(".st-key-detail")
    expect(detail.locator("h4")).to_have_text("chat sonnet")
    expect(detail).to_contain_text("$0.0125")
    expect(detail).to_contain_text("1,000 / 200")
    assert f"span_id={CALL}" in page.url
    expect(page.locator(".tv .row", has_text="chat sonnet")).to_contain_text("$0.0125")
    expect(page.locator(".tv .row", has_text="invoke support")).to_contain_text("Σ $0.0125")


@pytest.mark.usefixtures("traces")
def test_a_link_opens_the_span_it_names(visit: Visit) -> None:
    visit.open(f"/trace?trace_id={TRACE}&span_id={TOOL}")
    expect(visit.page.locator(".st-key-detail h4")).to_have_text("execute_tool sql")
    expect(visit.page.locator(".tv .row[aria-selected=true]")).to_contain_text("execute_tool sql")


@pytest.mark.usefixtures("traces")
@pytest.mark.parametrize("path", [f"/trace?project={SHOP}&trace_id=", "/trace?trace_id="])
def test_the_menu_keeps_the_project_of_a_trace_that_a_link_opened(visit: Visit, path: str) -> None:
    page = visit.page
    visit.open(f"{path}{SHOP_TRACE}&range=7d")
    page.wait_for_selector(".tv[data-ready='1']")
    page.get_by_role("link", name="Data quality").click()
    page.wait_for_url(f"**/data_quality?*project={SHOP}*")
    visit.settle()
    page.reload()
    visit.settle()
    expect(page.get_by_role("combobox", name="Project")).to_have_value(SHOP)
    assert "range=7d" in page.url


@pytest.mark.usefixtures("traces")
def test_the_tree_is_worked_by_keyboard(visit: Visit) -> None:
    page = visit.page
    visit.open(f"/trace?trace_id={TRACE}")
    page.wait_for_selector(".tv[data-ready='4']")
    expect(page.get_by_role("treegrid", name="Spans of the trace")).to_be_focused()
    assert page.evaluate("scrollY") == 0
    selected = page.locator(".tv .row[aria-selected=true]")
    page.keyboard.press("ArrowDown")
    expect(selected).to_contain_text("chat sonnet")
    page.keyboard.press("ArrowLeft")
    expect(selected).to_have_attribute("aria-expanded", "false")
    expect(page.locator(".tv .row:visible")).to_have_count(3)
    page.keyboard.press("e")
    expect(selected).to_contain_text("execute_tool sql")
    page.keyboard.press("/")
    page.keyboard.type("PROXY")
    expect(page.locator(".tv .hits")).to_have_text("1 found")
    page.keyboard.press("Enter")  # opens what hides it
    expect(selected).to_contain_text("proxy")
    expect(page.locator(".st-key-detail h4")).to_have_text("proxy")


@pytest.mark.usefixtures("traces")
@pytest.mark.parametrize("path", [*first([f"/trace?trace_id={HOSTILE}", "/overview"]), *MORE_PATHS])
def test_hostile_names_stay_text(visit: Visit, path: str) -> None:
    page = visit.page
    visit.open(path)
    if "/trace?" in path:
        page.wait_for_selector(".tv[data-ready='1']")
        expect(page.locator(".tv .label").first).to_have_text(EVIL)
        for tab in ("Tool", "Cost", "Details", "Events"):
            page.get_by_role("tab", name=tab, exact=True).click()
            visit.settle()
    assert page.locator("img[src=x], script:text('hacked'), a[href^=javascript]").count() == 0


@pytest.mark.usefixtures("traces")
def test_hostile_names_stay_text_in_every_view(visit: Visit) -> None:
    page = visit.page
    visit.open(f"/trace?trace_id={HOSTILE}&view=Decisions")
    for view in ("Decisions", "Graph", "Transcript"):
        page.get_by_text(view, exact=True).click()
        visit.settle()
        assert f"view={view}" in page.url
        assert page.locator("img[src=x], script:text('hacked'), a[href^=javascript]").count() == 0
    visit.open(f"/compare?a={HOSTILE}&b={TRACE}")
    expect(page.locator(".st-key-side-a")).to_contain_text("onerror")
    assert page.locator("img[src=x], script:text('hacked'), a[href^=javascript]").count() == 0


@pytest.mark.usefixtures("traces")
def test_from_a_turn_to_its_span_and_back(visit: Visit) -> None:
    page = visit.page
    visit.open(f"/trace?trace_id={TRACE}&view=Decisions")
    page.locator(f".st-key-go-turn-{CALL} button").first.click()
    expect(page.locator(".st-key-detail h4")).to_have_text("chat sonnet")
    expect(page.locator(".tv .row[aria-selected=true]")).to_contain_text("chat sonnet")
    assert f"span_id={CALL}" in page.url
    page.get_by_role("tab", name="Copy", exact=True).click()
    command = page.locator(".st-key-detail [data-testid=stCode]")
    expect(command).to_contain_text("curl ", timeout=15_000)  # what colours it is loaded first
    page.get_by_text("Transcript", exact=True).click()
    expect(page.locator(".st-key-transcript")).to_contain_text("onerror")
    expect(page.locator(".st-key-transcript")).to_contain_text("$0.0125")


@pytest.mark.parametrize(
    "path",
    [
        "/overview",
        *MORE_PATHS,
        pytest.param(f"/trace?trace_id={TRACE}", marks=pytest.mark.endurance),
    ],
)
def test_pages_without_data_load_cleanly(visit: Visit, path: str) -> None:
    visit.open(path)
    expect(visit.page.locator(".st-key-no-data, .st-key-no-trace")).to_be_visible()


def test_on_a_phone_the_head_of_a_page_stands_in_its_rows(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 840})
    visit.open("/overview")
    logo = visit.page.get_by_test_id("stHeaderLogo").bounding_box()
    title = visit.page.get_by_role("heading", name="Overview").bounding_box()
    assert logo is not None
    assert title is not None
    assert logo["y"] + logo["height"] <= title["y"]
    arrows = [visit.page.locator(f".st-key-{key}").bounding_box() for key in ("earlier", "later")]
    assert len({arrow["y"] for arrow in arrows if arrow}) == 1
    visit.page.get_by_test_id("stExpandSidebarButton").click()
    expect(visit.page.get_by_test_id("stSidebarNavLink").first).to_be_visible()


def test_a_page_comes_back_with_the_store(
    context: BrowserContext, store: Store, seed: Seeder, tmp_path: Path
) -> None:
    plant_traces(seed)
    port = free_port()
    away = replace(store.settings, port=port)
    with dashboard_of(store_url(away), tmp_path) as base:
        page = context.new_page()
        page.clock.install()
        page.goto(f"{base}/trace?trace_id={TRACE}")
        expect(page.get_by_role("alert")).to_contain_text("The store did not answer")
        with fault_proxy(store.settings.port, [], port):
            page.clock.fast_forward("00:10")
            page.wait_for_selector(".tv[data-ready='4']")
            expect(page.get_by_role("alert")).to_have_count(0)
            page.close()


def test_the_process_ends_well_on_an_interrupt(store: Store, tmp_path: Path) -> None:
    """On SIGTERM too: that is how every other one ends here."""
    dashboard = start_dashboard(store_url(store.settings), tmp_path / "dashboard.log")
    dashboard.process.send_signal(signal.SIGINT)
    assert dashboard.process.wait(10) == 0


def test_without_a_store_the_process_says_what_is_missing() -> None:
    env = {k: v for k, v in os.environ.items() if k != "SPANLEDGER_STORE_URL"}
    run = subprocess.run(
        [sys.executable, "-m", "spanledger_dashboard"],
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 2
    assert "SPANLEDGER_STORE_URL" in run.stderr


def test_static_files_are_compressed(base: str) -> None:
    with urllib.request.urlopen(base) as answer:
        page = answer.read().decode()
    script = page.split('src="./')[1].split('"')[0]
    request = urllib.request.Request(f"{base}/{script}", headers={"Accept-Encoding": "gzip"})
    for _ in range(2):  # made, then kept
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.read(2) == b"\x1f\x8b"
