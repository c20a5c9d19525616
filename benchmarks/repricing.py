"""Repricing: how long a dry run and the real run take over many ledger entries of one month.

    python -m benchmarks.repricing [--entries 10000000]

Entries, five to a trace, and their traces are made up by the engine, with another price than
the present one. An engine of its own in a temporary directory, removed at the end.
"""

from __future__ import annotations

import argparse
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.repricing import Scope, apply, plan
from spanledger_analytics.repricing_report import Report
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.ports import free_port

_FIRST = datetime(2026, 10, 1, tzinfo=UTC)
_NS = 10**9
_SECONDS = 31 * 86_400
_PER_TRACE = 5
_PART = 1_000_000

_ENTRIES = """
INSERT INTO ledger (project, entry_id, kind, time, duration_ns, trace_id, span_id, trajectory_id,
    session_id, agent_name, service_name, environment, provider, model, request_model, status,
    response_id, input_tokens, uncached_tokens, cache_read_tokens, cache_write_tokens,
    output_tokens, reasoning_tokens, usage_source, price_status, price_id, uncached_cost_usd,
    cache_read_cost_usd, output_cost_usd, fees_cost_usd, total_cost_usd, list_cost_usd,
    billed_price_id, billed_cost_usd, dialects, source_spans, is_deleted, version)
SELECT 'default', lower(hex(MD5(toString(number)))), 'llm',
    fromUnixTimestamp64Nano(
        {first:Int64} + intDiv(number, 5) * {step:Int64} + number % 5 * 1000000007
    ),
    2000000000, lower(hex(MD5(toString(intDiv(number, 5))))) AS trace_id,
    lower(hex(sipHash64(number))) AS span_id,
    trace_id, concat('session-', toString(intDiv(number, 50))),
    ['planner', 'writer', 'critic', 'search'][1 + number % 4], 'fleet', 'production',
    ['openai', 'openai', 'anthropic', 'gcp.gemini', 'deepseek', 'aws.bedrock'][1 + number % 6],
    ['gpt-4o-2024-08-06', 'gpt-4o-mini-2024-07-18', 'claude-sonnet-4-5-20250929', 'gemini-2.5-pro',
     'deepseek-chat', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'][1 + number % 6] AS m, m, 'ok',
    concat('resp-', toString(number)), plain + cached, plain, cached, NULL,
    cityHash64(number, 2) % 2000, NULL, 'span', 'priced',
    'genai-prices-0.0.1:x/y@base', 0.001, 0.001, 0.001, 0, 0.003, 0.003,
    'genai-prices-0.0.1:x/y@base', 0.003, ['otel_genai'],
    [(trace_id, span_id)], 0, 1
FROM
(
    SELECT number, 500 + cityHash64(number) % 9000 AS plain, cityHash64(number, 1) % 20000 AS cached
    FROM numbers({start:UInt64}, {count:UInt64})
)
SETTINGS max_partitions_per_insert_block = 0
"""
_TRACES = """
INSERT INTO traces (project, trace_id, name, start_time, end_time, status,
    service_name, span_count, llm_calls, total_cost_usd, is_deleted, version)
SELECT 'default', lower(hex(MD5(toString(number)))) AS id, 'run',
    fromUnixTimestamp64Nano({first:Int64} + number * {step:Int64}) AS start_time,
    start_time + INTERVAL 9 SECOND, 'closed', 'fleet', 9, 5, 0.015, 0, 1
FROM numbers({traces:UInt64})
SETTINGS max_partitions_per_insert_block = 0
"""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--entries", type=int, default=10_000_000)
    entries = parser.parse_args().entries
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{entries:,} entries"
    )
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(Path(directory) / "engine", free_port()))
        engine.start()
        try:
            create_database(engine.writer)
            store = Store.connect(engine.writer)
            migrate(store)
            _seed(store, entries)
            _measure(store)
            store.close()
        finally:
            engine.stop()


def _seed(store: Store, entries: int) -> None:
    traces = -(-entries // _PER_TRACE)
    step = _SECONDS * _NS // (traces + 1)
    common = {"first": int(_FIRST.timestamp()) * _NS, "step": step}
    started = time.perf_counter()
    for start in range(0, entries, _PART):
        count = min(_PART, entries - start)
        store.sql_rows(_ENTRIES, {**common, "start": start, "count": count})
    store.sql_rows(_TRACES, {**common, "traces": traces})
    print(f"seeded in {time.perf_counter() - started:.0f} s")


def _measure(store: Store) -> None:
    book = PriceBook.bundled()
    first = int(_FIRST.timestamp()) * _NS
    scope = Scope(first, first + _SECONDS * _NS)
    planned = _timed("dry run", lambda: plan(store, book, scope))
    applied = _timed("apply", lambda: apply(store, book, scope, now_ns=time.time_ns))
    if planned != applied:
        raise AssertionError("the dry run told of something else")
    again = _timed("apply again", lambda: apply(store, book, scope, now_ns=time.time_ns))
    if again.written:
        raise AssertionError("the second run changed something")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {memory:,.0f} MiB")


def _timed(what: str, run: Callable[[], Report]) -> Report:
    started = time.perf_counter()
    report = run()
    seconds = time.perf_counter() - started
    print(
        f"{what:<12} {seconds:7.1f} s  {report.entries / seconds:12,.0f} entries/s  "
        f"{report.written:,} written, {report.difference_usd:+,.2f} USD"
    )
    return report


if __name__ == "__main__":
    main()
