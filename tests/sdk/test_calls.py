"""`llm_call`: usage and times of direct calls, whatever becomes of their streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

import spanledger
from spanledger import INPUT_HASHES, STREAM_CHUNKS, STREAM_END, Usage
from spanledger._usage import Answer
from spanledger.testing import Captured, capture
from spanledger_collector.dialects.spanledger import SPANLEDGER

KEYS = SPANLEDGER.columns.keys()

CHUNKS: list[dict[str, Any]] = [
    {
        "id": "c1",
        "model": "gpt-5-mini-2025",
        "choices": [{"delta": {"content": "a"}}],
        "usage": None,
    },
    {"id": "c1", "model": "gpt-5-mini-2025", "choices": [{"delta": {}, "finish_reason": "stop"}]},
    {"id": "c1", "choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3}},
]


def call() -> spanledger.LlmCall:
    return spanledger.llm_call(provider="openai", model="gpt-5-mini", max_output_tokens=50)


def told(captured: Captured) -> dict[str, Any]:
    assert len(captured.spans) == 1
    return dict(captured.spans[0].attributes or {})


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        (
            {
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 20,
                    "prompt_tokens_details": {"cached_tokens": 60},
                    "completion_tokens_details": {"reasoning_tokens": 5},
                }
            },
            Usage(100, 20, 60, None, 5),
        ),
        (
            {
                "usage": {
                    "input_tokens": 100,
                    "output_tokens": 20,
                    "input_tokens_details": {"cached_tokens": 60},
                    "output_tokens_details": {"reasoning_tokens": 5},
                }
            },
            Usage(100, 20, 60, None, 5),
        ),
        (  # Anthropic leaves the cache out of the input
            {
                "usage": {
                    "input_tokens": 10,
                    "cache_read_input_tokens": 60,
                    "cache_creation_input_tokens": 30,
                    "output_tokens": 20,
                }
            },
            Usage(100, 20, 60, 30),
        ),
        (  # Gemini leaves thoughts out of the answer
            {
                "usage_metadata": {
                    "prompt_token_count": 100,
                    "candidates_token_count": 15,
                    "thoughts_token_count": 5,
                    "cached_content_token_count": 60,
                }
            },
            Usage(100, 20, 60, None, 5),
        ),
        (  # xAI tells reasoning beside the answer, and only the total says so
            {
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 10,
                    "total_tokens": 590,
                    "completion_tokens_details": {"reasoning_tokens": 480},
                }
            },
            Usage(100, 490, None, None, 480),
        ),
        (
            {
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 20,
                    "total_tokens": 120,
                    "prompt_tokens_details": {"audio_tokens": 70, "image_tokens": 10},
                    "completion_tokens_details": {"audio_tokens": 15, "reasoning_tokens": 0},
                }
            },
            Usage(
                100,
                20,
                reasoning_tokens=0,
                audio_input_tokens=70,
                image_tokens=10,
                audio_output_tokens=15,
            ),
        ),
        (
            {
                "usage": {
                    "input_tokens": 10,
                    "cache_creation_input_tokens": 300,
                    "cache_creation": {
                        "ephemeral_5m_input_tokens": 100,
                        "ephemeral_1h_input_tokens": 200,
                    },
                    "output_tokens": 20,
                }
            },
            Usage(
                310,
                20,
                cache_write_tokens=300,
                cache_write_5m_tokens=100,
                cache_write_1h_tokens=200,
            ),
        ),
        (  # what its own tools read is part of Gemini's input
            {
                "usageMetadata": {
                    "promptTokenCount": 100,
                    "toolUsePromptTokenCount": 5000,
                    "candidatesTokenCount": 15,
                    "promptTokensDetails": [
                        {"modality": "TEXT", "tokenCount": 60},
                        {"modality": "AUDIO", "tokenCount": 40},
                    ],
                    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 15}],
                }
            },
            Usage(5100, 15, audio_input_tokens=40, image_output_tokens=15),
        ),
        ({"usage": {}}, None),
    ],
    ids=[
        *("openai chat", "openai responses", "anthropic", "gemini", "xai", "openai audio"),
        *("anthropic lifetimes", "gemini tools", "nothing"),
    ],
)
def test_answers_of_providers_are_read(answer: dict[str, Any], usage: Usage | None) -> None:
    read = Answer()
    read.read(answer)
    assert read.usage == usage


def test_the_last_chunk_of_anthropic_repeats_only_the_output() -> None:
    read = Answer()
    start = {"input_tokens": 10, "cache_read_input_tokens": 60, "output_tokens": 1}
    read.read({"type": "message_start", "message": {"id": "m", "model": "claude", "usage": start}})
    read.read(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 20},
        }
    )
    assert read.usage == Usage(70, 20, 60)
    assert (read.id, read.finish_reason) == ("m", "end_turn")


def test_searches_told_in_a_stream_are_those_told_last() -> None:
    read = Answer()
    usage: dict[str, Any] = {"input_tokens": 10, "output_tokens": 1, "server_tool_use": None}
    read.read({"type": "message_start", "message": {"id": "m", "usage": usage}})
    for searches in (1, 2):
        said = {"output_tokens": 20, "server_tool_use": {"web_search_requests": searches}}
        read.read({"type": "message_delta", "usage": said})
    read.read({"type": "message_delta", "usage": {"output_tokens": 30}})
    assert read.usage == Usage(10, 30, web_searches=2)


def test_a_call_tells_what_its_answer_told() -> None:
    answer = {
        "id": "r1",
        "model": "gpt-5-mini-2025",
        "choices": [{"finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
    }
    with capture() as captured, call() as made:
        assert made.response(answer) is answer
    assert told(captured) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.request.max_tokens": 50,
        "gen_ai.response.model": "gpt-5-mini-2025",
        "gen_ai.response.id": "r1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
    }


@pytest.mark.parametrize(
    ("answer", "columns"),
    [
        (
            {
                "service_tier": "priority",
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 20,
                    "prompt_tokens_details": {"audio_tokens": 70, "cached_tokens": 5},
                    "completion_tokens_details": {"audio_tokens": 15},
                },
            },
            {"service_tier": "priority", "audio_input_tokens": 70, "audio_output_tokens": 15},
        ),
        (
            {
                "usage": {
                    "service_tier": "batch",
                    "input_tokens": 10,
                    "output_tokens": 20,
                    "cache_creation": {
                        "ephemeral_5m_input_tokens": 100,
                        "ephemeral_1h_input_tokens": 200,
                    },
                },
            },
            {
                "service_tier": "batch",
                "input_tokens": 310,
                "cache_write_tokens": 300,
                "cache_write_5m_tokens": 100,
                "cache_write_1h_tokens": 200,
            },
        ),
        (
            {"usage": {"input_tokens": 10, "server_tool_use": {"web_search_requests": 3}}},
            {"web_searches": 3},
        ),
        (  # opening a page it found is not billed
            {
                "output": [
                    {"type": "web_search_call", "action": {"type": "search"}},
                    {"type": "web_search_call", "action": {"type": "open_page"}},
                    {"type": "web_search_call", "action": {"type": "search"}},
                    {"type": "message"},
                ],
                "usage": {"input_tokens": 10, "output_tokens": 20},
            },
            {"web_searches": 2},
        ),
        (
            {
                "output": [{"type": "web_search_call", "action": {"type": "search"}}],
                "tool_usage": {"web_search": {"num_requests": 5}},
                "usage": {"input_tokens": 10, "output_tokens": 20},
            },
            {"web_searches": 5},
        ),
    ],
    ids=["openai", "anthropic", "anthropic searches", "openai searches", "openai tells searches"],
)
def test_the_collector_knows_what_decides_the_price(
    answer: dict[str, Any], columns: dict[str, Any]
) -> None:
    with capture() as captured, call() as made:
        made.response(answer)
    attributes = told(captured)
    sent = {SPANLEDGER.columns[key][0]: value for key, value in attributes.items() if key in KEYS}
    assert columns.items() <= sent.items()


def test_a_stream_read_to_its_end() -> None:
    with capture() as captured:
        with call() as made:
            assert list(made.stream(CHUNKS)) == CHUNKS
        found = told(captured)
    assert found[STREAM_END] == "completed"
    assert found[STREAM_CHUNKS] == 3
    assert found["gen_ai.usage.input_tokens"] == 12
    assert 0 < found["gen_ai.response.time_to_first_chunk"] < 60
    assert found[spanledger.STREAM_GAP_MAX_S] >= found[spanledger.STREAM_GAP_MEAN_S] > 0


def test_a_stream_that_its_reader_leaves() -> None:
    with capture() as captured, call() as made:
        for _ in made.stream(CHUNKS):
            break
    found = told(captured)
    assert (found[STREAM_END], found[STREAM_CHUNKS]) == ("abandoned", 1)
    assert "gen_ai.usage.input_tokens" not in found
    assert captured.spans[0].status.status_code is StatusCode.UNSET


def broken() -> Iterator[dict[str, Any]]:
    yield CHUNKS[0]
    raise ConnectionError("gone")


def test_a_stream_that_breaks() -> None:
    with capture() as captured, pytest.raises(ConnectionError), call() as made:
        list(made.stream(broken()))
    assert told(captured)[STREAM_END] == "broken"
    assert captured.spans[0].status.description == "ConnectionError: gone"


def test_a_stream_given_away_ends_the_span_when_it_ends() -> None:
    with capture() as captured:
        with call() as made:
            stream = made.stream(CHUNKS)
        assert captured.spans == []
        assert len(list(stream)) == 3
        assert told(captured)[STREAM_END] == "completed"


def test_a_stream_given_away_and_dropped_ends_the_span() -> None:
    with capture() as captured:
        with call() as made:
            stream = made.stream(iter(CHUNKS))
        next(stream)
        del stream
        assert told(captured)[STREAM_END] == "abandoned"


def test_asynchronous_streams() -> None:
    async def source() -> AsyncIterator[dict[str, Any]]:
        for chunk in CHUNKS:
            yield chunk

    async def run() -> int:
        async with call() as made:
            return len([chunk async for chunk in made.astream(source())])

    with capture() as captured:
        assert asyncio.run(run()) == 3
    assert told(captured)["gen_ai.usage.output_tokens"] == 3


def test_a_stream_is_still_what_it_was() -> None:
    class Response(list[dict[str, Any]]):
        closed = False
        request_id = "req-1"

        def close(self) -> None:
            self.closed = True

    response = Response(CHUNKS)
    with capture() as captured, call() as made, made.stream(response) as stream:
        assert stream.request_id == "req-1"
        next(stream)
    assert response.closed
    assert told(captured)[STREAM_END] == "abandoned"


def test_messages_leave_only_as_they_may() -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    for content in ("full", "hashes", "none"):
        with capture(content) as captured, call() as made:
            made.input(messages)
        found = told(captured)
        assert ("gen_ai.input.messages" in found) == (content == "full")
        assert (INPUT_HASHES in found) == (content == "hashes")
