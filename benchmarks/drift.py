"""Does the check for drift stay quiet when nothing changed, and does it see what did?

Makes agents up: twelve tools of very unequal use, every trajectory with a mix of its own (actions
of one trajectory depend on each other), lengths from one to hundreds of calls, weekends that differ
from other days. Then

1. days on which nothing changed, twenty agents to a project and day as the job has them: how many
   agent-days raise an alarm,
2. days on which the mix of tools changed by a population stability index of 0.1, or the steps by a
   Cliff's delta of 0.2 (the floors): how many are seen, by trajectories a day.

    python -m benchmarks.drift --days 150 --repeats 200

Needs no store. Everything follows from --seed.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from statistics import NormalDist
from typing import cast

import numpy as np
from numpy.typing import NDArray

from spanledger_analytics.drift.features import Sample, Trajectory
from spanledger_analytics.drift.judge import DRIFT, DriftLimits, adjust, examine, is_drift

Floats = NDArray[np.float64]

TOOLS = 12
NAMES = tuple(f"tool-{n}" for n in range(TOOLS))
PAIR = {(a, b): f"{a} → {b}" for a in NAMES for b in NAMES}
REFERENCE_DAYS = 14
MOST_REFERENCE = 1_000  # half of what the job takes: the rest of the time goes into more days
AGENTS = 20
OWN_MIX = 6.0  # Dirichlet concentration: a trajectory has about this many actions' worth of habit
SPREAD = 0.8  # standard deviation of the logarithm of a trajectory's length


def usual_mix() -> Floats:
    """Return the shares of the tools: Zipf's law."""
    weights = 1 / np.arange(1, TOOLS + 1)
    return cast("Floats", weights / weights.sum())


def shifted_mix(psi: float) -> Floats:
    """Return shares a given stability index away: one tool is used more, all others less."""
    usual = usual_mix()
    low, high = 0.0, 0.9
    for _ in range(60):
        middle = (low + high) / 2
        mixed = usual * (1 - middle)
        mixed[3] += middle
        if float(((mixed - usual) * np.log(mixed / usual)).sum()) < psi:
            low = middle
        else:
            high = middle
    return mixed


def make(
    random: np.random.Generator, count: int, days: range, mix: Floats, longer: float, weekend: float
) -> list[Trajectory]:
    """Return trajectories spread evenly over days."""
    at_weekend = shifted_mix(weekend) if weekend else mix
    day_of = [days[number * len(days) // count] for number in range(count)]
    means = np.array([at_weekend if day % 7 in (2, 3) else mix for day in day_of])
    own = random.standard_gamma(means * OWN_MIX + 1e-6)  # a Dirichlet draw, once it is divided
    edges = (own / own.sum(axis=1, keepdims=True)).cumsum(axis=1)
    lengths = np.exp(random.normal(1.9 + longer, SPREAD, count)).round().clip(1, 400).astype(int)
    failed = random.binomial(lengths, 0.03)
    tokens = random.lognormal(5, 0.5, count)
    made: list[Trajectory] = []
    for number, day in enumerate(day_of):
        length, errors = int(lengths[number]), int(failed[number])
        chosen = np.searchsorted(edges[number, :-1], random.random(length))
        actions = [NAMES[tool] for tool in chosen.tolist()]
        one = Trajectory(day)
        one.counts = {
            "tools": Counter(actions),
            "tool_errors": Counter(ok=length - errors, failed=errors),
            "model_errors": Counter(ok=length + 1),
            "answers": Counter(answered=1) if random.random() < 0.97 else Counter(refused=1),
        }
        if length > 1:
            one.counts["tool_pairs"] = Counter(map(PAIR.__getitem__, pairwise(actions)))
        one.numbers = {
            "steps": 2 * length + 1,
            "llm_calls": length + 1,
            "tool_calls": length,
            "output_tokens": float(tokens[number]),
        }
        made.append(one)
    return made


def agent_day(
    random: np.random.Generator,
    name: str,
    per_day: int,
    mix: Floats | None = None,
    longer: float = 0.0,
    weekend: float = 0.0,
) -> Sample:
    """Return a day of an agent and the 14 days before it."""
    before = min(MOST_REFERENCE, per_day * REFERENCE_DAYS)
    usual = usual_mix()
    today = REFERENCE_DAYS + int(random.integers(0, 7)) if weekend else REFERENCE_DAYS
    reference = range(today - REFERENCE_DAYS, today)
    return Sample(
        name,
        "1",
        make(
            random, per_day, range(today, today + 1), usual if mix is None else mix, longer, weekend
        ),
        make(random, before, reference, usual, 0.0, weekend),
    )


def show_false_alarms(random: np.random.Generator, days: int, weekend: float) -> None:
    """Print how many agent-days without drift raise an alarm, in large projects and alone."""
    together = alone = 0
    tested: list[float] = []
    small: Counter[str] = Counter()
    started = time.perf_counter()
    for _ in range(days):
        samples = [
            agent_day(random, f"agent-{n}", int(random.integers(50, 300)), weekend=weekend)
            for n in range(AGENTS)
        ]
        found = examine(samples)
        together += len({check.agent_name for check in found if check.verdict == DRIFT})
        for sample in samples:
            own = [c for c in found if c.agent_name == sample.agent_name and c.result is not None]
            p_values = [c.result.p_value for c in own if c.result is not None]
            tested += p_values
            small.update(c.feature.name for c, p in zip(own, p_values, strict=True) if p <= 0.001)
            judged = [replace(c, q_value=q) for c, q in zip(own, adjust(p_values), strict=True)]
            alone += any(is_drift(check, DriftLimits()) for check in judged)
    took, agents = time.perf_counter() - started, days * AGENTS
    what = "weekends differ" if weekend else "all days alike"
    print(f"nothing changed, {what}, {agents:,} agent-days, {len(tested):,} tests:")
    print(f"  {together} alarms in projects of {AGENTS} agents, {alone} in projects of one")
    shares = {level: sum(p <= level for p in tested) / len(tested) for level in (0.05, 0.01, 0.001)}
    print(f"  share of tests with a p-value of at most that: {shares}; <= 0.001: {dict(small)}")
    print(f"  {took / agents * 1000:.0f} ms per agent-day, making it up included")


def show_power(
    random: np.random.Generator, repeats: int, mix: Floats | None, longer: float, feature: str
) -> None:
    """Print how many changes are seen, by how many trajectories a day has."""
    strict = DriftLimits(errors=0.0)
    for per_day in (50, 100, 200, 400, 800):
        seen = strictly = significant = 0
        for _ in range(repeats):
            # In a project of one agent: with more, the correction for many tests asks for more.
            sample = agent_day(random, "agent", per_day, mix, longer)
            check = next(c for c in examine([sample]) if c.feature.name == feature)
            seen += check.verdict == DRIFT
            significant += check.result is not None and check.result.p_value <= 0.001
            strictly += is_drift(check, strict)
        print(
            f"  {per_day:4} trajectories: seen {seen / repeats:.2f}, p <= 0.001 "
            f"{significant / repeats:.2f}, if the estimate had to reach the floor "
            f"{strictly / repeats:.2f}"
        )


def show_all_power(random: np.random.Generator, repeats: int) -> None:
    """Print how often changes at the floors, and twice as large, are seen."""
    print("tools changed by a PSI of 0.1:")
    show_power(random, repeats, shifted_mix(0.1), 0.0, "tools")
    print("tools changed by a PSI of 0.2:")
    show_power(random, repeats, shifted_mix(0.2), 0.0, "tools")
    print("steps changed by a Cliff's delta of 0.2:")
    longer = math.sqrt(2) * NormalDist().inv_cdf(0.6) * SPREAD
    show_power(random, repeats, None, longer, "steps")


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--part", choices=("quiet", "power", "all"), default="all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}")
    if options.part != "power":
        show_false_alarms(random, options.days, 0.0)
        show_false_alarms(random, options.days // 3, 0.15)
    if options.part != "quiet":
        show_all_power(random, options.repeats)


if __name__ == "__main__":
    main()
