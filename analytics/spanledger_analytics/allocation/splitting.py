"""Shared costs split among owners, to the picodollar; pure.

First among the teams (cost centres, customers) of the pool, by its method; then within each among
its owners in proportion to what they cost directly. So a report by any field is a sum of the same
parts. Whole picodollars, largest remainder method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spanledger_analytics.allocation.matching import EVEN, PERCENT, SPEND, Pool
from spanledger_analytics.allocation.owners import UNALLOCATED, Owner
from spanledger_analytics.gpu_cost.arithmetic import divided

_PERCENT_SCALE = 10**18


class Weight(NamedTuple):
    """What an owner costs directly: picodollars (a credit is negative) and tokens."""

    picodollars: int = 0
    tokens: int = 0


def split(picodollars: int, pool: Pool, direct: Mapping[Owner, Weight]) -> dict[Owner, int]:
    """Return the parts of a pool by owner; they add up to it exactly.

    Args:
        picodollars: of the pool; a credit is negative, and is split like a cost.
        pool: how it is split.
        direct: what owners cost directly; what nobody bears takes no part.

    What cannot be split, because no owner has the field or all weights are zero, stays with
    nobody, in sight.
    """
    names = _names(pool, direct)
    weights = [_weight(pool, name, direct) for name in names]
    if not sum(weights):
        return {UNALLOCATED: picodollars} if picodollars else {}
    found: dict[Owner, int] = {}
    for name, part in zip(names, _divided(picodollars, weights), strict=True):
        for owner, share in _within(part, pool.among, name, direct).items():
            found[owner] = found.get(owner, 0) + share
    return {owner: share for owner, share in found.items() if share}


def _names(pool: Pool, direct: Mapping[Owner, Weight]) -> list[str]:
    if pool.split == PERCENT:
        return [name for name, _ in pool.percents]
    return sorted({getattr(owner, pool.among) for owner in direct} - {""})


def _weight(pool: Pool, name: str, direct: Mapping[Owner, Weight]) -> int:
    if pool.split == PERCENT:
        return int(dict(pool.percents)[name] * _PERCENT_SCALE)
    if pool.split == EVEN:
        return 1
    own = [weight for owner, weight in direct.items() if getattr(owner, pool.among) == name]
    if pool.split == SPEND:
        return max(0, sum(weight.picodollars for weight in own))
    return sum(weight.tokens for weight in own)


def _within(part: int, among: str, name: str, direct: Mapping[Owner, Weight]) -> dict[Owner, int]:
    """Return the part of one name by owner: by direct cost, else by tokens, else even."""
    owners = sorted(owner for owner in direct if getattr(owner, among) == name)
    if not owners:
        return {UNALLOCATED._replace(**{among: name}): part}
    weights = [max(0, direct[owner].picodollars) for owner in owners]
    if not sum(weights):
        weights = [direct[owner].tokens for owner in owners]
    if not sum(weights):
        weights = [1] * len(owners)
    return dict(zip(owners, _divided(part, weights), strict=True))


def _divided(total: int, weights: list[int]) -> list[int]:
    parts = divided(abs(total), weights)
    return parts if total >= 0 else [-part for part in parts]
