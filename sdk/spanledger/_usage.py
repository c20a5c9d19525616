"""What a model used, read from answers of providers: objects of their clients, or maps."""

from __future__ import annotations

from dataclasses import astuple, dataclass
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
        cache_write_5m_tokens: part of what was written to the cache, kept for minutes.
        cache_write_1h_tokens: part of what was written to the cache, kept for an hour.
        audio_input_tokens: part of the input.
        image_tokens: part of the input.
        cache_read_audio_tokens: part of what was read from the cache.
        audio_output_tokens: part of the output.
        image_output_tokens: part of the output.
        web_searches: that the provider made, and charges for.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    audio_input_tokens: int | None = None
    image_tokens: int | None = None
    cache_read_audio_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_output_tokens: int | None = None
    web_searches: int | None = None


def filled(usage: Usage | None, other: Usage | None) -> Usage | None:
    """Return a usage with what another library tells of the same call beyond it."""
    if usage is None or other is None:
        return other if usage is None else usage
    pairs = zip(astuple(usage), astuple(other), strict=True)
    return Usage(*(_or(mine, theirs) for mine, theirs in pairs))


@dataclass(slots=True)
class Answer:
    """What an answer, or the chunks of one, told.

    OpenAI and those who copy it tell the service tier beside the usage, Anthropic in it.
    """

    usage: Usage | None = None
    model: str = ""
    id: str = ""
    finish_reason: str = ""
    openai_tier: str = ""
    anthropic_tier: str = ""

    def read(self, said: object) -> None:
        """Take up what an answer or a chunk says; what is not there stays as it is."""
        said = at(said, "response") or at(said, "message") or said
        self.model = _text(at(said, "model")) or _text(at(said, "model_version")) or self.model
        self.id = _text(at(said, "id")) or _text(at(said, "response_id")) or self.id
        self.finish_reason = _finish_reason(said) or self.finish_reason
        self.openai_tier = _text(at(said, "service_tier")) or self.openai_tier
        usage = at(said, "usage") or at(said, "usage_metadata") or at(said, "usageMetadata")
        if usage is None:
            return
        self.anthropic_tier = _text(at(usage, "service_tier")) or self.anthropic_tier
        self.usage = _read_usage(usage, self.usage) or self.usage
        if self.usage is not None:
            self.usage.web_searches = _or(_searches(said), self.usage.web_searches)


def at(value: object, key: str) -> Any:
    """Return an attribute of an object, or a value of a map; ``None``: there is none."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).get(key)
    return getattr(value, key, None) if value is not None else None


def _read_usage(said: object, before: Usage | None) -> Usage | None:
    """Return the usage that one of the providers' objects tells."""
    if _first(said, "prompt_token_count", "promptTokenCount") is not None:
        return _read_gemini(said)
    if _first(said, "prompt_tokens") is not None:
        return _read_chat(said)
    return _read_items(said, before or Usage())


def _read_chat(said: object) -> Usage:
    """Return the usage of OpenAI's chat completions."""
    inputs, outputs = at(said, "prompt_tokens_details"), at(said, "completion_tokens_details")
    total, output = _first(said, "prompt_tokens"), _first(said, "completion_tokens")
    reasoning = _first(outputs, "reasoning_tokens")
    parts = (total or 0) + (output or 0)
    if reasoning and _first(said, "total_tokens") == parts + reasoning:
        output = (output or 0) + reasoning  # xAI tells it beside the answer
    usage = Usage(
        total,
        output,
        _first(inputs, "cached_tokens"),
        _first(inputs, "cache_write_tokens"),
        reasoning,
    )
    _take_media(usage, inputs, outputs)
    return usage


def _read_gemini(said: object) -> Usage:
    """Return the usage of Gemini, whose answer leaves out thoughts, and input results of tools."""
    prompt = _first(said, "prompt_token_count", "promptTokenCount")
    of_tools = _first(said, "tool_use_prompt_token_count", "toolUsePromptTokenCount")
    answer = _first(said, "candidates_token_count", "candidatesTokenCount")
    thoughts = _first(said, "thoughts_token_count", "thoughtsTokenCount")
    return Usage(
        (prompt or 0) + (of_tools or 0),
        answer if thoughts is None else (answer or 0) + thoughts,
        _first(said, "cached_content_token_count", "cachedContentTokenCount"),
        None,
        thoughts,
        audio_input_tokens=_modality(said, "prompt_tokens_details", "AUDIO"),
        image_tokens=_modality(said, "prompt_tokens_details", "IMAGE"),
        cache_read_audio_tokens=_modality(said, "cache_tokens_details", "AUDIO"),
        audio_output_tokens=_modality(said, "candidates_tokens_details", "AUDIO"),
        image_output_tokens=_modality(said, "candidates_tokens_details", "IMAGE"),
    )


def _read_items(said: object, before: Usage) -> Usage | None:
    """Return the usage of OpenAI's Responses or of Anthropic's Messages.

    Anthropic's input leaves out the cache, and its last chunk repeats only the output.
    """
    total, output = _first(said, "input_tokens"), _first(said, "output_tokens")
    if total is None and output is None:
        return None
    inputs, outputs = at(said, "input_tokens_details"), at(said, "output_tokens_details")
    kept = at(said, "cache_creation")
    short = _or(_first(kept, "ephemeral_5m_input_tokens"), before.cache_write_5m_tokens)
    long = _or(_first(kept, "ephemeral_1h_input_tokens"), before.cache_write_1h_tokens)
    read = _or(
        _first(inputs, "cached_tokens"),
        _or(_first(said, "cache_read_input_tokens"), before.cache_read_tokens),
    )
    written = _or(
        _first(inputs, "cache_write_tokens"),
        _or(_first(said, "cache_creation_input_tokens"), before.cache_write_tokens),
    )
    if (short or 0) + (long or 0) > (written or 0):
        written = (short or 0) + (long or 0)
    if total is not None and inputs is None:  # Anthropic's, without the cache
        total += (read or 0) + (written or 0)
    usage = Usage(
        _or(total, before.input_tokens),
        _or(output, before.output_tokens),
        read,
        written,
        _or(_first(outputs, "reasoning_tokens", "thinking_tokens"), before.reasoning_tokens),
        short,
        long,
        web_searches=_or(_searches(said), before.web_searches),
    )
    _take_media(usage, inputs, outputs)
    return usage


def _searches(said: object) -> int | None:
    """Return the searches of the web that Anthropic's usage tells, or an answer of OpenAI's.

    OpenAI bills searches, not pages that are opened (https://developers.openai.com/api/docs/
    guides/tools-web-search); where it does not tell how many, the output lists what was done.
    """
    tools = at(at(said, "tool_usage"), "web_search") or at(said, "server_tool_use")
    told = _first(tools, "num_requests", "web_search_requests")
    output = at(said, "output")
    if told is not None or not isinstance(output, (list, tuple)):
        return told
    made = [one for one in cast("list[object]", output) if at(one, "type") == "web_search_call"]
    billed = [one for one in made if at(at(one, "action"), "type") in (None, "search")]
    return len(billed) if made else None


def _take_media(usage: Usage, inputs: object, outputs: object) -> None:
    """Take up audio and images from OpenAI's details of input and output."""
    usage.audio_input_tokens = _first(inputs, "audio_tokens")
    usage.image_tokens = _first(inputs, "image_tokens")
    usage.cache_read_audio_tokens = _first(at(inputs, "cached_tokens_details"), "audio_tokens")
    usage.audio_output_tokens = _first(outputs, "audio_tokens")
    usage.image_output_tokens = _first(outputs, "image_tokens")


def _modality(said: object, key: str, modality: str) -> int | None:
    """Return the tokens of a modality; Gemini lists them, also under names in camel case."""
    first, *others = key.split("_")
    listed = at(said, key) or at(said, first + "".join(map(str.capitalize, others)))
    if not isinstance(listed, (list, tuple)):
        return None
    items = cast("list[object]", listed)
    of_it = [item for item in items if _text(at(item, "modality")) == modality]
    return sum(_first(item, "token_count", "tokenCount") or 0 for item in of_it) if of_it else None


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
