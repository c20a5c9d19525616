"""OpenTelemetry GenAI semantic conventions, current and previous names.

Besides the official instrumentations this reads whatever writes ``gen_ai.*`` keys: the spans of
the Anthropic SDK itself, Pydantic AI, Vercel AI SDK 7, Semantic Kernel, MCP and others.
https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector.decode.values import count, flag, number, seconds, text, usd, whole
from spanledger_collector.dialects.base import Content, Dialect, Draft, sources
from spanledger_collector.dialects.generic import COMMON
from spanledger_collector.dialects.raw_usage import TOTALS, fill_metadata
from spanledger_collector.dialects.vocabulary import finish_reason, provider

USAGE = {
    **sources("input_tokens", count, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    **sources(
        "output_tokens", count, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"
    ),
    **sources(
        "cache_read_tokens",
        count,
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cached_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cached_tokens",
    ),
    **sources(
        "cache_write_tokens",
        count,
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_tokens",
    ),
    **sources(
        "cache_write_5m_tokens",
        count,
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
        "gen_ai.usage.details.ephemeral_5m_input_tokens",
    ),
    **sources(
        "cache_write_1h_tokens",
        count,
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
        "gen_ai.usage.details.ephemeral_1h_input_tokens",
    ),
    **sources(
        "reasoning_tokens",
        count,
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "gen_ai.usage.details.thinking_tokens",
        "gen_ai.usage.details.thoughts_tokens",
        "ai.usage.outputTokenDetails.reasoningTokens",
    ),
    **sources(
        "audio_input_tokens",
        count,
        "gen_ai.usage.audio.input_tokens",
        "gen_ai.usage.details.input_audio_tokens",
        "gen_ai.usage.details.audio_prompt_tokens",
    ),
    **sources(
        "audio_output_tokens",
        count,
        "gen_ai.usage.audio.output_tokens",
        "gen_ai.usage.details.output_audio_tokens",
        "gen_ai.usage.details.audio_candidates_tokens",
    ),
    **sources(
        "image_tokens",
        count,
        "gen_ai.usage.image.input_tokens",
        "gen_ai.usage.details.image_prompt_tokens",
    ),
    **sources(
        "image_output_tokens",
        count,
        "gen_ai.usage.image.output_tokens",
        "gen_ai.usage.details.image_candidates_tokens",
    ),
    **sources(
        "cache_read_audio_tokens",
        count,
        "gen_ai.usage.audio.cache_read.input_tokens",
        "gen_ai.usage.details.cache_audio_read_tokens",
        "gen_ai.usage.details.audio_cache_tokens",
    ),
    **sources("reported_cost_usd", usd, "operation.cost"),
}

REQUEST = {
    **sources("temperature", number, "gen_ai.request.temperature"),
    **sources("top_p", number, "gen_ai.request.top_p"),
    **sources("top_k", number, "gen_ai.request.top_k"),
    **sources("max_tokens", count, "gen_ai.request.max_tokens"),
    **sources("seed", whole, "gen_ai.request.seed", "gen_ai.openai.request.seed"),
    **sources("frequency_penalty", number, "gen_ai.request.frequency_penalty"),
    **sources("presence_penalty", number, "gen_ai.request.presence_penalty"),
    **sources(
        "reasoning_level",
        text,
        "gen_ai.request.reasoning.level",
        "gen_ai.request.reasoning_effort",
    ),
    **sources("stream", flag, "gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
}

CALL = {
    **sources("provider", provider, "gen_ai.provider.name", "gen_ai.system"),
    **sources("request_model", text, "gen_ai.request.model"),
    **sources("response_model", text, "gen_ai.response.model"),
    **sources(
        "service_tier",
        text,
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "anthropic.response.service_tier",
        "openai.request.service_tier",
        "gen_ai.openai.request.service_tier",
    ),
    **sources("response_id", text, "gen_ai.response.id"),
    **sources("request_id", text, "anthropic.request.id", "gen_ai.request.id"),
    **sources(
        "finish_reason",
        finish_reason,
        "gen_ai.response.finish_reasons",
        "gen_ai.response.finish_reason",
        "anthropic.message.stop_reason",
    ),
    **sources(
        "ttft_ns",
        seconds,
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.latency.time_to_first_token",
    ),
}

ACTORS = {
    **sources("agent_id", text, "gen_ai.agent.id"),
    **sources("agent_version", text, "gen_ai.agent.version"),
    **sources("tool_name", text, "gen_ai.tool.name"),
    **sources("tool_call_id", text, "gen_ai.tool.call.id"),
}

OPERATIONS = {
    "chat": "llm",
    "chat.completions": "llm",
    "text.completions": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "completion": "llm",
    "acompletion": "llm",
    "embeddings": "embedding",
    "embedding": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "workflow",
    "workflow": "workflow",
    "retrieval": "retrieval",
    "rerank": "retrieval",
    "search_memory": "retrieval",
}
ROLES = (("gen_ai.operation.name", OPERATIONS),)

CONTENT = Content(
    tool_definitions=("gen_ai.tool.definitions",),
    system=("gen_ai.system_instructions",),
    input_messages=("gen_ai.input.messages",),
    output_messages=("gen_ai.output.messages",),
    tool_arguments=("gen_ai.tool.call.arguments", "tool_arguments"),
    tool_result=("gen_ai.tool.call.result", "tool_response"),
)
MARKERS = frozenset(
    {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.system",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.tool.call.id",
    }
)
_TEXT_READ = "gen_ai.usage.text.cache_read.input_tokens"
_METADATA = "ai.response.providerMetadata"  # of Vercel AI SDK 7
# Of Anthropic's own SDK, whose totals leave compactions out.
_COMPACTIONS = {column: f"anthropic.usage.compaction.{column}" for column in TOTALS}
INTERPRETED = (_TEXT_READ, _METADATA, *_COMPACTIONS.values())
"""Keys that the table of columns does not read; ``interpret`` does."""
COLUMNS = {**COMMON, **USAGE, **REQUEST, **CALL, **ACTORS}


def guess_role(draft: Draft) -> None:
    """Read the role of a span without an operation name, as older instrumentations write them.

    With a name that nobody knows, a span must state tokens to be a call. So must a log record of
    Google ADK, which names neither operation nor model: its span does.
    """
    attributes, row = draft.attributes, draft.row
    if row["role"] != "other":
        return
    has_tokens = row["input_tokens"] is not None or row["output_tokens"] is not None
    if attributes.get("gen_ai.operation.name"):
        if has_tokens and row["request_model"] and draft.span.kind == Span.SPAN_KIND_CLIENT:
            row["role"] = "llm"
        return
    if "gen_ai.tool.call.id" in attributes:
        row["role"] = "tool"
    elif draft.span.kind == Span.SPAN_KIND_SERVER and row["input_tokens"] is not None:
        row["role"] = "server"  # an inference server's view of a call
    elif draft.span.kind == Span.SPAN_KIND_CLIENT and (
        row["request_model"] or (row["kind"] == "log" and has_tokens)
    ):
        row["role"] = "llm"


def interpret(draft: Draft) -> None:
    """Read the role, and what ``INTERPRETED`` keys tell of the tokens."""
    guess_role(draft)
    row, attributes = draft.row, draft.attributes
    if row["role"] in ("llm", "embedding"):
        fill_metadata(draft, attributes.get(_METADATA))
    for column, key in _COMPACTIONS.items():
        total, added = row[column], count(attributes.get(key))
        if isinstance(total, int) and added:
            row[column] = total + added
    settle_cached_audio(draft, _TEXT_READ)


def settle_cached_audio(draft: Draft, text_key: str) -> None:
    """Say that no cached token was audio, where all of them were text."""
    read = draft.row["cache_read_tokens"]
    if read is not None and read == count(draft.attributes.get(text_key)):
        draft.fill("cache_read_audio_tokens", 0)


OTEL_GENAI = Dialect(
    name="otel_genai",
    scopes=(
        "opentelemetry.instrumentation.genai.",
        "opentelemetry.instrumentation.openai_v2",
        "opentelemetry.util.genai",
        "com.anthropic.sdk.",
        "autogen-core",
        "semantic_kernel",
    ),
    markers=MARKERS,
    columns=COLUMNS,
    roles=ROLES,
    content=CONTENT,
    interpret=interpret,
)
