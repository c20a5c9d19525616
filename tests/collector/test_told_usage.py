"""Usage as recent instrumentations hand it on, in the shapes they send.

Expected are the provider's own counts, added up by hand.
"""

from __future__ import annotations

import json

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.anthropic_usage import ANTHROPIC, COMPACTED, COMPACTION
from tests.decoded import row, tokens


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
            "openinference.instrumentation.anthropic",
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


def test_tokens_of_another_model_are_not_counted_and_that_is_told() -> None:
    advised = {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 900}
    usage = {**ANTHROPIC, "iterations": [advised, *ANTHROPIC["iterations"]]}
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.usage.raw": json.dumps(usage)}
    made = row(attributes, scope="logfire.anthropic")
    assert tokens(made) == COMPACTED
    assert made["flags"] == ["advisor_left_out"]


GEMINI_IMAGE = {
    "gen_ai.provider.name": "google",
    "input_tokens": 24780,
    "output_tokens": 8308,  # 20 of text, 5900 of an image, 2388 of thoughts
    "cache_read.input_tokens": 8648,
    "details.cached_content_tokens": 8648,
    "details.text_prompt_tokens": 24780,
    "details.text_cache_tokens": 8648,
    "details.text_candidates_tokens": 20,
    "details.image_candidates_tokens": 5900,
    "details.thoughts_tokens": 2388,
    "details.cache_read_tokens": 8648,
    "details.web_search_requests": 3,  # queries, which Google does not bill one by one
}
GEMINI_AUDIO = {
    "gen_ai.provider.name": "google",
    "input_tokens": 23180,
    "output_tokens": 7748,
    "cache_read.input_tokens": 8088,
    "details.audio_prompt_tokens": 1171,
    "details.input_audio_tokens": 1171,
    "details.image_prompt_tokens": 258,
    "details.text_prompt_tokens": 21751,
    "details.text_cache_tokens": 8008,
    "details.audio_cache_tokens": 80,
    "details.audio_candidates_tokens": 12,
}
CLAUDE = {
    "gen_ai.provider.name": "anthropic",
    "input_tokens": 40794,
    "output_tokens": 12599,
    "cache_creation.input_tokens": 5622,
    "cache_read.input_tokens": 12939,
    "details.cache_creation_input_tokens": 5622,
    "details.ephemeral_1h_input_tokens": 3754,
    "details.thinking_tokens": 3614,
    "details.web_search_requests": 2,
}
GPT_AUDIO = {
    "gen_ai.provider.name": "openai",
    "input_tokens": 42142,
    "output_tokens": 12438,
    "cache_read.input_tokens": 12778,
    "details.reasoning_tokens": 3568,
    "details.audio_tokens": 1080,
    "details.input_audio_tokens": 1090,
    "details.output_audio_tokens": 1080,
    "details.cache_audio_read_tokens": 40,
    "details.web_search_requests": 2,
}


@pytest.mark.parametrize(
    ("told", "counts", "parts"),
    [
        (
            GEMINI_IMAGE,
            (24780, 8648, None, 8308, 2388),
            {"image_output_tokens": 5900, "cache_read_audio_tokens": 0, "web_searches": None},
        ),
        (
            GEMINI_AUDIO,
            (23180, 8088, None, 7748, None),
            {
                "audio_input_tokens": 1171,
                "image_tokens": 258,
                "cache_read_audio_tokens": 80,
                "audio_output_tokens": 12,
            },
        ),
        (
            CLAUDE,
            (40794, 12939, 5622, 12599, 3614),
            {"cache_write_5m_tokens": None, "cache_write_1h_tokens": 3754, "web_searches": 2},
        ),
        (
            GPT_AUDIO,
            (42142, 12778, None, 12438, 3568),
            {
                "audio_input_tokens": 1090,
                "audio_output_tokens": 1080,
                "cache_read_audio_tokens": 40,
                "web_searches": 2,
            },
        ),
    ],
)
def test_pydantic_ai_tells_parts_of_its_totals_as_details(
    told: dict[str, object], counts: tuple[int | None, ...], parts: dict[str, int | None]
) -> None:
    usage = {
        key if key.startswith("gen_ai.") else f"gen_ai.usage.{key}": value
        for key, value in told.items()
    }
    made = row({"gen_ai.operation.name": "chat", **usage}, scope="pydantic-ai")
    assert tokens(made) == counts
    assert {column: made[column] for column in parts} == parts
