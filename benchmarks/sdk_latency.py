"""What a request of a program waits for the SDK, with the collector well and in trouble.

    python -m benchmarks.sdk_latency [--rounds 30] [--requests 200]

A request works for a millisecond, in three parts with a wait of two milliseconds between them, as
for a model's answer, and makes ten spans. After each wait it needs the interpreter's lock again:
there a thread that sends shows. Each program is a process of its own; they take turns, round by
round, so that what else the machine does falls on all of them alike. p50 and p99 are those of all
requests. ``beyond`` is how much p99 is beyond that of another program in the same round: the median
of the rounds, and their quarter and three quarters. Where these lie on both sides of zero, there is
no difference to be seen.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import textwrap
import time
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import quantiles

from tests.ports import free_port
from tests.sdk.receiver import Receiver

_BARE = "def work(x): return x"
_OPENTELEMETRY = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("bench")
    def work(x):
        with tracer.start_as_current_span("work"):
            return x
"""
_OURS = """
    import spanledger
    spanledger.init(instrument=False)
    @spanledger.agent
    def work(x):
        return x
"""
_REQUESTS = """
import logging, sys, time
logging.disable()
def busy(ns):
    until = time.thread_time_ns() + ns
    while time.thread_time_ns() < until: pass
def request():
    for part, spans in enumerate((4, 3, 3)):
        if part: time.sleep(0.002)
        busy(333_000)
        for n in range(spans): work(n)
def rounds():
    for line in sys.stdin:
        samples = []
        for _ in range(int(line)):
            started = time.perf_counter_ns()
            request()
            samples.append(time.perf_counter_ns() - started)
            time.sleep(0.002)
        print(*samples, flush=True)
rounds()
import os; os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A program whose requests are timed.

    Attributes:
        name: as printed.
        code: defines ``work``.
        collector: what its collector is: well, slow, failing or down.
        beside: name of the program it is compared with.
    """

    name: str
    code: str
    collector: str
    beside: str


PROGRAMS = (
    Program("no SDK", _BARE, "down", ""),
    Program("OpenTelemetry, well", _OPENTELEMETRY, "well", "no SDK"),
    Program("OpenTelemetry, down", _OPENTELEMETRY, "down", "OpenTelemetry, well"),
    Program("spanledger, well", _OURS, "well", "OpenTelemetry, well"),
    Program("spanledger, slow", _OURS, "slow", "spanledger, well"),
    Program("spanledger, failing", _OURS, "failing", "spanledger, well"),
    Program("spanledger, down", _OURS, "down", "spanledger, well"),
)


class _Deaf(Receiver):
    """Answers without a look at what it got: that would keep a processor busy."""

    def take(self, body: bytes, headers: dict[str, str]) -> None: ...


def latency(rounds: int, requests: int) -> None:
    """Print the latency of the programs' requests."""
    print("\nlatency of a request with ten spans, ms; p99 beyond another's in the same round")
    with ExitStack() as stack:
        running = {one.name: _started(one, stack) for one in PROGRAMS}
        for process in running.values():
            _timed(process, requests)  # imports, connections, full queues
        found: dict[str, list[list[float]]] = {name: [] for name in running}
        for _ in range(rounds):
            for name, process in running.items():
                found[name].append(_timed(process, requests))
    for one in PROGRAMS:
        print(_line(one, found))


def _started(program: Program, stack: ExitStack) -> subprocess.Popen[str]:
    receiver = _Deaf()
    receiver.status = 503 if program.collector == "failing" else 200
    receiver.delay_s = 5.0 if program.collector == "slow" else 0.0
    if program.collector == "down":
        receiver.port = free_port()
    else:
        receiver.start()
        stack.callback(receiver.stop)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANLEDGER_"))}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program.code) + _REQUESTS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**kept, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url},
    )
    stack.callback(process.kill)
    return process


def _timed(process: subprocess.Popen[str], requests: int) -> list[float]:
    """Return the milliseconds of one round's requests."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(requests, file=process.stdin, flush=True)
    return [int(ns) / 1e6 for ns in process.stdout.readline().split()]


def _line(program: Program, found: dict[str, list[list[float]]]) -> str:
    of_rounds = found[program.name]
    everything = sorted(ms for one in of_rounds for ms in one)
    said = (
        f"  {program.name:<20}p50 {_part(everything, 0.5):6.2f}  p99 {_part(everything, 0.99):6.2f}"
    )
    if not program.beside:
        return said
    pairs = zip(of_rounds, found[program.beside], strict=True)
    beyond = [_part(sorted(a), 0.99) - _part(sorted(b), 0.99) for a, b in pairs]
    low, middle, high = quantiles(beyond, n=4)
    return f"{said}  {middle:+6.2f} ({low:+.2f} to {high:+.2f}) beyond {program.beside}"


def _part(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores,", end=" ")
    print(f"Python {platform.python_version()}, load {os.getloadavg()}")
    latency(options.rounds, options.requests)


if __name__ == "__main__":
    main()
