"""What was said in a span: from attributes and events into hashed messages and tool columns."""

from __future__ import annotations

from spanledger_collector.decode.messages import Message, MessageStore, canonical, split
from spanledger_collector.decode.values import Attributes, Value, parse_json, render, text, writable
from spanledger_collector.dialects.base import Content, Draft
from spanledger_collector.dialects.vocabulary import finish_reason

_HASH_BYTES = 16
_EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}
_EVENT_KEYS = (
    "content",
    "message",
    "role",
    "tool_calls",
    "id",
    "name",
    "index",
    "finish_reason",
    "gen_ai.system",
    "gen_ai.provider.name",
    "event.name",
)
# Events that carry the same keys as a span, and older ones with the whole prompt or answer.
_DETAILS_EVENT = "gen_ai.client.inference.operation.details"
_WHOLE_EVENTS = {
    "gen_ai.content.prompt": ("gen_ai.prompt", "user"),
    "gen_ai.content.completion": ("gen_ai.completion", "assistant"),
}
MESSAGE_EVENTS = frozenset({*_EVENT_ROLES, *_WHOLE_EVENTS, _DETAILS_EVENT})
"""Names of the span events ``absorb_event`` understands."""


def read_content(
    draft: Draft, content: Content, store: MessageStore, project: str
) -> tuple[list[bytes], list[bytes]]:
    """Keep the messages of a span and return the hashes of its input and its output.

    The input starts with the tool definitions, then the system instructions. What is kept leaves
    the draft's attributes; what is not understood stays there.
    """
    attributes = draft.attributes
    is_held = draft.definitions or draft.inputs or draft.outputs
    if not is_held and attributes.keys().isdisjoint(content.keys):
        return [], []
    inputs: list[bytes] = []
    if draft.definitions:
        inputs += store.add(project, [{"role": "tool_definitions", "parts": draft.definitions}])
    inputs += _take_parts(attributes, content.tool_definitions, "tool_definitions", store, project)
    inputs += _take_parts(attributes, content.system, "system", store, project)
    inputs += _take_messages(attributes, content.input_messages, "user", store, project)
    outputs = _take_messages(attributes, content.output_messages, "assistant", store, project)
    if draft.inputs:
        inputs += store.add(project, draft.inputs)
    if draft.outputs:
        outputs += store.add(project, draft.outputs)
    if draft.row["role"] == "tool":
        _take_tool(draft, "tool_arguments", content.tool_arguments)
        _take_tool(draft, "tool_result", content.tool_result)
    return inputs, outputs


def take_hashes(attributes: Attributes, key: str) -> list[bytes]:
    """Take the hashes of messages out of the attributes, where an SDK kept the messages."""
    said = attributes.get(key)
    if not isinstance(said, list) or not said:
        return []
    try:
        hashes = [bytes.fromhex(one) for one in said if isinstance(one, str)]
    except ValueError:
        return []
    if len(hashes) != len(said) or any(len(one) != _HASH_BYTES for one in hashes):
        return []
    del attributes[key]
    return hashes


def absorb_event(draft: Draft, content: Content, name: str, event: Attributes) -> bool:
    """Move the messages of a span event into the draft, and out of the event's attributes.

    Returns whether the event was understood; what is left in ``event`` is held nowhere else.
    """
    if name not in MESSAGE_EVENTS:
        return False
    span = draft.attributes
    if name == _DETAILS_EVENT:
        for key in content.tool_definitions + content.system + _message_keys(content):
            if key in event and key not in span:
                span[key] = event.pop(key)
        return True
    if not span.keys().isdisjoint(_message_keys(content)):
        return False  # the span says it all again
    if name in _WHOLE_EVENTS:
        key, role = _WHOLE_EVENTS[name]
        parsed = parse_json(event.get(key))
        messages = split(parsed, role) if isinstance(parsed, (list, dict)) else None
        if messages is None:
            return False
        (draft.inputs if role == "user" else draft.outputs).extend(messages)
        del event[key]
        return True
    return _absorb_message(draft, name, event)


def _absorb_message(draft: Draft, name: str, event: Attributes) -> bool:
    """Take one of the deprecated events that hold a message each."""
    said = event.get("message") if name == "gen_ai.choice" else event.get("content")
    if said is None and "tool_calls" not in event:
        return False
    if draft.row["role"] == "tool" and name in ("gen_ai.tool.message", "gen_ai.choice"):
        column = "tool_result" if name == "gen_ai.choice" else "tool_arguments"
        draft.fill(column, render(said))
    else:
        message = _event_message(_EVENT_ROLES[name], said, event)
        (draft.outputs if name == "gen_ai.choice" else draft.inputs).append(message)
        draft.fill("finish_reason", finish_reason(event.get("finish_reason")))
    for key in _EVENT_KEYS:
        event.pop(key, None)
    return True


def _event_message(role: str, said: Value, event: Attributes) -> Message:
    """Return the message of an event whose content may be text, blocks or a whole message."""
    parsed = parse_json(said)
    if isinstance(parsed, dict) and not parsed.keys().isdisjoint(("content", "tool_calls")):
        return canonical(parsed, role)
    message: dict[str, object] = {
        "role": text(event.get("role")) or role,
        "content": parsed if isinstance(parsed, list) else writable(said),
        "name": event.get("name"),
    }
    calls = parse_json(event.get("tool_calls"))
    if isinstance(calls, list):
        message["tool_calls"] = calls
    answers = isinstance(parsed, list) and any(
        isinstance(block, dict) and "toolResult" in block for block in parsed
    )
    if role == "tool" and not answers:
        message["tool_call_id"] = text(event.get("id")) or ""
    return canonical(message, role)


def _message_keys(content: Content) -> tuple[str, ...]:
    return content.input_messages + content.output_messages


def _take_messages(
    attributes: Attributes, keys: tuple[str, ...], role: str, store: MessageStore, project: str
) -> list[bytes]:
    for key in keys:
        value = attributes.get(key)
        messages = split(value, role) if value else None
        if messages is not None:
            try:
                hashes = store.add(project, messages)
            except ValueError:
                continue
            del attributes[key]
            return hashes
    return []


def _take_parts(
    attributes: Attributes, keys: tuple[str, ...], role: str, store: MessageStore, project: str
) -> list[bytes]:
    for key in keys:
        value = attributes.get(key)
        try:
            hashes = store.add_parts(project, value, role) if value else None
        except ValueError:
            continue
        if hashes:
            del attributes[key]
            return hashes
    return []


def _take_tool(draft: Draft, column: str, keys: tuple[str, ...]) -> None:
    """Fill a tool column from its best key; other keys that say the same go with it."""
    attributes = draft.attributes
    held = next((attributes[key] for key in keys if attributes.get(key) not in (None, "")), None)
    if held is None or draft.row[column]:
        return
    draft.row[column] = render(held)
    for key in keys:
        if key in attributes and attributes[key] == held:
            del attributes[key]
