"""The worker's jobs: what a span costs each of them while agents are at work, and with history.

    python -m benchmarks.jobs [--jobs ledger,cache] [--rate 5000] [--seconds 15]
        [--millions 0.2,1] [--days 30] [--data DIR]

A fleet of agents (agent_traffic.py) sends spans second by second; after each second every job runs
that is due by its schedule in the worker, and its CPU is measured: that of the jobs' process, and
the engine's beside it, merges of what it wrote included; and the rows that the engine read, which
other work on the machine does not change. Daily and hourly jobs run when they are
named. ``--millions`` fills the store with a history of each size first: spans, ledger, traces, what
ties them, cache rows. A data directory is kept, and filled further by the next run.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.agent_traffic import Traffic
from benchmarks.ledger import Step, fill
from spanledger_analytics.cache.job import CACHE
from spanledger_analytics.findings.job import FINDINGS
from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_server.jobs import JOBS, Job, Means
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.state import Watermarks, migrate_state, open_state
from spanledger_storage.store import Store
from tests.ports import free_port

_SELDOM_S = 300  # jobs that run no more often are left out unless they are named
_SETTLE_S = 120


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--jobs", help="names as in the worker, with commas; what runs often")
    parser.add_argument("--rate", type=int, default=5_000, help="spans a second")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--millions", default="0", help="sizes of the store, in spans")
    parser.add_argument("--days", type=int, default=30, help="over which the stored spans spread")
    parser.add_argument("--data", type=Path, help="keep the store here")
    options = parser.parse_args()
    names = options.jobs.split(",") if options.jobs else None
    chosen = [job for job in JOBS if (job.name in names if names else job.every_s < _SELDOM_S)]
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{options.rate:,} spans/s for {options.seconds} s; history over {options.days} days"
    )
    with tempfile.TemporaryDirectory() as directory:
        data = options.data or Path(directory)
        engine = Engine(EngineSettings(data, free_port()))
        engine.start()
        try:
            bench = _Bench(engine, data, chosen)
            for size in (int(float(n) * 1e6) for n in options.millions.split(",")):
                bench.fill(size, options.days)
                bench.play(options.rate, options.seconds)
            bench.close()
        finally:
            engine.stop()


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


@dataclass(slots=True)
class _Measured:
    """A job, when it is due (seconds of play), and what its runs took.

    ``spans``: how many had arrived at its last run.
    """

    job: Job
    run: Callable[[], object]
    due_s: float = 0.0
    worker_s: float = 0.0
    engine_s: float = 0.0
    runs: int = 0
    spans: int = 0
    rows: int = 0

    def add(self, step: Step, rows: int, second: int, spans: int) -> None:
        """Count a run; a job rests as in the worker, but by CPU: that is the same every time."""
        self.runs += 1
        self.rows += rows
        self.worker_s += step.worker_cpu_s
        self.engine_s += step.engine_cpu_s
        ran_s = step.worker_cpu_s + step.engine_cpu_s
        rest_s = self.job.rest_s(ran_s, step.worker_cpu_s)
        self.due_s = second + max(self.job.every_s, ran_s + rest_s)
        self.spans = spans

    def line(self, seconds: int) -> tuple[float, float, float]:
        """Return CPU microseconds a span, of the job and the engine for it, and rows read."""
        # A job that runs less often than this plays is paid for by all it has to handle.
        spans = self.spans * max(1.0, self.job.every_s / seconds)
        return self.worker_s * 1e6 / spans, self.engine_s * 1e6 / spans, self.rows / spans


class _Bench:
    """A store, and the jobs that follow what arrives in it."""

    def __init__(self, engine: Engine, data: Path, jobs: Sequence[Job]) -> None:
        create_database(engine.writer)
        self._engine = engine
        self._store = Store.connect(engine.writer)
        migrate(self._store)
        self._state = open_state(f"sqlite:///{data / 'jobs-state.db'}")
        migrate_state(self._state)
        means = Means(self._store.settings, self._state)
        _pass_history(means.watermarks)
        self._jobs = [_Measured(job, job.make(means)) for job in jobs]
        self._needed = [] if any(job.name == "ledger" for job in jobs) else [means.ledger.run_once]

    def close(self) -> None:
        """Close the store and the state database."""
        self._store.close()
        self._state.dispose()

    def fill(self, size: int, days: int) -> None:
        """Store a history up to ``size`` spans."""
        [stored] = self._store.sql_rows("SELECT count() AS n FROM spans WHERE version = 1")
        if int(str(stored["n"])) > size:
            raise SystemExit(f"the store holds more than {size:,} spans already")
        fill(self._store, int(str(stored["n"])), size, days)
        print(f"{size / 1e6:g} million spans of history")

    def play(self, rate: int, seconds: int) -> None:
        """Let agents work, and print what the jobs took."""
        traffic = Traffic(rate, time.time_ns(), seconds, time.time_ns())
        for one in self._jobs:
            one.runs, one.rows, one.worker_s, one.engine_s = 0, 0, 0.0, 0.0
            one.due_s = one.job.every_s
        spans = 0
        for second, bodies in enumerate(traffic.requests()):
            arrived = self._arrive(bodies)
            for run in self._needed:
                run()
            if not second:  # whatever was under way before: the jobs' first look is no measure
                for one in self._jobs:
                    one.run()
                continue
            spans += arrived
            for one in self._jobs:
                if one.due_s <= second or (second == seconds and not one.runs):
                    rows = self._rows_read()
                    step = self._measure(one.run)
                    one.add(step, self._rows_read() - rows, second, spans)
        self._print(spans, seconds)

    def _arrive(self, bodies: Sequence[bytes]) -> int:
        """Store what arrived as the collector does, in one flush; return the number of spans."""
        now_ns = time.time_ns()
        flush = f"arrived-{now_ns}"
        decoded = decode_traces([Body("default", body, now_ns) for body in bodies], flush, now_ns)
        for table in ("messages", "spans", "touches"):
            self._store.insert(table, getattr(decoded, table), token=f"{flush}-{table}")
        _settle(self._store)
        return decoded.spans.num_rows

    def _measure(self, run: Callable[[], object]) -> Step:
        clock = Clock(self._engine)
        run()
        taken = clock.step()
        _settle(self._store)
        return taken._replace(engine_cpu_s=clock.step().engine_cpu_s)

    def _rows_read(self) -> int:
        sql = "SELECT sum(value) AS n FROM system.events WHERE event = 'SelectedRows'"
        [read] = self._store.sql_rows(sql)
        return int(str(read["n"]))

    def _print(self, spans: int, seconds: int) -> None:
        print(
            f"{spans:,} spans arrived; CPU us a span: jobs, engine; rows read a span; "
            "runs and CPU ms of each"
        )
        total = 0.0
        for one in self._jobs:
            worker, engine, rows = one.line(seconds)
            each_ms = (one.worker_s + one.engine_s) * 1e3 / max(1, one.runs)
            total += worker + engine
            name = f"{one.job.name:<16}"
            print(
                f"    {name} {worker:6.1f} {engine:6.1f} {rows:8.1f}  {one.runs:3} {each_ms:7.0f}"
            )
        print(f"    together         {total:6.1f}: {1e6 / total:,.0f} spans/s and core", flush=True)


def _pass_history(watermarks: Watermarks) -> None:
    """Let jobs that follow versions begin now: what they make of a history is filled with it."""
    for name in (CACHE, FINDINGS):
        if watermarks.get(name) is None:
            watermarks.set(name, time.time_ns())


def _settle(store: Store) -> None:
    """Wait until the engine has no merges left to do: they belong to what was just written."""
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline:
        [merging] = store.sql_rows("SELECT count() AS n FROM system.merges")
        if not merging["n"]:
            return
        time.sleep(0.05)


if __name__ == "__main__":
    main()
