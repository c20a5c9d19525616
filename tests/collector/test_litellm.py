"""LiteLLM and its proxy, in the modes and callbacks they have: what was called, and for how much.

Spans are as 1.106.2 wrote them. Expected are the provider's own counts and model.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.decoded import row, tokens


def litellm(**said: object) -> dict[str, Any]:
    return row({key.replace("__", "."): value for key, value in said.items()}, scope="litellm")


def models(made: dict[str, Any]) -> tuple[str, str]:
    return made["request_model"], made["response_model"]


def proxied(
    called: str, *, provider: str, asked: str, answered: str = "", group: str | None = None
) -> tuple[str, str]:
    """Return the models of a call: asked and answered as the span says, ``called`` on the wire."""
    said = {"litellm__model_group": group} if group else {}
    made = litellm(
        gen_ai__operation__name="chat",
        gen_ai__provider__name=provider,
        gen_ai__request__model=asked,
        gen_ai__response__model=answered,
        litellm__provider__model=called,
        **said,
    )
    return models(made)


@pytest.mark.parametrize(
    ("answered", "expected"),
    [("claude", ""), ("", ""), ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929")],
)
def test_the_alias_of_a_proxy_is_no_model(answered: str, expected: str) -> None:
    called = "anthropic/claude-sonnet-4-5"
    v2 = proxied(called, provider="anthropic", asked="claude", answered=answered)
    assert v2 == ("claude-sonnet-4-5", expected)
    default = proxied(
        called,
        provider="anthropic",
        asked="claude-sonnet-4-5",
        answered=answered,
        group="claude",
    )
    assert default == ("claude-sonnet-4-5", expected)


def test_an_alias_that_is_the_models_name_stays() -> None:
    said = {"asked": "gpt-5-mini", "answered": "gpt-5-mini"}
    assert proxied("openai/gpt-5-mini", provider="openai", **said) == ("gpt-5-mini", "gpt-5-mini")


@pytest.mark.parametrize(
    ("called", "provider"),
    [
        ("azure/prod-eu", "azure"),
        ("bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/x", "bedrock"),
    ],
)
def test_an_alias_tells_more_than_the_name_of_a_deployment(called: str, provider: str) -> None:
    said = {"asked": "gpt-4o", "answered": "gpt-4o"}
    assert proxied(called, provider=provider, **said) == ("gpt-4o", "gpt-4o")
    unknown = proxied(called, provider=provider, asked="main", answered="main")
    assert unknown == (called.partition("/")[2], "")


def test_a_slash_in_a_models_own_name_is_no_maker() -> None:
    name = "meta-llama/Llama-3.3-70B"
    assert proxied(name, provider="together_ai", asked=name, answered=name) == (name, name)


def test_geminis_own_answer_is_read_where_it_tells_what_of_the_audio_was_cached() -> None:
    audio = [{"modality": "AUDIO", "tokenCount": 358}]
    usage: dict[str, object] = {
        "promptTokenCount": 27_860,
        "candidatesTokenCount": 6_690,
        "thoughtsTokenCount": 2_696,
        "cachedContentTokenCount": 9_726,
        "promptTokensDetails": audio,
        "cacheTokensDetails": audio,
    }
    made = raw_request(usage)
    assert (made["role"], made["provider"], made["response_id"]) == ("llm", "gcp.vertex_ai", "r-1")
    assert tokens(made) == (27_860, 9_726, None, 6_690 + 2_696, 2_696)
    assert (made["audio_input_tokens"], made["cache_read_audio_tokens"]) == (358, 358)
    assert raw_request({**usage, "promptTokensDetails": []})["role"] == "other"


def raw_request(usage: dict[str, object]) -> dict[str, Any]:
    said = {"llm.vertex_ai.usageMetadata": repr(usage), "llm.vertex_ai.responseId": "r-1"}
    return row(said, scope="litellm", name="raw_gen_ai_request")


# Its callbacks for Langfuse, Arize and Phoenix, which write OpenInference's keys.


def translated(usage: dict[str, object], **said: object) -> dict[str, Any]:
    """Return the row of a call whose ``metadata`` holds the usage object and who called."""
    metadata = {"user_api_key_user_id": "key-owner", "usage_object": usage}
    attributes: dict[str, object] = {
        "openinference.span.kind": "LLM",
        "metadata": json.dumps({**metadata, "user_api_key_end_user_id": said.pop("user", None)}),
        "litellm.trace_id": "9c2a",
        "llm.model_name": "claude-sonnet-4-5",
        **{key.replace("__", "."): value for key, value in said.items()},
    }
    return row(attributes, scope="litellm")


def test_callbacks_for_others_tell_lifetimes_and_searches_in_their_metadata() -> None:
    # Anthropic told 20 721 input, 11 119 read, 4 851 and 3 234 written, 10 779 output, 2 searches.
    usage: dict[str, object] = {
        "completion_tokens": 10_779,
        "prompt_tokens": 39_925,
        "total_tokens": 50_704,
        "completion_tokens_details": {"reasoning_tokens": 3_094, "text_tokens": 7_685},
        "prompt_tokens_details": {
            "audio_tokens": None,
            "cache_write_tokens": 8_085,
            "cached_tokens": 11_119,
            "text_tokens": 20_721,
            "cache_creation_tokens": 8_085,
            "cache_creation_token_details": {
                "ephemeral_5m_input_tokens": 4_851,
                "ephemeral_1h_input_tokens": 3_234,
            },
        },
        "cache_creation_input_tokens": 8_085,
        "cache_read_input_tokens": 11_119,
        "server_tool_use": {"web_search_requests": 2},
        "iterations": None,
        "service_tier": "standard",
    }
    made = translated(
        usage,
        user="ann",
        llm__response__id="chatcmpl-34d4",
        llm__response__model="claude-sonnet-4-5-20250929",
        llm__token_count__prompt=39_925,
        llm__token_count__completion=10_779,
        llm__token_count__completion_details__reasoning=3_094,
        llm__token_count__prompt_details__cache_read=11_119,
        llm__token_count__prompt_details__cache_write=8_085,
        llm__token_count__total=50_704,
    )
    assert tokens(made) == (20_721 + 11_119 + 4_851 + 3_234, 11_119, 8_085, 10_779, 3_094)
    lifetimes = made["cache_write_5m_tokens"], made["cache_write_1h_tokens"]
    assert (lifetimes, made["web_searches"], made["flags"]) == ((4_851, 3_234), 2, [])
    assert models(made) == ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929")
    told = made["provider"], made["response_id"], made["user_id"], made["service_tier"]
    assert told == ("anthropic", "chatcmpl-34d4", "ann", "standard")


@pytest.mark.parametrize("alias", ["main", "claude-sonnet-4-5-prod"])
def test_zeros_of_a_stream_without_usage_are_no_usage(alias: str) -> None:
    usage: dict[str, object] = {"completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 0}
    made = translated(usage, llm__response__model=alias)
    assert tokens(made) == (None, None, None, None, None)
    assert models(made) == ("claude-sonnet-4-5", "")
    assert made["user_id"] == "key-owner"


def test_embeddings_without_a_provider_have_their_models() -> None:
    attributes = {
        "openinference.span.kind": "EMBEDDING",
        "embedding.model_name": "text-embedding-3-small",
        "llm.token_count.prompt": 21_202,
    }
    assert row(attributes, scope="openinference.instrumentation.any")["provider"] == "openai"
