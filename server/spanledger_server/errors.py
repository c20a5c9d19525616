"""Errors of the command line.

ServerError
├── UsageError      the user can put it right; printed as one sentence, exit code 2
└── StartError      a process did not come up; printed with the end of its log, exit code 1
"""


class ServerError(Exception):
    """Root of everything the command line raises on purpose."""


class UsageError(ServerError):
    """Something the user can put right; the message says what it is and what to do."""


class StartError(ServerError):
    """A process of ours did not start; the message quotes its log."""
