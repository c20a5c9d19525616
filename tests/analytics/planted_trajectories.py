"""Made-up trajectories with known figures, as the spans that tell of them.

Time runs in whole minutes. What the figures must be is worked out from the plan minute by minute,
and never with intervals: so nothing here shares a thought with what is tested.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from statistics import median

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.otlp import Value, attributes

MINUTE = 60 * 10**9
T0 = 1_790_000_000 * 10**9 // (3_600 * 10**9) * (3_600 * 10**9)
DAY = 1_440  # minutes
_MODEL = "gpt-4o-mini"


@dataclass
class Step:
    """A span; times in minutes. ``kind``: agent llm tool wait pause."""

    kind: str
    start: int
    end: int
    parent: Step | None
    span_id: bytes
    said: dict[str, Value] = field(default_factory=dict)
    is_human: bool = False
    is_failed: bool = False
    prompt: int = 0
    is_sent: bool = True
    links: list[tuple[PlantedTrace, Step]] = field(default_factory=list)

    @property
    def agent(self) -> str:
        return str(self.said.get("gen_ai.agent.name", ""))


@dataclass
class PlantedTrace:
    trace_id: bytes
    steps: list[Step] = field(default_factory=list)
    shared: dict[str, Value] = field(default_factory=dict)
    outcome: str = ""
    goes_on_with: list[PlantedTrace] = field(default_factory=list)
    pause: Step | None = None
    is_interrupted: bool = False

    @property
    def start(self) -> int:
        return min(step.start for step in self.sent)

    @property
    def end(self) -> int:
        return max(step.end for step in self.sent)

    @property
    def sent(self) -> list[Step]:
        return [step for step in self.steps if step.is_sent]

    @property
    def root(self) -> Step:
        return self.steps[0]


@dataclass
class PlantedTrajectory:
    """Traces that belong together, and where its pauses led: (trace, since, until)."""

    traces: list[PlantedTrace] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    is_waiting: bool = False


class Planter:
    """Makes trajectories from random numbers."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._numbers = itertools.count(1)
        self._salt = seed

    def _id(self, size: int) -> bytes:
        return self.random.randbytes(size - 4) + next(self._numbers).to_bytes(4, "big")

    def trajectory(self) -> PlantedTrajectory:
        """One of the ways in which traces come to be one trajectory, or a lone trace."""
        ways = (
            self._alone,
            self._conversation,
            self._workflow,
            self._resume,
            self._interrupt,
            self._links,
        )
        made = self.random.choice(ways)()
        last = made.traces[-1]
        if last.root.is_sent and self.random.random() < 0.5:
            last.outcome = self.random.choice(("completed", "failed"))
        return made

    def _alone(self) -> PlantedTrajectory:
        trace = self.trace(self._day())
        if self.random.random() < 0.3 and len(trace.steps) > 1:
            trace.root.is_sent = False  # it never arrives
        return PlantedTrajectory([trace])

    def _conversation(self) -> PlantedTrajectory:
        return self._by_id("gen_ai.conversation.id")

    def _workflow(self) -> PlantedTrajectory:
        return self._by_id("temporalWorkflowID")

    def _by_id(self, key: str) -> PlantedTrajectory:
        shared: dict[str, Value] = {key: f"{key}-{self._salt}-{next(self._numbers)}"}
        at, traces = self._day(), []
        for _ in range(self.random.randint(2, 4)):
            traces.append(self.trace(at, shared))
            at = traces[-1].end + self.random.choice((0, 3, 3 * DAY))
        return PlantedTrajectory(traces)

    def _resume(self) -> PlantedTrajectory:
        """Our SDK pauses and goes on, once or more; the wait may not have been recorded."""
        made = PlantedTrajectory([self.trace(self._day())])
        first = made.traces[0]
        for _ in range(self.random.randint(1, 3)):
            paused = made.traces[-1]
            pause = self._pause(paused)
            if self.random.random() < 0.3:
                made.is_waiting = True
                break
            resumed = pause.start + self.random.choice((2, 50, 4 * DAY))
            if self.random.random() < 0.7:
                wait: dict[str, Value] = {"spanledger.kind": "wait", "spanledger.wait.for": "human"}
                self._step(paused, "wait", pause.start, resumed, paused.root, wait, is_human=True)
            else:
                made.gaps.append((pause.start, resumed))
            trace = self.trace(resumed, {"spanledger.trajectory.id": first.trace_id.hex()})
            trace.root.links.append((paused, pause))
            trace.goes_on_with.append(paused)
            made.traces.append(trace)
        return made

    def _interrupt(self) -> PlantedTrajectory:
        """A framework stops for a person and goes on in a trace of the same conversation."""
        shared: dict[str, Value] = {
            "gen_ai.conversation.id": f"thread-{self._salt}-{next(self._numbers)}"
        }
        made = PlantedTrajectory([self.trace(self._day(), shared)])
        stopped = made.traces[0]
        stopped.root.said["error.type"] = "GraphInterrupt"
        stopped.is_interrupted = True
        if self.random.random() < 0.3:
            made.is_waiting = True
            return made
        resumed = stopped.end + self.random.choice((1, 30, 2 * DAY))
        made.gaps.append((stopped.end, resumed))
        made.traces.append(self.trace(resumed, shared))
        return made

    def _links(self) -> PlantedTrajectory:
        """Branches that begin with one trace, and a trace that merges them."""
        first = self.trace(self._day())
        made = PlantedTrajectory([first])
        for _ in range(self.random.randint(1, 3)):
            branch = self.trace(first.end + self.random.randint(0, 5))
            self._link(branch, first)
            made.traces.append(branch)
        merged = self.trace(max(trace.end for trace in made.traces) + 1)
        for branch in made.traces[1:]:
            self._link(merged, branch)
        made.traces.append(merged)
        return made

    def _link(self, trace: PlantedTrace, to: PlantedTrace) -> None:
        trace.steps[-1].links.append((to, to.root))
        trace.goes_on_with.append(to)

    def _day(self) -> int:
        return self.random.randrange(30 * DAY)

    def trace(self, start: int, shared: dict[str, Value] | None = None) -> PlantedTrace:
        """A trace of an agent with calls, tools, questions and branches; ``start`` in minutes."""
        trace = PlantedTrace(self._id(16), shared=dict(shared or {}))
        agent: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "planner",
        }
        root = self._step(trace, "agent", start, start, None, agent)
        at, prompt = start, 1_000
        for _ in range(self.random.randint(1, 4)):
            at += self.random.randint(0, 2)
            prompt += self.random.randint(0, 500)
            at = self._call(trace, root, at, prompt)
            match self.random.randrange(6):
                case 0:
                    at = self._tool(trace, root, at)
                case 1:
                    at = self._ask(trace, root, at)
                case 2:
                    self._branch(trace, root, at)
                case _:
                    pass
        root.end = max(step.end for step in trace.steps) + self.random.randint(0, 1)
        return trace

    def _call(self, trace: PlantedTrace, above: Step, at: int, prompt: int) -> int:
        end = at + self.random.randint(1, 3)
        said: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.agent.name": above.agent,
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": _MODEL,
            "gen_ai.response.model": _MODEL,
            "gen_ai.usage.input_tokens": prompt,
            "gen_ai.usage.output_tokens": 10,
        }
        self._step(trace, "llm", at, end, above, said, prompt=prompt)
        return end

    def _tool(self, trace: PlantedTrace, above: Step, at: int) -> int:
        end = at + self.random.randint(1, 2)
        said: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "search",
        }
        is_failed = self.random.random() < 0.5
        self._step(trace, "tool", at, end, above, said, is_failed=is_failed)
        return end

    def _ask(self, trace: PlantedTrace, above: Step, at: int) -> int:
        """A tool that lasts until a person has answered."""
        end = at + self.random.choice((1, 20, 2 * DAY))
        said: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "ask_user",
        }
        self._step(trace, "wait", at, end, above, said, is_human=True)
        if self.random.random() < 0.5:
            self._branch(trace, above, at)
        return end

    def _branch(self, trace: PlantedTrace, above: Step, at: int) -> None:
        """Another agent works at the same time."""
        said: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": f"helper-{next(self._numbers)}",
        }
        branch = self._step(trace, "agent", at, at, above, said)
        end = at
        for _ in range(self.random.randint(1, 2)):
            end = self._call(trace, branch, end, self.random.randint(100, 900))
        branch.end = end

    def _pause(self, trace: PlantedTrace) -> Step:
        said: dict[str, Value] = {"spanledger.kind": "pause", "spanledger.wait.for": "human"}
        trace.pause = self._step(trace, "pause", trace.root.end, trace.root.end, trace.root, said)
        return trace.pause

    def _step(
        self,
        trace: PlantedTrace,
        kind: str,
        start: int,
        end: int,
        parent: Step | None,
        said: dict[str, Value],
        *,
        is_human: bool = False,
        is_failed: bool = False,
        prompt: int = 0,
    ) -> Step:
        step = Step(kind, start, end, parent, self._id(8), said, is_human, is_failed, prompt=prompt)
        trace.steps.append(step)
        return step


def spans_of(trace: PlantedTrace) -> list[Span]:
    """The spans of a trace that are sent."""
    made: list[Span] = []
    for step in trace.sent:
        said = {**trace.shared, **step.said}
        if step is trace.root and trace.outcome:
            said["spanledger.task.outcome"] = trace.outcome
            said["spanledger.task.score"] = 0.25
        name = said.get("gen_ai.tool.name") or said.get("gen_ai.operation.name") or step.kind
        made.append(
            Span(
                trace_id=trace.trace_id,
                span_id=step.span_id,
                parent_span_id=step.parent.span_id if step.parent else b"",
                name=str(name),
                start_time_unix_nano=T0 + step.start * MINUTE,
                end_time_unix_nano=T0 + step.end * MINUTE,
                attributes=attributes(said),
                links=[
                    Span.Link(trace_id=to.trace_id, span_id=at.span_id) for to, at in step.links
                ],
                # An interrupt is reported like an error, and is none.
                status=Status(code=Status.STATUS_CODE_ERROR)
                if step.is_failed or "error.type" in said
                else None,
            )
        )
    return made


def truth(planted: PlantedTrajectory) -> dict[str, object]:
    """What the row of a trajectory must say."""
    traces = sorted(planted.traces, key=lambda trace: (trace.start, trace.trace_id))
    steps = [step for trace in traces for step in trace.sent]
    start, end = traces[0].start, max(trace.end for trace in traces)
    minutes = _minutes(planted)
    count = {what: sum(m == what for m in minutes.values()) for what in ("active", "human")}
    calls = [step for step in steps if step.kind == "llm"]
    is_open = any(not trace.root.is_sent for trace in traces)
    told = sorted((t for t in traces if t.outcome), key=lambda t: (t.end, t.trace_id))
    return {
        "trajectory_id": traces[0].trace_id.hex(),
        "trace_ids": [trace.trace_id.hex() for trace in traces],
        "start": T0 + start * MINUTE,
        "end": T0 + end * MINUTE,
        "status": "waiting" if planted.is_waiting else "open" if is_open else "closed",
        "waits_for": "human" if planted.is_waiting else "",
        "outcome": told[-1].outcome if told else "",
        "score": 0.25 if told else None,
        "traces": len(traces),
        "requests": sum(not trace.goes_on_with for trace in traces),
        "failed_traces": sum(any(s.is_failed for s in trace.sent) for trace in traces),
        "span_count": len(steps),
        "error_count": sum(step.is_failed for step in steps),
        "llm_calls": len(calls),
        "tool_calls": sum("gen_ai.tool.name" in step.said for step in steps),
        "input_tokens": sum(step.prompt for step in calls),
        "output_tokens": 10 * len(calls),
        "depth": max(_depth(trace) for trace in traces),
        "fan_out": max(_fan_out(trace) for trace in traces),
        "trace_depth": max(_way(trace) for trace in traces),
        "trace_fan_out": max(
            sum(trace in other.goes_on_with for other in traces) for trace in traces
        ),
        "trace_fan_in": max(len(trace.goes_on_with) for trace in traces),
        "active_ns": count["active"] * MINUTE,
        "waiting_ns": count["human"] * MINUTE,
        "waiting_human_ns": count["human"] * MINUTE,
        "idle_ns": (end - start - count["active"] - count["human"]) * MINUTE,
        "lanes": _lanes(calls),
    }


def _minutes(planted: PlantedTrajectory) -> dict[int, str]:
    """Each minute in which something was recorded: active, or else waiting for a person."""
    found: dict[int, str] = {}
    for since, until in planted.gaps:
        found.update(dict.fromkeys(range(since, until), "human"))
    for trace in planted.traces:
        parents = {id(step.parent) for step in trace.sent}
        own: dict[int, str] = {}
        for order in ("span", "wait", "leaf"):  # the later ones decide
            for step in trace.sent:
                what = "wait" if step.kind == "wait" else "span"
                is_leaf = what == "span" and id(step) not in parents
                if order == what or (order == "leaf" and is_leaf):
                    says = "human" if order == "wait" else "active"
                    own.update(dict.fromkeys(range(step.start, step.end), says))
        for minute, says in own.items():
            if says == "active" or minute not in found:
                found[minute] = says
    return found


def _above(trace: PlantedTrace, step: Step) -> Step | None:
    parent = step.parent
    return parent if parent is not None and parent.is_sent else None


def _depth(trace: PlantedTrace) -> int:
    depths = []
    for step in trace.sent:
        depth, at = 1, _above(trace, step)
        while at is not None:
            depth, at = depth + 1, _above(trace, at)
        depths.append(depth)
    return max(depths)


def _fan_out(trace: PlantedTrace) -> int:
    children: defaultdict[int, int] = defaultdict(int)
    for step in trace.sent:
        if (above := _above(trace, step)) is not None:
            children[id(above)] += 1
    return max(children.values(), default=0)


def _way(trace: PlantedTrace) -> int:
    return 1 + max((_way(other) for other in trace.goes_on_with), default=0)


def _lanes(calls: list[Step]) -> list[tuple[object, ...]]:
    """Name, calls, first, last, largest prompt and median slope of each agent."""
    prompts: defaultdict[str, list[int]] = defaultdict(list)
    for step in sorted(calls, key=lambda step: step.start):
        prompts[step.agent].append(step.prompt)
    made: list[tuple[object, ...]] = []
    for agent, sizes in sorted(prompts.items()):
        slopes = [
            (b - a) / (j - i) for (i, a), (j, b) in itertools.combinations(enumerate(sizes), 2)
        ]
        slope = median(slopes) if slopes else 0.0
        made.append((agent, len(sizes), sizes[0], sizes[-1], max(sizes), slope))
    return made
