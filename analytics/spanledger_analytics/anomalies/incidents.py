"""One incident, one finding: what the series of a project say at one time is put together.

A storm of one agent shows in the project, the agent, its model, its service and its team. The
incident is told of the series that holds most of the excess and stands out most, and keeps that
name while it lasts, so that it is one finding however it grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from spanledger_analytics.anomalies.baseline import Floats
from spanledger_analytics.anomalies.cells import HOUR_S, Cells, Key
from spanledger_analytics.anomalies.signals import Code, Signal

MOST_INCIDENTS = 20
"""Of one project at one time; those of fewer dollars are left out."""
_NEAR_S = 3 * HOUR_S
_WEEK_S = 7 * 24 * HOUR_S
_DAY_S = 24 * HOUR_S
_MOST_OF_IT = 0.7
_SHARED = 0.5
_HOURLY = 2  # ranks up to here: spikes, and dearer units
_FAR_MORE = 3.0
_RANK: dict[tuple[Code, str], int] = {("spike", ""): 0, ("unit_cost", "call"): 1}
_LATER = {"unit_cost": 2, "spike": 3, "creep": 4, "calls": 5}


@dataclass(frozen=True, slots=True)
class Known:
    """An incident that was told of before.

    Attributes:
        key: of the finding, with ``code`` and ``anchor_s``: what its id is made of.
        start_s: of the stretch that was told of last; ``end_s``: its end.
        keys: all series that showed it.
        excess_usd: as told last; ``expected_usd`` too.
    """

    key: Key
    code: Code
    anchor_s: int
    start_s: int
    end_s: int
    keys: frozenset[Key]
    excess_usd: float
    expected_usd: float


@dataclass(frozen=True, slots=True)
class Incident:
    """What is told of as one finding.

    Attributes:
        signal: the series and time it is told of.
        anchor_key: of its id, as first told; with ``anchor_code`` and ``anchor_s``.
        others: other signals of the same thing, the largest first.
    """

    signal: Signal
    anchor_key: Key
    anchor_code: Code
    anchor_s: int
    others: tuple[Signal, ...]

    @property
    def keys(self) -> frozenset[Key]:
        """Every series that shows it."""
        return frozenset((self.signal.key, *(other.key for other in self.others)))

    @property
    def is_open(self) -> bool:
        """Whether any series still shows it."""
        return self.signal.is_open

    @property
    def known(self) -> Known:
        """What to remember of it."""
        one = self.signal
        return Known(
            self.anchor_key,
            self.anchor_code,
            self.anchor_s,
            one.start_s,
            one.end_s,
            self.keys | {self.anchor_key},
            one.excess_usd,
            one.expected_usd,
        )


def put_together(
    signals: Iterable[Signal], hours: Cells, known: Sequence[Known] = ()
) -> list[Incident]:
    """Return the incidents that signals tell of, those of most dollars first.

    Args:
        signals: of one project.
        hours: its history: which leaves of a series are dearer than they were.
        known: incidents told of before.
    """
    left = sorted(signals, key=_order)
    found: list[Incident] = []
    leaves = _Leaves(hours)
    while left:
        seed = _seed(left)
        near = [one for one in left if _overlap(one, seed) and _is_quiet(one) == _is_quiet(seed)]
        best = _best(seed, near)
        group = [one for one in near if one is best or leaves.share(one, best) >= _SHARED]
        if best is not seed and seed not in group:
            group.append(seed)  # it is what the best one explains
        found.append(_incident(best, group, known))
        left = [one for one in left if not any(one is member for member in group)]
    found.sort(key=lambda one: -abs(one.signal.excess_usd))
    return _once(found)[:MOST_INCIDENTS]


def _seed(left: Sequence[Signal]) -> Signal:
    """Return the finest signal, or one by the hour of the same time that holds far more of it.

    A price that doubled for ten hours may stand out as a spike in one of them.
    """
    seed = left[0]
    by_hour = [one for one in left if rank(one) <= _HOURLY and _overlap(one, seed)]
    most = max(by_hour, key=lambda one: abs(one.excess_usd), default=seed)
    return most if abs(most.excess_usd) > _FAR_MORE * abs(seed.excess_usd) else seed


def _order(one: Signal) -> tuple[int, float]:
    return rank(one), -abs(one.excess_usd)


def rank(one: Signal) -> int:
    """Return how finely a signal tells when it began; the least is the finest."""
    return _RANK.get((one.code, one.unit), _LATER.get(one.code, 6))


def _is_quiet(one: Signal) -> bool:
    return one.code == "quiet"


def _overlap(one: Signal, other: Signal) -> bool:
    return one.start_s < other.end_s + HOUR_S and other.start_s < one.end_s + HOUR_S


def _best(seed: Signal, near: Sequence[Signal]) -> Signal:
    """Return what stands out most among what holds most of the excess."""
    likely = [
        one
        for one in near
        if rank(one) == rank(seed) and abs(one.excess_usd) >= _MOST_OF_IT * abs(seed.excess_usd)
    ]
    return max(likely, key=lambda one: (abs(one.z), one.key.dimension != "project"), default=seed)


def _incident(best: Signal, group: Sequence[Signal], known: Sequence[Known]) -> Incident:
    keys = {one.key for one in group}
    for old in known:
        is_near = old.start_s - _NEAR_S < best.end_s and best.start_s < old.end_s + _NEAR_S
        if is_near and (old.key in keys or best.key in old.keys) and _alike(old.code, best.code):
            same = [one for one in group if one.key == old.key and rank(one) == rank(best)]
            told = max(same, key=lambda one: abs(one.excess_usd), default=best)
            return Incident(told, old.key, old.code, old.anchor_s, _rest(told, group))
    anchor_s = best.start_s // HOUR_S * HOUR_S
    return Incident(best, best.key, best.code, anchor_s, _rest(best, group))


def _alike(code: Code, other: Code) -> bool:
    return (code == "quiet") == (other == "quiet")


def _rest(told: Signal, group: Sequence[Signal]) -> tuple[Signal, ...]:
    rest = [one for one in group if one is not told]
    return tuple(sorted(rest, key=lambda one: -abs(one.excess_usd)))


def _once(found: Sequence[Incident]) -> list[Incident]:
    """Return incidents of one anchor as one: the first, with what the others say."""
    kept: dict[tuple[Key, Code, int], Incident] = {}
    for one in found:
        anchor = (one.anchor_key, one.anchor_code, one.anchor_s)
        first = kept.get(anchor)
        if first is None:
            kept[anchor] = one
        else:
            others = (*first.others, one.signal, *one.others)
            kept[anchor] = Incident(first.signal, *anchor, others)
    return list(kept.values())


class _Leaves:
    """Which leaves of a series are dearer than in the weeks before."""

    def __init__(self, hours: Cells) -> None:
        self._hours = hours
        self._excess: dict[tuple[int, int], Floats] = {}

    def share(self, one: Signal, other: Signal) -> float:
        """Return the share of one series' excess that lies in another, or the other way round."""
        if one.key == other.key or "project" in (one.key.dimension, other.key.dimension):
            return 1.0
        return max(self._part(one, other.key), self._part(other, one.key))

    def _part(self, one: Signal, key: Key) -> float:
        excess = self._of(one)
        own = np.array([one.key.has(leaf) for leaf in self._hours.leaves], bool)
        both = own & np.array([key.has(leaf) for leaf in self._hours.leaves], bool)
        total = float(excess[own].sum())
        return float(excess[both].sum()) / total if total > 0 else 0.0

    def _of(self, one: Signal) -> Floats:
        start_s = one.start_s // HOUR_S * HOUR_S
        end_s = max(-(-one.end_s // HOUR_S) * HOUR_S, start_s + HOUR_S)
        if (start_s, end_s) not in self._excess:
            now = self._hours.between(start_s, end_s)
            rise = now - usual(self._hours, start_s, end_s)
            self._excess[start_s, end_s] = np.maximum(rise if one.code != "quiet" else -rise, 0.0)
        return self._excess[start_s, end_s]


def reference_starts(first_s: int, start_s: int, end_s: int) -> tuple[int, ...]:
    """Return when comparable times before began: the same of up to four weeks, or of days.

    Args:
        first_s: nothing is known before.
        start_s: of the time that is compared.
        end_s: its end.
    """
    weeks = max(1, -(-(end_s - start_s) // _WEEK_S))
    back = [start_s - _WEEK_S * weeks * n for n in range(1, 5)]
    kept = tuple(one for one in back if one >= first_s)
    if kept:
        return kept
    days = max(1, -(-(end_s - start_s) // _DAY_S))
    back = [start_s - _DAY_S * days * n for n in range(1, 8)]
    return tuple(one for one in back if one >= first_s)


def usual(hours: Cells, start_s: int, end_s: int, measure: str = "cost_usd") -> Floats:
    """Return what each leaf spent in comparable times before, on average."""
    active = np.flatnonzero(hours.amounts[0].sum(axis=0))
    first_s = hours.first_s + int(active[0]) * HOUR_S if len(active) else hours.end_s
    starts = reference_starts(first_s, start_s, end_s)
    if not starts:
        return np.zeros(len(hours.leaves))
    parts = [hours.between(one, one + end_s - start_s, measure) for one in starts]
    return np.median(np.stack(parts), axis=0) if len(parts) > 2 else np.stack(parts).mean(axis=0)
