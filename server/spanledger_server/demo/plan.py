"""What a simulated trace consists of, before any instrumentation dialect writes it down."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

DialectName = Literal["genai", "anthropic_native", "openinference", "openllmetry"]
Role = Literal["workflow", "agent", "llm", "embedding", "tool", "retrieval"]
CacheKind = Literal["none", "implicit", "explicit"]

CHARACTERS_PER_TOKEN = 4
MESSAGE_OVERHEAD_TOKENS = 4


@dataclass(frozen=True, slots=True)
class Scope:
    """One instrumentation library: its name and version on the wire, and who writes its spans."""

    name: str
    version: str
    dialect: DialectName


@dataclass(frozen=True, slots=True)
class Model:
    """A model as requested and as the provider names it in the answer.

    Attributes:
        cache: ``explicit`` bills cache writes (Anthropic), ``implicit`` only discounts reads.
        has_reasoning: True when part of the output is hidden reasoning.
    """

    provider: str
    request: str
    response: str
    output_tokens_per_s: float
    cache: CacheKind = "none"
    has_reasoning: bool = False


@dataclass(frozen=True)
class ToolRequest:
    """The model's wish to run a tool; ``arguments`` is a JSON object as text."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One message of a conversation; written once per dialect and reused by every later call."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    requests: tuple[ToolRequest, ...] = ()
    tool_call_id: str = ""

    @cached_property
    def tokens(self) -> int:
        """Tokens this message takes in a prompt, estimated from its length."""
        characters = len(self.text) + sum(len(r.name) + len(r.arguments) for r in self.requests)
        return characters // CHARACTERS_PER_TOKEN + MESSAGE_OVERHEAD_TOKENS

    @cached_property
    def genai_json(self) -> str:
        """The message in the JSON form of the OpenTelemetry GenAI conventions."""
        return json.dumps({"role": self.role, "parts": self.genai_parts})

    @property
    def genai_parts(self) -> list[dict[str, object]]:
        """The parts of the GenAI form: text, tool calls or one tool result."""
        if self.role == "tool":
            part = {"type": "tool_call_response", "id": self.tool_call_id, "response": self.text}
            return [dict(part)]
        parts: list[dict[str, object]] = []
        if self.text:
            parts.append({"type": "text", "content": self.text})
        for request in self.requests:
            parts.append(
                {
                    "type": "tool_call",
                    "id": request.call_id,
                    "name": request.name,
                    "arguments": json.loads(request.arguments),
                }
            )
        return parts

    @cached_property
    def openai_json(self) -> str:
        """The message as the OpenAI chat API takes it."""
        body: dict[str, object] = {"role": self.role, "content": self.text or None}
        if self.requests:
            body["tool_calls"] = [
                {
                    "id": r.call_id,
                    "type": "function",
                    "function": {"name": r.name, "arguments": r.arguments},
                }
                for r in self.requests
            ]
        if self.tool_call_id:
            body["tool_call_id"] = self.tool_call_id
        return json.dumps(body)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the provider bills for one call.

    Attributes:
        input_tokens: All input, cache reads and writes included.
        output_tokens: All output, reasoning included.
    """

    input_tokens: int
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as it reaches the instrumentation."""

    error_type: str
    message: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a model.

    Attributes:
        response_id: Empty when the call failed or is an embedding.
        output: None when the call failed or is an embedding.
        usage: None when nothing was reported: the call failed, or a stream did not ask for it.
        ttft_s: Seconds to the first token, for streams.
        attempts: HTTP attempts inside the client, first one included.
    """

    model: Model
    response_id: str
    messages: tuple[Message, ...]
    output: Message | None
    usage: Usage | None
    finish_reason: str = "stop"
    is_stream: bool = False
    ttft_s: float | None = None
    attempts: int = 1
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One execution of a tool; ``result`` is empty when it failed."""

    call_id: str
    name: str
    description: str
    arguments: str
    result: str


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One search in a document store."""

    store: str
    query: str
    documents: tuple[tuple[str, str, float], ...]
    """(document id, text, score)"""


@dataclass(frozen=True, slots=True)
class Step:
    """The work of an agent or workflow as a whole."""

    request: str
    answer: str


@dataclass(slots=True)
class SpanPlan:
    """One span to be; its id and times are final, its attributes are a dialect's business.

    Attributes:
        is_inner: True for the client's own view of a call that the parent span describes already.
    """

    span_id: bytes
    parent_id: bytes
    role: Role
    name: str
    agent: str
    scope: Scope
    start_ns: int
    end_ns: int = 0
    detail: Call | ToolRun | Retrieval | Step | None = None
    failure: Failure | None = None
    is_inner: bool = False


@dataclass(slots=True)
class TracePlan:
    """One trace to be.

    Attributes:
        resource: Resource attributes of the process that emits it.
        task_outcome: Empty while the conversation goes on.
        spans: Ordered by start while being built, by end once finished: children first.
    """

    trace_id: bytes
    agent: str
    version: str
    resource: Mapping[str, str]
    session_id: str
    user_id: str
    task_id: str
    task_outcome: str = ""
    is_runaway: bool = False
    spans: list[SpanPlan] = field(default_factory=list[SpanPlan])

    @property
    def end_ns(self) -> int:
        """When the last span ends, in Unix nanoseconds."""
        return max(span.end_ns for span in self.spans)
