"""GPU dollars without a store: prices, batching, idle and warm-up, conserved to the picodollar."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_analytics.gpu_cost.arithmetic import divided
from spanledger_analytics.gpu_cost.attribution import attribute
from spanledger_analytics.gpu_cost.prices import GpuIdentity, GpuPriceList, rate_of
from spanledger_analytics.gpu_cost.reading import Hour, Kept
from spanledger_analytics.gpu_cost.records import entries_of, lines_of, worker_hours_of
from tests.analytics.gpu_made import (
    HOUR,
    MODEL,
    PICO,
    PICO_PER_S,
    T0,
    T0_S,
    WORKER,
    S,
    batch_truth,
    by_request,
    call,
    continuous_batch,
    gpu,
    hour,
    line_totals,
    mig,
    price,
    prices,
    request,
    worker,
)

END = T0 + HOUR
A_MINUTE = 60 * PICO_PER_S
AN_HOUR = 60 * A_MINUTE
H200 = GpuIdentity("GPU-1", "NVIDIA H200", "node-1")


@given(st.integers(0, 10**18), st.lists(st.integers(0, 2**90), max_size=30))
def test_divided_money_adds_up_and_no_part_is_off_by_one(total: int, weights: list[int]) -> None:
    parts = divided(total, weights)
    whole = sum(weights)
    assert sum(parts) == (total if whole else 0)
    for part, weight in zip(parts, weights, strict=True):
        assert not whole or abs(part - Fraction(total * weight, whole)) < 1


def test_an_hour_costs_its_price_to_the_picodollar_whatever_a_minute_is_rounded_to() -> None:
    rate = rate_of(price(usd_per_hour=Decimal("2.49")))
    assert sum(rate.minute_cost(m, None) for m in range(60)) == 2_490_000_000_000
    odd = rate_of(price(usd_per_hour=Decimal("0.000000000007")))
    assert sum(odd.minute_cost(m, None) for m in range(60)) == 7


def test_an_owned_gpu_costs_amortisation_and_measured_energy_with_pue() -> None:
    owned = price(
        terms="owned", usd_per_hour=Decimal("0.1"), purchase_usd=Decimal(35_064),
        amortization_years=Decimal(4), usd_per_kwh=Decimal("0.2"), pue=Decimal("1.5"),
    )  # fmt: skip
    rate = rate_of(owned)
    assert rate.pico_per_hour == PICO + PICO // 10  # 35064 / (4 x 8766) = 1
    # 36 kJ are 0.01 kWh: 0.01 x 0.2 x 1.5 = 0.003 USD.
    assert rate.minute_cost(0, 36_000.0) - rate.minute_cost(0, None) == PICO * 3 // 1_000


def test_the_most_specific_price_holds_and_each_in_its_time() -> None:
    rows = [
        price(usd_per_hour=Decimal(1), id=1),
        price(usd_per_hour=Decimal(2), gpu_model="H*", id=2),
        price(usd_per_hour=Decimal(3), gpu_model="h200", id=3, effective_to_ns=T0),
        price(usd_per_hour=Decimal(4), host="node-2", id=4),
        price(usd_per_hour=Decimal(5), gpu="gpu-9", id=5),
        price(usd_per_hour=Decimal(6), project="other", gpu="GPU-1", id=6),
        price(usd_per_hour=Decimal(7), gpu="GPU-1", id=7, withdrawn_at_ns=1),
    ]
    book = GpuPriceList(rows, "p")

    def at(gpu: GpuIdentity, at_ns: int) -> str | None:
        rate = book.at(gpu, at_ns)
        return None if rate is None else rate.price_id

    assert at(H200, T0 - 1) == "gpu/3"
    assert at(H200, T0) == "gpu/2"
    assert at(GpuIdentity("GPU-1", "NVIDIA H200", "node-2"), T0) == "gpu/4"
    assert at(GpuIdentity("GPU-9", "NVIDIA H200", "node-2"), T0) == "gpu/5"
    assert at(GpuIdentity("GPU-1", "AMD MI300X", "node-1"), T0) == "gpu/1"
    assert GpuPriceList([price(effective_from_ns=T0)], "p").at(H200, T0 - 1) is None


@pytest.mark.parametrize("seed", range(5))
def test_continuous_batching_equals_the_planted_truth_exactly(seed: int) -> None:
    spans = continuous_batch(seed)
    found = attribute(hour(gpu(), worker(), spans), prices(), END)
    truth = batch_truth(spans, PICO_PER_S)
    assert by_request(found) == truth
    totals = line_totals(found)
    assert totals["attributed"] == sum(truth.values())
    assert totals["attributed"] + totals["idle"] == AN_HOUR
    assert set(totals) == {"attributed", "idle"}


def test_rows_in_any_order_say_the_same() -> None:
    spans = [*continuous_batch(1), request(900, 100, lasts_s=70, input_tokens=9, output_tokens=5)]
    gpus, workers = gpu(used_ratio=0.5), worker()
    calls = [call(span) for span in spans]
    first = attribute(hour(gpus, workers, spans, calls), prices(), END)
    for rows in (gpus, workers, spans, calls):
        random.Random(4).shuffle(rows)
    again = attribute(hour(gpus, workers, spans, calls), prices(), END)
    assert lines_of(again) == lines_of(first)
    assert sorted(entries_of(again)) == sorted(entries_of(first))
    assert worker_hours_of(again) == worker_hours_of(first)


def test_queue_time_is_not_paid_and_prefill_and_decode_are_told_apart() -> None:
    spans = [request(1, 0, queue_s=10, prefill_s=6, decode_s=24)]
    found = attribute(hour(gpu(), worker(), spans), prices(), END)
    [share] = found.shares.values()
    assert (share.prefill, share.decode) == (6 * PICO_PER_S, 24 * PICO_PER_S)
    [entry] = entries_of(found)
    assert (entry.kind, entry.usage_source, entry.price_id) == ("gpu", "gpu_latencies", "gpu/0")
    assert entry.uncached_cost_usd == Decimal("0.0036")
    assert entry.output_cost_usd == Decimal("0.0144")
    assert entry.total_cost_usd == entry.billed_cost_usd == Decimal("0.018")


def test_without_latencies_tokens_weigh_requests_in_flight_together() -> None:
    # Equal time; work 2 x 1000 + 5 x 200 = 3000 half tokens against 2 x 2000 + 5 x 1000 = 9000.
    spans = [
        request(1, 0, lasts_s=60, input_tokens=1_500, cache_read_tokens=500, output_tokens=200),
        request(2, 0, lasts_s=60, input_tokens=2_000, output_tokens=1_000),
    ]
    found = attribute(hour(gpu(), worker(), spans), prices(), END)
    shares = by_request(found)
    assert shares == {f"{1:016x}": A_MINUTE // 4, f"{2:016x}": A_MINUTE * 3 // 4}
    first, _ = entries_of(found)
    assert first.usage_source == "gpu_tokens"
    assert first.uncached_cost_usd == Decimal("0.006")  # two thirds of 0.009: 2000 of 3000
    assert first.input_tokens is first.output_tokens is None  # counted with the call, once


def test_without_tokens_time_alone_counts_and_is_not_split() -> None:
    found = attribute(hour(gpu(), worker(), [request(1, 0, lasts_s=30)]), prices(), END)
    [entry] = entries_of(found)
    assert entry.usage_source == "gpu_time"
    assert (entry.uncached_cost_usd, entry.output_cost_usd) == (None, None)
    assert entry.total_cost_usd == Decimal("0.018")


@pytest.mark.parametrize(
    ("said", "util", "method", "attributed", "overhead"),
    [
        ({"busy_seconds": 15.0, "running_ratio": 1.0}, 1.0, "engine", 15, 0),
        ({"busy_seconds": 45.0, "running_ratio": 0.0}, 0.0, "engine", 30, 15),
        ({"busy_seconds": None, "running_ratio": 0.75}, 0.1, "running", 30, 15),
        ({"busy_seconds": None, "running_ratio": 0.1}, 1.0, "running", 30, 0),
        ({"busy_seconds": None, "running_ratio": None}, 0.75, "gpu", 30, 15),
        ({"busy_seconds": None, "running_ratio": None}, 0.25, "gpu", 15, 0),
        ({"busy_seconds": None, "running_ratio": None}, None, "spans", 30, 0),
    ],
)
def test_the_order_of_evidence_for_the_busy_share(
    said: dict[str, Any], util: float | None, method: str, attributed: int, overhead: int
) -> None:
    spans = [request(1, 10, prefill_s=10, decode_s=20)]
    rows = hour(gpu([0], used_ratio=util), worker([0], **said), spans)
    found = attribute(rows, prices(), END)
    totals = line_totals(found)
    assert totals["attributed"] == attributed * PICO_PER_S
    assert totals.get("overhead", 0) == overhead * PICO_PER_S
    assert sum(totals.values()) == A_MINUTE
    assert {line.method for line in lines_of(found)} == {method}


def test_warm_up_ends_with_the_first_request() -> None:
    started = T0_S + 120
    spans = [request(1, 300, prefill_s=10, decode_s=50)]
    before = worker([3, 4], has_served=False, started_s=started)
    rows = hour(gpu(range(10)), [*before, *worker([5, 6, 7, 8, 9], started_s=started)], spans)
    totals = line_totals(attribute(rows, prices(), END))
    assert totals == {
        "attributed": A_MINUTE, "warm_up": 3 * A_MINUTE, "idle": 6 * A_MINUTE,
    }  # fmt: skip


def test_a_worker_that_serves_since_long_is_not_warming_up() -> None:
    since_long = worker(range(5, 10), started_s=T0_S - 86_400)
    rows = hour(gpu(range(10)), since_long)
    assert line_totals(attribute(rows, prices(), END)) == {"idle": 10 * A_MINUTE}
    spans = [request(1, 30, prefill_s=10, decode_s=20)]
    totals = line_totals(attribute(hour(gpu(range(10)), since_long, spans), prices(), END))
    assert totals == {"attributed": A_MINUTE // 2, "idle": 19 * A_MINUTE // 2}


def test_a_token_price_pays_a_call_and_its_share_stays_out_of_the_ledger() -> None:
    priced, own = (request(n, 0, prefill_s=10, decode_s=20) for n in (1, 2))
    calls = [call(priced, price_status="priced", total_cost_usd=Decimal(1)), call(own)]
    found = attribute(hour(gpu([0]), worker([0]), [priced, own], calls), prices(), END)
    half = 15 * PICO_PER_S
    assert line_totals(found) == {"attributed": half, "priced": half, "idle": 30 * PICO_PER_S}
    [entry] = entries_of(found)
    assert (entry.span_id, entry.agent_name) == (own.span_id, "planner")


def test_requests_on_eight_gpus_cost_eight_and_have_an_entry_on_each() -> None:
    gpus = [row for n in range(8) for row in gpu(name=f"GPU-{n}", gpu_index=str(n))]
    spans = continuous_batch(3)
    found = attribute(hour(gpus, worker(), spans), prices(), END)
    assert by_request(found) == {k: 8 * v for k, v in batch_truth(spans, PICO_PER_S).items()}
    entries = entries_of(found)
    assert len(entries) == len({e.entry_id for e in entries}) == 8 * len(spans)


def test_workers_that_share_a_gpu_share_its_time() -> None:
    """MPS: two servers on one GPU, one request on each at the same time."""
    spans = [
        request(1, 0, prefill_s=10, decode_s=20, instance="node-1:8000"),
        request(2, 0, prefill_s=10, decode_s=50, instance="node-1:8001"),
    ]
    workers = [*worker([0]), *worker([0], name="node-1:8001")]
    shares = by_request(attribute(hour(gpu([0]), workers, spans), prices(), END))
    assert shares == {f"{1:016x}": 15 * PICO_PER_S, f"{2:016x}": 45 * PICO_PER_S}


@pytest.mark.parametrize(("by", "parts"), [("compute", (4, 2, 7)), ("memory", (4, 2, 8))])
def test_mig_instances_cost_their_slices_and_the_rest_is_idle(
    by: str, parts: tuple[int, int, int]
) -> None:
    first, second, whole = parts
    gib = 1 << 30
    gpus = [
        *gpu([0], memory_total_bytes=80 * gib),
        *(r._replace(memory_total_bytes=40 * gib) for r in mig("1", "4g.40gb", "a", [0])),
        *(r._replace(memory_total_bytes=20 * gib) for r in mig("2", "2g.20gb", "b", [0])),
    ]
    workers = [*worker([0], name="a", pod="a"), *worker([0], name="b", pod="b")]
    spans = [request(1, 0, prefill_s=0, decode_s=60, instance="", pod="a")]
    found = attribute(hour(gpus, workers, spans), prices(price(mig_slices=by)), END)
    cost: dict[str, int] = {}
    for (unit, _, _), pico in found.lines.items():
        cost[unit[1]] = cost.get(unit[1], 0) + pico
    assert sum(cost.values()) == A_MINUTE
    assert abs(cost["1"] - Fraction(A_MINUTE * first, whole)) < 1
    assert abs(cost["2"] - Fraction(A_MINUTE * second, whole)) < 1
    assert by_request(found) == {f"{1:016x}": cost["1"]}


def test_gaps_are_filled_for_five_minutes_and_no_longer() -> None:
    found = attribute(hour(gpu([0, 6, 13])), prices(), END)
    assert sum(line_totals(found).values()) == 8 * A_MINUTE  # 0 to 6, and 13


def test_minutes_that_are_not_over_wait() -> None:
    found = attribute(hour(gpu(range(60))), prices(), T0 + 150 * S)
    assert sum(line_totals(found).values()) == 2 * A_MINUTE


def test_what_nobody_knows_the_worker_of_is_overhead_and_idle() -> None:
    found = attribute(hour(gpu([0], used_ratio=0.25)), prices(), END)
    assert line_totals(found) == {"overhead": A_MINUTE // 4, "idle": A_MINUTE * 3 // 4}


def test_a_gpu_without_a_price_costs_nothing_that_is_known() -> None:
    found = attribute(hour(gpu(), worker(), continuous_batch(1)), prices(price(host="x")), END)
    assert (dict(found.lines), found.shares) == ({}, {})


def test_clients_are_known_by_the_workers_address_where_it_sends_no_spans() -> None:
    said: dict[str, Any] = {
        "role": "llm",
        "instance": "",
        "server_address": "node-1",
        "provider": "openai",
    }
    mine = request(1, 0, lasts_s=30, **said, server_port="8000")
    other = request(2, 0, lasts_s=30, **said, server_port="443")
    calls = [call(mine), call(other)]
    found = attribute(hour(gpu([0]), worker([0]), [mine, other], calls), prices(), END)
    assert by_request(found) == {mine.span_id: 30 * PICO_PER_S}
    served = request(3, 40, prefill_s=1, decode_s=5)
    found = attribute(hour(gpu([0]), worker([0]), [mine, other, served], calls), prices(), END)
    assert by_request(found) == {served.span_id: 6 * PICO_PER_S}


def test_a_request_over_the_hour_has_a_part_in_each() -> None:
    span = request(1, 3_590, prefill_s=10, decode_s=20)
    first = attribute(hour(gpu(), worker(), [span]), prices(), END)
    later = attribute(Hour("p", T0_S + 3_600, gpu(), worker(), [span]), prices(), END + HOUR)
    assert by_request(first) == {span.span_id: 10 * PICO_PER_S}
    assert by_request(later) == {span.span_id: 20 * PICO_PER_S}
    [one], [two] = entries_of(first), entries_of(later)
    assert one.entry_id != two.entry_id
    assert (one.time_ns, two.time_ns) == (span.start_ns, END)
    assert one.duration_ns + two.duration_ns == span.end_ns - span.start_ns


def test_worker_hours_hold_tokens_once_and_all_the_money_of_their_gpus() -> None:
    spans = continuous_batch(2)
    found = attribute(hour(gpu(), worker(), spans), prices(), END)
    [row] = worker_hours_of(found)
    assert (row.worker, row.model, row.requests) == (WORKER, MODEL, len(spans))
    assert row.uncached_tokens == sum(s.input_tokens or 0 for s in spans)
    used = row.prefill_cost_usd + row.decode_cost_usd
    assert used + row.unattributed_cost_usd == Decimal("2.16")


_SPAN = st.tuples(
    st.floats(-1_800, 3_600, allow_nan=False),
    st.floats(0, 900, allow_nan=False),
    st.one_of(st.none(), st.floats(0, 600, allow_nan=False)),
    st.one_of(st.none(), st.integers(0, 100_000)),
    st.sampled_from(["node-1:8000", "node-1:8001", "node-2:8000", ""]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_SPAN, max_size=25),
    st.lists(st.integers(0, 59), max_size=20),
    st.one_of(st.none(), st.floats(0, 1.2, allow_nan=False)),
    st.one_of(st.none(), st.floats(0, 90, allow_nan=False)),
    st.integers(1, 3),
    st.booleans(),
    st.integers(1, 10**13),
)
def test_money_is_conserved_for_every_gpu_and_window(
    spans: list[Any], minutes: list[int], util: float | None, busy: float | None, gpus: int,
    has_mig: bool, pico_per_hour: int,
) -> None:  # fmt: skip
    made = [
        request(n, start, queue, prefill, prefill, input_tokens=tokens, output_tokens=tokens,
                lasts_s=queue * 2, instance=name, host=name.partition(":")[0])
        for n, (start, queue, prefill, tokens, name, _) in enumerate(spans)
    ]  # fmt: skip
    calls = [call(s, price_status="priced") for s, said in zip(made, spans, strict=True) if said[5]]
    rows = [row for n in range(gpus) for row in gpu(minutes, f"GPU-{n + 2}", used_ratio=util)]
    rows += [*mig("1", "3g.40gb", "", minutes), *mig("2", "1g.10gb", "", minutes)] * has_mig
    workers = worker(minutes, busy_seconds=busy, started_s=T0_S + 600, has_served=False)
    rate = price(usd_per_hour=Decimal(pico_per_hour).scaleb(-12))
    found = attribute(hour(rows, workers, made, calls), prices(rate), END)
    expected = rate_of(replace(rate, id=0))
    costs: dict[tuple[str, int], int] = {}
    for (unit, window, _), pico in found.lines.items():
        assert pico > 0
        costs[unit[0], window] = costs.get((unit[0], window), 0) + pico
    whole: dict[tuple[str, int], int] = {}
    for name in {row.gpu for row in rows}:
        seen = sorted({row.minute for row in rows if row.gpu == name})
        paid = {m for a, b in zip(seen, seen[1:], strict=False) if b - a <= 6 for m in range(a, b)}
        for minute in paid | set(seen):
            key = (name, minute // 5 * 5)
            whole[key] = whole.get(key, 0) + expected.minute_cost(minute, None)
    assert costs == {key: pico for key, pico in whole.items() if pico}
    totals = line_totals(found)
    assert sum(by_request(found).values()) == totals.get("attributed", 0) + totals.get("priced", 0)
    in_ledger = sum(e.total_cost_usd or 0 for e in entries_of(found))
    assert in_ledger * PICO == totals.get("attributed", 0)


def test_what_a_deletion_kept_is_not_overhead_or_idle_too() -> None:
    kept = [
        Kept("a", "1", T0, T0 + 30 * S, ("gpu/0",), Decimal("0.018")),
        Kept("b", "2", T0, T0 + 30 * S, ("gpu/9",), Decimal("0.009")),  # at a price that ended
    ]
    plain = attribute(hour(gpu([0, 5], used_ratio=0.25)), prices(), END)
    made = replace(hour(gpu([0, 5], used_ratio=0.25)), kept=kept)
    found = attribute(made, prices(), END)
    before, after = line_totals(plain), line_totals(found)
    assert after["kept"] == A_MINUTE * 3 // 4
    assert sum(after.values()) == sum(before.values())
    assert {w for (_, w, line), pico in found.lines.items() if line == "kept" and pico} == {0}
    many = [kept[0]._replace(trace_id=str(n)) for n in range(11)]
    gone = attribute(replace(made, kept=many), prices(), END)
    assert min(gone.lines.values()) > 0
    assert line_totals(gone)["kept"] == 11 * A_MINUTE // 2  # half a minute of another five, too
    many += [kept[1]._replace(trace_id=str(n)) for n in range(11, 40)]
    gone = attribute(replace(made, kept=many), prices(), END)
    assert line_totals(gone) == {"kept": 6 * A_MINUTE}  # all there is and no more
