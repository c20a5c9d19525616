"""The findings job: what new spans cost it, part by part, and how it copes with a long trace.

    python -m benchmarks.findings [--traces 2000] [--long 100000]

New traces arrive as the collector stores them, the ledger job follows, and the findings job looks
at them: with the detectors there are, without any, which is reading, building and comparing with
what is stored, and with each alone. Then the same of one trace that is as long as given. CPU is
that of the job's process, and the engine's beside it.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

from benchmarks.jobs import Clock
from benchmarks.ledger import Step, put, settle
from benchmarks.payloads import SPANS_PER_TRACE, Payload, payloads, trace, vocabulary
from spanledger_analytics.findings.detectors import DETECTORS, Detector
from spanledger_analytics.findings.job import FindingsJob
from spanledger_analytics.job import LedgerJob
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.state import Watermarks, migrate_state, open_state
from spanledger_storage.store import Store
from tests.otlp import request
from tests.ports import free_port

_REPEATS = 5
_WINDOW_S = 8  # 2,000 traces are 5,000 spans a second
_REQUEST_SPANS = 1_000


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--traces", type=int, default=2_000)
    parser.add_argument("--long", type=int, default=100_000, help="spans of the long trace")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{options.traces:,} new traces of {SPANS_PER_TRACE} spans, {_REPEATS} times, medians"
    )
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(Path(directory), free_port()))
        engine.start()
        try:
            bench = _Bench(engine, Path(directory))
            bench.measure("new traces", options.traces * SPANS_PER_TRACE, bench.many, _REPEATS)
            bench.measure("one long trace", options.long, bench.long, 1)
        finally:
            engine.stop()


class _Bench:
    def __init__(self, engine: Engine, directory: Path) -> None:
        create_database(engine.writer)
        self._engine = engine
        self._store = Store.connect(engine.writer)
        migrate(self._store)
        state = open_state(f"sqlite:///{directory / 'findings-state.db'}")
        migrate_state(state)
        self._ledger = LedgerJob(self._store, time.time_ns, Watermarks(state))
        self.many(40)
        self._ledger.run_once()
        self._jobs = {
            "all detectors": self._job(DETECTORS, directory / "all.db"),
            "no detectors": self._job({}, directory / "none.db"),
            **{name: self._job({name: one}, directory / f"{name}.db") for name, one in
               DETECTORS.items()},
        }  # fmt: skip

    def measure(self, what: str, spans: int, arrive: Callable[[int], None], repeats: int) -> None:
        """Print what each job took for spans that arrive now."""
        taken: dict[str, list[Step]] = {name: [] for name in self._jobs}
        for _ in range(repeats):
            arrive(spans)
            while not self._ledger.run_once().is_drained:
                pass
            settle(self._store)
            for name, job in self._jobs.items():
                started = Clock(self._engine)
                while not job.run_once().is_drained:
                    pass
                taken[name].append(started.step())
        [row] = self._store.sql_rows("SELECT count() AS n FROM findings FINAL WHERE is_deleted = 0")
        print(f"{what}: CPU us a span: job, engine; seconds; {row['n']} findings are stored")
        for name, steps in taken.items():
            own = statistics.median(one.worker_cpu_s for one in steps) * 1e6 / spans
            engine = statistics.median(one.engine_cpu_s for one in steps) * 1e6 / spans
            wall = statistics.median(one.wall_s for one in steps)
            print(f"    {name:<16} {own:6.1f} {engine:6.1f}  {wall:6.2f}", flush=True)

    def many(self, spans: int) -> None:
        """Store traces of agents whose calls repeat the conversation so far."""
        seed = time.time_ns()
        traces = spans // SPANS_PER_TRACE
        put(
            self._store,
            payloads(spans, 25 * SPANS_PER_TRACE, seed, _WINDOW_S, traces, grows=True),
            seed,
        )

    def long(self, spans: int) -> None:
        """Store one trace of so many spans."""
        seed = time.time_ns()
        put(self._store, _long(spans, seed), seed)

    def _job(self, detectors: Mapping[str, Detector], file: Path) -> FindingsJob:
        state = open_state(f"sqlite:///{file}")
        migrate_state(state)
        job = FindingsJob(self._store, time.time_ns, Watermarks(state), detectors=detectors)
        job.run_once()  # warm-up; its watermark is beyond what is there
        return job


def _long(spans: int, seed: int) -> Iterator[Payload]:
    rng = random.Random(seed)
    start_ns = time.time_ns() - spans * 10**9  # a span starts each second
    made = trace(rng, vocabulary(rng), start_ns, spans)
    for at in range(0, spans, _REQUEST_SPANS):
        part = made[at : at + _REQUEST_SPANS]
        body = request(*part, service="bench", scope="opentelemetry.instrumentation.genai")
        yield Payload(body.SerializeToString(), len(part), 0, 0)


if __name__ == "__main__":
    main()
