"""The time ranges people choose from, and the buckets their charts are drawn in."""

from __future__ import annotations

from dataclasses import dataclass

_MINUTE = 60
_HOUR = 3_600
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A choice in the range picker.

    Attributes:
        key: as on the button and in the address.
        length_s: seconds covered, a multiple of ``bucket_s``.
        bucket_s: seconds per bar of a chart.
        is_hourly: True when the hourly cube is fine enough.
    """

    key: str
    length_s: int
    bucket_s: int
    is_hourly: bool

    def window(self, now_s: int) -> Window:
        """Return the buckets up to and including the one ``now_s`` lies in."""
        current = now_s - now_s % self.bucket_s
        end = current + self.bucket_s
        return Window(start_s=end - self.length_s, current_s=current, end_s=end)


@dataclass(frozen=True, slots=True)
class Window:
    """A time range at one moment, unix seconds.

    Attributes:
        start_s: first second shown.
        current_s: start of the bucket that is not over yet.
        end_s: end of that bucket; nothing shown is later.
    """

    start_s: int
    current_s: int
    end_s: int

    @property
    def length_s(self) -> int:
        """Seconds shown."""
        return self.end_s - self.start_s


RANGES = {
    r.key: r
    for r in (
        TimeRange("1h", _HOUR, _MINUTE, is_hourly=False),
        TimeRange("6h", 6 * _HOUR, 5 * _MINUTE, is_hourly=False),
        TimeRange("24h", _DAY, _HOUR, is_hourly=True),
        TimeRange("7d", 7 * _DAY, 3 * _HOUR, is_hourly=True),
        TimeRange("30d", 30 * _DAY, 12 * _HOUR, is_hourly=True),
    )
}
DEFAULT_RANGE = "24h"
