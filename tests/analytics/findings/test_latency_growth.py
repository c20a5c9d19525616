"""Calls that become slow within a run, and whether prompt or backend is the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from spanledger_analytics.findings.detectors.latency_growth import detect
from spanledger_analytics.findings.finding import Finding
from spanledger_analytics.findings.growth import huber_fit
from spanledger_analytics.findings.lanes import Step
from tests.analytics.findings.planted_lanes import S, lane, model, view
from tests.processor_time import processor_s

CALLS = 40


def found_in(
    prompts: Sequence[int],
    waits_s: Sequence[float],
    cached: Sequence[int] | None = None,
    *,
    is_streamed: bool = True,
) -> list[Finding]:
    steps: list[Step] = []
    for n, (prompt, wait) in enumerate(zip(prompts, waits_s, strict=True)):
        output = 50 + (n * 37) % 400
        call = model(
            n,
            input_tokens=prompt,
            cached=cached[n] if cached else None,
            at_s=n * 60,
            ttft_s=wait if is_streamed else None,
            took_s=wait + 0.02 * output,
            output_tokens=output,
        )
        steps.append(Step(call, ()))
    return detect(view(lane(steps)))


def noise(seed: int) -> Callable[[], float]:
    random = np.random.default_rng(seed)
    return lambda: float(np.exp(random.normal(0, 0.1)))


def uneven(seed: int) -> list[int]:
    """Return prompts that grow, by steps of all sizes."""
    steps = np.random.default_rng(seed).pareto(1.5, CALLS)
    return [int(size) for size in 3_000 + 2_000 * np.cumsum(steps)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_prompt_that_grew_is_named(seed: int, is_streamed: bool) -> None:
    prompts, jitter = uneven(seed), noise(seed)
    [found] = found_in(prompts, [p / 4_000 * jitter() for p in prompts], is_streamed=is_streamed)
    assert (found.kind, found.details["driver"]) == ("latency_growth", "bloat")
    assert found.details["measure"] == ("ttft" if is_streamed else "duration")
    assert found.details["prompt_exponent"] == pytest.approx(1, abs=0.4)
    assert found.direct_usd == 0


@pytest.mark.parametrize("seed", range(8))
def test_a_backend_that_became_slow_is_named(seed: int) -> None:
    random, jitter = np.random.default_rng(seed), noise(seed)
    prompts = random.integers(5_000, 20_000, CALLS).tolist()
    [found] = found_in(prompts, [0.5 * 1.06**n * jitter() for n in range(CALLS)])
    assert found.details["driver"] == "backend"


def test_a_prompt_read_from_the_cache_is_not_blamed() -> None:
    prompts = uneven(1)
    cached = [p - 1_000 - 17 * (n % 5) for n, p in enumerate(prompts)]
    jitter = noise(1)
    [found] = found_in(prompts, [0.5 * 1.06**n * jitter() for n in range(CALLS)], cached)
    assert found.details["driver"] == "backend"


def test_time_lost_is_exact() -> None:
    waits = [1.0] * 10 + [2.0] * 10 + [4.0] * 10
    [found] = found_in([10_000] * 30, waits)
    assert found.wasted_ns == (10 * 1 + 10 * 3) * S
    assert found.details["driver"] == "backend"
    assert len(found.evidence) == 20


def test_waits_too_short_for_a_tenth_of_a_second_are_told_in_milliseconds() -> None:
    [found] = found_in([10_000] * 30, [0.04] * 10 + [0.3] * 10 + [0.8] * 10)
    assert found.title == "The first token takes 20.0 times as long as at first (40 ms, now 0.8 s)"


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_quiet(seed: int) -> None:
    random = np.random.default_rng(seed)
    waits = np.exp(random.normal(0, 0.8, CALLS)).tolist()
    assert found_in([10_000] * CALLS, waits) == []


def test_few_calls_and_little_time_are_quiet() -> None:
    assert found_in([1_000] * 5, [1, 2, 4, 8, 16]) == []
    assert found_in([1_000] * 12, [0.01 * (n + 1) for n in range(12)]) == []
    assert found_in([], []) == []


def test_of_few_calls_no_reason_is_named() -> None:
    [found] = found_in([1_000] * 8, [1.0, 1.1, 1.5, 2, 3, 4.2, 5.5, 8])
    assert (found.details["driver"], found.is_sure) == ("unclear", False)


def test_times_that_nobody_told_and_clocks_that_jump_are_no_trouble() -> None:
    steps = [Step(model(n, took_s=-5 if n % 2 else 0, at_s=-n), ()) for n in range(30)]
    assert detect(view(lane(steps))) == []


@pytest.mark.endurance
def test_long_runs_take_time_in_proportion() -> None:
    steps = [Step(model(n, ttft_s=1 + n / 15_000), ()) for n in range(30_000)]
    trace = view(lane(steps))
    [found] = detect(trace)
    assert processor_s(lambda: detect(trace)) < 3
    assert found.details["driver"] == "backend"


def test_the_fit_finds_what_was_planted_in_spite_of_outliers() -> None:
    random = np.random.default_rng(3)
    x, z = random.normal(size=200), np.arange(200.0)
    y = 2 + 3 * x - 0.5 * z + random.normal(0, 0.1, 200)
    y[::20] += 50
    fit = huber_fit(y, x, z)
    assert fit is not None
    assert fit.weights == pytest.approx((2, 3, -0.5), abs=0.1)
    assert fit.t[1] > 3
    assert huber_fit(y, x, x) is None
    assert huber_fit(y[:4], x[:4], z[:4]) is None
