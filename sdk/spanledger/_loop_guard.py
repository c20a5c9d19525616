"""``loop_guard``: the loop detector, watching the calls inside a block."""

from __future__ import annotations

import threading
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
from spanledger._loops import LoopDetector, LoopKind, LoopLimits, Repetition, Step

Mode = Literal["observe", "raise"]
_HINTS = ("fewer_steps", "ask_human")
_MOST_UNSIGNED = 8


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
