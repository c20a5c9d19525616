"""OpenInference (Arize Phoenix): flattened messages, raw request and response beside them.

https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
"""

from __future__ import annotations

from typing import cast

from spanledger_collector.decode.columns import Row
from spanledger_collector.decode.messages import Message, canonical, part, tool_response
from spanledger_collector.decode.values import Attributes, Value, count, parse_json, text, usd
from spanledger_collector.dialects.base import Content, Dialect, Draft, fallback, sources
from spanledger_collector.dialects.flattened import fields, gather, take
from spanledger_collector.dialects.generic import COMMON
from spanledger_collector.dialects.openinference_raw import read_raw
from spanledger_collector.dialects.otel_genai import COLUMNS, ROLES
from spanledger_collector.dialects.raw_usage import (
    add_cache_beside_input,
    add_cache_to_input,
    add_thoughts_to_output,
    fill_metadata,
    fill_usage,
    parse_usage,
)
from spanledger_collector.dialects.vocabulary import finish_reason, provider, provider_of_model

_TOOL_CALLS = "message.tool_calls."
_CONTENTS = "message.contents."
_KINDS = {
    "llm": "llm",
    "embedding": "embedding",
    "tool": "tool",
    "agent": "agent",
    "chain": "workflow",
    "retriever": "retrieval",
    "reranker": "retrieval",
    "guardrail": "guardrail",
}
# Agents by span name: what the framework appends to the agent's own name.
_NAME_SUFFIXES = (".run", "._execute_core", ".kickoff")
_AGNO = "openinference.instrumentation.agno"
_LITELLM = "litellm"  # whose callbacks for others write these keys
_VERTEX = "openinference.instrumentation.vertexai"  # its output is Gemini's candidates alone


def _tool_call(item: Attributes) -> object:
    call: dict[str, Value] = {
        "type": "tool_call",
        "id": item.get("tool_call.id"),
        "name": item.get("tool_call.function.name"),
        "arguments": item.get("tool_call.function.arguments"),
    }
    return part(call)


def _message(item: Attributes, role: str) -> Message:
    """Return the message of ``llm.<side>_messages.N.*``."""
    content = item.get("message.content")
    call_id = item.get("message.tool_call_id")
    parts: list[object] = []
    if isinstance(call_id, str) and call_id:
        parts.append(tool_response(content, call_id))
    elif content:
        parts.append(part(content))
    parts += [part(fields(block, "message_content.") or block) for block in gather(item, _CONTENTS)]
    parts += [_tool_call(call) for call in gather(item, _TOOL_CALLS)]
    message: dict[str, object] = {
        "role": item.get("message.role"),
        "name": item.get("message.name"),
        "parts": parts,
    }
    return canonical(message, role)


def _read_messages(draft: Draft) -> None:
    attributes = draft.attributes
    draft.inputs += [_message(item, "user") for item in take(attributes, "llm.input_messages.")]
    draft.outputs += [
        _message(item, "assistant") for item in take(attributes, "llm.output_messages.")
    ]
    for tool in take(attributes, "llm.tools."):
        schema = tool.get("tool.json_schema")
        parsed = parse_json(schema)
        draft.definitions.append(tool if parsed is None else parsed)


def _settle_role(draft: Draft, scope: str) -> None:
    row, attributes = draft.row, draft.attributes
    if row["role"] == "tool" and _is_no_tool(draft, scope):
        row["role"] = "other"
        return
    # The attribute limit of an SDK evicts the oldest keys first, the span kind among them.
    evicted = row["role"] == "other" and "openinference.span.kind" not in attributes
    if evicted and (row["input_tokens"] is not None or draft.outputs):
        row["role"] = "llm"


def _is_no_tool(draft: Draft, scope: str) -> bool:
    """Tell hand-offs and final answers, which only look like tool calls."""
    if scope.endswith(".openai_agents"):
        return draft.span.name.startswith("handoff to ")
    return scope.endswith(".smolagents") and draft.row["tool_name"] == "final_answer"


def _interpret(draft: Draft) -> None:
    row, attributes = draft.row, draft.attributes
    _read_messages(draft)
    _settle_role(draft, str(row["scope_name"]))
    role = row["role"]
    if role in ("llm", "embedding"):
        read_raw(draft)
        fill_metadata(draft, attributes.get("ai.response.providerMetadata"))
        draft.fill("request_model", row["response_model"] or None)
        total = attributes.get("llm.token_count.total")
        if row["scope_name"] == _AGNO and _is_counted_apart(row):
            add_cache_to_input(draft)
        elif row["scope_name"] == _VERTEX and role == "llm":
            add_thoughts_to_output(draft, total)
        else:
            add_cache_beside_input(draft, total)  # Bedrock's, as seen in 0.1.40
        draft.fill("provider", provider_of_model(str(row["request_model"])))
    elif role == "agent":
        suffixed = draft.span.name
        for suffix in _NAME_SUFFIXES:
            suffixed = suffixed.removesuffix(suffix)
        draft.fill("agent_name", text(attributes.get("graph.node.id")) or suffixed)
    elif role == "tool":
        draft.fill("tool_call_id", _langchain_call_id(attributes.get("output.value")))
    metadata = parse_json(attributes.get("metadata"))
    if isinstance(metadata, dict):
        if row["scope_name"] == _LITELLM and role in ("llm", "embedding"):
            _read_litellm(draft, metadata)
        draft.fill("session_id", text(metadata.get("session_id")))
        draft.fill("session_id", text(metadata.get("thread_id")))
        draft.fill("user_id", text(metadata.get("user_id")))


def _read_litellm(draft: Draft, metadata: dict[str, Value]) -> None:
    """Fill what LiteLLM's callbacks for Langfuse, Arize and Phoenix tell outside of flat keys."""
    row, attributes = draft.row, draft.attributes
    usage = parse_usage(metadata.get("usage_object"))
    if usage and count(cast("Value", usage.get("total_tokens"))):  # zeros stand for none told
        fill_usage(draft, usage)
    draft.fill("response_id", text(attributes.get("llm.response.id")))
    asked, answered = str(row["request_model"]), text(attributes.get("llm.response.model")) or ""
    # Only a date is added: of a proxy this is its alias.
    if answered.startswith(asked) and not answered.removeprefix(asked).strip("-0123456789"):
        row["response_model"] = answered
    for key in ("user_api_key_end_user_id", "user_api_key_user_id"):
        draft.fill("user_id", text(metadata.get(key)))


def _is_counted_apart(row: Row) -> bool:
    """Tell calls whose input Agno writes as Anthropic and Bedrock count it, without the cache.

    Seen in Agno 3.1 and 1.0.15 of its instrumentation.
    """
    if row["provider"] == "gcp.vertex_ai":
        return "claude" in str(row["request_model"])
    return row["provider"] in ("anthropic", "aws.bedrock")


def _langchain_call_id(output: Value) -> str | None:
    """Return the id of the tool call in a dumped LangChain ToolMessage."""
    dump = parse_json(output) if isinstance(output, str) and '"tool_call_id"' in output else None
    if not isinstance(dump, dict):
        return None
    for level in (dump, dump.get("data"), dump.get("kwargs")):
        if isinstance(level, dict) and isinstance(level.get("tool_call_id"), str):
            return str(level["tool_call_id"])
    return None


OPENINFERENCE = Dialect(
    name="openinference",
    scopes=("openinference.",),
    markers=frozenset({"openinference.span.kind"}),
    columns={
        **fallback(COLUMNS),  # what a processor left beside the keys it translated
        **COMMON,
        **sources("provider", provider, "llm.provider", "llm.system"),
        **sources("response_model", text, "llm.model_name", "embedding.model_name"),
        **sources("input_tokens", count, "llm.token_count.prompt"),
        **sources("output_tokens", count, "llm.token_count.completion"),
        **sources("cache_read_tokens", count, "llm.token_count.prompt_details.cache_read"),
        **sources("cache_write_tokens", count, "llm.token_count.prompt_details.cache_write"),
        **sources("reasoning_tokens", count, "llm.token_count.completion_details.reasoning"),
        **sources("audio_input_tokens", count, "llm.token_count.prompt_details.audio"),
        **sources("audio_output_tokens", count, "llm.token_count.completion_details.audio"),
        **sources("reported_cost_usd", usd, "llm.cost.total"),
        **sources("finish_reason", finish_reason, "llm.finish_reason"),
        **sources("agent_name", text, "agent.name"),
        **sources("tool_name", text, "tool.name"),
        **sources("tool_call_id", text, "tool.id", "tool_call.id"),
    },
    roles=(("openinference.span.kind", _KINDS), *ROLES),
    content=Content(tool_arguments=("input.value",), tool_result=("output.value",)),
    first_token_events=frozenset({"First Token Stream Event"}),
    interpret=_interpret,
)
