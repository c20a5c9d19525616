"""The ledger step: how fast touched traces are priced, and whether stored history slows it down.

    python -m benchmarks.ledger [--traces 2000] [--millions 1,10,50] [--days 2] [--data DIR]

Fills a store with other traces of the same shape up to each size, then derives the same number of
freshly touched traces: read, derive, price, compare with what is stored, write. CPU is that of the
deriving process; the engine's is printed beside it. A data directory is kept, and filled further
by the next run; ten million spans take about five minutes.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.payloads import SPANS_PER_TRACE, Payload, payloads
from spanledger_analytics._rows import batches, strings
from spanledger_analytics.ledger import run_ledger
from spanledger_analytics.price_book.book import PriceBook
from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.ports import free_port

_REPEATS = 5
_SETTLE_S = 120
_STEP_TRACES = 2_000  # as many as the job hands to one step
_FILL_SPANS = 250_000  # one insert


class Step(NamedTuple):
    """What one run over the touched traces took, in seconds."""

    wall_s: float
    worker_cpu_s: float
    engine_cpu_s: float


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--traces", type=int, default=2_000)
    parser.add_argument("--millions", default="1,10,50", help="sizes of the store, in spans")
    parser.add_argument("--days", type=int, default=2, help="over which the stored spans spread")
    parser.add_argument(
        "--data", type=Path, help="keep the store here; a temporary one if left out"
    )
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{options.traces:,} touched traces of {SPANS_PER_TRACE} spans, "
        f"history over {options.days} days"
    )
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(options.data or Path(directory), free_port()))
        engine.start()
        try:
            _measure(engine, options.traces, [int(n) for n in options.millions.split(",")],
                     options.days)  # fmt: skip
        finally:
            engine.stop()


def _measure(engine: Engine, traces: int, millions: list[int], days: int) -> None:
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    book = PriceBook.bundled()
    seeds = itertools.count(time.time_ns())  # traces that no earlier run has left
    step(store, engine, book, _put(store, traces, next(seeds)))  # warm-up
    first = 0.0
    for size in millions:
        [stored] = store.sql_rows("SELECT count() AS n FROM spans WHERE version = 1")
        if int(str(stored["n"])) > size * 1_000_000:
            raise SystemExit(f"the store holds more than {size} million spans already")
        fill(store, int(str(stored["n"])), size * 1_000_000, days)
        taken = [
            step(store, engine, book, _put(store, traces, next(seeds))) for _ in range(_REPEATS)
        ]
        walls = [one.wall_s for one in taken]
        wall = statistics.median(walls)
        first = first or wall
        spans = traces * SPANS_PER_TRACE
        print(
            f"{size:4d} million spans stored: {spans / wall:8,.0f} spans/s "
            f"(median of {_REPEATS}, {spans / max(walls):,.0f} to {spans / min(walls):,.0f}), "
            f"worker {statistics.median(o.worker_cpu_s for o in taken) * 1e6 / spans:5.1f} "
            f"and engine {statistics.median(o.engine_cpu_s for o in taken) * 1e6 / spans:5.1f} "
            f"CPU-us a span, time {wall / first:.2f} x the first size's",
            flush=True,
        )
    store.close()


def _put(store: Store, traces: int, seed: int) -> list[str]:
    return put(store, payloads(traces * SPANS_PER_TRACE, 100 * SPANS_PER_TRACE, seed), seed)


def put(store: Store, made: Iterable[Payload], seed: int) -> list[str]:
    """Store traces as the collector does; return their ids."""
    found: dict[str, None] = {}
    for number, payload in enumerate(made):
        flush = f"touched-{seed}-{number}"
        decoded = decode_traces(
            [Body("default", payload.body, time.time_ns())], flush, time.time_ns()
        )
        for table in ("messages", "spans", "touches"):
            store.insert(table, getattr(decoded, table), token=f"{flush}-{table}")
        found.update(dict.fromkeys(strings(decoded.spans, "trace_id")))
    return list(found)


def fill(store: Store, start: int, end: int, days: int) -> None:
    """Store spans ``start`` to ``end`` of a history, with all that the jobs make of them."""
    now_s = int(time.time()) // 3_600 * 3_600
    for first in range(start, end, _FILL_SPANS):
        values = {
            "first": first,
            "spans": min(_FILL_SPANS, end - first),
            "per_trace": SPANS_PER_TRACE,
            "since_s": now_s - days * 86_400,
            "seconds": days * 86_400 + 3_600,
        }
        for statement in (_SPANS, _HOURS, _ENTRIES, _TRACES, _KEYS, _CACHE):
            store.sql_rows(statement, values)


# Span n belongs to trace n / 20; trace ids are scattered, their times spread over the history.
_NUMBERED = """
    SELECT
        number AS n,
        intDiv(n, {per_trace:UInt32}) AS trace,
        n % {per_trace:UInt32} AS place,
        lower(hex(sipHash128(trace))) AS made_trace_id,
        lower(hex(sipHash64(n))) AS made_span_id,
        multiIf(place = 0, 'agent', place % 5 IN (1, 3), 'llm', 'tool') AS made_role,
        fromUnixTimestamp64Nano(
            ({since_s:Int64} + sipHash64(trace, 1) % {seconds:UInt32} + place) * 1000000000, 'UTC'
        ) AS start
    FROM numbers({first:UInt64}, {spans:UInt64})
"""
_SPANS = f"""
INSERT INTO spans (
    project, trace_id, span_id, parent_span_id, name, kind, status, start_time, end_time,
    service_name, scope_name, dialect, role, agent_name, session_id, user_id, provider,
    request_model, response_model, input_tokens, cache_read_tokens, output_tokens, usage_source,
    response_id, tool_name, tool_call_id, attributes, resource_attributes, ingested_at, version
)
SELECT
    'default', made_trace_id, made_span_id,
    if(place = 0, '', lower(hex(sipHash64(n - place)))),
    made_role, 'internal', 'unset', start, start + INTERVAL 800 MILLISECOND,
    'bench', 'opentelemetry.instrumentation.genai', 'otel_genai', made_role,
    if(place = 0, concat('agent-', toString(trace % 8)), ''),
    if(place = 0, concat('session-', toString(trace % 1000)), ''),
    if(place = 0, concat('user-', toString(trace % 200)), ''),
    if(made_role = 'llm', 'openai', ''),
    if(made_role = 'llm', 'gpt-4o', ''), if(made_role = 'llm', 'gpt-4o', ''),
    if(made_role = 'llm', 200 + sipHash64(n, 2) % 3800, NULL),
    if(made_role = 'llm', sipHash64(n, 3) % 200, NULL),
    if(made_role = 'llm', 10 + sipHash64(n, 4) % 590, NULL),
    if(made_role = 'llm', 'span', 'none'),
    if(made_role = 'llm', concat('chatcmpl-', hex(sipHash64(n, 5))), ''),
    if(made_role = 'tool', 'search', ''),
    if(made_role = 'tool', concat('call_', hex(sipHash64(n, 6))), ''),
    map('gen_ai.operation.name', made_role, 'note', hex(sipHash128(n, 7))),
    map('service.name', 'bench'), now64(3), 1
FROM ({_NUMBERED})
"""
_HOURS = f"""
INSERT INTO trace_hours (project, trace_id, hour)
SELECT 'default', made_trace_id, toStartOfHour(start) FROM ({_NUMBERED}) WHERE place = 0
"""
_ENTRIES = f"""
INSERT INTO ledger (
    project, entry_id, kind, time, duration_ns, trace_id, span_id, trajectory_id, provider, model,
    request_model, status, input_tokens, uncached_tokens, cache_read_tokens, output_tokens,
    usage_source, price_status, price_id, total_cost_usd, source_spans, is_deleted, version
)
SELECT
    'default', lower(hex(sipHash128(n, 8))), 'llm', start, 800000000, made_trace_id, made_span_id,
    made_trace_id, 'openai', 'gpt-4o', 'gpt-4o', 'ok', 2000, 1900, 100, 300, 'span', 'priced',
    'bench', 0.00775, [(made_trace_id, made_span_id)], 0, 1
FROM ({_NUMBERED})
WHERE made_role = 'llm'
"""
_TRACES = f"""
INSERT INTO traces (
    project, trace_id, name, root_span_id, start_time, end_time, status, agent_name, agents,
    models, session_id, user_id, span_count, llm_calls, tool_calls, input_tokens, total_cost_usd,
    is_deleted, version
)
SELECT
    'default', made_trace_id, 'agent', lower(hex(sipHash64(n))), start,
    start + INTERVAL 20 SECOND, 'closed', concat('agent-', toString(trace % 8)),
    [concat('agent-', toString(trace % 8))], ['gpt-4o'], concat('past-', toString(trace % 100000)),
    concat('user-', toString(trace % 200)), {{per_trace:UInt32}}, 8, 11, 16000, 0.062, 0, 1
FROM ({_NUMBERED})
WHERE place = 0
"""
_KEYS = f"""
INSERT INTO trajectory_keys (project, kind, key, trace_id)
SELECT 'default', 'conversation', lower(hex(sipHash128('past', trace % 100000))), made_trace_id
FROM ({_NUMBERED})
WHERE place = 0
"""
_CACHE = f"""
INSERT INTO cache_calls (
    project, time, lane, pool, is_opener, entry_id, trace_id, span_id, duration_ns, agent_name,
    provider, model, input_tokens, cache_read_tokens, minimum_tokens, cause, is_deleted, version
)
SELECT
    'default', start, sipHash64('lane', trace % 100000), sipHash64('pool', trace % 8), place = 1,
    lower(hex(sipHash128(n, 8))), made_trace_id, made_span_id, 800000000,
    concat('agent-', toString(trace % 8)), 'openai', 'gpt-4o', 2000, 100, 1024, '', 0, 1
FROM ({_NUMBERED})
WHERE made_role = 'llm'
"""


def step(store: Store, engine: Engine, book: PriceBook, traces: list[str]) -> Step:
    """Derive, price and write the ledger of some traces; return what it took."""
    settle(store)
    process = psutil.Process(engine.pid)
    engine_before = _cpu(process)
    cpu_before, started = time.process_time(), time.perf_counter()
    for part in batches(traces, _STEP_TRACES):
        result = run_ledger(store, "default", part, version=time.time_ns(), book=book)
        if not result.entries_written:
            raise SystemExit("the step wrote nothing: it was not measured")
    taken = time.perf_counter() - started, time.process_time() - cpu_before
    return Step(*taken, _cpu(process) - engine_before)


def settle(store: Store) -> None:
    """Wait until the engine has no merges left to do: they belong to the filling."""
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline:
        [merging] = store.sql_rows("SELECT count() AS n FROM system.merges")
        if not merging["n"]:
            return
        time.sleep(0.5)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
