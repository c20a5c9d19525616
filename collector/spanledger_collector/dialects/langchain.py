"""Messages and results as LangChain dumps them: objects with a constructor's name and arguments."""

from __future__ import annotations

from typing import cast

from spanledger_collector.decode.messages import Message, canonical
from spanledger_collector.dialects.nested import at

_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}


def messages_of(prompt: object) -> list[Message] | None:
    """Return the messages of a dumped prompt; ``None`` when one of them is no message.

    Args:
        prompt: ``{"messages": [...]}`` or the list; chat models nest it once more.
    """
    listed = prompt.get("messages") if isinstance(prompt, dict) else prompt
    if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], list):
        listed = listed[0]
    if not isinstance(listed, list) or not listed:
        return None
    found = [_message(item) for item in listed]
    return None if None in found else cast("list[Message]", found)


def answer_of(result: object) -> Message | None:
    """Return the first answer in a dumped ``LLMResult``."""
    return _message(at(result, "generations", 0, 0, "message"))


def _message(item: object) -> Message | None:
    fields = at(item, "kwargs") or item
    if not isinstance(fields, dict) or "content" not in fields:
        return None
    kind = fields.get("type", fields.get("role"))
    role = _ROLES.get(kind, kind) if isinstance(kind, str) else "user"
    message: dict[str, object] = {
        "role": role,
        "content": fields["content"],
        "tool_calls": fields.get("tool_calls"),
    }
    if isinstance(fields.get("tool_call_id"), str):
        message["tool_call_id"] = fields["tool_call_id"]
    return canonical(message, role)
