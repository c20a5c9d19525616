"""Whether what agents do is distributed as before: counts of actions, by trajectory.

Actions of one trajectory depend on each other, so trajectories are shuffled and not actions: a test
that takes actions for independent calls every long trajectory a change. Fixed thresholds of the
population stability index do the same with little data: with 100 actions on each side it is over
0.1 in 88 of 100 cases in which nothing changed, since its expectation is then
(K - 1) (1/n + 1/m). Here the noise is what shuffling gives, and is taken off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REST = "(other)"
PERMUTATIONS = 999
_LEAST_EXPECTED = (
    5.0  # of a category on the smaller side; the textbook's rule for G and chi-squared
)
_MOST_CATEGORIES = 200
_PSEUDO_COUNT = 0.5  # a category that one side lacks has no logarithm otherwise
_FEW_EXCEEDED = 10  # below this the share of shuffles says little about the tail


class Term(NamedTuple):
    """One action: its share before and now, and what it adds to the PSI; minus: it fell."""

    name: str
    before: float
    now: float
    psi: float


@dataclass(frozen=True, slots=True)
class Categorical:
    """What comparing two sets of counts gives.

    Attributes:
        statistic: G over trajectories' summed counts.
        p_value: of G, among shuffled trajectories.
        js_distance: square root of the Jensen-Shannon divergence to base 2, from 0 to 1.
        psi: population stability index less ``noise``; may be negative.
        psi_error: its standard error, over trajectories.
        noise: mean of the index among shuffles.
        noise_error: its standard deviation among them.
        terms: every action kept apart, what differs most first.
    """

    statistic: float
    p_value: float
    js_distance: float
    psi: float
    psi_error: float
    noise: float
    noise_error: float
    terms: tuple[Term, ...]


class Counted(NamedTuple):
    """Counts as a matrix: a row per trajectory, reference first, a column per category."""

    names: tuple[str, ...]
    counts: NDArray[np.float32]
    n_before: int


def count(before: Sequence[Mapping[str, int]], now: Sequence[Mapping[str, int]]) -> Counted:
    """Return the counts of both sides; rare actions are one category.

    An action that is expected less than five times on the smaller side is rare.
    """
    sides = [*before, *now]
    number: dict[str, int] = {}  # of each action, in order of appearance
    actions = [number.setdefault(name, len(number)) for one in sides for name in one]
    counted = np.array([n for one in sides for n in one.values()], np.float64)
    rows = np.repeat(np.arange(len(sides)), [len(one) for one in sides])
    total = np.bincount(actions, counted, minlength=len(number))
    n_before = float(counted[rows < len(before)].sum())
    least = min(n_before, float(total.sum()) - n_before)
    order = sorted(number, key=lambda name: (-total[number[name]], name))
    is_common = total * least >= _LEAST_EXPECTED * total.sum()
    common = [name for name in order if is_common[number[name]]][:_MOST_CATEGORIES]
    names = common if len(common) == len(number) else [*common, REST]
    column = np.full(len(number), len(names) - 1)
    column[[number[name] for name in common]] = np.arange(len(common))
    counts = np.zeros((len(sides), len(names)), np.float32)
    np.add.at(counts, (rows, column[actions]), counted)
    return Counted(tuple(names), counts, len(before))


def compare_counts(data: Counted, shuffles: NDArray[np.float32]) -> Categorical:
    """Return how two sides differ.

    Args:
        data: at least one action on each side.
        shuffles: a row per shuffle, a column per trajectory: 1 for those that count as now.
    """
    total = data.counts.sum(axis=0, dtype=np.float64)
    now = data.counts[data.n_before :].sum(axis=0, dtype=np.float64)
    before = total - now
    shuffled = (shuffles @ data.counts).astype(np.float64)
    statistic = float(_g(before[None], now[None])[0])
    by_chance = _g(total - shuffled, shuffled)
    noise = psi_terms(total - shuffled, shuffled).sum(axis=1)
    terms = psi_terms(before[None], now[None])[0]
    return Categorical(
        statistic=statistic,
        p_value=tail(statistic, by_chance),
        js_distance=_js_distance(before, now),
        psi=float(terms.sum() - noise.mean()),
        psi_error=_psi_error(data, before, now),
        noise=float(noise.mean()),
        noise_error=float(noise.std(ddof=1)),
        terms=_sorted_terms(data.names, before, now, terms),
    )


def psi_terms(before: Floats, now: Floats) -> Floats:
    """Return what each category adds to the population stability index; a row per comparison."""
    p, q = _shares(before), _shares(now)
    return (q - p) * np.log(q / p)


def make_shuffles(n_before: int, n_now: int, seed: int) -> NDArray[np.float32]:
    """Return which trajectories count as now in each of 999 shuffles; as many as there are."""
    generator = np.random.default_rng(seed)
    drawn = generator.random((PERMUTATIONS, n_before + n_now), np.float32)
    chosen = np.argpartition(drawn, n_now - 1, axis=1)[:, :n_now]
    shuffles = np.zeros(drawn.shape, np.float32)
    np.put_along_axis(shuffles, chosen, np.float32(1), axis=1)
    return shuffles


def tail(statistic: float, by_chance: Floats) -> float:
    """Return the probability of a statistic at least this large.

    The share of shuffles that reach it, while some do. Beyond that, a scaled chi-squared
    distribution with their mean and variance (Satterthwaite; what Rao and Scott,
    https://doi.org/10.1214/aos/1176346391, use for clustered counts), at most that share: 999
    shuffles alone could never stand a correction for hundreds of tests.
    """
    reached = int((by_chance >= statistic * (1 - 1e-12)).sum())
    share = (reached + 1) / (len(by_chance) + 1)
    mean, variance = float(by_chance.mean()), float(by_chance.var(ddof=1))
    if reached >= _FEW_EXCEEDED or mean <= 0 or variance <= 0:
        return share
    degrees, scale = 2 * mean * mean / variance, variance / (2 * mean)
    return min(share, chi_squared_tail(statistic / scale, degrees))


def chi_squared_tail(value: float, degrees: float) -> float:
    """Return P(chi-squared > value), after Wilson and Hilferty (doi 10.1073/pnas.17.12.684)."""
    spread = 2 / (9 * degrees)
    z = ((value / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return 0.5 * math.erfc(z / math.sqrt(2))


def _g(before: Floats, now: Floats) -> Floats:
    """Return G of each row: twice the log likelihood ratio of one distribution for both sides."""
    total = before + now
    found = np.zeros(len(total))
    everything = total.sum(axis=1, keepdims=True)
    for side in (before, now):
        expected = total * side.sum(axis=1, keepdims=True) / everything
        ratio = np.divide(side, expected, out=np.ones_like(side), where=side > 0)
        found += 2 * (side * np.log(ratio)).sum(axis=1)
    return found


def _shares(counts: Floats) -> Floats:
    padded = counts + _PSEUDO_COUNT
    return cast("Floats", padded / padded.sum(axis=-1, keepdims=True))


def _js_distance(before: Floats, now: Floats) -> float:
    p, q = before / before.sum(), now / now.sum()
    middle = (p + q) / 2
    divergence = 0.0
    for side in (p, q):
        ratio = np.divide(side, middle, out=np.ones_like(side), where=side > 0)
        divergence += float((side * np.log2(ratio)).sum()) / 2
    return math.sqrt(max(0.0, divergence))


def _psi_error(data: Counted, before: Floats, now: Floats) -> float:
    """Return the standard error of the PSI, linearised, with trajectories as the units."""
    p, q = _shares(before), _shares(now)
    log_ratio = np.log(q / p)
    variance = 0.0
    for rows, share, slope in (
        (data.counts[: data.n_before], p, -log_ratio + 1 - q / p),
        (data.counts[data.n_before :], q, log_ratio + 1 - p / q),
    ):
        lengths = rows.sum(axis=1, dtype=np.float64)
        residual = rows @ slope - lengths * float(share @ slope)
        variance += float((residual**2).sum()) / float(lengths.sum()) ** 2
    return math.sqrt(variance)


def _sorted_terms(
    names: Sequence[str], before: Floats, now: Floats, terms: Floats
) -> tuple[Term, ...]:
    p, q = before / before.sum(), now / now.sum()
    made = [
        Term(name, float(p[at]), float(q[at]), math.copysign(float(terms[at]), q[at] - p[at]))
        for at, name in enumerate(names)
    ]
    return tuple(sorted(made, key=lambda term: (-abs(term.psi), term.name)))
