"""Answers kept for a few seconds, so that many who ask cost as much as one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT")


class _Entry(Generic[AnswerT]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.answer: AnswerT | None = None
        self.error: Exception | None = None
        self.made_at_s = 0.0


class Remembered(Generic[AnswerT]):
    """Answers by question; each is made once, however many wait for it.

    That there is none is an answer, too: else all who wait would try one after the other.

    Args:
        keep_s: how long an answer is good.
        at_most: questions that are remembered; those asked longest ago are forgotten.
        clock_s: only ever grows.
    """

    def __init__(
        self, keep_s: float, at_most: int = 256, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._keep_s = keep_s
        self._at_most = at_most
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry[AnswerT]] = OrderedDict()

    def get(self, question: Hashable, make: Callable[[], AnswerT]) -> AnswerT:
        """Return the answer, made now unless it is known; what ``make`` raised is raised again."""
        entry = self._entry(question)
        with entry.lock:
            is_fresh = self._clock_s() - entry.made_at_s < self._keep_s
            if entry.error is not None and is_fresh:
                raise entry.error.with_traceback(None)  # else it grew with everyone who asks
            if entry.answer is None or not is_fresh:
                entry.answer = self._made(entry, make)
            return entry.answer

    def _made(self, entry: _Entry[AnswerT], make: Callable[[], AnswerT]) -> AnswerT:
        entry.answer = entry.error = None
        try:
            return make()
        except Exception as error:
            entry.error = error
            raise
        finally:
            entry.made_at_s = self._clock_s()

    def _entry(self, question: Hashable) -> _Entry[AnswerT]:
        with self._lock:
            entry = self._entries.setdefault(question, _Entry())
            self._entries.move_to_end(question)
            if len(self._entries) > self._at_most:
                self._entries.popitem(last=False)
            return entry
