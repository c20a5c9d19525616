"""``loop_guard``: finds repetition in the steps of an agent, in constant time and memory.

A step is a call of a tool with its result, or all calls of one turn of the model. The end of the
steps repeats with period k, r times over, exactly when each of the last (r - 1) * k steps equals
the one k before it; the detector keeps that run length for each k up to ``max_period``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, get_args
from weakref import WeakKeyDictionary

from opentelemetry import context, trace
from opentelemetry.context import Context

from spanledger._context import AgentRun, run_of
from spanledger._errors import LimitReached, LoopDetected, told
from spanledger._guards import Guard, GuardBlock, ModelCall, ToolCall, check_choice, with_guard

LoopKind = Literal["exact", "cycle", "error_retry", "same_call"]
Level = Literal["warn", "stop"]
Mode = Literal["observe", "raise"]
_HINTS = ("fewer_steps", "ask_human")
_MOST_UNSIGNED = 8


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


@dataclass(frozen=True, slots=True)
class LoopEvent:
    """An agent repeats itself.

    Attributes:
        agent: its name; empty: not known.
        tool: of the last call.
        kind: ``exact``, ``cycle``, ``error_retry`` or ``same_call``; see ``LoopLimits``.
        level: ``warn``, then ``stop``.
        period: number of steps that repeat.
        copies: how many times they came.
        hints: what the agent could do.
    """

    agent: str
    tool: str
    kind: LoopKind
    level: Literal["warn", "stop"]
    period: int
    copies: int
    hints: tuple[str, ...] = _HINTS

    def __str__(self) -> str:
        steps = "step" if self.period == 1 else f"{self.period} steps"
        return f"{self.agent or 'an agent'} repeated the same {steps} {self.copies} times"


class _Lane:
    """The steps of one run of an agent; tools of one turn of the model are one step."""

    __slots__ = ("detector", "has_turns", "repetition", "tool", "turn")

    def __init__(self, limits: LoopLimits) -> None:
        self.detector = LoopDetector(limits)
        self.turn: list[Step] = []
        self.has_turns = False
        self.repetition: Repetition | None = None
        self.tool = ""

    def answered(self, tool: str, step: Step) -> bool:
        """Take up a call; return whether a step is complete."""
        self.tool = tool
        if self.has_turns:
            self.turn.append(step)
            if len(self.turn) > _MOST_UNSIGNED:  # what is not signed holds the words of its tool
                self.turn[-_MOST_UNSIGNED - 1].sign()
            return False
        return self._add(step)

    def turned(self) -> bool:
        """Take up a call of the model; return whether a step is complete."""
        self.has_turns = True
        turn, self.turn = self.turn, []
        return bool(turn) and self._add(turn[0] if len(turn) == 1 else _together(turn))

    def _add(self, step: Step) -> bool:
        self.repetition = self.detector.add(step)
        return True


def _together(turn: list[Step]) -> Step:
    """Return parallel calls as one step, whatever their order."""

    def results() -> int:
        ordered = sorted((step.call, step.result) for step in turn)
        return _hash([result for _, result in ordered])

    calls = _hash(sorted(step.call for step in turn))
    return Step(calls, results, any(step.is_error for step in turn))


def _hash(numbers: list[int]) -> int:
    if 0 in numbers:
        return 0
    digest = blake2b(b"".join(n.to_bytes(8, "big") for n in numbers), digest_size=8)
    return int.from_bytes(digest.digest(), "big") or 1


class LoopGuard(GuardBlock["RunningLoopGuard"]):
    """Watches the calls inside its ``with`` block; see ``loop_guard``."""

    def __init__(
        self,
        limits: LoopLimits,
        mode: Mode,
        on_loop: Callable[[LoopEvent], object] | None,
    ) -> None:
        self.limits = limits
        self.mode = mode
        self.on_loop = on_loop

    def __enter__(self) -> RunningLoopGuard:
        running = RunningLoopGuard(self)
        running.token = context.attach(with_guard(running, context.get_current()))
        return running


class RunningLoopGuard(Guard):
    """A loop guard in its block."""

    __slots__ = ("_lane", "_lanes", "_lock", "_told", "guard")

    def __init__(self, guard: LoopGuard) -> None:
        super().__init__(guard)
        self.guard = guard
        self._lock = threading.Lock()
        self._lane = _Lane(guard.limits)
        self._lanes: WeakKeyDictionary[AgentRun, _Lane] = WeakKeyDictionary()
        self._told: set[tuple[str, str, str]] = set()

    def progress(self) -> None:
        """Say that there was progress: what came before is not counted any more."""
        with self._lock:
            lane = self._lane_of(context.get_current())
            lane.detector.reset()
            lane.repetition = None
            self._told.clear()

    def before_model(self, call: ModelCall, base: Context) -> object:
        """Take up that a turn is over.

        Raises:
            LoopDetected: it went on with a loop, and the guard was told to raise.
        """
        with self._lock:
            lane = self._lane_of(base)
            event = self._event(lane, base) if lane.turned() else None
        self._tell(event)
        return None

    def before_tool(self, call: ToolCall) -> None:
        """See whether a call would go on with a loop.

        Raises:
            LoopDetected: it would, and the guard was told to raise.
        """
        if self.guard.mode != "raise":
            return
        base = context.get_current()
        with self._lock:
            lane = self._lane_of(base)
            found = lane.repetition
            if found is None or found.level != "stop" or lane.has_turns:
                return
            if not lane.detector.is_next(call.said.call_signature(), found):
                return
            event = self._event(lane, base)
        if event is not None:
            raise LoopDetected(event)

    def after_tool(self, call: ToolCall, *, is_error: bool) -> None:
        """Take up what a tool answered."""
        base = context.get_current()
        said = call.said
        step = Step(said.call_signature(), said.result_signature, is_error)
        with self._lock:
            lane = self._lane_of(base)
            is_step = lane.answered(call.tool, step)
            event = self._event(lane, base) if is_step else None
        self._tell(event, may_raise=False)

    def _lane_of(self, base: Context) -> _Lane:
        run = run_of(base)
        if run is None:
            return self._lane
        lane = self._lanes.get(run)
        if lane is None:
            lane = self._lanes[run] = _Lane(self.guard.limits)
        return lane

    def _event(self, lane: _Lane, base: Context) -> LoopEvent | None:
        found = lane.repetition
        if found is None:
            return None
        run = run_of(base)
        return LoopEvent(
            "" if run is None else run.name,
            lane.tool,
            found.kind,
            found.level,
            found.period,
            found.copies,
        )

    def _tell(self, event: LoopEvent | None, *, may_raise: bool = True) -> None:
        if event is None:
            return
        key = (event.agent, event.kind, event.level)
        if key not in self._told:
            self._told.add(key)
            _record(event)
            if self.guard.on_loop is not None:
                try:
                    self.guard.on_loop(event)
                except LimitReached:
                    raise
                except Exception as error:
                    told("callback of a loop guard", error)
        if may_raise and event.level == "stop" and self.guard.mode == "raise":
            raise LoopDetected(event)


def _record(event: LoopEvent) -> None:
    trace.get_current_span().add_event(
        "spanledger.loop",
        {
            "spanledger.loop.kind": event.kind,
            "spanledger.loop.level": event.level,
            "spanledger.loop.period": event.period,
            "spanledger.loop.copies": event.copies,
        },
    )


def loop_guard(
    *,
    limits: LoopLimits | None = None,
    mode: Mode = "observe",
    on_loop: Callable[[LoopEvent], object] | None = None,
) -> LoopGuard:
    """Return a guard that notices when agents inside its block repeat themselves.

    ::

        with spanledger.loop_guard(mode="raise", on_loop=print):
            agent.run(...)

    Calls count as equal when tool and arguments are, but for ids and times; a call whose result
    changes is taken for a poll and given more room.

    Args:
        limits: how often is too often; default: ``LoopLimits()``.
        mode: ``observe`` tells; ``raise`` stops before the next call of the model, or of the
            tool where no calls of a model are seen.
        on_loop: hears of each loop, once for each level.

    Raises:
        ValueError: ``mode`` is not one of its words.
    """
    check_choice("mode", mode, get_args(Mode))
    return LoopGuard(limits or LoopLimits(), mode, on_loop)
