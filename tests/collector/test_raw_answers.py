"""What the raw answers that some instrumentations keep tell beyond their own keys.

Expected are the provider's own counts, added up by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.anthropic_usage import ANTHROPIC, COMPACTED
from tests.decoded import row, tokens


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
        "openinference.instrumentation.anthropic",
        prompt=3940,
        completion=1014,
        prompt_details__cache_read=1354,
        total=4954,
    )
    assert tokens(made) == COMPACTED
    assert made["flags"] == []


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


def langchain(message: Mapping[str, object]) -> dict[str, Any]:
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


SEARCHED: list[object] = [
    {"id": "ws_1", "type": "web_search_call", "action": {"type": "search", "query": "q"}},
    {"id": "ws_2", "type": "web_search_call", "action": {"type": "open_page", "url": "u"}},
    {"id": "ws_3", "type": "web_search_call", "action": {"type": "search", "query": "r"}},
    {"id": "msg_1", "type": "message", "role": "assistant"},
]


@pytest.mark.parametrize(
    ("response", "searches"),
    [
        ({"output": SEARCHED}, 2),
        ({"output": SEARCHED, "tool_usage": {"web_search": {"num_requests": 1}}}, 1),
        ({"output": SEARCHED[3:]}, None),
        ({"output": SEARCHED[1:2]}, 0),
        (langchain({"content": SEARCHED}), 2),
    ],
)
def test_searches_of_the_web_are_those_that_openai_bills(
    response: dict[str, object], searches: int | None
) -> None:
    assert openinference(response, "openinference.instrumentation.x")["web_searches"] == searches


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.output": json.dumps(SEARCHED),
        },
        {
            "langsmith.span.kind": "llm",
            "gen_ai.completion": json.dumps(langchain({"type": "ai", "content": SEARCHED})),
        },
    ],
)
def test_searches_of_the_web_are_in_answers_kept_whole(attributes: dict[str, object]) -> None:
    assert row(attributes)["web_searches"] == 2


def test_fast_mode_is_known_where_the_answer_is_kept_back() -> None:
    attributes = {"openinference.span.kind": "LLM", "llm.invocation_parameters": '{"speed":"fast"}'}
    assert row(attributes)["service_tier"] == "fast"
    answered = {**attributes, "output.value": json.dumps({"usage": ANTHROPIC})}
    assert row(answered)["service_tier"] == "standard"
