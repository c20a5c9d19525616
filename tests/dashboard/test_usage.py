"""Sums over the ledger and over hourly usage: the same, and unknown is not zero."""

import math
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_analytics.usage import recompute_usage
from spanledger_dashboard.entities.kinds import MODELS, EntityRow, Slice, load_entities
from spanledger_dashboard.hourly import percentile
from spanledger_dashboard.latency import load_latencies
from spanledger_dashboard.time_range import RANGES
from spanledger_dashboard.usage import Only, Totals, load_usage
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder


@pytest.mark.parametrize(
    ("totals", "cost"),
    [
        (Totals(), Decimal(0)),
        (Totals(calls=2, errors=2), Decimal(0)),
        (Totals(calls=2, unpriced_calls=2), None),
        (Totals(calls=2, errors=1, unpriced_calls=1), None),
        (Totals(calls=2, errors=1, calls_without_usage=1), None),
        (Totals(calls=2, unpriced_calls=1, total_cost_usd=Decimal("0.5")), Decimal("0.5")),
    ],
)
def test_a_cost_nobody_knows_is_not_zero(totals: Totals, cost: Decimal | None) -> None:
    assert totals.cost_usd == cost


@pytest.mark.parametrize(
    ("totals", "tokens"),
    [
        (Totals(), 0),
        (Totals(calls=2, errors=2), 0),
        (Totals(calls=2, calls_without_usage=2), None),
        (Totals(calls=2, errors=1, calls_without_usage=1), None),
        (Totals(calls=2, calls_without_usage=1, output_tokens=7), 7),
    ],
)
def test_tokens_nobody_reported_are_not_zero(totals: Totals, tokens: int | None) -> None:
    assert totals.tokens == tokens


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 10**13), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 1]))
def test_percentiles_of_histograms_are_within_the_width_of_a_bucket(
    values: list[int], share: float
) -> None:
    counts = Counter(math.floor(math.log2(value) * 32) for value in values)
    exact = float(np.quantile(values, share))
    assert percentile(counts, share) == pytest.approx(exact, rel=0.011)
    assert percentile({}, share) is None


def test_days_are_told_by_hourly_sums_as_by_the_calls_themselves(
    store: Store, seed: Seeder, now_s: int
) -> None:
    hours = range(0, 24 * 6, 5)
    for n, ago in enumerate(hours):
        call = seed.span(
            f"{n:032x}", f"{n:016x}", at_s=-3600 * ago - 60, duration_s=1 + n / 7,
            agent_name=f"agent-{n % 3}",
        )  # fmt: skip
        seed.entry(call, "0.1", model=f"model-{n % 2}", agent_name=f"agent-{n % 3}", ttft_ns=10**9)
    seed.insert()
    now_hour = now_s // 3600 * 3600
    recompute_usage(store, [("default", now_hour - 3600 * ago) for ago in range(-1, 170)], 1)
    window, bucket_s = RANGES["7d"].window(now_s), RANGES["7d"].bucket_s
    odd = replace(window, end_s=window.end_s + 1)  # off the hour: read from the calls
    for only in (None, Only("agent_name", "agent-1")):
        wanted = Slice("default", window, bucket_s, only)
        summed, exact = (
            load_entities(store, MODELS, replace(wanted, window=w)) for w in (window, odd)
        )
        assert [_known(row) for row in summed.rows] == [_known(row) for row in exact.rows]
        for ours, theirs in zip(summed.rows, exact.rows, strict=True):
            assert ours.latency.p95_ns == pytest.approx(theirs.latency.p95_ns, rel=0.011)
            assert ours.ttft.p50_ns == pytest.approx(10**9, rel=0.011)
        latencies = load_latencies(store, "default", window, bucket_s, only)
        told = load_latencies(store, "default", odd, bucket_s, only)
        assert latencies.total.calls == told.total.calls > 0
        assert latencies.by_bucket.keys() == told.by_bucket.keys()
        assert {m: x.calls for m, x in latencies.by_model.items()} == {
            m: x.calls for m, x in told.by_model.items()
        }


def _known(row: EntityRow) -> tuple[object, ...]:
    return row.name, row.totals, row.complete_usd, row.before_usd, row.trend[:56], row.providers


def test_calls_on_own_machines_cost_an_unknown_amount(
    store: Store, seed: Seeder, now_s: int
) -> None:
    call = seed.span("1" * 32, "1" * 16, at_s=-60)
    seed.entry(call, None, model="llama", provider="vllm", price_status="self_hosted")
    seed.insert()
    recompute_usage(store, [("default", (now_s - s) // 3600 * 3600) for s in (0, 60)], 1)
    for time_range in (RANGES["1h"], RANGES["24h"]):
        totals = load_usage(store, "default", time_range, now_s).totals
        assert (totals.calls, totals.self_hosted_calls, totals.unpriced_calls) == (1, 1, 0)
        assert totals.cost_usd is None
