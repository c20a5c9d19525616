"""The messages of a call as a conversation. All of it is text from outside and stays text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.text import plain, shortened

Part = dict[str, object]

_LATEST_SHOWN = 12
_TEXT_LIMIT = 6_000
_SYSTEM_LIMIT = 600
_CODE_LIMIT = 20_000
_NAME_LIMIT = 80
_AVATARS = {
    "system": ":material/settings:",
    "developer": ":material/settings:",
    "user": ":material/person:",
    "assistant": ":material/smart_toy:",
    "tool": ":material/build:",
}


def wanted_hashes(hashes: Sequence[str], *, is_complete: bool) -> Sequence[str]:
    """Return the messages to read: all, or the latest of a long history."""
    return hashes if is_complete else hashes[-_LATEST_SHOWN:]


def parse_message(content: str) -> tuple[str, list[Part]]:
    """Return role and parts of a stored message; other text becomes one text part."""
    try:
        message = json.loads(content)
    except ValueError:
        return "", [{"type": "text", "content": content}]
    if not isinstance(message, dict):
        return "", [{"type": "text", "content": content}]
    fields = cast("dict[str, object]", message)
    parts = fields.get("parts")
    if not isinstance(parts, list):
        return str(fields.get("role") or ""), [{"type": "text", "content": content}]
    found = cast("list[object]", parts)
    return str(fields.get("role") or ""), [_part(p) for p in found]


def show_messages(hashes: Sequence[str], contents: Mapping[str, str]) -> None:
    """Show messages in order; one that was never stored says so."""
    for message_hash in hashes:
        content = contents.get(message_hash)
        if content is None:
            st.caption(f"A message is not stored (`{plain(message_hash)}`).")
            continue
        role, parts = parse_message(content)
        with st.chat_message(role or "message", avatar=_AVATARS.get(role, ":material/chat:")):
            st.caption(plain(role or "message"))
            for part in parts:
                _show_part(role, part)


def pretty(text: str) -> tuple[str, str | None]:
    """Return JSON with indentation and its language, other text as it is and None."""
    try:
        value = json.loads(text)
    except ValueError:
        return text, None
    if not isinstance(value, dict | list):
        return text, None
    return json.dumps(value, indent=2, ensure_ascii=False), "json"


def show_block(text: str) -> None:
    """Show a payload (tool arguments, results) as a block of code."""
    shown, language = pretty(text)
    if len(shown) > _CODE_LIMIT:
        shown, language = shown[:_CODE_LIMIT], None
        st.caption(f"The first {fmt.count(_CODE_LIMIT)} of {fmt.count(len(text))} characters.")
    st.code(shown, language=language, wrap_lines=True)


def _part(part: object) -> Part:
    if isinstance(part, dict):
        return cast("Part", part)
    return {"type": "text", "content": part if isinstance(part, str) else _as_json(part)}


def _as_json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _show_part(role: str, part: Part) -> None:
    kind = str(part.get("type") or "")
    if kind == "text":
        _show_text(
            _as_json(part.get("content") or ""), _SYSTEM_LIMIT if role == "system" else _TEXT_LIMIT
        )
    elif kind == "reasoning":
        with st.expander("Reasoning", icon=":material/psychology:"):
            st.text(_as_json(part.get("content") or ""))
    elif kind == "tool_call":
        name = plain(shortened(str(part.get("name") or "tool"), _NAME_LIMIT))
        st.markdown(f":material/call_made: **{name}** {_id(part)}")
        show_block(_as_json(part.get("arguments") or {}))
    elif kind == "tool_call_response":
        st.markdown(f":material/call_received: result {_id(part)}")
        response = part.get("response", part.get("result", ""))
        show_block(_as_json(response))
    else:
        st.caption(plain(kind or "part of unknown type"))
        show_block(_as_json(part))


def _id(part: Part) -> str:
    return f":gray[{plain(shortened(str(part['id']), _NAME_LIMIT))}]" if part.get("id") else ""


def _show_text(text: str, limit: int) -> None:
    if len(text) <= limit:
        st.text(text)
        return
    st.text(f"{text[:limit]}…")
    with st.expander(f"All {fmt.count(len(text))} characters"):
        st.text(text)
