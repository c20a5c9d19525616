"""Context buckets: requests of which size a report tells apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

BOUNDARIES = (128_000, 200_000, 256_000, 272_000, 512_000)
"""Sizes of request (input tokens) above which some provider charges more; ascending.

https://docs.anthropic.com/en/docs/about-claude/pricing, https://ai.google.dev/pricing,
https://platform.openai.com/docs/pricing
"""

_LONG = {"openai": 272_000, "azure": 272_000}
_LONG_ELSEWHERE = 200_000
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([km])?", re.IGNORECASE)
_UNITS = {"k": 1_000, "m": 1_000_000, "": 1}


@lru_cache(maxsize=1024)
def lower_bound(provider_id: str, context: str) -> int | None:
    """Return the size above which requests are in a bucket, 0 for the smallest; None: not told.

    Forms: ``0-200k``, ``200k-1M``, ``≤ 200k``, ``> 200k``, ``long``, ``short``.
    """
    text = context.strip().lower()
    if not text:
        return 0
    if any(word in text for word in ("≤", "<", "short", "up to")):
        return 0
    numbers = [int(float(n) * _UNITS[unit.lower()]) for n, unit in _NUMBER.findall(text)]
    if numbers:
        return numbers[0]
    return _LONG.get(provider_id, _LONG_ELSEWHERE) if "long" in text else None


def bucket_of(bounds: Iterable[int], size_index: int) -> int:
    """Return in which of a report's buckets requests of a size class are.

    Args:
        bounds: lower bounds of the report's buckets.
        size_index: how many of ``BOUNDARIES`` the requests exceed.
    """
    exceeded = BOUNDARIES[size_index - 1] if size_index else 0
    return max((bound for bound in bounds if bound <= exceeded), default=0)
