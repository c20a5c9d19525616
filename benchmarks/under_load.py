"""A steady stream of spans, and people who look on: how long everybody waits.

    python -m benchmarks.under_load [--rate 5000] [--clients 16] [--per-request 64] [--seconds 60]
                                    [--users 4]

`spanledger up` receives a fixed rate from clients that keep their connections open. Reported: the
time from when a request was due until its acknowledgement (a client that is late counts as
waiting), the time from an acknowledgement until the last span of the request can be queried, and
the time until a page is sent that users open one after the other, without the stream and beside
it. The users' browsers are left out: they work on machines of their own.
"""

from __future__ import annotations

import argparse
import http.client
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.page_client import PageClient
from benchmarks.payloads import payloads
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.store import Store
from tests.instance import Instance

_PAGES = ("", "traces", "cost", "data_quality")
_PROBE_EVERY = 20  # requests of a client between two looks at when one becomes queryable
_PROBE_S = 0.1
_GIVE_UP_S = 60
_FOUND = """
SELECT trace_id, span_id FROM spans
WHERE project = 'default' AND toStartOfHour(start_time) >= toStartOfHour(now() - INTERVAL 1 HOUR)
    AND trace_id IN {traces:Array(String)}
"""


@dataclass
class Waits:
    """What the clients saw, seconds; ``awaited``: acknowledged, not found yet, since when."""

    acknowledged: list[float] = field(default_factory=list[float])
    queryable: list[float] = field(default_factory=list[float])
    awaited: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    failures: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Request:
    """A body, and the last span in it."""

    body: bytes
    trace_id: str
    span_id: str


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--rate", type=int, default=5_000, help="spans a second")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--per-request", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--users", type=int, default=4)
    options = parser.parse_args()
    print(f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
          f"{options.rate:,} spans/s in requests of {options.per_request}, "
          f"{options.clients} clients, {options.seconds} s")  # fmt: skip
    made = _requests(options.rate * options.seconds, options.per_request)
    with tempfile.TemporaryDirectory() as directory:
        instance = Instance(Path(directory) / "data").start()
        try:
            _measure(instance, made, options)
        finally:
            instance.stop()


def _measure(instance: Instance, made: list[Request], options: argparse.Namespace) -> None:
    third = len(made) // 3
    interval_s = options.per_request / options.rate
    alone = stream(instance, made[:third], options.clients, interval_s)
    _say("without users", alone)
    quiet = browse(instance, options.users, options.seconds / 3)
    _say_pages("pages without the stream", quiet)
    done: list[Waits] = []
    sending = threading.Thread(
        target=lambda: done.append(stream(instance, made[third:], options.clients, interval_s))
    )
    sending.start()
    busy = browse(instance, options.users, options.seconds * 2 / 3)
    sending.join()
    _say(f"beside {options.users} users", done[0])
    _say_pages("pages beside the stream", busy)
    if quiet and busy:
        print(f"pages take {statistics.median(busy) / statistics.median(quiet):.2f} times as long; "
              f"acknowledgements at p99 "
              f"{_at(done[0].acknowledged, 0.99) / _at(alone.acknowledged, 0.99):.2f}")  # fmt: skip


def _requests(spans: int, per_request: int) -> list[Request]:
    made: list[Request] = []
    for payload in payloads(spans, per_request):
        [resource] = ExportTraceServiceRequest.FromString(payload.body).resource_spans
        last = resource.scope_spans[0].spans[-1]
        made.append(Request(payload.body, last.trace_id.hex(), last.span_id.hex()))
    return made


def stream(instance: Instance, made: list[Request], clients: int, interval_s: float) -> Waits:
    """Send every request when it is due, over ``clients`` connections."""
    waits, port = Waits(), instance.run_file()["http_port"]
    start = time.perf_counter() + 0.2
    due = [(start + n * interval_s, one) for n, one in enumerate(made)]
    threads = [
        threading.Thread(target=_send, args=(port, due[n::clients], waits)) for n in range(clients)
    ]
    done = threading.Event()
    probe = threading.Thread(target=_probe, args=(instance, waits, done))
    for thread in (probe, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    probe.join()
    return waits


def _send(port: int, due: list[tuple[float, Request]], waits: Waits) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number, (at, one) in enumerate(due):
        time.sleep(max(0, at - time.perf_counter()))
        headers = {"Content-Type": "application/x-protobuf"}
        connection.request("POST", "/v1/traces", one.body, headers)
        answer = connection.getresponse()
        answer.read()
        now = time.perf_counter()
        with waits.lock:
            waits.acknowledged.append(now - at)
            waits.failures += answer.status != 200
            if number % _PROBE_EVERY == _PROBE_EVERY - 1:
                waits.awaited[one.trace_id, one.span_id] = now
    connection.close()


def _probe(instance: Instance, waits: Waits, done: threading.Event) -> None:
    """Note when spans can be found, for all that are awaited with one small question."""
    file = instance.run_file()
    engine = Engine(EngineSettings(instance.data / "engine", file["engine_port"]))
    store = Store.connect(engine.reader)
    deadline = float("inf")
    while time.perf_counter() < deadline and (waits.awaited or not done.is_set()):
        time.sleep(_PROBE_S)
        if done.is_set() and deadline == float("inf"):
            deadline = time.perf_counter() + _GIVE_UP_S
        asked = dict(waits.awaited)
        found = store.sql_rows(_FOUND, {"traces": [t for t, _ in asked]}) if asked else []
        now = time.perf_counter()
        with waits.lock:
            for row in found:
                at = waits.awaited.pop((str(row["trace_id"]), str(row["span_id"])), None)
                if at is not None:
                    waits.queryable.append(now - at)
    store.close()
    if waits.awaited:
        raise SystemExit(f"{len(waits.awaited)} spans were acknowledged and never found")


def browse(instance: Instance, users: int, seconds: float) -> list[float]:
    """Let users open page after page; return how long each took, in seconds."""
    times: list[float] = []
    threads = [
        threading.Thread(target=_user, args=(instance.dashboard_url, n, seconds, times))
        for n in range(users)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def _user(base: str, number: int, seconds: float, times: list[float]) -> None:
    deadline = time.perf_counter() + seconds
    with closing(PageClient(base)) as client:
        turn = number
        while turn == number or time.perf_counter() < deadline:  # once even where all is slow
            times.append(client.open(_PAGES[turn % len(_PAGES)]))
            turn += 1
            time.sleep(1)


def _say(what: str, waits: Waits) -> None:
    seen = f"an unknown time: under {_PROBE_EVERY} requests a client"
    if waits.queryable:
        seen = f"p50 {_at(waits.queryable, 0.5):.2f} s, p95 {_at(waits.queryable, 0.95):.2f} s"
    print(f"{what}: {len(waits.acknowledged):,} requests, {waits.failures} failed; acknowledged "
          f"p50 {_at(waits.acknowledged, 0.5) * 1e3:.1f} ms, "
          f"p99 {_at(waits.acknowledged, 0.99) * 1e3:.1f} ms; queryable after {seen}",
          flush=True)  # fmt: skip


def _say_pages(what: str, times: Sequence[float]) -> None:
    if times:
        print(f"{what}: {len(times)} opened, p50 {_at(times, 0.5):.2f} s, "
              f"p95 {_at(times, 0.95):.2f} s", flush=True)  # fmt: skip


def _at(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


if __name__ == "__main__":
    main()
