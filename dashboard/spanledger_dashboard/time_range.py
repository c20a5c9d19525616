"""The time ranges people choose from, and the buckets their charts are drawn in."""

from __future__ import annotations

from dataclasses import dataclass

_MINUTE = 60
_HOUR = 3_600
_DAY = 86_400
_BUCKETS_S = (_MINUTE, 5 * _MINUTE, _HOUR, 3 * _HOUR, 12 * _HOUR, _DAY, 7 * _DAY, 28 * _DAY)
_MAX_BUCKETS = 72


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A choice in the range picker.

    Attributes:
        key: as on the button and in the address.
        length_s: seconds covered, a multiple of ``bucket_s``.
        bucket_s: seconds per bar of a chart.
        end_s: unix seconds, a multiple of ``bucket_s``; None: it ends now.
    """

    key: str
    length_s: int
    bucket_s: int
    end_s: int | None = None

    @classmethod
    def between(cls, from_s: int, to_s: int) -> TimeRange:
        """Return a range somebody chose, widened to whole buckets; unix seconds in any order."""
        first, last = min(from_s, to_s), max(from_s, to_s)
        bucket_s = next((b for b in _BUCKETS_S if last - first <= _MAX_BUCKETS * b), _BUCKETS_S[-1])
        start = first - first % bucket_s
        end = max(last + -last % bucket_s, start + bucket_s)
        return cls("custom", end - start, bucket_s, end)

    @property
    def label(self) -> str:
        """The length in words that fit a card: ``24h``, ``3d``."""
        return self.key if self.end_s is None else _length(self.length_s)

    def window(self, now_s: int) -> Window:
        """Return the buckets up to and including the one ``now_s`` lies in, or the chosen ones."""
        if self.end_s is not None:
            start = self.end_s - self.length_s
            over = min(self.end_s, now_s - now_s % self.bucket_s)
            return Window(start, max(start, over), self.end_s)
        current = now_s - now_s % self.bucket_s
        end = current + self.bucket_s
        return Window(start_s=end - self.length_s, current_s=current, end_s=end)


@dataclass(frozen=True, slots=True)
class Window:
    """A time range at one moment, unix seconds.

    Attributes:
        start_s: first second shown.
        current_s: start of the bucket that is not over yet; ``end_s`` when all are over.
        end_s: end of that bucket; nothing shown is later.
    """

    start_s: int
    current_s: int
    end_s: int

    @property
    def length_s(self) -> int:
        """Seconds shown."""
        return self.end_s - self.start_s


def _length(seconds: int) -> str:
    for size, letter in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


RANGES = {
    r.key: r
    for r in (
        TimeRange("1h", _HOUR, _MINUTE),
        TimeRange("6h", 6 * _HOUR, 5 * _MINUTE),
        TimeRange("24h", _DAY, _HOUR),
        TimeRange("7d", 7 * _DAY, 3 * _HOUR),
        TimeRange("30d", 30 * _DAY, 12 * _HOUR),
    )
}
DEFAULT_RANGE = "24h"
