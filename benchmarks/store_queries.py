"""What people ask of the store, at one million and at ten million spans.

    python -m benchmarks.store_queries [--millions 1,10] [--rounds 15] [--data DIR]

A trace by its id, of 50, 1,000 and 10,000 spans: with everything its spans hold, with what the
page of a trace asks for to draw its tree, and with the question where the trace lies, which the
page asks beside it. And tokens by model and agent over the last 24 hours, from the hourly usage
that pages read, from the ledger, and from the spans themselves. An engine of its own in a temporary
directory, removed at the end; a data directory is kept, and filled further by the next run.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from benchmarks.ledger import fill
from benchmarks.payloads import trace, vocabulary
from spanledger_analytics.usage import recompute_usage
from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_dashboard.read_ahead import begin
from spanledger_dashboard.trace.data import find_trace
from spanledger_dashboard.trace.tree import load_tree
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.otlp import request
from tests.ports import free_port

SIZES = (50, 1_000, 10_000)
_WARM_UP = 3
_DAYS = 2
_MS = 1_000


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--millions", default="1,10", help="sizes of the store, in spans")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--data", type=Path, help="keep the store here; a temporary one if left out"
    )
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{options.rounds} rounds after {_WARM_UP}; milliseconds: median (min to max)"
    )
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(options.data or Path(directory), free_port()))
        engine.start()
        try:
            _measure(engine, [int(n) for n in options.millions.split(",")], options.rounds)
        finally:
            engine.stop()


def _measure(engine: Engine, millions: list[int], rounds: int) -> None:
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    for size in millions:
        [stored] = store.sql_rows("SELECT count() AS n FROM spans WHERE version = 1")
        if int(str(stored["n"])) > size * 1_000_000:
            raise SystemExit(f"the store holds more than {size} million spans already")
        fill(store, int(str(stored["n"])), size * 1_000_000, _DAYS)
        # Traces that no earlier run has left.
        traces = {spans: put_trace(store, spans, seed=time.time_ns()) for spans in SIZES}
        _settle(store)
        print(f"{size} million spans stored")
        for spans, trace_id in traces.items():
            _report(
                f"  trace of {spans:,} spans, all columns",
                partial(read_trace, store, trace_id, spans),
                rounds,
            )
            _report("  … its tree", partial(read_tree, store, trace_id, spans), rounds)
            _report("  … and its place", partial(open_tree, store, trace_id, spans), rounds)
        for name, statement in _AGGREGATES.items():
            _report(f"  {name}", partial(_aggregate, store, statement), rounds)
    store.close()


def put_trace(store: Store, spans: int, seed: int) -> str:
    """Store a trace as the collector does; return its id."""
    rng = random.Random(seed * 100_003 + spans)
    made = trace(rng, vocabulary(rng), time.time_ns() - 3 * 3_600 * 10**9, spans)
    body = request(*made, service="bench", scope="opentelemetry.instrumentation.genai")
    now_ns = time.time_ns()
    decoded = decode_traces([Body("default", body.SerializeToString(), now_ns)], "one", now_ns)
    for table in ("messages", "spans", "touches"):
        store.insert(table, getattr(decoded, table), token=f"{seed}-{spans}-{table}")
    return made[0].trace_id.hex()


def read_trace(store: Store, trace_id: str, spans: int) -> None:
    """Read every column of every span of a trace."""
    rows = store.raw(_TRACE, "Native", {"id": trace_id})
    if len(rows) < 200 * spans:
        raise SystemExit(f"{len(rows)} bytes cannot be {spans} spans")


def read_tree(store: Store, trace_id: str, spans: int) -> None:
    """Read what a trace's page draws it from."""
    if load_tree(store, "default", trace_id).num_rows != spans:
        raise SystemExit(f"the tree has not {spans} spans")


def open_tree(store: Store, trace_id: str, spans: int) -> None:
    """Read it as the page does at first: while it is read, ask where the trace lies."""
    tree = begin(partial(read_tree, store, trace_id, spans))
    if find_trace(store, trace_id, "default") is None:
        raise SystemExit("the trace was not found")
    tree.result()


_TRACE = """
SELECT * FROM spans FINAL
WHERE project = 'default'
    AND toStartOfHour(start_time) IN (
        SELECT hour FROM trace_hours WHERE project = 'default' AND trace_id = {id:String}
    )
    AND trace_id = {id:String}
"""
_SINCE = "toDateTime({since_s:UInt32}, 'UTC')"
_AGGREGATES = {
    "24 h by model and agent, hourly usage": f"""
        SELECT model, agent_name, sum(input_tokens), sum(output_tokens), sum(total_cost_usd)
        FROM usage_hourly FINAL
        WHERE project = 'default' AND is_deleted = 0 AND hour >= {_SINCE}
        GROUP BY model, agent_name""",
    "24 h by model and agent, ledger": f"""
        SELECT model, agent_name, sum(input_tokens), sum(output_tokens), sum(total_cost_usd)
        FROM ledger_current
        WHERE project = 'default' AND toStartOfHour(time) >= {_SINCE}
        GROUP BY model, agent_name""",
    "24 h by model and agent, spans": f"""
        SELECT request_model, agent_name, sum(input_tokens), sum(output_tokens)
        FROM spans
        WHERE project = 'default' AND toStartOfHour(start_time) >= {_SINCE} AND role = 'llm'
        GROUP BY request_model, agent_name""",
}


def _aggregate(store: Store, statement: str) -> None:
    if not store.sql_rows(statement, {"since_s": int(time.time()) // 3_600 * 3_600 - 86_400}):
        raise SystemExit("the aggregate found nothing: it was not measured")


def _settle(store: Store) -> None:
    """Sum the hours as the job does, and let merges end: they are the filling's."""
    newest = int(time.time()) // 3_600 * 3_600
    hours = [("default", newest - n * 3_600) for n in range(_DAYS * 24 + 2)]
    recompute_usage(store, hours, version=time.time_ns())
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        [merging] = store.sql_rows("SELECT count() AS n FROM system.merges")
        if not merging["n"]:
            return
        time.sleep(0.5)


def _report(what: str, act: Callable[[], None], rounds: int) -> None:
    times: list[float] = []
    for _ in range(_WARM_UP + rounds):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * _MS)
    times = times[_WARM_UP:]
    print(
        f"{what:<46} {statistics.median(times):7.1f} ({min(times):.1f} to {max(times):.1f})",
        flush=True,
    )


if __name__ == "__main__":
    main()
