"""A large day, made in the engine, and what comparing it takes."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from datetime import date

import psutil

from benchmarks.reconciliation_store import PROJECT
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.reconciliation.ledger_side import day_of
from spanledger_analytics.reconciliation.run import Means, reconciled_days
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store

_SOURCE = "generic@openai:cost"
_PART = 500_000
# Every lane is a key of a project with one of two models; each has three classes of tokens.
_ENTRIES = """
INSERT INTO ledger (project, entry_id, kind, time, duration_ns, trace_id, span_id, dimensions,
    service_name, provider, model, status, response_id, input_tokens, uncached_tokens,
    cache_read_tokens, output_tokens, usage_source, price_status, uncached_cost_usd,
    cache_read_cost_usd, output_cost_usd, total_cost_usd, list_cost_usd, is_deleted, version)
SELECT 'default', lower(hex(sipHash128(number))), 'llm',
    toDateTime64({day:Date}, 9, 'UTC') + toIntervalSecond(intDiv(number * 86000, {entries:UInt64})),
    1000000000, lower(hex(sipHash128(number, 1))), lower(hex(sipHash64(number))),
    map('provider_scope', concat('proj_', toString(number % {lanes:UInt64})),
        'provider_key', concat('key_', toString(number % {lanes:UInt64}))),
    'agents', 'openai', if(number % 2 = 0, 'gpt-5.5-2026-04-23', 'gpt-5-mini'), 'ok',
    concat('resp_', toString(number)), 3000, 1000, 2000, 300, 'span', 'priced',
    toDecimal128('0.005', 12), toDecimal128('0.001', 12), toDecimal128('0.009', 12),
    toDecimal128('0.015', 12), toDecimal128('0.015', 12), 0, 1
FROM numbers({first:UInt64}, {count:UInt64})
SETTINGS max_threads = 2
"""
# What the ledger has, but every twentieth lane has a call more, every thirtieth a dearer price.
_LINES = """
INSERT INTO invoice_lines (project, day, last_day, import_id, source, line_number, part, dataset,
    provider, token_class, quantity, unit, amount, currency, amount_usd, scope, model,
    reported_model, description)
SELECT 'default', {day:Date}, {day:Date}, 'a', {source:String}, number + 1, 0, 'cost', 'openai',
    ['uncached', 'cache_read', 'output'][class], tokens, 'tokens', usd, 'USD', usd,
    concat('proj_', toString(lane)), model, model, ''
FROM
(
    SELECT *,
        toDecimal128(calls * [1000, 2000, 300][class], 12) AS tokens,
        toDecimal128(calls * [5000, 1000, 9000][class] * if(lane % 30 = 7, 3, 2), 12) / 2000000
            AS usd
    FROM
    (
        SELECT number, intDiv(number, 3) AS lane, number % 3 + 1 AS class,
            if(lane % 2 = 0, 'gpt-5.5-2026-04-23', 'gpt-5-mini') AS model,
            intDiv({entries:UInt64}, {lanes:UInt64}) + (lane < {entries:UInt64} % {lanes:UInt64})
                + (lane % 20 = 3) AS calls
        FROM numbers({lines:UInt64})
    )
)
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What comparing a day took: CPU seconds and peak memory, here and in the engine."""

    cells: int
    own_s: float
    engine_s: float
    engine_mib: float


def fill(store: Store, day: date, entries: int, lines: int) -> None:
    """Make a day of entries, and as many lines of costs as said."""
    lanes = lines // 3 // 2 * 2
    params: dict[str, object] = {
        "day": day, "entries": entries, "lanes": lanes, "lines": lanes * 3, "source": _SOURCE,
    }  # fmt: skip
    for first in range(0, entries, _PART):
        part = {**params, "first": first, "count": min(_PART, entries - first)}
        store.execute(_ENTRIES, params=part)
    store.execute(_LINES, params=params)
    store.execute(
        "INSERT INTO invoice_days VALUES ('default', {day:Date}, {source:String}, 'a', 0, 1)",
        params=params,
    )


def measured(store: Store, day: date, engine: Engine) -> Taken:
    """Compare the day once and say what it took."""
    process = psutil.Process(engine.pid)
    before, own = _cpu(process), resource.getrusage(resource.RUSAGE_SELF)
    means = Means(store, PROJECT, PriceBook.bundled())
    cells = sum(len(found) for _, found in reconciled_days(means, day, day, day_of(day)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    own_s = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    return Taken(cells, own_s, _cpu(process) - before, process.memory_info().rss / 2**20)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
