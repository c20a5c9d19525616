"""Somebody who may see one project reaches nothing of another, on any page, by any address.

Drives the real process as a browser does, and looks through every byte it sends. Pages come from
the menu's own table, so a new one is covered by itself.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser
from websockets.exceptions import InvalidStatus

import spanledger_dashboard
from spanledger_alerts.state_machine import instance_id
from spanledger_analytics.findings.finding import Finding
from spanledger_dashboard.access.doorkeeper import COOKIE, AccountBook, Doorkeeper
from spanledger_dashboard.access.settings import AccessSettings, DashboardAuth
from spanledger_dashboard.navigation import PAGES
from spanledger_storage.account_roles import Role
from spanledger_storage.accounts import Accounts
from spanledger_storage.alert_rows import SilenceRow
from spanledger_storage.alert_rules import AlertRules
from spanledger_storage.engine import Engine
from spanledger_storage.passwords import Cost, hashed
from spanledger_storage.projects import Projects
from spanledger_storage.saved_views import SavedViews
from spanledger_storage.state import migrate_state, open_state
from tests.conftest import fresh_store
from tests.dashboard.alerted import Alerted, costly
from tests.dashboard.found import loop, put
from tests.dashboard.live import Shown, deferred_files, live
from tests.dashboard.planted import plant
from tests.dashboard.process import CHROMIUM, Dashboard, start_dashboard, store_url
from tests.dashboard.seed import Seeder

FOLDER = Path(spanledger_dashboard.__file__).parent
SECRET = "s" * 32
PASSWORD = "correct horse"
# In every text of the other project, and in no address: what is asked for may be repeated.
HIDDEN = b"zzhidden"
OURS = b"yyours"
THEIR_TRACE, OUR_TRACE = "be" * 16, "aa" * 16
SPAN = f"{1:016x}"
PLANTED: dict[str, str] = {}
"""What addresses call things of the other project."""
KEYS = {"session": "beta-session", "user": "beta-user", "agent": "beta-agent"}


def seed_project(
    seed: Seeder, project: str, trace_id: str, mark: str, keys: Mapping[str, str]
) -> None:
    """A trace whose every text carries a mark, and the hourly sums of it."""
    columns = {
        "project": project,
        "session_id": keys["session"],
        "user_id": keys["user"],
        "agent_name": keys["agent"],
        "service_name": f"{mark}-service",
    }
    seed.span(trace_id, SPAN, name=f"{mark} run", role="agent", duration_s=9, **columns)
    call = seed.span(
        trace_id, f"{2:016x}", SPAN, name=f"{mark} chat", response_model=f"{mark}-model",
        input_tokens=1000, output_tokens=200, status="error", error_type=f"{mark}Error",
        status_message=f"{mark} failed", attributes=[("note", mark)], **columns,
    )  # fmt: skip
    seed.span(
        trace_id, f"{3:016x}", SPAN, name=f"{mark} tool", role="tool", tool_name=f"{mark}-tool",
        tool_arguments=f'{{"q": "{mark}"}}', tool_result=mark, **columns,
    )  # fmt: skip
    entry = seed.entry(call, "1.25", model=f"{mark}-model", user_id=keys["user"])
    seed.entry(call, None, model=f"{mark}-unpriced")
    seed.trace(trace_id, session_id=keys["session"], user_id=keys["user"])
    seed.usage(
        project=project, model=entry["model"], agent_name=keys["agent"], total_cost_usd=Decimal(7)
    )
    one = finding(project, seed.now_s, trace_id=trace_id, agent_name=keys["agent"])
    told = replace(one, title=f"{mark} found", explanation=mark, details={mark: mark})
    put(seed.store, seed.now_s, told, replace(told, kind="cost_anomaly"), project=project)


def finding(project: str, now_s: int, **subject: str) -> Finding:
    return loop(now_s, project, subject=subject)


def made_state(path: Path) -> str:
    """A state database with somebody for each project, and something saved in both."""
    url = f"sqlite:///{path}"
    engine = open_state(url)
    migrate_state(engine)
    stored = hashed(PASSWORD, Cost(4, 8, 1))
    for name, project in (("ann", "alpha"), ("bea", "beta")):
        Projects(engine).create(project, "root", 1)
        Accounts(engine).add(name, Role.EDITOR, [project], stored, "root", 1)
    Accounts(engine).add("root", Role.ADMIN, None, stored, "root", 1)
    views = SavedViews(engine)
    for kind in ("traces", "cost", "sql", "golden"):
        views.save(kind, "beta", HIDDEN.decode(), {"trace_id": THEIR_TRACE}, who=HIDDEN.decode())
    put_alerts(engine)
    engine.dispose()
    return url


def put_alerts(engine: sa.Engine) -> None:
    """Something that fires, something that ended, a silence and a rule of the other project."""
    mark, now_s = HIDDEN.decode(), int(time.time())
    told = Alerted(engine, project="beta")
    told.say(now_s - 900, beta=costly(mark, 20, explanation=mark, trace_ids=(THEIR_TRACE,)))
    told.say(now_s - 600, over=costly(f"{mark}-over", 30))
    told.say(now_s - 300, over=None)
    told.state.silence(
        SilenceRow(
            id="",
            project="beta",
            matchers=(("agent", "=", mark),),
            starts_at_ns=now_s * 10**9,
            ends_at_ns=(now_s + 7_200) * 10**9,
            repeats="",
            timezone="UTC",
            author=mark,
            reason=mark,
            created_at_ns=now_s * 10**9,
        )
    )
    text = f"name: theirs\ntitle: {mark}\nfinding: [loop]\nprojects: [beta]\n"
    AlertRules(engine).put("theirs", text, mark, 1)


@pytest.fixture(scope="module")
def dashboard(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Dashboard, dict[str, str]]]:
    """The process, and a session's cookie for each account."""
    folder = tmp_path_factory.mktemp("isolation")
    state_url = made_state(folder / "state.db")
    settings = AccessSettings(auth=DashboardAuth.ACCOUNTS, secret=SECRET, state_url=state_url)
    keeper = Doorkeeper(settings, AccountBook(Accounts(open_state(state_url))))
    cookies = {n: keeper.open_with_password(n, PASSWORD) or "" for n in ("ann", "bea", "root")}
    with fresh_store(engine) as store:
        seed = Seeder(store, int(time.time()))
        seed_project(seed, "beta", THEIR_TRACE, HIDDEN.decode(), KEYS)
        ours = {key: value.replace("beta", "alpha") for key, value in KEYS.items()}
        seed_project(seed, "alpha", OUR_TRACE, OURS.decode(), ours)
        seed.insert()
        PLANTED.update(plant(store, open_state(state_url), "beta", HIDDEN.decode(), folder))
        running = start_dashboard(
            store_url(store.settings),
            folder / "log",
            SPANLEDGER_STATE_URL=state_url,
            SPANLEDGER_DASHBOARD_AUTH="accounts",
            SPANLEDGER_SESSION_SECRET=SECRET,
        )
        yield running, cookies
        running.process.terminate()
        assert running.process.wait(15) == 0


@functools.cache
def named_params() -> set[str]:
    """Every name that some page reads from the address."""
    text = "\n".join(p.read_text() for p in FOLDER.rglob("*.py"))
    read = set(re.findall(r'query_params(?:\.get\(|\.get_all\(|\[)"(\w+)"', text))
    bound = set(re.findall(r'\bkey="([\w-]+)"', text)) if 'bind="query-params"' in text else set()
    return read | bound | {"trace_id", "a", "b", *KEYS, "model", "tool"}


def address_sets() -> list[dict[str, str]]:
    """Addresses that ask for the other project in each way there is."""
    names = sorted(named_params() - {"project", "range", "from", "to", "page"})
    ids = dict.fromkeys(names, THEIR_TRACE)
    texts = {name: KEYS.get(name, "beta-agent") for name in names}
    both = {"trace_id": THEIR_TRACE, "a": THEIR_TRACE, "b": OUR_TRACE, "span_id": SPAN}
    theirs = finding("beta", 0).finding_id
    both |= {"finding": theirs, "anomaly": theirs, "rule": "theirs"}
    both["incident"] = instance_id("costly", {"agent": HIDDEN.decode()}) + "/1"
    both |= PLANTED
    return [{"project": "beta"}, {"project": "beta", **both}, ids, texts, {**both, **KEYS}]


def run(base: str, cookie: str, page: str, params: Mapping[str, str]) -> Shown:
    with live(base, cookie) as session:
        return session.open(page, params)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_no_address_shows_anything_of_another_project(
    dashboard: tuple[Dashboard, dict[str, str]], page: str
) -> None:
    running, cookies = dashboard
    for params in ({}, *address_sets()):
        shown = run(running.base, cookies["ann"], page, params)
        asked = set(params.values())
        for mark in (HIDDEN.decode(), *KEYS.values()):
            assert mark in asked or mark.encode() not in shown.raw, (mark, params)
        if params.get("project") == "beta":
            assert b"not open to you" in shown.raw.replace(b"\\", b"")
            assert OURS not in shown.raw  # what was asked for is not answered with something else


@pytest.mark.parametrize(
    "page",
    [
        *("overview", "traces", "trace", "sessions", "cost", "agents", "findings", "loops"),
        *("anomalies", "incidents", "rules", "silences", "users", "models", "tools"),
        *("unit_economics", "budgets", "routing", "allocation", "reconciliation"),
        *("invoices", "mappings", "gpus", "gpu_cost", "compare", "cache", "data_quality"),
    ],
)
def test_whoever_may_see_it_does_see_it_there(
    dashboard: tuple[Dashboard, dict[str, str]], page: str
) -> None:
    """Else the test above would find nothing because there is nothing to find."""
    running, cookies = dashboard
    for name in ("bea", "root"):
        params = {"project": "beta", "trace_id": THEIR_TRACE, "a": THEIR_TRACE}
        sent = run(running.base, cookies[name], page, params).raw
        assert any(mark in sent for mark in (HIDDEN, *map(str.encode, KEYS.values()))), name


def test_where_people_sign_in_the_menu_shows_every_page(
    dashboard: tuple[Dashboard, dict[str, str]],
) -> None:
    running, cookies = dashboard
    shown = run(running.base, cookies["ann"], "silences", {})
    menus = [m.navigation for m in shown.messages if m.HasField("navigation")]
    assert menus
    assert all(menu.expanded for menu in menus)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_who_is_signed_in_covers_no_page_of_the_menu(
    dashboard: tuple[Dashboard, dict[str, str]], browser: Browser
) -> None:
    running, cookies = dashboard
    with browser.new_context(viewport={"width": 1440, "height": 700}) as context:
        context.add_cookies([{"name": COOKIE, "value": cookies["ann"], "url": running.base}])
        page = context.new_page()
        page.goto(f"{running.base}/silences")
        page.locator(".st-key-person").wait_for()
        lowest = page.get_by_test_id("stSidebarNavLink").evaluate_all(
            """links => links.map(link => {
                link.focus();
                const person = document.querySelector(".st-key-person");
                return person.getBoundingClientRect().top - link.getBoundingClientRect().bottom;
            })"""
        )
    assert len(lowest) > 20
    assert min(lowest) >= 0


def test_a_session_that_asks_for_its_own_project_first_gets_no_other_later(
    dashboard: tuple[Dashboard, dict[str, str]],
) -> None:
    running, cookies = dashboard
    with live(running.base, cookies["ann"]) as session:
        assert OURS in session.open("traces", {"project": "alpha"}).raw
        for params in address_sets():
            assert HIDDEN not in session.open("traces", params).raw


def test_a_download_opens_for_nobody_else(
    dashboard: tuple[Dashboard, dict[str, str]],
) -> None:
    running, cookies = dashboard
    with live(running.base, cookies["bea"]) as session:
        offered = deferred_files(session.open("traces", {}))
        assert offered
        url = running.base + session.download(offered[0])
        answers = {
            name: httpx.get(url, cookies={COOKIE: cookie}, trust_env=False)
            for name, cookie in {**cookies, "nobody": "x"}.items()
        }
    assert {name: a.status_code for name, a in answers.items()} == {
        "ann": 404, "bea": 200, "root": 404, "nobody": 401,
    }  # fmt: skip
    assert HIDDEN in answers["bea"].content
    assert HIDDEN not in answers["ann"].content


@pytest.mark.parametrize(
    ("page", "params", "files"),
    [
        ("mappings", {}, {"unmapped", "scopes", "mappings"}),
        ("invoices", {}, {"imports", "sources", "pulls"}),
        ("invoices", {"import": ""}, {"invoice", "days"}),
        ("reconciliation", {}, {"cells", "causes"}),
        ("allocation", {}, {"allocation", "unallocated", "allocation-rules"}),
        ("routing", {}, {"routes", "estimates"}),
        ("findings", {}, {"findings"}),
        ("loops", {}, {"loops"}),
        ("anomalies", {}, {"anomalies", "outlooks"}),
        ("models", {"model": f"{HIDDEN.decode()}-model"}, {"reasons"}),
        ("prices", {}, {"rates"}),
    ],
)
def test_each_table_is_a_file_in_both_formats(
    dashboard: tuple[Dashboard, dict[str, str]],
    page: str,
    params: dict[str, str],
    files: set[str],
) -> None:
    running, cookies = dashboard
    asked = {"project": "beta", **{name: value or PLANTED[name] for name, value in params.items()}}
    cookie = cookies["root"]
    with live(running.base, cookie) as session:
        shown = session.open(page, asked)
        for name in files:
            for ending in ("csv", "parquet"):
                assert re.search(rf"download-{name}(-[\w-]+)?-{ending}".encode(), shown.raw), name
        for file_id in deferred_files(shown):
            url = running.base + session.download(file_id)
            answer = httpx.get(url, cookies={COOKIE: cookie}, trust_env=False)
            assert (answer.status_code, bool(answer.content)) == (200, True)


def test_without_a_session_there_is_no_live_connection(
    dashboard: tuple[Dashboard, dict[str, str]],
) -> None:
    running, _ = dashboard
    for cookie in ("", "x", "eyJuYW1lIjoiYW5uIn0.x.x"):
        with pytest.raises(InvalidStatus, match="403"), live(running.base, cookie):
            pass
