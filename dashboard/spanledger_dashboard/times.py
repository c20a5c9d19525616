"""Moments in UTC, for where the reader's clock is shown."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

_OFFSET = len("2026-03-01T13:05:09")


def utc(at_s: float) -> str:
    """Return a moment (unix seconds) in UTC: ``2026-03-01 13:05:09 UTC``."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def utc_range(from_s: float, to_s: float) -> str:
    """Return two moments (unix seconds) in UTC."""
    return f"{utc(from_s).removesuffix(' UTC')} to {utc(to_s)}"


def clock(zone: tzinfo, *unix_s: float) -> str:
    """Return how far a clock is from UTC at some moments, each once: ``UTC+01:00/+02:00``."""
    offsets = dict.fromkeys(_offset(zone, at_s) for at_s in unix_s)
    return "UTC" + "/".join(offsets) if list(offsets) != ["+00:00"] else "UTC"


def _offset(zone: tzinfo, at_s: float) -> str:
    return datetime.fromtimestamp(at_s, zone).isoformat(timespec="seconds")[_OFFSET:]
