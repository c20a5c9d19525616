"""Large days, made in the engine, and what comparing them takes."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil

from benchmarks.reconciliation_store import PROJECT
from spanledger_analytics.price_book.book import BookSource, PriceBook
from spanledger_analytics.reconciliation.job import ReconciliationJob
from spanledger_analytics.reconciliation.ledger_side import DAY_S, day_of
from spanledger_analytics.reconciliation.run import Means, reconciled_days
from spanledger_storage.engine import Engine
from spanledger_storage.state import Watermarks, migrate_state, open_state
from spanledger_storage.store import Store

_SOURCE = "generic@openai:cost"
_PART = 500_000
# Every lane is a key of a project with one of two models; each has three classes of tokens.
_ENTRIES = """
INSERT INTO ledger (project, entry_id, kind, time, duration_ns, trace_id, span_id, dimensions,
    service_name, provider, model, status, response_id, input_tokens, uncached_tokens,
    cache_read_tokens, output_tokens, usage_source, price_status, uncached_cost_usd,
    cache_read_cost_usd, output_cost_usd, total_cost_usd, list_cost_usd, is_deleted, version)
SELECT 'default', lower(hex(sipHash128(number, {day:Date}))), 'llm',
    toDateTime64({day:Date}, 9, 'UTC') + toIntervalSecond(intDiv(number * 86000, {entries:UInt64})),
    1000000000, lower(hex(sipHash128(number, 1))), lower(hex(sipHash64(number))),
    map('provider_scope', concat('proj_', toString(number % {lanes:UInt64})),
        'provider_key', concat('key_', toString(number % {lanes:UInt64}))),
    'agents', 'openai', if(number % 2 = 0, 'gpt-5.5-2026-04-23', 'gpt-5-mini'), 'ok',
    concat('resp_', toString(number)), 3000, 1000, 2000, 300, 'span', 'priced',
    toDecimal128('0.005', 12), toDecimal128('0.001', 12), toDecimal128('0.009', 12),
    toDecimal128('0.015', 12), toDecimal128('0.015', 12), 0, {version:UInt64}
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


_QUIET_S, _LONGEST_WAIT_S = 1, 120


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run took: seconds by the clock, CPU seconds and memory, here and in the engine."""

    what: str
    count: int
    wall_s: float
    own_s: float
    engine_s: float
    engine_mib: float


def fill(store: Store, day: date, entries: int, lines: int) -> None:
    """Make a day of entries, and as many lines of costs as said."""
    lanes = lines // 3 // 2 * 2
    params: dict[str, object] = {
        "day": day, "entries": entries, "lanes": lanes, "lines": lanes * 3, "source": _SOURCE,
        "version": 1,
    }  # fmt: skip
    for first in range(0, entries, _PART):
        part = {**params, "first": first, "count": min(_PART, entries - first)}
        store.execute(_ENTRIES, params=part)
    store.execute(_LINES, params=params)
    store.execute(
        "INSERT INTO invoice_days VALUES ('default', {day:Date}, {source:String}, 'a', 0, 1)",
        params=params,
    )


def measured(
    store: Store, days: Sequence[date], engine: Engine, directory: Path, *, entries: int, lines: int
) -> list[Taken]:
    """Compare days for the first time, then as the worker's job does; say what each took.

    The job looks at everything, then at nothing new, then at one call more on the last day.
    """
    process = psutil.Process(engine.pid)
    _settle(process)
    means = Means(store, PROJECT, PriceBook.bundled())
    now_ns = (day_of(days[-1]) + 2) * DAY_S * 10**9

    def compare() -> int:
        found = reconciled_days(means, days[0], days[-1], now_ns)
        return sum(len(cells) for _, cells in found)

    job, move = _job(store, directory, now_ns)
    found = [_taken("first comparison, cells", process, compare)]
    found.append(_taken("job, all again, days", process, job.run_once))
    move()
    found.append(_taken("job, nothing new, days", process, job.run_once))
    late: dict[str, object] = {
        "day": days[-1], "entries": entries, "lanes": lines // 3 // 2 * 2, "first": entries,
        "count": 1, "version": move(),
    }  # fmt: skip
    store.execute(_ENTRIES, params=late)
    move()
    return [*found, _taken("job, one call more, days", process, job.run_once)]


def _job(store: Store, directory: Path, now_ns: int) -> tuple[ReconciliationJob, Callable[[], int]]:
    """Return the job with a state of its own, and what moves its clock and returns the time."""
    state = open_state(f"sqlite:///{directory / 'state.db'}")
    migrate_state(state)
    times = [now_ns]

    def move() -> int:
        times.append(times[-1] + 600 * 10**9)
        return times[-1]

    return ReconciliationJob(store, state, lambda: times[-1], Watermarks(state), BookSource()), move


def _taken(what: str, process: psutil.Process, act: Callable[[], int]) -> Taken:
    before, own, start = _cpu(process), _own_s(), time.perf_counter()
    count = act()
    wall_s, own_s = time.perf_counter() - start, _own_s() - own
    mib = process.memory_info().rss / 2**20
    return Taken(what, count, wall_s, own_s, _cpu(process) - before, mib)


def _own_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _settle(process: psutil.Process) -> None:
    """Wait until the engine has merged what was written, two minutes at most."""
    for _ in range(_LONGEST_WAIT_S):
        before = _cpu(process)
        time.sleep(_QUIET_S)
        if _cpu(process) - before < 0.05 * _QUIET_S:
            return


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
