"""Errors of the alerts package.

AlertsError
├── RuleError             a rule cannot be read; the message says where, what, and what is allowed
└── ChannelConfigError    a channel is not configured as it should be
"""


class AlertsError(Exception):
    """Root of everything this package raises on purpose."""


class RuleError(AlertsError):
    """A rule cannot be read; one line for each mistake."""


class ChannelConfigError(AlertsError):
    """A channel is not configured as it should be; says what to write, and never a secret."""
