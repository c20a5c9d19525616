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
        self.made_at_s = 0.0


class Remembered(Generic[AnswerT]):
    """Answers by question; each is made once, however many wait for it.

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
        """Return the answer, made now unless it is known; what ``make`` raises is not kept."""
        entry = self._entry(question)
        with entry.lock:
            if entry.answer is None or self._clock_s() - entry.made_at_s >= self._keep_s:
                entry.answer = make()
                entry.made_at_s = self._clock_s()
            return entry.answer

    def _entry(self, question: Hashable) -> _Entry[AnswerT]:
        with self._lock:
            entry = self._entries.setdefault(question, _Entry())
            self._entries.move_to_end(question)
            if len(self._entries) > self._at_most:
                self._entries.popitem(last=False)
            return entry
