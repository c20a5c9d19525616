"""Exact arithmetic of matching: money and quantities as whole numbers of 10^-12."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import cast

import numpy as np
import pyarrow as pa

from spanledger_analytics._rows import Column

ONE = 10**12
_EXACT = Context(prec=80)
_USD = pa.decimal128(38, 12)


def to_pico(value: Decimal | None) -> int:
    """Return a number in units of 10^-12, half to even where it is finer; None is 0."""
    if not value:
        return 0
    return int(_EXACT.to_integral_value(_EXACT.scaleb(value, 12)))


def picos_of(column: Column) -> list[int]:
    """Return a result's column of numbers with twelve decimals in units of 10^-12; NULL is 0."""
    found: list[int] = []
    for chunk in cast("list[pa.Decimal128Array]", column.chunks):
        if chunk.null_count or chunk.type != _USD:
            found += map(to_pico, chunk.to_pylist())
            continue
        # A decimal is stored as its digits: a whole number of two words, the lower one first.
        content = chunk.buffers()[1]
        words = np.frombuffer(memoryview(content or b""), np.int64).reshape(-1, 2)
        words = words[chunk.offset : chunk.offset + len(chunk)]
        low, high = words[:, 0], words[:, 1]
        if np.array_equal(high, low >> 63):
            found += low.tolist()
        else:
            lower = low.view(np.uint64).tolist()
            found += [(top << 64) + rest for top, rest in zip(high.tolist(), lower, strict=True)]
    return found


def from_pico(value: int) -> Decimal:
    """Return the number again, with twelve decimals."""
    return _EXACT.scaleb(Decimal(value), -12)


def pro_rata(amount: int, part: int, whole: int) -> int:
    """Return the part's share of an amount, rounded half to even; ``whole`` is not 0."""
    product = amount * part
    if whole < 0:
        product, whole = -product, -whole
    share, rest = divmod(product, whole)
    twice = 2 * rest
    return share + (twice > whole or (twice == whole and share % 2 == 1))
