"""Answers written as Python's repr: what Haystack's and smolagents' spans tell of usage.

Expected are the provider's own counts of the same calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from spanledger_collector.dialects.reprs import parse_repr
from tests.decoded import row, tokens

HAYSTACK = "openinference.instrumentation.haystack"
SMOLAGENTS = "openinference.instrumentation.smolagents"
CHAT = (
    "ChatMessage(_role=<ChatRole.ASSISTANT: 'assistant'>, _content=[TextContent(text="
    "\"{'usage': {'prompt_tokens': 9}}, 'service_tier': 'flex', _meta={'id': 'said'}\")], "
    "_name=None, _meta={'model': 'gpt-5-mini-2025-08-07', 'index': 0, 'finish_reason': 'stop', "
    "'usage': {'completion_tokens': 9778, 'prompt_tokens': 33402, 'total_tokens': 43180, "
    "'completion_tokens_details': {'audio_tokens': 0, 'reasoning_tokens': 2808, "
    "'text_tokens': None}, 'prompt_tokens_details': {'audio_tokens': 0, "
    "'cache_write_tokens': 4422, 'cached_tokens': 10118, 'image_tokens': None}}})"
)
RESPONSES = (
    "ChatMessage(_role=<ChatRole.ASSISTANT: 'assistant'>, _content=[TextContent(text='Hi')], "
    "_name=None, _meta={'id': 'resp_D01385', 'created_at': 1795481658.0, 'error': None, "
    "'model': 'gpt-5-mini-2025-08-07', 'tools': [" + "{'type': 'function'}, " * 60 + "], "
    "'service_tier': 'priority', 'status': 'completed', 'text': {'format': {'type': 'text'}}, "
    "'usage': {'input_tokens': 29200, 'input_tokens_details': {'cache_write_tokens': 0, "
    "'cached_tokens': 10195}, 'output_tokens': 9855, 'output_tokens_details': "
    "{'reasoning_tokens': 2830}, 'total_tokens': 39055}, 'user': None, 'logprobs': [[]]})"
)
OPENAI = (
    "ChatCompletion(id='chatcmpl-D01402', choices=[Choice(finish_reason='stop', index=0, "
    'message=ChatCompletionMessage(content="Final, usage=Usage(cached_tokens=1), '
    "service_tier='flex'\", role='assistant'))], created=1795481739, model='gpt-5-mini-2025-08-07',"
    " object='chat.completion', service_tier='default', system_fingerprint='fp', "
    "usage=CompletionUsage(completion_tokens=9974, prompt_tokens=37050, total_tokens=47024, "
    "completion_tokens_details=CompletionTokensDetails(audio_tokens=0, reasoning_tokens=2864), "
    "prompt_tokens_details=PromptTokensDetails(audio_tokens=0, cache_write_tokens=7510, "
    "cached_tokens=10314)))"
)
LITELLM = (
    "ModelResponse(id='chatcmpl-a79c80f1', created=1795481740, model='claude-sonnet-4-5-20250929', "
    "choices=[Choices(finish_reason='stop', message=Message(content='Final answer 1413'))], "
    "usage=Usage(completion_tokens=10051, prompt_tokens=37325, total_tokens=47376, "
    "completion_tokens_details=CompletionTokensDetailsWrapper(reasoning_tokens=2886), "
    "prompt_tokens_details=PromptTokensDetailsWrapper(cache_write_tokens=7565, "
    "cached_tokens=10391, text_tokens=19369, cache_creation_tokens=7565, "
    "cache_creation_token_details=CacheCreationTokenDetails(ephemeral_5m_input_tokens=4539, "
    "ephemeral_1h_input_tokens=3026)), cache_creation_input_tokens=7565, "
    "cache_read_input_tokens=10391, iterations=None, speed=None, service_tier='standard'))"
)


def call(
    answer: Mapping[str, object], scope: str, flat: Mapping[str, int], kind: str = "LLM"
) -> dict[str, Any]:
    counts = {f"llm.token_count.{name}": told for name, told in flat.items()}
    said = {"openinference.span.kind": kind, "output.value": json.dumps(answer), **counts}
    return row(said, scope=scope)


@pytest.mark.parametrize(
    ("reply", "flat", "expected", "told"),
    [
        (
            CHAT,
            {"prompt": 33402, "completion": 9778, "total": 43180},
            (33402, 10118, 4422, 9778, 2808),
            ("", ""),
        ),
        (RESPONSES, {"total": 39055}, (29200, 10195, 0, 9855, 2830), ("resp_D01385", "priority")),
    ],
)
def test_haystacks_replies_tell_usage_id_and_tier(
    reply: str, flat: dict[str, int], expected: tuple[int, ...], told: tuple[str, str]
) -> None:
    made = call({"replies": [reply]}, HAYSTACK, flat)
    assert tokens(made) == expected
    assert (made["response_id"], made["service_tier"]) == told
    assert made["flags"] == []


@pytest.mark.parametrize("meta", [list, dict])
def test_haystacks_embedders_and_plain_generators_tell_usage_as_json(meta: type) -> None:
    told = {"model": "m", "usage": {"prompt_tokens": 19031, "total_tokens": 19031}}
    answer = {"embedding": "<4>", "meta": told if meta is dict else [told]}
    made = call(answer, HAYSTACK, {}, "EMBEDDING")
    assert (made["role"], made["input_tokens"]) == ("embedding", 19031)


@pytest.mark.parametrize(
    ("raw", "flat", "expected", "lifetimes", "told"),
    [
        (
            OPENAI,
            {"prompt": 37050, "completion": 9974, "total": 47024},
            (37050, 10314, 7510, 9974, 2864),
            (None, None),
            ("chatcmpl-D01402", "default"),
        ),
        (
            LITELLM,
            {"prompt": 37325, "completion": 10051, "total": 47376},
            (37325, 10391, 7565, 10051, 2886),
            (4539, 3026),
            ("chatcmpl-a79c80f1", "standard"),
        ),
    ],
)
def test_smolagents_keeps_the_whole_answer(
    raw: str,
    flat: dict[str, int],
    expected: tuple[int, ...],
    lifetimes: tuple[int | None, int | None],
    told: tuple[str, str],
) -> None:
    made = call({"role": "assistant", "raw": raw}, SMOLAGENTS, flat)
    assert tokens(made) == expected
    assert (made["cache_write_5m_tokens"], made["cache_write_1h_tokens"]) == lifetimes
    assert (made["response_id"], made["service_tier"]) == told
    assert made["flags"] == []


@pytest.mark.parametrize(
    "answer",
    [
        {"raw": OPENAI.partition(", usage=Comp")[0].replace("usage", "use") + ", usage=None)"},
        {"raw": "Answer(id='a', usage=Usage(prompt_tokens=" + "(" * 40 + "7"},
        {"raw": "Answer(id='a', usage=Usage(prompt_tokens=7"},
        {"raw": "Answer(id='a', usage=Usage(**{'prompt_tokens': f()}))"},
        {"replies": ["'usage': {'prompt_tokens': 7}"]},
        {"replies": ["ChatMessage(_meta={'usage': {'prompt_tokens': '\\ud800'}})"]},
        {"replies": [], "meta": []},
    ],
)
def test_what_is_no_usage_of_the_provider_is_not_read(answer: dict[str, object]) -> None:
    assert tokens(call(answer, SMOLAGENTS, {})) == (None,) * 5


@pytest.mark.parametrize(
    "written",
    ["U(7)", "a.U(n=7)", "U(n=7)(m=8)", "U(n=f)", "U(n=g())(1)", "{1: 2}", "[]", "{**a}", ""],
)
def test_only_dicts_and_fields_of_objects_are_shown(written: str) -> None:
    assert parse_repr(written) is None
