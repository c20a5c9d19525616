"""``llm_call``: a span around one direct call of a model, streams included."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from time import perf_counter
from typing import TypeVar

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from spanledger._attributes import (
    INPUT_HASHES,
    OUTPUT_HASHES,
    STREAM_CHUNKS,
    STREAM_END,
    STREAM_GAP_MAX_S,
    STREAM_GAP_MEAN_S,
    WEB_SEARCHES,
)
from spanledger._context import Block
from spanledger._errors import told
from spanledger._guards import ModelCall, OpenCall, guards_of
from spanledger._settings import STATE
from spanledger._signatures import message_hashes, to_json
from spanledger._streams import AsyncStream, ChunkTimes, Stream, StreamEnd
from spanledger._usage import Answer, Usage
from spanledger._work import Work

T = TypeVar("T")
_USAGE_KEYS = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "cache_write_5m_tokens": "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h_tokens": "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
    "audio_input_tokens": "gen_ai.usage.audio.input_tokens",
    "image_tokens": "gen_ai.usage.image.input_tokens",
    "cache_read_audio_tokens": "gen_ai.usage.audio.cache_read.input_tokens",
    "audio_output_tokens": "gen_ai.usage.audio.output_tokens",
    "image_output_tokens": "gen_ai.usage.image.output_tokens",
    "web_searches": WEB_SEARCHES,
}


class LlmCall(Block["LlmCall"]):
    """One call of a model; see ``llm_call``."""

    __slots__ = (
        *("_answer", "_call", "_has_left", "_is_finished", "_is_streamed", "_open_call"),
        *("_operation", "_started", "_work"),
    )

    def __init__(self, call: ModelCall, operation: str) -> None:
        self._call = call
        self._operation = operation
        self._answer = Answer()
        self._open_call: OpenCall | None = None
        self._is_streamed = False
        self._has_left = False
        self._is_finished = False
        self._started = 0.0
        self._work = Work.none()

    def __enter__(self) -> LlmCall:
        base = context.get_current()
        self._open_call = OpenCall(self._call, base)
        self._open_call.admit()
        try:
            self._work = self._open(base)
            self._open_call.began(self._work.span)
        except Exception as error:
            told("starting a span", error)
        self._work.enter()
        self._started = perf_counter()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._has_left = True
        if self._is_streamed and error is None:
            self._work.leave()  # the stream goes on after the block, and ends the span
        else:
            self._finish(error)

    async def __aenter__(self) -> LlmCall:
        base = context.get_current()
        guards = guards_of(base)
        try:
            for guard in guards:
                await guard.ready(self._call, base)
        except Exception as error:
            told("asking for a budget", error)
        try:
            return self.__enter__()
        finally:
            for guard in guards:
                guard.give_up(self._call)

    def input(self, messages: object) -> None:
        """Say what was asked: messages as the provider or OpenTelemetry writes them."""
        self._say("gen_ai.input.messages", INPUT_HASHES, messages)

    def output(self, messages: object) -> None:
        """Say what was answered."""
        self._say("gen_ai.output.messages", OUTPUT_HASHES, messages)

    def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
    ) -> None:
        """Say what was used; the input includes the cache, the output the reasoning."""
        self._answer.usage = Usage(
            input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens
        )

    def response(self, answer: T) -> T:
        """Read model, id, finish reason and usage from a provider's answer; returns the answer."""
        try:
            self._answer.read(answer)
        except Exception as error:
            told("reading an answer", error)
        return answer

    def stream(self, chunks: Iterable[T]) -> Stream[T]:
        """Pass a stream through, and record when its chunks came and what they told.

        The span ends with the stream: read to its end, closed, dropped, or broken.
        """
        self._is_streamed = True
        return Stream(chunks, self, self._started)

    def astream(self, chunks: AsyncIterable[T]) -> AsyncStream[T]:
        """Do what ``stream`` does with an asynchronous stream."""
        self._is_streamed = True
        return AsyncStream(chunks, self, self._started)

    def chunk_came(self, chunk: object) -> None:
        """Take up what a chunk of the stream tells."""
        self._answer.read(chunk)

    def stream_ended(self, how: StreamEnd, times: ChunkTimes, error: BaseException | None) -> None:
        """Record how the stream went, and end the span if its block has ended."""
        if self._is_finished:  # its block was left by an exception
            return
        found: dict[str, AttributeValue] = {
            "gen_ai.request.stream": True,
            STREAM_END: how,
            STREAM_CHUNKS: times.chunks,
        }
        if times.chunks:
            found["gen_ai.response.time_to_first_chunk"] = times.first_s
        if times.chunks > 1:
            found[STREAM_GAP_MEAN_S] = times.gap_mean_s
            found[STREAM_GAP_MAX_S] = times.gap_max_s
        self._work.span.set_attributes(found)
        self._is_streamed = False
        if self._has_left:
            self._finish(error)

    def _open(self, base: Context) -> Work:
        call = self._call
        asked: dict[str, AttributeValue | None] = {
            "gen_ai.operation.name": self._operation,
            "gen_ai.provider.name": call.provider or None,
            "gen_ai.request.model": call.model or None,
            "gen_ai.request.max_tokens": call.max_output_tokens,
        }
        name = f"{self._operation} {call.model}".rstrip()
        given = {key: value for key, value in asked.items() if value is not None}
        return Work(name, given, {}, base, kind=SpanKind.CLIENT)

    def _say(self, key: str, hashes_key: str, messages: object) -> None:
        try:
            if STATE.content == "full":
                said = messages if isinstance(messages, str) else to_json(messages)
                self._work.set(key, said)
            elif STATE.content == "hashes":
                self._work.set(hashes_key, message_hashes(messages))
        except Exception as error:
            told("messages of a call", error)

    def _finish(self, error: BaseException | None) -> None:
        if self._is_finished:
            return
        self._is_finished = True
        if self._answer.model:
            self._call.answered_by = (self._answer.model,)
        if self._open_call is not None:
            self._open_call.ended(self._answer.usage)
        try:
            self._work.span.set_attributes(_told_by(self._answer))
        except Exception as failure:
            told("the end of a call", failure)
        try:
            self._work.finish(error)
        except Exception as failure:
            told("the end of a span", failure)


def _told_by(answer: Answer) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    if answer.model:
        found["gen_ai.response.model"] = answer.model
    if answer.id:
        found["gen_ai.response.id"] = answer.id
    if answer.finish_reason:
        found["gen_ai.response.finish_reasons"] = [answer.finish_reason]
    if answer.openai_tier:
        found["openai.response.service_tier"] = answer.openai_tier
    if answer.anthropic_tier:
        found["anthropic.response.service_tier"] = answer.anthropic_tier
    for name, key in _USAGE_KEYS.items():
        if answer.usage is not None and (tokens := getattr(answer.usage, name)) is not None:
            found[key] = tokens
    return found


def llm_call(
    *,
    provider: str,
    model: str,
    operation: str = "chat",
    max_output_tokens: int | None = None,
    input_tokens: int | None = None,
) -> LlmCall:
    """Record one direct call of a model that no instrumentation sees.

    ::

        with spanledger.llm_call(provider="openai", model="gpt-5-mini") as call:
            answer = call.response(client.chat.completions.create(...))

        with spanledger.llm_call(provider="openai", model="gpt-5-mini") as call:
            for chunk in call.stream(client.chat.completions.create(..., stream=True)):
                ...

    Args:
        provider: OpenTelemetry's name of it: ``openai``, ``anthropic``, ``aws.bedrock`` …
        model: as asked for.
        operation: ``chat``, ``embeddings`` …
        max_output_tokens: limit of the answer; lets a budget know what the call may cost.
        input_tokens: of the request if you counted them, for the same reason.

    Raises:
        BudgetExceeded: on entering the block, if a budget that was told to raise is used up.
        LoopDetected: likewise.
    """
    return LlmCall(ModelCall(provider, model, max_output_tokens, input_tokens), operation)
