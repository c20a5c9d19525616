"""Usage as recent instrumentations hand it on, in the shapes they send.

Expected are the provider's own counts, added up by hand.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.decoded import row, tokens

OI_ANTHROPIC = "openinference.instrumentation.anthropic"
MESSAGE = {
    "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 1354,
    "input_tokens": 2586,
    "output_tokens": 1014,
}
COMPACTION = {
    "type": "compaction",
    "cache_creation": None,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "input_tokens": 822,
    "output_tokens": 212,
}
ANTHROPIC = {
    **MESSAGE,
    "iterations": [COMPACTION, {**MESSAGE, "type": "message"}],
    "output_tokens_details": {"thinking_tokens": 304},
    "server_tool_use": None,
    "service_tier": "standard",
    "speed": None,
}
COMPACTED = (2586 + 1354 + 822, 1354, 0, 1014 + 212, 304)


def openinference(response: object, scope: str, **counts: int) -> dict[str, Any]:
    """Return the row of a call; ``counts`` are those of the flat keys."""
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "m",
        "output.value": json.dumps(response),
        **{f"llm.token_count.{name.replace('__', '.')}": n for name, n in counts.items()},
    }
    return row(attributes, scope=scope)


def test_compactions_of_openinference_are_added_to_totals_without_them() -> None:
    made = openinference(
        {"id": "msg_1", "type": "message", "usage": ANTHROPIC},
        OI_ANTHROPIC,
        prompt=3940,
        completion=1014,
        prompt_details__cache_read=1354,
        total=4954,
    )
    assert tokens(made) == COMPACTED
    assert made["flags"] == []


def test_compactions_of_the_anthropic_sdk_are_added_to_totals_without_them() -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "claude-opus-4-8",
        "gen_ai.usage.input_tokens": 3940,
        "gen_ai.usage.output_tokens": 1014,
        "gen_ai.usage.cache_read.input_tokens": 1354,
        "gen_ai.usage.cache_write.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 304,
        "anthropic.usage.compaction.input_tokens": 822,
        "anthropic.usage.compaction.output_tokens": 212,
    }
    assert tokens(row(attributes, scope="com.anthropic.sdk.python")) == COMPACTED


def test_compactions_of_vercel_are_in_its_totals() -> None:
    attributes = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.provider": "anthropic.messages",
        "ai.usage.inputTokens": 4762,
        "ai.usage.outputTokens": 1226,
        "ai.usage.cachedInputTokens": 1354,
        "ai.usage.reasoningTokens": 304,
        "ai.usage.inputTokenDetails.noCacheTokens": 3408,
        "ai.usage.inputTokenDetails.cacheReadTokens": 1354,
        "ai.usage.inputTokenDetails.cacheWriteTokens": 0,
        "ai.response.providerMetadata": json.dumps(
            {
                "anthropic": {
                    "usage": ANTHROPIC,
                    "serviceTier": "standard",
                    "iterations": [
                        {"type": "compaction", "inputTokens": 822, "outputTokens": 212},
                        {"type": "message", "inputTokens": 2586, "outputTokens": 1014},
                    ],
                }
            }
        ),
    }
    assert tokens(row(attributes, scope="ai")) == COMPACTED


def test_totals_of_others_that_hand_on_iterations_stay() -> None:
    usage = {"prompt_tokens": 4762, "completion_tokens": 1226, "iterations": [COMPACTION]}
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.usage.raw": json.dumps(usage)}
    assert tokens(row(attributes, scope="logfire.anthropic"))[::3] == (4762, 1226)


@pytest.mark.parametrize(
    ("scope", "attributes"),
    [
        (
            OI_ANTHROPIC,
            {
                "openinference.span.kind": "LLM",
                "output.value": json.dumps({"usage": {**ANTHROPIC, "speed": "fast"}}),
            },
        ),
        (
            "logfire.anthropic",
            {
                "gen_ai.operation.name": "chat",
                "anthropic.response.service_tier": "standard",
                "gen_ai.usage.raw": json.dumps({**ANTHROPIC, "speed": "fast"}),
            },
        ),
        (
            "ai",
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.response.providerMetadata": json.dumps(
                    {
                        "anthropic": {
                            "usage": {**ANTHROPIC, "speed": "fast"},
                            "serviceTier": "standard",
                        }
                    }
                ),
            },
        ),
    ],
)
def test_fast_mode_of_anthropic_comes_before_the_tier(
    scope: str, attributes: dict[str, object]
) -> None:
    assert row(attributes, scope=scope)["service_tier"] == "fast"


def test_vercel_knows_lifetimes_of_bedrock() -> None:
    usage = {
        "cacheWriteInputTokens": 3660,
        "cacheDetails": [
            {"inputTokens": 2196, "ttl": "5m"},
            {"inputTokens": 1464, "ttl": "1h"},
            {"inputTokens": 7, "ttl": ["5m"]},
            "5m",
        ],
    }
    made = row(
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "amazon-bedrock",
            "ai.usage.inputTokens": 17800,
            "ai.usage.outputTokens": 4584,
            "ai.usage.inputTokenDetails.cacheReadTokens": 4924,
            "ai.usage.inputTokenDetails.cacheWriteTokens": 3660,
            "ai.response.providerMetadata": json.dumps(
                {"amazonBedrock": {"usage": usage}, "bedrock": {"usage": usage}}
            ),
        },
        scope="ai",
    )
    assert tokens(made)[:4] == (17800, 4924, 3660, 4584)
    assert (made["cache_write_5m_tokens"], made["cache_write_1h_tokens"]) == (2196, 1464)


@pytest.mark.parametrize(
    ("cached", "audio"),
    [
        ([{"modality": "TEXT", "tokenCount": 4910}], 0),
        ([{"modality": "TEXT", "tokenCount": 4000}, {"modality": "AUDIO", "tokenCount": 910}], 910),
        ([], None),
        (None, None),
    ],
)
def test_cached_modalities_of_gemini_are_all_there_are(cached: object, audio: int | None) -> None:
    usage = {
        "cachedContentTokenCount": 4910,
        "thoughtsTokenCount": 1320,
        "promptTokenCount": 14100,
        "candidatesTokenCount": 3250,
        "toolUsePromptTokenCount": 700,
        "totalTokenCount": 19370,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 13430},
            {"modality": "AUDIO", "tokenCount": 670},
        ],
        "cacheTokensDetails": cached,
    }
    made = row(
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "google.generative-ai",
            "ai.usage.inputTokens": 14800,
            "ai.usage.outputTokens": 4570,
            "ai.response.providerMetadata": json.dumps({"google": {"usageMetadata": usage}}),
        },
        scope="ai",
    )
    assert tokens(made) == (14800, 4910, None, 4570, 1320)
    assert (made["audio_input_tokens"], made["cache_read_audio_tokens"]) == (670, audio)


@pytest.mark.parametrize(("text", "audio"), [(2110, 0), (2000, None), (None, None)])
def test_a_cache_of_text_alone_holds_no_audio(text: int | None, audio: int | None) -> None:
    attributes = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.request.model": "gemini-2.5-flash",
        "gen_ai.usage.input_tokens": 6100,
        "gen_ai.usage.output_tokens": 1770,
        "gen_ai.usage.cache_read.input_tokens": 2110,
        "gen_ai.usage.audio.input_tokens": 270,
        "gen_ai.usage.text.cache_read.input_tokens": text,
    }
    made = row(
        attributes,
        scope="opentelemetry.instrumentation.google_genai",
        kind=Span.SPAN_KIND_CLIENT,
    )
    assert made["cache_read_audio_tokens"] == audio


def test_openinference_knows_what_gemini_drew_and_the_id_of_the_answer() -> None:
    response = {
        "candidates": [{"finish_reason": "STOP", "index": 0}],
        "model_version": "gemini-2.5-flash-image",
        "response_id": "gem-D1001",
        "usage_metadata": {
            "candidates_token_count": 5105,
            "candidates_tokens_details": [
                {"modality": "IMAGE", "token_count": 5085},
                {"modality": "TEXT", "token_count": 20},
            ],
            "prompt_token_count": 14013,
            "prompt_tokens_details": [{"modality": "TEXT", "token_count": 14013}],
            "total_token_count": 19118,
        },
    }
    scope = "openinference.instrumentation.google_genai"
    made = openinference(response, scope, prompt=14013, completion=5105, total=19118)
    assert tokens(made) == (14013, None, None, 5105, None)
    assert (made["image_output_tokens"], made["response_id"]) == (5085, "gem-D1001")
    assert made["flags"] == []


def test_openinference_counts_what_tools_of_gemini_found_once() -> None:
    response = {
        "response_id": "gem-D175",
        "usage_metadata": {
            "cache_tokens_details": [{"modality": "TEXT", "token_count": 1725}],
            "cached_content_token_count": 1725,
            "candidates_token_count": 975,
            "prompt_token_count": 5000,
            "prompt_tokens_details": [{"modality": "TEXT", "token_count": 5000}],
            "thoughts_token_count": 410,
            "tool_use_prompt_token_count": 245,
            "total_token_count": 6630,
        },
    }
    made = openinference(
        response,
        "openinference.instrumentation.google_genai",
        prompt=5245,
        completion=1385,
        prompt_details__cache_read=1725,
        completion_details__reasoning=410,
        total=6630,
    )
    assert tokens(made) == (5245, 1725, None, 1385, 410)


def langchain(message: dict[str, object]) -> dict[str, Any]:
    """Return a result of LangChain's as OpenInference dumps it."""
    generation = {"message": {"lc": 1, "kwargs": message}}
    return {"generations": [[generation]], "llm_output": None, "type": "LLMResult"}


STREAMED = {
    "response_metadata": {"model_name": "gpt-5-mini-2025-08-07", "service_tier": "priority"},
    "id": "lc_run--01a20aaa",
    "usage_metadata": {
        "input_tokens": 23650,
        "output_tokens": 6810,
        "total_tokens": 30460,
        "input_token_details": {
            "audio": 0,
            "priority": 16500,
            "priority_cache_read": 7150,
            "priority_cache_creation": 3150,
        },
        "output_token_details": {"priority": 4850, "priority_reasoning": 1960},
    },
}


def test_openinference_knows_the_tier_of_langchains_streams_and_what_was_cached() -> None:
    made = openinference(
        langchain(STREAMED),
        "openinference.instrumentation.langchain",
        prompt=23650,
        completion=6810,
        total=30460,
    )
    assert tokens(made) == (23650, 7150, 3150, 6810, 1960)
    assert (made["service_tier"], made["response_model"]) == ("priority", "gpt-5-mini-2025-08-07")
    assert made["response_id"] == ""
    assert made["flags"] == []


def test_langchains_usage_of_anthropic_is_counted_once() -> None:
    message = {
        "response_metadata": {"id": "msg_1", "model_name": "claude-sonnet-4-5", "usage": ANTHROPIC},
        "usage_metadata": {
            "input_tokens": 3940,
            "output_tokens": 1014,
            "total_tokens": 4954,
            "input_token_details": {"cache_read": 1354, "cache_creation": 0},
        },
    }
    made = openinference(
        langchain(message),
        "openinference.instrumentation.langchain",
        prompt=3940,
        completion=1014,
        total=4954,
    )
    assert tokens(made) == COMPACTED
    assert made["response_id"] == "msg_1"


VERCEL_7: dict[str, object] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 16500,
    "gen_ai.usage.output_tokens": 4220,
    "gen_ai.usage.cache_read.input_tokens": 4560,
    "gen_ai.usage.cache_creation.input_tokens": 3400,
    "ai.response.providerMetadata": json.dumps(
        {
            "anthropic": {
                "usage": {
                    "service_tier": "standard",
                    "input_tokens": 8540,
                    "output_tokens": 4220,
                    "output_tokens_details": {"thinking_tokens": 1220},
                    "cache_creation_input_tokens": 3400,
                    "cache_read_input_tokens": 4560,
                    "cache_creation": {
                        "ephemeral_5m_input_tokens": 2040,
                        "ephemeral_1h_input_tokens": 1360,
                    },
                    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
                },
                "serviceTier": "standard",
                "iterations": None,
            }
        }
    ),
    "ai.usage.inputTokenDetails.noCacheTokens": 8540,
    "ai.usage.outputTokenDetails.textTokens": 3000,
    "ai.usage.outputTokenDetails.reasoningTokens": 1220,
}


@pytest.mark.parametrize(
    "attributes",
    [
        VERCEL_7,
        {**VERCEL_7, "openinference.span.kind": "LLM", "llm.token_count.prompt": 16500},
        {key: value for key, value in VERCEL_7.items() if not key.startswith("ai.usage.")},
    ],
)
def test_vercel_7_hands_on_what_the_provider_told(attributes: dict[str, object]) -> None:
    made = row(attributes, scope="gen_ai")
    assert tokens(made) == (16500, 4560, 3400, 4220, 1220)
    assert (made["cache_write_5m_tokens"], made["cache_write_1h_tokens"]) == (2040, 1360)
    assert made["web_searches"] == 2
    assert made["flags"] == []


def test_vercel_7_tells_reasoning_and_the_tier_that_answered() -> None:
    made = row(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.usage.input_tokens": 13500,
            "gen_ai.usage.output_tokens": 4360,
            "gen_ai.usage.cache_read.input_tokens": 4700,
            "ai.response.providerMetadata": json.dumps(
                {"openai": {"responseId": "resp_D00600", "serviceTier": "priority"}}
            ),
            "ai.usage.outputTokenDetails.reasoningTokens": 1260,
        },
        scope="gen_ai",
    )
    assert tokens(made) == (13500, 4700, None, 4360, 1260)
    assert made["service_tier"] == "priority"
