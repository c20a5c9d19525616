"""The tree in a real browser: keys, pointer, marks, a trace that grows, ten thousand spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, expect

from spanledger_dashboard.trace.data import Row
from spanledger_dashboard.trace.payload import pack
from tests.dashboard.component_page import ComponentPage
from tests.dashboard.process import CHROMIUM, chromium
from tests.dashboard.trace_rows import TRACE, S, call, span, span_id, tool, trace

EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> **b**'
AGENT: dict[str, Any] = {
    "name": "invoke_agent",
    "role": "agent",
    "model": "",
    "agent_name": "support",
}
Open = Callable[..., ComponentPage]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 760, "height": 640}, reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def opened(context: BrowserContext) -> Iterator[Open]:
    pages: list[ComponentPage] = []

    def open_payload(payload: bytes) -> ComponentPage:
        pages.append(ComponentPage.of(context, payload))
        return pages[-1]

    yield open_payload
    for made in pages:
        assert made.problems == []
        assert made.page.evaluate("window.hacked") is None


def support() -> list[Row]:
    """An agent: a call, a failed tool, its retry, six searches, a last call seen twice."""
    return [
        span(1, **AGENT, duration_ns=60 * S),
        span(2, 1, 1, name="chat plan", duration_ns=2 * S, ttft_ns=S),
        tool(3, 1, 4, 7, 1, name="lookup order", status="error", error_type="TimeoutError"),
        tool(4, 1, 6, 7, 2, name="lookup order"),
        *[tool(n, 1, n, n, n) for n in range(10, 16)],
        span(20, 1, 30, name="chat answer", duration_ns=9 * S),
        span(21, 20, 30, name="proxy", duration_ns=8 * S),
    ]


def calls() -> list[Row]:
    return [call(2, "0.0125"), call(20, "0.25", merged_span_ids=[span_id(21)], sources=2)]


def selected(made: ComponentPage) -> Locator:
    return made.page.locator(".row[aria-selected=true]")


def test_rows_show_names_numbers_and_marks(opened: Open) -> None:
    page = opened(pack(trace(support(), *calls()))).page
    root = page.locator(".row", has_text="invoke_agent")
    expect(root).to_contain_text("1m")
    expect(root.locator(".cost")).to_have_text("Σ $0.263")
    expect(root.locator(".cost")).to_have_attribute("title", "$0.2625 in 2 calls")
    expect(root.locator(".tokens")).to_have_text("200 / 40")
    failed = page.locator(".row.failed")
    expect(failed).to_have_count(1)
    expect(failed.locator(".label")).to_have_attribute(
        "title", "lookup order · tool · search · TimeoutError"
    )
    expect(page.locator(".row", has_text="lookup order").nth(1)).to_contain_text("retry")
    expect(page.locator(".row", has_text="chat answer")).to_contain_text("2 sources")
    expect(page.locator(".row", has_text="proxy")).to_contain_text("same call")
    expect(page.locator(".row", has_text="proxy").locator(".cost")).to_have_text("counted once")


def test_own_cost_and_cost_with_everything_below(opened: Open) -> None:
    page = opened(pack(trace([span(1), span(2, 1, 0.2)], call(1, "0.5"), call(2, "0.25")))).page
    outer = page.locator(".row").first.locator(".cost")
    expect(outer).to_have_text("Σ $0.750")
    page.get_by_role("button", name="Cost Σ").click()
    expect(outer).to_have_text("$0.500")
    page.get_by_role("button", name="Cost own").click()
    expect(outer).to_have_text("Σ $0.750")


def test_equal_siblings_are_one_line_that_opens_and_closes(opened: Open) -> None:
    made = opened(pack(trace(support(), *calls())))
    shut = ["invoke_agent", "chat plan", "lookup order", "lookup order", "execute_tool search×6",
            "chat answer", "proxy"]  # fmt: skip
    assert made.rows() == shut
    run = made.page.locator(".row.run")
    expect(run).to_have_attribute("aria-expanded", "false")
    run.locator(".twist").click()
    expect(run).to_have_attribute("aria-expanded", "true")
    assert made.rows().count("execute_tool search") == 6
    made.page.locator(".row", has_text="execute_tool search").nth(3).click()
    made.press("ArrowLeft")
    expect(selected(made)).to_have_class("row tool run opened")
    made.press("ArrowLeft")
    assert made.rows() == shut


def test_the_tree_is_worked_by_keyboard(opened: Open) -> None:
    made = opened(pack(trace(support(), *calls())))
    grid = made.page.get_by_role("treegrid", name="Spans of the trace")
    grid.focus()
    for keys, name in [
        (["ArrowDown"], "chat plan"), (["j", "j"], "lookup order"),
        (["k", "k", "k"], "invoke_agent"), (["End"], "proxy"), (["Home"], "invoke_agent"),
        (["PageDown"], "proxy"), (["e"], "lookup order"), (["$"], "chat answer"),
        (["$"], "chat plan"), (["$"], "chat answer"), (["Home", "m"], "lookup order"),
        (["ArrowLeft"], "invoke_agent"),
    ]:  # fmt: skip
        made.press(*keys)
        expect(selected(made).locator(".label")).to_have_text(name)
    active = selected(made).get_attribute("id")
    assert active == f"span-{span_id(1)}"
    expect(grid).to_have_attribute("aria-activedescendant", str(active))
    made.press("ArrowLeft")
    assert made.rows() == ["invoke_agent+11"]
    made.press("Enter")
    assert len(made.rows()) == 7
    made.page.wait_for_function(f"window.told.at(-1) === '{span_id(1)}'")
    assert f"span_id={span_id(1)}" in made.page.url


def test_the_dearest_comes_first_from_wherever_the_reader_is(opened: Open) -> None:
    spans = [span(1, **AGENT), *[span(n, 1, n, name=f"chat {n}") for n in (2, 3, 4)]]
    made = opened(pack(trace(spans, call(2, "0.5"), call(3, "0.25"), call(4, "0.125"))))
    made.page.get_by_role("treegrid", name="Spans of the trace").focus()
    for keys, name in [
        (["ArrowDown", "ArrowDown"], "chat 3"), (["$"], "chat 2"), (["$"], "chat 3"),
        (["$"], "chat 4"), (["$"], "chat 2"), (["ArrowDown"], "chat 3"), (["$"], "chat 2"),
    ]:  # fmt: skip
        made.press(*keys)
        expect(selected(made).locator(".label")).to_have_text(name)


def test_a_search_counts_its_hits_and_walks_through_them(opened: Open) -> None:
    made = opened(pack(trace(support(), *calls())))
    page = made.page
    made.page.get_by_role("treegrid").focus()
    made.press("/")
    page.keyboard.type("SEARCH")
    expect(page.get_by_role("status")).to_have_text("8 found")  # the tool of the orders, too
    expect(page.locator(".row.run mark")).to_have_text("search")
    made.press("Enter")
    expect(page.get_by_role("status")).to_have_text("1/8")
    made.press("Shift+Enter")
    expect(page.get_by_role("status")).to_have_text("8/8")
    expect(selected(made)).to_have_attribute("id", f"span-{span_id(15)}")
    made.press("Escape")
    expect(page.locator(".row mark")).to_have_count(0)
    page.get_by_role("searchbox").fill(span_id(21))
    expect(page.get_by_role("status")).to_have_text("1 found")


def test_filters_show_errors_marks_and_the_critical_path(opened: Open) -> None:
    made = opened(pack(trace(support(), *calls())))
    page = made.page
    page.get_by_role("button", name="Errors").click()
    assert made.rows() == ["invoke_agent", "lookup order"]
    page.get_by_role("button", name="Marks").click()
    assert made.rows() == ["invoke_agent", "lookup order"]
    page.get_by_role("button", name="Critical path").click()
    assert made.rows()[:3] == ["invoke_agent", "chat plan", "lookup order"]
    expect(page.locator(".row", has_text="proxy").locator(".path i")).to_have_count(1)
    page.get_by_role("button", name="All").click()
    assert len(made.rows()) == 7
    expect(page.locator(".path i")).to_have_count(0)


def test_filters_that_would_find_nothing_are_not_offered(opened: Open) -> None:
    page = opened(pack(trace([span(1)]))).page
    assert page.locator(".bar button:visible").all_inner_texts()[:2] == ["All\n1", "Critical path"]


def test_time_is_zoomed_by_dragging_and_shown_whole_again(opened: Open) -> None:
    made = opened(pack(trace(support(), *calls())))
    page = made.page
    box = page.locator(".mini").bounding_box()
    assert box is not None
    y = box["y"] + 10
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"], y, steps=4)
    page.mouse.up()
    expect(page.locator(".ticks span").first).to_have_text("30s")
    page.locator(".mini").dblclick()
    page.get_by_role("button", name="Scale the time axis").click()
    expect(page.locator(".ticks span").first).to_have_text("0")


def test_a_mark_leads_to_the_other_view_of_a_call(opened: Open) -> None:
    made = opened(pack(trace(support(), *calls())))
    made.page.locator(".pill", has_text="same call").click()
    expect(selected(made)).to_contain_text("chat answer")
    made.press("g")
    expect(selected(made)).to_contain_text("proxy")


def test_a_link_to_another_trace_opens_it(opened: Open) -> None:
    other = "cd" * 16
    linked = span(1, link_trace_ids=[other], link_span_ids=[span_id(7)])
    made = opened(pack(trace([linked])))
    made.page.locator(".pill", has_text="link").click()
    made.page.wait_for_url(f"**/trace?trace_id={other}&span_id={span_id(7)}")


def test_a_link_to_the_span_is_copied(opened: Open) -> None:
    made = opened(pack(trace(support())))
    made.page.locator(".row", has_text="chat plan").click()
    made.press("c")
    expect(made.page.get_by_role("status")).to_have_text("link copied")
    copied = made.page.evaluate("navigator.clipboard.readText()")
    assert copied.endswith(f"?trace_id={TRACE}&span_id={span_id(2)}")


def test_the_span_of_a_link_is_selected_and_opened(opened: Open) -> None:
    made = opened(pack(trace(support()), selected=span_id(12)))
    expect(selected(made)).to_have_attribute("id", f"span-{span_id(12)}")
    assert made.page.evaluate("window.told") == []  # Python named it, so it is not told back


def test_a_growing_trace_keeps_what_its_reader_had(opened: Open) -> None:
    before = [
        span(1, **AGENT, duration_ns=90 * S),
        *[span(n, 1, n, name=f"chat {n}") for n in range(2, 60)],
    ]
    before += [span(100, 30, 30.1, name="inner")]
    made = opened(pack(trace(before)))
    page = made.page
    page.get_by_role("searchbox").fill("inner")
    made.press("Enter")
    page.get_by_role("treegrid").focus()
    made.press("ArrowLeft", "ArrowLeft")  # to its parent, which closes
    closed = page.locator(".row", has_text="chat 30")
    expect(closed).to_have_attribute("aria-expanded", "false")
    top = closed.bounding_box()
    early = [span(n, 1, n - 199.5, name=f"early {n}") for n in range(200, 205)]
    made.show(pack(trace([*before, *early])))
    page.wait_for_selector(f".tv[data-ready='{len(before) + 5}']")
    expect(closed).to_have_attribute("aria-expanded", "false")
    expect(closed).to_have_attribute("aria-selected", "true")
    assert closed.bounding_box() == top


def test_what_was_open_is_open_again_after_another_tab(opened: Open) -> None:
    made = opened(pack(trace(support(), *calls())))
    made.page.locator(".row.run .twist").click()
    made.page.locator(".row", has_text="chat plan").click()
    assert len(made.rows()) == 13
    made.page.evaluate("window.away()")
    expect(made.page.locator(".tv")).to_have_count(0)
    made.page.evaluate(
        "document.getElementById('host').shadowRoot.innerHTML += '<div class=\"mount\"></div>'"
    )
    made.show(made.payload)
    made.page.wait_for_selector(".tv[data-ready]")
    assert len(made.rows()) == 13
    expect(selected(made)).to_contain_text("chat plan")


def test_hostile_names_stay_text(opened: Open) -> None:
    evil: dict[str, Any] = {
        "name": EVIL,
        "model": EVIL,
        "agent_name": EVIL,
        "tool_name": EVIL,
        "error_type": EVIL,
    }
    spans = [
        span(1, **evil, status="error", role=EVIL),
        *[span(n, 1, n, **evil) for n in range(2, 9)],
    ]
    given = {span_id(1): [{"kind": EVIL, "label": EVIL, "text": EVIL}]}
    page = opened(pack(trace(spans), marks=given)).page
    expect(page.locator(".label").first).to_have_text(EVIL)
    expect(page.locator(".pill").first).to_have_text(EVIL)
    page.get_by_role("searchbox").fill("<img")
    expect(page.locator(".label mark").first).to_have_text("<img")
    assert page.locator("img, .row script, b:has-text('b')").count() == 0


@pytest.mark.endurance
def test_ten_thousand_spans_scroll_with_few_elements(opened: Open) -> None:
    spans = [span(1, **AGENT, duration_ns=10_000 * S)]
    spans += [span(n, 1, n, name=f"chat {n}") for n in range(2, 10_001)]
    made = opened(pack(trace(spans, *[call(n, "0.001") for n in range(2, 10_001, 2)])))
    page = made.page
    expect(page.locator(".row").first.locator(".cost")).to_have_text("Σ $5.00")
    assert page.locator(".row").count() < 60
    for index in (5_000, 9_000, 20):
        page.locator(".scroll").evaluate("(scroll, top) => (scroll.scrollTop = top)", index * 26)
        row = page.locator(f".row[data-index='{index}']")
        expect(row).to_be_in_viewport()
        expect(row.locator(".label")).to_have_text(f"chat {index + 1}")
    page.get_by_role("treegrid").focus()
    made.press("End")
    expect(selected(made)).to_contain_text("chat 10000")
    assert page.locator(".row").count() < 60
