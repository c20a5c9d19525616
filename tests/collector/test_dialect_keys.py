"""Dialects read the keys their instrumentations document, also where no recording has them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_analytics.reconciliation.ledger_side import provider_id
from tests.decoded import NOW_NS, row, tokens

CLAUDE_CODE = "com.anthropic.claude_code."
CHAT = {"gen_ai.operation.name": "chat"}
ANTHROPIC_USAGE = {
    "input_tokens": 113,
    "output_tokens": 31,
    "cache_creation_input_tokens": 3000,
    "cache_read_input_tokens": 6000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
}
WHOLE = (9113, 6000, 3000, 31, None)


def lifetimes(made: dict[str, Any]) -> tuple[int | None, int | None]:
    return made["cache_write_5m_tokens"], made["cache_write_1h_tokens"]


@pytest.mark.parametrize(
    ("scope", "given", "model", "expected"),
    [
        (scope, given, model, expected)
        for scope in ("genai.anthropic", "anthropic")
        for given, model, expected in (
            ("anthropic", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock"),
            ("anthropic", "global.anthropic.claude-opus-5", "aws.bedrock"),
            ("anthropic", "claude-sonnet-4-5-20250929", "anthropic"),
            ("anthropic", "claude-sonnet-4-5@20250929", "anthropic"),
            ("openrouter", "anthropic.claude-opus-5", "openrouter"),
        )
    ],
)
def test_anthropics_client_on_bedrock_asks_bedrock(
    scope: str, given: str, model: str, expected: str
) -> None:
    said = {**CHAT, "gen_ai.provider.name": given, "gen_ai.request.model": model}
    assert row(said, scope=f"opentelemetry.instrumentation.{scope}")["provider"] == expected


# Claude Code: spans and log records.

CLAUDE_COUNTS = {
    "input_tokens": 113,
    "output_tokens": 31,
    "cache_read_tokens": 6000,
    "cache_creation_tokens": 3000,
}


def test_claude_code_requests_leave_the_cache_out_of_input() -> None:
    made = row(
        {
            "span.type": "llm_request",
            "model": "claude-sonnet-4-5",
            "speed": "fast",
            "attempt": 2,
            "ttft_ms": 49,
            "stop_reason": "tool_use",
            "request_id": "req_1",
            **CLAUDE_COUNTS,
        },
        scope=f"{CLAUDE_CODE}tracing",
    )
    assert made["role"] == "llm"
    assert tokens(made) == WHOLE
    assert made["flags"] == ["input_excluded_cache"]
    assert (made["provider"], made["request_model"]) == ("anthropic", "claude-sonnet-4-5")
    assert (made["attempts"], made["ttft_ns"]) == (2, 49_000_000)
    assert (made["finish_reason"], made["service_tier"]) == ("tool_calls", "fast")
    assert made["request_id"] == "req_1"


def test_claude_code_input_is_exclusive_however_small_the_cache() -> None:
    made = row(
        {"span.type": "llm_request", "input_tokens": 500, "cache_read_tokens": 10},
        scope=f"{CLAUDE_CODE}tracing",
    )
    assert made["input_tokens"] == 510


def test_claude_code_log_records_know_the_answering_model_and_lifetimes() -> None:
    made = row(
        {
            "event.name": "api_request",
            "model": "claude-sonnet-4-5-20250929",
            "cache_creation_5m_tokens": "1000",
            "cache_creation_1h_tokens": "2000",
            "cost_usd": "0.0125",
            **{key: str(value) for key, value in CLAUDE_COUNTS.items()},
        },
        scope=f"{CLAUDE_CODE}events",
    )
    assert made["role"] == "llm"
    assert tokens(made) == WHOLE
    assert lifetimes(made) == (1000, 2000)
    assert (made["request_model"], made["response_model"]) == ("", "claude-sonnet-4-5-20250929")
    assert made["reported_cost_usd"] == Decimal("0.0125")


BEDROCK_ID = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ({"model": BEDROCK_ID}, "aws.bedrock"),
        ({"model": BEDROCK_ID, "gen_ai.provider.name": "anthropic"}, "aws.bedrock"),
        ({"model": "claude-sonnet-4-5", "anthropic.provider": "bedrock"}, "aws.bedrock"),
        ({"model": "claude-sonnet-4-5@20250929", "anthropic.provider": "vertex"}, "gcp.vertex_ai"),
        ({"model": "claude-sonnet-4-5", "anthropic.provider": "firstParty"}, "anthropic"),
    ],
)
@pytest.mark.parametrize(
    ("scope", "kind"),
    [("tracing", {"span.type": "llm_request"}), ("events", {"event.name": "api_request"})],
)
def test_claude_code_tells_whose_cloud_it_calls(
    scope: str, kind: dict[str, str], said: dict[str, str], provider: str
) -> None:
    made = row({**kind, "gen_ai.system": "anthropic", **said}, scope=f"{CLAUDE_CODE}{scope}")
    assert made["provider"] == provider


def test_claude_code_errors_and_tools_of_log_records() -> None:
    scope = f"{CLAUDE_CODE}events"
    failed = row({"event.name": "api_error", "model": "claude-sonnet-4-5"}, scope=scope)
    assert (failed["role"], failed["status"]) == ("llm", "error")
    assert tokens(failed) == (None,) * 5
    tool = {
        "event.name": "tool_result",
        "tool_name": "mcp__fx__get_weather",
        "tool_use_id": "toolu_1",
        "success": "false",
    }
    made = row(tool, scope=scope)
    assert (made["role"], made["tool_outcome"]) == ("tool", "error")
    assert (made["tool_name"], made["tool_call_id"]) == ("get_weather", "toolu_1")
    assert row({**tool, "success": "true"}, scope=scope)["tool_outcome"] == "ok"
    assert row({**tool, "tool_name": "Bash"}, scope=scope)["tool_name"] == "Bash"


@pytest.mark.parametrize("part", ["tool.execution", "tool.blocked_on_user"])
def test_parts_of_a_claude_code_tool_are_no_tools(part: str) -> None:
    made = row({"span.type": part, "gen_ai.tool.call.id": "toolu_1"}, scope=f"{CLAUDE_CODE}tracing")
    assert made["role"] == "other"


# Vercel AI SDK.


def vercel(operation: str, **said: object) -> dict[str, Any]:
    keys = {f"ai.{key.replace('__', '.')}": value for key, value in said.items()}
    return row({"ai.operationId": operation, **keys}, scope="ai")


def test_vercel_reads_the_providers_own_usage() -> None:
    made = vercel(
        "ai.streamText.doStream",
        model__provider="anthropic.messages",
        usage__inputTokens=113,
        usage__outputTokens=31,
        usage__cachedInputTokens=6000,
        response__providerMetadata=json.dumps({"anthropic": {"usage": ANTHROPIC_USAGE}}),
        response__msToFirstChunk=19.5,
    )
    assert (made["role"], made["stream"], made["ttft_ns"]) == ("llm", True, 19_500_000)
    assert tokens(made) == WHOLE
    assert lifetimes(made) == (1000, 2000)
    assert (made["usage_source"], made["flags"]) == ("raw", ["input_excluded_cache"])


@pytest.mark.parametrize(
    ("said", "total"),
    [
        ({"usage__inputTokens": 5000, "usage__cachedInputTokens": 4000}, 9000),  # up to 5
        ({"usage__inputTokens": 5000, "usage__inputTokenDetails__cacheReadTokens": 4000}, 5000),
    ],
)
def test_vercel_input_of_anthropic_leaves_the_cache_out_up_to_version_5(
    said: dict[str, object], total: int
) -> None:
    made = vercel("ai.generateText.doGenerate", model__provider="anthropic.messages", **said)
    assert tokens(made)[:2] == (total, 4000)


@pytest.mark.parametrize(
    ("maker", "provider"),
    [
        ("amazon-bedrock", "aws.bedrock"),
        ("bedrock.anthropic.messages", "aws.bedrock"),
        ("vertex.anthropic.messages", "gcp.vertex_ai"),
        ("googleVertex.anthropic.messages", "gcp.vertex_ai"),
    ],
)
def test_vercel_input_of_bedrock_and_of_claude_elsewhere_leaves_the_cache_out(
    maker: str, provider: str
) -> None:
    metadata = {"bedrock": {"usage": {"cacheWriteInputTokens": 100}}}
    made = vercel(
        "ai.generateText.doGenerate",
        model__provider=maker,
        usage__inputTokens=5000,
        usage__cachedInputTokens=4000,
        response__providerMetadata=json.dumps(metadata),
    )
    assert tokens(made)[:3] == (9100, 4000, 100)
    assert made["provider"] == provider


@pytest.mark.parametrize(
    ("maker", "provider"),
    [("google.generative-ai", "gcp.gemini"), ("google.vertex.chat", "gcp.vertex_ai")],
)
def test_vercels_google_is_who_googles_bill_names(maker: str, provider: str) -> None:
    made = vercel("ai.generateText.doGenerate", model__provider=maker)
    assert made["provider"] == provider
    # What was stored under the first name is compared with the bill all the same.
    assert provider_id(maker.removesuffix(".chat")) == provider_id(provider) == "google"


def test_vercel_input_of_openai_includes_the_cache() -> None:
    said = {"usage__inputTokens": 5000, "usage__cachedInputTokens": 4000}
    made = vercel("ai.generateText.doGenerate", model__provider="openai.chat", **said)
    assert tokens(made)[:2] == (5000, 4000)
    assert (made["provider"], made["flags"]) == ("openai", [])


def test_vercel_tells_the_service_tier_that_answered() -> None:
    metadata = {"openai": {"responseId": "resp_1", "serviceTier": "flex"}}
    made = vercel(
        "ai.generateText.doGenerate",
        model__provider="openai.responses",
        usage__inputTokens=1000,
        usage__outputTokens=500,
        response__providerMetadata=json.dumps(metadata),
    )
    assert (made["service_tier"], tokens(made)[0]) == ("flex", 1000)


@pytest.mark.parametrize(
    ("operation", "role"),
    [
        ("ai.generateText", "agent"),
        ("ai.streamObject.doStream", "llm"),
        ("ai.embed", "other"),
        ("ai.embedMany.doEmbed", "embedding"),
        ("ai.toolCall", "tool"),
    ],
)
def test_vercel_roles(operation: str, role: str) -> None:
    assert vercel(operation, usage__tokens=71)["role"] == role
    assert vercel(operation, usage__tokens=71)["input_tokens"] == 71


def test_vercel_metadata_names_session_and_user() -> None:
    made = vercel(
        "ai.toolCall", telemetry__metadata__sessionId="s", telemetry__metadata__userId="u"
    )
    assert (made["session_id"], made["user_id"]) == ("s", "u")


# Langfuse.


def langfuse(kind: str = "generation", **said: object) -> dict[str, Any]:
    keys = {f"langfuse.observation.{key.replace('__', '.')}": value for key, value in said.items()}
    return row({"langfuse.observation.type": kind, **keys}, scope="langfuse-sdk")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"prompt_tokens": 2048, "completion_tokens": 307,
             "prompt_tokens_details": {"cached_tokens": 1536},
             "completion_tokens_details": {"reasoning_tokens": 256}},
            (2048, 1536, None, 307, 256),
        ),
        (
            {"input_tokens": 503, "output_tokens": 73,
             "input_tokens_details": {"cached_tokens": 256},
             "output_tokens_details": {"reasoning_tokens": 32}},
            (503, 256, None, 73, 32),
        ),
        (
            {"input": 113, "output": 31, "cache_read_input_tokens": 6000, "total": 9144,
             "input_cache_creation_5m": 1000, "input_cache_creation_1h": 2000},
            WHOLE,
        ),
        (
            {"input": 100, "input_cached_tokens": 50, "input_audio_tokens": 7, "output": 10,
             "output_reasoning_tokens": 5},
            (157, 50, None, 15, 5),
        ),
        (ANTHROPIC_USAGE, WHOLE),
        # As its handler for LangChain writes usage of Anthropic, OpenAI and Vertex AI.
        (
            {"input": 113, "output": 31, "cache_read_input_tokens": 6000,
             "cache_creation_input_tokens": 3000,
             "cache_creation_ephemeral_5m_input_tokens": 1000,
             "cache_creation_ephemeral_1h_input_tokens": 2000},
            WHOLE,
        ),
        (
            {"input": 1000, "output": 100, "total": 1100, "input_priority_cache_read": 600,
             "input_priority_cache_creation": 50, "input_priority": 400,
             "output_priority_reasoning": 60, "output_priority": 40},
            (1000, 600, 50, 100, 60),
        ),
        (
            {"input": 0, "output": 0, "total": 1100, "input_flex_cache_read": 600,
             "input_flex": 400, "output_flex_reasoning": 60, "output_flex": 40},
            (1000, 600, None, 100, 60),
        ),
        (
            {"input": 0, "output": 0, "total": 1080, "input_modality_TEXT": 600,
             "output_modality_TEXT": 50, "cached_modality_TEXT": 400,
             "cached_content_token_count": 400, "thoughts_token_count": 30},
            (1000, 400, None, 80, 30),
        ),
        (
            {"input": 1000, "output": 50, "total": 1080, "cached_content_token_count": 400,
             "thoughts_token_count": 30},
            (1000, 400, None, 80, 30),
        ),
    ],
)  # fmt: skip
def test_langfuse_usage_has_three_shapes(
    usage: dict[str, object], expected: tuple[int | None, ...]
) -> None:
    made = langfuse(usage_details=json.dumps(usage))
    assert tokens(made) == expected
    assert made["usage_source"] == "raw"


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"input": 0, "input_flex": 1000, "output": 0, "output_flex": 100}, "flex"),
        ({"input": 0, "input_flex": 0, "input_flex_cache_read": 9, "output": 1}, "flex"),
        ({"input": 1000, "input_priority": 1000, "output": 100, "output_priority": 9}, "priority"),
        ({"input": 9, "output": 0, "output_priority_reasoning": 3}, "priority"),
        # A sum over calls of several tiers is of none.
        ({"input": 0, "input_flex": 5, "input_priority": 5, "output": 1}, ""),
        ({"input": 9, "input_flex": 0, "input_priority": None, "output": 1}, ""),
        ({"input": 9, "output": 1}, ""),
    ],
)
def test_langfuse_buckets_tell_the_service_tier(usage: dict[str, object], tier: str) -> None:
    assert langfuse(usage_details=json.dumps(usage))["service_tier"] == tier


def test_langfuse_tier_of_the_answer_comes_before_the_one_asked_for() -> None:
    made = langfuse(
        usage_details='{"input": 0, "input_flex": 10, "output": 1}',
        model__parameters='{"service_tier": "auto"}',
    )
    assert made["service_tier"] == "flex"


def test_langfuse_usage_with_names_that_are_no_text_is_unknown() -> None:
    made = langfuse(usage_details="{'input': 100, 'output': 3, 7: 1, None: 2}")
    assert tokens(made) == (None,) * 5


def test_langfuse_sum_of_a_bad_bucket_is_unknown() -> None:
    made = langfuse(usage_details='{"input": 100, "cache_read_input_tokens": -1, "output": 3}')
    assert tokens(made)[0] is None
    assert made["flags"] == ["bad_token_count"]


def test_langfuse_calls_tell_cost_first_token_and_failure() -> None:
    made = langfuse(
        model__name="gpt-4o-2024-08-06",
        cost_details='{"input": 0.001, "total": 0.003}',
        completion_start_time='"2027-01-15T08:00:01.500000Z"',
        output='{"role": "assistant", "content": "x", "id": "chatcmpl-7"}',
        model__parameters='{"temperature": 1, "max_tokens": "Infinity", "top_p": 0.5}',
    )
    assert made["provider"] == "openai"
    assert made["reported_cost_usd"] == Decimal("0.003")
    assert (made["ttft_ns"], made["stream"]) == (1_500_000_000 - NOW_NS % 10**9, True)
    assert (made["response_id"], made["response_model"]) == ("chatcmpl-7", "gpt-4o-2024-08-06")
    assert (made["temperature"], made["top_p"], made["max_tokens"]) == (None, 0.5, None)
    failed = langfuse(
        level="ERROR", status_message="no", model__name="gpt-4o", cost_details='{"total": 0}'
    )
    assert (failed["status"], failed["status_message"]) == ("error", "no")
    assert (failed["request_model"], failed["response_model"]) == ("gpt-4o", "")
    assert failed["reported_cost_usd"] is None


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "aws.bedrock"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock"),
        ("us-gov.amazon.nova-pro-v1:0", "aws.bedrock"),
        ("amazon.nova-pro-v1:0", "aws.bedrock"),
        ("anthropic.claude-opus-4-6", "aws.bedrock"),
        ("deepseek.r1-v1:0", "aws.bedrock"),
        ("mistral.mistral-7b-instruct-v0:2", "aws.bedrock"),
        ("anthropic.claude-3-haiku-20240307-v1:0:200k", "aws.bedrock"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "aws.bedrock"),
        ("claude-sonnet-4-5", "anthropic"),
        ("gpt-4.1-mini", "openai"),
        # Built alike, but of Oracle's cloud; of a server of one's own; of a gateway.
        ("meta.llama-3.3-70b-instruct", ""),
        ("cohere.command-r-plus", ""),
        ("qwen2.5:7b", ""),
        ("llama3.2:1b", ""),
        ("bedrock/us.amazon.nova-pro-v1:0", ""),
    ],
)
def test_langfuse_provider_is_told_by_the_models_name(model: str, provider: str) -> None:
    assert langfuse(model__name=model)["provider"] == provider


@pytest.mark.parametrize(
    ("kind", "role"),
    [("embedding", "embedding"), ("chain", "workflow"), ("span", "other"), ("agent", "agent")],
)
def test_langfuse_roles(kind: str, role: str) -> None:
    assert langfuse(kind)["role"] == role


def test_an_unreadable_cache_count_leaves_the_input_unknown() -> None:
    said = {"span.type": "llm_request", **CLAUDE_COUNTS, "cache_read_tokens": -5}
    made = row(said, scope=f"{CLAUDE_CODE}tracing")
    assert tokens(made) == (None, None, 3000, 31, None)
    assert made["flags"] == ["bad_token_count"]


# Operations.


@pytest.mark.parametrize(
    ("operation", "kind", "role"),
    [
        ("responses", Span.SPAN_KIND_CLIENT, "llm"),
        ("image_generation", Span.SPAN_KIND_CLIENT, "llm"),
        ("", Span.SPAN_KIND_CLIENT, "llm"),
        (7, Span.SPAN_KIND_CLIENT, "llm"),
        ("invoke_agent", Span.SPAN_KIND_CLIENT, "agent"),
        ("agent_step", Span.SPAN_KIND_INTERNAL, "other"),
    ],
)
def test_tokens_under_an_unknown_operation_are_not_lost(
    operation: object, kind: Any, role: str
) -> None:
    said = {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 5,
    }
    assert row(said, kind=kind)["role"] == role
    del said["gen_ai.usage.input_tokens"]
    unknown = "llm" if operation == "" else role if role == "agent" else "other"
    assert row(said, kind=kind)["role"] == unknown
