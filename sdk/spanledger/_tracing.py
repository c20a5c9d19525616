"""The tracer of this package, and its clock."""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns

from opentelemetry import trace
from opentelemetry.trace import Tracer, TracerProvider

from spanledger._version import __version__

SCOPE = "spanledger"
"""Instrumentation scope of all spans made here."""


class _Tracing:
    """The tracer in use; tests put in their own provider and clock."""

    __slots__ = ("clock_ns", "provider", "tracer")

    def __init__(self) -> None:
        self.use(None, None)

    def use(self, provider: TracerProvider | None, clock_ns: Callable[[], int] | None) -> None:
        """Take spans from a provider; ``None``: the global one, on the system's clock."""
        self.provider = provider
        self.clock_ns = clock_ns
        # The proxy that the API hands out before there is a provider follows the one set later.
        self.tracer: Tracer = (provider or trace).get_tracer(SCOPE, __version__)


TRACING = _Tracing()


def now_ns() -> int:
    """Return the time in nanoseconds since 1970."""
    clock_ns = TRACING.clock_ns
    return time_ns() if clock_ns is None else clock_ns()
