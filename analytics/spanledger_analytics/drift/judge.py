"""Whether an agent drifted: what changed by more than chance, noise and usual days explain."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from spanledger_analytics.drift.categories import (
    Categorical,
    compare_counts,
    count,
    make_shuffles,
    psi_terms,
)
from spanledger_analytics.drift.features import FEATURES, Feature, Sample, Trajectory
from spanledger_analytics.drift.numbers import Numeric, compare_numbers

SAME_VERSION, OTHER_VERSIONS = "same_version", "other_versions"
_WEEK = 7
DRIFT, EXPECTED, NO_DRIFT, TOO_LITTLE = "drift", "expected", "no_drift", "not_enough_data"


@dataclass(frozen=True, slots=True)
class DriftLimits:
    """When a difference is said to be drift.

    Significance says that something changed, the floors that it is worth a look: 0.1 for the
    distance and the index are what Evidently takes for a shift
    (https://docs.evidentlyai.com/metrics/customize_data_drift), 0.2 separates a small from a
    negligible Cliff's delta. A floor is met when the effect may reach it within its standard
    error: an effect that truly is as large as the floor is measured below it half of the time.

    Attributes:
        actions: fewest on each side.
        trajectories: fewest on each side that took any.
        p_value: of one test.
        q_value: after Benjamini and Hochberg over all tests of a project and day: where nothing
            changed, one day of a project in a thousand says that something did.
        js_distance: floor of the Jensen-Shannon distance.
        psi: floor of the PSI less its noise.
        delta: floor of Cliff's delta, whatever its sign.
        errors: standard errors by which an effect may stay below its floor.
        least_errors: standard errors by which it must exceed what usual days reach.
        day_trajectories: fewest of a day before for it to say what is usual.
        days: fewest such days.
        day_errors: standard errors from which such a day counts as unlike the others: of 14 days
            without any difference, two are beyond two standard errors one time in twenty.
        weekday_errors: the same of the days before of the same weekday, which are one comparison.
    """

    actions: int = 300
    trajectories: int = 50
    p_value: float = 0.001
    q_value: float = 0.001
    js_distance: float = 0.1
    psi: float = 0.1
    delta: float = 0.2
    errors: float = 2.0
    least_errors: float = 1.645
    day_trajectories: int = 20
    days: int = 3
    day_errors: float = 3.0
    weekday_errors: float = 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one feature of one agent's version; a row of ``drift_checks``.

    Attributes:
        actions: how many were counted on the day; of a number, the trajectories.
        result: None: not enough data.
        q_value: None: the same.
        usual_effect: what days before reach among themselves; None: too few of them, or nothing
            differs by more than chance.
    """

    agent_name: str
    agent_version: str
    feature: Feature
    compared_with: str
    trajectories: int
    reference_trajectories: int
    actions: int
    reference_actions: int
    result: Categorical | Numeric | None = None
    q_value: float | None = None
    usual_effect: float | None = None
    verdict: str = TOO_LITTLE

    @property
    def is_worse(self) -> bool:
        """Whether the share of what is a good outcome fell."""
        if not self.feature.good or not isinstance(self.result, Categorical):
            return False
        return any(t.name == self.feature.good and t.now < t.before for t in self.result.terms)

    @property
    def is_better(self) -> bool:
        """Whether the share of what is a good outcome rose."""
        if not self.feature.good or not isinstance(self.result, Categorical):
            return False
        return any(t.name == self.feature.good and t.now > t.before for t in self.result.terms)


def examine(samples: Sequence[Sample], limits: DriftLimits | None = None) -> list[Check]:
    """Return what each feature of each sample shows; pure, and the same for the same samples.

    Args:
        samples: all of a project and day: tests are corrected for how many there are.
        limits: of what is said.
    """
    limits = limits or DriftLimits()
    found = [check for sample in samples for check in _compare(sample, limits)]
    tested = [check for check in found if check.result is not None]
    adjusted = adjust([check.result.p_value for check in tested if check.result is not None])
    q_values = iter(adjusted)
    return [
        _judged(replace(check, q_value=next(q_values)), limits) if check.result else check
        for check in found
    ]


def adjust(p_values: Sequence[float]) -> list[float]:
    """Return q-values in the order of the p-values.

    Benjamini and Hochberg, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x.
    """
    order = sorted(range(len(p_values)), key=lambda at: p_values[at], reverse=True)
    adjusted = [0.0] * len(p_values)
    least = 1.0
    for rank, at in zip(range(len(order), 0, -1), order, strict=True):
        least = min(least, p_values[at] * len(order) / rank)
        adjusted[at] = least
    return adjusted


def _compare(sample: Sample, limits: DriftLimits) -> list[Check]:
    with_what, before = _reference(sample, limits)
    shuffles: NDArray[np.float32] | None = None
    found: list[Check] = []
    for feature in FEATURES:
        check = _size(sample, feature, with_what, before)
        if not check.actions and not check.reference_actions:
            continue  # an agent without tools has no order of tools
        if _is_enough(check, limits):
            if feature.is_number:
                check = _compare_number(check, sample, before, limits)
            else:
                if shuffles is None:
                    shuffles = make_shuffles(len(before), len(sample.now), _seed(sample))
                check = _compare_counts(check, sample, before, shuffles, limits)
        found.append(check)
    return found


def _reference(sample: Sample, limits: DriftLimits) -> tuple[str, Sequence[Trajectory]]:
    if len(sample.before) >= limits.trajectories or not sample.others:
        return (SAME_VERSION if sample.before else ""), sample.before
    return OTHER_VERSIONS, sample.others


def _size(sample: Sample, feature: Feature, with_what: str, before: Sequence[Trajectory]) -> Check:
    sizes: list[tuple[int, int]] = []
    for side in (sample.now, before):
        if feature.is_number:
            n = sum(feature.name in one.numbers for one in side)
            sizes.append((n, n))
        else:
            actions = [t.counts[feature.name].total() for t in side if feature.name in t.counts]
            sizes.append((sum(map(bool, actions)), sum(actions)))
    (n, actions_now), (n_before, actions_before) = sizes
    name, version = sample.agent_name, sample.agent_version
    return Check(name, version, feature, with_what, n, n_before, actions_now, actions_before)


def _is_enough(check: Check, limits: DriftLimits) -> bool:
    least = limits.trajectories if check.feature.is_number else limits.actions
    return (
        min(check.trajectories, check.reference_trajectories) >= limits.trajectories
        and min(check.actions, check.reference_actions) >= least
    )


def _compare_counts(
    check: Check,
    sample: Sample,
    before: Sequence[Trajectory],
    shuffles: NDArray[np.float32],
    limits: DriftLimits,
) -> Check:
    name = check.feature.name
    empty: Counter[str] = Counter()
    sides = [[one.counts.get(name, empty) for one in side] for side in (before, sample.now)]
    data = count(*sides)
    result = compare_counts(data, shuffles)
    scale = 1 / (1 / check.actions + 1 / check.reference_actions)

    def effect(rows: NDArray[np.intp], errors: float) -> float:
        of_day = data.counts[rows].sum(axis=0, dtype=np.float64)
        rest = data.counts[: data.n_before].sum(axis=0, dtype=np.float64) - of_day
        if not of_day.sum() or not rest.sum():
            return 0.0
        size = scale * (1 / float(of_day.sum()) + 1 / float(rest.sum()))  # noise of so many actions
        excess = float(psi_terms(rest[None], of_day[None]).sum()) - result.noise * size
        return excess if excess > errors * result.noise_error * size else 0.0

    if result.p_value > limits.p_value:
        return replace(check, result=result)
    usual = _usual(before, sample.now[0].day, effect, limits)
    return replace(check, result=result, usual_effect=usual)


def _compare_number(
    check: Check, sample: Sample, before: Sequence[Trajectory], limits: DriftLimits
) -> Check:
    name = check.feature.name
    known = [one for one in before if name in one.numbers]
    values = np.array([one.numbers[name] for one in known])
    now = np.array([one.numbers[name] for one in sample.now if name in one.numbers])

    result = compare_numbers(values, now)

    def effect(rows: NDArray[np.intp], errors: float) -> float:
        is_of_day = np.zeros(len(values), "?")
        is_of_day[rows] = True
        if is_of_day.all():
            return 0.0
        found = compare_numbers(values[~is_of_day], values[is_of_day])
        alike = math.copysign(found.delta, found.delta * result.delta)  # minus: the other way
        return alike if alike > errors * found.delta_error else 0.0

    if result.p_value > limits.p_value:
        return replace(check, result=result)
    usual = _usual(known, sample.now[0].day, effect, limits)
    return replace(check, result=result, usual_effect=usual)


def _usual(
    before: Sequence[Trajectory],
    today: int,
    effect: Callable[[NDArray[np.intp], float], float],
    limits: DriftLimits,
) -> float | None:
    """Return how far days before differ from the others by themselves; None: too few of them.

    Weekends and a weekly batch are not drift, and shuffling trajectories does not know of days. So
    the larger of what the days of the same weekday reach together, and what the second most unusual
    day does: the second, so that one odd day hides nothing.
    """
    by_day: defaultdict[int, list[int]] = defaultdict(list)
    for row, one in enumerate(before):
        by_day[one.day].append(row)
    days = [rows for rows in by_day.values() if len(rows) >= limits.day_trajectories]
    if len(days) < max(limits.days, 2):
        return None
    second = sorted(effect(np.array(rows), limits.day_errors) for rows in days)[-2]
    alike = [row for day, rows in by_day.items() if (today - day) % _WEEK == 0 for row in rows]
    if len(alike) < limits.day_trajectories:
        return second
    return max(second, effect(np.array(alike), limits.weekday_errors))


def _judged(check: Check, limits: DriftLimits) -> Check:
    if not is_drift(check, limits):
        return replace(check, verdict=NO_DRIFT)
    if check.compared_with == OTHER_VERSIONS and not check.is_worse:
        return replace(check, verdict=EXPECTED)
    return replace(check, verdict=DRIFT)


def is_drift(check: Check, limits: DriftLimits) -> bool:
    """Return whether a feature changed more than chance, noise and usual days explain."""
    result, usual = check.result, check.usual_effect or 0.0
    if result is None or check.q_value is None:
        return False
    if result.p_value > limits.p_value or check.q_value > limits.q_value:
        return False
    if isinstance(result, Numeric):
        return _is_large(abs(result.delta) - usual, result.delta_error, limits.delta, limits)
    return result.js_distance >= limits.js_distance and _is_large(
        result.psi - usual, result.psi_error, limits.psi, limits
    )


def _is_large(excess: float, error: float, floor: float, limits: DriftLimits) -> bool:
    """Return whether what usual days do not explain is there, and may be as large as the floor."""
    return excess > limits.least_errors * error and excess + limits.errors * error >= floor


def _seed(sample: Sample) -> int:
    told = f"{sample.agent_name}\0{sample.agent_version}\0{len(sample.now)}"
    return int.from_bytes(blake2b(told.encode(), digest_size=8).digest())
