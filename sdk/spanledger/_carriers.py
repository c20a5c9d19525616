"""The trace, the session and the dimensions, through whatever carries a map of texts."""

from __future__ import annotations

from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TypeVar

from opentelemetry import context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

C = TypeVar("C", bound=MutableMapping[str, str])
_W3C = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])


def inject(carrier: C) -> C:
    """Write the current trace and baggage, as W3C headers, into a map; return it.

    Headers of HTTP, of a message in a queue, of a Celery task or a Temporal workflow, or ``_meta``
    of a call of MCP: ``inject({})`` gives what to send along.
    """
    _W3C.inject(carrier)
    return carrier


@contextmanager
def extract(carrier: Mapping[str, str] | None) -> Generator[None]:
    """Continue inside the block the trace that ``inject`` wrote into a map."""
    found = {} if carrier is None else {key.lower(): value for key, value in carrier.items()}
    token = context.attach(_W3C.extract(found))
    try:
        yield
    finally:
        context.detach(token)
