"""Two simulated vLLM workers with a GPU each: who asks them what, when, and how long it takes.

Each minute is drawn by itself, so any stretch of time can be made without what came before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from spanledger_server.demo.traffic import activity

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
WARM_UP_NS = 4 * MINUTE_NS
"""Between the start of a worker's counters and its first request."""

_CACHED_SHARES = (0, 0, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class GpuWorker:
    """A worker and its GPU.

    Attributes:
        delay_ns: How long after its GPU was first seen the worker starts.
        traces_per_minute: On average over a day.
        prefill_tokens_per_s: Uncached input.
        decode_tokens_per_s: Of one request.
        idle_watts: Draw while nothing runs.
        busy_watts: Draw while something does.
    """

    host: str
    gpu: str
    gpu_model: str
    model: str
    agent: str
    service: str
    task: str
    delay_ns: int
    traces_per_minute: float
    prefill_tokens_per_s: int
    decode_tokens_per_s: int
    idle_watts: int = 75
    busy_watts: int = 560

    @property
    def name(self) -> str:
        """service.instance.id: host and port."""
        return f"{self.host}:8000"


WORKERS = (
    GpuWorker(
        host="demo-gpu-1", gpu="GPU-de300001-0000-4000-8000-000000000001",
        gpu_model="NVIDIA H100 80GB HBM3", model="Qwen/Qwen3-32B", agent="ticket-summarizer",
        service="helpdesk-summaries", task="summary", delay_ns=0, traces_per_minute=0.5,
        prefill_tokens_per_s=9_000, decode_tokens_per_s=40,
    ),
    GpuWorker(
        host="demo-gpu-2", gpu="GPU-de300002-0000-4000-8000-000000000002",
        gpu_model="NVIDIA H100 80GB HBM3", model="meta-llama/Llama-3.1-8B-Instruct",
        agent="log-triage", service="log-triage", task="triage", delay_ns=30 * MINUTE_NS,
        traces_per_minute=0.2, prefill_tokens_per_s=24_000, decode_tokens_per_s=90,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """One request as its worker served it; times in UNIX nanoseconds."""

    span_id: bytes
    start_ns: int
    queue_ns: int
    prefill_ns: int
    decode_ns: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int

    @property
    def end_ns(self) -> int:
        """When its last token was written."""
        return self.start_ns + self.queue_ns + self.prefill_ns + self.decode_ns


@dataclass(frozen=True, slots=True)
class GpuTrace:
    """One run of an agent: its calls, one after the other."""

    trace_id: bytes
    root_id: bytes
    client_ids: tuple[bytes, ...]
    requests: tuple[GpuRequest, ...]
    task_id: str

    @property
    def start_ns(self) -> int:
        """When the agent began."""
        return self.requests[0].start_ns - 20_000_000

    @property
    def end_ns(self) -> int:
        """When it had its answer."""
        return self.requests[-1].end_ns + 20_000_000


def traces_of(worker: GpuWorker, seed: int, from_ns: int, to_ns: int) -> Iterator[GpuTrace]:
    """Yield the traces that begin in whole minutes [from_ns, to_ns)."""
    for minute_ns in range(-(-from_ns // MINUTE_NS) * MINUTE_NS, to_ns, MINUTE_NS):
        rng = Random(f"{seed}/{worker.name}/{minute_ns}")
        expected = worker.traces_per_minute * activity(minute_ns) ** 2 / 1.3
        count = int(expected) + (rng.random() < expected % 1)
        for number in range(count):
            yield _trace(worker, rng, minute_ns, number)


def _trace(worker: GpuWorker, rng: Random, minute_ns: int, number: int) -> GpuTrace:
    at = minute_ns + rng.randrange(MINUTE_NS // 1_000_000) * 1_000_000
    requests: list[GpuRequest] = []
    for _ in range(rng.choice((1, 2, 2, 3))):
        tokens = rng.randrange(2_000, 24_000)
        cached = int(tokens * rng.choice(_CACHED_SHARES)) // 16 * 16  # whole blocks
        output = rng.randrange(300, 2_400)
        request = GpuRequest(
            span_id=rng.randbytes(8),
            start_ns=at,
            queue_ns=rng.randrange(1, 60) * 1_000_000,
            prefill_ns=(tokens - cached) * 1_000 // worker.prefill_tokens_per_s * 1_000_000,
            decode_ns=output * 1_000 // worker.decode_tokens_per_s * 1_000_000,
            input_tokens=tokens,
            cached_tokens=cached,
            output_tokens=output,
        )
        requests.append(request)
        at = request.end_ns + rng.randrange(50, 900) * 1_000_000
    return GpuTrace(
        trace_id=rng.randbytes(16),
        root_id=rng.randbytes(8),
        client_ids=tuple(rng.randbytes(8) for _ in requests),
        requests=tuple(requests),
        task_id=f"{worker.task}-{minute_ns // MINUTE_NS}-{number}",
    )
