"""Messages of text alone, from JSON to canonical JSON without building what lies between.

Most messages are one text part, written the same way by every serialiser. Their canonical form is
the same characters in another order; anything else is left to ``messages.split``.
"""

from __future__ import annotations

import re

_START = re.compile(
    rb'\{"role": ?"([a-z]{1,20})", ?"parts": ?\[\{(?:"type": ?("text"), ?)?"content": ?"'
)
_END = re.compile(
    rb'"(?:, ?"type": ?("text"))?\}\](?:, ?"finish_reason": ?"[a-z_]{0,40}")?\}(\]|, ?)'
)
_RENAMED = frozenset(
    {b"human", b"ai", b"model", b"thinking", b"function", b"developer", b"unknown"}
)
"""Roles that ``messages.canonical`` does not keep as they are."""
_ESCAPES = (b"\\n", b'\\"', b"\\t", b"\\r")
_CONTROLS = bytes(range(0x20))
_MOST_QUOTES = 200


def plain_messages(text: bytes, *, may_break: bool = True) -> list[tuple[str, bytes]] | None:
    """Return roles and canonical JSON of a list of messages of one text part each.

    Args:
        text: valid UTF-8.
        may_break: whether there may be control characters in it, which JSON strings cannot hold.

    Returns:
        ``None`` when the text is anything else, or not certain to be valid JSON.
    """
    found: list[tuple[str, bytes]] = []
    position, closing = 1, b""
    if text[:1] != b"[":
        return None
    while closing != b"]":
        start = _START.match(text, position)
        if start is None or start[1] in _RENAMED:
            return None
        content = _string(text, start.end())
        if content is None or (
            may_break and len(content.translate(None, _CONTROLS)) < len(content)
        ):
            return None
        end = _END.match(text, start.end() + len(content))
        if end is None or (start[2] is None) == (end[1] is None):
            return None
        role, closing, position = start[1], end[2], end.end()
        made = b'{"parts":[{"content":"%b","type":"text"}],"role":"%b"}' % (content, role)
        found.append((role.decode("ascii"), made))
    return found if position == len(text) else None


def _string(text: bytes, start: int) -> bytes | None:
    """Return a JSON string's characters, when they are as they would be written again."""
    end = text.find(b'"', start)
    for _ in range(_MOST_QUOTES):
        if text[end - 1 : end] != b"\\":
            break
        end = text.find(b'"', end + 1)
    else:
        return None
    content = text[start:end]
    if b"\\" in content:
        if b"\\\\" in content:
            return None  # which quote ends the string would take counting
        if content.count(b"\\") != sum(map(content.count, _ESCAPES)):
            return None
    return content if end >= 0 else None
