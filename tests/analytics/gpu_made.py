"""Hours of GPUs made by hand, and what their requests must cost, worked out another way."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from spanledger_analytics.entries import Entry, empty_entry
from spanledger_analytics.gpu_cost.attribution import Attribution
from spanledger_analytics.gpu_cost.prices import GpuPriceList
from spanledger_analytics.gpu_cost.reading import GpuMinute, Hour, RequestSpan, WorkerMinute
from spanledger_storage.gpu_price_state import GpuPriceRow

S = 10**9
MINUTE = 60 * S
HOUR = 3_600 * S
T0_S = 1_795_226_400  # 2026-11-21 02:00 UTC
T0 = T0_S * S
PICO = 10**12
USD_PER_HOUR = Decimal("2.16")
PICO_PER_S = 600_000_000  # divisible by every batch of up to six
WORKER = "node-1:8000"
MODEL = "qwen3-32b"


def price(**fields: Any) -> GpuPriceRow:
    settings: dict[str, Any] = {
        "terms": "rented", "usd_per_hour": USD_PER_HOUR, "effective_from_ns": 0, **fields,
    }  # fmt: skip
    return GpuPriceRow(**settings)


def prices(*rows: GpuPriceRow) -> GpuPriceList:
    return GpuPriceList(rows or (price(),), "p")


def gpu(minutes: Sequence[int] = range(60), name: str = "GPU-1", **fields: Any) -> list[GpuMinute]:
    settings: dict[str, Any] = {
        "gpu_index": "0",
        "model": "NVIDIA H200",
        "host": "node-1",
        **fields,
    }
    return [GpuMinute(name, settings.pop("mig", ""), m, **settings) for m in minutes]


def mig(
    name: str, profile: str, pod: str = "", minutes: Sequence[int] = range(60)
) -> list[GpuMinute]:
    pods = (pod,) if pod else ()
    return [
        GpuMinute("GPU-1", name, m, "0", "NVIDIA H200", profile, "node-1", pods) for m in minutes
    ]


def worker(
    minutes: Sequence[int] = range(60), name: str = WORKER, **fields: Any
) -> list[WorkerMinute]:
    settings: dict[str, Any] = {
        "engine": "vllm", "host": "node-1", "running_ratio": 0.0, "has_served": True, **fields,
    }  # fmt: skip
    return [WorkerMinute(name, MODEL, m, **settings) for m in minutes]


def request(
    number: int, start_s: float, queue_s: float = 0, prefill_s: float | None = None,
    decode_s: float | None = None, lasts_s: float | None = None, **fields: Any,
) -> RequestSpan:  # fmt: skip
    """A server's span; with latencies it lasts as long as they say unless told otherwise."""
    lasted = queue_s + (prefill_s or 0) + (decode_s or 0) if lasts_s is None else lasts_s
    has_latencies = prefill_s is not None
    settings: dict[str, Any] = {
        "provider": "vllm", "model": MODEL, "host": "node-1", "instance": WORKER, **fields,
    }  # fmt: skip
    return RequestSpan(
        f"{number:032x}",
        f"{number:016x}",
        T0 + round(start_s * S),
        T0 + round((start_s + lasted) * S),
        queue_ns=round(queue_s * S) if has_latencies else None,
        prefill_ns=None if prefill_s is None else round(prefill_s * S),
        decode_ns=None if decode_s is None else round(decode_s * S),
        **settings,
    )


def call(span: RequestSpan, **fields: Any) -> Entry:
    """The ledger's entry of a call that is seen in this span."""
    return empty_entry("p", f"e{span.span_id}", "llm", span.start_ns)._replace(
        **{
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "trajectory_id": span.trace_id,
            "duration_ns": span.end_ns - span.start_ns,
            "provider": "vllm",
            "model": MODEL,
            "agent_name": "planner",
            "price_status": "self_hosted",
            "source_spans": (span.key,),
            **fields,
        }
    )


def hour(gpus: Sequence[GpuMinute], workers: Sequence[WorkerMinute] = (),
         spans: Sequence[RequestSpan] = (), calls: Sequence[Entry] = ()) -> Hour:  # fmt: skip
    return Hour("p", T0_S, gpus, workers, spans, calls)


def line_totals(found: Attribution) -> dict[str, int]:
    """Picodollars by line."""
    totals: defaultdict[str, int] = defaultdict(int)
    for (_, _, line), pico in found.lines.items():
        totals[line] += pico
    return dict(totals)


def by_request(found: Attribution) -> dict[str, int]:
    """Picodollars by span id, all units together."""
    totals: defaultdict[str, int] = defaultdict(int)
    for share in found.shares.values():
        totals[share.timed.request.key[1]] += share.total
    return dict(totals)


def batch_truth(spans: Sequence[RequestSpan], pico_per_s: int) -> dict[str, Fraction]:
    """What requests with latencies cost where nothing but they keeps a unit busy.

    Second by second of a clock that ticks at every event, shared equally by who is in the model.
    """
    busy = [
        (s.span_id, s.start_ns + (s.queue_ns or 0),
         s.start_ns + (s.queue_ns or 0) + (s.prefill_ns or 0) + (s.decode_ns or 0))
        for s in spans
    ]  # fmt: skip
    ticks = sorted({at for _, begin, end in busy for at in (begin, end)})
    costs: defaultdict[str, Fraction] = defaultdict(Fraction)
    for begin, end in zip(ticks, ticks[1:], strict=False):
        there = [name for name, first, last in busy if first <= begin and end <= last]
        for name in there:
            costs[name] += Fraction((end - begin) * pico_per_s, S * len(there))
    return dict(costs)


def continuous_batch(seed: int, count: int = 60, slots: int = 6) -> list[RequestSpan]:
    """Requests as an engine with so many slots serves them: who comes when all are taken waits.

    All times are whole seconds, so that every share is a whole number of picodollars.
    """
    rng = random.Random(seed)
    free_at = [0] * slots
    spans: list[RequestSpan] = []
    arrival = 0
    for number in range(1, count + 1):
        arrival += rng.randint(0, 40)
        slot = min(range(slots), key=lambda s: free_at[s])
        scheduled = max(arrival, free_at[slot])
        prefill, decode = rng.randint(1, 5), rng.randint(1, 120)
        if scheduled + prefill + decode > 3_600:
            break
        free_at[slot] = scheduled + prefill + decode
        spans.append(
            request(number, arrival, scheduled - arrival, prefill, decode,
                    input_tokens=prefill * 1_000, output_tokens=decode * 30)
        )  # fmt: skip
    return spans
