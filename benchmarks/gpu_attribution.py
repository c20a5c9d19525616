"""GPU dollars: what attributing an hour takes, and what a page of 100 GPUs reads.

    python -m benchmarks.gpu_attribution [--gpus 100] [--hours 24] [--rounds 5]

First without a store: one clock hour of workers under continuous batching, by requests. Then, on an
engine of its own in a temporary directory: minutes of so many GPUs at a sample a second, and the
statements of the GPUs page over all hours, from samples and from minutes.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import psutil

from spanledger_analytics.gpu_cost.attribution import attribute
from spanledger_analytics.gpu_cost.prices import GpuPriceList
from spanledger_analytics.gpu_cost.reading import GpuMinute, Hour, RequestSpan, WorkerMinute
from spanledger_analytics.gpu_cost.records import entries_of, lines_of, worker_hours_of
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.gpu_price_state import GpuPriceRow
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.ports import free_port

_HOUR_S = 3_600
_START_S = 1_795_226_400  # 2026-11-21 02:00 UTC
_NS = 10**9
_WORKERS = 10
_REQUESTS = (1_000, 10_000, 100_000)
_STATEMENTS = {
    "dashboard_gpus": "fleet",
    "dashboard_gpu_steps": "over time",
    "dashboard_gpu_events": "faults",
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--gpus", type=int, default=100)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{options.rounds} rounds after one; milliseconds: median (min to max)"
    )
    for requests in _REQUESTS:
        hour = _hour(requests)
        took = _timed(partial(_attribute, hour), options.rounds, time.process_time)
        print(f"an hour of {_WORKERS} workers, {requests:,} requests, CPU: {took}")
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(Path(directory), free_port()))
        engine.start()
        try:
            _measure(engine, options.gpus, options.hours, options.rounds)
        finally:
            engine.stop()


def _hour(requests: int) -> Hour:
    """Return an hour of workers with a GPU each; requests of ten seconds come at random."""
    rng = random.Random(1)
    gpus = [
        GpuMinute(f"GPU-{n}", "", minute, "0", "NVIDIA H200", "", f"node-{n}")
        for n in range(_WORKERS)
        for minute in range(60)
    ]
    workers = [
        WorkerMinute(f"node-{n}:8000", "m", minute, "vllm", "", f"node-{n}", running_ratio=1.0)
        for n in range(_WORKERS)
        for minute in range(60)
    ]
    spans: list[RequestSpan] = []
    for number in range(requests):
        start = _START_S * _NS + rng.randrange(_HOUR_S * _NS)
        prefill, decode = rng.randrange(_NS), rng.randrange(18 * _NS)
        worker = number % _WORKERS
        spans.append(
            RequestSpan(
                f"{number:032x}", f"{number:016x}", start, start + prefill + decode,
                queue_ns=0, prefill_ns=prefill, decode_ns=decode, model="m",
                instance=f"node-{worker}:8000",
            )
        )  # fmt: skip
    return Hour("p", _START_S, gpus, workers, spans)


def _attribute(hour: Hour) -> None:
    prices = GpuPriceList([GpuPriceRow("rented", Decimal("2.49"), 0, id=1)], "p")
    found = attribute(hour, prices, (_START_S + _HOUR_S) * _NS)
    lines_of(found)
    entries_of(found)
    worker_hours_of(found)


def _measure(engine: Engine, gpus: int, hours: int, rounds: int) -> None:
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    for hour in range(hours):
        store.execute(_FILL, params={"start": _START_S + hour * _HOUR_S, "gpus": gpus})
    [row] = store.sql_rows("SELECT count() AS n FROM gpu_samples")
    print(f"{gpus} GPUs, {hours} h at a sample a second: {row['n']:,} samples")
    roll_up = partial(_roll_up, store, _START_S + _HOUR_S)
    print(f"minutes of one hour: {_timed(roll_up, rounds)}")
    for hour in range(hours):
        _roll_up(store, _START_S + hour * _HOUR_S)
    params: dict[str, object] = {
        "project": "p", "from_s": _START_S, "to_s": _START_S + hours * _HOUR_S, "gpu": "",
        "bucket_s": _HOUR_S,
    }  # fmt: skip
    for name, what in _STATEMENTS.items():
        for suffix, source in (("", "samples"), ("_minutes", "minutes")):
            took = _timed(partial(store.rows, name + suffix, params), rounds)
            print(f"{what}, {hours} h from {source}: {took}")
    store.close()


def _roll_up(store: Store, hour: int) -> None:
    params = {"project": "p", "hour": hour, "version": time.time_ns()}
    store.command("gpu_minutes_recompute", params)


def _timed(
    run: Callable[[], object], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> str:
    taken: list[float] = []
    for _ in range(rounds + 1):
        begun = clock()
        run()
        taken.append((clock() - begun) * 1_000)
    measured = taken[1:]
    return f"{statistics.median(measured):,.0f} ({min(measured):,.0f} to {max(measured):,.0f})"


_FILL = """
INSERT INTO gpu_samples
    (project, gpu, mig, time, source, gpu_index, model, host, utilization_ratio, memory_used_bytes,
     memory_total_bytes, power_watts, energy_joules, temperature_celsius, clock_events, xid)
SELECT
    'p', concat('GPU-', toString(number % {gpus:UInt32})), '',
    toDateTime({start:UInt32} + intDiv(number, {gpus:UInt32}), 'UTC'), 'hw', '0', 'NVIDIA H200',
    concat('node-', toString(intDiv(number % {gpus:UInt32}, 8))), rand(1) / 4294967295,
    60000000000 + rand(2), 150000000000, 400 + rand(3) % 300,
    500. * ({start:UInt32} + intDiv(number, {gpus:UInt32}) - 1795226400), 60,
    if(rand(4) % 100 = 0, 4, 0), 0
FROM numbers({gpus:UInt32} * 3600)
"""

if __name__ == "__main__":
    main()
