"""How long the page Unit economics waits for the store.

Fills a private engine with traces and ledger entries as a fleet makes them (a trace is twenty
spans, of which nine cost something), two in three with a task id, some of them another attempt, and
asks each statement of the page several times.

    python -m benchmarks.unit_economics --spans 10000000 --days 30

Besides the time it prints the engine's own processor time, which does not depend on what else runs.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from spanledger_analytics.unit_economics.full_cost import Group
from spanledger_dashboard.unit_economics.query import (
    EVERYTHING,
    Ask,
    load_groups,
    load_period,
    load_spread,
    worst_table,
)
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store

SPANS_PER_TRACE, CALLS_PER_TRACE = 20, 8
_ROUNDS = 3
_PART = 100_000
_TRACES = """
INSERT INTO traces (
    project, trace_id, name, start_time, end_time, status, outcome, service_name, agent_name,
    agent_version, main_model, models, user_id, task_id, dimensions, llm_calls, total_cost_usd,
    inference_cost_usd, tool_cost_usd, infra_cost_usd, version
)
WITH
    lower(hex(sipHash128(number))) AS id,
    fromUnixTimestamp64Milli({since_ms:Int64} + toInt64(number * {step_ms:Float64})) AS begun,
    1 + sipHash64(number, 1) % 1000000 / 1e6 AS weight
SELECT
    'default', id, concat('work-', toString(number % 5)), begun, begun + 30, 'closed',
    ['completed', 'completed', 'completed', 'failed', 'abandoned', '']
        [1 + sipHash64(number, 2) % 6],
    concat('service-', toString(number % 4)), concat('agent-', toString(number % 8)),
    toString(sipHash64(number, 3) % 3), concat('model-', toString(sipHash64(number, 4) % 6)),
    [concat('model-', toString(sipHash64(number, 4) % 6))],
    concat('user-', toString(sipHash64(number, 5) % 2000)),
    if(number % 3 = 0, '', concat('task-', toString(number - if(number % 4 = 1, 1, 0)))),
    map('customer', concat('customer-', toString(sipHash64(number, 6) % 50))), 8,
    toDecimal128(0.02 * weight, 12) + toDecimal128('0.005', 12), toDecimal128(0.02 * weight, 12),
    toDecimal128('0.004', 12), toDecimal128('0.001', 12), 1
FROM numbers({first:UInt64}, {count:UInt64})
"""
_LEDGER = """
INSERT INTO ledger (
    project, entry_id, kind, time, trace_id, span_id, agent_name, provider, model, status,
    input_tokens, uncached_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
    usage_source, price_status, uncached_cost_usd, cache_read_cost_usd, cache_write_cost_usd,
    output_cost_usd, fees_cost_usd, total_cost_usd, version
)
WITH
    lower(hex(sipHash128(number))) AS id,
    fromUnixTimestamp64Milli({since_ms:Int64} + toInt64(number * {step_ms:Float64})) AS begun
SELECT
    'default', lower(hex(sipHash128(number, call))), if(call < 8, 'llm', 'tool'),
    begun + call, id, lower(hex(sipHash64(number, call))), concat('agent-', toString(number % 8)),
    if(call < 8, 'openai', ''),
    if(call < 8, concat('model-', toString(sipHash64(number, 4) % 6)), ''), 'ok',
    if(call < 8, 1000, NULL), if(call < 8, 400, NULL), if(call < 8, 600, NULL),
    if(call < 8, 0, NULL), if(call < 8, 100, NULL), 'span', 'priced',
    if(call < 8, toDecimal128('0.001', 12), NULL), if(call < 8, toDecimal128('0.0002', 12), NULL),
    if(call < 8, toDecimal128(0, 12), NULL), if(call < 8, toDecimal128('0.0013', 12), NULL),
    if(call < 8, toDecimal128(0, 12), toDecimal128('0.004', 12)),
    if(call < 8, toDecimal128('0.0025', 12), toDecimal128('0.004', 12)), 1
FROM numbers({first:UInt64}, {count:UInt64})
ARRAY JOIN range(9) AS call
"""


def fill(store: Store, spans: int, days: int) -> None:
    """Store the traces and entries of so many spans, evenly over so many days until now."""
    traces = spans // SPANS_PER_TRACE
    values: dict[str, object] = {
        "since_ms": (int(time.time()) - days * 86_400) * 1_000,
        "step_ms": days * 86_400_000 / traces,
    }
    for first in range(0, traces, _PART):
        part = {**values, "first": first, "count": min(_PART, traces - first)}
        for statement in (_TRACES, _LEDGER):
            store.sql_rows(statement, part)


def measure(store: Store, days: int) -> None:
    """Print median, minimum and maximum of each statement in milliseconds, for three ranges."""
    now = int(time.time()) + 60
    for length in dict.fromkeys((1, 7, days)):
        ask = Ask("default", now - length * 86_400, now, dimension="customer")
        whole = load_groups(store, ask, EVERYTHING, 1)[0][1]
        starts = tuple(range(ask.from_s, ask.to_s, max(3_600, length * 1_200)))
        for name, run in _statements(store, ask, whole, starts).items():
            print(f"{length:3} d  {name:12} {timed(run)}, {whole.tasks:,} tasks", flush=True)


def _statements(
    store: Store, ask: Ask, whole: Group, starts: tuple[int, ...]
) -> dict[str, Callable[[], object]]:
    return {
        "cards": partial(load_groups, store, ask, EVERYTHING, 1),
        "trend": partial(load_groups, store, ask, EVERYTHING, len(starts), starts),
        "by agent": partial(load_groups, store, ask, "agent_name", 100),
        "by customer": partial(load_groups, store, ask, "owner", 100),
        "by user": partial(load_groups, store, ask, "user_id", 100),
        "spread": partial(load_spread, store, ask),
        "dearest": partial(worst_table, store, ask, "", 50),
        "parts": partial(load_period, store, ask, whole),
    }


def timed(run: Callable[[], object]) -> str:
    """Return median, minimum and maximum of some runs, and the engine's processor time of one."""
    times: list[float] = []
    before = _engine_cpu_s()
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        run()
        times.append((time.perf_counter() - started) * 1_000)
    cpu_ms = (_engine_cpu_s() - before) * 1_000 / _ROUNDS
    low, high = min(times), max(times)
    return f"{statistics.median(times):6.0f} ms ({low:.0f} to {high:.0f}), {cpu_ms:5.0f} ms of CPU"


def _engine_cpu_s() -> float:
    children = psutil.Process().children(recursive=True)
    return sum(t.user + t.system for t in (child.cpu_times() for child in children))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--port", type=int, default=28_123)
    parser.add_argument("--data", type=Path, help="keeps the filled store for another run")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(chosen.data or Path(directory), chosen.port))
        engine.start()
        try:
            settings = engine.writer.with_database("bench")
            create_database(settings)
            store = Store.connect(settings)
            migrate(store)
            started = time.monotonic()
            if not store.sql_rows("SELECT count() AS n FROM traces")[0]["n"]:
                fill(store, chosen.spans, chosen.days)
            print(f"{platform.platform()}: {chosen.spans:,} spans' worth filled in "
                  f"{time.monotonic() - started:.0f} s", flush=True)  # fmt: skip
            measure(store, chosen.days)
        finally:
            engine.stop()


if __name__ == "__main__":
    main()
