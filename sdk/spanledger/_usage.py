"""What a model used, read from the answers of providers: objects of their clients, or maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

T = TypeVar("T")


@dataclass(slots=True)
class Usage:
    """Tokens of a call as the ledger counts them; ``None``: not known.

    Attributes:
        input_tokens: of the whole request, what came from and went to the cache included.
        output_tokens: of the whole answer, reasoning included.
        cache_read_tokens: part of the input.
        cache_write_tokens: part of the input.
        reasoning_tokens: part of the output.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(slots=True)
class Answer:
    """What an answer, or the chunks of one, told."""

    usage: Usage | None = None
    model: str = ""
    id: str = ""
    finish_reason: str = ""

    def read(self, said: object) -> None:
        """Take up what an answer or a chunk says; what is not there stays as it is."""
        said = at(said, "response") or at(said, "message") or said
        self.model = _text(at(said, "model")) or _text(at(said, "model_version")) or self.model
        self.id = _text(at(said, "id")) or _text(at(said, "response_id")) or self.id
        self.finish_reason = _finish_reason(said) or self.finish_reason
        usage = at(said, "usage") or at(said, "usage_metadata") or at(said, "usageMetadata")
        if usage is not None:
            self._take(usage)

    def _take(self, said: object) -> None:
        found = _read_usage(said, self.usage)
        if found is not None:
            self.usage = found


def at(value: object, key: str) -> Any:
    """Return an attribute of an object, or a value of a map; ``None``: there is none."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).get(key)
    return getattr(value, key, None) if value is not None else None


def _read_usage(said: object, before: Usage | None) -> Usage | None:
    """Return the usage that one of the providers' objects tells.

    Anthropic's input leaves out the cache, and its last chunk repeats only the output; Gemini's
    answer leaves out thoughts.
    """
    prompt = _first(said, "prompt_tokens", "prompt_token_count", "promptTokenCount")
    if prompt is not None:  # OpenAI chat, Gemini
        details = at(said, "prompt_tokens_details")
        answer = _first(said, "completion_tokens", "candidates_token_count", "candidatesTokenCount")
        thoughts = _first(said, "thoughts_token_count", "thoughtsTokenCount")
        reasoning = _first(at(said, "completion_tokens_details"), "reasoning_tokens")
        return Usage(
            prompt,
            answer if thoughts is None else (answer or 0) + thoughts,
            _or(
                _first(details, "cached_tokens"),
                _first(said, "cached_content_token_count", "cachedContentTokenCount"),
            ),
            _first(details, "cache_write_tokens"),
            _or(reasoning, thoughts),
        )
    return _read_items(said, before or Usage())


def _read_items(said: object, before: Usage) -> Usage | None:
    """Return the usage of OpenAI's Responses or of Anthropic's Messages."""
    total, output = _first(said, "input_tokens"), _first(said, "output_tokens")
    if total is None and output is None:
        return None
    details = at(said, "input_tokens_details")
    reasoning = at(said, "output_tokens_details")
    read = _or(
        _first(details, "cached_tokens"),
        _or(_first(said, "cache_read_input_tokens"), before.cache_read_tokens),
    )
    written = _or(
        _first(details, "cache_write_tokens"),
        _or(_first(said, "cache_creation_input_tokens"), before.cache_write_tokens),
    )
    if total is not None and details is None:  # Anthropic's, without the cache
        total += (read or 0) + (written or 0)
    return Usage(
        _or(total, before.input_tokens),
        _or(output, before.output_tokens),
        read,
        written,
        _or(_first(reasoning, "reasoning_tokens", "thinking_tokens"), before.reasoning_tokens),
    )


def _first(said: object, *keys: str) -> int | None:
    for key in keys:
        value = at(said, key)
        if type(value) is int and value >= 0:
            return value
    return None


def _or(one: T | None, other: T | None) -> T | None:
    return other if one is None else one


def _finish_reason(said: object) -> str:
    choices = at(said, "choices") or at(said, "candidates")
    if isinstance(choices, (list, tuple)) and choices:
        first = cast("list[object]", choices)[0]
        said = first
        return _text(at(said, "finish_reason") or at(said, "finishReason"))
    delta = at(said, "delta")
    return _text(at(said, "stop_reason") or at(delta, "stop_reason"))


def _text(value: object) -> str:
    """Return a text, or the value of an enumeration of texts."""
    value = getattr(value, "value", value)
    return value if isinstance(value, str) else ""
