"""How instrumentations put a model call, a tool call or an agent on the wire.

Written from what the vendors' conventions and recordings say, not from the dialects that read
them: one table row per instrumentation, plus a function where it wraps its counts in JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.analytics import shown_usage
from tests.analytics.shown_usage import Usage
from tests.otlp import Value

Kind: TypeAlias = Span.SpanKind.ValueType

INTERNAL, SERVER, CLIENT = Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT


FIELDS = tuple(Usage.__dataclass_fields__)
TOTALS = {"input": "gen_ai.usage.input_tokens", "output": "gen_ai.usage.output_tokens"}
_IDENTITY = {
    "request_model": "gen_ai.request.model",
    "response_model": "gen_ai.response.model",
    "provider": "gen_ai.provider.name",
    "response_id": "gen_ai.response.id",
}
_CURRENT = {
    **TOTALS,
    "cache_read": "gen_ai.usage.cache_read.input_tokens",
    "cache_write": "gen_ai.usage.cache_write.input_tokens",
    "reasoning": "gen_ai.usage.reasoning.output_tokens",
}
CREATION = {
    **TOTALS,
    "cache_read": "gen_ai.usage.cache_read.input_tokens",
    "cache_write": "gen_ai.usage.cache_creation.input_tokens",
}
_LIFETIMES = {
    "cache_write_5m": "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h": "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
}
OPENINFERENCE = {
    "input": "llm.token_count.prompt",
    "output": "llm.token_count.completion",
    "cache_read": "llm.token_count.prompt_details.cache_read",
    "cache_write": "llm.token_count.prompt_details.cache_write",
    "reasoning": "llm.token_count.completion_details.reasoning",
}

Wrap = Callable[[Usage], dict[str, Value]]


@dataclass(frozen=True, slots=True)
class Shown:
    """One instrumentation's span of a model call.

    Attributes:
        scope: the instrumentation scope.
        usage: field of ``Usage`` to attribute key.
        identity: the same for models, provider and response id.
        always: attributes every such span has.
        wrap: counts inside JSON or a Python repr, and ``wrapped``, which fields they are.
        providers: whose calls it can show.
        is_exclusive: its input leaves the cache out.
        layer: 0 frameworks, 1 client libraries, 2 inference servers; a lower one lies outside.
    """

    scope: str
    usage: Mapping[str, str]
    always: Mapping[str, Value] = field(default_factory=dict[str, Value])
    identity: Mapping[str, str] = field(default_factory=lambda: _IDENTITY)
    wrap: Wrap | None = None
    wrapped: tuple[str, ...] = ()
    kind: Kind = CLIENT
    name: str = "chat"
    providers: tuple[str, ...] = ("openai", "anthropic")
    is_exclusive: bool = False
    layer: int = 1

    @property
    def knows(self) -> frozenset[str]:
        return frozenset(self.usage) | frozenset(self.wrapped)

    @property
    def has_id(self) -> bool:
        return "response_id" in self.identity


def _without_id(identity: Mapping[str, str] = _IDENTITY) -> dict[str, str]:
    return {name: key for name, key in identity.items() if name != "response_id"}


_CHAT: dict[str, Value] = {"gen_ai.operation.name": "chat"}
_LLM: dict[str, Value] = {"openinference.span.kind": "LLM"}
GENAI = "opentelemetry.instrumentation.genai"
_LEGACY_IDENTITY = {
    "request_model": "ai.model.id",
    "response_model": "ai.response.model",
    "provider": "ai.model.provider",
    "response_id": "ai.response.id",
}
_LANGFUSE_IDENTITY = {"response_model": "langfuse.observation.model.name"}
_GENERATION: dict[str, Value] = {"langfuse.observation.type": "generation"}
_CLAUDE = {"input": "input_tokens", "output": "output_tokens", "cache_read": "cache_read_tokens",
           "cache_write": "cache_creation_tokens"}  # fmt: skip

SHOWN: dict[str, Shown] = {
    "genai openai": Shown(f"{GENAI}.openai", _CURRENT, _CHAT, providers=("openai",)),
    "genai anthropic": Shown(f"{GENAI}.anthropic", _CURRENT, _CHAT, providers=("anthropic",)),
    "genai langchain": Shown(
        f"{GENAI}.langchain", _CURRENT, _CHAT, identity=_without_id(), layer=0
    ),
    "openai v2": Shown(
        "opentelemetry.instrumentation.openai_v2", TOTALS, _CHAT, providers=("openai",)
    ),
    "anthropic sdk": Shown(
        "com.anthropic.sdk.python",
        {**_CURRENT, **_LIFETIMES},
        _CHAT,
        name="anthropic.messages.create",
        providers=("anthropic",),
        layer=2,  # below what instruments the same client from outside
    ),
    "openinference": Shown(
        "openinference.instrumentation.openai",
        OPENINFERENCE,
        _LLM,
        identity={"response_model": "llm.model_name", "provider": "llm.provider"},
        kind=INTERNAL,
    ),
    "openinference langchain": Shown(
        "openinference.instrumentation.langchain",
        OPENINFERENCE,
        _LLM,
        identity={"response_model": "llm.model_name", "provider": "llm.provider"},
        kind=INTERNAL,
        layer=0,
    ),
    "smolagents": Shown(
        "openinference.instrumentation.smolagents",
        {name: OPENINFERENCE[name] for name in ("input", "output")},
        _LLM,
        identity={"response_model": "llm.model_name"},
        kind=INTERNAL,
        layer=0,
    ),
    "traceloop": Shown(
        "opentelemetry.instrumentation.anthropic",
        {**CREATION, "reasoning": "gen_ai.usage.reasoning_tokens"},
        _CHAT,
    ),
    "traceloop 0.4": Shown(
        "opentelemetry.instrumentation.openai.v1",
        {
            "input": "gen_ai.usage.prompt_tokens",
            "output": "gen_ai.usage.completion_tokens",
            "cache_read": "gen_ai.usage.cache_read_input_tokens",
            "cache_write": "gen_ai.usage.cache_creation_input_tokens",
        },
        {"llm.request.type": "chat", "gen_ai.system": "OpenAI"},
        identity=_without_id({**_IDENTITY, "provider": "llm.vendor"}),
        providers=("openai",),
    ),
    "langsmith": Shown(
        "langsmith",
        TOTALS,
        {**_CHAT, "langsmith.span.kind": "llm", "gen_ai.system": "langchain"},
        identity={"request_model": "gen_ai.request.model"},
        wrap=shown_usage.langsmith,
        wrapped=("cache_read", "cache_write", "reasoning"),
        kind=INTERNAL,
        layer=0,
    ),
    "litellm": Shown(
        "litellm",
        TOTALS,
        {**_CHAT, "litellm.call_type": "completion"},
        identity=_without_id(),
        wrap=shown_usage.litellm,
        wrapped=("cache_read", "cache_write", "reasoning"),
        kind=INTERNAL,
        name="litellm_request",
        layer=0,
    ),
    "vercel 7": Shown("gen_ai", CREATION, _CHAT, layer=0),
    "vercel legacy": Shown(
        "ai",
        {
            "input": "ai.usage.inputTokens",
            "output": "ai.usage.outputTokens",
            "cache_read": "ai.usage.inputTokenDetails.cacheReadTokens",
            "cache_write": "ai.usage.inputTokenDetails.cacheWriteTokens",
            "reasoning": "ai.usage.outputTokenDetails.reasoningTokens",
        },
        {"ai.operationId": "ai.generateText.doGenerate"},
        identity=_LEGACY_IDENTITY,
        wrap=shown_usage.vercel,
        wrapped=("cache_write_5m", "cache_write_1h"),
        kind=INTERNAL,
        providers=("anthropic",),
        layer=0,
    ),
    "vercel 5": Shown(
        "ai",
        {
            "input": "ai.usage.inputTokens",
            "output": "ai.usage.outputTokens",
            "cache_read": "ai.usage.cachedInputTokens",
        },
        {"ai.operationId": "ai.streamText.doStream"},
        identity=_LEGACY_IDENTITY,
        wrap=shown_usage.vercel,
        wrapped=("cache_write", "cache_write_5m", "cache_write_1h"),
        kind=INTERNAL,
        providers=("anthropic",),
        is_exclusive=True,
        layer=0,
    ),
    "pydantic ai": Shown(
        "pydantic-ai",
        {
            **TOTALS,
            "cache_read": "gen_ai.usage.details.cache_read_tokens",
            "cache_write": "gen_ai.usage.cache_creation.input_tokens",
            "reasoning": "gen_ai.usage.details.reasoning_tokens",
        },
        _CHAT,
        layer=0,
    ),
    "logfire agents": Shown(
        "logfire.openai_agents",
        {},
        {"logfire.msg_template": "Chat completion with {gen_ai.request.model!r}"},
        wrap=shown_usage.logfire,
        wrapped=("input", "output", "cache_read", "reasoning"),
        kind=INTERNAL,
        name="Chat completion with {gen_ai.request.model!r}",
        providers=("openai",),
        layer=0,
    ),
    "openlit": Shown(
        "openlit.instrumentation.anthropic",
        CREATION,
        _CHAT,
        providers=("anthropic",),
        is_exclusive=True,
    ),
    "langfuse": Shown(
        "langfuse-sdk",
        {},
        _GENERATION,
        identity=_LANGFUSE_IDENTITY,
        wrap=shown_usage.langfuse_openai,
        wrapped=("input", "output", "cache_read", "reasoning"),
        kind=INTERNAL,
        providers=("openai",),
        layer=0,
    ),
    "langfuse buckets": Shown(
        "langfuse-sdk",
        {},
        _GENERATION,
        identity=_LANGFUSE_IDENTITY,
        wrap=shown_usage.langfuse_buckets,
        wrapped=("input", "output", "cache_read", "cache_write", *_LIFETIMES),
        kind=INTERNAL,
        providers=("anthropic",),
        layer=0,
    ),
    "google adk": Shown(
        "gcp.vertex.agent",
        {name: key for name, key in _CURRENT.items() if name != "cache_write"},
        {"gen_ai.operation.name": "generate_content"},
        identity={"request_model": "gen_ai.request.model"},
        kind=INTERNAL,
        layer=0,
    ),
    "agent framework": Shown(
        "agent_framework", CREATION, _CHAT, kind=INTERNAL, providers=("openai",), layer=0
    ),
    "agent framework with claude": Shown(
        "agent_framework",
        CREATION,
        _CHAT,
        kind=INTERNAL,
        providers=("anthropic",),
        is_exclusive=True,
        layer=0,
    ),
    "strands": Shown(
        "strands.telemetry.tracer",
        {
            "input": "gen_ai.usage.input_tokens",
            "output": "gen_ai.usage.output_tokens",
            "cache_read": "gen_ai.usage.cache_read_input_tokens",
            "cache_write": "gen_ai.usage.cache_write_input_tokens",
        },
        {**_CHAT, "gen_ai.event.start_time": "2026-11-21T00:00:00Z"},
        identity={"request_model": "gen_ai.request.model"},
        kind=INTERNAL,
        layer=0,
    ),
    "claude code": Shown(
        "com.anthropic.claude_code.tracing",
        _CLAUDE,
        {"span.type": "llm_request", "gen_ai.provider.name": "anthropic"},
        identity={"request_model": "model"},
        kind=INTERNAL,
        name="claude_code.llm_request",
        providers=("anthropic",),
        is_exclusive=True,
        layer=0,
    ),
    "vllm": Shown(
        "vllm.tracing.otel",
        {"input": "gen_ai.usage.prompt_tokens", "output": "gen_ai.usage.completion_tokens"},
        identity={},
        kind=SERVER,
        name="llm_request",
        providers=("openai",),
        layer=3,
    ),
    "sglang": Shown(
        "sglang server",
        {
            "input": "gen_ai.usage.prompt_tokens",
            "output": "gen_ai.usage.completion_tokens",
            "cache_read": "gen_ai.usage.cached_tokens",
        },
        identity={"response_model": "gen_ai.response.model"},
        kind=SERVER,
        name="llm_request",
        providers=("openai",),
        layer=3,
    ),
}
LOG_OF_CLAUDE_CODE = {**_CLAUDE, "cache_write_5m": "cache_creation_5m_tokens",
                      "cache_write_1h": "cache_creation_1h_tokens"}  # fmt: skip
EVENT_OF_GENAI = _CURRENT


def call_attributes(
    shown: Shown, identity: Mapping[str, str], usage: Usage | None
) -> dict[str, Value]:
    """The attributes of a call as an instrumentation shows it; ``usage`` None: none was told."""
    found: dict[str, Value] = dict(shown.always)
    found |= {key: identity[name] for name, key in shown.identity.items() if name in identity}
    if usage is None:
        return found
    for name, key in shown.usage.items():
        value = usage.uncached if name == "input" and shown.is_exclusive else getattr(usage, name)
        found[key] = value
    return found | (shown.wrap(usage) if shown.wrap else {})
