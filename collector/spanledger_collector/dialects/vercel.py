"""Vercel AI SDK 4 to 6, and the legacy telemetry of 7: ``ai.*`` keys.

https://ai-sdk.dev/docs/ai-sdk-core/telemetry
"""

from __future__ import annotations

from spanledger_collector.decode.messages import canonical
from spanledger_collector.decode.values import (
    Value,
    count,
    milliseconds,
    number,
    parse_json,
    text,
    whole,
)
from spanledger_collector.dialects.base import Content, Dialect, Draft, sources
from spanledger_collector.dialects.nested import messages_in
from spanledger_collector.dialects.otel_genai import COLUMNS
from spanledger_collector.dialects.raw_usage import TOTALS, add_cache_to_input, fill_metadata
from spanledger_collector.dialects.vocabulary import finish_reason, provider

_METADATA = "ai.telemetry.metadata."
_OUTER = ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject")
_ROLES = {
    **{name.lower(): "agent" for name in _OUTER},  # their usage is a sum, or that of the last step
    **{f"{name}.{call}".lower(): "llm" for name in _OUTER for call in ("doGenerate", "doStream")},
    "ai.embed.doembed": "embedding",
    "ai.embedmany.doembed": "embedding",
    "ai.toolcall": "tool",
    "ai.rerank.dorerank": "retrieval",
}
_DETAILS = "ai.usage.inputTokenDetails."


def _interpret(draft: Draft) -> None:
    row, attributes = draft.row, draft.attributes
    draft.fill("stream", ".doStream" in str(attributes.get("ai.operationId")) or None)
    if row["role"] in ("llm", "embedding"):
        _read_metadata(draft, attributes.get("ai.response.providerMetadata"))
        _read_messages(draft)


def _read_metadata(draft: Draft, metadata: Value) -> None:
    """Read what the provider reported; up to version 5 some inputs lack the cache.

    They are those of Anthropic's API, whoever serves it, and of Bedrock's.
    """
    row = draft.row
    maker = str(draft.attributes.get("ai.model.provider", row["provider"])).lower()
    before = [row[column] for column in TOTALS]
    fill_metadata(draft, metadata)
    is_corrected = before != [row[column] for column in TOTALS]
    has_details = any(key.startswith(_DETAILS) for key in draft.attributes)
    is_apart = "anthropic" in maker or "bedrock" in maker
    if is_apart and not has_details and not is_corrected:
        add_cache_to_input(draft)


def _read_messages(draft: Draft) -> None:
    attributes = draft.attributes
    offered = attributes.get("ai.prompt.tools")
    if isinstance(offered, list) and offered:
        parsed = [parse_json(tool) for tool in offered]
        if None not in parsed:
            draft.definitions += parsed
            del attributes["ai.prompt.tools"]
    asked = messages_in(attributes.get("ai.prompt.messages"), "user")
    if asked:
        draft.inputs += asked
        del attributes["ai.prompt.messages"]
    spoken, calls = attributes.get("ai.response.text"), attributes.get("ai.response.toolCalls")
    called = parse_json(calls)
    parts: list[object] = [{"type": "text", "content": spoken}] if spoken else []
    if isinstance(called, list):
        parts += [
            {"type": "tool-call", **call} if isinstance(call, dict) else call for call in called
        ]
    if parts and (called is not None or not calls):
        draft.outputs.append(canonical({"role": "assistant", "parts": parts}, "assistant"))
        attributes.pop("ai.response.text", None)
        attributes.pop("ai.response.toolCalls", None)


VERCEL = Dialect(
    name="vercel",
    scopes=(),  # the scope is "ai", a prefix of too many others
    markers=frozenset({"ai.operationId"}),
    columns={
        **COLUMNS,
        **sources("provider", provider, "ai.model.provider", "gen_ai.system"),
        **sources("request_model", text, "ai.model.id", "gen_ai.request.model"),
        **sources("response_model", text, "ai.response.model", "gen_ai.response.model"),
        **sources("response_id", text, "ai.response.id", "gen_ai.response.id"),
        **sources(
            "finish_reason",
            finish_reason,
            "ai.response.finishReason",
            "gen_ai.response.finish_reasons",
        ),
        **sources(
            "input_tokens",
            count,
            "ai.usage.inputTokens",
            "ai.usage.promptTokens",
            "ai.usage.tokens",
            "gen_ai.usage.input_tokens",
        ),
        **sources(
            "output_tokens",
            count,
            "ai.usage.outputTokens",
            "ai.usage.completionTokens",
            "gen_ai.usage.output_tokens",
        ),
        **sources(
            "cache_read_tokens", count, f"{_DETAILS}cacheReadTokens", "ai.usage.cachedInputTokens"
        ),
        **sources("cache_write_tokens", count, f"{_DETAILS}cacheWriteTokens"),
        **sources(
            "reasoning_tokens",
            count,
            "ai.usage.outputTokenDetails.reasoningTokens",
            "ai.usage.reasoningTokens",
        ),
        **sources("ttft_ns", milliseconds, "ai.response.msToFirstChunk"),
        **sources("temperature", number, "ai.settings.temperature"),
        **sources("top_p", number, "ai.settings.topP"),
        **sources("top_k", number, "ai.settings.topK"),
        **sources("max_tokens", count, "ai.settings.maxOutputTokens", "ai.settings.maxTokens"),
        **sources("seed", whole, "ai.settings.seed"),
        **sources("frequency_penalty", number, "ai.settings.frequencyPenalty"),
        **sources("presence_penalty", number, "ai.settings.presencePenalty"),
        **sources("agent_name", text, "ai.telemetry.functionId", "resource.name"),
        **sources("session_id", text, f"{_METADATA}sessionId", "session.id"),
        **sources("user_id", text, f"{_METADATA}userId", "user.id"),
        **sources("tool_name", text, "ai.toolCall.name"),
        **sources("tool_call_id", text, "ai.toolCall.id"),
    },
    roles=(("ai.operationId", _ROLES),),
    content=Content(tool_arguments=("ai.toolCall.args",), tool_result=("ai.toolCall.result",)),
    first_token_events=frozenset({"ai.stream.firstChunk"}),
    interpret=_interpret,
)
