"""Requests and responses inside attributes: finding values, taking out what is held elsewhere."""

from __future__ import annotations

from typing import cast

from spanledger_collector.decode.messages import Message, split
from spanledger_collector.decode.values import Value, parse_json

TOOL_KEYS = frozenset({"tools", "functions"})
"""Keys of a request that hold the tools offered to the model."""
HISTORY_KEYS = frozenset({"messages", "input", "instructions", "system", "prompt", "prompts"})
"""Keys of a request that hold what was said before."""
_ANSWER_KEYS = frozenset(
    {"content", "text", "tool_calls", "arguments", "summary", "additional_kwargs", "thinking"}
)


def at(value: object, *path: str | int) -> Value:
    """Return the value at a path of keys and indexes, ``None`` where it breaks off."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return cast("Value", value)


def searches_in(*outputs: object) -> int | None:
    """Return how often OpenAI searched the web, by lists of what it did; ``None``: never, as told.

    It bills searches, not pages that are opened or searched in.
    https://developers.openai.com/api/docs/guides/tools-web-search
    """
    items = [item for output in outputs if isinstance(output, list) for item in output]
    made = [item for item in items if at(item, "type") == "web_search_call"]
    billed = [item for item in made if at(item, "action", "type") in (None, "search")]
    return len(billed) if made else None


def messages_in(value: Value, role: str) -> list[Message] | None:
    """Return the messages in a JSON text as ``split`` does, but none too deep to be kept."""
    parsed = parse_json(value)
    return None if parsed is None else split(cast("Value", parsed), role)


def without_answer(value: object) -> object:
    """Return a raw response without what a message says already."""
    if isinstance(value, dict):
        return {
            key: without_answer(item)
            for key, item in value.items()
            # The Responses API echoes its output format, an object, under "text".
            if key not in _ANSWER_KEYS or (key == "text" and isinstance(item, dict))
        }
    return [without_answer(item) for item in value] if isinstance(value, list) else value
