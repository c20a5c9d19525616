"""What people come for: an engineer, somebody from finance, somebody on call."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from tests.dashboard.alerted import EVIL, Alerted, costly
from tests.dashboard.visiting import CALL, IN_A_BROWSER, TOOL, TRACE, Visit

pytestmark = IN_A_BROWSER


@pytest.fixture
def base(request: pytest.FixtureRequest) -> str:
    """Who only looks shares a dashboard; who acts on alerts has one of their own."""
    acts = "alert_state" in request.fixturenames
    return str(request.getfixturevalue("own_dashboard" if acts else "dashboard_with_traces"))


def test_an_engineer_finds_where_the_agent_went_wrong(visit: Visit) -> None:
    page = visit.page
    visit.open("/overview")
    page.get_by_role("link", name="Traces").first.click()
    visit.settle()
    visit.open("/traces?status=error&agent=support&range=1h")
    box = page.locator("[data-testid=data-grid-canvas]").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 260, box["y"] + 35 + 17)  # the only row: the table is a canvas
    page.wait_for_selector(".tv[data-ready='4']")
    assert f"trace_id={TRACE}" in page.url
    page.get_by_role("treegrid", name="Spans of the trace").focus()
    page.keyboard.press("e")
    expect(page.locator(".st-key-detail h4")).to_have_text("execute_tool sql")
    assert f"span_id={TOOL}" in page.url


def test_finance_follows_a_figure_to_the_traces_behind_it(visit: Visit) -> None:
    page = visit.page
    visit.open("/cost?range=7d")
    expect(page.locator("[data-testid=stMain]")).to_contain_text("claude-sonnet-4-5")
    page.get_by_role("link", name="Models").first.click()
    visit.settle()
    assert "range=7d" in page.url
    expect(page.locator("[data-testid=stMain]")).to_contain_text("0.0125")


def test_on_call_opens_a_link_at_night(visit: Visit) -> None:
    page = visit.page
    visit.page.emulate_media(color_scheme="dark")
    visit.open(f"/trace?trace_id={TRACE}&span_id={CALL}")
    expect(page.locator(".tv .row[aria-selected=true]")).to_contain_text("chat sonnet")
    expect(page.locator(".st-key-detail")).to_contain_text("$0.0125")
    background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert background == "rgb(18, 23, 26)"
    page.get_by_role("link", name="Traces").first.click()
    visit.settle()
    expect(page.locator("[data-testid=stDataFrame]").first).to_be_visible()


@pytest.mark.usefixtures("traces")
def test_on_call_follows_a_notification_acknowledges_and_silences(
    alert_state: sa.Engine, tmp_path: Path, visit: Visit
) -> None:
    known = tmp_path / "alerts" / "rules" / "costly.yaml"
    known.write_text(known.read_text().replace("told", "error_rate"))  # as the dashboard knows it
    told, now_s = Alerted(alert_state), int(time.time())
    told.say(now_s - 300, planner=costly("planner", 20, explanation=EVIL, trace_ids=(TRACE,)))
    link = urlsplit(told.ops.sent[0].incidents[0].links[0].url)
    page = visit.page
    visit.open(f"{link.path}?{link.query}")
    main = page.locator("[data-testid=stMain]")
    expect(main).to_contain_text("Cost per hour: $20.00 (agent planner)")
    expect(main).to_contain_text(f"Likely cause: {EVIL}")
    expect(main).to_contain_text("Told ops that it fires")

    page.get_by_placeholder("Note, kept in the timeline").fill("looking")
    page.get_by_role("button", name="Acknowledge").click()
    expect(main).to_contain_text("acknowledged by local")
    expect(main).to_contain_text("Acknowledged by local: looking")
    [row] = told.state.instances("default")
    assert told.state.acks("default") == {f"default/{row.instance_id}/1": "local"}

    page.locator(".st-key-alert-silence").get_by_role("button").click()
    form = page.locator("[data-testid=stForm]")
    form.get_by_label("Reason").fill("a release")
    form.get_by_role("button", name="Silence").click()
    expect(main).to_contain_text("Firing, silenced")
    [silence] = told.state.silences("default", now_ns=time.time_ns())
    assert (silence.reason, silence.author) == ("a release", "local")

    page.get_by_role("link", name="Trace 1").click()
    page.wait_for_url(f"**trace_id={TRACE}**")
    visit.settle()
    assert page.evaluate("window.hacked") is None
