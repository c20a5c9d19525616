"""Spans on their way out: a bounded queue that a thread of its own empties.

OpenTelemetry's batch processor does nearly this; but it cannot end within a given time, and does
not tell how many spans it dropped.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic, sleep, thread_time
from typing import TypeVar

from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import TraceFlags

from spanledger._errors import told
from spanledger._signatures import ENDING, Said

_EVERY_S = 1.0
_MOST_SPANS = 8192
_WAKE_SPANS = 512
_MOST_AT_ONCE = 512  # spans of a request when many wait
_FEW_AT_ONCE = 256  # else: what a request is put together of is put together in one go
# The thread that sends holds the interpreter's lock while it works, up to 5 ms before Python takes
# it away from it. After so many spans, or so much work (a long result takes milliseconds to sign,
# in which nobody can take the lock), it lets go of it, long enough for another to wake.
_SLICE = 16
_SLICE_S = 0.0005
_PAUSE_S = 0.0005
T = TypeVar("T")
_SUPPRESSED = ("suppress_instrumentation", "suppress_http_instrumentation")


@dataclass(slots=True)
class QueueFigures:
    """Spans since the start: sent, dropped because the queue was full, refused or lost."""

    sent: int = 0
    dropped: int = 0
    failed: int = 0


class SpanQueue:
    """Takes ended spans from the program at once, and sends them from its own thread.

    Args:
        make_exporter: makes what sends a batch, which may block and may fail.
        applied: makes of a span, and of what its tool call said, what may leave; ``None``:
            nothing of it may.
        idle: called by the thread when there is nothing to do.
    """

    def __init__(
        self,
        make_exporter: Callable[[], SpanExporter],
        applied: Callable[[ReadableSpan, Said | None], ReadableSpan | None],
        idle: Callable[[], object] | None = None,
    ) -> None:
        self.figures = QueueFigures()
        self._make_exporter = make_exporter
        self._exporter: SpanExporter | None = make_exporter()
        self._applied = applied
        self._idle = idle
        self._queue: deque[tuple[ReadableSpan, Said | None]] = deque()
        self._start()
        if hasattr(os, "register_at_fork"):
            mine = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _restarted(mine()))

    def _start(self) -> None:
        self._is_ending = False
        self._wake = threading.Event()
        self._is_idle = threading.Event()
        self._is_idle.set()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def restart(self) -> None:
        """Begin anew in a forked child: what waited is the parent's to send."""
        self._queue.clear()
        self.figures = QueueFigures()
        self._exporter = None  # its connections are the parent's
        self._start()

    def add(self, span: ReadableSpan) -> None:
        """Queue a span; never waits."""
        own = span.get_span_context()
        if self._is_ending or own is None or not own.trace_flags & TraceFlags.SAMPLED:
            return
        queue = self._queue
        if len(queue) >= _MOST_SPANS:
            self.figures.dropped += 1
            told("the queue of spans is full", "spans are dropped")
            return
        queue.append((span, ENDING.said))
        if self._thread is None:
            self._start_thread()
        if len(queue) >= _WAKE_SPANS and not self._wake.is_set():
            self._wake.set()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what is queued now is sent or has failed; return whether that was so."""
        with self._starting:  # another thread may be starting ours just now
            has_thread = self._thread is not None
        if not has_thread:
            return not self._queue
        deadline = monotonic() + timeout_millis / 1000
        self._is_idle.clear()
        self._wake.set()
        return self._is_idle.wait(max(0.0, deadline - monotonic())) and not self._queue

    def shutdown(self, timeout_millis: int = 2000) -> None:
        """Send what is left within the time there is, then let go."""
        if self._is_ending:
            return
        self.force_flush(timeout_millis)
        self._is_ending = True
        self._wake.set()
        self.figures.dropped += len(self._queue)
        self._queue.clear()
        try:
            if self._exporter is not None:
                self._exporter.shutdown()
        except Exception as error:
            told("ending", error)

    def _start_thread(self) -> None:
        # Not waited for: a stream may be collected, and its span end, in the thread that holds it.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="spanledger", daemon=True)
                thread.start()
                self._thread = thread
        except RuntimeError as error:  # the interpreter is ending
            told("starting a thread", error)
        finally:
            self._starting.release()

    def _run(self) -> None:
        for key in _SUPPRESSED:
            context.attach(context.set_value(key, True))
        wake, is_idle = self._wake, self._is_idle
        while not self._is_ending:
            wake.wait(_EVERY_S)
            wake.clear()
            try:
                while self._queue and not self._is_ending:
                    self._send()
                if self._idle is not None and not self._is_ending:
                    self._idle()
            except Exception as error:
                told("sending", error)
            if not self._queue:
                is_idle.set()

    def _send(self) -> None:
        queue = self._queue
        most = _MOST_AT_ONCE if len(queue) > _MOST_SPANS // 2 else _FEW_AT_ONCE
        taken = [queue.popleft() for _ in range(min(most, len(queue)))]
        made = [self._applied(span, said) for span, said in self._paced(taken)]
        batch = _Batch(span for span in made if span is not None)
        self.figures.dropped += len(taken) - len(batch)
        if not batch:
            return
        batch.paced = self._paced
        try:
            if self._exporter is None:
                self._exporter = self._make_exporter()
            is_sent = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception as error:
            told("sending", error)
            is_sent = False
        if is_sent:
            self.figures.sent += len(batch)
        else:
            self.figures.failed += len(batch)

    def _paced(self, items: Iterable[T]) -> Iterator[T]:
        """Pass items on, with pauses for the program; none while somebody waits for a flush."""
        began_s = thread_time()
        for n, item in enumerate(items, 1):
            yield item
            if n % _SLICE and thread_time() - began_s < _SLICE_S:
                continue
            if self._is_idle.is_set():
                sleep(_PAUSE_S)
            began_s = thread_time()


class _Batch(list[ReadableSpan]):
    """Spans of a request; the exporter, which encodes one after the other, is paced, too."""

    paced: Callable[[Iterable[ReadableSpan]], Iterator[ReadableSpan]] = iter

    def __iter__(self) -> Iterator[ReadableSpan]:
        return self.paced(super().__iter__())


def _restarted(processor: SpanQueue | None) -> None:
    if processor is not None:
        processor.restart()
