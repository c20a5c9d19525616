"""How much a project may send: token buckets (https://en.wikipedia.org/wiki/Token_bucket)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from spanledger_collector.errors import RateLimited
from spanledger_storage.project_settings import Project

_BURST_S = 2
_NS_PER_S = 10**9


class RateLimits:
    """Buckets of every project of one process; to be used from one thread."""

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, project: Project, items: int, size_bytes: int) -> None:
        """Count a request against the limits of its project.

        Args:
            project: whose request it is.
            items: spans, log records and data points in it.
            size_bytes: of the request, decompressed.

        Raises:
            RateLimited: it is over one of them; nothing was counted.
        """
        now_ns = self._now_ns()
        taken = list[tuple[_Bucket, int]]()
        for unit, rate, amount in _wanted(project, items, size_bytes):
            bucket = self._buckets.setdefault((project.name, unit), _Bucket(rate, now_ns))
            if not bucket.has_room(rate, amount, now_ns):
                raise RateLimited(
                    f"Project {project.name} may send {rate:,} {unit} per second; send again."
                )
            taken.append((bucket, amount))
        for bucket, amount in taken:
            bucket.take(amount)

    def give_back(self, project: Project, items: int, size_bytes: int) -> None:
        """Count a request no more that ``take`` counted, because nothing of it was kept."""
        for unit, _, amount in _wanted(project, items, size_bytes):
            if bucket := self._buckets.get((project.name, unit)):
                bucket.take(-amount)


def _wanted(project: Project, items: int, size_bytes: int) -> Iterator[tuple[str, int, int]]:
    """Yield unit, rate and amount of each limit that a project has."""
    limits = project.settings.limits
    if limits.items_per_s is not None:
        yield "items", limits.items_per_s, items
    if limits.bytes_per_s is not None:
        yield "bytes", limits.bytes_per_s, size_bytes


class _Bucket:
    """What may be sent at once: fills with the rate, up to that of two seconds.

    A request larger than that passes when the bucket is full, and leaves a debt: else it could
    never be sent. Amounts are in billionths, so that whole numbers stay exact.
    """

    def __init__(self, rate: int, now_ns: int) -> None:
        self._level = rate * _BURST_S * _NS_PER_S
        self._filled_at_ns = now_ns

    def has_room(self, rate: int, amount: int, now_ns: int) -> bool:
        full = rate * _BURST_S * _NS_PER_S
        self._level = min(full, self._level + (now_ns - self._filled_at_ns) * rate)
        self._filled_at_ns = now_ns
        return self._level >= min(amount * _NS_PER_S, full)

    def take(self, amount: int) -> None:
        self._level -= amount * _NS_PER_S
