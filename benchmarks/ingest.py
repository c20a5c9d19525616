"""Ingest: the running product against the floor, in one run.

    python -m benchmarks.ingest [--spans 100000] [--clients 4] [--per-request 64] [--payload agent]
                                [--gzip]

The product: `spanledger up`, loaded by OTLP/HTTP clients that keep their connections open. The
worker sleeps until every span is queryable and merges had two seconds, so that receiving and
storing have a figure of their own; then it wakes up, and the rest goes until every call is priced.
The floor: parsing the same bodies with protobuf, decoding them, and inserting the decoded rows
straight into an engine. CPU is user and system time of the whole process tree; a reference loop, a
fixed piece of Python timed before and after, says how fast the machine was meanwhile.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import itertools
import platform
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.chat_payloads import chat_payloads
from benchmarks.payloads import Payload, payloads
from benchmarks.repeated_payloads import repeated_payloads
from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.instance import Instance
from tests.ports import free_port

_TIMEOUT_S = 300
_SETTLING_S = 2
_POLL_S = 0.05
_BATCH_SPANS = 20_000
_GZIP = b"\x1f\x8b"  # no protobuf begins so: there is no wire type 7
_PAYLOADS = {"agent": payloads, "chat": chat_payloads, "repeated": repeated_payloads}


@dataclass
class Load:
    """What the clients saw."""

    latencies_s: list[float] = field(default_factory=list[float])
    failures: int = 0
    first_sent: float = 0
    last_acknowledged: float = 0


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--per-request", type=int, default=64)
    parser.add_argument("--payload", choices=sorted(_PAYLOADS), default="agent")
    parser.add_argument("--gzip", action="store_true", help="clients send as Collectors do")
    options = parser.parse_args()
    made = list(_PAYLOADS[options.payload](options.spans, options.per_request))
    spans = sum(p.spans for p in made)
    size = sum(len(p.body) for p in made) / spans
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{spans:,} spans of {size:,.0f} bytes, {options.clients} clients, "
        f"{options.per_request} spans a request, payload {options.payload}"
        + (", gzip" if options.gzip else "")
    )
    loop = reference_loop()
    with tempfile.TemporaryDirectory() as directory:
        parse, decode, insert = measure_floor(made, Path(directory) / "floor")
        bodies = [gzip.compress(p.body, 6) if options.gzip else p.body for p in made]
        product = Path(directory) / "product"
        stored, priced = measure_product(made, bodies, options.clients, product)
    loop = (loop + reference_loop()) / 2
    print(f"reference loop                 {loop:8.3f} CPU-s")
    for name, cpu in (
        ("floor: protobuf parse", parse),
        ("floor: decode to columns", decode),
        ("floor: insert decoded rows", insert),
        ("product, receive to queryable", stored),
        ("product, receive to priced", priced),
    ):
        cost = cpu * 100_000 / spans
        print(f"{name:<30} {cost:8.2f} CPU-s per 100k spans = {cost / loop:5.1f} loops")
    print(f"ratio queryable / floor        {stored / (parse + decode + insert):8.2f}")
    print(f"ratio queryable / parse        {stored / parse:8.1f}")


def reference_loop() -> float:
    """Return the CPU-seconds of a fixed piece of Python: arithmetic and dictionary writes."""
    started = time.process_time()
    seen: dict[int, int] = {}
    state = 0
    for turn in range(1_500_000):
        state = (state * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
        seen[state & 1_023] = turn
    return time.process_time() - started


def measure_floor(made: list[Payload], directory: Path) -> tuple[float, float, float]:
    """Return CPU-seconds to parse, to decode, and (engine included) to insert the bodies."""
    started = time.process_time()
    for payload in made:
        ExportTraceServiceRequest.FromString(payload.body)
    parse = time.process_time() - started
    engine = Engine(EngineSettings(directory, free_port()))
    engine.start()
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    process = psutil.Process(engine.pid)
    decode = insert = 0.0
    before = tree_cpu(process)
    numbered = itertools.count()
    for chunk in _batches(made):
        started = time.process_time()
        decoded = decode_traces(
            [Body("default", p.body, time.time_ns()) for p in chunk], "floor", time.time_ns()
        )
        decode += time.process_time() - started
        started = time.process_time()
        flush = next(numbered)
        for table in ("messages", "spans", "touches"):
            store.insert(table, getattr(decoded, table), token=f"floor-{flush}-{table}")
        insert += time.process_time() - started
    time.sleep(2)  # merges in the background belong to the price of an insert
    insert += tree_cpu(process) - before
    store.close()
    engine.stop()
    return parse, decode, insert


def _batches(made: list[Payload]) -> list[list[Payload]]:
    """Return the payloads in batches about as large as the collector makes under load."""
    size = max(1, _BATCH_SPANS // made[0].spans)
    return [made[n : n + size] for n in range(0, len(made), size)]


def measure_product(
    made: list[Payload], bodies: list[bytes], clients: int, data: Path
) -> tuple[float, float]:
    """Print what the product did; return its CPU-seconds until queryable, and until priced."""
    instance = Instance(data).start()
    worker = psutil.Process(instance.pid_of("work"))
    try:
        root = psutil.Process(instance.process.pid if instance.process else 0)
        time.sleep(_SETTLING_S)  # let start-up work end
        worker.suspend()
        before = cpu_by_process(root)
        load = send(bodies, clients, instance.run_file()["http_port"])
        store = _store(instance)
        spans = sum(p.spans for p in made)
        report_load(load, spans, await_count(store, "SELECT count() AS n FROM spans", spans))
        time.sleep(_SETTLING_S)
        stored = _report_cpu("receive to queryable", root, before, spans)
        worker.resume()
        calls = sum(p.llm_calls for p in made)
        woken = time.perf_counter()
        priced_at = await_count(store, _PRICED, calls)
        print(f"all priced                     {priced_at - woken:8.1f} s after the worker woke")
        priced = _report_cpu("receive to priced", root, before, spans)
        _report_store(store, made, root)
        store.close()
        return stored, priced
    finally:
        worker.resume()
        instance.stop()


def _store(instance: Instance) -> Store:
    engine = Engine(EngineSettings(instance.data / "engine", instance.run_file()["engine_port"]))
    return Store.connect(engine.writer)


def report_load(load: Load, spans: int, queryable_at: float) -> None:
    """Print what the clients saw, and when all was queryable."""
    acknowledged = load.last_acknowledged - load.first_sent
    queryable = queryable_at - load.first_sent
    ordered = sorted(load.latencies_s)
    print(f"failed requests                {load.failures:8d}")
    print(f"acknowledged                   {spans / acknowledged:8,.0f} spans/s")
    print(f"queryable                      {spans / queryable:8,.0f} spans/s")
    print(f"all queryable after            {queryable - acknowledged:8.1f} s behind the last ack")
    print(f"acknowledgement p50            {statistics.median(ordered) * 1000:8.1f} ms")
    print(f"acknowledgement p99            {ordered[int(len(ordered) * 0.99)] * 1000:8.1f} ms")


def _report_cpu(what: str, root: psutil.Process, before: dict[str, float], spans: int) -> float:
    """Print the CPU time of each process since ``before``; return the sum in seconds."""
    after = cpu_by_process(root)
    for name in sorted(after):
        used = (after[name] - before.get(name, 0)) * 100_000 / spans
        print(f"{what}: {name:<20} {used:8.2f} CPU-s per 100k spans")
    return sum(after.values()) - sum(before.values())


def _report_store(store: Store, made: list[Payload], root: psutil.Process) -> None:
    spans = sum(p.spans for p in made)
    memory = sum(p.memory_info().rss for p in [root, *root.children(recursive=True)])
    [tokens] = store.sql_rows("SELECT sum(input_tokens) AS n FROM ledger_current")
    print(f"lost spans                     {spans - _count(store, _DISTINCT):8d}")
    difference = int(str(tokens["n"])) - sum(p.input_tokens for p in made)
    print(f"token difference               {difference:8d}")
    print(f"memory of all processes        {memory / 2**20:8,.0f} MiB")
    for name in ("spans", "messages", "ledger"):
        store.execute(f"OPTIMIZE TABLE {name} FINAL")
    stored = {
        str(r["table"]): int(str(r["bytes"]))
        for r in store.sql_rows(
            "SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts"
            " WHERE active AND database = currentDatabase() GROUP BY table"
        )
    }
    parts = ", ".join(f"{t} {b / spans:,.0f}" for t, b in sorted(stored.items()) if b >= spans)
    print(
        f"on disk, merged                {sum(stored.values()) / spans:8,.0f} bytes/span ({parts})"
    )


_PRICED = "SELECT count() AS n FROM ledger_current WHERE price_status = 'priced'"
_DISTINCT = "SELECT uniqExact(trace_id, span_id) AS n FROM spans"


def _count(store: Store, query: str) -> int:
    return int(str(store.sql_rows(query)[0]["n"]))


def await_count(store: Store, query: str, expected: int) -> float:
    """Return the time at which a count was reached."""
    deadline = time.perf_counter() + _TIMEOUT_S
    while (found := _count(store, query)) < expected:
        if time.perf_counter() > deadline:
            raise SystemExit(f"after {_TIMEOUT_S} s: {found:,} of {expected:,}: {query}")
        time.sleep(_POLL_S)
    return time.perf_counter()


def send(bodies: list[bytes], clients: int, port: int) -> Load:
    """Send every body once, over ``clients`` connections."""
    load, lock = Load(), threading.Lock()
    headers = {"Content-Type": "application/x-protobuf"}
    if bodies[0].startswith(_GZIP):
        headers["Content-Encoding"] = "gzip"
    waiting = iter(bodies)

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            started = time.perf_counter()
            connection.request("POST", "/v1/traces", body, headers)
            answer = connection.getresponse()
            answer.read()
            elapsed = time.perf_counter() - started
            with lock:
                load.latencies_s.append(elapsed)
                load.failures += answer.status != 200

    threads = [threading.Thread(target=client) for _ in range(clients)]
    load.first_sent = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.last_acknowledged = time.perf_counter()
    return load


def cpu_by_process(root: psutil.Process) -> dict[str, float]:
    """Return user and system seconds of a process tree by what each process does."""
    names = ("multiprocessing", "_engine_process", "collect", "work", "dashboard")
    result: dict[str, float] = {}
    for process in [root, *root.children(recursive=True)]:
        line = " ".join(process.cmdline()[1:6])
        name = next((n for n in names if n in line), "supervisor").strip("_")
        times = process.cpu_times()
        name = "store process" if name == "multiprocessing" else name
        result[name] = result.get(name, 0) + times.user + times.system
    return result


def tree_cpu(root: psutil.Process) -> float:
    """Return user and system seconds of a process and its descendants."""
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        times = process.cpu_times()
        total += times.user + times.system
    return total


if __name__ == "__main__":
    main()
