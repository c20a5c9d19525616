"""Finds repetition in the steps of an agent, step by step, in constant time and memory.

A step is a call of a tool with its result, or all calls of one turn of the model. The end of the
steps repeats with period k, r times over, exactly when each of the last (r - 1) * k steps equals
the one k before it; the detector keeps that run length for each k up to ``max_period``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

LoopKind = Literal["exact", "cycle", "error_retry", "same_call"]
Level = Literal["warn", "stop"]


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """How often something is repeated before it counts: first to warn, then to stop.

    Attributes:
        exact: times the same call gave the same result, one after the other.
        cycle: times the same two to ``max_period`` steps came, with the same results.
        error_retry: times the same call failed, whatever it said.
        same_call: times the same call was made while its results differed; a poll, perhaps.
        max_period: longest cycle looked for.
    """

    exact: tuple[int, int] = (3, 5)
    cycle: tuple[int, int] = (3, 4)
    error_retry: tuple[int, int] = (3, 5)
    same_call: tuple[int, int] = (20, 50)
    max_period: int = 8


@dataclass(slots=True)
class Step:
    """Signatures of what was asked and what came of it; 0: not known.

    Attributes:
        call: of what was asked.
        told: of what came of it, or what makes that signature: most are never asked for.
        is_error: whether it failed.
    """

    call: int
    told: int | Callable[[], int]
    is_error: bool = False

    @property
    def result(self) -> int:
        """Signature of what came of it."""
        told = self.told
        return told if isinstance(told, int) else self.sign()

    def sign(self) -> int:
        """Make the signature of what came of it now, and let go of what it is made of."""
        made = self.told if isinstance(self.told, int) else self.told()
        self.told = made
        return made


@dataclass(frozen=True, slots=True)
class Repetition:
    """What repeats at the end of the steps: ``copies`` times the same ``period`` steps."""

    kind: LoopKind
    level: Level
    period: int
    copies: int


class LoopDetector:
    """Watches one lane: the steps of one run of an agent, in order."""

    __slots__ = ("_calls", "_errors", "_limits", "_recent", "_runs", "_steps")

    def __init__(self, limits: LoopLimits | None = None) -> None:
        self._limits = limits or LoopLimits()
        size = self._limits.max_period
        self._steps: deque[Step] = deque(maxlen=size)
        self._recent: deque[int] = deque(maxlen=size)  # what these steps asked
        self._runs = [0] * (size + 1)
        self._calls = 0
        self._errors = 0

    def add(self, step: Step) -> Repetition | None:
        """Take up a step; return what repeats now, the worst of it."""
        if not step.call:  # nobody knows what it was
            self.reset()
            return None
        before = self._steps[-1] if self._steps else None
        is_same_call = before is not None and before.call == step.call
        self._calls = self._calls + 1 if is_same_call else 1
        self._errors = (self._errors if is_same_call else 0) + 1 if step.is_error else 0
        if step.call in self._recent:
            self._compare(step)
        else:
            self._runs = [0] * len(self._runs)
        self._steps.append(step)
        self._recent.append(step.call)
        return self._worst()

    def _compare(self, step: Step) -> None:
        runs = self._runs
        for period, earlier in enumerate(reversed(self._steps), 1):
            # Results last: signing one takes longer than all the rest.
            is_equal = earlier.call == step.call and earlier.is_error == step.is_error
            is_equal = is_equal and earlier.result == step.result != 0
            runs[period] = runs[period] + 1 if is_equal else 0

    def reset(self) -> None:
        """Forget everything: there was progress."""
        self._steps.clear()
        self._recent.clear()
        self._runs = [0] * len(self._runs)
        self._calls = self._errors = 0

    def is_next(self, call: int, repetition: Repetition) -> bool:
        """Return whether a call would go on with what repeats."""
        steps = self._steps
        return len(steps) >= repetition.period and steps[-repetition.period].call == call

    def _worst(self) -> Repetition | None:
        limits = self._limits
        found: list[Repetition] = []
        for period, run in enumerate(self._runs) if any(self._runs) else ():
            least = limits.exact if period == 1 else limits.cycle
            if run and run // period + 1 >= least[0]:
                _note(found, "exact" if period == 1 else "cycle", period, run // period + 1, least)
                break  # the smallest period is the true one
        _note(found, "error_retry", 1, self._errors, limits.error_retry)
        _note(found, "same_call", 1, self._calls, limits.same_call)
        return min(found, key=lambda one: one.level != "stop") if found else None


def _note(
    found: list[Repetition], kind: LoopKind, period: int, copies: int, limits: tuple[int, int]
) -> None:
    warn, stop = limits
    if copies >= warn:
        found.append(Repetition(kind, "stop" if copies >= stop else "warn", period, copies))
