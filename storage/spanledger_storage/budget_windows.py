"""The time a budget is for: the last so many seconds, or a day, week or month of a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from spanledger_storage.errors import ConfigError

Period = Literal["rolling", "day", "week", "month"]
PERIODS: tuple[Period, ...] = ("rolling", "day", "week", "month")
SHORTEST_ROLLING_S = 60
LONGEST_ROLLING_S = 92 * 86_400
_MOST_STEP_S = 60


@dataclass(frozen=True, slots=True)
class Window:
    """UTC unix seconds, half open; ``end_s`` of a rolling window is now."""

    start_s: int
    end_s: int


def window_at(period: Period, timezone: str, rolling_s: int | None, now_s: int) -> Window:
    """Return the window that ``now_s`` lies in.

    Calendar windows begin at midnight of the zone, weeks on Monday (ISO 8601). A rolling window
    begins on a multiple of a sixtieth of its length, of at most a minute, so that it is never
    shorter than it says.
    """
    if period == "rolling":
        length_s = rolling_s or SHORTEST_ROLLING_S
        step_s = min(_MOST_STEP_S, length_s // 60)
        return Window((now_s - length_s) // step_s * step_s, now_s)
    zone = zone_of(timezone)
    today = datetime.fromtimestamp(now_s, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    # On the wall clock, without its zone: a day of the clock's change has 23 or 25 hours.
    start = today.replace(tzinfo=None, fold=0)
    if period == "day":
        end = start + timedelta(days=1)
    elif period == "week":
        start -= timedelta(days=start.weekday())
        end = start + timedelta(days=7)
    else:
        start = start.replace(day=1)
        end = (start + timedelta(days=32)).replace(day=1)
    return Window(_unix_s(start, zone), _unix_s(end, zone))


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        ConfigError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"There is no time zone {name[:64]!r}; a name of the IANA database is meant, such as "
            "UTC or Europe/Berlin."
        ) from None


def _unix_s(wall: datetime, zone: ZoneInfo) -> int:
    return int(wall.replace(tzinfo=zone).timestamp())
