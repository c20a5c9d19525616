"""Which GPUs a worker has, minute by minute, and for how long."""

from __future__ import annotations

from spanledger_analytics.gpu_cost.attribution import attribute
from tests.analytics.gpu_made import (
    PICO_PER_S,
    T0,
    WORKER,
    gpu,
    hour,
    line_totals,
    prices,
    request,
    worker,
)

A_MINUTE = 60 * PICO_PER_S
END = T0 + 3_600 * 10**9


def test_pods_tell_which_worker_has_which_gpu() -> None:
    gpus = [
        *gpu([0], pods=("qwen-0",)),
        *gpu([0], name="GPU-2", gpu_index="1", pods=("llama-0",)),
        *gpu([0], name="GPU-3", gpu_index="2"),  # nobody's
    ]
    workers = [*worker([0], pod="qwen-0"), *worker([0], name="w2", pod="llama-0")]
    spans = [request(1, 0, prefill_s=0, decode_s=60, instance="", pod="llama-0")]
    found = attribute(hour(gpus, workers, spans), prices(), END)
    [share] = found.shares.values()
    assert (share.unit.key, share.total) == (("GPU-2", ""), A_MINUTE)
    assert line_totals(found) == {"attributed": A_MINUTE, "idle": 2 * A_MINUTE}


def test_a_worker_whose_pod_ended_has_no_other_gpus() -> None:
    """Of two GPUs that nobody had besides; its pod is seen every other minute until the tenth."""
    gpus = [
        *(row for m in range(20) for row in gpu([m], pods=("a",) if m % 2 < 1 and m < 11 else ())),
        *gpu(range(20), name="GPU-2"),
    ]
    workers = worker(range(20), pod="a")  # its counters are read on
    spans = [request(1, 0, prefill_s=0, decode_s=11 * 60, instance="", pod="a")]
    found = attribute(hour(gpus, workers, spans), prices(), END)
    assert line_totals(found) == {"attributed": 11 * A_MINUTE, "idle": 29 * A_MINUTE}
    assert not any(found.unused.values())


def test_a_worker_that_is_gone_does_not_pay_for_what_comes_after() -> None:
    spans = [request(1, 0, prefill_s=0, decode_s=600)]
    found = attribute(hour(gpu(), worker(range(10)), spans), prices(), END)
    assert line_totals(found) == {"attributed": 10 * A_MINUTE, "idle": 50 * A_MINUTE}
    assert dict(found.unused) == {(WORKER,): 5 * A_MINUTE}  # until a gap would be too long
