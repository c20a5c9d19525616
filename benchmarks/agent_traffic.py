"""A fleet of agents at work: requests as their exporters send them, second by second.

Agents answer in sessions of a few turns. A turn is a trace of 5 to 60 spans that lasts as long as
its calls and tools take; each call repeats the conversation so far, and most of it is read from
the provider's cache. Spans leave in batches every five seconds, as OpenTelemetry's exporter sends
them, so that most traces arrive in several pieces.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.payloads import text, vocabulary
from tests.otlp import Value, attributes, request

EXPORT_EVERY_S = 5
"""https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/"""
LONGEST_TRACE_S = 30
_PROCESSES = 40
_AGENTS = 12
_MODELS = (("openai", "gpt-4o"), ("openai", "gpt-5-mini"), ("anthropic", "claude-sonnet-4-5"))
_TOOLS = ("search", "read_file", "run_tests", "lookup", "edit_file", "browse")
_S = 10**9
_STEP_TOKENS = 128  # in which a provider that caches by itself does so
_LEAST_CACHED = 1_024
_TOKENS_PER_MESSAGE = 150
_HEAD_TOKENS = 1_100
_HEAD_CACHED = _HEAD_TOKENS // _STEP_TOKENS * _STEP_TOKENS


@dataclass(slots=True)
class Traffic:
    """Spans by the process and the second in which they are exported.

    Args:
        rate: spans a second, once the fleet is at work.
        since_ns: when that is; agents began ``LONGEST_TRACE_S`` earlier.
        seconds: for how long.
        seed: of what is drawn.
    """

    rate: int
    since_ns: int
    seconds: int
    seed: int
    _sent: defaultdict[int, defaultdict[int, list[Span]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    _begun: int = 0

    def requests(self) -> Iterator[list[bytes]]:
        """Yield what arrives before work begins, then what arrives in each second."""
        fleet = _Fleet(random.Random(self.seed))
        made = dict.fromkeys(range(-LONGEST_TRACE_S, self.seconds), 0)
        for second in made:
            while made[second] < self.rate:
                spans = fleet.turn(self.since_ns + second * _S + fleet.rng.randrange(_S))
                made[second] += len(spans)
                self._export(spans, fleet.rng.randrange(_PROCESSES))
            yield from self._due(second)

    def _export(self, spans: list[Span], process: int) -> None:
        """Put off each span until its process exports; traces that ended before are left out."""
        if max(span.end_time_unix_nano for span in spans) < self.since_ns:
            return
        for span in spans:
            ended = (span.end_time_unix_nano - self.since_ns) // _S
            wait = (process - ended) % EXPORT_EVERY_S
            self._sent[max(-1, ended + wait)][process].append(span)

    def _due(self, second: int) -> Iterator[list[bytes]]:
        if second >= -1:
            yield [
                request(*spans, service=f"service-{process % 6}", scope=_SCOPE).SerializeToString()
                for process, spans in sorted(self._sent.pop(second, {}).items())
            ]


_SCOPE = "opentelemetry.instrumentation.genai"


class _Fleet:
    """Agents, their sessions, and what is said in them."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        words = vocabulary(rng)
        self._said = [text(rng, words, rng.randrange(60, 700)) for _ in range(4_000)]
        self._heads = [_head(agent, rng, words) for agent in range(_AGENTS)]
        self._sessions: list[_Session] = []

    def turn(self, start_ns: int) -> list[Span]:
        """Return the spans of one turn of a session: a new one, or one that goes on."""
        rng = self.rng
        if self._sessions and rng.random() < 0.5:
            session = self._sessions.pop(rng.randrange(len(self._sessions)))
            start_ns = max(start_ns, session.free_ns)
        else:
            session = _Session(rng, rng.randrange(_AGENTS))
        spans = _Turn(self, session, start_ns).spans(min(60, 5 + int(rng.expovariate(1 / 13))))
        if session.turns < 4:
            self._sessions.append(session)
        return spans

    def message(self, role: str) -> dict[str, object]:
        """Return something said."""
        said = f"{self.rng.randrange(10**9)} {self.rng.choice(self._said)}"
        return {"role": role, "parts": [{"type": "text", "content": said}]}

    def head(self, agent: int) -> Mapping[str, Value]:
        """Return the system prompt and the tools of an agent, as attributes."""
        return self._heads[agent]


def _head(agent: int, rng: random.Random, words: list[str]) -> dict[str, Value]:
    system = [{"type": "text", "content": text(rng, words, 1_500)}]
    tools = [
        {"type": "function", "name": name, "description": text(rng, words, 150)} for name in _TOOLS
    ]
    return {
        "gen_ai.agent.name": f"agent-{agent}",
        "gen_ai.system_instructions": orjson.dumps(system).decode(),
        "gen_ai.tool.definitions": orjson.dumps(tools).decode(),
    }


class _Session:
    """A conversation that goes on from turn to turn."""

    def __init__(self, rng: random.Random, agent: int) -> None:
        self.name = f"session-{rng.getrandbits(64):x}"
        self.user = f"user-{rng.randrange(2_000)}"
        self.agent = agent
        self.provider, self.model = _MODELS[agent % len(_MODELS)]
        self.history: list[dict[str, object]] = []
        self.cached = _HEAD_CACHED if rng.random() < 0.9 else 0  # others used the same head
        self.free_ns = 0
        self.turns = 0


class _Turn:
    """One trace: an agent that calls a model and tools until it has an answer."""

    def __init__(self, fleet: _Fleet, session: _Session, start_ns: int) -> None:
        self._fleet, self._session, self._at_ns = fleet, session, start_ns
        rng = self._rng = fleet.rng
        self._trace_id, self._root_id = rng.randbytes(16), rng.randbytes(8)

    def spans(self, size: int) -> list[Span]:
        """Return as many spans, the root last: it ends last."""
        rng, session, start_ns = self._rng, self._session, self._at_ns
        session.history.append(self._fleet.message("user"))
        made = [self._call()]
        while len(made) < size - 2:
            made += [
                self._tool() for _ in range(min(rng.choice((1, 1, 2, 3)), size - 2 - len(made)))
            ]
            if rng.random() < 0.3 and len(made) < size - 2:
                made.append(self._span("GET", 0.05, {"http.request.method": "GET"}))
            made.append(self._call())
        root = self._span("invoke_agent", 0.0, {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": f"agent-{session.agent}",
            "session.id": session.name,
            "user.id": session.user,
        })  # fmt: skip
        root.span_id, root.parent_span_id = self._root_id, b""
        root.start_time_unix_nano = start_ns
        session.turns += 1
        session.free_ns = self._at_ns + rng.randrange(_S, 8 * _S)
        return [*made, root]

    def _span(self, name: str, seconds: float, values: Mapping[str, Value]) -> Span:
        start_ns = self._at_ns
        self._at_ns += int(seconds * self._rng.uniform(0.4, 1.6) * _S) + 10**6
        return Span(
            trace_id=self._trace_id,
            span_id=self._rng.randbytes(8),
            parent_span_id=self._root_id,
            name=name,
            start_time_unix_nano=start_ns,
            end_time_unix_nano=self._at_ns,
            attributes=attributes(values),
        )

    def _call(self) -> Span:
        rng, session = self._rng, self._session
        answer = self._fleet.message("assistant")
        tokens = _HEAD_TOKENS + _TOKENS_PER_MESSAGE * len(session.history)
        read = session.cached if rng.random() > 0.03 else 0
        session.cached = tokens // _STEP_TOKENS * _STEP_TOKENS if tokens >= _LEAST_CACHED else 0
        usage: dict[str, Value] = {
            "gen_ai.usage.input_tokens": tokens,
            "gen_ai.usage.output_tokens": rng.randint(20, 400),
            "gen_ai.usage.cache_read.input_tokens": read,
        }
        if session.provider == "anthropic":
            usage["gen_ai.usage.cache_creation.input_tokens"] = session.cached - read
        span = self._span(f"chat {session.model}", 1.0, {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": session.provider,
            "gen_ai.request.model": session.model,
            "gen_ai.response.model": session.model,
            "gen_ai.response.id": f"resp-{rng.randbytes(12).hex()}",
            **usage,
            **self._fleet.head(session.agent),
            "gen_ai.input.messages": orjson.dumps(session.history).decode(),
            "gen_ai.output.messages": orjson.dumps([answer]).decode(),
        })  # fmt: skip
        span.kind = Span.SPAN_KIND_CLIENT
        session.history.append(answer)
        return span

    def _tool(self) -> Span:
        rng, name = self._rng, self._rng.choice(_TOOLS)
        result = self._fleet.message("tool")
        self._session.history.append(result)
        span = self._span(f"execute_tool {name}", 0.3, {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": f"call_{rng.randbytes(8).hex()}",
            "gen_ai.tool.call.arguments": orjson.dumps({"query": rng.randrange(10**9)}).decode(),
            "gen_ai.tool.call.result": orjson.dumps(result).decode(),
        })  # fmt: skip
        if rng.random() < 0.03:
            span.status.code = span.status.STATUS_CODE_ERROR
        return span
