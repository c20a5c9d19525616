"""Whole picodollars divided without losing or making one."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal

PICO = 10**12
_EXACT = Context(prec=60)


def divided(total: int, weights: Sequence[int]) -> list[int]:
    """Return ``total`` in parts in proportion to the weights; the parts add up to it exactly.

    Each part is rounded down, and what is left goes by one to the largest remainders, the earlier
    first (largest remainder method). Weights are zero or more; where all are zero, or there are
    none, so are the parts: the caller keeps the total.
    """
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    parts: list[int] = []
    remainders: list[int] = []
    for weight in weights:
        part, remainder = divmod(total * weight, whole)
        parts.append(part)
        remainders.append(remainder)
    left = total - sum(parts)
    if left:
        order = sorted(range(len(weights)), key=lambda i: -remainders[i])
        for index in order[:left]:
            parts[index] += 1
    return parts


def picodollars(usd: Decimal) -> int:
    """Return whole picodollars, rounded down."""
    return int(_EXACT.scaleb(usd, 12))


def dollars(pico: int) -> Decimal:
    """Return dollars, exactly."""
    return _EXACT.scaleb(Decimal(pico), -12)
