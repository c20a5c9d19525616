"""OpenLLMetry (Traceloop): GenAI keys of 0.5 and later, numbered prompt keys before.

https://github.com/traceloop/openllmetry
"""

from __future__ import annotations

from spanledger_collector.decode.messages import Message, canonical
from spanledger_collector.decode.values import Attributes, number, parse_json, text
from spanledger_collector.dialects.base import Content, Dialect, Draft, sources
from spanledger_collector.dialects.flattened import fields, gather, take
from spanledger_collector.dialects.otel_genai import COLUMNS, OPERATIONS, guess_role
from spanledger_collector.dialects.raw_usage import add_cache_to_input, add_thoughts_to_output
from spanledger_collector.dialects.vocabulary import finish_reason

_KINDS = {"workflow": "workflow", "agent": "agent", "tool": "tool"}
_REQUEST_TYPES = {
    "chat": "llm",
    "completion": "llm",
    "embedding": "embedding",
    "rerank": "retrieval",
}
_BEDROCK = "opentelemetry.instrumentation.bedrock"
"""Whose input is Bedrock's, without the cache, as is that of Claude's bodies. Seen in 0.62.4."""
_GEMINI = (
    "opentelemetry.instrumentation.google_generativeai",
    "opentelemetry.instrumentation.vertexai",
)
"""Whose output is Gemini's candidates alone. Seen in 0.62.4."""
_LIBRARIES = (
    "agno",
    "alephalpha",
    "anthropic",
    "bedrock",
    "chromadb",
    "cohere",
    "crewai",
    "google_generativeai",
    "groq",
    "haystack",
    "lancedb",
    "langchain",
    "llamaindex",
    "marqo",
    "mcp",
    "milvus",
    "mistralai",
    "ollama",
    "openai.",
    "openai_agents",
    "pinecone",
    "qdrant",
    "replicate",
    "sagemaker",
    "together",
    "transformers",
    "vertexai",
    "voyageai",
    "watsonx",
    "weaviate",
    "writer",
)


def _prompt_message(item: Attributes, role: str) -> Message:
    """Return the message of ``gen_ai.prompt.N.*`` or ``gen_ai.completion.N.*``."""
    message: dict[str, object] = {"role": item.get("role")}
    content = item.get("content")
    structured = parse_json(content)
    message["content"] = structured if isinstance(structured, list) else content
    if isinstance(item.get("tool_call_id"), str):
        message["tool_call_id"] = item["tool_call_id"]
    calls = gather(item, "tool_calls.")
    if calls:
        message["tool_calls"] = calls
    return canonical(message, role)


def _read_prompts(draft: Draft) -> None:
    attributes = draft.attributes
    prompts = take(attributes, "gen_ai.prompt.")
    completions = take(attributes, "gen_ai.completion.")
    draft.inputs += [_prompt_message(item, "user") for item in prompts]
    draft.outputs += [_prompt_message(item, "assistant") for item in completions]
    if completions:
        draft.fill("finish_reason", finish_reason(completions[0].get("finish_reason")))
    for tool in take(attributes, "llm.request.functions."):
        definition: dict[str, object] = {"type": "function", **fields(tool, "")}
        parameters = parse_json(tool.get("parameters"))
        if parameters is not None:
            definition["parameters"] = parameters
        draft.definitions.append(definition)


def _interpret(draft: Draft) -> None:
    guess_role(draft)
    _read_prompts(draft)
    attributes, row = draft.attributes, draft.row
    if row["role"] == "llm" and str(row["scope_name"]).startswith(_BEDROCK):
        add_cache_to_input(draft)
    elif row["role"] == "llm" and str(row["scope_name"]).startswith(_GEMINI):
        total = attributes.get("gen_ai.usage.total_tokens")
        add_thoughts_to_output(draft, total or attributes.get("llm.usage.total_tokens"))
    name = text(attributes.get("traceloop.entity.name"))
    if row["role"] == "tool":
        draft.fill("tool_name", name)
    elif row["role"] == "agent":
        draft.fill("agent_name", name)
        if attributes.get("traceloop.span.kind") == "agent":
            draft.fill("agent_version", text(attributes.get("traceloop.entity.version")))


OPENLLMETRY = Dialect(
    name="openllmetry",
    scopes=(
        "traceloop.",
        *(f"opentelemetry.instrumentation.{library}" for library in _LIBRARIES),
    ),
    markers=frozenset({"traceloop.span.kind", "traceloop.entity.name", "llm.request.type"}),
    columns={
        **COLUMNS,
        **sources("top_p", number, "gen_ai.request.top_p", "llm.top_p"),
        **sources("top_k", number, "gen_ai.request.top_k", "llm.top_k"),
        **sources(
            "frequency_penalty",
            number,
            "gen_ai.request.frequency_penalty",
            "llm.frequency_penalty",
        ),
        **sources(
            "presence_penalty", number, "gen_ai.request.presence_penalty", "llm.presence_penalty"
        ),
    },
    roles=(
        ("gen_ai.operation.name", OPERATIONS),
        ("traceloop.span.kind", _KINDS),
        ("llm.request.type", _REQUEST_TYPES),
    ),
    content=Content(
        tool_definitions=("gen_ai.tool.definitions",),
        system=("gen_ai.system_instructions",),
        input_messages=("gen_ai.input.messages",),
        output_messages=("gen_ai.output.messages",),
        tool_arguments=("gen_ai.tool.call.arguments", "traceloop.entity.input"),
        tool_result=("gen_ai.tool.call.result", "traceloop.entity.output"),
    ),
    interpret=_interpret,
)
