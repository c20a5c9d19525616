"""Moments in UTC, for where the reader's clock is shown."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(at_s: float) -> str:
    """Return a moment (unix seconds) in UTC: ``2026-03-01 13:05:09 UTC``."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
