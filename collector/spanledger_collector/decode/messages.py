"""Messages in one canonical form, so that the same message has the same hash in every call.

The form is that of the OpenTelemetry GenAI conventions, ``{"role", "parts": [...]}``. What
providers and frameworks write instead (OpenAI chat and Responses items, Anthropic and Bedrock
blocks) is renamed to it; what belongs to a call and not to the message (finish_reason)
is left out, because the answer of one call is the history of the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b, sha256
from typing import TypeAlias, cast

import orjson
import pyarrow as pa

from spanledger_collector.decode.columns import MESSAGE_SCHEMA, hash_array, text_array
from spanledger_collector.decode.plain_messages import plain_messages
from spanledger_collector.decode.recent_messages import Key, RecentMessages, TextKey
from spanledger_collector.decode.values import Value, parse_any_depth, parse_json

Message: TypeAlias = dict[str, object]

_ROLES = {
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "thinking": "assistant",
    "function": "tool",
    "developer": "system",
    "tool-call": "assistant",
    "tool-response": "tool",
}
_TYPES = {
    "input_text": "text",
    "output_text": "text",
    "summary_text": "text",
    "tool_use": "tool_call",
    "function": "tool_call",
    "function_call": "tool_call",
    "tool-call": "tool_call",
    "tool_result": "tool_call_response",
    "function_call_output": "tool_call_response",
    "tool-result": "tool_call_response",
    "thinking": "reasoning",
}
_RENAMES = {
    "text": {"text": "content"},
    "reasoning": {"thinking": "content", "text": "content"},
    "tool_call": {
        "input": "arguments",
        "args": "arguments",
        "call_id": "id",
        "toolUseId": "id",
        "toolCallId": "id",
        "toolName": "name",
    },
    "tool_call_response": {
        "result": "response",
        "content": "response",
        "output": "response",
        "tool_use_id": "id",
        "tool_call_id": "id",
        "call_id": "id",
        "toolUseId": "id",
        "toolCallId": "id",
        "toolName": "name",
    },
}
_MESSAGE_KEYS = frozenset({"role", "parts", "content", "tool_calls"})
_TEXT_KEYS = {"type", "content"}


class MessageStore:
    """The distinct messages of one batch, by project and hash.

    Args:
        recent: what is in the store already; these messages get no row. None: nothing is.
    """

    __slots__ = ("_recent", "rows", "texts")

    def __init__(self, recent: RecentMessages | None = None) -> None:
        self._recent = recent or RecentMessages()
        self.rows: dict[Key, tuple[str, bytes]] = {}
        """(project, hash) to (role, canonical JSON)."""
        self.texts: dict[TextKey, list[bytes]] = {}
        """The hashes of the messages of texts that were read."""

    def add(self, project: str, messages: Iterable[Message]) -> list[bytes]:
        """Keep the messages and return their hashes in order.

        Raises:
            ValueError: a message is nested deeper than JSON can be written here (254 levels).
        """
        hashes: list[bytes] = []
        for message in messages:
            try:
                content = orjson.dumps(message, option=orjson.OPT_SORT_KEYS)
            except orjson.JSONEncodeError as error:
                raise ValueError(f"a message cannot be kept: {error}") from None
            hashes.append(self._keep(project, cast("str", message["role"]), content))
        return hashes

    def _keep(self, project: str, role: str, content: bytes) -> bytes:
        digest = blake2b(content, digest_size=16).digest()
        if not self._recent.holds((project, digest)):
            self.rows[project, digest] = (role, content)
        return digest

    def add_messages(
        self, project: str, written: bytes, role: str, *, may_break: bool
    ) -> list[bytes] | None:
        """Keep the messages that ``split`` finds in a text; ``None`` when it finds none.

        Args:
            project: whose messages these are.
            written: the text in UTF-8.
            role: the role of a message that does not say its own.
            may_break: whether the text may hold line breaks or other control characters.

        Raises:
            ValueError: as ``add``.
        """
        key = (project, role, sha256(written).digest())
        if seen := self.texts.get(key) or self._recent.messages_of(key):
            return seen
        plain = plain_messages(written, may_break=may_break)
        if plain is not None:
            hashes = [self._keep(project, *message) for message in plain]
        else:
            messages = split(written.decode("utf-8"), role)
            if messages is None:
                return None
            hashes = self.add(project, messages)
        self.texts[key] = hashes
        return hashes

    def table(self, stored_at_s: int) -> pa.Table:
        """Return the rows of ``messages``; ``stored_at_s``: in seconds since 1970."""
        made = self.rows.values()
        stored = pa.scalar(stored_at_s, MESSAGE_SCHEMA.field("stored_at").type)
        columns = (
            pa.array([project for project, _ in self.rows], pa.string()),
            hash_array([digest for _, digest in self.rows]),
            pa.array([role for role, _ in made], pa.string()),
            text_array([content for _, content in made]),
            pa.repeat(stored, len(self.rows)),
        )
        return pa.table(list(columns), schema=MESSAGE_SCHEMA)

    def add_parts(self, project: str, value: Value, role: str) -> list[bytes] | None:
        """Keep a value that is all of one message's parts, such as the system instructions.

        Returns ``None`` when the value holds nothing to keep.
        """
        if isinstance(value, str):
            return self.add_written_parts(project, value.encode("utf-8", "surrogatepass"), role)
        return self._keep_parts(project, value, role)

    def add_written_parts(self, project: str, written: bytes, role: str) -> list[bytes] | None:
        """Do the same with a text in UTF-8."""
        key = (project, f"{role} parts", sha256(written).digest())
        if seen := self.texts.get(key) or self._recent.messages_of(key):
            return seen
        hashes = self._keep_parts(project, written.decode("utf-8", "surrogatepass"), role)
        if hashes is not None:
            self.texts[key] = hashes
        return hashes

    def _keep_parts(self, project: str, value: Value, role: str) -> list[bytes] | None:
        parts = parts_of(value, role)
        return self.add(project, [{"role": role, "parts": parts}]) if parts else None


def parts_of(value: Value, role: str) -> list[object]:
    """Return the parts in a JSON list, a single part, or a plain text; definitions unchanged."""
    parsed = parse_any_depth(value)
    if parsed is None:
        plain = isinstance(value, str) and value and role != "tool_definitions"
        return [{"type": "text", "content": value}] if plain else []
    items = parsed if isinstance(parsed, list) else [parsed]
    return items if role == "tool_definitions" else [part(item) for item in items]


def split(value: Value, role: str) -> list[Message] | None:
    """Return the messages in a JSON text or a structured value.

    Args:
        value: a list of messages, one message, or ``{"messages": [...]}``.
        role: the role of a message that does not say its own.

    Returns:
        ``None`` when the value is something else, for example JSON cut off by a length limit.
    """
    parsed = parse_any_depth(value)
    if isinstance(parsed, dict):
        inner = parsed.get("messages")
        parsed = inner if isinstance(inner, list) else [parsed]
    if not isinstance(parsed, list):
        return None
    messages: list[Message] = []
    for item in parsed:
        if type(item) is not dict or _MESSAGE_KEYS.isdisjoint(item):
            return None
        messages.append(canonical(item, role))
    return messages


def canonical(message: dict[str, object], role: str) -> Message:
    """Return a message in the canonical form; ``role`` if it names none."""
    named = message.get("role")
    spoken = named.lower() if type(named) is str and named not in ("", "unknown") else role
    parts = message.get("parts")
    if type(parts) is list:
        result: Message = {
            "role": _ROLES.get(spoken, spoken),
            "parts": [
                item if type(item) is dict and _is_plain_text(item) else part(item)
                for item in parts
            ],
        }
    else:
        result = {"role": _ROLES.get(spoken, spoken), "parts": _chat_parts(message, spoken)}
    name = message.get("name")
    if name and type(name) is str:
        result["name"] = name
    return result


def part(item: object) -> object:
    """Return one part of a message under its canonical type and keys; nulls are dropped."""
    if isinstance(item, str):
        return {"type": "text", "content": item}
    if not isinstance(item, dict):
        return {"type": "unknown", "content": item}
    fields = _unwrap(item)
    given = fields.pop("type", None)
    if given is None and not fields.keys().isdisjoint(_TEXT_KEYS | {"text"}):
        given = "text"
    kind = _TYPES.get(given, given) if isinstance(given, str) else "unknown"
    renames = _RENAMES.get(kind, {})
    result: dict[str, object] = {"type": kind}
    for key, value in fields.items():
        if value is not None and value != []:
            result[renames.get(key, key)] = value
    if kind == "tool_call" and isinstance(result.get("arguments"), str):
        # Some write the arguments as JSON text, others as the object itself.
        parsed = parse_json(cast("str", result["arguments"]))
        result["arguments"] = result["arguments"] if parsed is None else parsed
    elif kind == "tool_call_response":
        answer = result.get("response")
        if isinstance(answer, dict) and answer.keys() == {"type", "value"}:
            result["response"] = answer["value"]  # Vercel's wrapping
    return result


def tool_response(content: Value, call_id: Value) -> dict[str, object]:
    """Return the part that answers a tool call."""
    answer: dict[str, object] = {"type": "tool_call_response", "response": content}
    if isinstance(call_id, str) and call_id:
        answer["id"] = call_id
    return answer


def _is_plain_text(item: dict[str, object]) -> bool:
    return item.keys() == _TEXT_KEYS and item["type"] == "text"


def _chat_parts(message: dict[str, object], role: str) -> list[object]:
    """Return the parts of a chat message: content, then tool calls."""
    content = message.get("content")
    call_id = message.get("tool_call_id")
    if isinstance(call_id, str):
        return [tool_response(cast("Value", content), call_id)]
    if isinstance(content, str):
        kind = "reasoning" if role == "thinking" else "text"
        parts: list[object] = [{"type": kind, "content": content}] if content else []
    else:
        parts = [part(item) for item in content] if isinstance(content, list) else []
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        parts += [
            part({"type": "tool_call", **call} if isinstance(call, dict) else call)
            for call in calls
        ]
    return parts


def _unwrap(item: dict[str, object]) -> dict[str, object]:
    """Return a part's own fields: OpenAI and Bedrock put them one level down."""
    for wrapper, kind in _WRAPPERS.items():
        inner = item.get(wrapper)
        if isinstance(inner, dict):
            rest = {key: value for key, value in item.items() if key not in (wrapper, "type")}
            return {**rest, **inner, "type": kind}
    return dict(item)


_WRAPPERS = {
    "function": "tool_call",
    "toolUse": "tool_call",
    "toolResult": "tool_call_response",
}
