"""Sends the demo's GPU workers: history at once, then as time goes on."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from spanledger_server.demo.clock import Clock
from spanledger_server.demo.gpu_plan import (
    MINUTE_NS,
    SECOND_NS,
    WARM_UP_NS,
    WORKERS,
    GpuRequest,
    GpuTrace,
    GpuWorker,
    traces_of,
)
from spanledger_server.demo.gpu_wire import Samples, trace_request
from spanledger_server.demo.sender import Sender, Stopped

SAMPLE_EVERY_NS = 30 * SECOND_NS
_HOUR_NS = 3_600 * SECOND_NS
_MOST_POINTS = 8_000
_MOST_TRACES = 250
_LIVE_EVERY_S = 10.0


@dataclass(slots=True)
class PlantedWorker:
    """What an endpoint accepted of a worker: the truth that its costs are worked out from.

    Attributes:
        started_ns: When its counters began; no request is earlier than ``WARM_UP_NS`` after.
        seen_ns: The times of the samples of its GPU.
        requests: With their trace ids.
    """

    worker: GpuWorker
    started_ns: int
    seen_ns: list[int] = field(default_factory=list[int])
    requests: list[tuple[bytes, GpuRequest]] = field(default_factory=list[tuple[bytes, GpuRequest]])


def send_gpus(
    endpoint: str,
    *,
    hours: float = 24,
    live: bool = False,
    seed: int = 7,
    on_progress: Callable[[str], None],
    stop: threading.Event,
    clock: Clock | None = None,
) -> list[PlantedWorker]:
    """Send two GPU workers: samples, and traces whose requests they serve.

    The same seed, start moment and arguments send the same.

    Args:
        endpoint: Base URL of an OTLP/HTTP endpoint.
        hours: Length of the history.
        live: Go on until ``stop`` is set.
        seed: Another number gives other requests.
        on_progress: Told what happens, one sentence at a time.
        stop: Ends it at the next opportunity.
        clock: The moment now and how to wait; the real ones when None.

    Raises:
        DemoError: The endpoint is wrong, refuses for good, or stays away for a minute.
    """
    clock = clock or Clock()
    now_ns = clock.now_ns()
    begin_ns = (now_ns - int(hours * _HOUR_NS)) // MINUTE_NS * MINUTE_NS
    workers = [WorkerFeed(worker, seed, begin_ns) for worker in WORKERS]
    with (
        Sender(endpoint, on_progress, stop, clock) as spans,
        Sender(endpoint, on_progress, stop, clock, "metrics") as samples,
    ):
        try:
            for one in workers:
                one.send_until(now_ns, spans, samples)
            requests = sum(len(one.planted.requests) for one in workers)
            on_progress(f"GPUs: {len(workers)} vLLM workers with {requests:,} requests sent")
            while live and not clock.wait(stop, _LIVE_EVERY_S):
                for one in workers:
                    one.send_until(clock.now_ns(), spans, samples)
        except Stopped:
            on_progress("Stopped while the endpoint was away.")
    return [one.planted for one in workers]


class WorkerFeed:
    """One worker from a moment on; what it sends depends on nothing but its seed and time."""

    def __init__(self, worker: GpuWorker, seed: int, begin_ns: int) -> None:
        started_ns = begin_ns + worker.delay_ns
        self.planted = PlantedWorker(worker, started_ns)
        self._worker = worker
        self._seed = seed
        self._begin_ns = begin_ns
        self._drawn_ns = started_ns + WARM_UP_NS
        self._sampled_ns = begin_ns
        self._open: list[tuple[int, int, GpuTrace]] = []
        self._requests: list[tuple[int, int, GpuRequest]] = []
        self._running: list[GpuRequest] = []
        self._numbers = 0
        self._joules = 0.0
        self._counters: dict[str, float] = dict.fromkeys(_COUNTERS, 0.0)

    def send_until(self, now_ns: int, spans: Sender, samples: Sender) -> None:
        """Send what happened until now: traces that ended, and samples in their order."""
        self._draw(now_ns)
        self._send_traces(now_ns, spans)
        self._send_samples(now_ns, samples)

    def _draw(self, now_ns: int) -> None:
        last_ns = now_ns // MINUTE_NS * MINUTE_NS + MINUTE_NS
        for trace in traces_of(self._worker, self._seed, self._drawn_ns, last_ns):
            self._numbers += 1
            heapq.heappush(self._open, (trace.end_ns, self._numbers, trace))
            for number, request in enumerate(trace.requests):
                entry = (request.start_ns, self._numbers * 10 + number, request)
                heapq.heappush(self._requests, entry)
        self._drawn_ns = max(self._drawn_ns, last_ns)

    def _send_traces(self, now_ns: int, spans: Sender) -> None:
        ended: list[GpuTrace] = []
        while self._open and self._open[0][0] <= now_ns:
            ended.append(heapq.heappop(self._open)[2])
        for first in range(0, len(ended), _MOST_TRACES):
            part = ended[first : first + _MOST_TRACES]
            spans.send(trace_request(self._worker, part))
            for trace in part:
                self.planted.requests += [(trace.trace_id, one) for one in trace.requests]

    def _send_samples(self, now_ns: int, samples: Sender) -> None:
        batch = Samples()
        while self._sampled_ns + SAMPLE_EVERY_NS <= now_ns:
            self._sampled_ns += SAMPLE_EVERY_NS
            self._sample(batch, self._sampled_ns)
            self.planted.seen_ns.append(self._sampled_ns)
            if batch.size >= _MOST_POINTS:
                samples.send(batch.body())
                batch = Samples()
        if batch.size:
            samples.send(batch.body())

    def _sample(self, batch: Samples, at_ns: int) -> None:
        before_ns = at_ns - SAMPLE_EVERY_NS
        while self._requests and self._requests[0][0] <= at_ns:
            self._running.append(heapq.heappop(self._requests)[2])
        busy_ns = _busy_ns(self._running, before_ns, at_ns)
        for one in self._running:
            if before_ns < one.end_ns <= at_ns:
                self._count(one)
        now = [r for r in self._running if r.end_ns > at_ns]
        in_model = sum(r.start_ns + r.queue_ns <= at_ns for r in now)
        self._running = now
        worker, busy = self._worker, busy_ns / SAMPLE_EVERY_NS
        watts = worker.idle_watts + (worker.busy_watts - worker.idle_watts) * busy
        self._joules += watts * SAMPLE_EVERY_NS / SECOND_NS
        is_up = at_ns >= self.planted.started_ns
        figures = {
            "hw.gpu.utilization": busy,
            "hw.gpu.memory.usage": 72.0 * 2**30 if is_up else 0.5 * 2**30,
            "hw.gpu.memory.limit": 80.0 * 2**30,
            "hw.power": watts,
            "hw.energy": self._joules,
            "hw.temperature": 34 + 36 * busy,
        }
        batch.gpu(worker, at_ns, self._begin_ns, figures)
        if at_ns > self.planted.started_ns:
            gauges = {
                "vllm:num_requests_running": float(in_model),
                "vllm:num_requests_waiting": float(len(now) - in_model),
                "vllm:kv_cache_usage_perc": min(1.0, 0.04 * len(now)),
            }
            batch.worker(worker, at_ns, self.planted.started_ns, gauges, self._counters)

    def _count(self, one: GpuRequest) -> None:
        amounts = (1, one.input_tokens, one.output_tokens, one.input_tokens, one.cached_tokens)
        for name, amount in zip(_COUNTERS, amounts, strict=True):
            self._counters[name] += amount


_COUNTERS = (
    "vllm:request_success_total",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
)


def _busy_ns(requests: list[GpuRequest], from_ns: int, to_ns: int) -> int:
    """Return for how long of a stretch any request was in the model."""
    times = sorted((max(from_ns, r.start_ns + r.queue_ns), min(to_ns, r.end_ns)) for r in requests)
    busy, reached = 0, from_ns
    for begin, end in times:
        if end > max(begin, reached):
            busy += end - max(begin, reached)
            reached = end
    return busy
