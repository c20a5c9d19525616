"""When the fleet works: a day of history with its rush hours, then a live trickle."""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from spanledger_server.demo.agents import FLEET
from spanledger_server.demo.conversation import Conversation
from spanledger_server.demo.plan import SpanPlan, TracePlan
from spanledger_server.demo.spec import Agent
from spanledger_server.demo.writer import SECOND_NS

HOUR_NS = 3_600 * SECOND_NS
BUSIEST_HOUR_UTC = 13
DAY_SWING = 0.75
RUNAWAY_AGE_HOURS = 6.0
DAY_HOURS = 24.0
LIVE_GAP_S = (1.0, 3.0)
LIVE_CONVERSATIONS = 40
FIRST_LIVE_RUNAWAY = 45
LIVE_RUNAWAY_EVERY = 500


def newest_day_first(
    seed: int, end_ns: int, hours: float, traces_per_hour: float
) -> Iterator[TracePlan]:
    """Yield the history of the last day, which people look at first, then that of days before.

    Only the last day has an agent that runs away.
    """
    newest = min(hours, DAY_HOURS)
    yield from history(seed, end_ns, newest, traces_per_hour)
    if hours > newest:
        before_ns = end_ns - int(newest * HOUR_NS)
        yield from history(seed, before_ns, hours - newest, traces_per_hour, has_runaway=False)


def history(
    seed: int, end_ns: int, hours: float, traces_per_hour: float, *, has_runaway: bool = True
) -> Iterator[TracePlan]:
    """Yield the traces that ended before ``end_ns``, conversation by conversation.

    Conversations come in the order of their beginning, so memory does not grow with ``hours``. The
    same arguments give the same traces.
    """
    rng = Random(f"{seed}/history/{end_ns}")
    start_ns = end_ns - int(hours * HOUR_NS)
    runaway_ns = end_ns - int(min(RUNAWAY_AGE_HOURS, hours * 0.4) * HOUR_NS)
    starts: list[tuple[int, Agent | None]] = [(runaway_ns, None)] if has_runaway else []
    for member in FLEET:
        count = max(1, round(hours * traces_per_hour * conversation_share(member)))
        starts += [(_busy_moment(rng, start_ns, end_ns), member) for _ in range(count)]
    starts.sort(key=lambda start: start[0])
    for moment_ns, agent in starts:
        own = Random(rng.getrandbits(64))
        conversation = (
            Conversation.that_runs_away(own) if agent is None else Conversation(agent, own)
        )
        yield from _turns_before(conversation, moment_ns, end_ns)


def activity(moment_ns: int) -> float:
    """Return how busy the fleet is at a moment: 1 on average, more by day, less by night."""
    hour = moment_ns / HOUR_NS % 24
    return 1 + DAY_SWING * math.cos((hour - BUSIEST_HOUR_UTC) / 24 * 2 * math.pi)


def conversation_share(agent: Agent) -> float:
    """Return conversations with an agent per trace of the fleet: each has several turns."""
    return agent.share / (sum(agent.turns) / 2)


def _busy_moment(rng: Random, start_ns: int, end_ns: int) -> int:
    while True:
        moment_ns = rng.randrange(start_ns, end_ns)
        if rng.random() * (1 + DAY_SWING) < activity(moment_ns):
            return moment_ns


def _turns_before(conversation: Conversation, start_ns: int, end_ns: int) -> Iterator[TracePlan]:
    while conversation.turns_left:
        trace = conversation.next_trace(start_ns)
        if trace.end_ns >= end_ns:
            return
        yield trace
        start_ns = trace.end_ns + conversation.think_ns()


@dataclass(order=True, slots=True)
class _Ending:
    end_ns: int
    number: int
    trace: TracePlan = field(compare=False)
    span: SpanPlan = field(compare=False)


class LiveTraffic:
    """Traces that begin now and whose spans become due as they end, children before parents."""

    def __init__(self, seed: int, start_ns: int) -> None:
        self._rng = Random(f"{seed}/live/{start_ns}")
        self._next_start_ns = start_ns
        self._endings: list[_Ending] = []
        self._waiting: list[tuple[int, int, Conversation]] = []
        self._traces = 0
        self._numbers = 0

    def due(self, now_ns: int) -> list[tuple[TracePlan, SpanPlan]]:
        """Return the spans that ended by ``now_ns`` and were not returned before."""
        while self._next_start_ns <= now_ns:
            self._begin(self._next_start_ns)
            self._next_start_ns += int(self._rng.uniform(*LIVE_GAP_S) * SECOND_NS)
        ended: list[tuple[TracePlan, SpanPlan]] = []
        while self._endings and self._endings[0].end_ns <= now_ns:
            ending = heapq.heappop(self._endings)
            ended.append((ending.trace, ending.span))
        return ended

    def next_ns(self) -> int:
        """Return when something happens next, in Unix nanoseconds."""
        if not self._endings:
            return self._next_start_ns
        return min(self._next_start_ns, self._endings[0].end_ns)

    def _begin(self, start_ns: int) -> None:
        self._traces += 1
        conversation = self._conversation(start_ns)
        trace = conversation.next_trace(start_ns)
        for span in trace.spans:
            self._numbers += 1
            heapq.heappush(self._endings, _Ending(span.end_ns, self._numbers, trace, span))
        if conversation.turns_left and len(self._waiting) < LIVE_CONVERSATIONS:
            ready_ns = trace.end_ns + conversation.think_ns()
            heapq.heappush(self._waiting, (ready_ns, self._traces, conversation))

    def _conversation(self, now_ns: int) -> Conversation:
        own = Random(self._rng.getrandbits(64))
        if self._traces % LIVE_RUNAWAY_EVERY == FIRST_LIVE_RUNAWAY:
            return Conversation.that_runs_away(own)
        if self._waiting and self._waiting[0][0] <= now_ns:
            return heapq.heappop(self._waiting)[2]
        weights = [conversation_share(agent) for agent in FLEET]
        return Conversation(self._rng.choices(FLEET, weights)[0], own)
