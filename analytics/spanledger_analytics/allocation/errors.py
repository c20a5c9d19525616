"""The error of allocation."""

from __future__ import annotations

from spanledger_analytics.errors import AnalyticsError


class AllocationError(AnalyticsError):
    """A rule or a period cannot be taken as it was given; the message says what to do instead."""
