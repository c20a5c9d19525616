"""What GPUs cost after deletions that kept the costs: the same, and nobody pays for another."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from spanledger_analytics.deletion.remove import Deletion
from spanledger_analytics.deletion.subject import Kind, Subject
from spanledger_storage.gpu_price_state import GpuPriceRow
from spanledger_storage.project_settings import Project
from spanledger_storage.store import Store
from tests.analytics.gpu_made import MODEL, T0, T0_S, S, price
from tests.analytics.test_gpu_cost_job import Prices, World

_TIME = pa.timestamp("ns", "UTC")
A, B = "a" * 32, "b" * 32
LATENCIES = ((60 * S, 30 * S, 270 * S), (0, 60 * S, 540 * S))
TOKENS = ((100, 20), (100, 200))
NO_LATENCIES, NO_TOKENS = ((None,) * 3,) * 2, ((None,) * 2,) * 2


class Doubled(Prices):
    def gpu_prices(self) -> list[GpuPriceRow]:
        return [price(usd_per_hour=Decimal("4.32"), id=9)]


def plant(world: World, latencies: Any, tokens: Any) -> None:
    """A is on the GPU from the second to the sixth minute, B in all ten; $0.036 a minute."""
    started = [T0 if latencies[0][0] else T0 + 60 * S, T0]
    times = {"start_time": pa.array(started, _TIME),
             "end_time": pa.array([T0 + 360 * S, T0 + 600 * S], _TIME)}  # fmt: skip
    numbers = {
        name: pa.array([one[n] for one in of_both], pa.uint64())
        for of_both, names in (
            (latencies, ("time_in_queue_ns", "prefill_ns", "decode_ns")),
            (tokens, ("input_tokens", "output_tokens")),
        )
        for n, name in enumerate(names)
    }
    place = [("service.instance.id", "w"), ("host.name", "node-1")]
    world.put(
        "spans", trace_id=[A, B], span_id=[A[:16], B[:16]], role=["server"] * 2, **times, **numbers,
        resource_attributes=pa.array([place] * 2, pa.map_(pa.string(), pa.string())),
        version=pa.array([1, 1], pa.uint64()),
    )  # fmt: skip
    counts = ("input_tokens", "output_tokens")
    world.put(
        "ledger", entry_id=["ea" * 16, "eb" * 16], kind=["llm"] * 2, trace_id=[A, B],
        span_id=["1" * 16, "2" * 16], time=times["start_time"], price_status=["self_hosted"] * 2,
        source_spans=[[{"trace_id": t, "span_id": s} for s in (own, t[:16])]
                      for t, own in ((A, "1" * 16), (B, "2" * 16))],
        version=pa.array([1, 1], pa.uint64()), **{name: numbers[name] for name in counts},
    )  # fmt: skip
    at = pa.array([T0_S + 10 * n for n in range(61)], pa.timestamp("s", "UTC"))
    world.put(
        "inference_samples", worker=["w"] * 61, model=[MODEL] * 61, host=["node-1"] * 61, time=at,
        requests_running=[1.0] * 60 + [0.0],
    )  # fmt: skip


def delete(world: World) -> None:
    """Delete A's trace, and let the next run of the job see that."""
    Deletion(
        world.store, Subject(Project("p"), Kind.TRACE, A), keep_cost=True, now_ns=time.time_ns,
        sleep=lambda _: None,
    ).run()  # fmt: skip
    world.touch("after the deletion")


def gpu_entries(store: Store) -> list[tuple[str, Decimal, bool]]:
    sql = (
        "SELECT trace_id, total_cost_usd AS usd, has(flags, 'deleted') AS kept FROM ledger_current"
        " WHERE kind = 'gpu' ORDER BY usd"
    )
    rows = store.sql_rows(sql)
    return [(str(r["trace_id"]), Decimal(str(r["usd"])), bool(r["kept"])) for r in rows]


@pytest.mark.parametrize(
    ("latencies", "tokens", "of_a"),
    [
        (LATENCIES, NO_TOKENS, Decimal("0.09")),  # half of five minutes
        (NO_LATENCIES, TOKENS, Decimal("0.06")),  # 300 in five minutes beside 1200 in ten: a third
        (NO_LATENCIES, NO_TOKENS, Decimal("0.09")),
    ],
)
def test_a_deletion_that_keeps_costs_leaves_those_of_others_as_they_were(
    store: Store, latencies: Any, tokens: Any, of_a: Decimal
) -> None:
    world = World(store)
    world.sample(range(20))
    plant(world, latencies, tokens)
    world.job.run_once()
    of_b = Decimal("0.36") - of_a
    assert gpu_entries(store) == [(A, of_a, False), (B, of_b, False)]
    before = world.lines()
    assert before["attributed"] == Decimal("0.36")
    delete(world)
    world.new_job().run_once()
    (pseudonym, kept, is_kept), *others = gpu_entries(store)
    assert (pseudonym != A, kept, is_kept) == (True, of_a, True)
    assert others == [(B, of_b, False)]
    after = world.lines()
    assert after.pop("kept") == of_a
    assert after == {**before, "attributed": of_b}


def test_another_price_for_the_past_changes_no_cost_that_was_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(store)
    world.sample(range(20))
    plant(world, LATENCIES, NO_TOKENS)
    world.job.run_once()
    delete(world)
    monkeypatch.setattr("tests.analytics.test_gpu_cost_job.Prices", Doubled)
    world.new_job().run_once()
    assert [usd for _, usd, _ in gpu_entries(store)] == [Decimal("0.09"), Decimal("0.54")]
    lines = world.lines()
    assert (lines["kept"], lines["attributed"]) == (Decimal("0.09"), Decimal("0.54"))
    assert sum(lines.values()) == Decimal("1.44")  # twenty minutes of 4.32 an hour
