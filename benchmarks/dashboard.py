"""The pages on a large store: server time of each, and what a browser waits for and loads.

    python -m benchmarks.dashboard [--millions 10] [--days 30] [--data DIR] [--rounds 11]
        [--pages cost,overview] [--no-browser]

Server time is one run of the page's script: with nothing cached, and again as it was. The browser
is chromium, without a screen: a cold page from navigation to its last drawing, the bytes of its
files on the wire, and a click to the last drawing it causes. A data directory is kept; filling
ten million spans takes minutes. The goals are those of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import platform
import signal
import statistics
import tempfile
import time
import tomllib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import streamlit as st
from playwright.sync_api import Browser, Page, Request
from streamlit import config
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from benchmarks.dashboard_fill import fill, settle
from spanledger_dashboard.connection import store
from spanledger_dashboard.navigation import PAGES
from spanledger_dashboard.warm_up import import_pages
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.dashboard.process import CHROMIUM, chromium, start_dashboard, store_url
from tests.ports import free_port

_APP = Path(spanledger_dashboard.__file__).parent / "app.py"
_MS = 1_000
_SCRIPT_GOAL_MS, _CACHED_GOAL_MS, _REDRAW_GOAL_MS, _WIRE_GOAL_MB = 500, 50, 500, 3
_WITH_GOAL = ("overview", "traces", "cost")
_QUIET_MS = 600  # without a drawing for this long, the page is drawn


@dataclass(frozen=True, slots=True)
class Visit:
    """One page as somebody opens it."""

    name: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--millions", type=float, default=10, help="spans to store")
    parser.add_argument("--days", type=int, default=30, help="over which they spread")
    parser.add_argument("--data", type=Path, help="keep the store here")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--pages", default="", help="only these, by their path")
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # Streamlit's, about running without a server
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"{options.millions:g} million spans over {options.days} days, {options.rounds} rounds"
    )
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(options.data or Path(directory), free_port()))
        engine.start()
        try:
            filled = _filled(engine, int(options.millions * 1_000_000), options.days)
            wanted = [page for page in str(options.pages).split(",") if page]
            visits = [v for v in _visits(filled) if not wanted or v.path in wanted]
            filled.close()
            os.environ["SPANLEDGER_STORE_URL"] = store_url(engine.reader)
            _measure_scripts(engine.pid, visits, options.rounds)
            if not options.no_browser and CHROMIUM:
                _measure_browser(store_url(engine.reader), visits, options.rounds)
        finally:
            engine.stop()


def _filled(engine: Engine, spans: int, days: int) -> Store:
    create_database(engine.writer)
    writing = Store.connect(engine.writer)
    migrate(writing)
    fill(writing, spans, days)
    settle(writing)
    return writing


def _visits(filled: Store) -> list[Visit]:
    """Return every page of the menu at two ranges, and the detail pages of one of each."""
    [trace] = filled.sql_rows(
        "SELECT trace_id, session_id, user_id, agent_name FROM spans "
        "WHERE parent_span_id = '' ORDER BY start_time DESC LIMIT 1 OFFSET 500"
    )
    visits: list[Visit] = []
    for entry in PAGES.values():
        if not entry.is_listed:
            continue
        ranges = ("24h", "30d") if entry.has_range else ("",)
        for length in ranges:
            query = {"range": length} if length else {}
            visits.append(Visit(f"{entry.title} {length}".strip(), entry.url_path, query))
    month = {"range": "30d"}
    more = [
        ("Cost explorer 30d, two dimensions", "cost", {**month, "group2": "Agent"}),
        ("Cost explorer 30d, spend per task", "cost", {**month, "measure": "Spend per task"}),
        ("Cost explorer 30d, by user", "cost", {**month, "group": "User"}),
        ("Cost explorer 7d, explained", "cost", {"range": "7d", "vs": "The period before"}),
        ("Traces 30d, one agent", "traces", {**month, "agent": "agent-3"}),
        ("Trace", "trace", {"trace_id": str(trace["trace_id"])}),
        ("One session", "sessions", {**month, "session": str(trace["session_id"])}),
        ("One user", "users", {**month, "user": str(trace["user_id"])}),
        ("One agent 24h", "agents", {"range": "24h", "agent": str(trace["agent_name"])}),
    ]
    return visits + [Visit(*one) for one in more if one[1] in PAGES]


@dataclass(slots=True)
class Runs:
    """Milliseconds of several runs: by the clock, and of processors, ours and the engine's."""

    wall: list[float] = field(default_factory=list[float])
    own_cpu: list[float] = field(default_factory=list[float])
    engine_cpu: list[float] = field(default_factory=list[float])

    def time(self, app: AppTest, visit: Visit, engine: psutil.Process) -> None:
        """Run the page once more."""
        own, theirs, started = time.process_time(), _cpu(engine), time.perf_counter()
        app.run()
        self.wall.append((time.perf_counter() - started) * _MS)
        self.own_cpu.append((time.process_time() - own) * _MS)
        self.engine_cpu.append((_cpu(engine) - theirs) * _MS)
        failures = [*app.exception, *app.error]
        if failures:
            raise SystemExit(f"{visit.name} failed: {failures[0].value}")

    def __str__(self) -> str:
        wall = f"{statistics.median(self.wall):>8.0f}{_p95(self.wall):>7.0f}"
        cpu = (statistics.median(self.own_cpu), statistics.median(self.engine_cpu))
        return f"{wall}{cpu[0]:>7.0f}{cpu[1]:>7.0f}"


def _run_as_served() -> None:
    """Take over what the dashboard's own process does before its first page."""
    settings = tomllib.loads((_APP.parent / ".streamlit" / "config.toml").read_text())
    for section in ("runner", "browser"):
        for name, value in settings.get(section, {}).items():
            config.set_option(f"{section}.{name}", value)
    # A server compiles a page once; AppTest does so at each run, and this is most of it.
    config.set_option("runner.magicEnabled", False)
    import_pages()
    gc.freeze()


def _measure_scripts(engine_pid: int | None, visits: Sequence[Visit], rounds: int) -> None:
    print("\nms: by the clock, and CPU of the page and of the engine (medians)")
    columns = f"{'p50':>8}{'p95':>7}{'page':>7}{'engine':>7}"
    print(f"{'script run':<38}{columns} |{columns} cached")
    engine = psutil.Process(engine_pid)
    _run_as_served()
    for visit in visits:
        app = AppTest.from_file(str(_APP), default_timeout=120)
        for key, value in visit.query.items():
            app.query_params[key] = value
        app.switch_page(PAGES[visit.path].file)
        app.run()  # imports the page
        cold, warm = Runs(), Runs()
        for _ in range(rounds):
            _forget()
            cold.time(app, visit, engine)
            warm.time(app, visit, engine)
        print(f"{visit.name:<38}{cold} |{warm}{_goals(visit, cold.wall, warm.wall)}", flush=True)


def _forget() -> None:
    """Drop every answer that is kept; the connection is not part of a page's time."""
    st.cache_data.clear()
    st.cache_resource.clear()
    store()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _goals(visit: Visit, cold: Sequence[float], warm: Sequence[float]) -> str:
    if visit.path not in _WITH_GOAL:
        return ""
    missed = [
        *([f"p95 over {_SCRIPT_GOAL_MS}"] if _p95(cold) > _SCRIPT_GOAL_MS else []),
        *(
            [f"cached p50 over {_CACHED_GOAL_MS}"]
            if statistics.median(warm) > _CACHED_GOAL_MS
            else []
        ),
    ]
    return f"  missed: {', '.join(missed)}" if missed else "  ok"


def _measure_browser(url: str, visits: Sequence[Visit], rounds: int) -> None:
    print(
        f"\n{'chromium':<40}{'cold ms':>10}{'wire MB':>9}{'click p50':>11}{'p95':>8}  other hosts"
    )
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        dashboard = start_dashboard(url, Path(directory) / "dashboard.log")
        try:
            for visit in visits:
                if visit.path in _WITH_GOAL and visit.query in ({"range": "24h"}, {"range": "30d"}):
                    _look(browser, dashboard.base, visit, rounds)
        finally:
            dashboard.process.send_signal(signal.SIGTERM)
            dashboard.process.wait(10)


def _look(browser: Browser, base: str, visit: Visit, rounds: int) -> None:
    query = "&".join(f"{key}={value}" for key, value in visit.query.items())
    with _fresh_page(browser, base) as (page, foreign, sizes):
        started = time.perf_counter()
        page.goto(f"{base}/{visit.path}?{query}")
        _await_drawn(page)
        cold = (time.perf_counter() - started) * _MS - _QUIET_MS
        megabytes = sum(sizes) / 1e6
        clicks = _clicks(page, rounds)
    middle = statistics.median(clicks) if clicks else float("nan")
    late = _p95(clicks) if clicks else float("nan")
    missed = [
        *([f"wire over {_WIRE_GOAL_MB} MB"] if megabytes > _WIRE_GOAL_MB else []),
        *([f"click over {_REDRAW_GOAL_MS} ms"] if middle > _REDRAW_GOAL_MS else []),
    ]
    print(
        f"{visit.name:<40}{cold:>10.0f}{megabytes:>9.2f}{middle:>11.0f}{late:>8.0f}  "
        f"{len(foreign)}{'  missed: ' + ', '.join(missed) if missed else '  ok'}",
        flush=True,
    )


@contextlib.contextmanager
def _fresh_page(browser: Browser, base: str) -> Generator[tuple[Page, list[str], list[float]]]:
    """Open a page with nothing cached; the lists fill with foreign requests and bytes received."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    foreign: list[str] = []
    sizes: list[float] = []
    known = (base, base.replace("http", "ws", 1), "data:", "blob:")

    def asked(request: Request) -> None:
        if not request.url.startswith(known):
            foreign.append(request.url)

    page.on("request", asked)
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.on("Network.loadingFinished", lambda e: sizes.append(float(e["encodedDataLength"])))
    wire.on(
        "Network.webSocketFrameReceived",
        lambda e: sizes.append(len(e["response"]["payloadData"]) * 0.75),  # base64
    )
    page.add_init_script(_WATCH)
    yield page, foreign, sizes
    context.close()


# The moment of the last change of what is on the screen; canvases are told by their frames.
_WATCH = """
window.lastDrawn = performance.now();
new MutationObserver(() => { window.lastDrawn = performance.now(); })
    .observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
"""


def _await_drawn(page: Page) -> None:
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=60_000)
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length === 0")
    page.wait_for_function(f"performance.now() - window.lastDrawn > {_QUIET_MS}", timeout=60_000)


def _clicks(page: Page, rounds: int) -> list[float]:
    """Click to and fro between two time ranges; return milliseconds to the last drawing."""
    times: list[float] = []
    for number in range(rounds + 1):
        label = "7d" if number % 2 == 0 else "24h"
        page.get_by_role("radio", name=label, exact=True).first.click(force=True)
        started = float(page.evaluate("window.clicked = performance.now()"))
        page.wait_for_function("window.lastDrawn > window.clicked")
        _await_drawn(page)
        taken = float(page.evaluate("window.lastDrawn")) - started
        if number > 1:  # the first of each reads the store
            times.append(taken)
    return times


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


if __name__ == "__main__":
    main()
