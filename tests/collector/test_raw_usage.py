"""Usage objects of every provider become the same counts, whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger_collector.dialects.raw_usage import parse_usage, read_usage

OPENAI_CHAT = {
    "prompt_tokens": 2048,
    "completion_tokens": 307,
    "total_tokens": 2355,
    "prompt_tokens_details": {
        "cached_tokens": 1536,
        "cache_write_tokens": 300,
        "cache_write_tokens_details": {"ttl_30m_tokens": 200, "ttl_12h_tokens": 100},
        "audio_tokens": 10,
        "image_tokens": 5,
        "cached_tokens_details": {"audio_tokens": 3},
    },
    "completion_tokens_details": {
        "reasoning_tokens": 256,
        "audio_tokens": 4,
        "image_tokens": 2,
        "rejected_prediction_tokens": 0,
    },
}
OPENAI_RESPONSES = {
    "input_tokens": 503,
    "output_tokens": 73,
    "input_tokens_details": {"cached_tokens": 256, "cache_write_tokens_details": None},
    "output_tokens_details": {"reasoning_tokens": 32},
}
ANTHROPIC = {
    "input_tokens": 113,
    "output_tokens": 31,
    "cache_creation_input_tokens": 3000,
    "cache_read_input_tokens": 6000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
    "server_tool_use": {"web_search_requests": 2},
    "output_tokens_details": {"thinking_tokens": 12},
    "service_tier": "standard",
}
GEMINI = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 400,
    "candidatesTokenCount": 50,
    "thoughtsTokenCount": 30,
    "toolUsePromptTokenCount": 7,
    "totalTokenCount": 1087,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 900},
        {"modality": "AUDIO", "tokenCount": 100},
    ],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 9}],
}
LANGCHAIN = {
    "input_tokens": 9113,
    "output_tokens": 31,
    "input_token_details": {
        "cache_read": 6000,
        "cache_creation": 0,  # as it says when the lifetimes are known
        "ephemeral_5m_input_tokens": 1000,
        "ephemeral_1h_input_tokens": 2000,
    },
    "output_token_details": {"reasoning": 8},
}
LITELLM = {
    "prompt_tokens": 9113,
    "completion_tokens": 31,
    "prompt_tokens_details": {
        "audio_tokens": None,
        "cached_tokens": 6000,
        "cache_creation_tokens": 3000,
        "cache_creation_token_details": {
            "ephemeral_5m_input_tokens": 1000,
            "ephemeral_1h_input_tokens": 2000,
        },
    },
    "cache_creation_input_tokens": 3000,
    "cache_read_input_tokens": 6000,
}
BEDROCK = {
    "inputTokens": 113,
    "outputTokens": 31,
    "cacheReadInputTokens": 6000,
    "cacheWriteInputTokens": 3000,
}
LIFETIMES = {"cache_write_5m_tokens": 1000, "cache_write_1h_tokens": 2000}
CACHED = {"cache_read_tokens": 6000, "cache_write_tokens": 3000}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            OPENAI_CHAT,
            {
                "input_tokens": 2048,
                "cache_read_tokens": 1536,
                "cache_write_tokens": 300,
                "cache_write_5m_tokens": 200,
                "cache_write_1h_tokens": 100,
                "audio_input_tokens": 10,
                "image_tokens": 5,
                "cache_read_audio_tokens": 3,
                "output_tokens": 307,
                "reasoning_tokens": 256,
                "audio_output_tokens": 4,
                "image_output_tokens": 2,
            },
        ),
        (
            OPENAI_RESPONSES,
            {
                "input_tokens": 503,
                "cache_read_tokens": 256,
                "output_tokens": 73,
                "reasoning_tokens": 32,
            },
        ),
        (
            ANTHROPIC,
            {
                "input_tokens": 9113,
                "output_tokens": 31,
                "reasoning_tokens": 12,
                "web_searches": 2,
                **CACHED,
                **LIFETIMES,
            },
        ),
        (
            GEMINI,
            {
                "input_tokens": 1007,
                "cache_read_tokens": 400,
                "output_tokens": 80,
                "reasoning_tokens": 30,
                "audio_input_tokens": 100,
                "image_output_tokens": 9,
            },
        ),
        (
            {"prompt_token_count": 10, "candidates_token_count": 2, "thoughts_token_count": 3},
            {"input_tokens": 10, "output_tokens": 5, "reasoning_tokens": 3},
        ),
        (  # the limit was reached before the first word
            {"prompt_token_count": 10, "candidates_token_count": None, "thoughts_token_count": 3},
            {"input_tokens": 10, "output_tokens": 3, "reasoning_tokens": 3},
        ),
        (
            LANGCHAIN,
            {
                "input_tokens": 9113,
                "output_tokens": 31,
                "reasoning_tokens": 8,
                **CACHED,
                **LIFETIMES,
            },
        ),
        (
            {
                "input_tokens": 1000,
                "output_tokens": 100,
                "total_tokens": 1100,
                "input_token_details": {
                    "priority_cache_read": 600,
                    "priority_cache_creation": 50,
                    "priority": 400,
                },
                "output_token_details": {"priority_reasoning": 60, "priority": 40},
            },
            {
                "input_tokens": 1000,
                "cache_read_tokens": 600,
                "cache_write_tokens": 50,
                "output_tokens": 100,
                "reasoning_tokens": 60,
            },
        ),
        (LITELLM, {"input_tokens": 9113, "output_tokens": 31, **CACHED, **LIFETIMES}),
        (BEDROCK, {"input_tokens": 9113, "output_tokens": 31, **CACHED}),
        ({}, {}),
    ],
)
def test_counts_are_the_same_whoever_wrote_them(
    usage: dict[str, Any], expected: dict[str, int]
) -> None:
    assert read_usage(usage) == (expected, False)
    assert parse_usage(repr(usage)) == usage


@pytest.mark.parametrize("bad", [-1, 2.5, float("nan"), 2**53 + 1, "many", True, [1], "1e3"])
def test_what_is_no_count_is_told_and_not_counted(bad: object) -> None:
    usage = {**ANTHROPIC, "input_tokens": bad}
    counts, is_bad = read_usage(usage)
    assert is_bad
    assert "input_tokens" not in counts
    assert counts["cache_read_tokens"] == 6000


def test_a_sum_with_a_part_that_is_no_count_is_unknown() -> None:
    counts, is_bad = read_usage({**ANTHROPIC, "cache_read_input_tokens": -1})
    assert is_bad
    assert "input_tokens" not in counts
    gemini = {"promptTokenCount": 10, "candidatesTokenCount": "two", "thoughtsTokenCount": 3}
    assert read_usage(gemini) == ({"input_tokens": 10, "reasoning_tokens": 3}, True)


@pytest.mark.parametrize(("total", "expected"), [(10_027, 9_641), (9_386, 9_000), (None, 9_000)])
def test_the_total_tells_whether_prompt_tokens_hold_the_cache(
    total: int | None, expected: int
) -> None:
    usage = {
        "prompt_tokens": 9_000,
        "completion_tokens": 386,
        "total_tokens": total,
        "cache_read_input_tokens": 600,
        "cache_write_input_tokens": 41,
    }
    assert read_usage(usage)[0]["input_tokens"] == expected


def test_digits_in_a_text_are_a_count() -> None:
    assert read_usage({"prompt_tokens": "101"}) == ({"input_tokens": 101}, False)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "Usage(input=1)",
        "{'a': " * 40 + "1" + "}" * 40,
        "{'a': " + "-" * 5000 + "1}",
        "{'prompt_tokens': __import__('os').getpid()}",
        "{'prompt_tokens': 1",
        "{'prompt_tokens': 1}" + " " * 9000,
        "{'" + "\0" + "': 1}",
        "{[]: 1}",
    ],
)
def test_hostile_text_is_no_usage(written: str) -> None:
    assert parse_usage(written) is None


def test_a_repr_reads_as_its_json_does() -> None:
    assert parse_usage("{'prompt_tokens': 7, 'details': None}") == {
        "prompt_tokens": 7,
        "details": None,
    }
    assert parse_usage('{"prompt_tokens": 7}') == {"prompt_tokens": 7}
    assert parse_usage({"prompt_tokens": 7}) == {"prompt_tokens": 7}
    assert parse_usage(7) is None
