"""Agent traces as the peers were measured with: long prompts, no history, 2 kB a span.

Every request is one resource and one scope; a trace has 8 to 40 spans: its root, then two calls to
every tool. A call has one user message of 1,500 characters and an answer of a quarter of that, a
tool's result is a third; 3 % of the spans fail.
"""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterator

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from benchmarks.payloads import Payload, text
from tests.otlp import Value, attributes

PROMPT_CHARACTERS = 1_500
_RESOURCE = {
    "service.name": "support-agent",
    "service.version": "1.2.3",
    "deployment.environment.name": "prod",
    "host.name": "h1",
    "telemetry.sdk.language": "python",
}
_FAILING = 0.03


def chat_payloads(spans: int, spans_per_request: int, seed: int = 1) -> Iterator[Payload]:
    """Yield requests until ``spans`` spans are in them."""
    rng = random.Random(seed)
    letters = string.ascii_lowercase
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(4_000)]
    for first in range(0, spans, spans_per_request):
        yield _request(rng, words, min(spans_per_request, spans - first))


def _request(rng: random.Random, words: list[str], size: int) -> Payload:
    made = ExportTraceServiceRequest()
    resource_spans = made.resource_spans.add()
    resource_spans.resource.attributes.extend(attributes(_RESOURCE))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = "openai_v2", "2.4b0"
    calls = tokens = 0
    while (left := size - len(scope_spans.spans)) > 0:
        for span, used in _trace(rng, words, min(left, rng.randint(8, 40))):
            scope_spans.spans.append(span)
            calls += used > 0
            tokens += used
    return Payload(made.SerializeToString(), size, calls, tokens)


def _trace(rng: random.Random, words: list[str], size: int) -> Iterator[tuple[Span, int]]:
    """Yield the spans of a trace, each with its input tokens."""
    trace_id, root = rng.randbytes(16), rng.randbytes(8)
    session, user = f"c{rng.randint(1, 5_000)}", f"u{rng.randint(1, 500)}"
    start_ns = time.time_ns()
    for n in range(size):
        used = 0
        if n == 0:
            name, values = "invoke_agent support", _agent(session, user)
        elif n % 3 == 0:
            name, values = "execute_tool search", _tool(rng, words, n)
        else:
            name, used = "chat gpt-5-mini", rng.randint(500, 20_000)
            values = _chat(rng, words, used) | _agent(session, user) | {_OPERATION: "chat"}
        at = start_ns + n * 10**8
        span = Span(
            trace_id=trace_id,
            span_id=rng.randbytes(8) if n else root,
            parent_span_id=root if n else b"",
            name=name,
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=at,
            end_time_unix_nano=at + rng.randint(10**7, 10**10),
            attributes=attributes(values),
        )
        if used:
            reasons = span.attributes.add(key="gen_ai.response.finish_reasons")
            reasons.value.array_value.values.add(string_value="stop")
        if rng.random() < _FAILING:
            span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="boom"))
        yield span, used


_OPERATION = "gen_ai.operation.name"


def _agent(session: str, user: str) -> dict[str, Value]:
    return {
        _OPERATION: "invoke_agent",
        "gen_ai.agent.name": "support",
        "gen_ai.conversation.id": session,
        "user.id": user,
    }


def _tool(rng: random.Random, words: list[str], number: int) -> dict[str, Value]:
    return {
        _OPERATION: "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.call.id": f"call_{number}",
        "gen_ai.tool.call.arguments": orjson.dumps({"q": text(rng, words, 60)}).decode(),
        "gen_ai.tool.call.result": text(rng, words, PROMPT_CHARACTERS // 3),
    }


def _chat(rng: random.Random, words: list[str], used: int) -> dict[str, Value]:
    return {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.response.model": "gpt-5-mini",
        "gen_ai.response.id": f"chatcmpl-{rng.getrandbits(60)}",
        "gen_ai.usage.input_tokens": used,
        "gen_ai.usage.output_tokens": rng.randint(10, 900),
        "gen_ai.usage.cache_read.input_tokens": rng.randint(0, 500),
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 1_024,
        "server.address": "api.openai.com",
        "server.port": 443,
        "gen_ai.input.messages": _message("user", text(rng, words, PROMPT_CHARACTERS)),
        "gen_ai.output.messages": _message("assistant", text(rng, words, PROMPT_CHARACTERS // 4)),
    }


def _message(role: str, said: str) -> str:
    return orjson.dumps([{"role": role, "parts": [{"type": "text", "content": said}]}]).decode()
