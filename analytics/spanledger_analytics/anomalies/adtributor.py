"""Which dimension a change comes from: Adtributor, and one step after another inside its winner.

Bhagwan et al., Adtributor: Revenue Debugging in Advertising Systems, NSDI 2014,
https://www.usenix.org/conference/nsdi14/technical-sessions/presentation/bhagwan. Elements of a
dimension are taken by surprise while each explains a tenth, until they explain two thirds;
dimensions are ranked by the surprise of what was taken. What an element explains is its share of
all that rose (or fell), so that moves which offset each other, as when one model replaces
another, stay visible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import NamedTuple

LEAST_SHARE = 0.1
ENOUGH_SHARE = 0.67
MOST_DEPTH = 3
_TOP = 3


class Pair(NamedTuple):
    """Dollars expected, and spent."""

    expected: float
    actual: float


class Element(NamedTuple):
    """A value of a dimension.

    Attributes:
        share: of all that moved the way the whole did.
        surprise: how much its share of the whole changed (a part of the Jensen-Shannon divergence).
    """

    name: str
    expected: float
    actual: float
    share: float
    surprise: float


class Cause(NamedTuple):
    """A dimension and its elements that explain the change, most surprising first."""

    dimension: str
    elements: tuple[Element, ...]
    surprise: float


Cell = tuple[Mapping[str, str], Pair]
"""Values by dimension, and the dollars of this combination."""


def rank(cells: Sequence[Cell], dimensions: Sequence[str]) -> list[Cause]:
    """Return the dimensions that explain the change, at most three, the best first.

    A dimension of which no few elements explain two thirds is left out, and so is one with a
    single value: it tells nothing.
    """
    causes: list[Cause] = []
    for dimension in dimensions:
        pairs = _by(cells, dimension)
        if len(pairs) < 2:
            continue
        elements = _taken(pairs)
        if sum(one.share for one in elements) > ENOUGH_SHARE:
            causes.append(Cause(dimension, elements, sum(one.surprise for one in elements)))
    causes.sort(key=lambda one: (-one.surprise, len(one.elements)))
    return causes[:_TOP]


def drill(cells: Sequence[Cell], dimensions: Sequence[str]) -> list[tuple[str, Element]]:
    """Return the way down: in each dimension the one element that holds most of the change.

    It ends where no single element holds two thirds of what is left, at a depth of three.
    """
    path: list[tuple[str, Element]] = []
    left, inside = list(dimensions), list(cells)
    while left and len(path) < MOST_DEPTH:
        causes = [one for one in rank(inside, left) if one.elements[0].share > ENOUGH_SHARE]
        if not causes:
            break
        dimension, top = causes[0].dimension, causes[0].elements[0]
        path.append((dimension, top))
        left.remove(dimension)
        inside = [cell for cell in inside if cell[0].get(dimension, "") == top.name]
    return path


def _by(cells: Sequence[Cell], dimension: str) -> dict[str, Pair]:
    pairs: dict[str, Pair] = {}
    for values, pair in cells:
        name = values.get(dimension, "")
        old = pairs.get(name, Pair(0.0, 0.0))
        pairs[name] = Pair(old.expected + pair.expected, old.actual + pair.actual)
    return pairs


def _taken(pairs: Mapping[str, Pair]) -> tuple[Element, ...]:
    expected = sum(pair.expected for pair in pairs.values())
    actual = sum(pair.actual for pair in pairs.values())
    sign = 1.0 if actual >= expected else -1.0
    moved = sum(max(0.0, sign * (pair.actual - pair.expected)) for pair in pairs.values())
    if moved <= 0:
        return ()
    elements = [
        Element(
            name,
            *pair,
            share=max(0.0, sign * (pair.actual - pair.expected)) / moved,
            surprise=_surprise(_share(pair.expected, expected), _share(pair.actual, actual)),
        )
        for name, pair in pairs.items()
    ]
    elements.sort(key=lambda one: (-one.surprise, -one.share, one.name))
    taken: list[Element] = []
    for one in elements:
        if one.share > LEAST_SHARE:
            taken.append(one)
        if sum(other.share for other in taken) > ENOUGH_SHARE:
            break
    return tuple(taken)


def _share(part: float, whole: float) -> float:
    return max(0.0, part) / whole if whole > 0 else 0.0


def _surprise(p: float, q: float) -> float:
    """Return the part of the divergence of one share ``p`` that became ``q``."""
    middle = p + q
    both = (p * log(2 * p / middle) if p > 0 else 0.0) + (q * log(2 * q / middle) if q > 0 else 0.0)
    return 0.5 * both
