"""For tests of programs that use this package: spans in memory, with ids and times that repeat.

::

    from spanledger.testing import capture

    def test_agent() -> None:
        with capture() as captured:
            my_agent("hello")
        assert [span.name for span in captured.spans] == ["execute_tool search", "invoke_agent me"]
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

from spanledger._context import TRACING
from spanledger._processor import StepProcessor
from spanledger._settings import STATE, Content

__all__ = ["Captured", "FixedClock", "FixedIds", "capture"]


class FixedIds(IdGenerator):
    """Ids that count up from 1."""

    def __init__(self) -> None:
        self._spans = itertools.count(1)
        self._traces = itertools.count(1)

    def generate_span_id(self) -> int:
        """Return the next span id."""
        return next(self._spans)

    def generate_trace_id(self) -> int:
        """Return the next trace id."""
        return next(self._traces)


class FixedClock:
    """A clock that goes on by a millisecond each time it is asked.

    Args:
        start_ns: the first time it tells, in nanoseconds since 1970.
        step_ns: how far it goes on.
    """

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000, step_ns: int = 1_000_000) -> None:
        self.now_ns = start_ns
        self.step_ns = step_ns

    def __call__(self) -> int:
        """Return the time and go on."""
        now_ns = self.now_ns
        self.now_ns += self.step_ns
        return now_ns


class Captured:
    """What was recorded.

    Attributes:
        provider: give it to instrumentations whose spans should be captured, too.
        clock: tells the times of this package's spans.
    """

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.provider = TracerProvider(
            id_generator=FixedIds(), resource=Resource({}), shutdown_on_exit=False
        )
        self._exporter = InMemorySpanExporter()
        self.provider.add_span_processor(StepProcessor())
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        """Spans in the order they ended."""
        return list(self._exporter.get_finished_spans())

    def span(self, name: str) -> ReadableSpan:
        """Return the only span of this name.

        Raises:
            LookupError: there is none, or there are several.
        """
        found = [span for span in self.spans if span.name == name]
        if len(found) != 1:
            names = [span.name for span in self.spans]
            raise LookupError(f"{len(found)} spans are named {name!r}; there are {names}")
        return found[0]


@contextmanager
def capture(content: Content = "full") -> Generator[Captured]:
    """Record the spans of this package in memory while the block runs; nothing is sent."""
    captured = Captured()
    before = TRACING.provider, TRACING.clock_ns, STATE.content, STATE.signs_later
    TRACING.use(captured.provider, captured.clock)
    STATE.content, STATE.signs_later = content, False
    token = context.attach(Context())
    try:
        yield captured
    finally:
        context.detach(token)
        TRACING.use(before[0], before[1])
        STATE.content, STATE.signs_later = before[2:]
