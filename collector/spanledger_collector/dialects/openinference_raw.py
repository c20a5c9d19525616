"""The raw request and response that OpenInference keeps as JSON on spans of model calls.

They are read for what no flat key holds (response id, sampling, cache-write lifetimes), then
freed of the messages and tools the span holds already: a history is not stored once per call.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import orjson

from spanledger_collector.decode.values import (
    Attributes,
    Reader,
    Value,
    count,
    flag,
    number,
    parse_json,
    text,
    whole,
)
from spanledger_collector.dialects.base import Draft
from spanledger_collector.dialects.nested import (
    HISTORY_KEYS,
    TOOL_KEYS,
    at,
    searches_in,
    without_answer,
)
from spanledger_collector.dialects.raw_usage import fill_usage
from spanledger_collector.dialects.reprs import answer_in_repr
from spanledger_collector.dialects.vocabulary import finish_reason


def _fast(value: Value) -> str | None:
    """Read Anthropic's fast mode as the service tier it is priced as."""
    return "fast" if value == "fast" else None


_PARAMETERS: tuple[tuple[str, str, Reader], ...] = (
    ("model", "request_model", text),
    ("model_name", "request_model", text),
    ("temperature", "temperature", number),
    ("top_p", "top_p", number),
    ("top_k", "top_k", number),
    ("max_tokens", "max_tokens", count),
    ("max_completion_tokens", "max_tokens", count),
    ("max_output_tokens", "max_tokens", count),
    ("seed", "seed", whole),
    ("frequency_penalty", "frequency_penalty", number),
    ("presence_penalty", "presence_penalty", number),
    ("stream", "stream", flag),
    ("reasoning_effort", "reasoning_level", text),
    ("user", "user_id", text),
    ("speed", "service_tier", _fast),
    ("service_tier", "service_tier", text),
)
_PARAMETER_KEYS = ("llm.invocation_parameters", "embedding.invocation_parameters")
_USAGE_KEYS = ("usage", "token_usage", "usage_metadata", "usageMetadata")
_LOCAL_IDS = ("run-", "lc_run-", "run--")  # LangChain's own message ids, not the provider's


def read_raw(draft: Draft) -> None:
    """Fill columns from the raw JSON values and shorten these to what is held nowhere else."""
    attributes = draft.attributes
    _read_parameters(draft)
    request = parse_json(attributes.get("input.value"))
    response = parse_json(attributes.get("output.value"))
    if isinstance(request, dict):
        draft.fill("request_model", text(request.get("model")))
    if isinstance(response, dict):
        shown = answer_in_repr(response)
        draft.fill("response_id", _response_id(response, shown))
        _read_usage(draft, response, shown)
    elif "output.value" not in attributes and draft.row["output_tokens"] is None:
        # Nothing came back, so the one model name on the span is the one that was asked for.
        draft.fill("request_model", draft.row["response_model"] or None)
        draft.row["response_model"] = ""
    if draft.inputs:
        _shorten_request(draft, request)
    if draft.outputs:
        _shorten_response(draft, response)
    if draft.definitions:
        for key in _PARAMETER_KEYS:
            _drop_tools(attributes, key)


@lru_cache(maxsize=512)
def _parameters(dumped: str) -> tuple[tuple[str, object], ...]:
    """Return columns and values of invocation parameters; an agent repeats the same ones."""
    parsed = parse_json(dumped)
    if not isinstance(parsed, dict):
        return ()
    found = [(column, read(parsed.get(key))) for key, column, read in _PARAMETERS]
    reasoning = parsed.get("reasoning")
    if isinstance(reasoning, dict):
        found.append(("reasoning_level", text(reasoning.get("effort"))))
    return tuple((column, value) for column, value in found if value is not None)


def _read_parameters(draft: Draft) -> None:
    for key in _PARAMETER_KEYS:
        dumped = draft.attributes.get(key)
        if isinstance(dumped, str):
            for column, value in _parameters(dumped):
                draft.fill(column, value)


def _response_id(response: dict[str, object], shown: dict[str, object]) -> str | None:
    """Return the provider's id: of the response itself, inside a LangChain result, or shown."""
    message = _message(response)
    candidates = [response.get("id"), response.get("response_id"), response.get("responseId")]
    candidates.append(at(response, "llm_output", "id"))
    candidates += [at(message, "response_metadata", "id"), at(message, "id"), shown.get("id")]
    return next((cast("str", given) for given in candidates if _is_providers(given)), None)


def _message(response: dict[str, object]) -> Value:
    """Return the message in a dumped result of LangChain's."""
    return at(response, "generations", 0, 0, "message", "kwargs")


def _is_providers(given: object) -> bool:
    return isinstance(given, str) and given != "" and not given.startswith(_LOCAL_IDS)


def _read_usage(draft: Draft, response: dict[str, object], shown: dict[str, object]) -> None:
    """Fill what only the provider's own usage object says.

    LangChain puts it one level down, or tells it with the message alone: of streams, and of
    answers of OpenAI's Responses. Haystack's embedders have it in ``meta``, its generators in a
    list of these; ``shown`` is what a repr tells.
    """
    message = _message(response)
    told = at(message, "response_metadata")
    metas = (at(response, "meta"), at(response, "meta", 0))
    for place in (response, response.get("llm_output"), told, message, *metas, shown):
        for key in _USAGE_KEYS:
            usage = at(place, key)
            tier = text(at(place, "service_tier")) or text(at(usage, "service_tier"))
            if tier:  # what was served counts, not what was asked for
                draft.row["service_tier"] = tier
            fill_usage(draft, cast("dict[str, object]", usage) if isinstance(usage, dict) else None)
    draft.fill("web_searches", count(at(response, "tool_usage", "web_search", "num_requests")))
    draft.fill("web_searches", searches_in(response.get("output"), at(message, "content")))
    answered = text(at(told, "model_name"))
    if answered:  # the flat key names the one that was asked for
        draft.row["response_model"] = answered
    draft.fill("finish_reason", finish_reason(cast("Value", response.get("stop_reason"))))


def _shorten_request(draft: Draft, request: object) -> None:
    attributes = draft.attributes
    if isinstance(request, dict):
        if _history_length(request) > len(draft.inputs):
            return  # the flat keys lost some to a limit: the JSON is the fuller record
        held = HISTORY_KEYS | TOOL_KEYS if draft.definitions else HISTORY_KEYS
        _put(attributes, "input", {k: v for k, v in request.items() if k not in held})
    elif isinstance(request, list):
        if len(request) <= len(draft.inputs):
            _put(attributes, "input", {})
    elif _says(draft.inputs[-1], attributes.get("input.value")):
        _put(attributes, "input", {})


def _history_length(request: dict[str, object]) -> int:
    """Return how many messages a raw request holds."""
    messages = request.get("messages", request.get("input", request.get("prompts")))
    if isinstance(messages, list):  # LangChain: one list of messages for each prompt
        length = sum(len(item) if isinstance(item, list) else 1 for item in messages)
    else:
        length = 1 if messages else 0
    return length + sum(1 for key in ("instructions", "system") if request.get(key))


def _shorten_response(draft: Draft, response: object) -> None:
    attributes = draft.attributes
    if isinstance(response, dict):  # the Responses API echoes what it was asked
        echoed = HISTORY_KEYS | TOOL_KEYS if draft.definitions else HISTORY_KEYS
        response = {key: item for key, item in response.items() if key not in echoed}
    if isinstance(response, (dict, list)):
        _put(attributes, "output", without_answer(response))
    elif _says(draft.outputs[-1], attributes.get("output.value")):
        _put(attributes, "output", {})


def _drop_tools(attributes: Attributes, key: str) -> None:
    dumped = attributes.get(key)
    if isinstance(dumped, str) and ('"tools"' in dumped or '"functions"' in dumped):
        parsed = parse_json(dumped)
        if isinstance(parsed, dict) and not TOOL_KEYS.isdisjoint(parsed):
            rest = {k: v for k, v in parsed.items() if k not in TOOL_KEYS}
            attributes[key] = orjson.dumps(rest).decode("utf-8")


def _put(attributes: Attributes, side: str, rest: object) -> None:
    """Replace a raw value by what is left of it; without anything left its keys go."""
    if rest:
        attributes[f"{side}.value"] = orjson.dumps(rest).decode("utf-8")
    else:
        attributes.pop(f"{side}.value", None)
        attributes.pop(f"{side}.mime_type", None)


def _says(message: dict[str, object], spoken: Value) -> bool:
    """Tell whether a message is nothing but this text."""
    return isinstance(spoken, str) and message["parts"] == [{"type": "text", "content": spoken}]
