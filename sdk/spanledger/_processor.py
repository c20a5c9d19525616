"""What happens to every span of every library when it starts and when it ends.

One processor instead of one for each purpose: OpenTelemetry calls each of them three times a span.
"""

from __future__ import annotations

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from spanledger._context import share
from spanledger._errors import LimitReached
from spanledger._failures import told
from spanledger._pending import pending_copy
from spanledger._queue import SpanQueue
from spanledger._tracing import SCOPE
from spanledger._watching import Watch


class StepProcessor(SpanProcessor):
    """Stamps what is shared, lets guards see calls, and hands ended spans to the queue.

    Args:
        queue: takes what is to be sent; ``None``: nothing is.
        pending: whether it gets a copy of agents and tools when they start, too.
    """

    def __init__(self, queue: SpanQueue | None = None, *, pending: bool = False) -> None:
        self._queue = queue
        self._watch = Watch()
        self._pending = queue if pending else None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Take up a span that starts.

        Raises:
            LimitReached: a guard that was told to raise stops the call.
        """
        base = context.get_current() if parent_context is None else parent_context
        try:
            scope = span.instrumentation_scope
            if scope is None or scope.name != SCOPE:  # our own are stamped already
                share(span, base)
                self._watch.started(span, base)
            if self._pending is not None and (copy := pending_copy(span)) is not None:
                self._pending.add(copy)
        except LimitReached:
            raise
        except Exception as error:
            told("a span that starts", error)

    def on_end(self, span: ReadableSpan) -> None:
        """Take up a span that has ended; never waits."""
        try:
            self._watch.ended(span)
        except Exception as error:
            told("guarding a call", error)
        if self._queue is not None:
            self._queue.add(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what has ended is sent; return whether it was, in this time."""
        return self._queue is None or self._queue.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Send what is left within two seconds, then let go."""
        if self._queue is not None:
            self._queue.shutdown()
