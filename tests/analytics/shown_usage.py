"""Usage as it is wrapped into JSON, or a Python repr, in one attribute."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.otlp import Value


@dataclass(frozen=True, slots=True)
class Usage:
    """What the provider counted; input includes the cache, output includes reasoning."""

    input: int
    cache_read: int
    cache_write: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int

    @property
    def uncached(self) -> int:
        return self.input - self.cache_read - self.cache_write


def langsmith(usage: Usage) -> dict[str, Value]:
    """LangSmith: LangChain's usage metadata as JSON."""
    metadata = {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "input_token_details": {
            "cache_read": usage.cache_read,
            "cache_creation": usage.cache_write,
        },
        "output_token_details": {"reasoning": usage.reasoning},
    }
    return {"langsmith.metadata.usage_metadata": json.dumps(metadata)}


def litellm(usage: Usage) -> dict[str, Value]:
    """LiteLLM: a Python repr, not JSON."""
    reported = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_creation_tokens": usage.cache_write,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    return {"metadata.usage_object": repr(reported)}


def langfuse_openai(usage: Usage) -> dict[str, Value]:
    """Langfuse: the provider's own object."""
    reported = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    return {"langfuse.observation.usage_details": json.dumps(reported)}


def langfuse_buckets(usage: Usage) -> dict[str, Value]:
    """Langfuse: disjoint buckets."""
    buckets = {
        "input": usage.uncached,
        "output": usage.output,
        "cache_read_input_tokens": usage.cache_read,
        "input_cache_creation_5m": usage.cache_write_5m,
        "input_cache_creation_1h": usage.cache_write_1h,
    }
    return {"langfuse.observation.usage_details": json.dumps(buckets)}


def logfire(usage: Usage) -> dict[str, Value]:
    """Logfire: the raw usage of the Responses API."""
    raw = {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    return {"gen_ai.usage.raw": json.dumps(raw)}


def vercel(usage: Usage) -> dict[str, Value]:
    """Vercel: what Anthropic said, with its input apart from the cache."""
    told = {
        "anthropic": {
            "usage": {
                "input_tokens": usage.uncached,
                "cache_read_input_tokens": usage.cache_read,
                "cache_creation_input_tokens": usage.cache_write,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": usage.cache_write_5m,
                    "ephemeral_1h_input_tokens": usage.cache_write_1h,
                },
                "output_tokens": usage.output,
            }
        }
    }
    return {"ai.response.providerMetadata": json.dumps(told)}
