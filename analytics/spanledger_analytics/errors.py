"""Errors of the analytics package.

AnalyticsError
└── PriceError      what a user gave as a price cannot be taken; says what, where, what to do
"""


class AnalyticsError(Exception):
    """Root of everything this package raises on purpose."""


class PriceError(AnalyticsError):
    """What a user gave as a price cannot be taken; the message says what to do instead."""
