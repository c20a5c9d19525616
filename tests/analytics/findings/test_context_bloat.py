"""Prompts that grow from call to call, and what carrying them costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from spanledger_analytics.findings.detectors.context_bloat import compactions, detect
from spanledger_analytics.findings.lanes import Step, TraceView
from spanledger_analytics.price_book.windows import context_window
from tests.analytics.findings.planted_lanes import lane, model, ref, view
from tests.processor_time import processor_s

RATE = Decimal("0.000002")  # $2 per million tokens


def run(
    prompts: Sequence[int],
    ttft_s: Sequence[float] | None = None,
    *,
    is_priced: bool = True,
    name: str = "own-model",
) -> TraceView:
    steps: list[Step] = []
    for n, prompt in enumerate(prompts):
        cost = str(prompt * RATE + Decimal("0.001")) if is_priced else None
        wait = None if ttft_s is None else ttft_s[n]
        call = model(n, cost, prompt, ttft_s=wait, output_cost="0.001", name=name)
        steps.append(Step(call, ()))
    return view(lane(steps))


GROWING = [10_000 + 10_000 * n for n in range(9)]  # 10k to 90k


def test_what_carrying_costs_is_exact() -> None:
    [found] = detect(run(GROWING, [1 + n for n in range(9)]))
    assert (found.kind, found.severity) == ("context_bloat", "warning")
    # The median of the first three is 20k: beyond it 10k, 20k … 70k tokens were carried.
    assert found.carried_usd == RATE * sum(10_000 * n for n in range(1, 8))
    assert found.direct_usd == 0
    assert found.details["bloat"] == 4.5
    assert found.details["tokens_per_call"] == 10_000
    assert found.details["reasons"] == ["slower", "dearer"]
    assert found.evidence[0] == ref(8)


def test_fees_carry_nothing() -> None:
    free = run(GROWING, [1 + n for n in range(9)])
    steps = [
        Step(
            call._replace(
                total_cost_usd=(call.total_cost_usd or 0) + Decimal("0.05"),
                fees_cost_usd=Decimal("0.05"),
            ),
            (),
        )
        for step in free.lanes[0].steps
        if (call := step.model)
    ]
    [found], [without] = detect(view(lane(steps))), detect(free)
    assert found.carried_usd == without.carried_usd
    assert found.avoidable_usd == without.avoidable_usd


def test_break_even_of_a_compaction_is_exact() -> None:
    [found] = detect(run([*GROWING, *[90_000] * 6], [1.0] * 5 + [4.0] * 10))
    # Ripe at 80k (4 x 20k): reading it again costs $0.16, a summary of 2k tokens $0.02 more,
    # and each later call reads 58k tokens fewer: $0.116.
    assert found.details["ripe_at_call"] == 8
    assert found.details["compaction_usd"] == "0.180000000000"
    assert found.details["break_even_calls"] == 2
    assert found.avoidable_usd == 7 * Decimal("0.116") - Decimal("0.18")


def test_what_the_run_itself_compacted_later_is_saved_once() -> None:
    [found] = detect(run([*GROWING, 103_000, 22_000, 32_000], name="gpt-4o"))
    # As above; of 22k tokens, which is what a compaction leaves, nothing, and of 32k 10k.
    assert found.avoidable_usd == 2 * Decimal("0.116") + Decimal("0.02") - Decimal("0.18")


@pytest.mark.parametrize(
    "prompts",
    [
        [],
        [10_000],
        [10_000 * n for n in range(1, 6)],  # fewer than six calls
        [30_000] * 40,
        [1_000 + 1_000 * n for n in range(9)],  # small
        [30_000 + 500 * n for n in range(30)],
    ],
)
def test_ordinary_runs_are_quiet(prompts: list[int]) -> None:
    assert detect(run(prompts, [1.0] * len(prompts))) == []


def test_growth_alone_is_no_reason_while_calls_stay_fast_and_cheap() -> None:
    assert detect(run(GROWING, [1.0] * 9, is_priced=False)) == []
    assert detect(run(GROWING, is_priced=False)) == []


def test_calls_that_become_three_times_as_dear_are_told() -> None:
    [found] = detect(run([10_000, 10_000, 12_000, 30_000, 50_000, 80_000, 90_000, 95_000, 99_000]))
    assert found.details["reasons"] == ["dearer"]


def test_a_window_that_fills_up_is_told() -> None:
    window = context_window("openai", "gpt-4o")
    assert window == 128_000
    prompts = [60_000, 60_000, 60_000, 80_000, 95_000, 103_000]
    [found] = detect(run(prompts, name="gpt-4o", is_priced=False))
    assert found.details["reasons"] == ["window"]
    assert (found.carried_usd, found.is_sure) == (None, False)
    assert context_window("nobody", "unknown-model") is None


def test_compactions_are_drops_that_last() -> None:
    sawtooth = [10_000, 20_000, 40_000, 9_000, 20_000, 40_000, 9_000, 20_000, 41_000, 9_000, 15_000]
    assert compactions(sawtooth) == [3, 6, 9]
    [found] = detect(run(sawtooth))
    assert found.details["reasons"] == ["compactions"]
    helper = [20_000, 21_000, 2_000, 22_000, 2_000, 23_000, 2_000, 24_000]
    assert compactions(helper) == []
    assert compactions([20_000, 2_000, 2_000, 2_100, 20_500, 2_000, 21_000]) == []
    assert compactions([2_000, 500, 400, 300]) == []


def test_small_calls_of_another_model_do_not_count() -> None:
    steps = [
        Step(model(n, "0.1", 20_000) if n % 2 else model(n, "0.0001", 300, name="mini"), ())
        for n in range(24)
    ]
    assert detect(view(lane(steps))) == []


def test_each_lane_is_judged_by_itself() -> None:
    above = run(GROWING, [1 + n for n in range(9)]).lanes[0]
    below = run([1_000] * 9).lanes[0]
    assert [one.anchor for one in detect(view(above, replace(below, ref=ref(7))))] == [above.ref]


def test_a_finding_keeps_its_id_while_it_grows() -> None:
    shorter = detect(run(GROWING, [1 + n for n in range(9)]))
    longer = detect(run([*GROWING, 100_000], [1 + n for n in range(10)]))
    assert shorter[0].finding_id == longer[0].finding_id


def test_unknown_prompts_and_clocks_that_jump_are_no_trouble() -> None:
    steps = [Step(model(n, None, None if n % 2 else 10_000, at_s=-n), ()) for n in range(30)]
    assert detect(view(lane(steps))) == []


@pytest.mark.endurance
def test_long_runs_take_time_in_proportion() -> None:
    trace = run([1_000 + 2 * n for n in range(30_000)], [1.0] * 30_000)
    [found] = detect(trace)
    assert processor_s(lambda: detect(trace)) < 3
    assert found.details["tokens_per_call"] == pytest.approx(2)
