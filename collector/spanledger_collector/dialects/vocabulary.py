"""Words that differ between instrumentations and mean one thing: providers, finish reasons."""

from __future__ import annotations

import re
from functools import lru_cache

from spanledger_collector.decode.values import Value, parse_json, text

# https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/ (gen_ai.provider.name)
_PROVIDERS = {
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "amazon": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "awsbedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "bedrock.anthropic": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "google.generative-ai": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "google.vertex.ai": "gcp.vertex_ai",
    "google_genai": "gcp.gen_ai",
    "google_vertexai": "gcp.vertex_ai",
    "googlevertex.anthropic": "gcp.vertex_ai",
    "vertex.anthropic": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "moonshotai": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
    "gcp.vertex.agent": "gcp.vertex_ai",
    # Frameworks, which name themselves where the provider belongs.
    "langchain": "",
    "langgraph": "",
    "strands-agents": "",
    "autogen": "",
    "haystack": "",
    "unknown": "",
}
_API_SUFFIXES = (".chat", ".messages", ".responses", ".completion", ".embedding")

# How the names of models start, where nobody says whose they are.
_MODEL_STARTS = {
    "anthropic": ("claude",),
    "cohere": ("command", "embed-english", "embed-multilingual"),
    "deepseek": ("deepseek-",),
    "gcp.gen_ai": ("gemini",),
    "mistral_ai": ("codestral", "ministral", "mistral-", "pixtral"),
    "openai": ("chatgpt", "gpt-", "o1", "o3", "o4", "text-embedding-3", "text-embedding-ada"),
    "x_ai": ("grok-",),
}
# Ids of models on Amazon Bedrock: those that say where they run, of makers sold so nowhere else,
# and with a version. Oracle's are built alike (``meta.llama-3.3-70b-instruct``) without these.
# https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
_BEDROCK_ID = re.compile(
    r"(?:us|us-gov|eu|apac|au|ca|in|jp|global)\.[a-z0-9]+\."
    r"|(?:amazon|anthropic)\."
    r"|[a-z0-9]+\.[a-z][a-z0-9.-]*:\d+(?::\w+)?$"
    r"|arn:aws:bedrock:",
    re.IGNORECASE | re.ASCII,
)

_FINISH_REASONS = {
    "end_turn": "stop",
    "completed": "stop",
    "stop_sequence": "stop",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "safety": "content_filter",
    "refusal": "content_filter",
}


@lru_cache(maxsize=256)
def _provider(name: str) -> str | None:
    name = name.strip().lower()
    for suffix in _API_SUFFIXES:
        name = name.removesuffix(suffix)
    return _PROVIDERS.get(name, name) or None


@lru_cache(maxsize=256)
def _finish_reason(word: str) -> str | None:
    word = word.strip().rpartition(".")[2].lower().replace("-", "_")
    return _FINISH_REASONS.get(word, word) or None


def provider(value: Value) -> str | None:
    """Read a provider under its well-known OpenTelemetry name."""
    name = text(value)
    return _provider(name) if name and len(name) < 200 else None


def is_bedrock_id(model: str) -> bool:
    """Return whether a model's name can only be an id of Amazon Bedrock."""
    return _BEDROCK_ID.match(model.strip()) is not None


@lru_cache(maxsize=256)
def provider_of_model(model: str) -> str | None:
    """Return who offers a model with a well-known name, for spans that do not say."""
    if is_bedrock_id(model):
        return "aws.bedrock"
    name = model.strip().lower()
    found = (maker for maker, starts in _MODEL_STARTS.items() if name.startswith(starts))
    return next(found, None)


def finish_reason(value: Value) -> str | None:
    """Read why the model stopped: stop, length, tool_calls, content_filter, error or its word.

    Of several choices the first counts; a list may be written as JSON text.
    """
    listed = value if isinstance(value, list) else parse_json(value)
    if isinstance(listed, list):
        value = listed[0] if listed else None
    word = text(value)
    return _finish_reason(word) if word and len(word) < 200 else None
