"""Opening a trace: from the store to a tree on the screen, for 50, 1,000 and 10,000 spans.

    python -m benchmarks.trace_open [--rounds 9]

(a) server side: the queries, and the block of bytes the tree is drawn from, without caches.
(b) in the browser: from navigation (a new page, the front end's files cached) until the tree is
drawn and the detail of its first span is there, and from a click on a row to its detail.
An engine of its own in a temporary directory, removed at the end.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import psutil
from playwright.sync_api import Browser, BrowserContext, Page

from spanledger_dashboard.trace_data import find_trace, load_trace
from spanledger_dashboard.trace_payload import pack
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.conftest import free_port
from tests.dashboard.process import CHROMIUM, chromium, start_dashboard, store_url
from tests.dashboard.seed import Seeder

SIZES = (50, 1_000, 10_000)
_WARM_UP = 2
_MS = 1_000


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print(f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
          f"{rounds} rounds after {_WARM_UP}; milliseconds: median (min to max)")  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(Path(directory) / "engine", free_port()))
        engine.start()
        try:
            _measure(engine, Path(directory), rounds)
        finally:
            engine.stop()


def _measure(engine: Engine, directory: Path, rounds: int) -> None:
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    for size in SIZES:
        seed_trace(store, size)
    for size in SIZES:
        _report(
            f"(a) {size:>6,} spans, query and payload",
            _times(partial(_read, store, size), rounds),
        )
    store.close()
    if CHROMIUM is None:
        print("(b) skipped: chromium is not installed")
        return
    dashboard = start_dashboard(store_url(engine.reader), directory / "dashboard.log")
    try:
        with chromium() as browser:
            _browse(browser, dashboard.base, rounds)
    finally:
        dashboard.process.terminate()
        dashboard.process.wait(10)


def seed_trace(store: Store, size: int) -> None:
    """Store a trace: an agent's steps, each with calls and tools; ledger entries for the calls."""
    rng = random.Random(size)
    seed = Seeder(store, int(time.time()) - 3600)
    trace_id = _trace_id(size)
    ids = [f"{n:016x}" for n in range(1, size + 1)]
    seed.span(trace_id, ids[0], name="invoke_agent bench", role="agent", duration_s=size)
    step = ids[0]
    for n, span_id in enumerate(ids[1:], start=1):
        if n % 8 == 1:
            step = span_id
            seed.span(
                trace_id,
                span_id,
                ids[0],
                name=f"step {n // 8}",
                role="workflow",
                at_s=n,
                duration_s=7,
            )
        elif n % 2:
            seed.span(trace_id, span_id, step, name="execute_tool search", role="tool", at_s=n,
                      duration_s=rng.random())  # fmt: skip
        else:
            message = seed.message("user", {"type": "text", "content": f"question {n}"})
            call = seed.span(trace_id, span_id, step, name="chat model", at_s=n,
                             duration_s=rng.random(), input_messages=[message])  # fmt: skip
            seed.entry(call, f"{rng.random() / 100:.9f}")
    seed.trajectory(trace_id)
    seed.insert()


def _trace_id(size: int) -> str:
    return f"{size:032x}"


def _read(store: Store, size: int) -> None:
    key = find_trace(store, _trace_id(size), "default")
    if key is None:
        raise AssertionError("the trace was not stored")
    pack(load_trace(store, key))


def _browse(browser: Browser, base: str, rounds: int) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    for size in SIZES:
        _report(
            f"(b) {size:>6,} spans, navigation",
            _times(partial(_open, context, base, size), rounds),
        )
    for size in SIZES:
        page = _opened(context, base, size)
        clicks = iter(range(3, 3 + rounds + _WARM_UP))
        _report(
            f"(b) {size:>6,} spans, click",
            _times(partial(_click_next, page, clicks), rounds),
        )
        page.close()


def _open(context: BrowserContext, base: str, size: int) -> None:
    _opened(context, base, size).close()


def _opened(context: BrowserContext, base: str, size: int) -> Page:
    page = context.new_page()
    page.goto(f"{base}/trace?trace_id={_trace_id(size)}", wait_until="commit")
    page.wait_for_selector(f".tv[data-ready='{size}']")
    page.wait_for_selector(".st-key-detail h4")
    return page


def _click_next(page: Page, rows: Iterator[int]) -> None:
    _click(page, next(rows))


def _click(page: Page, row: int) -> None:
    rows = page.locator(".tv .row")
    wanted = rows.nth(row).get_attribute("id") or ""
    rows.nth(row).click()
    page.wait_for_selector(f".st-key-{wanted} h4")


def _times(act: Callable[[], None], rounds: int) -> list[float]:
    times: list[float] = []
    for _ in range(_WARM_UP + rounds):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * _MS)
    return times[_WARM_UP:]


def _report(what: str, times: Sequence[float]) -> None:
    print(f"{what:<42} {statistics.median(times):7.0f} ({min(times):.0f} to {max(times):.0f})")


if __name__ == "__main__":
    main()
