"""Opening a trace: from the store to a tree on the screen, for 50 to 100,000 spans.

    python -m benchmarks.trace_open [--rounds 9] [--sizes 50,1000,10000,100000]

(a) server side, without caches: the queries, and the block of bytes the tree is drawn from.
(b) in the browser, from navigation (a new page, the front end's files cached): until the tree is
drawn and answers, and until the detail of its first span is there; beside it the page without any
trace, which is what the front end itself takes.
(c) from a click on a row until it is the selected one, and until its detail is there.
(d) scrolling: the time of each frame over a hundred jumps through the whole tree.
An engine of its own in a temporary directory, removed at the end.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psutil
from playwright.sync_api import Browser, BrowserContext, Page

from spanledger_dashboard.trace.data import find_trace, load_trace
from spanledger_dashboard.trace.payload import pack
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.dashboard.process import CHROMIUM, chromium, start_dashboard, store_url
from tests.dashboard.seed import Seeder
from tests.ports import free_port

SIZES = (50, 1_000, 10_000, 100_000)
_WARM_UP = 2
_MS = 1_000
_QUESTIONS = 100
# Jumps through the tree, each drawn in one frame; the time between two frames is what is seen.
_SCROLL = """async () => {
  const roots = [document, ...[...document.querySelectorAll("*")].map((e) => e.shadowRoot)];
  const scroll = roots.map((root) => root?.querySelector(".tv .scroll")).find(Boolean);
  const times = [];
  const step = Math.max(26, (scroll.scrollHeight - scroll.clientHeight) / 100);
  let before = await new Promise(requestAnimationFrame);
  for (let i = 1; i <= 100; i += 1) {
    scroll.scrollTop = i * step;
    const now = await new Promise(requestAnimationFrame);
    times.push(now - before);
    before = now;
  }
  return times;
}"""

# From a click to the frames in which its row is selected and its detail is there.
_WATCH = """(wanted) => {
  const roots = [document, ...[...document.querySelectorAll("*")].map((e) => e.shadowRoot)];
  const tree = roots.map((root) => root?.querySelector(".tv")).find(Boolean);
  const frame = (is_there) => new Promise((done) => {
    const look = (now) => (is_there() ? done(now) : requestAnimationFrame(look));
    requestAnimationFrame(look);
  });
  window.watched = new Promise((done) => tree.addEventListener("click", async (event) => {
    const selected = frame(() => tree.querySelector(`.row[id="${wanted}"][aria-selected=true]`));
    const detail = frame(() => document.querySelector(`.st-key-${wanted} h4`));
    done([await selected - event.timeStamp, await detail - event.timeStamp]);
  }, {once: true, capture: true}));
}"""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    options = parser.parse_args()
    rounds, sizes = options.rounds, [int(size) for size in options.sizes.split(",")]
    print(f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
          f"{rounds} rounds after {_WARM_UP}; milliseconds: median (min to max)")  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(Path(directory) / "engine", free_port()))
        engine.start()
        try:
            _measure(engine, Path(directory), sizes, rounds)
        finally:
            engine.stop()


def _measure(engine: Engine, directory: Path, sizes: Sequence[int], rounds: int) -> None:
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    for size in sizes:
        seed_trace(store, size)
    for size in sizes:
        key = find_trace(store, _trace_id(size), "default")
        if key is None:
            raise AssertionError("the trace was not stored")
        trace = load_trace(store, key)
        what = f"(a) {size:>7,} spans"
        _report(f"{what}, queries", _times(partial(_read, store, size), rounds))
        _report(f"{what}, {len(pack(trace)):,} bytes", _times(partial(pack, trace), rounds))
    store.close()
    if CHROMIUM is None:
        print("(b) skipped: chromium is not installed")
        return
    dashboard = start_dashboard(store_url(engine.reader), directory / "dashboard.log")
    try:
        with chromium() as browser:
            _browse(browser, dashboard.base, sizes, rounds)
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
            message = seed.message(
                "user", {"type": "text", "content": f"question {n % _QUESTIONS}"}
            )
            call = seed.span(trace_id, span_id, step, name="chat model", at_s=n,
                             duration_s=rng.random(), input_messages=[message])  # fmt: skip
            seed.entry(call, f"{rng.random() / 100:.9f}")
    seed.trace(trace_id)
    seed.insert()


def _trace_id(size: int) -> str:
    return f"{size:032x}"


def _read(store: Store, size: int) -> None:
    key = find_trace(store, _trace_id(size), "default")
    if key is not None:
        load_trace(store, key)


def _browse(browser: Browser, base: str, sizes: Sequence[int], rounds: int) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    empty = [_until(context, f"{base}/trace", ".st-key-no-trace") for _ in range(_WARM_UP + rounds)]
    _report("(b) the page without a trace", empty[_WARM_UP:])
    for size in sizes:
        opened = [_open(context, base, size) for _ in range(_WARM_UP + rounds)][_WARM_UP:]
        _report(f"(b) {size:>7,} spans, tree", [tree for tree, _ in opened])
        _report(f"(b) {size:>7,} spans, tree and detail", [detail for _, detail in opened])
    for size in sizes:
        page = context.new_page()
        page.goto(_address(base, size), wait_until="commit")
        page.wait_for_selector(".st-key-detail h4")
        page.wait_for_selector(f".tv[data-ready='{size}']")
        clicked = [_click(page, row) for row in range(3, 3 + rounds + _WARM_UP)][_WARM_UP:]
        _report(f"(c) {size:>7,} spans, click to selected", [row for row, _ in clicked])
        _report(f"(c) {size:>7,} spans, click to detail", [detail for _, detail in clicked])
        frames = sorted(page.evaluate(_SCROLL))
        print(f"(d) {size:>7,} spans, frames: median {statistics.median(frames):.1f}, "
              f"95% {frames[94]:.1f}, longest {frames[-1]:.1f}")  # fmt: skip
        page.close()


def _address(base: str, size: int) -> str:
    return f"{base}/trace?trace_id={_trace_id(size)}"


def _until(context: BrowserContext, address: str, selector: str) -> float:
    page = context.new_page()
    started = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(selector)
    took = (time.perf_counter() - started) * _MS
    page.close()
    return took


def _open(context: BrowserContext, base: str, size: int) -> tuple[float, float]:
    page = context.new_page()
    started = time.perf_counter()
    page.goto(_address(base, size), wait_until="commit")
    page.wait_for_selector(f".tv[data-ready='{size}']")
    tree = time.perf_counter()
    page.wait_for_selector(".st-key-detail h4")
    detail = time.perf_counter()
    page.close()
    return (tree - started) * _MS, (detail - started) * _MS


def _click(page: Page, row: int) -> tuple[float, float]:
    """Click a row that is on screen; return when it was selected, and when its detail was there.

    The page itself measures, from the click's own time to the frame that shows what was awaited:
    the driver takes longer for a click than the tree does.
    """
    target = page.locator(f".tv .row[data-index='{row}']")
    wanted = target.get_attribute("id") or ""
    page.evaluate(_WATCH, wanted)
    target.click()
    page.wait_for_selector(f".st-key-{wanted} h4")
    selected, detail = page.evaluate("() => window.watched")
    return selected, detail


def _times(act: Callable[[], object], rounds: int) -> list[float]:
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
