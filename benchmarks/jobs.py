"""The worker's jobs: what new spans cost each of them, and whether stored history matters.

    python -m benchmarks.jobs [--traces 2000] [--millions 1,10,50] [--days 30] [--data DIR]

Fills a store with a history of each size: spans, ledger, traces, what ties them, cache rows. Then
the same number of new traces arrives, as the collector stores them, and every job that follows
what arrives runs until it has nothing left to do. CPU is that of the jobs' process, and the
engine's beside it. A data directory is kept, and filled further by the next run.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

from benchmarks.ledger import Step, fill, put, settle
from benchmarks.payloads import SPANS_PER_TRACE, payloads
from spanledger_server.jobs import JOBS, Means
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.conftest import free_port

_REPEATS = 5
_WINDOW_S = 8  # what arrives began just now: 2,000 traces are 5,000 spans a second
_APART = ("quality", "retention")  # every some minutes, whatever arrives


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--traces", type=int, default=2_000)
    parser.add_argument("--millions", default="1,10,50", help="sizes of the store, in spans")
    parser.add_argument("--days", type=int, default=30, help="over which the stored spans spread")
    parser.add_argument("--data", type=Path, help="keep the store here")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{options.traces:,} new traces of {SPANS_PER_TRACE} spans, {_REPEATS} times, medians; "
        f"history over {options.days} days"
    )
    with tempfile.TemporaryDirectory() as directory:
        data = options.data or Path(directory)
        engine = Engine(EngineSettings(data, free_port()))
        engine.start()
        try:
            sizes = [int(n) * 1_000_000 for n in options.millions.split(",")]
            _measure(engine, data, options.traces, sizes, options.days)
        finally:
            engine.stop()


def _measure(engine: Engine, data: Path, traces: int, sizes: list[int], days: int) -> None:
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    state = open_state(f"sqlite:///{data / 'jobs-state.db'}")
    migrate_state(state)
    means = Means(store.settings, state)
    runs = {job.name: job.make(means) for job in JOBS if job.name not in _APART}
    _arrive(store, traces)
    for run in runs.values():  # warm-up; the watermarks are beyond the history from here on
        run()
    for size in sizes:
        [stored] = store.sql_rows("SELECT count() AS n FROM spans WHERE version = 1")
        if int(str(stored["n"])) > size:
            raise SystemExit(f"the store holds more than {size:,} spans already")
        fill(store, int(str(stored["n"])), size, days)
        taken: dict[str, list[Step]] = defaultdict(list)
        for _ in range(_REPEATS):
            _arrive(store, traces)
            for name, run in runs.items():
                settle(store)
                started = Clock(engine)
                run()
                taken[name].append(started.step())
        _print(size, traces * SPANS_PER_TRACE, taken)
    store.close()
    state.dispose()


def _arrive(store: Store, traces: int) -> None:
    """Store traces of agents whose every call repeats the conversation so far."""
    seed = time.time_ns()
    spans = traces * SPANS_PER_TRACE
    made = payloads(spans, 25 * SPANS_PER_TRACE, seed, _WINDOW_S, traces, grows=True)
    put(store, made, seed)


def _print(size: int, spans: int, taken: dict[str, list[Step]]) -> None:
    print(f"{size / 1e6:.0f} million spans stored; CPU us a new span: jobs, engine; seconds")
    total = 0.0
    for name, steps in taken.items():
        worker = statistics.median(one.worker_cpu_s for one in steps) * 1e6 / spans
        engine = statistics.median(one.engine_cpu_s for one in steps) * 1e6 / spans
        wall = statistics.median(one.wall_s for one in steps)
        total += worker + engine
        print(f"    {name:<16} {worker:6.1f} {engine:6.1f}  {wall:6.2f}", flush=True)
    print(f"    together         {total:6.1f}: {1e6 / total:,.0f} spans/s and core", flush=True)


class Clock:
    """Time and CPU from now on, of this process and the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = psutil.Process(engine.pid)
        self._engine_s = self._engine_cpu_s()
        self._own_s = time.process_time()
        self._started = time.perf_counter()

    def step(self) -> Step:
        """Return what was taken since."""
        wall_s = time.perf_counter() - self._started
        own_s = time.process_time() - self._own_s
        return Step(wall_s, own_s, self._engine_cpu_s() - self._engine_s)

    def _engine_cpu_s(self) -> float:
        times = self._engine.cpu_times()
        return times.user + times.system


if __name__ == "__main__":
    main()
