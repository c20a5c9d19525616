"""Messages as a conversation. All of it is text from outside and stays text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.text import code, plain, shortened
from spanledger_dashboard.trace.message_parts import (
    Part,
    as_json,
    media_label,
    parse_message,
    response_of,
    without_data,
)

_LATEST_SHOWN = 12
_TEXT_LIMIT = 2_500
_SYSTEM_LIMIT = 600
_CODE_LIMIT = 20_000
_NAME_LIMIT = 80
# A larger value is folded to its first level.
_OPEN_JSON_CHARS = 1_500
_BLOCK_HEIGHT_PX = 260
AVATARS = {
    "system": ":material/settings:",
    "developer": ":material/settings:",
    "tool_definitions": ":material/handyman:",
    "user": ":material/person:",
    "assistant": ":material/smart_toy:",
    "tool": ":material/build:",
}
_ROLES = {"tool_definitions": "tools offered"}


def wanted_hashes(hashes: Sequence[str], *, is_complete: bool) -> Sequence[str]:
    """Return the messages to read: all, or the latest of a long history."""
    return hashes if is_complete else hashes[-_LATEST_SHOWN:]


def show_messages(hashes: Sequence[str], contents: Mapping[str, str]) -> None:
    """Show messages in order, each tool's answer below its call.

    One that was never stored says so.
    """
    parsed = [parse_message(contents[h]) if h in contents else None for h in hashes]
    answers = answers_in([m for m in parsed if m is not None])
    for message_hash, message in zip(hashes, parsed, strict=True):
        if message is None:
            st.caption(f"A message is not stored ({code(message_hash)}).")
        else:
            show_message(message[0], message[1], answers)


def show_message(
    role: str,
    parts: Sequence[Part],
    answers: Mapping[str, Part],
    show_speaker: Callable[[], None] | None = None,
) -> None:
    """Show one message.

    A tool's message whose every answer stands below its call already is left out.

    Args:
        role: who said it.
        parts: of the message.
        answers: tools' answers by the id of their call.
        show_speaker: shows who said it in more words than the role.
    """
    rest = [p for p in parts if not (_is_answer(p) and _call_id(p) in answers)]
    if not rest and parts:
        return
    with st.chat_message(role or "message", avatar=AVATARS.get(role, ":material/chat:")):
        if show_speaker is None:
            st.caption(plain(_ROLES.get(role, role) or "message"))
        else:
            show_speaker()
        if role == "tool_definitions":
            _show_definitions(rest)
            return
        for part in rest:
            _show_part(role, part, answers)


def show_block(value: object) -> None:
    """Show a payload (tool arguments, results): JSON to fold, other text as it is."""
    found = _structure(value) if isinstance(value, str) else value
    if isinstance(found, dict | list):
        small = without_data(cast("object", found))
        length = len(as_json(small))
        if length <= _CODE_LIMIT * 10:
            st.json(small, expanded=True if length <= _OPEN_JSON_CHARS else 1)
            return
    text = as_json(value)
    if len(text) > _CODE_LIMIT:
        st.caption(f"The first {fmt.count(_CODE_LIMIT)} of {fmt.count(len(text))} characters.")
    height: int | Literal["content"] = (
        _BLOCK_HEIGHT_PX if len(text) > _OPEN_JSON_CHARS else "content"
    )
    st.code(text[:_CODE_LIMIT], language=None, wrap_lines=True, height=height)


def answers_in(messages: Sequence[tuple[str, Sequence[Part]]]) -> dict[str, Part]:
    """Return tools' answers by the id of their call, where both are among the messages."""
    parts = [part for _, found in messages for part in found]
    asked = {_call_id(part) for part in parts if part.get("type") == "tool_call"} - {""}
    return {_call_id(p): p for p in parts if _is_answer(p) and _call_id(p) in asked}


def _is_answer(part: Part) -> bool:
    return part.get("type") == "tool_call_response"


def _call_id(part: Part) -> str:
    return str(part.get("id") or "")


def _structure(text: str) -> object | None:
    """Return the list or map in a JSON text; None: it is another text."""
    if text[:1] not in ("{", "[", " ", "\n"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("object", value) if isinstance(value, dict | list) else None


def _show_part(role: str, part: Part, answers: Mapping[str, Part]) -> None:
    kind = str(part.get("type") or "")
    if kind == "text":
        limit = _SYSTEM_LIMIT if role == "system" else _TEXT_LIMIT
        _show_text(as_json(part.get("content") or ""), limit)
    elif kind == "reasoning":
        with st.expander("Reasoning", icon=":material/psychology:"):
            st.text(as_json(part.get("content") or ""))
    elif kind == "tool_call":
        _show_call(part)
        if answer := answers.get(_call_id(part)):
            _show_answer(answer, is_paired=True)
    elif _is_answer(part):
        _show_answer(part)
    elif label := media_label(part):
        st.markdown(f":material/attach_file: {plain(shortened(label, 200))}")
    else:
        st.caption(plain(kind or "part of unknown type"))
        show_block(part)


def _show_call(part: Part) -> None:
    name = plain(shortened(str(part.get("name") or "tool"), _NAME_LIMIT))
    st.markdown(f":material/call_made: **{name}** {_id(part)}")
    if part.get("arguments"):
        show_block(part["arguments"])


def _show_answer(part: Part, *, is_paired: bool = False) -> None:
    st.markdown(f":material/call_received: result {'' if is_paired else _id(part)}")
    show_block(response_of(part))


def _show_definitions(parts: Sequence[Part]) -> None:
    names = [str(p.get("name") or _inner(p).get("name") or "tool") for p in parts]
    label = f"{fmt.count(len(parts))} tool{'' if len(parts) == 1 else 's'}: {', '.join(names)}"
    with st.expander(plain(shortened(label, 160))):
        for part in parts:
            show_block(part)


def _inner(part: Part) -> Part:
    inner = part.get("function")
    return cast("Part", inner) if isinstance(inner, dict) else {}


def _id(part: Part) -> str:
    return f":gray[{plain(shortened(_call_id(part), 24))}]" if part.get("id") else ""


def _show_text(text: str, limit: int) -> None:
    found = _structure(text)
    if found is not None:
        show_block(found)
    elif len(text) <= limit:
        st.text(text)
    else:
        st.text(f"{text[:limit]}…")
        with st.expander(f"All {fmt.count(len(text))} characters"):
            st.text(text)
