"""Agent traces as OTLP requests, about 2 kB a span, the same for the same seed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.otlp import attributes, request

# Words without a pattern compress badly: real prompts do better, so sizes are an upper bound.
_SYLLABLES = [a + b for a in "bcdfglmnprstv" for b in ("a", "e", "i", "o", "u", "an", "er", "il")]
SPANS_PER_TRACE = 20


@dataclass(frozen=True, slots=True)
class Payload:
    """One request body and what is in it."""

    body: bytes
    spans: int
    llm_calls: int
    input_tokens: int


def payloads(
    spans: int,
    spans_per_request: int,
    seed: int = 1,
    window_s: int = 600,
    sessions: int = 1_000,
    *,
    grows: bool = False,
) -> Iterator[Payload]:
    """Yield requests until ``spans`` spans are in them.

    Args:
        spans: how many.
        spans_per_request: in one request.
        seed: of what is drawn.
        window_s: seconds before now in which traces begin.
        sessions: how many sessions traces are drawn from.
        grows: whether a call repeats the conversation of its trace so far, as agents do.
    """
    rng = random.Random(seed)
    words = vocabulary(rng)
    now_ns = time.time_ns()
    waiting: list[Span] = []
    made = 0
    while made < spans:
        while len(waiting) < min(spans_per_request, spans - made):
            start_ns = now_ns - rng.randrange(window_s * 10**9)
            session = f"session-{rng.randrange(sessions)}"
            waiting += trace(rng, words, start_ns, session=session, grows=grows)
        chunk, waiting = waiting[:spans_per_request], waiting[spans_per_request:]
        made += len(chunk)
        yield _payload(
            request(*chunk, service="bench", scope="opentelemetry.instrumentation.genai")
        )


def _payload(made: ExportTraceServiceRequest) -> Payload:
    spans = made.resource_spans[0].scope_spans[0].spans
    tokens = [
        a.value.int_value
        for s in spans
        for a in s.attributes
        if a.key == "gen_ai.usage.input_tokens"
    ]
    return Payload(made.SerializeToString(), len(spans), len(tokens), sum(tokens))


def vocabulary(rng: random.Random) -> list[str]:
    """Return the words that texts are made of."""
    return ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(4_000)]


def trace(
    rng: random.Random,
    words: list[str],
    start_ns: int,
    size: int = SPANS_PER_TRACE,
    session: str = "session-0",
    *,
    grows: bool = False,
) -> list[Span]:
    """Return the spans of an agent's trace: its root, then calls and tools, a second apart."""
    trace_id, root_id = rng.randbytes(16), rng.randbytes(8)
    root = _span(trace_id, root_id, b"", "invoke_agent bench", start_ns, 20 * 10**9)
    root.attributes.extend(
        attributes(
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": f"agent-{rng.randrange(8)}",
                "session.id": session,
                "user.id": f"user-{rng.randrange(200)}",
            }
        )
    )
    spans = [root]
    said: list[dict[str, object]] = []
    for n in range(size - 1):
        at = start_ns + (n + 1) * 10**9
        if n % 5 in (0, 2):
            said = said if grows else []
            spans.append(_llm(rng, words, trace_id, root_id, at, said))
        else:
            spans.append(_tool(rng, words, trace_id, root_id, at))
    return spans


def _llm(
    rng: random.Random,
    words: list[str],
    trace_id: bytes,
    parent: bytes,
    at: int,
    said: list[dict[str, object]],
) -> Span:
    """Return a call that says what was said before and something more."""
    said.append(_message("user", text(rng, words, 1_600)))
    answer = _message("assistant", text(rng, words, 700))
    model = rng.choice(("gpt-4o-mini", "gpt-4o", "gpt-5-mini"))
    tokens = rng.randint(200, 4_000)
    span = _span(trace_id, rng.randbytes(8), parent, f"chat {model}", at, 800_000_000)
    span.kind = Span.SPAN_KIND_CLIENT
    span.attributes.extend(
        attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": model,
                "gen_ai.response.model": model,
                "gen_ai.response.id": f"chatcmpl-{rng.randbytes(12).hex()}",
                "gen_ai.request.temperature": 0.2,
                "gen_ai.usage.input_tokens": tokens,
                "gen_ai.usage.output_tokens": rng.randint(10, 600),
                "gen_ai.usage.cache_read.input_tokens": rng.randrange(tokens),
                "server.address": "api.openai.com",
                "server.port": 443,
                "gen_ai.input.messages": orjson.dumps(said).decode(),
                "gen_ai.output.messages": orjson.dumps([answer]).decode(),
            }
        )
    )
    said.append(answer)
    return span


def _tool(rng: random.Random, words: list[str], trace_id: bytes, parent: bytes, at: int) -> Span:
    tool = rng.choice(("search", "read_file", "run_tests", "lookup"))
    span = _span(trace_id, rng.randbytes(8), parent, f"execute_tool {tool}", at, 90_000_000)
    span.attributes.extend(
        attributes(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": tool,
                "gen_ai.tool.call.id": f"call_{rng.randbytes(8).hex()}",
                "gen_ai.tool.call.arguments": orjson.dumps(
                    {"query": text(rng, words, 200)}
                ).decode(),
                "gen_ai.tool.call.result": text(rng, words, 1_200),
            }
        )
    )
    return span


def _span(
    trace_id: bytes, span_id: bytes, parent: bytes, name: str, start_ns: int, duration_ns: int
) -> Span:
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        name=name,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + duration_ns,
    )


def _message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def text(rng: random.Random, words: list[str], length: int) -> str:
    """Return words of at least ``length`` characters together."""
    parts: list[str] = []
    size = 0
    while size < length:
        word = rng.choice(words)
        parts.append(word)
        size += len(word) + 1
    return " ".join(parts)
