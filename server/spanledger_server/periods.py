"""Periods as people and programs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from spanledger_analytics.data_quality import Period
from spanledger_server.errors import UsageError

DAY_S = 86_400
_LENGTH = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": DAY_S}


def parse_period(start: str, end: str, now_s: int) -> Period:
    """Return the period from ``start`` up to, not including, ``end``.

    Both are an RFC 3339 time or a date, which means its first moment in UTC. An empty end is now,
    an empty start one day before the end.

    Raises:
        UsageError: one of them is no time, or the period is empty; the message says what to do.
    """
    to_s = _unix_s("to", end) if end else now_s
    from_s = _unix_s("from", start) if start else to_s - DAY_S
    if from_s >= to_s:
        raise UsageError(
            f"The period is empty: it starts at {rfc3339(from_s)} and ends at {rfc3339(to_s)}. "
            "Give a start before the end; a date means its first moment in UTC."
        )
    return Period(from_s, to_s)


def parse_moment(name: str, text: str, now_s: int, zone: tzinfo = UTC) -> int:
    """Return an RFC 3339 time or date in unix seconds; an empty one is now, a date its midnight.

    Raises:
        UsageError: it is no time; the message says what to do.
    """
    return _unix_s(name, text, zone) if text else now_s


def parse_since(name: str, text: str, now_s: int) -> int:
    """Return when a period begins, unix seconds: so long ago, as 90m or 7d, or at a date or time.

    Raises:
        UsageError: it is neither; the message says what to do.
    """
    length_s = parse_length(text)
    return parse_moment(name, text, now_s) if length_s is None else max(0, now_s - length_s)


def parse_length(text: str) -> int | None:
    """Return a length such as 30s, 90m, 24h or 7d in seconds; None: it is none."""
    found = _LENGTH.fullmatch(text.strip())
    return int(found[1]) * _SECONDS[found[2]] if found else None


def rfc3339(unix_s: int) -> str:
    """Return a moment in UTC: 2026-11-21T00:00:00Z."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unix_s(name: str, text: str, zone: tzinfo = UTC) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            if len(text.strip()) > len("2026-11-21"):
                raise ValueError("no offset")
            moment = moment.replace(tzinfo=zone)
        seconds = int(moment.timestamp())
    except (ValueError, OverflowError):
        raise UsageError(
            f"{name}={text[:40]!r} is no time; write a date (2026-11-21) or an RFC 3339 time with "
            "its offset (2026-11-21T08:00:00Z; in an address + is written %2B)."
        ) from None
    # What the store's time type can hold.
    if not 0 <= seconds < 2**32:
        raise UsageError(f"{name}={text[:40]!r} is outside of 1970 to 2106.")
    return seconds
